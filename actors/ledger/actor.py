"""The ledger's loop: drain what waits, fold it, commit it in one transaction, and only then speak.

A vote or an ending that others act on is on disk before they hear of it; if the commit fails nobody hears
anything. That bounded write is the one blocking act on the trading path. Rows carry *venue* time, the clock
that orders, fills and quotes are judged by.

A plan that the ledger declines is written down as the Declined alone: without the ledger's Ready there is no
intent, so a crash right after it leaves nothing in doubt. An intent is a Sealed and that Ready, in one
transaction.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import trio

from actors.ledger.anchoring import Anchoring, Remember
from actors.ledger.bookkeeping import lines_of, place_in, write_lines
from actors.ledger.csvs import CsvBooks, Line
from actors.ledger.disk import Disk, is_full
from actors.ledger.escapes import take_in
from actors.ledger.flight import LEGS
from actors.ledger.fold import Fold
from actors.ledger.reading import SNAPSHOT_ROWS, START_ROWS, Reading
from actors.ledger.row_filter import RowFilter
from actors.ledger.starting import in_slices, reading_of
from actors.ledger.store import Store, Timed
from actors.ledger.vote import vote
from messages.execution import (
    AccountSnapshot,
    Fill,
    OrderUpdate,
    Outcome,
    PlanClosed,
    PositionChange,
    Resolved,
)
from messages.lifecycle import (
    VERIFYING,
    AccountStream,
    Adopted,
    Alarm,
    Denial,
    Denied,
    HaltCleared,
    Halted,
    Held,
    Hop,
    Opened,
    Restarted,
    Staged,
    Started,
)
from messages.market import RulesRead
from messages.money import MoneyRead
from messages.sizing import Abort, Place, Ready, Sealed, Skipped
from messages.units import Ns
from runtime.clock import VenueClock
from runtime.mailbox import Latest
from runtime.observe import Notes, Observe
from runtime.pulse import Pulse
from runtime.specs import Fatal, told
from venue.protocol import OrderBuilder

LedgerMessage = (
    Sealed
    | Place
    | Abort
    | Outcome
    | Fill
    | OrderUpdate
    | PositionChange
    | AccountStream
    | AccountSnapshot
    | Resolved
    | Skipped
    | Restarted
    | Halted
    | HaltCleared
    | Denied
    | Alarm
    | Staged
    | Started
    | Adopted
    | RulesRead
    | MoneyRead
)

CHECKPOINT_ROWS = 500
"""Rows between two checkpoints; they wait until nothing is in flight."""


class Unwritable(Fatal):
    """The ledger's file or disk fails. The same disk would fail a restarted ledger too, and nothing may be
    traded unrecorded: ESCAPE, at once.
    """


class Batch(msgspec.Struct):
    """What one drained mailbox comes to: rows to commit, then messages to post, hops to show, lines for
    the CSV files.
    """

    rows: list[Timed] = msgspec.field(default_factory=list)
    posts: list[msgspec.Struct] = msgspec.field(default_factory=list)
    hops: list[Hop] = msgspec.field(default_factory=list)
    lines: list[tuple[list[Line], str]] = msgspec.field(default_factory=list)


class Clerk(msgspec.Struct):
    """The pure step. `epoch` is this incarnation's; only a Restarted raises it, when the legs were renewed
    and the ledger was not.
    """

    fold: Fold
    order_builder: OrderBuilder
    epoch: int
    sieve: RowFilter = msgspec.field(default_factory=RowFilter)
    no_entry: Denial | None = None
    """See `Held`."""

    @property
    def held(self) -> Held:
        """What is held, by the rows, and the account as it was read last."""
        return self.sieve.held(self.fold, self.epoch, self.no_entry)

    def step(self, messages: Sequence[msgspec.Struct], at_ns: int) -> Batch:
        """Fold `messages`, all at venue time `at_ns`, and say what follows."""
        batch = Batch()
        for message in messages:
            if isinstance(message, Sealed):
                self._vote(message, at_ns, batch)
            else:
                for row in self.sieve.admitted(self.fold, message, at_ns):
                    self._take(row, at_ns, batch)
        return batch

    def rest(self, at_ns: int) -> Batch:
        """The reading of the account that is no row yet becomes one: a plan is about to stand on it, or
        this incarnation ends.
        """
        batch = Batch()
        for reading in self.sieve.flushed():
            self._take(reading, at_ns, batch)
        return batch

    def _vote(self, sealed: Sealed, at_ns: int, batch: Batch) -> None:
        answer = vote(self.fold, sealed, self.epoch, self.order_builder, self.no_entry)
        if isinstance(answer, Ready):
            for reading in self.sieve.flushed():
                self._take(reading, at_ns, batch)
            self._take(sealed, at_ns, batch)
        self._take(answer, at_ns, batch)
        batch.posts.append(answer)
        plan, said = sealed.plan, "READY" if isinstance(answer, Ready) else f"{answer.code}: {answer.detail}"
        batch.hops.append(
            Hop(
                Ns(at_ns),
                "ledger intent",
                plan.epoch,
                plan.seq,
                sealed.digest,
                plan.eth.amount,
                plan.sol.amount,
                said,
            )
        )

    def _take(self, message: msgspec.Struct, at_ns: int, batch: Batch) -> None:
        if isinstance(message, Restarted):
            self.epoch = max(self.epoch, message.epoch)
        batch.rows.append((at_ns, message))
        for consequence in self.fold.apply(message, at_ns):
            self.fold.apply(consequence, at_ns)
            batch.rows.append((at_ns, consequence))
            batch.posts.append(consequence)
            batch.hops.extend(_fill_hop(self.fold, consequence, at_ns))
            batch.lines.append(lines_of(self.fold, message, consequence, at_ns))


def _fill_hop(fold: Fold, message: msgspec.Struct, at_ns: int) -> list[Hop]:
    if not isinstance(message, PlanClosed) or fold.last_flight is None:
        return []
    note = "aborted" if message.aborted else f"eth {message.eth.outcome}, sol {message.sol.outcome}"
    digest = fold.last_flight.sealed.digest
    return [
        Hop(
            Ns(at_ns),
            "ledger fill",
            message.epoch,
            message.seq,
            digest,
            message.eth.filled,
            message.sol.filled,
            note,
        )
    ]


async def run(
    inbox: trio.MemoryReceiveChannel[LedgerMessage],
    post: Callable[[msgspec.Struct], None],
    held: Latest[Held],
    store: Store,
    fold: Fold,
    order_builder: OrderBuilder,
    clock: VenueClock,
    epoch: int,
    observe: Observe,
    csvs: CsvBooks | None,
    *,
    reading: Reading,
    anchoring: Anchoring | None = None,
    pulse: Pulse | None = None,
    disk: Disk | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Keep the ledger until cancelled. `sqlite3` errors propagate: a ledger that cannot write must end
    trading. `reading`: how it was read.

    What already waits in the mailbox is folded before anybody sees what is held, so that a new incarnation
    never shows an older state. Rows before the snapshot that the reading began with are verified meanwhile;
    until they are, nothing is entered.
    """
    desk = _Desk(
        Clerk(fold, order_builder, epoch),
        store,
        post,
        held,
        clock,
        observe,
        csvs,
        disk,
        reading,
        anchoring or Anchoring(store, None),
        Notes(observe, clock, "ledger"),
    )
    pulse = pulse or Pulse()
    with inbox:
        desk.begin()
        desk.work(_waiting(inbox))
        desk.rest(START_ROWS)
        task_status.started()
        try:
            while True:
                first = await _mail(inbox, desk)
                desk.work([*first, *_waiting(inbox)])
                desk.rest(SNAPSHOT_ROWS)
                pulse.done()
        except trio.Cancelled:
            desk.leave()
            raise


