"""A real market, replayed: quotes, 20-level books and trades as they were recorded, put on the venue's
lattice.

Schema (gzip CSV with a header line; times in epoch nanoseconds, sizes in base coin, symbols `ETH-...` and
`SOL-...`):

    PREFIX_quotes.csv.gz   ts_ns, recv_ns, symbol, bid_px, bid_sz, ask_px, ask_sz              every change of
                           the touch
    PREFIX_l2_20.csv.gz    ts_ns, recv_ns, symbol, bid_px_0, bid_sz_0, ask_px_0, ask_sz_0, ... whole books,
                           best first
    PREFIX_trades.csv.gz   ts_ns, recv_ns, symbol, px, sz, aggressor, trade_id                 aggressor = the
                           taker's side, buy or sell

Time is the exchange's (`ts_ns`). A recorder writes rows as they arrive, so a file may be out of order by
`REORDER_NS`; a row that comes later than that counts as of the moment that has been reached. The files are
read as the replay goes on, a few rows ahead: memory does not grow with their length. Between two books the
touch follows the quotes. Sizes are floored to the step and levels of size 0 left out; a price off the tick is
moved away from the other side (bids down, asks up). What would cross is left out. Replay starts at the first
moment at which both books are known; after the last row the last books stand still, which the venue reports,
and ends a run that replays it itself.
"""

import csv
import gzip
import heapq
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import IO

import msgspec

from messages.market import Level
from messages.units import Base, Price
from venue.simulated.markets.move import NADO_STEPS, BookChange, ProductName, Steps, TickAndStep, Trade

LEVELS = 20
ORDER = {"l2_20": 0, "quotes": 1, "trades": 2}
"""Rows of one instant: the whole book first, then its touch, then what traded."""
PRODUCTS: dict[str, ProductName] = {"ETH": "eth", "SOL": "sol"}
"""The product of a symbol's first part; rows of other symbols are left out."""

REORDER_NS = 10_000_000_000
"""How far out of order rows of one file may stand."""

EMPTY = Level(Price(0), Base(0))
"""Where no level stands."""
TENS: tuple[int, ...] = tuple(10**power for power in range(19))
TEXTS_KEPT = 4_096
"""Prices with their sizes that are remembered as levels, of each side of each book."""

Row = tuple[int, int, list[str]]
"""Exchange time, kind (see `ORDER`), cells."""


class UnreadableRecording(ValueError):
    """A file that is no recording, a row that cannot be read, or rows without a book of both products. Its
    words name the file or the row.
    """


class RecordingMarket:
    """The recording whose files begin with `prefix`, replayed from its start by every call of `moves`."""

    def __init__(self, prefix: str, steps: Steps = NADO_STEPS) -> None:
        """Raises `UnreadableRecording` naming a file that is missing. Rows are read by `moves`."""
        self._files = {kind: Path(f"{prefix}_{kind}.csv.gz") for kind in ORDER}
        self._steps = steps
        self.ticks = 0
        """Rows replayed so far: quotes, books and trades."""
        self._open: list[IO[bytes]] = []
        for path in self._files.values():
            if not path.is_file():
                raise UnreadableRecording(f"{path} is missing")
        self._bytes = sum(path.stat().st_size for path in self._files.values())

    @property
    def share(self) -> float:
        """How much of the files has been read, 0 to 1; only for showing how far a replay is."""
        return sum(file.tell() for file in self._open if not file.closed) / max(1, self._bytes)

    @property
    def began_ns(self) -> int:
        """Exchange time of the first moment at which both books are known: 0 ns of `moves`. Raises
        `UnreadableRecording`.
        """
        return next(self._played())[0]

    def moves(self) -> Iterator[BookChange]:
        """Every change of either book, by exchange time. Raises `UnreadableRecording` naming what cannot be
        read, also when there is no change.
        """
        played = self._played()
        began_ns, first = next(played)
        yield first
        for at_ns, move in played:
            yield msgspec.structs.replace(move, at_ns=at_ns - began_ns)

    def _played(self) -> Iterator[tuple[int, BookChange]]:
        """Moves with their exchange times, which never decrease."""
        books = {product: _Book(self._steps.of(product)) for product in PRODUCTS.values()}
        now_ns, began, self.ticks, self._open = 0, False, 0, []
        with ExitStack() as files:
            for at_ns, kind, cells in heapq.merge(*(self._rows(files, each) for each in ORDER)):
                product = PRODUCTS.get(cells[2].partition("-")[0])
                if product is None:
                    continue
                self.ticks += 1
                now_ns = max(now_ns, at_ns)
                changed = books[product].take(kind, cells)
                if not began:
                    began = all(book.whole for book in books.values())
                    if began:
                        yield from ((now_ns, books[name].move(name)) for name in PRODUCTS.values())
                elif changed and books[product].whole:
                    yield now_ns, books[product].move(product)
        if not began:
            raise UnreadableRecording(
                f"{self._files['l2_20']} holds no moment at which both ETH and SOL have a book"
            )

    def _rows(self, files: ExitStack, kind: str) -> Iterator[Row]:
        """The rows of one file by exchange time. Raises `UnreadableRecording` where it cannot be read."""
        path, waiting, newest_ns = self._files[kind], list[tuple[int, int, list[str]]](), 0
        try:
            raw = files.enter_context(path.open("rb"))
            self._open.append(raw)
            text = io.TextIOWrapper(gzip.GzipFile(fileobj=raw), encoding="ascii", newline="")
            lines = csv.reader(text)
            next(lines, None)
            for number, cells in enumerate(lines):
                if not cells:
                    continue
                at_ns = int(cells[0])
                newest_ns = max(newest_ns, at_ns)
                # by its number among equals: rows of one instant stay in the order of the file
                heapq.heappush(waiting, (at_ns, number, cells))
                while waiting[0][0] <= newest_ns - REORDER_NS:
                    due = heapq.heappop(waiting)
                    yield due[0], ORDER[kind], due[2]
        except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
            raise UnreadableRecording(f"{path} is no recording: {error}") from error
        while waiting:
            due = heapq.heappop(waiting)
            yield due[0], ORDER[kind], due[2]


