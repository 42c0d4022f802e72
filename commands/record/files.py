"""A market on disk: rows of gzip CSV in the schema that `--market` replays, from what the venue's streams
bring. No socket and no clock here.

    PREFIX_quotes.csv.gz      every change of the best bid and ask
    PREFIX_l2_20.csv.gz       every change of the best 20 levels: whole books, best level first
    PREFIX_trades.csv.gz      every trade; the venue numbers none, so trade_id counts from 1
    PREFIX_fills.csv.gz, PREFIX_orders.csv.gz, PREFIX_positions.csv.gz      with --private: the subaccount's
                                                                            own

Times are epoch nanoseconds, ts_ns the exchange's and recv_ns ours; prices and sizes are exact decimals.

A file grows by whole gzip members of at most `CHUNK_ROWS` rows, each written at once. So it is readable at
any moment, a killed recorder loses no more than its last chunk, and memory does not grow with the recording.
"""

import csv
import gzip
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from actors.market_data.local_book import LocalBook
from messages.execution import Fill, OrderUpdate, PositionChange
from messages.market import BookDelta, BookSnapshot, Level, PublicTrade, Touch

LEVELS = 20
CHUNK_ROWS = 2_000

_TIMES = ("ts_ns", "recv_ns", "symbol")
HEADERS: dict[str, tuple[str, ...]] = {
    "quotes": (*_TIMES, "bid_px", "bid_sz", "ask_px", "ask_sz"),
    "l2_20": (
        *_TIMES,
        *(f"{name}_{level}" for level in range(LEVELS) for name in ("bid_px", "bid_sz", "ask_px", "ask_sz")),
    ),
    "trades": (*_TIMES, "px", "sz", "aggressor", "trade_id"),
}
PRIVATE_HEADERS: dict[str, tuple[str, ...]] = {
    "fills": (
        *_TIMES,
        "order_digest",
        "px",
        "sz",
        "side",
        "fee",
        "remaining",
        "original",
        "is_taker",
        "submission_idx",
    ),
    "orders": (*_TIMES, "order_digest", "remaining", "reason"),
    "positions": (*_TIMES, "isolated", "amount", "v_quote", "reason"),
}

Row = tuple[str, Sequence[object]]
"""Which file, and its cells."""


