"""Reading a ledger of any length: the newest good snapshot and the rows after it, slice by slice, so that
nothing else has to wait.

    newest good snapshot   of the last `SNAPSHOTS_TRIED`: its row's hash fits, its fold version is ours, it
                           can be read
    the rows after it      linked from there to the last row and folded; without a snapshot: all rows
    the rows before it     linked from the first row to the snapshot, later, by `unverified` (before anything
                           is entered)

A slice is `SLICE_ROWS` rows, about 5 ms. Whoever reads in the one loop lets it run between two slices; a
command of its own reads all at once.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec

from actors.ledger.escapes import waiting
from actors.ledger.fold import Fold
from actors.ledger.locking import LedgerError
from actors.ledger.store import BrokenChain, Links, Store, message_of
from messages.lifecycle import FoldSnapshot

SLICE_ROWS = 200
SNAPSHOT_ROWS = 2_500
"""Rows between two snapshots while trading; they wait until nothing is in flight."""
START_ROWS = 500
"""After so many rows a start or an end makes one, too."""
SNAPSHOTS_TRIED = 3


class MissingPast(LedgerError):
    """The file goes on after another, which is gone, and has no snapshot that can be used: what is held
    cannot be known from it.
    """

    def __init__(self, row: int) -> None:
        super().__init__(
            f"the ledger begins at row {row} without a snapshot that this version reads, and"
            f" archive/ledger-*-{row - 1}.sqlite is gone"
        )


Consequence = Callable[[Fold, msgspec.Struct, msgspec.Struct, int], None]
"""Takes the fold, a row's message, one of its consequences, and the row's venue time."""


class Reading:
    """One reading of `store`. Run through `slices`; then `fold` is what its rows say, and `broken` says
    what is wrong with the chain so far.
    """

    def __init__(self, store: Store, consequence: Consequence | None = None) -> None:
        self._store = store
        self._consequence = consequence
        self.snapshot, self.fold = self._newest()
        """The message of the snapshot that this reading begins with, if any."""
        self._links = Links(*self._start) if self.snapshot else beginning_of(store)
        self.read = 0
        """How many rows were read."""

    def _newest(self) -> tuple[FoldSnapshot | None, Fold]:
        self._start = (0, "")
        found = self._store.snapshots(SNAPSHOTS_TRIED)
        return self._snapshot_at(found) if found else (None, Fold())

    def _snapshot_at(self, places: Sequence[int]) -> tuple[FoldSnapshot | None, Fold]:
        from actors.ledger.snapshots import NoSnapshot, fold_in  # noqa: PLC0415 - starting is quicker without

        for seq in places:
            row = next(iter(self._store.rows(seq, 1)), None)
            if row is None or row[0] != seq or not Links().take(row):
                continue
            try:
                message = message_of(row)
                if isinstance(message, FoldSnapshot):
                    fold = fold_in(message)
                    self._start = (seq, row[4])
                    return message, fold
            except (NoSnapshot, LedgerError, msgspec.DecodeError):
                continue
        return None, Fold()

    @property
    def broken(self) -> str:
        """Why the chain is not whole, as far as it was looked at; "" while it is."""
        return "" if self._links.broken is None else str(BrokenChain(self._links.broken))

    def slices(self) -> Iterator[None]:
        """Verify and fold, at most `SLICE_ROWS` rows between two steps. Raises `NewerSchema`,
        `sqlite3.Error`.
        """
        while rows := self._store.rows(self._links.seq, SLICE_ROWS):
            for row in rows:
                if not self._links.take(row):
                    continue
                message, at_ns = message_of(row), row[1]
                for consequence in self.fold.apply(message, at_ns):
                    if self._consequence is not None:
                        self._consequence(self.fold, message, consequence, at_ns)
            self.read += len(rows)
            yield

    def whole(self) -> Fold:
        """All slices at once, for a process that has nothing else to do."""
        for _ in self.slices():
            pass
        return self.fold

    @property
    def unverified_rows(self) -> int:
        """How many rows before the snapshot are still to be verified by `unverified`."""
        return self._start[0]

    @property
    def verified(self) -> "Verified":
        """Which rows were verified, as far as it was read."""
        bad, rows = self._links.broken, self._start[0] + self.read
        through = (rows if bad is None else bad) - 1
        last = self._store.rows(through, 1) if through >= 0 else []
        return Verified(
            rows, self._start[0], through, last[0][1] if last and last[0][0] == through else 0, bad
        )

    def verified_all(self) -> "Verified":
        """Verify every row, also in the files that this one goes on after, as far as they are still there."""
        try:
            since = 0
            for _ in self.unverified(past=True):
                pass
        except MissingPast:
            since = self._store.beginning().seq
            for _ in self.unverified():
                pass
        return self.verified._replace(since=since)

    def unverified(self, *, past: bool = False) -> Iterator[None]:
        """Verify the rows before the snapshot, at most `SLICE_ROWS` between two steps; `broken` says what is
        found.

        `past`: also those in the files that this one goes on after. Raises `MissingPast` where one of those
        is gone.
        """
        until, prev = self._start
        links = beginning_of(self._store) if past else self._store.beginning()
        while links.seq < until:
            rows = self._store.rows(links.seq, min(SLICE_ROWS, until - links.seq))
            for row in rows:
                links.take(row)
            if links.broken is None and links.seq == until and links.prev != prev:
                links.broken = until
            if not rows or links.broken is not None:
                self._links.broken = until if links.broken is None else links.broken
                return
            yield


class Verified(NamedTuple):
    """What of a ledger was verified: the rows `since` to `through`, the last of them written at venue time
    `at_ns`.
    """

    rows: int
    """How many there are."""
    since: int
    through: int
    at_ns: int
    bad: int | None = None
    """The first row that is not the row that was written."""


def beginning_of(store: Store) -> Links:
    """Before row 0, wherever that stands: in `store` or in a file that it goes on after. Raises
    `MissingPast`.
    """
    earlier = store.earlier()
    if earlier is not None:
        return beginning_of(earlier)
    begins = store.beginning()
    if begins.seq > 0:
        raise MissingPast(begins.seq)
    return begins


def read(path: Path) -> tuple[Fold, str]:
    """What the ledger at `path` and what stands beside it say, read without writing, in one go; and what is
    wrong with its chain, "" when nothing.

    Rows before the newest snapshot are not verified here. Raises `sqlite3.Error` where there is no ledger,
    `OSError` and `LedgerError`.
    """
    return read_verified(path)[:2]


def read_verified(path: Path, *, full: bool = False) -> tuple[Fold, str, Verified]:
    """The same, and which rows were verified: from the newest snapshot on, or (`full`) all there ever
    were. Raises what `read` raises.
    """
    with closing(Store.reading(path)) as store:
        reading = Reading(store)
        fold = reading.whole()
        verified = reading.verified
        if full:
            verified = reading.verified_all()
        broken = reading.broken
    for at_ns, message in waiting(path.parent):
        fold.apply(message, at_ns)
    return fold, broken, verified


def folded(path: Path) -> Fold:
    """The fold that `read` gives. Raises what it raises."""
    return read(path)[0]
