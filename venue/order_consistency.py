"""Does what the venue says fit the order that we signed, and itself? Pure checks, each with a name.

A number that moves a position or money is checked before it is written down. What an order asked for is known
to the last digit (it was signed), so a fill, an update or an archive's record of it can be held against that;
a reading of the account can only be held against itself.

    product, side, size, original, pieces    of the quantity: it is not counted, RESOLVE finds out
    limit, price, role, time                 of price and time, and of who took from whom: the same, but the
                                             quantity counts as soon as the position confirms it
    fee                                      of the fee alone: all else counts at once, with the usual fee
                                             until the archive has confirmed one

What does not fit is doubt and never proof of the opposite: it is named on the screen and in the log,
and the question is asked again.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

import msgspec

from messages.execution import AccountSnapshot, Doubt, Fill, OrderUpdate, Resolved
from messages.sizing import SizingPlan
from messages.units import ONE, Base, Quote, notional

Name = Literal[
    "product", "side", "size", "original", "pieces", "limit", "price", "role", "fee", "time", "remaining"
]
OF_MONEY: frozenset[Name] = frozenset({"limit", "price", "role", "fee", "time"})

BETTER_BPS = 2_000
"""A price may be better than the limit by so much. Markets that move further within a receive window
exist; they are worth a question.
"""
FEE_BPS, FEE_FREE = 100, ONE
"""Where nobody knows the account's rate: a fee or rebate may be so much of the notional and this many USD."""
FEE_FACTOR = 2
"""Where it is known: a fee may be so many times more or less than the rate comes to. A tier may change
between its reading and the trade, and the minimum's share is not always known; the neighbouring tiers are
closer.
"""
ENTRY_TIER = 35 * ONE // 100_000
"""The documented taker rate of the entry tier: what stands in for a fee that cannot be believed where
nobody knows the account's rate.
"""
ENTRY_MAKER_TIER = ONE // 10_000
"""The same for an order that rests."""
CLOCK_MS = 2_000
"""How far a time may lie outside of the order's life: the venue's clock is not quite ours, and the
archive's times are whole seconds.
"""
ROUNDING = 10**9
"""An average price is known to one part in so many: it was divided, multiplied and cut off on the way."""


class Charges(msgspec.Struct, frozen=True, omit_defaults=True):
    """How an order of one product is charged: `rate` of the notional (x18), and at least of `least` USD (x18)
    per order. As the rules tell it that is a taker's, and `maker` the rate of an order that rests.

    A seller pays rate x notional, a buyer rate / (1 - rate) x notional (the exchange's contracts,
    `applyFee`). Below 0 it is a rebate.
    """

    rate: int
    least: int
    maker: int | None = None
    """None: not known."""

    def of(self, quote: int, *, sale: bool) -> int:
        """The fee of an order that has traded for `quote` USD (x18, unsigned)."""
        metered = max(quote, self.least)
        return metered * self.rate // ONE if sale else metered * self.rate // (ONE - self.rate)

    def of_maker(self) -> "Charges | None":
        """What an order that rests is charged: only takers pay for a minimum. None: not known."""
        return None if self.maker is None else Charges(self.maker, 0)


class SignedTerms(NamedTuple):
    """What was signed. `decided_ms` 0: not known here. `charges`: what this order is charged, None where
    nobody knows.
    """

    product_id: int
    amount: int
    limit: int
    last_trade_ms: int
    """Venue time after which it cannot trade."""
    decided_ms: int = 0
    charges: Charges | None = None
    rests: bool = False
    """Is it post-only? Then it trades at its limit and never takes; all others take and never rest."""

    @classmethod
    def of_plan(
        cls, plan: SizingPlan, leg: Literal["eth", "sol"], charges: Charges | None = None
    ) -> "SignedTerms":
        """One leg of a plan, at the account's `charges` where they are known."""
        order = plan.leg(leg)
        rests = order.kind == "post_only"
        if rests and charges is not None:
            charges = charges.of_maker()
        bounds = plan.last_trade_ms, plan.decided_ms
        return cls(order.product_id, order.amount, order.limit, *bounds, charges, rests)

    @classmethod
    def of_doubt(cls, doubt: Doubt) -> "SignedTerms":
        """An order in doubt as RESOLVE knows it: no time of decision, no charges."""
        return cls(
            doubt.product_id,
            doubt.amount,
            doubt.limit,
            doubt.last_trade_ms,
            rests=doubt.rests_until_ms > 0,
        )


