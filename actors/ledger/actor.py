"""The ledger's loop: drain what waits, fold it, commit it in one transaction, and only then speak.

A vote or an ending that others act on is on disk before they hear of it; if the commit fails nobody hears
anything. That bounded write is the one blocking act on the trading path. Rows carry *venue* time, the clock
that orders, fills and quotes are judged by.

Only the vote is waited for. Between a yes and the orders' bytes the ledger keeps still: what a yes has
changed is told, and a Place committed, with the next message or `STILL_S` later (decision 033). A kill in
between leaves the intent, which is asked about at the start like any other.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import msgspec
import trio

from actors.ledger.anchoring import Anchoring, Remember
from actors.ledger.bookkeeping import place_in, write_lines
from actors.ledger.certificates import CertificateMaker, CycleFigures
from actors.ledger.clerk import Clerk, LedgerMessage
from actors.ledger.csvs import CsvBooks, Line
from actors.ledger.disk import Disk, is_full
from actors.ledger.escapes import take_in
from actors.ledger.reading import SNAPSHOT_ROWS, START_ROWS, Reading
from actors.ledger.starting import in_slices, reading_of
from actors.ledger.store import LedgerFile, Store, Timed
from messages.lifecycle import VERIFYING, Denial, Held, Hop
from messages.sizing import LEGS, Place, Ready, Sealed
from runtime.clock import VenueClock
from runtime.mailbox import Latest
from runtime.observe import Notes, Observe
from runtime.pulse import Pulse
from runtime.specs import Fatal, told
from venue.protocol import OrderBuilder

CHECKPOINT_ROWS = 500
"""Rows between two checkpoints; they wait until nothing is in flight."""
STILL_S = 0.005
"""How long the ledger keeps still while legs vote or send: both take about a millisecond, an answer of the
exchange takes longer.
"""


class Unwritable(Fatal):
    """The ledger's file or disk fails. The same disk would fail a restarted ledger too, and nothing may be
    traded unrecorded: ESCAPE, at once.
    """


class LedgerWiring(msgspec.Struct, frozen=True):
    """What one incarnation of the ledger is connected to and given, beside its file."""

    inbox: trio.MemoryReceiveChannel[LedgerMessage]
    post: Callable[[msgspec.Struct], None]
    """To the supervisor: votes, endings of plans and cycles, once they are on disk."""
    held: Latest[Held]
    order_builder: OrderBuilder
    clock: VenueClock
    observe: Observe
    epoch: int
    """Of this incarnation."""
    csvs: CsvBooks | None = None
    disk: Disk | None = None
    products: tuple[int, int] | None = None
    """Ids of ETH-PERP and SOL-PERP, by the venue's rules."""
    remember: Remember | None = None
    """Keeps what must outlive a ledger that is lost."""
    may_be_open: bool | None = None
    """What was kept so before this incarnation."""
    pulse: Pulse = msgspec.field(default_factory=Pulse)
    certificates: CertificateMaker | None = None


