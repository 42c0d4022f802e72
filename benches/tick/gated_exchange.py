"""A simulated Nado at which an entry is possible once per period: the ETH spread is too wide except for the
first third of each period, so that exactly one `book_depth` frame opens it. Run as a process.

    python benches/tick/gated_exchange.py PERIOD_MS

Prints one JSON line: its URL, the product ids, the chain, and the ask price that only a narrow book has.
Serves until standard input closes. Rate limits are off: 500 orders a minute are more than Nado takes, and a
limit is no part of a path's latency. Signatures, margins, matching and the taker delay are as always.
"""

import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator

import trio

from messages.market import Level
from messages.units import ONE, Base, Price, Quote
from runtime.clock import WallClock
from venue.simulated.engine.exchange import Exchange
from venue.simulated.gateway.server import LOOPBACK, listen, serve
from venue.simulated.markets.move import NADO_STEPS, BookChange, PriceSource, ProductName
from venue.simulated.payloads import rate_limits
from venue.simulated.venue import SimulatedVenue
from venue.throwaway import THROWAWAY_SENDER

ETH_BID, SOL_BID = Price.of("2756.8"), Price.of("115.86")
WIDE_TICKS = 30
"""3 USD, 11 bps: beyond the default limit of the spread."""
LEVELS = 20
LEVEL = Quote.of(500_000)
NS_PER_MS = 1_000_000


class GatedMarket:
    """Both books 20 levels deep; each change moves a few amounts, so that every frame has something to
    say.
    """

    def __init__(self, period_ms: int) -> None:
        self._period_ns = period_ms * NS_PER_MS

    def moves(self) -> Iterator[BookChange]:
        """A period: ETH narrow at 0, wide from 33 %; SOL moves at 20 % and at 70 %."""
        yield eth(0, 0, wide=True)
        yield sol(0, 0)
        number = 0
        while True:
            number += 1
            at_ns = number * self._period_ns
            yield eth(at_ns, number, wide=False)
            yield sol(at_ns + self._period_ns // 5, number)
            yield eth(at_ns + self._period_ns * 33 // 100, number, wide=True)
            yield sol(at_ns + self._period_ns * 7 // 10, -number)


def eth(at_ns: int, number: int, *, wide: bool) -> BookChange:
    """Its book: the best ask is there only when it is not `wide`."""
    tick = NADO_STEPS.eth_tick
    asks = [_level("eth", ETH_BID + tick * (level + WIDE_TICKS), number * 997) for level in range(1, LEVELS)]
    if not wide:
        asks.insert(0, _level("eth", ETH_BID + tick, number * 31))
    bids = tuple(_level("eth", ETH_BID - tick * level, 0) for level in range(LEVELS))
    return BookChange(at_ns, "eth", bids, tuple(asks), Price.of("2756.85"), ())


def sol(at_ns: int, number: int) -> BookChange:
    """Its book, always a tick wide."""
    tick = NADO_STEPS.sol_tick
    bids = tuple(
        _level("sol", SOL_BID - tick * level, number * 991 if level == 3 else 0) for level in range(LEVELS)
    )
    asks = tuple(_level("sol", SOL_BID + tick * (1 + level), 0) for level in range(LEVELS))
    return BookChange(at_ns, "sol", bids, asks, Price.of("115.865"), ())


def _level(product: ProductName, price: int, more_usd: int) -> Level:
    step = NADO_STEPS.of(product).step
    usd = LEVEL + Quote.of(more_usd % 5000)
    return Level(Price(price), Base(usd * ONE // price // step * step))


async def _served(venue: SimulatedVenue, beside: Callable[[], Awaitable[None]] | None) -> None:
    stop, listening = trio.Event(), listen(0)
    facts = {
        "url": f"http://{LOOPBACK}:{listening.getsockname()[1]}",
        "eth": venue.product_id("ETH-PERP"),
        "sol": venue.product_id("SOL-PERP"),
        "chain": venue.exchange.chain_id,
        "narrow_ask": str(int(ETH_BID + NADO_STEPS.eth_tick)),
    }
    async with trio.open_nursery() as nursery:
        await nursery.start(venue.run)
        await nursery.start(serve, venue, listening, stop)
        print(json.dumps(facts), flush=True)
        if beside is not None:
            nursery.start_soon(beside)
        while await trio.to_thread.run_sync(os.read, sys.stdin.fileno(), 4096, abandon_on_cancel=True):
            pass
        nursery.cancel_scope.cancel()


def funded(market: PriceSource) -> SimulatedVenue:
    """An exchange without rate limits, at which the benches' account has money."""
    plenty = 10**9
    rate_limits.LIMITS.update(dict.fromkeys(rate_limits.LIMITS, (plenty, plenty)))
    venue = SimulatedVenue(Exchange(), market, WallClock(), instance="gated")
    venue.fund(THROWAWAY_SENDER, Quote.of(100_000))
    return venue


def serve_until_closed(venue: SimulatedVenue, beside: Callable[[], Awaitable[None]] | None = None) -> None:
    """Say where it is, and serve until standard input closes. `beside` goes on meanwhile."""
    trio.run(_served, venue, beside)


if __name__ == "__main__":
    serve_until_closed(funded(GatedMarket(int(sys.argv[1]))))