class Chunked:
    """One file. Rows collect until `flush`, or until there are `CHUNK_ROWS` of them."""

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        """Create the file with its header line. Raises `FileExistsError`: nothing is ever overwritten;
        `OSError` when it cannot be written.
        """
        self._file = path.open("xb", buffering=0)
        self._waiting: list[Sequence[object]] = [header]
        self.rows = 0
        self.flush()

    def add(self, cells: Sequence[object]) -> None:
        """One row. Raises `OSError` when a chunk cannot be written."""
        self._waiting.append(cells)
        self.rows += 1
        if len(self._waiting) >= CHUNK_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what waits as a gzip member of its own."""
        if self._waiting:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(self._waiting)
            member = gzip.compress(text.getvalue().encode("ascii"), mtime=0)
            self._waiting = []
            if self._file.write(member) != len(member):
                raise OSError("the disk took only a part of what was written")

    def close(self) -> None:
        """Write the rest, and see it on disk."""
        try:
            self.flush()
            os.fsync(self._file.fileno())
        finally:
            self._file.close()


class RecordingFiles:
    """All files of one recording, one for each kind of row."""

    def __init__(self, prefix: Path, headers: dict[str, tuple[str, ...]]) -> None:
        """Create them, or none of them. Raises `FileExistsError`, `OSError`."""
        paths = {kind: Path(f"{prefix}_{kind}.csv.gz") for kind in headers}
        taken = next((path for path in paths.values() if path.exists()), None)
        if taken is not None:
            raise FileExistsError(f"{taken}")
        self._files = {kind: Chunked(paths[kind], header) for kind, header in headers.items()}

    def add(self, rows: Sequence[Row]) -> None:
        """Append rows to the files of their kinds. Raises `OSError` when the disk refuses."""
        for kind, cells in rows:
            self._files[kind].add(cells)

    def rows(self, kind: str) -> int:
        """How many rows of this kind were added, those that still wait included."""
        return self._files[kind].rows

    def flush(self) -> None:
        """Write everything that waits in any file. Raises `OSError` when the disk refuses."""
        for file in self._files.values():
            file.flush()

    def close(self) -> None:
        """Close all of them, even where one cannot be written. Raises `OSError`."""
        failed: OSError | None = None
        for file in self._files.values():
            try:
                file.close()
            except OSError as error:
                failed = failed or error
        if failed is not None:
            raise failed


class Tape:
    """From events to rows. `wanted` are the products whose book must start over from a snapshot."""

    def __init__(self, symbols: dict[int, str]) -> None:
        self._symbols = symbols
        self._books = {product: LocalBook(product) for product in symbols}
        self._shown: dict[int, tuple[tuple[Level, ...], tuple[Level, ...]]] = {}
        self._trades = 0
        self.wanted = set(symbols)

    def lost(self) -> None:
        """The stream is gone: every book starts over."""
        for book in self._books.values():
            book.lost()
        self.wanted = set(self._books)

    def snapshot(self, snapshot: BookSnapshot, recv_ns: int) -> list[Row]:
        """The rows of a book that starts over, from the venue's whole book."""
        self._books[snapshot.product_id].load(snapshot)
        self.wanted.discard(snapshot.product_id)
        return self._book(snapshot.product_id, snapshot.at_ns, recv_ns)

    def take(self, event: object, recv_ns: int) -> list[Row]:
        """The rows of one event; none for a product that is not recorded."""
        make = _ROWS.get(type(event))
        return make(self, event, recv_ns) if make else []

    def _delta(self, delta: BookDelta, recv_ns: int) -> list[Row]:
        book = self._books.get(delta.product_id)
        result = book.apply(delta) if book else "old"
        if result == "gap":
            self.wanted.add(delta.product_id)
        return self._book(delta.product_id, delta.max_ns, recv_ns) if result == "applied" else []

    def _book(self, product_id: int, at_ns: int, recv_ns: int) -> list[Row]:
        """The whole book, where its best levels changed. A crossed or one-sided book is no market and is
        not written.
        """
        book = self._books[product_id]
        if not book.usable:
            return []
        bids, asks = (side[:LEVELS] for side in book.levels())
        if self._shown.get(product_id) == (bids, asks):
            return []
        self._shown[product_id] = bids, asks
        cells: list[object] = [at_ns, recv_ns, self._symbols[product_id]]
        for level in range(LEVELS):
            for side in (bids, asks):
                cells += _cells(side[level]) if level < len(side) else ("", "")
        return [("l2_20", cells)]

    def _touch(self, touch: Touch, recv_ns: int) -> list[Row]:
        if touch.product_id not in self._symbols or touch.bid is None or touch.ask is None:
            return []
        return [
            (
                "quotes",
                (
                    touch.at_ns,
                    recv_ns,
                    self._symbols[touch.product_id],
                    *_cells(touch.bid),
                    *_cells(touch.ask),
                ),
            )
        ]

    def _trade(self, trade: PublicTrade, recv_ns: int) -> list[Row]:
        if trade.product_id not in self._symbols:
            return []
        self._trades += 1
        side = "buy" if trade.taker_buys else "sell"
        return [
            (
                "trades",
                (
                    trade.at_ns,
                    recv_ns,
                    self._symbols[trade.product_id],
                    trade.price.text(),
                    trade.amount.text(),
                    side,
                    self._trades,
                ),
            )
        ]

    def _named(self, product_id: int) -> str:
        """A subaccount's events may be about products that are not recorded."""
        return self._symbols.get(product_id, f"product-{product_id}")

    def _fill(self, fill: Fill, recv_ns: int) -> list[Row]:
        side, size = ("buy" if fill.amount > 0 else "sell"), type(fill.amount)(abs(fill.amount))
        amounts = (
            fill.price.text(),
            size.text(),
            side,
            fill.fee.text(),
            fill.remaining.text(),
            fill.original.text(),
        )
        cells = (
            fill.at_ns,
            recv_ns,
            self._named(fill.product_id),
            fill.order_digest,
            *amounts,
            int(fill.is_taker),
            fill.submission_idx,
        )
        return [("fills", cells)]

    def _order(self, update: OrderUpdate, recv_ns: int) -> list[Row]:
        cells = (
            update.at_ns,
            recv_ns,
            self._named(update.product_id),
            update.order_digest,
            update.remaining.text(),
            update.reason,
        )
        return [("orders", cells)]

    def _position(self, change: PositionChange, recv_ns: int) -> list[Row]:
        amounts = (int(change.isolated), change.amount.text(), change.v_quote.text(), change.reason)
        return [("positions", (change.at_ns, recv_ns, self._named(change.product_id), *amounts))]


def _cells(level: Level) -> tuple[str, str]:
    return level.price.text(), level.amount.text()


_ROWS: dict[type, Callable[[Tape, Any, int], list[Row]]] = {
    BookDelta: Tape._delta,
    Touch: Tape._touch,
    PublicTrade: Tape._trade,
    Fill: Tape._fill,
    OrderUpdate: Tape._order,
    PositionChange: Tape._position,
}
