"""The archive's `candlesticks`: what a product traded at, span by span. Pure."""

import msgspec

from messages.units import Price
from venue.nado.codec import Whole
from venue.protocol import Malformed


class _Candle(msgspec.Struct, frozen=True):
    timestamp: Whole
    close_x18: Price


class Candlesticks(msgspec.Struct, frozen=True):
    """Newest first, each by the second of Unix time in which it began. A span without a trade has none."""

    candlesticks: tuple[_Candle, ...]


def closes_of(found: Candlesticks) -> dict[int, Price]:
    """Second at which each span began -> its last price, oldest first. Raises `Malformed` for a price that
    is none.
    """
    closes = {int(candle.timestamp): candle.close_x18 for candle in found.candlesticks}
    wrong = next((price for price in closes.values() if price <= 0), None)
    if wrong is not None:
        raise Malformed(f"a candlestick closes at {wrong.text()}")
    return dict(sorted(closes.items()))
