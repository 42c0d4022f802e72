"""Microseconds that one sizing takes on 20-level ladders: `python -m benches.lattice [SEED]`.

Medians over random prices near the founding ones. `verdict` is what every entry pays; `advice` adds the
answer "from which target on always", which only a skipped cycle asks for. Unmet verdicts, which also look for
the smallest target that is met, are part of `verdict` where they occur.
"""

import random
import sys
from statistics import median
from time import perf_counter_ns

from actors.sizing.lattice import TakenSide, size_pair
from messages.market import Level
from messages.units import Base, Bps, Price, Quote

TARGETS = ("100", "1000", "10000", "1000000")
BOOKS, LEVELS = 400, 20


def side(
    random_: random.Random, price: Price, tick: Price, step: Base, lots_max: int, *, up: bool
) -> TakenSide:
    """20 levels a tick or three apart; together some ten million dollars."""
    levels = []
    for _ in range(LEVELS):
        levels.append(Level(price, Base(step * random_.randint(lots_max // 2, lots_max))))
        price = Price(price + (1 if up else -1) * tick * random_.randint(1, 3))
    return TakenSide(tuple(levels), step, Quote.of(100))


def books(random_: random.Random) -> tuple[TakenSide, TakenSide]:
    eth, sol = Price.of(str(random_.randint(25_000, 30_000))), Price.of(random_.randint(9_000, 14_000))
    eth, sol = Price(eth // 10), Price(sol // 100)
    return (
        side(random_, eth, Price.of("0.1"), Base.of("0.001"), 300_000, up=True),
        side(random_, sol, Price.of("0.01"), Base.of("0.1"), 60_000, up=False),
    )


def spent_us(target: str, pair: tuple[TakenSide, TakenSide], *, advise: bool) -> tuple[float, str]:
    began = perf_counter_ns()
    verdict = size_pair(
        Quote.of(target),
        *pair,
        max_imbalance=Bps.of(10),
        planning_margin=Bps.of("2.5"),
        max_deviation=Bps.of(2000),
        advise=advise,
    )
    return (perf_counter_ns() - began) / 1000, verdict.kind


def main(seed: int) -> None:
    random_ = random.Random(seed)  # noqa: S311 - books, not keys
    sample = [books(random_) for _ in range(BOOKS)]
    print(f"seed {seed}, {BOOKS} books of {LEVELS} levels; us per sizing")
    print(f"{'target':>10}{'verdict median':>16}{'p99':>8}{'advice median':>16}{'p99':>8}{'met':>7}")
    for target in TARGETS:
        plain = [spent_us(target, pair, advise=False) for pair in sample]
        advised = [spent_us(target, pair, advise=True)[0] for pair in sample]
        met = sum(kind == "met" for _, kind in plain) / BOOKS
        times = [us for us, _ in plain]
        print(
            f"{target:>10}{median(times):>16.0f}{p99(times):>8.0f}{median(advised):>16.0f}{p99(advised):>8.0f}{met:>7.1%}"
        )


def p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