@dataclass
class _Book:
    """One product's book during the replay, on tick and step, and what traded since its last move."""

    lattice: TickAndStep
    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    trades: list[Trade] = field(default_factory=list)
    _moved: bool = False
    """Has a price been moved onto its tick?"""

    def __post_init__(self) -> None:
        # Most levels of a book stand in the next one too, and most prices come again: each text is read once.
        cached, tick = lru_cache(maxsize=TEXTS_KEPT), self.lattice.tick
        self._down = cached(lambda price: self._on_tick(scaled(price), _down(scaled(price), tick)))
        self._up = cached(lambda price: self._on_tick(scaled(price), _up(scaled(price), tick)))
        self._bid = cached(partial(self._level, self._down))
        self._ask = cached(partial(self._level, self._up))

    @property
    def whole(self) -> bool:
        """Are there two sides that do not cross? Only then the book is shown."""
        return bool(self.bids) and bool(self.asks) and self.bids[0].price < self.asks[0].price

    def take(self, kind: int, cells: Sequence[str]) -> bool:
        """Take one row; True when the book may have changed."""
        try:
            return self._taken(kind, cells)
        except (ValueError, IndexError) as error:
            raise UnreadableRecording(
                f"a row of the recording cannot be read: {','.join(cells[:8])}: {error}"
            ) from error

    def _taken(self, kind: int, cells: Sequence[str]) -> bool:
        if kind == ORDER["trades"]:
            size = scaled(cells[4])
            amount = Base(size - size % self.lattice.step)
            if amount:
                self.trades.append(
                    Trade(_down(scaled(cells[3]), self.lattice.tick), amount, cells[5] == "buy")
                )
            return False
        before = self.bids, self.asks
        if kind == ORDER["l2_20"]:
            numbers = cells[3 : 3 + 4 * LEVELS]
            if len(numbers) % 4:
                raise ValueError(f"{len(numbers)} cells are no whole number of levels")
            self.bids = self._side(tuple(map(self._bid, numbers[0::4], numbers[1::4])))
            self.asks = self._side(tuple(map(self._ask, numbers[2::4], numbers[3::4])))
        elif self.bids and self.asks:
            self._touch(*cells[3:7])
        return (self.bids, self.asks) != before

    def _touch(self, bid: str, bid_size: str, ask: str, ask_size: str) -> None:
        """A new best bid and ask: levels beyond them are gone."""
        at_bid, at_ask = self._bid(bid, bid_size), self._ask(ask, ask_size)
        below, above = self._down(bid), self._up(ask)
        # best first: what the new touch has left behind stands at the beginning
        gone = next((number for number, level in enumerate(self.bids) if level.price < below), LEVELS)
        bids = (*((at_bid,) if at_bid.amount else ()), *self.bids[gone:])[:LEVELS]
        gone = next((number for number, level in enumerate(self.asks) if level.price > above), LEVELS)
        asks = (*((at_ask,) if at_ask.amount else ()), *self.asks[gone:])[:LEVELS]
        # An unchanged side stays the very same tuple: by that the exchange knows it without comparing.
        self.bids, self.asks = (
            new if new != old else old for new, old in ((bids, self.bids), (asks, self.asks))
        )

    def _level(self, on_tick: Callable[[str], Price], price: str, size: str) -> Level:
        """One level on the lattice; of amount 0, and no price, where none stands."""
        if not price:
            return EMPTY
        whole = scaled(size)
        amount = whole - whole % self.lattice.step
        return Level(on_tick(price), Base(amount)) if amount else EMPTY

    def _on_tick(self, price: int, on_tick: Price) -> Price:
        self._moved = self._moved or price != on_tick
        return on_tick

    def _side(self, levels: tuple[Level, ...]) -> tuple[Level, ...]:
        """Those that stand, best first; those that fall onto one tick become one. Where every price that was
        read stands on its tick, none do.
        """
        if not self._moved and EMPTY not in levels:
            return levels
        return _joined(levels)

    def move(self, product: ProductName) -> BookChange:
        """The book now, and what has traded since the last move; at 0 ns."""
        trades, self.trades = tuple(self.trades), []
        return BookChange(
            0,
            product,
            self.bids,
            self.asks,
            Price((self.bids[0].price + self.asks[0].price) // 2),
            trades,
        )


def _joined(levels: Iterable[Level]) -> tuple[Level, ...]:
    found: list[Level] = []
    for level in levels:
        if not level.amount:
            continue
        if found and found[-1].price == level.price:
            found[-1] = Level(level.price, Base(found[-1].amount + level.amount))
        else:
            found.append(level)
    return tuple(found)


def scaled(text: str) -> int:
    """The exact x18 integer of a plain decimal text. Raises `ValueError` for anything else (a recording
    has no negative numbers).
    """
    whole, _, fraction = text.partition(".")
    digits, decimals = whole + fraction, len(fraction)
    if decimals > 18 or not digits.isdecimal():
        raise ValueError(f"{text!r} is not a plain decimal number")
    return int(digits) * TENS[18 - decimals]


def _down(price: int, tick: int) -> Price:
    return Price(price - price % tick)


def _up(price: int, tick: int) -> Price:
    return Price(-(-price // tick) * tick)
