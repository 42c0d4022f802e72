"""A seeded market without end that moves like the recordings do: one tick wide most of the time, legs
correlated, momentum over seconds.

The model lives in floats because it is a picture of chance, not money: a latent log price per leg, in basis
points, every `STEP_NS`. What leaves this file is on the tick and on the step, in integers.

    d(ETH) = a momentum shared by both legs + noise shared by both + noise of its own          SOL likewise

Fitted to the recorded second-scale figures (1 s / 10 s mid-return std 0.90 / 3.7 bps for ETH and 1.05 / 4.4
for SOL, correlation 0.46 / 0.72): the variance over 10 s is 17 times that over 1 s, where a random walk has
10, so part of it is momentum; and it is the momentum that correlates. Starts at the recording's prices,
because there one tick is the spread that the figures speak of.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from messages.market import Level
from messages.units import Base, Price
from venue.simulated.markets.move import NADO_STEPS, BookChange, ProductName, Steps, TickAndStep, Trade

STEP_NS = 100_000_000
JITTER_NS = 40_000_000
"""Each product is updated every 100 ms, at most 40 ms late, so that the legs do not tick together."""
LEVELS = 20
WIDE = 0.07
"""Share of updates in which the touch is wider than one tick."""
TRADES = 0.3
"""Share of updates that bring a trade between other traders."""
MOMENTUM_S = 3.0
REVERSION_S = 6 * 3600.0
"""How long momentum lasts; how slowly prices come back to where they started, which keeps long runs in a
sane range.
"""
SIZES = 4_096


@dataclass(frozen=True)
class Shape:
    """One leg: where it starts (USD), its noises in bps per square root of a second, its momentum in bps
    per second, its median level in USD.
    """

    start: float
    momentum: float
    shared: float
    own: float
    level_usd: float


ETH = Shape(start=4_300.0, momentum=0.407, shared=0.452, own=0.66, level_usd=360_000)
SOL = Shape(start=203.0, momentum=0.497, shared=0.527, own=0.72, level_usd=170_000)


class SyntheticMarket:
    """The market of one seed; each call of `moves` starts it again."""

    def __init__(self, seed: int, steps: Steps = NADO_STEPS) -> None:
        self._seed = seed
        self._steps = steps

    def moves(self) -> Iterator[BookChange]:
        """Moves without end, by time; the same for the same seed and steps."""
        chance = random.Random(f"synthetic {self._seed}")  # noqa: S311 - a market, not a secret
        legs = (
            _Leg("eth", ETH, self._steps.of("eth"), chance),
            _Leg("sol", SOL, self._steps.of("sol"), chance),
        )
        yield from (leg.move(0) for leg in legs)
        momentum, keep = 0.0, math.exp(-STEP_NS / 1e9 / MOMENTUM_S)
        number = 0
        while True:
            number += 1
            momentum = keep * momentum + math.sqrt(1 - keep * keep) * chance.gauss(0, 1)
            shared = chance.gauss(0, 1)
            due = sorted((number * STEP_NS + chance.randrange(JITTER_NS), index) for index in (0, 1))
            for leg in legs:
                leg.drift(momentum, shared)
            for at_ns, index in due:
                yield legs[index].move(at_ns)


class _Leg:
    """One leg's latent price and the book around it."""

    def __init__(
        self, product: ProductName, shape: Shape, lattice: TickAndStep, chance: random.Random
    ) -> None:
        self._product = product
        self._shape = shape
        self._lattice = lattice
        self._chance = chance
        self._moved_bps = 0.0
        self._ticks_at_start = shape.start * 1e18 / lattice.tick
        median = shape.level_usd / shape.start * 1e18 / lattice.step
        self._amounts = [
            Base(max(1, round(chance.lognormvariate(math.log(median), 0.8))) * lattice.step)
            for _ in range(SIZES)
        ]

    def drift(self, momentum: float, shared: float) -> None:
        """Let `STEP_NS` pass: both arguments are standard normal draws that the two legs share."""
        seconds = STEP_NS / 1e9
        shape = self._shape
        noise = math.sqrt(seconds) * (shape.shared * shared + shape.own * self._chance.gauss(0, 1))
        self._moved_bps += (
            shape.momentum * momentum * seconds + noise - self._moved_bps * seconds / REVERSION_S
        )

    def move(self, at_ns: int) -> BookChange:
        """The book around the latent price of now, as a move at `at_ns` since the start."""
        chance, tick = self._chance, self._lattice.tick
        bid = int(self._ticks_at_start * math.exp(self._moved_bps / 10_000))
        ask = bid + 1
        if chance.random() < WIDE:
            extra = chance.choice((1, 1, 2, 3))
            bid, ask = (bid - extra, ask) if chance.random() < 0.5 else (bid, ask + extra)
        offset = chance.randrange(SIZES - 2 * LEVELS)
        amounts = self._amounts[offset : offset + 2 * LEVELS]
        bids = tuple(Level(Price((bid - depth) * tick), amounts[depth]) for depth in range(LEVELS))
        asks = tuple(Level(Price((ask + depth) * tick), amounts[LEVELS + depth]) for depth in range(LEVELS))
        return BookChange(
            at_ns, self._product, bids, asks, Price((bid + ask) * tick // 2), self._trade(bids[0], asks[0])
        )

    def _trade(self, bid: Level, ask: Level) -> tuple[Trade, ...]:
        if self._chance.random() >= TRADES:
            return ()
        buys = self._chance.random() < 0.5
        touch = ask if buys else bid
        share = max(1, int(touch.amount // self._lattice.step) // 100)
        return (Trade(touch.price, Base(share * self._lattice.step), buys),)
