"""How one cycle's orders came to trade: what was wanted at which mids, what trading it came to, which orders
rested, how long their fills waited for the other leg.

A cycle has two sides: entering, and from its first plan that leaves the pair on, leaving. A side's decision
is its first plan, whose mids are the price at which nothing would have cost anything. Its shortfall is what
it paid beyond those mids, fees included, and what the mids had done by its last plan to the part of the
wanted pair that did not trade: a pair that was given up counts as one that was taken (Perold 1988).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import msgspec

from actors.ledger.cycles import Cycle
from actors.ledger.exposure import FLAT, Pair
from actors.ledger.orders import OurOrder
from actors.ledger.tally import grained, reference, worth
from messages.sizing import LEGS, Leg, QuoteTerms, SizingPlan
from messages.units import Quote, notional


class OrderFill(msgspec.Struct, frozen=True):
    """A piece of one of our orders, as adverse moves are counted from it."""

    leg: Leg
    at_ns: int
    """By the exchange's clock."""
    amount: int
    """Signed."""
    traded: int
    """USD (x18) at its price."""
    mid: int
    """Of the leg at the order's decision; 0: nobody knew one."""
    rested: bool
    """Did its order rest, or take?"""


class RestedOrder(msgspec.Struct, frozen=True):
    """An order that the exchange said it had placed, and when (ns since the Unix epoch)."""

    digest: str
    leg: Leg
    amount: int
    """Signed."""
    price: int
    mid: int
    """Of the leg at the decision."""
    filled: int
    """Unsigned."""
    from_ns: int
    until_ns: int
    """Until it was cancelled; of one that was not, the last moment at which it could have traded."""


class BesideFold(msgspec.Struct):
    """What rows say of the orders of a cycle, and the fold does not keep."""

    steps: Mapping[Leg, int] = {}
    """Size steps by the newest rules, by which the hedge of a part is reckoned; {}: not known."""
    cancels: int = 0
    """Cancellations that were sent of its orders."""
    placed_ns: Mapping[str, int] = {}
    cancelled_ns: Mapping[str, int] = {}
    """By digest: when the exchange said so."""


class CycleExecution(msgspec.Struct, frozen=True):
    """One cycle. USD x18; costs > 0 = paid."""

    wanted: Quote = Quote(0)
    """What both sides were to trade, at the mids of their decisions."""
    shortfall: Quote = Quote(0)
    rest_wanted: Quote = Quote(0)
    """Of it, what was to trade by an order that rests, without what was to hedge another one's fills."""
    rest_filled: Quote = Quote(0)
    """What of that orders that rested have traded, at the same mids."""
    cancels: int = 0
    """Cancellations sent, each time that they were."""
    hedged_ms: tuple[int, ...] = ()
    """From each trade that found everything hedged until everything was hedged again; 0 where both legs
    traded in one instant. Without those that never were.
    """
    fills: tuple[OrderFill, ...] = ()
    rested: tuple[RestedOrder, ...] = ()
    entry_quotes: bool = False
    entry_leans: bool = False
    exit_quotes: bool = False
    exit_leans: bool = False
    """Was there an order that rested to enter, or to leave; and did one hedge another one's fills?"""


def cycle_execution(cycle: Cycle, beside: BesideFold) -> CycleExecution:
    """Of `cycle`."""
    sides = [side for side in _sides(cycle) if side.plans]
    quoting = [(side, plan.quote) for side in sides for plan in side.plans if plan.quote is not None]
    rests = [side.rests() for side in sides]
    return CycleExecution(
        wanted=Quote(sum(side.wanted_usd for side in sides)),
        shortfall=Quote(sum(side.shortfall() for side in sides)),
        rest_wanted=Quote(sum(wanted for wanted, _ in rests)),
        rest_filled=Quote(sum(filled for _, filled in rests)),
        cancels=beside.cancels,
        hedged_ms=tuple(_hedged_ms(cycle, beside.steps)),
        fills=tuple(_fills(cycle)),
        rested=tuple(_rested(cycle, beside)),
        entry_quotes=any(not side.leaves for side, _ in quoting),
        entry_leans=any(not side.leaves and terms.hedges for side, terms in quoting),
        exit_quotes=any(side.leaves for side, _ in quoting),
        exit_leans=any(side.leaves and terms.hedges for side, terms in quoting),
    )


