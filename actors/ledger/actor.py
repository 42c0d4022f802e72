"""The ledger's loop: drain what waits, fold it, commit it in one transaction, and only then speak.

A vote or an ending that others act on is on disk before they hear of it; if the commit fails nobody hears anything. That bounded write is the one
blocking act on the trading path. Rows carry *venue* time, the clock that orders, fills and quotes are judged by.

A plan that the ledger declines is written down as the Declined alone: without the ledger's Ready there is no intent, so a crash right after it
leaves nothing in doubt. An intent is a Sealed and that Ready, in one transaction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
import trio

from actors.ledger.bookkeeping import lines_of, resumed, write_lines
from actors.ledger.csvs import CsvBooks, Line
from actors.ledger.fold import Fold
from actors.ledger.store import BrokenChain, Store, Timed
from actors.ledger.vote import vote
from actors.runtime.clock import VenueClock
from actors.runtime.mailbox import Latest
from actors.runtime.observe import Observe
from actors.runtime.pulse import Pulse
from messages.execution import AccountSnapshot, Fill, OrderUpdate, Outcome, PlanClosed, PositionChange, Resolved
from messages.lifecycle import AccountStream, Alarm, Denied, HaltCleared, Halted, Held, Hop, Note, Opened, Restarted, Staged, Started
from messages.sizing import Abort, Place, Ready, Sealed, Skipped
from messages.units import Ns
from venue.protocol import Forge

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
)

CHECKPOINT_ROWS = 500
"""Rows between two checkpoints; they wait until nothing is in flight."""


@dataclass(slots=True)
class Batch:
    """What one drained mailbox comes to: rows to commit, then messages to post, hops to show, lines for the CSV files."""

    rows: list[Timed] = field(default_factory=list)
    posts: list[msgspec.Struct] = field(default_factory=list)
    hops: list[Hop] = field(default_factory=list)
    lines: list[tuple[list[Line], str]] = field(default_factory=list)


@dataclass(slots=True)
class Clerk:
    """The pure step. `epoch` is this incarnation's; only a Restarted raises it, when the legs were renewed and the ledger was not."""

    fold: Fold
    forge: Forge
    epoch: int

    def step(self, messages: Sequence[msgspec.Struct], at_ns: int) -> Batch:
        """Fold `messages`, all at venue time `at_ns`, and say what follows."""
        batch = Batch()
        for message in messages:
            if isinstance(message, Sealed):
                self._vote(message, at_ns, batch)
            else:
                self._take(message, at_ns, batch)
        return batch

    def _vote(self, sealed: Sealed, at_ns: int, batch: Batch) -> None:
        answer = vote(self.fold, sealed, self.epoch, self.forge)
        if isinstance(answer, Ready):
            self._take(sealed, at_ns, batch)
        self._take(answer, at_ns, batch)
        batch.posts.append(answer)
        plan, said = sealed.plan, "READY" if isinstance(answer, Ready) else f"{answer.code}: {answer.detail}"
        batch.hops.append(Hop(Ns(at_ns), "ledger intent", plan.epoch, plan.seq, sealed.digest, plan.eth.amount, plan.sol.amount, said))

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
    return [Hop(Ns(at_ns), "ledger fill", message.epoch, message.seq, digest, message.eth.filled, message.sol.filled, note)]


