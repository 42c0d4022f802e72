"""The ledger that a run goes on with: whose it must be, room for it, and a disk that is quick enough."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from actors.instance.state import RunState
from actors.ledger import (
    SCHEMA,
    BrokenChain,
    CsvBooks,
    LedgerError,
    LedgerFile,
    OtherIdentity,
    archive_logs,
    catch_up,
    folded,
)
from commands.access.disk import slow_commit_ms, sync_of
from commands.access.venue import is_play_money
from commands.checks.answered_venue import AnsweredVenue
from commands.open_state.evidence import ledger_evidence
from messages.lifecycle import Halted, Held, Opened
from runtime.observe import Notes, Observe


class UnreadableLedger(Exception):
    """The ledger's file is there and is no ledger: Evenkeel's part at the venue cannot be known from it."""


class UnwritableLedger(Exception):
    """Nothing can be written down, and nothing is open: so nothing is begun."""


class SlowDisk(Exception):
    """The disk's commits do not fit into `ready_deadline`."""


@contextmanager
def readable(ledger: Path) -> Iterator[None]:
    """Pages of the file may be spoilt beyond what its chain can tell: that is one refusal, with its cure.
    Raises `UnreadableLedger`.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise UnreadableLedger(f"{ledger}: {error}") from error


def held_by(ledger: Path) -> Held | None:
    """What is open or in doubt by the ledger's rows; None when nothing. Raises `sqlite3.Error`,
    `LedgerError`.
    """
    fold = folded(ledger)
    fold.reopened()
    return fold.held(0) if fold.phase != "flat" else None


class RunLedger(msgspec.Struct, frozen=True):
    """The ledger of one run at a venue that has answered."""

    file: LedgerFile
    known: AnsweredVenue
    observe: Observe

    @classmethod
    def of(cls, known: AnsweredVenue, observe: Observe) -> "RunLedger":
        """In the configured folder, for this subaccount at the venue that has answered."""
        rules = known.rules
        opened = Opened(SCHEMA, rules.venue, rules.chain_id, known.access.sender)
        return cls(LedgerFile(known.logs / "ledger.sqlite", opened, sync_of(known.settings)), known, observe)

    async def made_ready(self, state: RunState, *, own_venue: bool) -> CsvBooks:
        """The CSV books, once the ledger can be gone on with, they have its tail, a halt stands in ledger and
        state file, and the disk is quick enough.

        Raises `OtherIdentity`, `NewerSchema`, `UnreadableLedger`, `UnwritableLedger`, `SlowDisk`,
        `LedgerError`.
        """
        known, path = self.known, self.file.path
        with readable(path):
            state.belongs_to(known.rules.venue)
            self._make_way(own_venue=own_venue)
            csvs = CsvBooks(path.parent, known.access.exchange)
            await catch_up(self.file, csvs, self.observe, known.clock)
            word = ledger_evidence(path, None, None if own_venue else known.access)
            state.recover(word.epoch, None if own_venue else word.halted)
            if state.halted is not None and word.halted is None and word.state == "good":
                # a halt stands in both places, so that neither can be lost alone
                halted = Halted(*state.halted)
                with suppress(sqlite3.Error, OSError, LedgerError), closing(self.file.store(0)) as store:
                    store.append_all([(known.clock.now_ns(), halted)])
            if folded(path).phase == "flat":  # a slow disk is no reason to leave a pair open
                slowest, allowed = slow_commit_ms(path.parent, self.file.sync), known.settings.ready_deadline
                if slowest > allowed / 2:
                    more = f"more than half of ready_deadline = {allowed} ms"
                    raise SlowDisk(f"a commit took {slowest:.0f} ms, {more}")
            return csvs

    def _make_way(self, *, own_venue: bool) -> None:
        """A venue of our own is new each time: the files of the one before go to `archive/`. A broken chain
        is gone on with, to close what is open; so is a file that can only be read.
        """
        path = self.file.path
        try:
            self.file.store(0).close()
        except OtherIdentity:
            if not own_venue:
                raise
            word = ledger_evidence(path, None, None)
            simulated = word.opened is not None and is_play_money(word.opened.venue.partition(":")[0])
            held = word.held is not None and word.held.phase != "flat"
            # of a venue that is still there when its run is gone, or with real money: no demo's to put away
            if not word.child and (held or not simulated):
                raise
            self._archive()
        except (BrokenChain, sqlite3.Error) as error:
            if own_venue:
                self._archive()
            elif isinstance(error, sqlite3.Error):
                try:
                    busy = held_by(path) is not None
                except (sqlite3.Error, BrokenChain) as unreadable:
                    raise UnreadableLedger(f"{path}: {unreadable}") from unreadable
                if not busy:  # else the run goes on, and ends in ESCAPE
                    raise UnwritableLedger(f"{path}: {error}") from error

    def _archive(self) -> None:
        logs, now = self.file.path.parent, datetime.fromtimestamp(self.known.clock.utc_ns() / 1e9, UTC)
        folder = archive_logs(logs, now.strftime("%Y%m%dT%H%M%S%fZ"))
        self.file.store(0).close()
        what = "paper account" if self.known.access.paper else "simulated venue"
        text = f"a new {what}: the files of the previous one are in {folder}"
        Notes(self.observe, self.known.clock, "run")("info", text)
