"""One cycle: a pair that is entered, perhaps repaired, and left again. All its numbers are sums over its orders, so late news changes all of them."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

from actors.ledger.orders import NOTHING, Move, OurOrder, Sums
from messages.sizing import Leg
from messages.units import ONE, Bps, imbalance

Pair = tuple[int, int]
"""Signed amounts of ETH and SOL."""
FLAT: Pair = (0, 0)


class Exposure(NamedTuple):
    """The largest unhedged exposure (USD x18), its integral over time (USD x seconds, x18) up to `since_ns`, and what is naked since then."""

    worst: int
    usd_s: int
    naked: int
    since_ns: int


class Cycle(msgspec.Struct):
    """The cycle last entered or skipped; number 0 is none yet."""

    number: int = 0
    wanted: Pair = FLAT
    """What the `enter` asked for."""
    pair: Pair = FLAT
    """What counts as the balanced pair: `wanted`, or what a trimming repair left."""
    entered_ms: int = 0
    leg: int = 0
    """USD (x18) that the larger leg was to cost."""
    filled_first: int = 0
    """Entering legs that their first order filled in full."""
    enters: int = 0
    repairs: int = 0
    flattens: int = 0
    top_ups: int = 0
    too_small: set[Leg] = msgspec.field(default_factory=set)
    """Legs whose last close the venue refused with 2094."""
    refused: set[Leg] = msgspec.field(default_factory=set)
    """Legs whose last close the venue refused for a reason that does not pass by itself (`venue.closing.LASTING`)."""
    restores: int = 0
    """Repairs placed after closing had begun: a leg that had left was opened again, because the other could not leave."""
    orders: list[OurOrder] = msgspec.field(default_factory=list)
    was_open: bool = False
    over: bool = True
    adopted: bool = False
    """Entered by an earlier invocation: it is closed here and not counted here."""
    booked: bool = False
    """A person said that it is ours; no order of ours opened it."""

    @classmethod
    def booked_at(cls, number: int, pair: Pair, now_ms: int) -> "Cycle":
        """What a person adopted: two legs are held and left like a pair, anything else is closed at once."""
        lone = int(0 in pair or (pair[0] > 0) == (pair[1] > 0))
        return cls(number, pair, pair, now_ms, flattens=lone, over=False, adopted=True, booked=True)

    @property
    def direction(self) -> Literal["", "long-eth", "long-sol"]:
        """Which leg is bought."""
        if self.wanted == FLAT:
            return ""
        return "long-eth" if self.wanted[0] > 0 else "long-sol"

    @property
    def live(self) -> bool:
        """Has it opened something, and no ending yet?"""
        return not self.over and (self.booked or any(order.order.increases and order.total.filled for order in self.orders))

    @property
    def sent(self) -> bool:
        """Has any order of it left?"""
        return any(order.sent for order in self.orders)

    def opened(self, leg: Leg) -> Sums:
        """What built the pair: the entry and the repairs that completed it."""
        return _sum(order.total for order in self.opening(leg) if order.plan.purpose != "top_up")

    def opening(self, leg: Leg) -> list[OurOrder]:
        """Every order that made the position larger, oldest first."""
        return [order for order in self.orders if order.leg == leg and order.order.increases]

    def judge_sizes(self, orders: Iterable[OurOrder]) -> None:
        """Learn from a closed plan what the venue will not close, for being too small or for another reason that lasts."""
        for order in orders:
            answered = order.order.amount and order.answer != "none"
            if order.refused_as_too_small:
                self.too_small.add(order.leg)
            elif answered and (order.order.reduce_only or order.total.filled):
                self.too_small.discard(order.leg)
            if order.refused_for_good:
                self.refused.add(order.leg)
            elif answered and (order.order.reduce_only or order.total.filled):
                self.refused.discard(order.leg)

    def closed(self, leg: Leg) -> Sums:
        """Everything that took the position down."""
        return _sum(order.total for order in self.orders if order.leg == leg and not order.order.increases)

    def holds_pair(self, held: Pair) -> bool:
        """Is `held` the balanced pair?"""
        return 0 not in held and held == self.pair

    @property
    def filled_imbalance(self) -> Bps | None:
        """|E - S| / max(E, S) of what was really paid for the pair; None when it never stood, or nobody knows."""
        if not self.was_open or self.booked:
            return None
        return imbalance(_paid(self.opened("eth"), self.pair[0]), _paid(self.opened("sol"), self.pair[1]))

    @property
    def exit_imbalance(self) -> Bps | None:
        """The same for what closed it; None when it never stood."""
        if not self.was_open:
            return None
        eth, sol = (self.closed(leg).quote - self._topped_up(leg).quote for leg in ("eth", "sol"))
        return imbalance(eth, sol)

    def _topped_up(self, leg: Leg) -> Sums:
        return _sum(order.total for order in self.opening(leg) if order.plan.purpose == "top_up")

    def moves(self) -> list[Move]:
        """All trades, by the venue's clock."""
        return sorted((move for order in self.orders for move in order.moves()), key=lambda move: (move.at_ns, move.leg))

    def exposure(self) -> Exposure:
        """How much stood alone for how long, while it was neither flat nor the pair.

        Each leg is marked at its last fill. Two trades of one instant leave nothing between them.
        """
        worst = integral = naked = since_ns = 0
        held, price = {"eth": 0, "sol": 0}, {"eth": 0, "sol": 0}
        for move in self.moves():
            if move.at_ns > since_ns:
                worst = max(worst, naked)
                integral += naked * (move.at_ns - since_ns) // 1_000_000_000
            held[move.leg] += move.amount
            price[move.leg] = move.price
            since_ns = move.at_ns
            hedged = self.holds_pair((held["eth"], held["sol"]))
            naked = 0 if hedged else abs(sum(held[leg] * price[leg] for leg in held) // ONE)
        return Exposure(max(worst, naked), integral, naked, since_ns)

    @property
    def doubted(self) -> bool:
        """Was, or is, the outcome of one of its orders unknown?"""
        return any(order.doubted for order in self.orders)


def _sum(sums: Iterable[Sums]) -> Sums:
    return sum(sums, NOTHING)


def _paid(opened: Sums, held: int) -> int:
    """The share of what was paid that belongs to what is held."""
    return opened.quote * abs(held) // abs(opened.filled) if opened.filled else 0