class _Side(msgspec.Struct):
    """Entering, or leaving."""

    leaves: bool
    orders: Sequence[OurOrder]
    wanted: Mapping[Leg, int]
    """Signed."""

    @property
    def plans(self) -> list[SizingPlan]:
        """Its plans, in their order; an order has the very plan that was sealed."""
        return list({id(order.plan): order.plan for order in self.orders}.values())

    def _mids(self, leg: Leg) -> list[int]:
        return [grained(mid) for plan in self.plans if (mid := plan.leg(leg).mid)]

    def decided(self, leg: Leg) -> int:
        """The mid at the decision; where a plan had none, the mark that an order's costs are counted from."""
        return next(iter(self._mids(leg)), 0) or max(
            (reference(order.order) for order in self.orders if order.leg == leg and order.order.amount),
            default=0,
        )

    @property
    def wanted_usd(self) -> int:
        """At the mids of the decision."""
        return sum(abs(worth(self.wanted[leg], self.decided(leg))) for leg in LEGS)

    def shortfall(self) -> int:
        """See above; > 0 = paid."""
        paid = 0
        for leg in LEGS:
            totals = [order.total for order in self.orders if order.leg == leg]
            filled, mid = sum(total.filled for total in totals), self.decided(leg)
            last = next(reversed(self._mids(leg)), mid)
            paid += sum(total.fee - total.cash for total in totals) - worth(filled, mid)
            paid += worth(self.wanted[leg] - filled, last - mid)
        return paid

    def rests(self) -> tuple[int, int]:
        """USD that was to trade by an order that rests, and what of it did."""
        first = next((plan.quote for plan in self.plans if plan.quote and not plan.quote.hedges), None)
        if first is None:
            return 0, 0
        leg = first.leg
        filled = sum(order.total.filled for order in self.orders if order.leg == leg and _rests(order))
        mid = self.decided(leg)
        return abs(worth(self.wanted[leg], mid)), abs(worth(filled, mid))


def _sides(cycle: Cycle) -> tuple[_Side, _Side]:
    orders = cycle.orders
    leaving = next((number for number, order in enumerate(orders) if leaves(order.plan)), len(orders))
    into, out = orders[:leaving], orders[leaving:]
    opened = dict(zip(LEGS, cycle.wanted if cycle.booked else FLAT, strict=True))
    for order in into:
        opened[order.leg] += order.total.filled
    entry = _Side(False, into, _pair_of(into[0].plan) if into else dict.fromkeys(LEGS, 0))
    return entry, _Side(True, out, {leg: -amount for leg, amount in opened.items()})


def leaves(plan: SizingPlan) -> bool:
    """Does it leave the pair: by taking, by a quote that closes, or by flattening?"""
    closing = plan.quote is not None and not plan.quote.opens
    return closing or plan.purpose in {"exit", "flatten"}


def _pair_of(plan: SizingPlan) -> dict[Leg, int]:
    return {leg: int(plan.quote.whole(leg) if plan.quote else plan.leg(leg).amount) for leg in LEGS}


def _rests(order: OurOrder) -> bool:
    return order.order.kind == "post_only"


def _fills(cycle: Cycle) -> Iterator[OrderFill]:
    for order in cycle.orders:
        for move in order.moves():
            traded = int(notional(move.price, move.amount))
            yield OrderFill(move.leg, move.at_ns, move.amount, traded, int(order.order.mid), _rests(order))


def _rested(cycle: Cycle, beside: BesideFold) -> Iterator[RestedOrder]:
    for order in cycle.orders:
        placed_ns = beside.placed_ns.get(order.digest)
        if _rests(order) and placed_ns is not None:
            yield RestedOrder(
                order.digest,
                order.leg,
                int(order.order.amount),
                int(order.order.limit),
                int(order.order.mid),
                abs(order.total.filled),
                placed_ns,
                beside.cancelled_ns.get(order.digest, int(order.plan.last_trade_ms) * 1_000_000),
            )


def _hedged_ms(cycle: Cycle, steps: Mapping[Leg, int]) -> Iterator[int]:
    """Trades of one instant leave nothing between them."""
    moves = sorted(
        (
            (move.at_ns, move.leg, move.amount, order.plan.quote)
            for order in cycle.orders
            for move in order.moves()
        ),
        key=lambda each: each[0],
    )
    held = dict(zip(LEGS, cycle.wanted if cycle.booked else FLAT, strict=True))
    terms: QuoteTerms | None = None
    since_ns: int | None = None
    for at_ns, together in groupby(moves, key=lambda each: each[0]):
        since_ns = at_ns if since_ns is None else since_ns
        for _, leg, amount, quote in together:
            held[leg] += amount
            terms = quote if quote is not None and not quote.hedges else terms
        if _hedged((held["eth"], held["sol"]), cycle.agreed, terms, steps):
            yield (at_ns - since_ns) // 1_000_000
            since_ns = None


def _hedged(held: Pair, agreed: Sequence[Pair], terms: QuoteTerms | None, steps: Mapping[Leg, int]) -> bool:
    """Flat, an agreed pair, or as much of the other leg as the quote's terms want for what is held."""
    if held == FLAT or held in agreed:
        return True
    if terms is None or terms.other not in steps:
        return False
    amounts = dict(zip(LEGS, held, strict=True))
    return terms.matched(amounts[terms.leg], steps[terms.other]) == amounts[terms.other]
