"""What of a quote has traded, hedged: while it works, at its end, and the pair that is left then. Pure.

    works, something to hedge    an immediate-or-cancel order of the other leg for what is matched and not yet
                                 held of it, if the exchange takes one so small; `lean`: a quote of it first
    the other leg is beyond the  the quote is cancelled, and at once the cheaper of hedging within
    worst price of the terms     `max_slippage` and closing what has traded
    has ended                    all that is left to hedge, once; then what is held counts as the pair
                                 (`PairSettled`), or is repaired like any uneven pair
    has ended, and was closing   the rest leaves by an `exit`
    all has traded and is        the pair is settled (`repair.settling`), or said to miss the promise
    hedged, beyond the promise

No order is left behind that the exchange would not take: where what is to come after a hedge could be worth
less than the minimum, so much is kept back for the last one.
"""

from typing import NamedTuple

import msgspec

from actors.risk.legging import over_budget
from actors.sizing.lattice import MINIMUM_PERCENT
from actors.sizing.plans import Intended, plan_of
from actors.sizing.quoting import (
    LEAST_REST_MS,
    QuoteLook,
    Quoting,
    at_rest,
    beyond,
    cancelling,
    closable,
    unwanted,
)
from actors.sizing.repair import LegPosition
from messages.amounts import percent
from messages.execution import CancelAsked
from messages.lifecycle import Held, WorkingOrder
from messages.sizing import REST_MAX_MS, Leg, PairSettled, Purpose, QuoteTerms, SizingPlan
from messages.units import BASIS, ONE, Bps, Ms, imbalance, notional

AGAIN_MS = 250
"""Pause after a hedge that was refused or not sent."""
PRICE_MS = 1_000
"""How long the price of an order is waited for of which only the quantity is known, before a pair is judged
by an estimate.
"""
NOT_SETTLED = "NOT_SETTLED"
"""Code of a completed pair that misses the promise at the prices paid and that no order brings within it."""
Answer = SizingPlan | CancelAsked | PairSettled | None


class Need(NamedTuple):
    """What has to be hedged of one leg."""

    leg: Leg
    amount: int
    """Signed, to order now: what is matched and not yet held. 0: nothing."""
    left: int
    """Signed, what may have to be ordered in all, this included, if all of the quote trades."""


def need_of(terms: QuoteTerms, held: Held, step: int, *, ended: bool) -> Need:
    """What hedges that which has traded of the leg that rests. Nothing is ever taken back: where more is
    held than is matched, the amount is 0.
    """
    other = held.leg(terms.other).amount
    final = terms.whole(terms.other) if terms.opens else 0
    towards = final - other
    amount = terms.matched(held.leg(terms.leg).amount, step) - other
    if amount * towards <= 0:
        return Need(terms.other, 0, 0)
    amount = min(amount, towards) if amount > 0 else max(amount, towards)
    return Need(terms.other, amount, amount if ended else towards)


