"""What sizing takes, from a quote in hand to a plan, and of that the search for both quantities.

    python -m benches.lattice                       hot: back to back, the quickest of --rounds for each quote
    python -m benches.lattice --cold                one every 480 ms, after other work, each counted once
    python -m benches.lattice --seed 7 --n 3000
    PYTHONPATH=OTHER python benches/lattice.py      another checkout; start both at once to compare them

step: `Sizer.step` at a quote that nobody has looked at, gates and plan included. search: `size_pair` on the
same sides, the verdict included. advice: the same with "from which target on always", which only a skipped
cycle asks for.
"""

import argparse
import gc
import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

import msgspec

from actors.sizing.lattice import HedgeAccuracy, TakenSide, size_pair
from actors.sizing.sizer import Look, Memory, Sizer
from messages.lifecycle import Directive
from messages.market import LegQuote, Level, PairQuote
from messages.settings import Settings
from messages.units import Base, Bps, Ms, Price, Quote
from tests.actors.fakes import RULES, START_MS, held

TARGETS = ("1000", "5000", "100000", "1000000")
LEVELS = 40
"""As many as a quote carries of each side."""
BOOKS = 32
EVERY_S = 0.48
OTHER_WORK = bytes(4_000_000)
"""What is read between two cold looks: more than the processor keeps near at hand."""
DIRECTIVE, FLAT, NOW_MS = Directive(enter=True, leave_now=False, reason=""), held(), Ms(START_MS)


def book(random_: random.Random, product: int, bid: Price, tick: Price, step: Base, lots: int) -> LegQuote:
    """40 levels a side, a tick or two apart; a million dollars per leg passes the depth gate."""

    def side(price: int, way: int) -> tuple[Level, ...]:
        levels = []
        for _ in range(LEVELS):
            levels.append(Level(Price(price), Base(step * random_.randint(lots // 2, lots))))
            price += way * tick * random_.randint(1, 2)
        return tuple(levels)

    return LegQuote(product, side(bid, -1), side(bid + tick, 1), NOW_MS, bid, "live")


def quote(random_: random.Random) -> PairQuote:
    """Prices around the founding ones."""
    eth = Price(random_.randint(25_000, 30_000) * Price.of("0.1"))
    sol = Price(random_.randint(9_000, 14_000) * Price.of("0.01"))
    return PairQuote(
        1,
        NOW_MS,
        book(random_, 4, eth, Price.of("0.1"), Base.of("0.001"), 300_000),
        book(random_, 8, sol, Price.of("0.01"), Base.of("0.1"), 150_000),
        True,
    )


def fresh(seen: PairQuote) -> PairQuote:
    """The same levels on sides that nobody has looked at."""
    eth, sol = (
        msgspec.structs.replace(leg, bids=(*leg.bids[:1], *leg.bids[1:]), asks=(*leg.asks[:1], *leg.asks[1:]))
        for leg in (seen.eth, seen.sol)
    )
    return msgspec.structs.replace(seen, eth=eth, sol=sol)


class Measured:
    """One target's looks."""

    def __init__(self, target: str) -> None:
        # The gate of the spread is left as wide as these prices need: what is measured is an entry.
        self.settings = msgspec.structs.replace(Settings(), target=Quote.of(target), max_spread=Bps.of(20))
        self.sizer = Sizer(self.settings, RULES)
        self.decisions: Counter[str] = Counter()

    def step(self, seen: PairQuote) -> float:
        """Microseconds from a quote to a decision."""
        look = Look(fresh(seen), FLAT, DIRECTIVE, NOW_MS)
        taken_us, (_, decision) = timed(lambda: self.sizer.step(Memory(), look))
        self.decisions[type(decision).__name__] += 1
        return taken_us

    def search(self, seen: PairQuote, *, advise: bool = False) -> float:
        """Microseconds from two sides to a verdict."""
        new, settings = fresh(seen), self.settings
        eth = TakenSide(new.eth.asks, RULES.eth.size_step, RULES.eth.min_notional or Quote(0))
        sol = TakenSide(new.sol.bids, RULES.sol.size_step, RULES.sol.min_notional or Quote(0))
        return timed(
            lambda: size_pair(
                settings.target,
                (eth, sol),
                HedgeAccuracy(settings.max_imbalance, settings.planning_margin, settings.max_deviation),
                advise=advise,
            )
        )[0]

    def advice(self, seen: PairQuote) -> float:
        """As `search`, with the answer that only a skipped cycle asks for."""
        return self.search(seen, advise=True)


WHATS: dict[str, Callable[[Measured, PairQuote], float]] = {
    "step": Measured.step,
    "search": Measured.search,
    "advice": Measured.advice,
}


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Microseconds, and what came of it."""
    began = time.perf_counter_ns()
    result = work()
    return (time.perf_counter_ns() - began) / 1000, result


def hot(quotes: list[PairQuote], of: Measured, what: str, rounds: int) -> list[float]:
    """The quickest of `rounds` for each quote: what others do on the machine makes none of them shorter."""
    work = WHATS[what]
    times = [[work(of, each) for each in quotes] for _ in range(rounds)]
    return [min(one) for one in zip(*times, strict=True)]


def row(target: str, what: str, times: list[float], of: Measured) -> None:
    """One line of the table."""
    p99 = quantiles(times, n=100)[98]
    print(
        f"{target:>9} USD  {what:<8}{median(times):>9.1f}{p99:>9.1f}   n {len(times)}  {dict(of.decisions)}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--n", type=int, default=0, help="looks of each line (hot 3200, cold 300)")
    parser.add_argument("--cold", action="store_true")
    asked = parser.parse_args()
    random_ = random.Random(asked.seed)  # noqa: S311 - books, not keys
    quotes = [quote(random_) for _ in range(BOOKS)]
    measured = {target: Measured(target) for target in TARGETS}
    gc.collect()
    gc.freeze()
    print(f"seed {asked.seed}, {BOOKS} quotes of {LEVELS} levels a side; microseconds, median and p99")
    if not asked.cold:
        rounds = max(1, (asked.n or 3200) // BOOKS)
        for target, each in measured.items():
            for what in WHATS:
                row(target, what, hot(quotes, each, what, rounds), each)
        return
    times: dict[str, list[float]] = {target: [] for target in TARGETS}
    for number in range((asked.n or 300) * len(TARGETS)):
        time.sleep(EVERY_S)
        hashlib.sha256(OTHER_WORK)
        # Like the books of a running bot: levels that have just come.
        target = TARGETS[number % len(TARGETS)]
        times[target].append(measured[target].step(quote(random_)))
    for target, each in measured.items():
        row(target, "step", times[target], each)


if __name__ == "__main__":
    main()
