"""Orders that rest: at which price, when, and for how long; and what sizing remembers of that. Pure.

A quote joins our own touch, or stands one tick inside a spread of two or more ticks; it never crosses. With
`quote_when = "fresh"` it joins only shortly after our touch has improved: who comes late stands at the end of
a queue that only trades when the price goes through it. Its quantities are those of an entry that pays the
quote's price in one leg and takes in the other (`priced_at`), so the pair that its fills lead to is as
balanced as any.

A quote whose price is no longer wanted is cancelled, and once it has ended another one may follow, while
nothing of the cycle has traded and its time (`give_up`, `exit_take`) is not over. What is remembered is lost
at a restart without harm: the time begins again.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from actors.risk.exits import voluntary_denial
from actors.risk.legging import budget, spent
from actors.sizing.plans import ENDLESS
from messages.execution import CancelAsked
from messages.lifecycle import Denial, Held, Waiting, WorkingOrder
from messages.market import LegQuote, Level, PairQuote
from messages.settings import Settings
from messages.sizing import LEGS, REST_MAX_MS, Leg, Purpose, QuoteTerms, SizingPlan, Skipped
from messages.units import Base, Ms, Price, Quote, imbalance, notional
from venue.protocol import VenueRules

FRESH_MS = 300
"""How long after our touch has improved a quote may join it."""
OWN_MS = 500
"""How long an order of ours that has ended may still stand in a book that we have."""
AGAIN_MS = 250
"""Pause after a quote that the exchange refused: mostly it would have crossed a book that is newer than
ours.
"""
LEAST_REST_MS = 1_000
"""A quote that would be given up sooner is not placed."""
MINUTE_MS = 60_000
QUOTE_WEIGHT = 2
"""Of the wallet's executes: placing a quote, and cancelling it once."""
WEIGHT_A_MINUTE = 120
"""What quotes may weigh in any minute, a fifth of all: hedging, closing and other runs need the rest. Before
each is sealed, all that has really left is asked about as well (`venue/nado/weights.py`).
"""
QUOTE_WAITS = "QUOTE_WAITS"
"""Code of a wait for the moment in which a quote may be placed."""
QUOTE_RESTS = "QUOTE_RESTS"
"""Code of the wait while one rests."""


PATIENT = frozenset({"HOLD", "FUNDING_HELD"})
"""Rules by which a pair leaves that can wait for a better price. A profit cannot: it is one at the prices
at which both legs take; no loss, no limit and no stop can.
"""
Attempted = SizingPlan | Skipped | Denial


class QuoteLook(msgspec.Struct, frozen=True):
    """What quoting looks at, at venue time `now_ms`."""

    settings: Settings
    rules: VenueRules
    held: Held
    quote: PairQuote
    now_ms: Ms

    def book(self, leg: Leg) -> LegQuote:
        """One leg's."""
        return self.quote.eth if leg == "eth" else self.quote.sol

    @property
    def primary(self) -> WorkingOrder | None:
        """The order that works and whose fills are hedged by others."""
        return next((order for order in self.held.working if not order.terms.hedges), None)

    @property
    def hedging(self) -> WorkingOrder | None:
        """The order that works and hedges what the other one has traded (`lean`)."""
        return next((order for order in self.held.working if order.terms.hedges), None)

    def lean(self, *, opens: bool) -> bool:
        """Do hedges rest first?"""
        execution = self.settings.execution
        return (execution.entry if opens else execution.exit) == "lean"


class BestPrice(NamedTuple):
    """The best price of one side, without orders of ours, and when it improved last (venue time; 0: it got
    worse since, or never did).
    """

    price: int = 0
    improved_ms: int = 0

    def followed(self, price: int, now_ms: int, *, up: bool) -> "BestPrice":
        """The same after a look; `up`: is a higher price a better one?"""
        if price == self.price:
            return self
        better = self.price and (price > self.price) == up
        return BestPrice(price, now_ms if better else 0)

    def fresh(self, now_ms: int) -> bool:
        """Has it just improved?"""
        return bool(self.improved_ms) and now_ms <= self.improved_ms + FRESH_MS


