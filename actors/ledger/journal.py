"""Writing down what is done while no ledger actor lives: ESCAPE's orders and what became of them, a halt, a
person's adoption.

Into the ledger if it can be written; else, from the first failure on, into a file beside it (`escapes.py`)
that the next start takes in. A full disk is met with the reserve first. If nothing at all can be written the
journal says so and goes on: closing does not wait for paper.

A guard that closes for a run which still lives (stopped, wedged) must not wait for what that run holds:
`read_only`. Such a journal takes no lock of the ledger and writes nothing into it, from the first row on
everything stands beside it.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from actors.ledger.clerk import Clerk
from actors.ledger.disk import Disk
from actors.ledger.escapes import take_in, write_down
from actors.ledger.fold import Fold
from actors.ledger.locking import LedgerError
from actors.ledger.reading import Reading, folded
from actors.ledger.store import LedgerFile, Store, Timed
from runtime.clock import VenueClock
from runtime.observe import Notes, Observe
from runtime.specs import told
from venue.protocol import OrderBuilder

CANNOT = (sqlite3.Error, OSError, LedgerError)
"""What keeps a ledger from being read or written."""


class Journal:
    """The ledger of one run, between the end of its actor and the end of the process. Never raises;
    `unreadable` says why `fold` is empty.
    """

    def __init__(
        self,
        file: LedgerFile,
        order_builder: OrderBuilder,
        clock: VenueClock,
        observe: Observe,
        epoch: int = 0,
        *,
        read_only: bool = False,
    ) -> None:
        """Reads what is there. The ledger is begun when there is none.

        `read_only`: the ledger is opened for reading only, also while another process has it, holds its lock
        or was stopped with it; what earlier journals left beside it counts as written. Every `write` goes to
        `escape-<utc>.jsonl` beside it, and the next start takes that in. No ledger is begun: where there is
        none `fold` is empty and `unreadable` says so.
        """
        self._file, self._path = file, file.path
        self._clock, self._observe = clock, observe
        self._note = Notes(observe, clock, "journal")
        stamp = datetime.fromtimestamp(clock.utc_ns() // 1_000_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")
        self._beside = file.path.with_name(f"escape-{stamp}.jsonl")
        self._disk = Disk(file.path.parent, 0)
        self._store: Store | None = None
        self.unreadable = ""
        self.in_ledger = not read_only
        """Has everything so far been written into the ledger itself?"""
        self.recorded = True
        """Has everything so far been written somewhere, so that another journal reads it?"""
        self.clerk = Clerk(self._read_beside() if read_only else self._read(), order_builder, epoch)

    @property
    def fold(self) -> Fold:
        """What is held by the ledger and by everything that was written here."""
        return self.clerk.fold

    @property
    def last_epoch(self) -> int:
        """The latest epoch that the ledger has seen; 0 when it cannot say."""
        return self.fold.epoch

    def close(self) -> None:
        """Close the ledger's file, if it was ever opened; an error of SQLite's is dropped."""
        if self._store is not None:
            with suppress(sqlite3.Error):
                self._store.close()

    def write(self, *messages: msgspec.Struct) -> None:
        """Write messages and what follows from them, wherever that is possible."""
        rows = self.clerk.step(messages, self._clock.now_ns()).rows
        if self.in_ledger:
            error = self._append(rows)
            if error and self._disk.release():
                error = self._append(rows)
            if not error:
                return
            self.in_ledger = False
            self._note(
                "error", f"{self._path.name} cannot be written ({error}): writing to {self._beside.name}"
            )
        try:
            write_down(self._beside, rows)
        except OSError as failed:
            self.recorded = False
            self._note("error", f"nothing can be recorded, continuing without it: {told(failed)}")

    def _append(self, rows: Sequence[Timed]) -> str:
        try:
            if self._store is None:
                return self.unreadable or "it was not opened"
            self._store.append_all(rows)
        except CANNOT as error:
            return told(error)
        return ""

    def _read(self) -> Fold:
        """The fold of what is there, read in any way that works. What an earlier ESCAPE left is taken in
        first.
        """
        try:
            self._store = self._file.store(self._clock.now_ns())
            with suppress(*CANNOT):  # if it cannot be written now, then at the next start
                take_in(self._path.parent, self._store, Notes(self._observe, self._clock, "ledger"))
            fold = Reading(self._store).whole()
            fold.reopened()
            return fold
        except CANNOT as error:
            self.unreadable = told(error)
        return self._read_beside()

    def _read_beside(self) -> Fold:
        """The fold of the ledger, read without writing, and of what stands beside it."""
        try:
            fold = folded(self._path)
        except CANNOT as error:
            self.unreadable = self.unreadable or told(error)
            return Fold()
        fold.reopened()
        self.unreadable = ""
        return fold