async def _mail(inbox: trio.MemoryReceiveChannel[LedgerMessage], desk: "_Desk") -> list[LedgerMessage]:
    """What comes first; until then old rows are verified, a slice at a time. Raises `trio.EndOfChannel`."""
    while desk.verifying:
        desk.verify()
        await trio.lowlevel.checkpoint()
        if waiting := _waiting(inbox):
            return waiting
    return [await inbox.receive()]


def _waiting(inbox: trio.MemoryReceiveChannel[LedgerMessage]) -> list[LedgerMessage]:
    messages: list[LedgerMessage] = []
    while inbox.statistics().current_buffer_used:
        messages.append(inbox.receive_nowait())
    return messages


class _Desk(msgspec.Struct):
    """The step with its surroundings: commit, then post, then show."""

    clerk: Clerk
    store: Store
    post: Callable[[msgspec.Struct], None]
    held: Latest[Held]
    clock: VenueClock
    observe: Observe
    csvs: CsvBooks | None
    disk: Disk | None
    reading: Reading
    anchoring: Anchoring
    note: Notes
    _named: tuple[str, str, str] = ("", "", "")
    _checkpointed: int = 0
    _unverified: Iterator[None] | None = None
    _committed: bool = True
    """Is everything in the fold also in the file?"""
    _snapshot_at: int = 0
    """How many rows the fold had when the newest snapshot was written."""

    def __post_init__(self) -> None:
        self._snapshot_at = self.clerk.fold.rows - self.reading.read
        self._unverified = self.reading.unverified() if self.reading.unverified_rows else None

    def begin(self) -> None:
        """Say which ledger this is, and whether it may be entered with."""
        wrong = self.anchoring.begins(self.clerk.fold, self.clock.now_ms())
        if wrong:
            self.note("error", wrong)
        self.look_at_disk()

    def work(self, messages: Sequence[LedgerMessage]) -> None:
        if any(isinstance(message, Sealed) and message.plan.increases for message in messages):
            self.look_at_disk()  # before each entry: is the file still ours, and is there room?
        self._committed = False
        batch = self.clerk.step(messages, self.clock.now_ns())
        if batch.rows:
            self._commit(batch.rows)
        self._committed = True
        for message in self.anchoring.before_speaking(self.clerk.fold, batch.posts, self.clock.now_ms()):
            self.post(message)
        self.held.put(self.clerk.held)
        for hop in batch.hops:  # rows carry venue time; who reads a log has one clock, this machine's
            self.observe(msgspec.structs.replace(hop, at_ns=self.clock.utc_ns()))
        self._name_foreign()
        if self.csvs is not None:
            for lines in batch.lines:
                write_lines(self.csvs.append, lines, self.note)

    def _commit(self, rows: list[Timed]) -> None:
        """Write rows; the first time that the disk is full, once more with the reserve."""
        try:
            self.store.append_all(rows)
        except sqlite3.OperationalError as error:
            if self.disk is None or not is_full(error) or not self.disk.release():
                raise
            self.look_at_disk()
            self.store.append_all(rows)

    def look_at_disk(self) -> None:
        """May anything be entered, as far as the file and its disk are concerned?"""
        why = self._file_trouble() or (self.disk.short() if self.disk else None)
        before, self.clerk.no_entry = self.clerk.no_entry, why
        if why and (before is None or why.code != before.code):
            self.note("error", f"entering is blocked: {why.text}")

    def _file_trouble(self) -> Denial | None:
        if gone := self.anchoring.gone:
            return gone
        if self.reading.broken:
            return Denial("BROKEN_LEDGER", self.reading.broken)
        return (
            None
            if self._unverified is None
            else Denial(
                VERIFYING, f"{self.reading.unverified_rows} older rows of the ledger are being verified"
            )
        )

    @property
    def verifying(self) -> bool:
        """Are rows before the snapshot still to be verified?"""
        return self._unverified is not None

    def verify(self) -> None:
        """One slice of them."""
        if self._unverified is None or next(self._unverified, self) is None:
            return
        self._unverified = None
        self.look_at_disk()
        self.held.put(self.clerk.held)

    def _name_foreign(self) -> None:
        view = self.clerk.fold.view
        now = (
            f"entering is blocked: {view.foreign}" if view.foreign else "",
            f"not Evenkeel's, not touched, sharing the margin: {view.others}" if view.others else "",
            f"not believed: {self.clerk.fold.misfit}" if self.clerk.fold.misfit else "",
        )
        for text, before in zip(now, self._named, strict=True):
            if text and text != before:
                self.note("warning", text)
        self._named = now

    def rest(self, snapshot_rows: int) -> None:
        """Between plans: a snapshot, when so many rows have come since the last one, and the write-ahead
        log moved into the file.
        """
        fold = self.clerk.fold
        self.look_at_disk()
        if fold.busy or not self._committed:
            return
        if fold.rows >= self._snapshot_at + snapshot_rows and not self.reading.broken:
            self._write_snapshot(fold)
        if fold.rows >= self._checkpointed + CHECKPOINT_ROWS:
            self.store.checkpoint()
            self._checkpointed = fold.rows

    def _write_snapshot(self, fold: Fold) -> None:
        from actors.ledger.snapshots import snapshot_of  # noqa: PLC0415 - starting is quicker without

        at_ns = self.clock.now_ns()
        snapshot = snapshot_of(fold, place_in(self.csvs))
        self._commit([(at_ns, snapshot)])
        fold.apply(snapshot, at_ns)
        self._snapshot_at = fold.rows

    def leave(self) -> None:
        """The end of an incarnation: the next one need not fold much again. What cannot be written now is
        folded then.
        """
        if not self._committed:
            return
        with suppress(sqlite3.Error, OSError):
            self._committed = False
            self._commit(self.clerk.rest(self.clock.now_ns()).rows)
            self._committed = True
            self.rest(START_ROWS)


