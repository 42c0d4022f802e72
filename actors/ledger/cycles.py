"""One cycle: a pair that is entered, perhaps repaired, and left again. All its numbers are sums over its
orders, so late news changes all of them.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from actors.ledger.exposure import FLAT, Exposure, Pair, exposure
from actors.ledger.orders import NOTHING, OrderPiece, OurOrder, Sums
from messages.lifecycle import Legging
from messages.sizing import LEGS, Leg
from messages.units import ONE, Bps, Ms, Quote, imbalance, net_exposure


class Cycle(msgspec.Struct):
    """The cycle last entered or skipped; number 0 is none yet."""

    number: int = 0
    wanted: Pair = FLAT
    """What the `enter` asked for, or the whole pair of the quote that opens it."""
    pair: Pair = FLAT
    """What counts as the balanced pair: `wanted`, or what a trimming repair left."""
    agreed: list[Pair] = msgspec.field(default_factory=list)
    """Every `pair` that there was: while one of them was held, nothing was unhedged."""
    entered_ms: int = 0
    hold: Ms | None = None
    pause: Ms | None = None
    """As its `enter` says, where they were drawn for it."""
    funding: int = 0
    """USD (x18) received since it entered, earlier invocations included: what the archive has told."""
    hedge_ratio: int = ONE
    """Dollars of SOL that hedge one of ETH (x18), as its `enter` says, or the person who booked it."""
    leg: int = 0
    """USD (x18) that the larger leg was to cost; SOL's are over the hedge ratio, as exposure has them."""
    filled_first: int = 0
    """Entering legs that their first order filled in full."""
    enters: int = 0
    repairs: int = 0
    flattens: int = 0
    top_ups: int = 0
    too_small: set[Leg] = msgspec.field(default_factory=set)
    """Legs whose last close the venue refused with 2094."""
    refused: set[Leg] = msgspec.field(default_factory=set)
    """Legs whose last close the venue refused for a reason that does not pass by itself
    (`venue.closing.LASTING`).
    """
    restores: int = 0
    """Repairs placed after closing had begun: a leg that had left was opened again, because the other
    could not leave.
    """
    orders: list[OurOrder] = msgspec.field(default_factory=list)
    was_open: bool = False
    over: bool = True
    adopted: bool = False
    """Entered by an earlier invocation: it is closed here and not counted here."""
    booked: bool = False
    """A person said that it is ours; no order of ours opened it."""

    @classmethod
    def booked_at(cls, number: int, pair: Pair, now_ms: int, hedge_ratio: int) -> "Cycle":
        """What a person adopted: two legs are held and left like a pair, anything else is closed at once."""
        lone = int(0 in pair or (pair[0] > 0) == (pair[1] > 0))
        agreed = [] if lone else [pair]
        return cls(
            number,
            pair,
            pair,
            agreed,
            entered_ms=now_ms,
            flattens=lone,
            over=False,
            adopted=True,
            booked=True,
            hedge_ratio=hedge_ratio,
        )

    def agree(self, pair: Pair) -> None:
        """`pair` is the balanced pair from now on."""
        self.pair = pair
        if pair not in self.agreed:
            self.agreed.append(pair)

    @property
    def direction(self) -> Literal["", "long-eth", "long-sol"]:
        """Which leg its `enter` buys; "" before the first."""
        if self.wanted == FLAT:
            return ""
        return "long-eth" if self.wanted[0] > 0 else "long-sol"

    @property
    def live(self) -> bool:
        """Has it opened something, and no ending yet?"""
        return not self.over and (self.booked or self.entered)

    @property
    def entered(self) -> bool:
        """Did any order of it trade that opens the pair?"""
        return any(order.opens and order.total.filled for order in self.orders)

    @property
    def tried(self) -> bool:
        """Was an order of it sent that trades at its arrival or never? One that only rested, and that nobody
        traded with, has failed at nothing.
        """
        return any(order.sent and order.plan.quote is None for order in self.orders)

    def given_up(self, smallest: int) -> bool:
        """Was it opened by orders that rest and their hedges alone, and unhedged by less than the `smallest`
        order that could have hedged it (USD x18), when it was closed for being no pair? That happens to who
        rests, where lots of what has traded do not balance: no order failed.
        """
        opened = [order for order in self.orders if order.opens and order.plan.purpose != "top_up"]
        traded = [order for order in opened if order.total.filled]
        eth, sol = (-sum(order.total.cash for order in traded if order.leg == leg) for leg in LEGS)
        rested = bool(traded) and all(order.plan.purpose in {"quote", "hedge"} for order in traded)
        return not self.was_open and rested and net_exposure(eth, sol, self.hedge_ratio) < smallest

    @property
    def takes(self) -> bool:
        """Does a fill rate count its legs? Not those of a pair that was entered by orders that rest alone."""
        plans = [order.plan for order in self.orders if order.plan.enters]
        return not plans or any(plan.purpose == "enter" for plan in plans)

    @property
    def together(self) -> bool:
        """Did one plan open all of the pair and one other close all of it, so that no leg was ever ordered
        again?
        """
        traded = [order for order in self.orders if order.total.filled]
        plans = {(order.plan.epoch, order.plan.seq) for order in traded}
        return self.was_open and (len(traded), len(plans)) == (4, 2)

    @property
    def sent(self) -> bool:
        """Is it certain that bytes of any order of it left?"""
        return any(order.sent for order in self.orders)

    def opened(self, leg: Leg) -> Sums:
        """What built the pair: the entry and the repairs that completed it."""
        return _sum(order.total for order in self.opening(leg) if order.plan.purpose != "top_up")

    def cash(self, leg: Leg) -> int | None:
        """USD (x18) that its orders of this leg have brought in, fees paid; None for what a person booked."""
        if self.booked:
            return None
        return sum(order.total.cash - order.total.fee for order in self.orders if order.leg == leg)

    def opening(self, leg: Leg) -> list[OurOrder]:
        """Every order that made the position larger, oldest first."""
        return [order for order in self.orders if order.leg == leg and order.opens]

    def judge_sizes(self, orders: Iterable[OurOrder]) -> None:
        """Learn from a closed plan what the venue will not close, for being too small or for another
        reason that lasts.
        """
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
        """Sums of all orders that made the position of this leg smaller."""
        return _sum(order.total for order in self.orders if order.leg == leg and not order.opens)

    def holds_pair(self, held: Pair) -> bool:
        """Is `held` exactly the pair that counts as hedged, both legs open?"""
        return 0 not in held and held == self.pair

    @property
    def filled_imbalance(self) -> Bps | None:
        """How far apart, by the hedge ratio, what was really paid for both legs of the pair is; None when it
        never stood, or nobody knows.
        """
        if not self.was_open or self.booked:
            return None
        eth, sol = (_paid(self.opened(leg), held) for leg, held in zip(LEGS, self.pair, strict=True))
        return imbalance(eth, sol, self.hedge_ratio)

    @property
    def exit_imbalance(self) -> Bps | None:
        """The same for what closed it; None when it never stood."""
        if not self.was_open:
            return None
        eth, sol = (self.closed(leg).quote - self._topped_up(leg).quote for leg in LEGS)
        return imbalance(eth, sol, self.hedge_ratio)

    def _topped_up(self, leg: Leg) -> Sums:
        return _sum(order.total for order in self.opening(leg) if order.plan.purpose == "top_up")

    def moves(self) -> list[OrderPiece]:
        """All trades, by the venue's clock."""
        return sorted(
            (move for order in self.orders for move in order.moves()), key=lambda move: (move.at_ns, move.leg)
        )

    def exposure(self) -> Exposure:
        """How much of it was unhedged for how long. A pair that a person booked was held before the first
        of these trades.
        """
        start = self.wanted if self.booked else FLAT
        return exposure(self.moves(), self.agreed, self.hedge_ratio, start=start)

    @property
    def legging(self) -> Legging:
        """The same as a message, in USD x18 and ms: limits, screen and `--json` go by it."""
        found = self.exposure()
        lasted_ms, since_ms = Ms(found.lasted_ns // 1_000_000), Ms(found.since_ns // 1_000_000)
        return Legging(
            Quote(found.usd_s),
            Quote(found.now),
            since_ms,
            self.doubted,
            Quote(self.leg),
            Quote(found.worst),
            lasted_ms,
            found.priced,
        )

    @property
    def doubted(self) -> bool:
        """Was, or is, the outcome of one of its orders unknown?"""
        return any(order.doubted for order in self.orders)


def _sum(sums: Iterable[Sums]) -> Sums:
    return sum(sums, NOTHING)


def _paid(opened: Sums, held: int) -> int:
    """The share of what was paid that belongs to what is held."""
    return opened.quote * abs(held) // abs(opened.filled) if opened.filled else 0
