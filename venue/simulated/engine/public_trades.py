"""Every public trade with a number, for who asks for the newest ones. Bounded: the oldest are
forgotten.
"""

from collections import deque
from typing import NamedTuple

from venue.simulated.engine.events import Traded

TRADES_MAX = 1000
"""Per product; the archive answers at most half of that at once."""


class NumberedTrade(NamedTuple):
    """A public trade and its number, which grows by one with every trade of the venue, from 1."""

    number: int
    trade: Traded


class PublicTrades:
    """The newest `TRADES_MAX` public trades of every product."""

    def __init__(self) -> None:
        self._numbered = 0
        self._trades: dict[int, deque[NumberedTrade]] = {}

    def take(self, trade: Traded) -> None:
        """Give a trade the next number, from 1 over all products; the newest of each are kept."""
        self._numbered += 1
        kept = self._trades.setdefault(trade.product_id, deque(maxlen=TRADES_MAX))
        kept.append(NumberedTrade(self._numbered, trade))

    def newest(self, product_id: int, count: int, until_ns: int, max_number: int) -> list[NumberedTrade]:
        """At most `count` trades of a product up to `until_ns`, newest first; none with a number beyond
        `max_number` (0 = no limit).
        """
        return [
            one
            for one in reversed(self._trades.get(product_id, ()))
            if one.trade.at_ns <= until_ns and (max_number == 0 or one.number <= max_number)
        ][:count]
