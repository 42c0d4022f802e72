"""Candlesticks, made from every trade at every granularity the exchange has. Bounded: the oldest are
forgotten.
"""

from collections import deque

import msgspec

from messages.units import ONE
from venue.simulated.engine.events import Traded

GRANULARITIES_S = (60, 300, 900, 3600, 7200, 14_400, 86_400, 604_800, 2_419_200)
CANDLES_MAX = 1000
"""Per product and granularity; the archive answers at most half of that at once."""


class Candle(msgspec.Struct, frozen=True):
    """One candlestick of `granularity` seconds from `start_s`; prices, volume (base) and quote (the same in
    USDT0) x18.
    """

    product_id: int
    granularity: int
    start_s: int
    opened: int
    high: int
    low: int
    closed: int
    volume: int
    quote: int
    last_ns: int

    def with_trade(self, trade: Traded) -> "Candle":
        """The candle after one more trade within its time."""
        return msgspec.structs.replace(
            self,
            high=max(self.high, trade.price),
            low=min(self.low, trade.price),
            closed=int(trade.price),
            volume=self.volume + trade.amount,
            quote=self.quote + trade.price * trade.amount // ONE,
            last_ns=trade.at_ns,
        )


class Candles:
    """The newest `CANDLES_MAX` candles of every product and granularity, made from every public trade."""

    def __init__(self) -> None:
        self._candles: dict[tuple[int, int], deque[Candle]] = {}

    def take(self, trade: Traded) -> list[Candle]:
        """Count a trade in; the candles that it changed."""
        return [self._count(trade, granularity) for granularity in GRANULARITIES_S]

    def _count(self, trade: Traded, granularity: int) -> Candle:
        candles = self._candles.setdefault((trade.product_id, granularity), deque(maxlen=CANDLES_MAX))
        start_s = trade.at_ns // 10**9 // granularity * granularity
        if candles and candles[-1].start_s == start_s:
            candles[-1] = candles[-1].with_trade(trade)
        else:
            price = int(trade.price)
            candles.append(
                Candle(
                    trade.product_id,
                    granularity,
                    start_s,
                    price,
                    price,
                    price,
                    price,
                    int(trade.amount),
                    price * trade.amount // ONE,
                    trade.at_ns,
                )
            )
        return candles[-1]

    def newest(self, product_id: int, granularity: int, count: int, until_ns: int) -> list[Candle]:
        """At most `count` candles that began before `until_ns`, newest first."""
        candles = self._candles.get((product_id, granularity), ())
        return [candle for candle in reversed(candles) if candle.start_s * 10**9 <= until_ns][:count]
