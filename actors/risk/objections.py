"""What each of the three voters checks by itself, on the object it holds, before it votes: its rules, in the
order of `actors/risk/may_enter.py`. Pure.
"""

import msgspec

from messages.lifecycle import Denial
from messages.sizing import REST_MAX_MS, QuoteTerms, Sealed, SizingPlan
from messages.wire import digest


class Ballot(msgspec.Struct, frozen=True):
    """A sealed plan before a voter of incarnation `epoch` that has last seen plan `last_seq`."""

    sealed: Sealed
    epoch: int
    last_seq: int


def digest_denial(ballot: Ballot) -> Denial | None:
    """Is it the plan that was sealed? The digest is taken again from the plan this voter holds, so a changed
    field shows whether or not the digest was changed with it (a recomputed digest differs from the other
    voters' digests, and the barrier compares those).
    """
    sealed = ballot.sealed
    if digest(sealed.plan) == sealed.digest:
        return None
    return Denial(
        "DIGEST_MISMATCH", f"the plan does not have the digest {sealed.digest} that it was sealed with"
    )


def epoch_denial(ballot: Ballot) -> Denial | None:
    """Was it sealed for this incarnation? One of an earlier epoch may have been aborted or carried out."""
    theirs = ballot.sealed.plan.epoch
    if theirs == ballot.epoch:
        return None
    return Denial("DEAD_EPOCH", f"the plan is of epoch {theirs}, this incarnation of {ballot.epoch}")


def seq_denial(ballot: Ballot) -> Denial | None:
    """Does it come after everything this voter has seen? The same plan twice would be the order twice."""
    seq = ballot.sealed.plan.seq
    return (
        None
        if seq > ballot.last_seq
        else Denial("STALE_SEQ", f"plan {seq} does not come after {ballot.last_seq}")
    )


def shape_denial(ballot: Ballot) -> Denial | None:
    """Do the two orders have the form that the plan's purpose asks for?"""
    plan = ballot.sealed.plan
    return _pair_denial(plan) or _hedge_denial(plan)


def _pair_denial(plan: SizingPlan) -> Denial | None:
    legs = (plan.eth, plan.sol)
    if plan.purpose == "enter" and not (plan.eth.amount > 0) ^ (plan.sol.amount > 0):
        return Denial("NOT_A_PAIR", "an enter needs one bought and one sold leg")
    if plan.purpose == "enter" and 0 in {plan.eth.amount, plan.sol.amount}:
        return Denial("NOT_A_PAIR", "an enter with an empty leg")
    if plan.purpose in {"exit", "flatten"} and any(leg.increases for leg in legs):
        return Denial("CLOSE_INCREASES", f"an order of {plan.purpose} is not reduce-only")
    if plan.purpose == "top_up" and any(leg.amount and leg.reduce_only for leg in legs):
        return Denial("NOT_A_TOP_UP", "an order of top_up is reduce-only")
    if all(leg.amount == 0 for leg in legs):
        return Denial("EMPTY", "neither leg has an amount")
    return None


def _hedge_denial(plan: SizingPlan) -> Denial | None:
    if (plan.quote is not None) != (plan.purpose == "quote"):
        return Denial("NOT_A_QUOTE", f"a plan of {plan.purpose} has terms of a quote, or a quote has none")
    if plan.purpose == "hedge" and plan.eth.amount and plan.sol.amount:
        return Denial("NOT_A_HEDGE", "a hedge orders both legs")
    return _quote_denial(plan, plan.quote) if plan.quote is not None else None


def _quote_denial(plan: SizingPlan, quote: QuoteTerms) -> Denial | None:
    """Is it one order of the leg that rests, towards its whole pair or away from it, for a bounded time?"""
    order, whole = plan.leg(quote.leg), quote.whole(quote.leg)
    if not order.amount or plan.leg(quote.other).amount:
        return Denial("NOT_A_QUOTE", f"a quote of {quote.leg} orders that leg and no other")
    if not (quote.eth > 0) ^ (quote.sol > 0) or 0 in {quote.eth, quote.sol}:
        return Denial("NOT_A_PAIR", "the terms of a quote name no bought and sold leg")
    if order.reduce_only:
        return Denial("NOT_A_QUOTE", "an order that rests is reduce-only (2067)")
    if not 0 < quote.rest <= REST_MAX_MS:
        return Denial("NOT_A_QUOTE", f"it would rest for {quote.rest} ms, {REST_MAX_MS} ms are the most")
    if ((order.amount > 0) == (whole > 0)) != quote.opens or abs(order.amount) > abs(whole):
        towards = "opens" if quote.opens else "closes"
        return Denial("NOT_A_QUOTE", f"{order.amount.text()} of what {towards} {whole.text()}")
    return None


def kind_denial(ballot: Ballot) -> Denial | None:
    """Is what makes a position larger fill-or-kill, what closes or hedges immediate-or-cancel, and what rests
    post-only?
    """
    plan = ballot.sealed.plan
    special = {"quote": "post_only", "hedge": "ioc"}.get(plan.purpose)
    for leg in (plan.eth, plan.sol):
        wanted = special or ("ioc" if leg.reduce_only else "fok")
        if leg.amount and leg.kind != wanted:
            return Denial(
                "ORDER_KIND",
                f"{plan.purpose} wants {wanted} for product {leg.product_id}, not {leg.kind}",
            )
    return None
