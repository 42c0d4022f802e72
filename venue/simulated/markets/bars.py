"""Weeks of a real market, by its 1-minute bars: what lies between open, high, low and close is made up.

Schema (CSV, gzip or plain, with a header line; by time; symbols `ETH-...` and `SOL-...`):

    ts_ns, symbol, open, high, low, close, volume        ts_ns = when the minute begins, epoch nanoseconds

Within its minute the price goes straight from open to the first extreme, to the other one and to close; the
low comes first in a minute that rises, the high in one that falls. When each extreme is reached is seeded.
So the books are at open, high, low and close of every bar, within a tick, and nowhere beyond. A book is one
tick wide and as deep as the recordings are; nothing else trades, for a bar does not say at what prices its
volume did. Both books move at the same instants, `STEP_NS` apart. A minute that a file leaves out is one in
which the books stand still.

What such a market cannot show: spreads that widen, depth that goes away, one leg that moves a moment before
the other, prices between two steps. It is for the length of a replay, not for its microstructure.
"""

import csv
import gzip
import io
import math
import random
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import IO, cast

from messages.market import Level
from messages.units import Base, Price
from venue.simulated.markets.move import NADO_STEPS, BookChange, ProductName, Steps, TickAndStep
from venue.simulated.markets.recording import PRODUCTS, UnreadableRecording, scaled
from venue.simulated.markets.synthetic import ETH, SOL, Shape

STEP_NS = 5_000_000_000
"""Between two moves of a book: a bar says nothing of what is shorter."""
MINUTE_NS = 60_000_000_000
STEPS = MINUTE_NS // STEP_NS
LEVELS = 10
SIZES = 1_024
FIRST_EXTREME, SECOND_EXTREME = (2, 5), (7, 10)
"""In which steps of the minute (both included) the two extremes may be reached."""
COLUMNS = ("ts_ns", "symbol", "open", "high", "low", "close")

Bar = tuple[int, int, int, int]
"""Open, high, low, close; x18."""


class BarsMarket:
    """The bars of one file, replayed from their start by every call of `moves`."""

    def __init__(self, path: str, seed: int, steps: Steps = NADO_STEPS) -> None:
        """Raises `UnreadableRecording` where there is no such file. Rows are read by `moves`."""
        self._path = Path(path)
        if not self._path.is_file():
            raise UnreadableRecording(f"{path} is missing")
        self._seed = seed
        self._steps = steps
        self.ticks = 0
        """Book changes so far."""
        self._raw: IO[bytes] | None = None
        self._bytes = self._path.stat().st_size

    @property
    def share(self) -> float:
        """How much of the file has been read, 0 to 1; only for showing how far a replay is."""
        return self._raw.tell() / max(1, self._bytes) if self._raw and not self._raw.closed else 0.0

    @property
    def began_ns(self) -> int:
        """When the first minute with both products begins: 0 ns of `moves`. Raises `UnreadableRecording`."""
        return next(self._minutes())[0]

    def moves(self) -> Iterator[BookChange]:
        """Both books, by time. Raises `UnreadableRecording` naming the row that cannot be read."""
        chance = random.Random(f"bars {self._seed}")  # noqa: S311 - a market, not a secret
        legs: dict[ProductName, _Leg] = {
            "eth": _Leg(ETH, self._steps.of("eth"), chance),
            "sol": _Leg(SOL, self._steps.of("sol"), chance),
        }
        self.ticks, began_ns = 0, None
        for minute_ns, bars in self._minutes():
            began_ns = minute_ns if began_ns is None else began_ns
            paths = {product: path_of(bar, chance) for product, bar in bars.items()}
            for step in range(STEPS):
                for product, path in paths.items():
                    self.ticks += 1
                    yield legs[product].move(minute_ns - began_ns + step * STEP_NS, product, path[step])

    def _minutes(self) -> Iterator[tuple[int, dict[ProductName, Bar]]]:
        """Each minute with the bars that it has; the first one has both. Raises `UnreadableRecording`."""
        begun, minute_ns, bars = False, -1, dict[ProductName, Bar]()
        for at_ns, product, bar in self._rows():
            if at_ns < minute_ns:
                raise UnreadableRecording(f"{self._path}: the bar of {at_ns} comes after that of {minute_ns}")
            if at_ns > minute_ns:
                begun = begun or len(bars) == len(PRODUCTS)
                if begun and bars:
                    yield minute_ns, bars
                minute_ns, bars = at_ns, {}
            bars[product] = bar
        if bars and (begun or len(bars) == len(PRODUCTS)):
            yield minute_ns, bars
        elif not begun:
            raise UnreadableRecording(f"{self._path} holds no minute of both ETH and SOL")

    def _rows(self) -> Iterator[tuple[int, ProductName, Bar]]:
        try:
            with self._path.open("rb") as self._raw:
                packed = self._raw.read(2) == b"\x1f\x8b"
                self._raw.seek(0)
                inner = gzip.GzipFile(fileobj=self._raw) if packed else self._raw
                lines = csv.reader(io.TextIOWrapper(cast("IO[bytes]", inner), encoding="ascii", newline=""))
                names = next(lines, [])
                if tuple(names[: len(COLUMNS)]) != COLUMNS:
                    raise UnreadableRecording(f"{self._path} has no columns {', '.join(COLUMNS)}")
                for cells in lines:
                    product = PRODUCTS.get(cells[1].partition("-")[0]) if len(cells) > 1 else None
                    if product is not None:
                        yield int(cells[0]), product, _bar(cells)
        except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
            if isinstance(error, UnreadableRecording):
                raise
            raise UnreadableRecording(f"{self._path} is no file of bars: {error}") from error