async def run(
    inbox: trio.MemoryReceiveChannel[LedgerMessage],
    post: Callable[[msgspec.Struct], None],
    held: Latest[Held],
    store: Store,
    fold: Fold,
    forge: Forge,
    clock: VenueClock,
    epoch: int,
    observe: Observe,
    csvs: CsvBooks | None,
    *,
    pulse: Pulse | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Keep the ledger until cancelled. `sqlite3` errors propagate: a ledger that cannot write must end trading.

    What already waits in the mailbox is folded before anybody sees what is held, so that a new incarnation never shows an older state.
    """
    desk = _Desk(Clerk(fold, forge, epoch), store, post, held, clock, observe, csvs)
    pulse = pulse or Pulse()
    with inbox:
        desk.work(_waiting(inbox))
        task_status.started()
        while True:
            first = await inbox.receive()
            desk.work([first, *_waiting(inbox)])
            desk.rest()
            pulse.done()


def _waiting(inbox: trio.MemoryReceiveChannel[LedgerMessage]) -> list[LedgerMessage]:
    messages: list[LedgerMessage] = []
    while inbox.statistics().current_buffer_used:
        messages.append(inbox.receive_nowait())
    return messages


@dataclass(slots=True)
class _Desk:
    """The step with its surroundings: commit, then post, then show."""

    clerk: Clerk
    store: Store
    post: Callable[[msgspec.Struct], None]
    held: Latest[Held]
    clock: VenueClock
    observe: Observe
    csvs: CsvBooks | None
    _foreign: str = ""
    _checkpointed: int = 0

    def work(self, messages: Sequence[LedgerMessage]) -> None:
        batch = self.clerk.step(messages, self.clock.now_ns())
        if batch.rows:
            self.store.append_all(batch.rows)
        for message in batch.posts:
            self.post(message)
        self.held.put(self.clerk.fold.held(self.clerk.epoch))
        for hop in batch.hops:
            self.observe(hop)
        self._name_foreign()
        if self.csvs is not None:
            for lines in batch.lines:
                write_lines(self.csvs.append, lines, self.observe, self.clock)

    def _name_foreign(self) -> None:
        foreign = self.clerk.fold.view.foreign
        if foreign and foreign != self._foreign:
            self.observe(Note(self.clock.utc_ns(), "warning", "ledger", f"entering is blocked: {foreign}"))
        self._foreign = foreign

    def rest(self) -> None:
        """Between plans, move the write-ahead log into the file."""
        fold = self.clerk.fold
        if fold.flight is None and fold.rows >= self._checkpointed + CHECKPOINT_ROWS:
            self.store.checkpoint()
            self._checkpointed = fold.rows


def reread(store: Store, csvs: CsvBooks | None, observe: Observe, clock: VenueClock) -> Fold:
    """The fold of everything in `store`; CSV lines that a crash kept from being written are written now."""
    fold = Fold()
    for _, at_ns, message in store.events():
        for consequence in fold.apply(message, at_ns):
            if csvs is not None:
                write_lines(csvs.again, lines_of(fold, message, consequence, at_ns), observe, clock)
    fold.reopened()
    return fold


async def ledger_actor(
    path: Path,
    opened: Opened,
    sync: Literal["full", "normal"],
    inbox: trio.MemoryReceiveChannel[LedgerMessage],
    post: Callable[[msgspec.Struct], None],
    held: Latest[Held],
    forge: Forge,
    clock: VenueClock,
    epoch: int,
    observe: Observe,
    csvs: CsvBooks | None,
    *,
    pulse: Pulse | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """One incarnation: open the file, fold it, keep it, close it. Raises `LedgerError` and what `sqlite3` raises.

    A broken chain does not stop it, because what is open must still be closed: the rows that are good are folded and entering is blocked.
    """
    with inbox:
        store, broken = _opened(path, opened, sync, clock.now_ns())
        try:
            books = csvs if csvs is not None and resumed(csvs, observe, clock) else None
            fold = reread(store, books, observe, clock)
            if broken:
                fold.distrust(broken)
            await run(inbox, post, held, store, fold, forge, clock, epoch, observe, books, pulse=pulse, task_status=task_status)
        finally:
            store.close()


def _opened(path: Path, opened: Opened, sync: Literal["full", "normal"], at_ns: int) -> tuple[Store, str]:
    """The store, and what is wrong with its chain or ""."""
    try:
        return Store.open(path, opened, sync, at_ns=at_ns), ""
    except BrokenChain as error:
        return Store.open(path, opened, sync, broken_ok=True), str(error)