class OwnLevel(NamedTuple):
    """An order of ours at rest: what of it is left, unsigned, and until when (venue time) it may be in a book
    that we have. One that was replaced stands there beside its successor for a moment.
    """

    price: Price
    amount: Base
    until_ms: Ms


class Quoting(msgspec.Struct, frozen=True):
    """What sizing remembers of quoting, between two looks."""

    cycle: int = 0
    opens: bool = True
    """What the following is about: entering the pair of this cycle, or leaving it."""
    until_ms: Ms = Ms(0)
    """Venue time at which quoting is given up; 0: it has not begun."""
    taking_from: int | None = None
    """How many plans had entered when quoting was given up and taking began; None: it has not."""
    terms: QuoteTerms | None = None
    """Of the last quote that was proposed, or seen to work, of those whose fills are hedged."""
    because: str = ""
    """The rule by which the pair leaves that this one closes."""
    hedged_last: bool = False
    """Was what its end left proposed as a hedge?"""
    settled: tuple[int, int, int] | None = None
    """The cycle, ETH and SOL of the pair that was said to be the cycle's last."""
    lean_until_ms: Ms = Ms(0)
    """Venue time until which a hedge may rest; 0: none has to, since all was hedged last."""
    bid: BestPrice = BestPrice()
    ask: BestPrice = BestPrice()
    """Of the leg that rests."""
    own: tuple[OwnLevel, ...] = ()
    """What of ours stands there, or did a moment ago."""
    sent_ms: tuple[Ms, ...] = ()
    """When quotes were proposed, in the last minute."""
    sent_seq: int = -1
    """The last sealed plan then: a proposal that comes again because it was not sealed counts once."""
    waits: Denial | None = None
    """What a quote that closes the pair waits for."""

    def begun(self, cycle: int, until_ms: int, *, opens: bool) -> "Quoting":
        """The same about this cycle: as remembered, or begun now."""
        if (self.cycle, self.opens) == (cycle, opens) and self.until_ms:
            return self
        return Quoting(
            cycle,
            opens,
            Ms(until_ms),
            bid=self.bid,
            ask=self.ask,
            own=self.own,
            settled=self.settled,
            sent_ms=self.sent_ms,
            sent_seq=self.sent_seq,
        )

    def sent(self, quote: SizingPlan, seq: int, now_ms: Ms) -> "Quoting":
        """The same after one more quote was proposed, behind the plan `seq`. It may trade before anybody sees
        it work.
        """
        recent = tuple(at_ms for at_ms in self.sent_ms if at_ms > now_ms - MINUTE_MS)
        added = () if seq == self.sent_seq else (now_ms,)
        return msgspec.structs.replace(
            self,
            terms=quote.quote,
            because=quote.because,
            hedged_last=False,
            sent_ms=(*recent, *added),
            sent_seq=seq,
            waits=None,
        )

    def has_weight(self, now_ms: Ms) -> bool:
        """Is there weight left for another one?"""
        recent = sum(at_ms > now_ms - MINUTE_MS for at_ms in self.sent_ms)
        return (recent + 1) * QUOTE_WEIGHT <= WEIGHT_A_MINUTE