def _bar(cells: Sequence[str]) -> Bar:
    """Raises `ValueError` for what is no number, and where open or close lie beyond high or low."""
    opened, high, low, closed = (scaled(cell) for cell in cells[2:6])
    if not 0 < low <= min(opened, closed) <= max(opened, closed) <= high:
        raise ValueError(f"a bar contradicts itself: {','.join(cells[:6])}")
    return opened, high, low, closed


def path_of(bar: Bar, chance: random.Random) -> list[int]:
    """The price at each of the minute's `STEPS` steps, x18: open first, close last, both extremes between."""
    opened, high, low, closed = bar
    first, second = (low, high) if closed >= opened else (high, low)
    stops = [
        (0, opened),
        (chance.randint(*FIRST_EXTREME), first),
        (chance.randint(*SECOND_EXTREME), second),
        (STEPS - 1, closed),
    ]
    path = []
    for (since, before), (until, after) in pairwise(stops):
        path += [
            before + (after - before) * (step - since) // (until - since) for step in range(since, until)
        ]
    return [*path, closed]


class _Leg:
    """One product's book around a price."""

    def __init__(self, shape: Shape, lattice: TickAndStep, chance: random.Random) -> None:
        self._tick, self._step = int(lattice.tick), int(lattice.step)
        self._chance = chance
        self._shape = shape
        self._around = [chance.lognormvariate(0, 0.8) for _ in range(SIZES)]
        """Sizes of levels, as multiples of the median."""

    def move(self, at_ns: int, product: ProductName, price: int) -> BookChange:
        """A book one tick wide whose bid is `price`, on the tick, or just below."""
        tick, bid = self._tick, price - price % self._tick
        median = self._shape.level_usd * 1e36 / (bid * self._step)
        begin = self._chance.randrange(SIZES - 2 * LEVELS)
        amounts = [
            Base(max(1, math.floor(median * each)) * self._step)
            for each in self._around[begin : begin + 2 * LEVELS]
        ]
        bids = tuple(Level(Price(bid - depth * tick), amounts[depth]) for depth in range(LEVELS))
        asks = tuple(
            Level(Price(bid + (depth + 1) * tick), amounts[LEVELS + depth]) for depth in range(LEVELS)
        )
        return BookChange(at_ns, product, bids, asks, Price(bid + tick // 2), ())