def chunk(need: Need, price: int, step: int, minimum: int) -> int:
    """How much of it is ordered now, signed: all of it, or less where a rest under the exchange's `minimum`
    (USD x18, at `price`) would be left for later, or nothing where it is worth less itself.
    """
    amount, left = abs(need.amount), abs(need.left)
    least, kept = (_worth(usd, price, step) for usd in (minimum, minimum * MINIMUM_PERCENT // 100))
    if 0 < left - amount < kept:
        amount = left - kept
    return 0 if amount < max(least, step) else amount if need.amount > 0 else -amount


def _worth(usd: int, price: int, step: int) -> int:
    """The least amount on the step that is worth `usd` at `price`."""
    return -(-usd * ONE // (price * step)) * step


# -- while something works -----------------------------------------------------------------------------------


def working(memory: Quoting, look: QuoteLook) -> tuple[Quoting, Answer]:
    """One decision while an order works and no plan is under way: what has traded comes first."""
    memory, answer = _hedged(memory, look) if look.hedging is None else (memory, None)
    if answer is not None:
        return memory, answer
    for order in look.held.working:
        why = _stopped(look, order) if order.terms.hedges else unwanted(memory, look, order)
        asked = cancelling(order, why, look.now_ms) if why else None
        if asked is not None:
            over = msgspec.structs.replace(memory, lean_until_ms=look.now_ms)
            return over if order.terms.hedges else memory, asked
    return memory, None


def _stopped(look: QuoteLook, order: WorkingOrder) -> str:
    """Why a hedge that rests should take now, in words: its price has run away. "" = it may rest."""
    doubt, stop = order.doubt, look.settings.execution.lean_stop
    book = look.book(order.terms.leg)
    now = (book.bids if doubt.amount > 0 else book.asks)[0].price
    run = now - doubt.limit if doubt.amount > 0 else doubt.limit - now
    if run * BASIS < stop * doubt.limit:
        return ""
    return (
        f"{order.terms.leg.upper()} has run from {doubt.limit.text()} to {now.text()}, lean_stop is reached"
    )


def _hedged(memory: Quoting, look: QuoteLook) -> tuple[Quoting, Answer]:
    """What hedges that which has traded so far."""
    terms, order = memory.terms, look.primary
    if terms is None:
        return memory, None
    product = look.rules.product(terms.other)
    need = need_of(terms, look.held, product.size_step, ended=order is None)
    if not need.amount:
        return msgspec.structs.replace(memory, lean_until_ms=Ms(0)), None
    touch = look.book(need.leg).side(need.amount)[0].price
    price, minimum = min(touch, terms.worst), product.min_notional or 0
    amount = chunk(need, price, product.size_step, minimum)
    if not look.quote.venue_active or _paused(look):
        return memory, None
    if beyond(terms.worst, touch, need.amount):
        return memory, _beyond_worst(look, terms, need, order)
    return _answered(memory, look, terms, amount) if amount else (memory, None)


def _answered(memory: Quoting, look: QuoteLook, terms: QuoteTerms, amount: int) -> tuple[Quoting, SizingPlan]:
    """The hedge: taken, or at rest first while `lean` lets it."""
    if look.lean(opens=terms.opens):
        if not memory.lean_until_ms:
            until_ms = Ms(look.now_ms + look.settings.execution.lean_wait)
            memory = msgspec.structs.replace(memory, lean_until_ms=until_ms)
        if look.now_ms <= memory.lean_until_ms - LEAST_REST_MS:
            return memory, _resting_hedge(look, terms, amount, memory.lean_until_ms)
    return memory, _taking(look, terms, amount, "hedge")


def _paused(look: QuoteLook) -> bool:
    """Was the last hedge refused or not sent, moments ago?"""
    held = look.held
    return bool(
        held.last_purpose in {"hedge", "repair", "exit", "flatten"}
        and held.last_refusals
        and look.now_ms < held.last_change_ms + AGAIN_MS
    )


def _taking(look: QuoteLook, terms: QuoteTerms, amount: int, purpose: Purpose) -> SizingPlan:
    """The order of the other leg. As a `hedge` it is immediate-or-cancel, at no worse price than the terms
    allow.
    """
    held, settings = look.held, look.settings
    first = terms.other == "eth"
    amounts, closes = (amount, 0) if first else (0, amount), (not terms.opens,) * 2
    intended = Intended(purpose, held.cycle, 0, amounts, settings.max_slippage, closes)
    plan = plan_of(intended, held, look.quote, look.rules, settings, look.now_ms)
    if purpose != "hedge":
        return plan
    order = plan.leg(terms.other)
    limit = min(order.limit, terms.worst) if amount > 0 else max(order.limit, terms.worst)
    order = msgspec.structs.replace(order, kind="ioc", limit=limit)
    return msgspec.structs.replace(plan, **{terms.other: order})


def _resting_hedge(look: QuoteLook, terms: QuoteTerms, amount: int, until_ms: Ms) -> SizingPlan:
    """The other leg's order at rest at its own touch (`lean`)."""
    book = look.book(terms.other)
    price = (book.bids if amount > 0 else book.asks)[0].price
    rest = Ms(min(REST_MAX_MS, until_ms - look.now_ms))
    # Nothing hedges a hedge: where its own other leg stands is only told.
    hedging = msgspec.structs.replace(
        terms, leg=terms.other, worst=look.book(terms.leg).mid, rest=rest, give_up_ms=until_ms, hedges=True
    )
    return at_rest(_taking(look, terms, amount, "hedge"), hedging, price)


def _beyond_worst(look: QuoteLook, terms: QuoteTerms, need: Need, order: WorkingOrder | None) -> Answer:
    """No fill is hedged at this price by the terms: nothing more is to trade, and what has is decided on at
    once. What would close it is in the product of the order that works, so that waits for its ending.
    """
    if order is not None:
        asked = cancelling(order, f"the other leg is beyond {terms.worst.text()}", look.now_ms)
        if asked is not None:
            return asked
    held, settings, rules = look.held, look.settings, look.rules
    if rules.incomplete() or order is None:
        return None
    if not terms.opens:
        return _taking(look, terms, need.amount, "flatten")
    # What is closed now is to be opened again (`repair.cheapest`), so any hedge that can be sent is cheaper.
    part, book, leg = held.leg(terms.other), look.book(terms.other), rules.terms().product(terms.other)
    other = LegPosition(part.amount, terms.whole(terms.other), part.vwap, book, leg, 1)
    sent = other.sendable(need.amount, settings.max_slippage, increases=True)
    tries_left = held.repairs < settings.max_repair_steps
    return _taking(look, terms, need.amount, "repair") if sent and tries_left else None


# -- when nothing works any more -----------------------------------------------------------------------------


def ended(memory: Quoting, look: QuoteLook, *, leave: bool) -> tuple[Quoting, Answer]:
    """One decision on an uneven pair of which quotes have ended, while nothing was closed; None: it is like
    any other uneven pair. `leave`: must both legs go?
    """
    held = look.held
    if leave or held.flattens or over_budget(held, look.settings, look.now_ms):
        return memory, None
    ours = memory.cycle == held.cycle and held.last_purpose in {"quote", "hedge"}
    if ours and not memory.hedged_last:
        memory, answer = _hedged(memory, look)
        if isinstance(answer, SizingPlan):
            rests = answer.purpose == "quote"
            return msgspec.structs.replace(memory, hedged_last=not rests), answer
    pair = (held.cycle, int(held.eth.amount), int(held.sol.amount))
    if not leaving(held) and memory.settled != pair and settles(look):
        words = f"what has traded is {held.eth.amount.text()} ETH and {held.sol.amount.text()} SOL, hedged"
        settled = PairSettled(held.cycle, held.eth.amount, held.sol.amount, words)
        return msgspec.structs.replace(memory, settled=pair), settled
    return memory, None


def unsettled(memory: Quoting, held: Held, missed: Bps, why: str) -> tuple[Quoting, PairSettled | None]:
    """That a pair misses the promise at the prices paid and stays as it is: said once of each pair."""
    pair = (held.cycle, int(held.eth.amount), int(held.sol.amount))
    if memory.settled == pair:
        return memory, None
    words = f"{NOT_SETTLED}: its fills are {percent(missed)} apart, and {why}"
    told = PairSettled(held.cycle, held.eth.amount, held.sol.amount, words)
    return msgspec.structs.replace(memory, settled=pair), told


def leaving(held: Held) -> bool:
    """Is a pair that stood no longer whole, because a quote that closes it has traded?"""
    return held.filled_imbalance is not None and held.last_purpose in {"quote", "hedge"} and not held.flattens


def settles(look: QuoteLook) -> bool:
    """Does what is held hedge itself within the promise, at the prices paid, and can each leg be closed
    alone?
    """
    held, settings = look.held, look.settings
    unsure = held.unpriced and look.now_ms < held.last_change_ms + PRICE_MS
    if unsure or held.eth.amount * held.sol.amount >= 0 or not closable(look):
        return False
    eth, sol = (notional(leg.vwap, leg.amount) for leg in (held.eth, held.sol))
    return 0 not in (eth, sol) and imbalance(eth, sol, held.hedge_ratio) <= settings.max_imbalance
