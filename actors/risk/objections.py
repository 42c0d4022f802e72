"""What each of the three voters checks by itself, on the object it holds, before it votes: its rules, in the
order of `actors/risk/may_enter.py`. Pure.
"""

import msgspec

from messages.lifecycle import Denial
from messages.sizing import Sealed
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


def kind_denial(ballot: Ballot) -> Denial | None:
    """Is what makes a position larger fill-or-kill, and what closes immediate-or-cancel?"""
    plan = ballot.sealed.plan
    for leg in (plan.eth, plan.sol):
        wanted = "ioc" if leg.reduce_only else "fok"
        if leg.amount and leg.kind != wanted:
            return Denial(
                "ORDER_KIND",
                f"{plan.purpose} wants {wanted} for product {leg.product_id}, not {leg.kind}",
            )
    return None