def seen(memory: Quoting, look: QuoteLook) -> Quoting:
    """The memory after this look at the books and at what works."""
    primary, leg = look.primary, look.settings.execution.leg
    if primary is not None:
        terms, order = primary.terms, primary.doubt
        memory = memory.begun(look.held.cycle, terms.give_up_ms, opens=terms.opens)
        memory = msgspec.structs.replace(memory, terms=terms, hedged_last=False)
        if terms.leg == leg:
            left = Base(abs(order.amount) - abs(primary.filled))
            before = tuple(each for each in memory.own if each.price != order.limit)
            stands = OwnLevel(order.limit, left, Ms(look.now_ms + OWN_MS))
            memory = msgspec.structs.replace(memory, own=(*before, stands))
    own = tuple(each for each in memory.own if look.now_ms <= each.until_ms)
    book = look.book(leg)
    bid, ask = (_without(levels, own) for levels in (book.bids, book.asks))
    return msgspec.structs.replace(
        memory,
        own=own,
        bid=memory.bid.followed(bid, look.now_ms, up=True),
        ask=memory.ask.followed(ask, look.now_ms, up=False),
    )


def _without(levels: tuple[Level, ...], own: tuple[OwnLevel, ...]) -> int:
    """The best price at which anybody else stands; the best there is where nobody else does."""
    ours = {each.price: each.amount for each in own}
    others = (level.price for level in levels if level.amount > ours.get(level.price, 0))
    return next(others, levels[0].price)


# -- the price, and when ------------------------------------------------------------------------------------


def wanted_price(memory: Quoting, look: QuoteLook, *, buys: bool) -> Price:
    """Where a quote would stand now, whether or not it may be placed now."""
    own, far = (memory.bid.price, memory.ask.price) if buys else (memory.ask.price, memory.bid.price)
    execution = look.settings.execution
    tick = look.rules.product(execution.leg).price_tick
    inside = execution.quote_when == "fresh" and abs(far - own) >= 2 * tick
    return Price(own + (tick if buys else -tick) * inside)


def quote_price(memory: Quoting, look: QuoteLook, *, buys: bool) -> Price | Denial:
    """The price of a quote that is placed now, or what it waits for."""
    leg, now_ms = look.settings.execution.leg, look.now_ms
    price, own = wanted_price(memory, look, buys=buys), memory.bid if buys else memory.ask
    if not memory.has_weight(now_ms):
        words = f"quotes of the last minute weigh {len(memory.sent_ms) * QUOTE_WEIGHT} of {WEIGHT_A_MINUTE}"
        return Denial(QUOTE_WAITS, words, words)
    held = look.held
    refused = held.last_purpose == "quote" and held.last_refusals
    if refused and now_ms < held.last_change_ms + AGAIN_MS:
        words = "the last quote was refused moments ago"
        return Denial(QUOTE_WAITS, words, words)
    if look.settings.execution.quote_when == "always" or price != own.price or own.fresh(now_ms):
        return price
    side = "bid" if buys else "ask"
    words = f"{leg.upper()}'s {side} of {price.text()} has not just improved"
    return Denial(QUOTE_WAITS, words, words)


def given_up(memory: Quoting, now_ms: int) -> bool:
    """Is the time for quoting over, or so nearly that no other one is placed?"""
    return now_ms > memory.until_ms - LEAST_REST_MS


def priced_at(quote: PairQuote, leg: Leg, amount: int, price: Price) -> PairQuote:
    """Both books as an entry pays them that rests in `leg` at `price` and takes in the other one."""
    level = (Level(price, ENDLESS),)
    book = quote.eth if leg == "eth" else quote.sol
    priced = msgspec.structs.replace(book, **{"asks" if amount > 0 else "bids": level})
    return msgspec.structs.replace(quote, **{leg: priced})


# -- the plan ------------------------------------------------------------------------------------------------


