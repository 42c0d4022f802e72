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

Time is the exchange's (`ts_ns`). Between two books the touch follows the quotes. Sizes are floored to the
step and levels of size 0 left out; a price off the tick is moved away from the other side (bids down, asks
up). What would cross is left out. Replay starts at the first moment at which both books are known; after the
last row the last books stand still, which the venue reports, and ends a run that replays it itself.
"""

import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from messages.market import Level
from messages.units import Base, Price
from venue.simulated.markets.move import NADO_STEPS, BookChange, ProductName, Steps, TickAndStep, Trade

LEVELS = 20
ORDER = {"l2_20": 0, "quotes": 1, "trades": 2}
"""Rows of one instant: the whole book first, then its touch, then what traded."""
PRODUCTS: dict[str, ProductName] = {"ETH": "eth", "SOL": "sol"}
"""The product of a symbol's first part; rows of other symbols are left out."""

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
        for path in self._files.values():
            if not path.is_file():
                raise UnreadableRecording(f"{path} is missing")

    def moves(self) -> Iterator[BookChange]:
        """Every change of either book, by exchange time. Raises `UnreadableRecording` naming what cannot be
        read, also when there is no change.
        """
        books = {product: _Book(self._steps.of(product)) for product in PRODUCTS.values()}
        began: int | None = None
        for at_ns, kind, cells in self._rows():
            product = PRODUCTS.get(cells[2].partition("-")[0])
            if product is None:
                continue
            changed = books[product].take(kind, cells)
            if began is None:
                if all(book.whole for book in books.values()):
                    began = at_ns
                    yield from (books[name].move(0, name) for name in PRODUCTS.values())
            elif changed and books[product].whole:
                yield books[product].move(at_ns - began, product)
        if began is None:
            raise UnreadableRecording(
                f"{self._files['l2_20']} holds no moment at which both ETH and SOL have a book"
            )

    def _rows(self) -> list[Row]:
        """All rows by exchange time; cells stay text until their moment comes, so that a replay starts
        quickly.
        """
        rows: list[Row] = []
        for kind, path in self._files.items():
            try:
                with gzip.open(path, "rt", encoding="ascii", newline="") as file:
                    lines = csv.reader(file)
                    next(lines, None)
                    rows.extend((int(cells[0]), ORDER[kind], cells) for cells in lines if cells)
            except (OSError, EOFError, ValueError, csv.Error, zlib.error) as error:
                raise UnreadableRecording(f"{path} is no recording: {error}") from error
        rows.sort(key=lambda row: (row[0], row[1]))
        return rows


@dataclass
class _Book:
    """One product's book during the replay, on tick and step, and what traded since its last move."""

    lattice: TickAndStep
    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    trades: list[Trade] = field(default_factory=list)

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
            amount = self._amount(cells[4])
            if amount:
                self.trades.append(
                    Trade(_down(scaled(cells[3]), self.lattice.tick), amount, cells[5] == "buy")
                )
            return False
        before = self.bids, self.asks
        if kind == ORDER["l2_20"]:
            numbers = cells[3 : 3 + 4 * LEVELS]
            self.bids = self._side(zip(numbers[0::4], numbers[1::4], strict=True), up=False)
            self.asks = self._side(zip(numbers[2::4], numbers[3::4], strict=True), up=True)
        elif self.bids and self.asks:
            self._touch(*cells[3:7])
        return (self.bids, self.asks) != before

    def _touch(self, bid: str, bid_size: str, ask: str, ask_size: str) -> None:
        """A new best bid and ask: levels beyond them are gone."""
        bids, asks = self._side([(bid, bid_size)], up=False), self._side([(ask, ask_size)], up=True)
        self.bids = (
            bids + tuple(level for level in self.bids if level.price < _down(scaled(bid), self.lattice.tick))
        )[:LEVELS]
        self.asks = (
            asks + tuple(level for level in self.asks if level.price > _up(scaled(ask), self.lattice.tick))
        )[:LEVELS]

    def _side(self, pairs: Iterable[tuple[str, str]], *, up: bool) -> tuple[Level, ...]:
        """Levels on the lattice, best first; those that fall onto one tick become one."""
        amounts: dict[Price, int] = {}
        for price, size in pairs:
            amount = self._amount(size) if price else Base(0)
            if amount:
                on_tick = (_up if up else _down)(scaled(price), self.lattice.tick)
                amounts[on_tick] = amounts.get(on_tick, 0) + amount
        return tuple(Level(price, Base(amount)) for price, amount in amounts.items())

    def _amount(self, size: str) -> Base:
        whole = scaled(size)
        return Base(whole - whole % self.lattice.step)

    def move(self, at_ns: int, product: ProductName) -> BookChange:
        """The book now, and what has traded since the last move."""
        trades, self.trades = tuple(self.trades), []
        return BookChange(
            at_ns,
            product,
            self.bids,
            self.asks,
            Price((self.bids[0].price + self.asks[0].price) // 2),
            trades,
        )


def scaled(text: str) -> int:
    """The exact x18 integer of a plain decimal text. Raises `ValueError` for anything else (a recording
    has no negative numbers).
    """
    whole, _, fraction = text.partition(".")
    if not (whole + fraction).isdecimal() or len(fraction) > 18:
        raise ValueError(f"{text!r} is not a plain decimal number")
    return int(whole + fraction.ljust(18, "0"))


def _down(price: int, tick: int) -> Price:
    return Price(price - price % tick)


def _up(price: int, tick: int) -> Price:
    return Price(-(-price // tick) * tick)