class Mismatch(NamedTuple):
    """What does not fit, and how, in words."""

    name: Name
    words: str

    @property
    def of_money(self) -> bool:
        """Is it only the price, the fee or the time?"""
        return self.name in OF_MONEY


FillCheck = Callable[[SignedTerms, Iterable[Fill], Fill], str]


def fill_mismatch(terms: SignedTerms, known: Iterable[Fill], fill: Fill) -> Mismatch | None:
    """The first thing about a fill that does not fit the order its digest names; None = it fits. `known`:
    its other pieces.
    """
    pieces = tuple(known)
    return next(
        (
            Mismatch(name, words)
            for name, check in FILL_CHECKS
            for words in [check(terms, pieces, fill)]
            if words
        ),
        None,
    )


def _pieces(_terms: SignedTerms, known: Iterable[Fill], fill: Fill) -> str:
    """A fill is the stretch from what was left before it to what was left after it: two fills of one order
    never share any of it.
    """
    low, high = fill.remaining, fill.remaining + abs(fill.amount)
    for other in known:
        overlap = other.remaining < high and low < other.remaining + abs(other.amount)
        if overlap and not same_fill(other, fill):
            earlier = f"{other.amount.text()} at {other.price.text()} leaving {other.remaining.text()}"
            return (
                f"{fill.amount.text()} at {fill.price.text()} leaving {fill.remaining.text()}, after"
                f" {earlier} had been reported"
            )
    return ""


def same_fill(one: Fill, other: Fill) -> bool:
    """Is it one fill reported twice? Stream and archive give it other times and another rounding."""
    amounts = (one.remaining, one.amount, one.product_id) == (other.remaining, other.amount, other.product_id)
    return (
        amounts
        and nearly_equal(one.price, other.price)
        and abs(one.fee - other.fee) <= ROUNDING + abs(one.fee) // ROUNDING
    )


def nearly_equal(one: int, other: int) -> bool:
    """Are two positive numbers the same but for rounding?"""
    return abs(one - other) <= max(abs(one), abs(other)) // ROUNDING + 1


def _beyond(terms: SignedTerms, price: int) -> str:
    over = price - terms.limit if terms.amount > 0 else terms.limit - price
    return (
        f"at {_text(price)}, the limit is {_text(terms.limit)}" if over > terms.limit // ROUNDING + 1 else ""
    )


def _too_good(terms: SignedTerms, price: int) -> str:
    better = terms.limit - price if terms.amount > 0 else price - terms.limit
    if terms.rests:  # matching is at the resting order's price
        words = f"at {_text(price)}, an order that rests trades at its limit of {_text(terms.limit)}"
        return words if better > terms.limit // ROUNDING + 1 else ""
    too_good = better * 10_000 > terms.limit * BETTER_BPS
    return (
        f"at {_text(price)}, better than the limit of {_text(terms.limit)} by more than {BETTER_BPS // 100} %"
        if too_good
        else ""
    )


def _role(terms: SignedTerms, known: Iterable[Fill], fill: Fill) -> str:
    """The engine matches what is post-only as a maker alone, and IOC and FOK as takers alone. Of a piece that
    is known, fee included, the role changes nothing any more.
    """
    if fill.is_taker != terms.rests or any(same_fill(other, fill) for other in known):
        return ""
    return (
        "an order that is post-only has taken" if terms.rests else "an order that cannot rest was a maker's"
    )


def _unlikely(terms: SignedTerms, quote: int, fee: int, *, before: int = 0) -> str:
    """What is wrong with a fee, in words. `before`: about what the order had traded for until then, USD x18,
    unsigned.

    What was charged on the minimum with the first piece is free in those after it, as long as they are within
    it; and it is not certain that every order is charged the minimum. So a fee may be small there, but never
    below what the notional beyond the minimum comes to. A rebate may be larger, by the same factor.
    """
    words, charges = f"a fee of {_text(fee)} on {_text(abs(quote))}", terms.charges
    if charges is None:
        return words if abs(fee) > abs(quote) * FEE_BPS // 10_000 + FEE_FREE else ""
    free = max(0, charges.least - before) if before else 0
    beyond = charges.rate * max(0, abs(quote) - FEE_FACTOR * free) // ONE
    low = beyond // FEE_FACTOR if beyond >= 0 else beyond * FEE_FACTOR
    entry = ENTRY_MAKER_TIER if terms.rests else ENTRY_TIER
    high = max(charges.rate, entry) * (abs(quote) + charges.least) // ONE * FEE_FACTOR
    return "" if low - ROUNDING <= fee <= high + ROUNDING else f"{words}, at a rate of {_text(charges.rate)}"