def quote_of(taking: SizingPlan, look: QuoteLook, price: Price, until_ms: Ms, *, opens: bool) -> SizingPlan:
    """The quote in place of a plan that would take both legs: the same quantities, one leg of them at rest
    at `price`.
    """
    leg = look.settings.execution.leg
    other: Leg = "sol" if leg == "eth" else "eth"
    held, amount = look.held, taking.leg(other).amount
    whole = (taking.eth.amount, taking.sol.amount) if opens else (held.eth.amount, held.sol.amount)
    worst = worst_price(look, other, amount)
    rest = Ms(min(REST_MAX_MS, until_ms - look.now_ms))
    terms = QuoteTerms(leg, opens, *whole, worst, rest, until_ms)
    spent_usd = {
        leg: notional(price, taking.leg(leg).amount),
        other: notional(taking.leg(other).vwap, amount),
    }
    planned = imbalance(spent_usd["eth"], spent_usd["sol"], taking.ratio)
    return msgspec.structs.replace(at_rest(taking, terms, price), planned_imbalance=planned)


def at_rest(taking: SizingPlan, terms: QuoteTerms, price: Price) -> SizingPlan:
    """The plan with the order of `terms.leg` at rest, and without the other one."""
    resting = msgspec.structs.replace(
        taking.leg(terms.leg), kind="post_only", reduce_only=False, limit=price, vwap=price
    )
    other = msgspec.structs.replace(taking.leg(terms.other), amount=Base(0), limit=Price(0), vwap=Price(0))
    eth, sol = (resting, other) if terms.leg == "eth" else (other, resting)
    return msgspec.structs.replace(
        taking, purpose="quote", eth=eth, sol=sol, eth_depth=Quote(0), sol_depth=Quote(0), quote=terms
    )


def worst_price(look: QuoteLook, leg: Leg, amount: int) -> Price:
    """The worst price that an order of `amount` which hedges fills may have: `payup` beyond the touch."""
    tick, touch = look.rules.product(leg).price_tick, look.book(leg).side(amount)[0].price
    further = look.settings.execution.payup * tick
    return Price(touch + further if amount > 0 else max(touch - further, tick))


def beyond(worst: Price, touch: int, amount: int) -> bool:
    """Would an order of `amount` that trades at `touch` pay a price worse than `worst`?"""
    return touch > worst if amount > 0 else touch < worst


def closable(look: QuoteLook) -> bool:
    """Is each leg that is held worth the exchange's minimum, so that it can be closed, and quoted, alone?"""
    return all(
        notional(look.book(leg).mid, look.held.leg(leg).amount) >= (look.rules.product(leg).min_notional or 0)
        for leg in LEGS
    )


def entry_quote(
    memory: Quoting, look: QuoteLook, cycle: int, sign: int, taking: Callable[[PairQuote], Attempted]
) -> tuple[Quoting, Attempted | None]:
    """A quote that opens the pair of `cycle`, what keeps it from being placed, or that the cycle is skipped;
    None once it is given up and both legs take. `sign`: of the ETH that is to be held. `taking`: the entry
    that pays these books.
    """
    execution, now_ms = look.settings.execution, look.now_ms
    memory = memory.begun(cycle, now_ms + execution.give_up, opens=True)
    if memory.taking_from is None and given_up(memory, now_ms):
        if execution.after_give_up == "skip":
            words = f"nothing of its quotes traded in {execution.give_up / 1000:g} s"
            return memory, Skipped(cycle, "NOT_FILLED", words, None)
        memory = msgspec.structs.replace(memory, taking_from=look.held.enters, terms=None)
    if memory.taking_from is not None:
        return memory, None
    amount = sign if execution.leg == "eth" else -sign
    price = quote_price(memory, look, buys=amount > 0)
    if isinstance(price, Denial):
        return memory, price
    entry = taking(priced_at(look.quote, execution.leg, amount, price))
    if not isinstance(entry, SizingPlan):
        return memory, entry
    quote = quote_of(entry, look, price, memory.until_ms, opens=True)
    return memory.sent(quote, look.held.seq, now_ms), quote


