"""What happened, in words: one line per event, for the screen's last lines and for plain-line mode alike."""

from commands.output.words import clock_time, span
from messages.amounts import fixed, size
from messages.execution import Fill, LegFill, Outcome, PlanClosed, QuoteEnded
from messages.lifecycle import Restarted
from messages.sizing import Leg, LegOrder, QuoteTerms, Sealed, SizingPlan
from messages.units import ONE, Quote, notional

RESOLVE_GRACE_MS = 500
"""RESOLVE believes in an order's absence this long after its receive window (design: the barrier)."""


def side(amount: int) -> str:
    """What an order of this signed amount does."""
    return "buy" if amount > 0 else "sell"


def order_words(name: str, order: LegOrder) -> str:
    """`ETH sell 0.357 = 984.57`; `SOL nothing` when the leg has no amount."""
    if not order.amount:
        return f"{name} nothing"
    return (
        f"{name} {side(order.amount)} {size(order.amount)} = {fixed(notional(order.vwap, order.amount), 2)}"
    )


def plan_words(sealed: Sealed) -> str:
    """A sealed plan: number, digest, purpose, the rule of an exit, and both quantities; of an entry also for
    how long its pair is held, where that was drawn.
    """
    plan = sealed.plan
    both = f"{order_words('ETH', plan.eth)}   {order_words('SOL', plan.sol)} USD"
    why = f" ({plan.because})" if plan.because else ""
    held = "" if plan.hold is None else f"   held for {span(plan.hold)}"
    return f"plan {plan.epoch}.{plan.seq} {sealed.digest[:8]} {plan.purpose}{why}: {both}{held}"


def outcome_words(outcome: Outcome) -> str:
    """What the venue answered to one order; not for an outcome that nobody knows (`doubt_words`)."""
    name = outcome.leg.upper()
    after = span(outcome.answered_ms - outcome.sent_ms)
    if outcome.kind == "accepted":
        return f"{name} order {short(outcome.order_digest)} accepted after {after}"
    if outcome.kind == "refused":
        detail = f" ({outcome.detail})" if outcome.detail else ""
        return f"{name} order {short(outcome.order_digest)} refused: {outcome.code}{detail}"
    return f"{name} sent nothing{': ' + outcome.detail if outcome.detail else ''}"


def doubt_words(outcome: Outcome, order: LegOrder, sealed: Sealed | None) -> str:
    """Doubt: for how long it can last, and how much may be unhedged until then."""
    most = Quote(notional(order.limit, order.amount) // ONE * ONE).text()
    until = (
        clock_time(sealed.plan.recv_time_ms + RESOLVE_GRACE_MS + 999) + "Z" if sealed else "it is resolved"
    )
    waited = span(outcome.answered_ms - outcome.sent_ms)
    unknown = f"{outcome.leg.upper()} order {outcome.order_digest[:6]}... unknown: no answer in {waited}"
    return f"{unknown} · up to {most} USD may be unhedged until {until} · waiting, nothing to do"


def fill_words(leg: Leg, fill: Fill) -> str:
    """A piece of an order traded: how much, at which price, and what is left of it; of one that rested also
    that it did.
    """
    left = f", {size(fill.remaining)} left" if fill.remaining else ""
    rested = "" if fill.is_taker else " as it rested"
    return f"{leg.upper()} filled {size(fill.amount)} at {fill.price.text()}{rested}{left}"


def resting_fill(plan: SizingPlan, closed: PlanClosed) -> LegFill | None:
    """What is known of the order of a quote that was answered for and has no ending, so that it rests or may;
    None where nothing of the plan rests.
    """
    if plan.quote is None or closed.aborted:
        return None
    done = closed.eth if plan.quote.leg == "eth" else closed.sol
    rests = done.outcome in {"accepted", "unknown"} and done.filled != done.ordered
    return done if rests else None


def rests_words(plan: SizingPlan, terms: QuoteTerms, done: LegFill) -> str:
    """`ETH rests: sell 0.236 at 4300.3, until 19:41:08Z`."""
    order, name = plan.leg(terms.leg), terms.leg.upper()
    what = f"{side(order.amount)} {size(order.amount)} at {order.limit.text()}"
    traded = f", {size(done.filled)} of it filled" if done.filled else ""
    until = clock_time(min(terms.give_up_ms, plan.last_trade_ms))
    rests = "may rest, the exchange has not answered" if done.outcome == "unknown" else "rests"
    return f"{name} {rests}: {what}{traded}, until {until}Z"


def quote_ended_words(ended: QuoteEnded, why: str | None) -> str:
    """How an order that rested has ended. `why`: it was cancelled for; "" where that is not known; None where
    nobody is known to have asked for it.
    """
    done, name = ended.fill, ended.leg.upper()
    price = f" at {fixed(done.vwap, 2)}" if done.filled else ""
    filled = f"filled {size(done.filled)} of {size(done.ordered)}{price}"
    if done.filled == done.ordered:
        return f"{name} rests no more: {filled}"
    cancelled = "" if why is None else f", cancelled: {why}" if why else ", cancelled"
    return f"{name} rests no more: {filled}{cancelled}"


def closed_words(plan: SizingPlan, closed: PlanClosed) -> str:
    """Both orders of a plan have endings: what each filled of what was ordered. Of a quote that rests: what
    rests, at which price, and until when.
    """
    resting = resting_fill(plan, closed)
    if resting is not None and plan.quote is not None:
        return rests_words(plan, plan.quote, resting)
    parts = [
        _done(name, done)
        for name, order, done in (("ETH", plan.eth, closed.eth), ("SOL", plan.sol, closed.sol))
        if order.amount
    ]
    return f"{plan.purpose} closed: {', '.join(parts)}"


def _done(name: str, done: LegFill) -> str:
    if not done.filled:
        return f"{name} 0 of {size(done.ordered)}" + (
            f" (refused {done.code})" if done.outcome == "refused" else ""
        )
    return f"{name} {size(done.filled)} of {size(done.ordered)} at {fixed(done.vwap, 2)}"


def restarted_words(restarted: Restarted) -> str:
    """Somebody died and came back: who, after how long, in which epoch, and why."""
    after = f" after {span(restarted.after_ms)}" if restarted.after_ms else ""
    return f"{restarted.actor} back{after}, epoch {restarted.epoch}" + (
        f": {restarted.why}" if restarted.why not in {"", "restarted"} else ""
    )


def short(digest: str) -> str:
    """A digest's first four and last two digits."""
    bare = digest.removeprefix("0x")
    return f"{bare[:4]}..{bare[-2:]}" if bare else ""