def usual_fee(terms: SignedTerms, quote: int, *, first: bool = True) -> Quote:
    """What a fee probably is: by the account's rate, else by the entry tier. `first`: of an order's first
    piece, which pays for the minimum.
    """
    charges = terms.charges or Charges(ENTRY_MAKER_TIER if terms.rests else ENTRY_TIER, 0)
    return Quote((charges if first else Charges(charges.rate, 0)).of(abs(quote), sale=terms.amount < 0))


def exact_fee(terms: SignedTerms, quote: int, fee: int) -> bool:
    """Is it, to the last digits, the fee of an order that has traded for `quote` at the account's own
    rate? True where nobody knows the rate.
    """
    return terms.charges is None or nearly_equal(
        int(fee), terms.charges.of(abs(quote), sale=terms.amount < 0)
    )


def _time(terms: SignedTerms, _known: Iterable[Fill], fill: Fill) -> str:
    at_ms = fill.at_ns // 1_000_000
    early, late = terms.decided_ms - CLOCK_MS - at_ms, at_ms - terms.last_trade_ms - CLOCK_MS
    if early > 0:
        return f"{early + CLOCK_MS} ms before it was decided"
    return f"{late + CLOCK_MS} ms after it could trade" if late > 0 else ""


FILL_CHECKS: tuple[tuple[Name, FillCheck], ...] = (
    (
        "product",
        lambda terms, _known, fill: (
            ""
            if fill.product_id == terms.product_id
            else f"product {fill.product_id}, the order is of product {terms.product_id}"
        ),
    ),
    (
        "side",
        lambda terms, _known, fill: (
            ""
            if (fill.amount > 0) == (terms.amount > 0) and fill.amount
            else f"{fill.amount.text()} of an order of {_text(terms.amount)}"
        ),
    ),
    (
        "original",
        lambda terms, _known, fill: (
            ""
            if fill.original == abs(terms.amount)
            else f"an order of {fill.original.text()} where {_text(abs(terms.amount))} was signed"
        ),
    ),
    (
        "size",
        lambda terms, _known, fill: (
            ""
            if fill.remaining >= 0 and abs(fill.amount) + fill.remaining <= abs(terms.amount)
            else f"{fill.amount.text()} leaving {fill.remaining.text()} of {_text(abs(terms.amount))}"
        ),
    ),
    ("pieces", _pieces),
    ("limit", lambda terms, _known, fill: _beyond(terms, fill.price)),
    ("price", lambda terms, _known, fill: _too_good(terms, fill.price)),
    ("role", _role),
    (
        "fee",
        lambda terms, _known, fill: _unlikely(
            terms,
            int(notional(fill.price, fill.amount)),
            fill.fee,
            before=int(notional(fill.price, abs(terms.amount) - fill.remaining - abs(fill.amount))),
        ),
    ),
    ("time", _time),
)
"""Of the quantity first: what is wrong in more than one way is wrong about the quantity."""


def update_mismatch(terms: SignedTerms, update: OrderUpdate) -> Mismatch | None:
    """The same for an order update. `filled` with all of it left says nothing that can be."""
    if update.product_id != terms.product_id:
        return Mismatch("product", f"product {update.product_id}, the order is of product {terms.product_id}")
    least = 1 if update.reason == "filled" else 0
    if not 0 <= update.remaining <= abs(terms.amount) - least:
        return Mismatch(
            "remaining", f"{update.reason} with {update.remaining.text()} left of {_text(abs(terms.amount))}"
        )
    return None


