"""One side of a book as a cost curve: what so much costs, how much so many dollars buy, how deep it is.

Costs inside are *undivided*: price x18 times amount x18, so USD x36. Nothing is rounded before a result is
handed out, which is what lets the lattice search compare pairs exactly.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from operator import mul

from messages.market import Level
from messages.units import ONE, Base, Bps, Price, Quote

SQUARE = ONE * ONE
"""1 USD in undivided costs."""
BASIS = 10_000 * ONE
"""100 % in basis points x18."""


class CostCurve:
    """One side of a book in lots of `step`. The cost grows strictly with the lots, so both directions are a
    bisection.
    """

    def __init__(self, levels: Sequence[Level], step: Base) -> None:
        """Best level first. Raises `ValueError` naming a side without levels, a step, price or amount that is
        not positive.
        """
        if not levels:
            raise ValueError("the ladder is empty")
        if step <= 0:
            raise ValueError(f"a size step of {Base(step).text()} is not positive")
        for level in levels:
            if level.price <= 0 or level.amount <= 0:
                raise ValueError(
                    f"a level of {Base(level.amount).text()} at price {Price(level.price).text()} is not"
                    " positive"
                )
        self.step = int(step)
        self._prices = [int(level.price) for level in levels]
        amounts = [int(level.amount) for level in levels]
        self._amounts: list[int] = [0, *accumulate(amounts)]
        self._costs: list[int] = [0, *accumulate(map(mul, self._prices, amounts))]
        self.lots_max = self._amounts[-1] // self.step
        """The most lots that the levels fill."""

    @property
    def lot_cost(self) -> int:
        """What one lot costs at the touch, undivided (USD x36)."""
        return self._prices[0] * self.step

    @property
    def cost_all(self) -> int:
        """What all the lots of the levels cost."""
        return self.cost(self.lots_max) if self.lots_max else 0

    def cost(self, lots: int) -> int:
        """The exact cost of 1..`lots_max` lots, undivided (USD x36)."""
        amount = lots * self.step
        below = bisect_left(self._amounts, amount) - 1
        return self._costs[below] + (amount - self._amounts[below]) * self._prices[below]

    def lots_for(self, cost: int) -> int:
        """The most lots that cost at most `cost`; 0 when one lot costs more."""
        if cost <= 0:
            return 0
        full = bisect_right(self._costs, cost) - 1
        if full == len(self._prices):
            return self.lots_max
        return (self._amounts[full] + (cost - self._costs[full]) // self._prices[full]) // self.step

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
            if 0 < count <= self.lots_max and low <= (cost := self.cost(count)) <= high
        ]


def walk(levels: Sequence[Level], amount: int) -> Quote | None:
    """What taking |amount| costs, level by level, in USD; None when the levels are too thin.

    Exact wherever tick times step is at least 10**-18 USD (at every venue we know); otherwise rounded down
    once, at the end.
    """
    cost = _undivided(levels, abs(amount))
    return None if cost is None else Quote(cost // ONE)


def vwap(levels: Sequence[Level], amount: int) -> Price:
    """The average price of taking |amount|, rounded down to 10**-18 USD. Raises `ValueError` for an amount
    of 0 or levels too thin for it.
    """
    cost = _undivided(levels, abs(amount))
    if cost is None or amount == 0:
        raise ValueError(
            f"no average price of {Base(amount).text()}: the ladder holds"
            f" {Base(sum(level.amount for level in levels)).text()}"
        )
    return Price(cost // abs(amount))


def depth_within(levels: Sequence[Level], slippage: Bps) -> Quote:
    """USD standing at most `slippage` away from the touch, the touch included; 0 for an empty side."""
    if not levels:
        return Quote(0)
    reach = levels[0].price * slippage
    inside = (level for level in levels if abs(level.price - levels[0].price) * BASIS <= reach)
    return Quote(sum(level.price * level.amount for level in inside) // ONE)


def _undivided(levels: Sequence[Level], amount: int) -> int | None:
    cost = 0
    for level in levels:
        taken = min(amount, level.amount)
        cost += level.price * taken
        amount -= taken
        if amount == 0:
            return cost
    return cost if amount == 0 else None
