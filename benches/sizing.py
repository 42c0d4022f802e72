"""`sizing`: both legs' quantities from two books of 20 levels, by what the run itself calls, beside a loop in
Decimal that takes the two best prices for granted.

first look: at a quote that was not sized before. again: the same quote once more. hot: back to back; cold: 20
ms of sleep before each.
"""

import random
import time
from collections.abc import Callable
from decimal import Decimal

import msgspec

from actors.sizing.sizer import Sizer
from benches.asked import Asked
from benches.figures import Taken
from benches.peers.decimal_loop import sized
from messages.market import LegQuote, Level, PairQuote
from messages.settings import Settings
from messages.units import Base, Ms, Ns, Price, Quote
from tests.actors.fakes import RULES

LEVELS = 20
PAUSE_S = 0.02
WHAT = "size a pair"
FIRST, AGAIN, LOOP = (
    "Evenkeel, first look at a quote",
    "Evenkeel, the same quote again",
    "Decimal loop, best prices only",
)
LOOP_LOTS_MAX = 4_000_000
"""The loop takes long at 1,000,000 USD: it is repeated only until it has tried as many lots."""
ETH_LOT_USD = Decimal("2.757")


def quote(random_: random.Random, version: int) -> PairQuote:
    """Books a tick or three apart from level to level; together some ten million dollars a side."""
    eth, sol = Price.of("2756.8") + random_.randint(-200, 200) * Price.of("0.1"), Price.of("115.86")
    sol = Price(sol + random_.randint(-200, 200) * Price.of("0.01"))
    return PairQuote(
        version,
        Ms(0),
        _leg(random_, 4, Price(eth), Price.of("0.1"), Base.of("0.001"), 300_000),
        _leg(random_, 8, sol, Price.of("0.01"), Base.of("0.1"), 60_000),
        True,
        Ns(0),
    )


def _leg(
    random_: random.Random, product: int, bid: Price, tick: Price, step: Base, lots_max: int
) -> LegQuote:
    def side(price: int, way: int) -> tuple[Level, ...]:
        levels = []
        for _ in range(LEVELS):
            levels.append(Level(Price(price), Base(step * random_.randint(lots_max // 2, lots_max))))
            price += way * tick * random_.randint(1, 3)
        return tuple(levels)

    return LegQuote(product, side(bid, -1), side(bid + tick, 1), Ms(0), bid, "live")


def measure(asked: Asked) -> Taken:
    """Every target hot and cold, then the loop."""
    taken, random_ = Taken(), random.Random(1)  # noqa: S311 - books, not keys
    version = 0
    for target in asked.targets:
        wanted, size = Quote.of(target), f"{int(target):,} USD"
        sizer = Sizer(msgspec.structs.replace(Settings(), target=wanted), RULES)
        for mode in ("hot", "cold"):
            first: list[float] = []
            again: list[float] = []
            for _ in range(asked.n):
                version += 1
                fresh = quote(random_, version)

                def work(fresh: PairQuote = fresh, sizer: Sizer = sizer) -> object:
                    return sizer.size(fresh, 1, sizer.settings.target)

                for times in (first, again):
                    if mode == "cold":
                        time.sleep(PAUSE_S)
                    times.append(_us(work))
            taken.add(FIRST, WHAT, "us", first, mode=mode, size=size)
            taken.add(AGAIN, WHAT, "us", again, mode=mode, size=size)
        lots = max(1, int(Decimal(target) / ETH_LOT_USD * Decimal("0.4")))
        rounds = max(1, min(asked.n, LOOP_LOTS_MAX // lots))
        loop = [
            _us(lambda target=target: sized(Decimal(target), Decimal("2756.9"), Decimal("115.86")))  # type: ignore[misc]
            for _ in range(rounds)
        ]
        taken.add(LOOP, WHAT, "us", loop, mode="hot", size=size)
    return taken


def _us(work: Callable[[], object]) -> float:
    began = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - began) / 1000