def answer_mismatch(terms: SignedTerms, answer: Resolved) -> Mismatch | None:
    """The same for what was reported of the whole order: an archive's record, or what a position
    says.
    """
    if answer.product_id != terms.product_id:
        return Mismatch("product", f"product {answer.product_id}, the order is of product {terms.product_id}")
    if answer.filled == 0:
        return None
    price = answer.quote * ONE // abs(answer.filled)
    amounts = f"{answer.filled.text()} of an order of {_text(terms.amount)}"
    # of the quantity first, as in `FILL_CHECKS`
    checks: tuple[tuple[Name, str], ...] = (
        ("side", amounts if (answer.filled > 0) != (terms.amount > 0) else ""),
        ("size", amounts if abs(answer.filled) > abs(terms.amount) else ""),
        ("limit", _beyond(terms, price)),
        ("price", _too_good(terms, price)),
        ("fee", _unlikely(terms, answer.quote, answer.fee)),
    )
    return next((Mismatch(name, words) for name, words in checks if words), None)


def estimate(doubt: Doubt, moved: int, v_quote: int) -> Quote:
    """What `moved` of an order probably cost, unsigned: by the change of `v_quote`, else by the limit,
    than which it cannot be worse.
    """
    worst = notional(doubt.limit, moved)
    if doubt.v_quote is None or moved == 0:
        return worst
    implied = (doubt.v_quote - v_quote) if moved > 0 else (v_quote - doubt.v_quote)
    price = implied * ONE // abs(moved)
    fits = (
        implied > 0
        and not _beyond(SignedTerms.of_doubt(doubt), price)
        and not _too_good(SignedTerms.of_doubt(doubt), price)
    )
    return Quote(implied) if fits else worst


def implausible(doubt: Doubt, moved: int, v_quote: int) -> bool:
    """Does the change of `v_quote` contradict a change of the position by `moved`? Funding and settled
    results leave a lot of room.
    """
    if doubt.v_quote is None or moved == 0 or v_quote == 0:
        return False
    implied = (doubt.v_quote - v_quote) if moved > 0 else (v_quote - doubt.v_quote)
    worst = notional(doubt.limit, moved)
    return not worst * (10_000 - BETTER_BPS) <= implied * 10_000 <= worst * (10_000 + BETTER_BPS)


def reading_mismatch(snapshot: AccountSnapshot, prices: Mapping[int, int]) -> str:
    """What in a reading of the account contradicts itself, in words; "" = nothing. `prices`: about what our
    products cost, by id; 0 = not known.

    Weights make initial health the smallest of the three and account value the largest. A position and its
    `v_quote` (what it cost, negated) have opposite signs, before and after results are settled; only what is
    left of a large position may stand beside a larger result.
    """
    healths = [
        health
        for health in (snapshot.initial_health, snapshot.maintenance_health, snapshot.value)
        if health is not None
    ]
    if snapshot.exists and healths != sorted(healths):
        return "initial, maintenance and unweighted health are " + ", ".join(
            health.text() for health in healths
        )
    ids = [position.product_id for position in snapshot.positions]
    if len(ids) != len(set(ids)):
        return "it lists a product twice"
    # v_quote is what a position cost, negated: with the position's own sign it must be far from its worth
    return "; ".join(
        f"product {each.product_id}: {each.cross.text()} held against a v_quote of {each.v_quote.text()}"
        for each in snapshot.positions
        if (worth := each.cross * prices.get(each.product_id, 0) // ONE)
        and 1 <= 2 * each.v_quote // worth < 4
    )


def _text(amount: int) -> str:
    return Base(amount).text()


class RepeatedReading(msgspec.Struct):
    """Two readings of the account that say the same, `apart_ms` or more apart by the engine's clock.

    `subaccount_info` carries no time and may be older than the engine's timestamp that was asked for before
    it. A presence may be believed at once, an absence only when it is still there later on.
    """

    since_ms: int | None = None
    said: int | None = None

    def confirms(self, at_ms: int, said: int, apart_ms: int) -> bool:
        """Take a reading of engine time `at_ms` that says `said`; has the same been said at least
        `apart_ms` ago and by every reading since?
        """
        if self.since_ms is None or said != self.said or at_ms < self.since_ms:
            self.since_ms, self.said = at_ms, said
        return at_ms - self.since_ms >= apart_ms

    def forget(self) -> None:
        """Something else was said or has happened: the next reading is a first one again."""
        self.since_ms = self.said = None


APART_MS = 2_000
"""Between the two readings that an absence needs."""
QUIET_MS = 10_000
"""After an absence that only positions have proven, nothing is entered until a reading this much later
still says the same.
"""
