"""One side of a book as a cost curve: what so much costs, how much so many dollars buy, how deep it is.

Costs inside are *undivided*: price x18 times amount x18, so USD x36. Nothing is rounded before a result is
handed out, which is what lets the lattice search compare pairs exactly.

A book side is an immutable tuple of levels, and one look at a quote asks the same side many things: the
search, the depth gate, the plan. `curve_of` keeps the curves of the newest sides, so whatever one has added
up serves all; a side that has not changed between two quotes is not added up again. Nothing is added up
before somebody asks, and no further than asked: most orders end in the first level.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from operator import attrgetter
from typing import NamedTuple

from messages.market import Level
from messages.units import ONE, Base, Bps, Price, Quote

SQUARE = ONE * ONE
"""1 USD in undivided costs."""
BASIS = 10_000 * ONE
"""100 % in basis points x18."""
_price_of = attrgetter("price")
CURVES_KEPT = 8
"""Both sides of both books, of this quote and of the one before."""


class CostCurve:
    """One side of a book, added up level by level. The cost grows strictly with the amount, so both
    directions are a bisection.

    Every method raises `ValueError` when it comes to a level whose price or amount is not positive.
    """

    __slots__ = ("_amounts", "_costs", "_depth", "_slippage", "levels")

    def __init__(self, levels: tuple[Level, ...]) -> None:
        """Best level first. Raises `ValueError` for a side without levels."""
        if not levels:
            raise ValueError("the ladder is empty")
        self.levels = levels
        # Of the first 0, 1, 2 ... levels, as far as they have been added up.
        self._amounts: list[int] = [0]
        self._costs: list[int] = [0]
        self._slippage = -1

    def _add_level(self) -> bool:
        """Add up one more level; False when there is none."""
        added = len(self._amounts) - 1
        if added == len(self.levels):
            return False
        level = self.levels[added]
        price, amount = level.price, level.amount
        if price <= 0 or amount <= 0:
            raise ValueError(
                f"a level of {Base(amount).text()} at price {Price(price).text()} is not positive"
            )
        self._amounts.append(self._amounts[-1] + amount)
        self._costs.append(self._costs[-1] + price * amount)
        return True

    def cost(self, amount: int) -> int | None:
        """What the best `amount` (x18, >= 0) costs, undivided; None when the levels hold less."""
        amounts = self._amounts
        while amounts[-1] < amount:
            if not self._add_level():
                return None
        if amount == 0:
            return 0
        below = bisect_left(amounts, amount) - 1
        return self._costs[below] + (amount - amounts[below]) * self.levels[below].price

    def vwap(self, amount: int) -> Price:
        """The average price of the best `amount` (x18), rounded down to 10**-18 USD. Raises `ValueError` for
        an amount of 0 or levels too thin for it.
        """
        cost = self.cost(amount)
        if cost is None or amount == 0:
            raise ValueError(
                f"no average price of {Base(amount).text()}: the ladder holds {Base(self.total()).text()}"
            )
        return Price(cost // amount)

    def amount_for(self, cost: int) -> int:
        """The most (x18) that can be had for at most `cost` (undivided, >= 0)."""
        costs = self._costs
        while costs[-1] <= cost:
            if not self._add_level():
                return self._amounts[-1]
        full = bisect_right(costs, cost) - 1
        return self._amounts[full] + (cost - costs[full]) // self.levels[full].price

    def total(self) -> int:
        """How much (x18) all levels hold."""
        while self._add_level():
            pass
        return self._amounts[-1]

    def depth(self, slippage: Bps) -> Quote:
        """USD standing at most `slippage` away from the touch, the touch included."""
        if self._slippage != slippage:
            levels, touch = self.levels, self.levels[0].price
            reach = touch * slippage // BASIS
            # Prices only get worse, so that those within reach are the first so many.
            inside = (
                bisect_right(levels, touch + reach, key=_price_of)
                if levels[-1].price >= touch
                else len(levels) - bisect_left(levels[::-1], touch - reach, key=_price_of)
            )
            # A list, not a generator: it is half as long in coming, and this is most of what a look costs.
            undivided = sum([level.price * level.amount for level in levels[:inside]])
            self._slippage, self._depth = slippage, Quote(undivided // ONE)
        return self._depth

    def pieces(self, step: int, low: int, high: int) -> "Iterator[Piece]":
        """The lots of `step` that cost `low`..`high` (undivided), best first, in pieces of one price each.

        A lot that lies in several levels belongs to the piece of the last of them.
        """
        amounts, costs = self._amounts, self._costs
        while costs[-1] < low and self._add_level():
            pass
        level = max(0, bisect_left(costs, low) - 1)
        while costs[level] < high and (level + 1 < len(costs) or self._add_level()):
            price = self.levels[level].price
            lot, base = price * step, costs[level] - amounts[level] * price
            first, last = amounts[level] // step + 1, amounts[level + 1] // step
            dear_enough, cheap_enough = -((base - low) // lot), (high - base) // lot
            # Conditional expressions, here and in the search: a call of min() takes as long as three of them.
            first = first if first > dear_enough else dear_enough
            last = last if last < cheap_enough else cheap_enough
            if first <= last:
                yield Piece(first, last, base, lot)
            level += 1


class Piece(NamedTuple):
    """Lots `first`..`last` of a side, of which `lots` cost `base + lots * lot` (undivided)."""

    first: int
    last: int
    base: int
    lot: int


class LotCurve:
    """A cost curve in lots of `step`, each cost taken `weight` times (see `hedge_weights`)."""

    __slots__ = ("_curve", "lot_cost", "step", "weight")

    def __init__(self, levels: tuple[Level, ...], step: Base, weight: int = 1) -> None:
        """Best level first. Raises `ValueError` for a side without levels and for a step that is not
        positive.
        """
        if step <= 0:
            raise ValueError(f"a size step of {Base(step).text()} is not positive")
        self._curve = curve_of(levels)
        self.step = int(step)
        self.weight = weight
        self.lot_cost = levels[0].price * self.step * weight
        """What one lot costs at the touch, undivided (USD x36), weighted."""

    @property
    def lots_max(self) -> int:
        """The most lots that the levels fill, rounded down."""
        return self._curve.total() // self.step

    @property
    def cost_all(self) -> int:
        """What all the lots of the levels cost, weighted."""
        return (self._curve.cost(self.lots_max * self.step) or 0) * self.weight

    def cost(self, lots: int) -> int | None:
        """The exact cost of so many lots, undivided (USD x36), weighted; None when the levels fill fewer."""
        cost = self._curve.cost(lots * self.step)
        return None if cost is None else cost * self.weight

    def lots_for(self, cost: int) -> int:
        """The most lots that cost at most `cost`, weighted; 0 when one lot costs more."""
        return self._curve.amount_for(cost // self.weight) // self.step if cost > 0 else 0

    def pieces(self, low: int, high: int) -> Iterator[Piece]:
        """See `CostCurve.pieces`; all costs are weighted."""
        if self.weight == 1:
            return self._curve.pieces(self.step, low, high)
        return self._weighted_pieces(low, high)

    def _weighted_pieces(self, low: int, high: int) -> Iterator[Piece]:
        weight = self.weight
        for first, last, base, lot in self._curve.pieces(self.step, -(-low // weight), high // weight):
            yield Piece(first, last, base * weight, lot * weight)

    def around(self, wanted: int, low: int, high: int) -> list[tuple[int, int]]:
        """(lots, cost) next below and next above the cost in `low`..`high` that is nearest to `wanted`;
        the nearest of the interval is among them.
        """
        if low > high:
            return []
        lots = self.lots_for(min(max(wanted, low), high))
        return [
            (count, cost)
            for count in (lots, lots + 1)
            if count > 0 and (cost := self.cost(count)) is not None and low <= cost <= high
        ]


_kept: dict[int, CostCurve] = {}
"""By the id of the levels. A curve keeps its levels alive, so no other side can have their id meanwhile."""


def curve_of(levels: tuple[Level, ...]) -> CostCurve:
    """The curve of this side, made once while it is among the `CURVES_KEPT` newest.

    Raises `ValueError` for a side without levels.
    """
    curve = _kept.get(id(levels))
    if curve is None:
        curve = CostCurve(levels)
        if len(_kept) >= CURVES_KEPT:
            del _kept[next(iter(_kept))]
        _kept[id(levels)] = curve
    return curve


def walk(levels: tuple[Level, ...], amount: int) -> Quote | None:
    """What taking |amount| costs, level by level, in USD; None when the levels are too thin.

    Exact wherever tick times step is at least 10**-18 USD (at every venue we know); otherwise rounded down
    once, at the end.
    """
    cost = curve_of(levels).cost(abs(amount))
    return None if cost is None else Quote(cost // ONE)


def depth_within(levels: tuple[Level, ...], slippage: Bps) -> Quote:
    """USD standing at most `slippage` away from the touch, the touch included; 0 for an empty side."""
    return curve_of(levels).depth(slippage) if levels else Quote(0)