def exit_quote(memory: Quoting, look: QuoteLook, leaving: SizingPlan) -> tuple[Quoting, SizingPlan | None]:
    """In place of the plan by which an open pair leaves: a quote that closes it, None while that waits, or
    the plan itself where leaving cannot wait, or has waited for `exit_take`.
    """
    held, settings, now_ms = look.held, look.settings, look.now_ms
    waits = (
        settings.execution.exit != "taker-taker"
        and leaving.purpose == "exit"
        and leaving.because in PATIENT
        and 0 not in (leaving.eth.amount, leaving.sol.amount)
        and held.filled_imbalance is not None
        and not held.unexplained
        and look.quote.eth.status == look.quote.sol.status == "live"
        and closable(look)
    )
    memory = memory.begun(held.cycle, now_ms + settings.execution.exit_take, opens=False)
    if not waits or given_up(memory, now_ms):
        return msgspec.structs.replace(memory, waits=None), leaving
    price = voluntary_denial(held, look.quote, settings, now_ms) or quote_price(
        memory, look, buys=leaving.leg(settings.execution.leg).amount > 0
    )
    if isinstance(price, Denial):
        return msgspec.structs.replace(memory, waits=price), None
    quote = quote_of(leaving, look, price, memory.until_ms, opens=False)
    return memory.sent(quote, held.seq, now_ms), quote


# -- a quote that is no longer wanted ------------------------------------------------------------------------


def unwanted(memory: Quoting, look: QuoteLook, order: WorkingOrder) -> str:
    """Why this order should not rest any longer, in words; "" = it may. What ends it for the run's own
    reasons, and when its time is over, the supervisor asks (`actors/working_orders.py`).
    """
    doubt, terms, settings = order.doubt, order.terms, look.settings
    price = wanted_price(memory, look, buys=doubt.amount > 0)
    tick = look.rules.product(terms.leg).price_tick
    if terms.leg == settings.execution.leg and abs(price - doubt.limit) > settings.execution.slop * tick:
        return f"it rests at {doubt.limit.text()}, and {price.text()} is wanted"
    hedge = terms.whole(terms.other) if terms.opens else -terms.whole(terms.other)
    touch = look.book(terms.other).side(hedge)[0].price
    if beyond(terms.worst, touch, hedge):
        return (
            f"its fills would be hedged at {Price(touch).text()}, and {terms.worst.text()} is the worst price"
            " for that"
        )
    # What has traded and is too small for an order of its own waits; not for all that it may cost.
    if order.filled and 2 * spent(look.held, look.now_ms) > budget(look.held.legging, settings):
        return "half of what its cycle may be unhedged is used up"
    return ""


def cancelling(order: WorkingOrder, why: str, now_ms: Ms) -> CancelAsked | None:
    """The wish that the supervisor cancels it; None where it is being cancelled."""
    if order.cancel_asked_ms:
        return None
    return CancelAsked(order.doubt.order_digest, order.doubt.product_id, why, now_ms)


def resting_words(order: WorkingOrder, now_ms: int) -> str:
    """`ETH rests at 2750.1, 3 of 15 s`."""
    doubt, begun_ms = order.doubt, order.decided_ms
    passed, whole = (now_ms - begun_ms) // 1000, (order.terms.give_up_ms - begun_ms) // 1000
    traded = f", {Base(abs(order.filled)).text()} of {Base(abs(doubt.amount)).text()} traded" * bool(
        order.filled
    )
    return f"{order.terms.leg.upper()} rests at {doubt.limit.text()}{traded}, {passed} of {whole} s"


def quotes_wait(memory: Quoting, held: Held, now_ms: int) -> Waiting | None:
    """What is shown while an order rests, or while one that closes the pair waits to be placed."""
    if held.working:
        order = held.working[0]
        words = "; ".join(resting_words(each, now_ms) for each in held.working)
        purpose: Purpose = "enter" if order.terms.opens else "exit"
        return Waiting(purpose, QUOTE_RESTS, words, words, order.terms.give_up_ms)
    if held.phase == "open" and memory.waits is not None:
        return Waiting("exit", memory.waits.code, memory.waits.detail, memory.waits.brief, memory.until_ms)
    return None
