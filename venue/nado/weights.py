"""The venue's execute budget, kept on our side so that the weight for getting out is still there when it is needed (lesson O12).

Per wallet, REST and sockets together: 600 in any minute and 100 in any 10 seconds. place_order weighs 1, cancel_product_orders 5 per product
(protocol sheet, rate limits).
"""

from collections import deque

PLACE_WEIGHT = 1
CANCEL_WEIGHT_PER_PRODUCT = 5
WINDOWS = ((10_000, 100), (60_000, 600))
"""(length in ms, weight allowed within it)."""

_LONGEST_MS = max(length for length, _ in WINDOWS)


def unwind_weight(flatten_steps: int = 5, products: int = 2) -> int:
    """What closing both legs may cost at worst, from any state.

    Flattening: one order per leg and step. ESCAPE, should that fail: twice (now, and once more after the last receive window), each time one
    cancellation of both products and one order per leg. With 5 steps and 2 products: 5 x 2 + 2 x (2 x 5 + 2) = 34.
    """
    flatten = flatten_steps * products * PLACE_WEIGHT
    escape = 2 * products * (CANCEL_WEIGHT_PER_PRODUCT + PLACE_WEIGHT)
    return flatten + escape


class WeightBudget:
    """What was spent in the last minute. Time is venue time and is always given: this reads no clock."""

    def __init__(self) -> None:
        self._spent: deque[tuple[int, int]] = deque()

    def spend(self, weight: int, now_ms: int) -> None:
        """Note that `weight` left at `now_ms`. It is a fact, so it is noted even beyond the budget."""
        self._forget(now_ms)
        if self._spent and self._spent[-1][0] == now_ms:
            weight += self._spent.pop()[1]
        self._spent.append((now_ms, weight))

    def affords(self, weight: int, now_ms: int) -> bool:
        """May `weight` leave at `now_ms` without exceeding a window? The edges count as inside: the venue's clock is not quite ours."""
        self._forget(now_ms)
        return all(self._within(length, now_ms) + weight <= allowed for length, allowed in WINDOWS)

    def _within(self, length_ms: int, now_ms: int) -> int:
        return sum(weight for at_ms, weight in self._spent if at_ms >= now_ms - length_ms)

    def _forget(self, now_ms: int) -> None:
        while self._spent and self._spent[0][0] < now_ms - _LONGEST_MS:
            self._spent.popleft()
