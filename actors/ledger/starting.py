"""How a ledger of any length is begun with: read in slices, the CSV lines that a crash lost, and a
snapshot where there is no recent one.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress

import msgspec
import trio

from actors.ledger.bookkeeping import place_in, resumed, write_again
from actors.ledger.csvs import CsvBooks
from actors.ledger.fold import Fold
from actors.ledger.locking import kept
from actors.ledger.reading import SNAPSHOT_ROWS, START_ROWS, Reading
from actors.ledger.rotation import NotNow, is_earlier, is_long, rotated
from actors.ledger.store import LedgerFile, Store
from runtime.clock import VenueClock
from runtime.observe import Notes, Observe
from runtime.pulse import Pulse


def reading_of(store: Store, csvs: CsvBooks | None, note: Notes) -> tuple[Reading, CsvBooks | None]:
    """A reading that also writes the CSV lines that a crash kept from being written; and the files, None
    when they cannot be used.
    """
    if csvs is None:
        return Reading(store), None

    def consequence(fold: Fold, cause: msgspec.Struct, what: msgspec.Struct, at_ns: int) -> None:
        write_again(csvs, fold, cause, what, at_ns, note)

    reading = Reading(store, consequence)
    made = reading.snapshot
    since = (made.trades_bytes, made.positions_bytes) if made else (0, 0)
    return (reading, csvs) if resumed(csvs, since, note) else (Reading(store), None)


async def in_slices(
    reading: Reading, pulse: Pulse | None = None, told: Callable[[int], None] = lambda _rows: None
) -> None:
    """Read all of it, and let everything else run between two slices. `told` hears how many rows were read
    so far.
    """
    for _ in reading.slices():
        await trio.lowlevel.checkpoint()
        told(reading.read)
        if pulse is not None:
            pulse.done()


async def catch_up(file: LedgerFile, csvs: CsvBooks | None, observe: Observe, clock: VenueClock) -> None:
    """Before a run begins, and before anything is held back by it: write a snapshot, unless there is one
    within the last `START_ROWS` rows.

    A ledger that is long, or that an earlier version began, goes on in a new file instead (`rotation.py`).
    For one without snapshots this folds every row, 20 s for a million; it can be cancelled at any slice. A
    broken chain gets no snapshot, and a file that cannot be used is left to whoever must write into
    it. Raises `LedgerError`.
    """
    note = Notes(observe, clock, "ledger")
    with (
        suppress(sqlite3.Error, OSError),
        closing(file.store(clock.now_ns())) as store,
    ):
        behind = store.last_seq - next(iter(store.snapshots(1)), -1)
        ends = is_long(store) or is_earlier(store, file)
        if behind <= START_ROWS and not ends:
            return
        if behind > 2 * SNAPSHOT_ROWS:
            note("info", f"{behind} rows of {file.path.name} are read once, then a snapshot makes it quick")
        reading, books = reading_of(store, csvs, note)
        await in_slices(reading)
        if ends:
            await _rotate(file, store, reading, place_in(books), note, clock)
        elif not reading.broken:
            from actors.ledger.snapshots import snapshot_of  # noqa: PLC0415 - starting is quicker without

            store.append_all([(clock.now_ns(), snapshot_of(reading.fold, place_in(books)))])


async def _rotate(
    file: LedgerFile,
    store: Store,
    reading: Reading,
    csvs: tuple[int, int],
    note: Notes,
    clock: VenueClock,
) -> None:
    for _ in reading.unverified():
        await trio.lowlevel.checkpoint()
    if reading.broken:
        return
    try:
        with kept(file.path):
            where = rotated(file, store, reading.fold, csvs, clock.now_ns())
    except NotNow as why:
        note("warning", str(why))
    else:
        note("info", f"the ledger goes on in a new file; its earlier rows are in {where}")