async def ledger_actor(
    path: Path,
    opened: Opened,
    sync: Literal["full", "normal"],
    inbox: trio.MemoryReceiveChannel[LedgerMessage],
    post: Callable[[msgspec.Struct], None],
    held: Latest[Held],
    order_builder: OrderBuilder,
    clock: VenueClock,
    epoch: int,
    observe: Observe,
    csvs: CsvBooks | None,
    *,
    pulse: Pulse | None = None,
    disk: Disk | None = None,
    products: tuple[int, int] | None = None,
    remember: Remember | None = None,
    may_be_open: bool | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """One incarnation: open the file, fold it, keep it, close it. Raises `LedgerError`, and `Unwritable` for
    what `sqlite3` and the disk raise.

    A broken chain does not stop it, because what is open must still be closed: the rows that are good are
    folded and entering is blocked. `products`: ids of ETH-PERP and SOL-PERP, by the venue's rules.
    `remember`: keeps what must outlive a ledger that is lost, and `may_be_open` is what was kept.
    """
    with inbox:
        try:
            store = Store.open(path, opened, sync, at_ns=clock.now_ns())
            try:
                note = Notes(observe, clock, "ledger")
                take_in(path.parent, store, note)
                if disk is not None:
                    disk.reserve()
                reading, books = reading_of(store, csvs, note)
                await in_slices(reading, pulse)
                fold = reading.fold
                fold.reopened()
                if products:
                    fold.products = dict(zip(LEGS, products, strict=True))
                keep = partial(
                    run,
                    inbox,
                    post,
                    held,
                    store,
                    fold,
                    order_builder,
                    clock,
                    epoch,
                    observe,
                    books,
                    reading=reading,
                )
                keep = partial(keep, anchoring=Anchoring(store, remember, may_be_open=may_be_open))
                await keep(disk=disk, pulse=pulse, task_status=task_status)
            finally:
                with suppress(sqlite3.Error):  # what brought us here is what must be told
                    store.close()
        except (sqlite3.Error, OSError) as error:
            raise Unwritable(f"{path}: {told(error)}") from error
