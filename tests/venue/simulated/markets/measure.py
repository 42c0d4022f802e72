"""Spread, second-scale volatility and correlation of a market, measured as the recordings' table was: on a
grid of exchange time.
"""

import math
import statistics
from collections.abc import Iterable

import msgspec

from venue.simulated.markets import BookChange


class Measured(msgspec.Struct, frozen=True):
    """Time-weighted spread (bps) per leg; per horizon in seconds: return std of ETH and SOL (bps) and
    their correlation.
    """

    spread: dict[str, float]
    returns: dict[int, tuple[float, float, float]]


def measure(moves: Iterable[BookChange], span_s: float) -> Measured:
    """The figures over the first `span_s` seconds; returns do not overlap."""
    grid: dict[str, list[float]] = {"eth": [], "sol": []}
    mid: dict[str, float] = {}
    touch: dict[str, tuple[float, float]] = {}
    spread = {"eth": 0.0, "sol": 0.0}
    for move in moves:
        now_s = move.at_ns / 1e9
        while len(grid["eth"]) + 1 < now_s:
            for name, prices in grid.items():
                prices.append(mid[name])
        if now_s > span_s:
            break
        bid, ask = move.bids[0].price, move.asks[0].price
        since_s, width = touch.get(move.product, (now_s, 0.0))
        spread[move.product] += width * (now_s - since_s) / span_s
        touch[move.product] = now_s, (ask - bid) / (ask + bid) * 2e4
        mid[move.product] = math.log((ask + bid) / 2)
    return Measured(spread, {horizon_s: _returns(grid, horizon_s) for horizon_s in (1, 10)})


def _returns(grid: dict[str, list[float]], horizon_s: int) -> tuple[float, float, float]:
    eth, sol = (
        [1e4 * (b - a) for a, b in zip(prices[::horizon_s], prices[horizon_s::horizon_s], strict=False)]
        for prices in grid.values()
    )
    size = min(len(eth), len(sol))
    return statistics.pstdev(eth), statistics.pstdev(sol), statistics.correlation(eth[:size], sol[:size])