async def ledger_actor(
    file: LedgerFile, wiring: LedgerWiring, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """One incarnation: open the file, fold it, keep it until cancelled, close it. Raises `LedgerError`, and
    `Unwritable` for what `sqlite3` and the disk raise: a ledger that cannot write must end trading.

    A broken chain does not stop it, because what is open must still be closed: the rows that are good are
    folded and entering is blocked. What already waits in the mailbox is folded before anybody sees what is
    held, so that a new incarnation never shows an older state. Rows before the snapshot that the reading
    began with are verified meanwhile; until they are, nothing is entered.
    """
    note = Notes(wiring.observe, wiring.clock, "ledger")
    with wiring.inbox:
        try:
            store = file.store(wiring.clock.now_ns())
            try:
                take_in(file.path.parent, store, note)
                if wiring.disk is not None:
                    wiring.disk.reserve()
                reading, books = reading_of(store, wiring.csvs, note)
                await in_slices(reading, wiring.pulse)
                fold = reading.fold
                fold.reopened()
                if wiring.products:
                    fold.products = dict(zip(LEGS, wiring.products, strict=True))
                anchoring = Anchoring(store, wiring.remember, may_be_open=wiring.may_be_open)
                clerk = Clerk(fold, wiring.order_builder, wiring.epoch)
                await _keep(_Desk(clerk, store, wiring, books, reading, anchoring, note), task_status)
            finally:
                with suppress(sqlite3.Error):  # what brought us here is what must be told
                    store.close()
        except (sqlite3.Error, OSError) as error:
            raise Unwritable(f"{file.path}: {told(error)}") from error


async def _keep(desk: "_Desk", task_status: trio.TaskStatus[None]) -> None:
    """Take what comes until cancelled; while nothing comes, verify old rows, a slice at a time."""
    inbox = desk.wiring.inbox
    taken: list[LedgerMessage] = []
    desk.begin()
    desk.work(_waiting(inbox))
    desk.tell()
    desk.rest(START_ROWS)
    task_status.started()
    try:
        while True:
            while desk.verifying and not taken:
                desk.verify()
                await trio.lowlevel.checkpoint()
                taken += _waiting(inbox)
            taken = taken or [await inbox.receive()]
            taken += _waiting(inbox)
            if isinstance(taken[-1], Place):
                # Both legs hand their orders to the sockets now, and what a restart needs to ask about them
                # is on disk since the vote: a commit here would only delay the second order.
                await _wait_for_mail(inbox, taken)
            work, taken = taken, []
            if desk.work(work):
                await _wait_for_mail(inbox, taken)  # the same, for what the vote has changed
                if taken:
                    continue
            desk.tell()
            desk.rest(SNAPSHOT_ROWS)
            desk.wiring.pulse.done()
    except trio.Cancelled:
        desk.leave(taken)
        raise


async def _wait_for_mail(inbox: trio.MemoryReceiveChannel[LedgerMessage], taken: list[LedgerMessage]) -> None:
    """Keep still until the next message, which is added to `taken`, or for `STILL_S`."""
    with trio.move_on_after(STILL_S):
        taken.append(await inbox.receive())


def _waiting(inbox: trio.MemoryReceiveChannel[LedgerMessage]) -> list[LedgerMessage]:
    messages: list[LedgerMessage] = []
    while inbox.statistics().current_buffer_used:
        messages.append(inbox.receive_nowait())
    return messages


class _Desk(msgspec.Struct):
    """The step with its surroundings: commit, then post, then show."""

    clerk: Clerk
    store: Store
    wiring: LedgerWiring
    csvs: CsvBooks | None
    """None as well when they cannot be used."""
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
    _hops: list[Hop] = msgspec.field(default_factory=list)
    _lines: list[tuple[list[Line], str]] = msgspec.field(default_factory=list)
    """Hops and CSV lines that are not told yet."""
    _ended: list[CycleFigures] = msgspec.field(default_factory=list)
    """The same for certificates."""

    def __post_init__(self) -> None:
        self._snapshot_at = self.clerk.fold.rows - self.reading.read
        self._unverified = self.reading.unverified() if self.reading.unverified_rows else None

    def begin(self) -> None:
        """Say which ledger this is, and whether it may be entered with."""
        wrong = self.anchoring.begins(self.clerk.fold, self.wiring.clock.now_ms())
        if wrong:
            self.note("error", wrong)
        self.look_at_disk()

    def work(self, messages: Sequence[LedgerMessage]) -> bool:
        """Fold and commit `messages`, then post what follows for the supervisor. True after a yes to a plan:
        what else is to be told may wait until its orders have left.
        """
        if any(isinstance(message, Sealed) and message.plan.increases for message in messages):
            self.look_at_disk()  # before each entry: is the file still ours, and is there room?
        fold, wiring, clock = self.clerk.fold, self.wiring, self.wiring.clock
        self._committed = False
        batch = self.clerk.step(messages, clock.now_ns())
        if batch.rows:
            self._commit(batch.rows)
        self._committed = True
        for message in self.anchoring.before_speaking(fold, batch.posts, clock.now_ms()):
            wiring.post(message)
        # rows carry venue time; who reads a log has one clock, this machine's
        self._hops += [msgspec.structs.replace(hop, at_ns=clock.utc_ns()) for hop in batch.hops]
        self._lines += batch.lines
        self._ended += batch.ended
        voted = any(isinstance(message, Ready) for message in batch.posts)
        return voted and fold.flight is not None and not fold.flight.placed

    def tell(self) -> None:
        """Tell everybody else: what is held, the hops of plans, the CSV files."""
        fold, wiring = self.clerk.fold, self.wiring
        wiring.held.put(self.clerk.held)
        for hop in self._hops:
            wiring.observe(hop)
        now = (
            f"entering is blocked: {fold.view.foreign}" if fold.view.foreign else "",
            f"not Evenkeel's, not touched, sharing the margin: {fold.view.others}"
            if fold.view.others
            else "",
            f"not believed: {fold.misfit}" if fold.misfit else "",
        )
        for text, before in zip(now, self._named, strict=True):
            if text and text != before:
                self.note("warning", text)
        self._named = now
        if self.csvs is not None:
            for lines in self._lines:
                write_lines(self.csvs.append, lines, self.note)
        if wiring.certificates is not None:
            for figures in self._ended:
                wiring.certificates.cycle_ended(self.store.path, figures)
            for trouble in wiring.certificates.troubles():
                self.note("warning", trouble)
        self._hops, self._lines, self._ended = [], [], []

    def _commit(self, rows: list[Timed]) -> None:
        """Write rows; the first time that the disk is full, once more with the reserve."""
        disk = self.wiring.disk
        try:
            self.store.append_all(rows)
        except sqlite3.OperationalError as error:
            if disk is None or not is_full(error) or not disk.release():
                raise
            self.look_at_disk()
            self.store.append_all(rows)

    def look_at_disk(self) -> None:
        """May anything be entered, as far as the file and its disk are concerned?"""
        why: Denial | None = None
        if gone := self.anchoring.gone:
            why = gone
        elif self.reading.broken:
            why = Denial("BROKEN_LEDGER", self.reading.broken)
        elif self.verifying:
            rows = self.reading.unverified_rows
            why = Denial(VERIFYING, f"{rows} older rows of the ledger are being verified")
        elif self.wiring.disk:
            why = self.wiring.disk.short()
        before, self.clerk.no_entry = self.clerk.no_entry, why
        # said once per code: the figures in the text change all the time
        if why and (before is None or why.code != before.code):
            self.note("error", f"entering is blocked: {why.text}")

    @property
    def verifying(self) -> bool:
        """Are rows before the snapshot still to be verified?"""
        return self._unverified is not None

    def verify(self) -> None:
        """Verify the next slice of the rows before the snapshot; after the last one, entering is open."""
        if self._unverified is None or next(self._unverified, self) is None:
            return
        self._unverified = None
        self.look_at_disk()
        self.wiring.held.put(self.clerk.held)

    def rest(self, snapshot_rows: int) -> None:
        """Between plans: a snapshot, when so many rows have come since the last one, and the write-ahead
        log moved into the file.
        """
        fold = self.clerk.fold
        self.look_at_disk()
        if fold.busy or not self._committed:
            return
        if fold.rows >= self._snapshot_at + snapshot_rows and not self.reading.broken:
            from actors.ledger.snapshots import snapshot_of  # noqa: PLC0415 - starting is quicker without

            at_ns = self.wiring.clock.now_ns()
            snapshot = snapshot_of(fold, place_in(self.csvs))
            self._commit([(at_ns, snapshot)])
            fold.apply(snapshot, at_ns)
            self._snapshot_at = fold.rows
        if fold.rows >= self._checkpointed + CHECKPOINT_ROWS:
            self.store.checkpoint()
            self._checkpointed = fold.rows

    def leave(self, taken: Sequence[LedgerMessage]) -> None:
        """The end of an incarnation, with messages that it took and did not write yet. The next one need not
        fold much again; what cannot be written now is folded then.
        """
        if not self._committed:
            return
        with suppress(sqlite3.Error, OSError):
            if taken:
                self.work(taken)
            self.tell()
            self._committed = False
            self._commit(self.clerk.rest(self.wiring.clock.now_ns()).rows)
            self._committed = True
            self.rest(START_ROWS)
