"""The ledger's vote on orders that rest, and on what hedges them: do they fit what is held and what works?

quote that opens     while flat, for no more than its own whole pair (`actors/risk/objections.py`)
quote that closes    nothing works, it found the pair that is held, and closes no more than is held
quote that hedges    as a hedge
hedge                the other leg of the quote of this cycle that was placed last: no more than
                     `QuoteTerms.matched` of what is held of the leg that rests, minus what is held of the
                     other, at no worse price than the terms' worst
anything             nothing in the product of an order that works (decision 046)
"""

from actors.ledger.fold import Fold
from messages.lifecycle import Denial
from messages.sizing import LEGS, Leg, QuoteTerms, SizingPlan
from messages.units import Base


def against_working(fold: Fold, plan: SizingPlan) -> str:
    """Which order works where this plan wants to trade, in words; "" = none."""
    quote = plan.quote
    alone = quote is not None and not quote.hedges
    for leg, flight in fold.working.items():
        if plan.leg(leg).amount or alone:
            return f"the {leg} order of plan {flight.plan.epoch}.{flight.plan.seq} has no ending yet"
    return ""


def answers_nothing(fold: Fold, plan: SizingPlan) -> Denial | None:
    """Why a quote that does not enter, or a hedge, fits neither what is held nor what was quoted."""
    quote = plan.quote
    if quote is None:
        return _hedge_denial(fold, plan)
    if quote.hedges:
        return _may_not_hedge(fold, plan, quote.leg) or _other_terms(fold, quote)
    found, held = (int(quote.eth), int(quote.sol)), (fold.position["eth"], fold.position["sol"])
    if found != held:
        texts = " and ".join(Base(amount).text() for amount in found)
        ours = " and ".join(Base(amount).text() for amount in held)
        return Denial("NOT_A_CLOSE", f"the quote closes the pair of {texts}, held are {ours}")
    return None


def _hedge_denial(fold: Fold, plan: SizingPlan) -> Denial | None:
    """Does a hedge answer what of a quote has traded, and no more?"""
    leg = next(leg for leg in LEGS if plan.leg(leg).amount)
    quote = quoted(fold)
    if quote is not None and plan.leg(leg).reduce_only == quote.opens:
        return Denial("NOT_A_HEDGE", "its order is reduce-only exactly when the quote closes")
    return _may_not_hedge(fold, plan, leg)


def quoted(fold: Fold) -> QuoteTerms | None:
    """The terms of the quote of this cycle that was placed last, of those that are hedged by others."""
    plans = (order.plan for order in reversed(fold.cycle.orders))
    return next((plan.quote for plan in plans if plan.quote is not None and not plan.quote.hedges), None)


def _may_not_hedge(fold: Fold, plan: SizingPlan, leg: Leg) -> Denial | None:
    quote, order, held = quoted(fold), plan.leg(leg), fold.position[leg]
    if quote is None or plan.cycle != fold.cycle.number:
        return Denial("NOT_A_HEDGE", f"nothing was quoted in cycle {plan.cycle} that it could hedge")
    if leg != quote.other:
        return Denial("NOT_A_HEDGE", f"{leg} is the leg that rests, {quote.other} hedges it")
    room = quote.matched(fold.position[quote.leg], fold.steps.get(leg, 1)) - held
    room = room if (room > 0) == ((quote.whole(leg) > 0) == quote.opens) else 0
    if not quote.opens:
        room = max(-abs(held), min(abs(held), room))
    if (order.amount > 0) != (room > 0) or abs(order.amount) > abs(room):
        return Denial(
            "NOT_A_HEDGE",
            f"{leg} order of {order.amount.text()} while {Base(held).text()} is held and {Base(room).text()}"
            " is to be hedged",
        )
    worse = order.limit - quote.worst if order.amount > 0 else quote.worst - order.limit
    if worse > 0:
        return Denial(
            "NOT_A_HEDGE", f"its limit {order.limit.text()} is worse than the terms' {quote.worst.text()}"
        )
    return None


def _other_terms(fold: Fold, quote: QuoteTerms) -> Denial | None:
    """Is a quote that hedges about another pair than the quote whose fills it hedges?"""
    hedged = quoted(fold)
    same = hedged is not None and (hedged.eth, hedged.sol, hedged.opens) == (
        quote.eth,
        quote.sol,
        quote.opens,
    )
    return None if same else Denial("NOT_A_HEDGE", "its terms are not those of the quote that it hedges")
