"""A ledger from its first row to its last, as a report needs it: every cycle as a row, every run with the
numbers of its own summary, and what happened besides.

It reads as `status` does, without a lock, and never writes. The end is fixed before the first row is read:
rows are only ever added, so what stands before that end is one state of the ledger, however long reading it
takes and whatever a run writes meanwhile. No transaction is held open between two slices, because a run's
write-ahead log could not be emptied while there is one.

News of an order may come after its cycle has ended, a fee that the archive corrects for example. A cycle
becomes a row when none of its orders is remembered by the fold any more, or at the end.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from actors.ledger import BrokenChain, Fold, LedgerError, Store
from actors.ledger.cycles import Cycle
from actors.ledger.escapes import waiting
from actors.ledger.money import CycleBook
from actors.ledger.reading import SLICE_ROWS, MissingPast, beginning_of
from actors.ledger.store import Links, message_of
from commands.report.cycle_execution import BesideFold
from commands.report.cycle_row import CycleEnd, CycleRow, cycle_row
from messages.execution import CancelAsked, EscapeRound, OrderUpdate
from messages.lifecycle import (
    Adopted,
    Alarm,
    CycleEnded,
    FoldSnapshot,
    GuardActed,
    HaltCleared,
    Halted,
    Opened,
    Restarted,
    Staged,
    Started,
    Totals,
)
from messages.market import RulesRead
from messages.money import CycleMoney
from messages.sizing import Leg, Skipped
from messages.units import Ns


class RunPart(msgspec.Struct, frozen=True):
    """One start of the program, in the numbers of its summary."""

    number: int
    started: Started
    at_ns: Ns
    until_ns: Ns
    """Of its last row."""
    totals: Totals


class Happening(msgspec.Struct, frozen=True):
    """Something that is no cycle: a restart, a halt, a guard's act."""

    at_ns: Ns
    kind: str
    text: str


class History(msgspec.Struct, frozen=True):
    """A ledger, read to its end. `fold` is the state there."""

    path: Path
    opened: Opened | None
    fold: Fold
    rows: int
    since_row: int
    """Of the first row that was there to read; > 0 where earlier files are gone."""
    bad_row: int | None
    """The first row that is not the row that was written."""
    first_ns: Ns
    last_ns: Ns
    cycles: tuple[CycleRow, ...]
    runs: tuple[RunPart, ...]
    happenings: tuple[Happening, ...]


def history_of(path: Path) -> History:
    """Read the ledger at `path`, and what stands beside it. Raises `sqlite3.Error` where there is none,
    `OSError`, `LedgerError`.
    """
    with closing(Store.reading(path)) as store:
        try:
            opened = store.opened()
        except BrokenChain:
            opened = None
        until = store.last_seq
        try:
            links = beginning_of(store)
        except MissingPast:
            links = store.beginning()
        since = links.seq
        teller = _Teller()
        for at_ns, message in _rows(store, links, until):
            teller.take(message, at_ns)
        bad = links.broken
    for at_ns, message in waiting(path.parent):
        teller.take(message, at_ns)
    return teller.told(path, opened, rows=until + 1 - since, since=since, bad=bad)


def _rows(store: Store, links: Links, until: int) -> Iterator[tuple[int, msgspec.Struct]]:
    """The rows through `until` that are as they were written; `links` says afterwards which is the first
    that is not.
    """
    while links.seq <= until and (rows := store.rows(links.seq, min(SLICE_ROWS, until + 1 - links.seq))):
        for row in rows:
            if links.take(row):
                yield row[1], message_of(row)


class _Ended(msgspec.Struct):
    """A cycle that has ended, while news of it may come."""

    cycle: Cycle
    end: CycleEnd
    book: CycleBook | None
    carried: list[CycleMoney]


class _Teller:
    """Folds rows, and keeps what the fold forgets."""

    def __init__(self) -> None:
        self.fold = Fold()
        self._waiting: deque[_Ended] = deque()
        self._carried: dict[int, list[CycleMoney]] = {}
        """Shares of earlier runs in cycles that have no ending yet."""
        self._entered_in: dict[int, int] = {}
        self._rows: list[CycleRow] = []
        self._runs: list[RunPart] = []
        self._started: tuple[Started, Ns] | None = None
        self._happenings: list[Happening] = []
        self._steps: dict[Leg, int] = {}
        """Size steps by the newest rules."""
        self._cancels: dict[int, int] = {}
        """Cancellations sent, by the cycle of their order's plan, of cycles that are no row yet."""
        self._placed_ns: dict[str, int] = {}
        self._cancelled_ns: dict[str, int] = {}
        """When the exchange said so of orders, by digest, of cycles that are no row yet."""
        self._first_ns = self._last_ns = Ns(0)

    @property
    def _run(self) -> int:
        """The number of the run that is being read; rows before any start count to the first."""
        return max(1, len(self._runs) + (self._started is not None))

    def take(self, message: msgspec.Struct, at_ns: int) -> None:
        """Fold one row of the ledger, and keep what the history tells of it; rows come in their order."""
        self._first_ns = self._first_ns or Ns(at_ns)
        self._last_ns = Ns(max(self._last_ns, at_ns))
        if isinstance(message, FoldSnapshot):
            # what it comes to is known already, but at the beginning of a file whose past is gone; orders
            # stay whole, because rows are made of them
            if self.fold.rows <= 1:
                self._go_on_from(message)
            return
        if isinstance(message, Started):
            self._begin(message, Ns(at_ns))
        self._note(message)
        if found := _HAPPENINGS.get(type(message)):
            self._happenings.append(Happening(Ns(at_ns), found[0], found[1](message)))
        for consequence in self.fold.apply(message, at_ns):
            if isinstance(consequence, CycleEnded):
                self._end(consequence, message, Ns(at_ns))
        cycle = self.fold.cycle
        if cycle.number and not cycle.over:
            self._entered_in.setdefault(cycle.number, self._run)

    def _note(self, message: msgspec.Struct) -> None:
        """Keep what rows say of the orders of a cycle that the fold does not."""
        if isinstance(message, RulesRead):
            self._steps = {"eth": message.eth.size_step, "sol": message.sol.size_step}
        elif isinstance(message, CancelAsked):
            order = self.fold.order(message.order_digest)
            if order is not None:
                number = order.plan.cycle
                self._cancels[number] = self._cancels.get(number, 0) + 1

        elif isinstance(message, OrderUpdate):
            told = {"placed": self._placed_ns, "cancelled": self._cancelled_ns}.get(message.reason)
            if told is not None and self.fold.order(message.order_digest) is not None:
                told.setdefault(message.order_digest, message.at_ns)

    def _go_on_from(self, snapshot: FoldSnapshot) -> None:
        from actors.ledger.snapshots import NoSnapshot, fold_in

        try:
            self.fold = fold_in(snapshot)
        except NoSnapshot as error:
            raise LedgerError(f"the ledger begins with {error}, and the rows before it are gone") from None
        started = self.fold.started
        if started is not None:
            self._started = started, started.at_ns

    def _begin(self, started: Started, at_ns: Ns) -> None:
        self._close_run()
        cycle = self.fold.cycle
        book = self.fold.money.cycles.get(cycle.number)
        if book is not None and not cycle.over:
            share = self.fold.money.share_of(cycle.number, book)
            self._carried.setdefault(cycle.number, []).append(share)
        self._started = started, at_ns

    def _close_run(self) -> None:
        if self._started is not None:
            number = len(self._runs) + 1
            self._runs.append(RunPart(number, *self._started, self._last_ns, self.fold.totals()))

    def _end(self, ended: CycleEnded, cause: msgspec.Struct, at_ns: Ns) -> None:
        cycle = self.fold.cycle
        skipped = isinstance(cause, Skipped)
        end = CycleEnd(
            self._entered_in.pop(cycle.number, self._run),
            ended.ending,
            cause.code if isinstance(cause, Skipped) else "",
            cause.detail if isinstance(cause, Skipped) else ended.detail,
            at_ns,
        )
        book = self.fold.money.cycles.get(cycle.number)
        carried = self._carried.pop(cycle.number, [])
        self._waiting.append(_Ended(cycle, end, None if skipped and not cycle.orders else book, carried))
        while self._waiting and not any(
            order.digest in self.fold.orders for order in self._waiting[0].cycle.orders
        ):
            if self._waiting[0].cycle is cycle:
                return
            self._settle(self._waiting.popleft())

    def _settle(self, waiting: _Ended) -> None:
        cycle, money = waiting.cycle, self.fold.money
        shares = [] if waiting.book is None else [money.share_of(cycle.number, waiting.book)]
        digests = {order.digest for order in cycle.orders}
        placed, cancelled = (
            {digest: told.pop(digest) for digest in digests if digest in told}
            for told in (self._placed_ns, self._cancelled_ns)
        )
        beside = BesideFold(self._steps, self._cancels.pop(cycle.number, 0), placed, cancelled)
        self._rows.append(cycle_row(cycle, waiting.end, [*waiting.carried, *shares], beside))

    def told(self, path: Path, opened: Opened | None, *, rows: int, since: int, bad: int | None) -> History:
        """All that was taken, once there are no more rows; a cycle under way is a row that is `open`."""
        self._close_run()
        while self._waiting:
            self._settle(self._waiting.popleft())
        fold, cycle = self.fold, self.fold.cycle
        if not cycle.over and cycle.orders:
            end = CycleEnd(self._entered_in.get(cycle.number, self._run), "open", "", "", self._last_ns)
            book = fold.money.cycles.get(cycle.number)
            self._settle(_Ended(cycle, end, book, self._carried.get(cycle.number, [])))
        return History(
            path,
            opened,
            fold,
            rows,
            since,
            bad,
            self._first_ns,
            self._last_ns,
            tuple(self._rows),
            tuple(self._runs),
            tuple(self._happenings),
        )


_HAPPENINGS: dict[type, tuple[str, Callable[[Any], str]]] = {
    Restarted: ("restart", lambda m: f"{m.actor}, back after {m.after_ms} ms: {m.why}"),
    Halted: ("halt", lambda m: f"{m.code}: {m.detail}"),
    HaltCleared: ("halt cleared", lambda m: f"{m.code}: {m.reason}"),
    GuardActed: (
        "guard",
        lambda m: f"the run was silent for {m.silent_ms} ms; the guard closed what was open",
    ),
    EscapeRound: ("escape", lambda m: f"a round of orders that only close, cycle {m.plan.cycle}"),
    Adopted: ("adopted", lambda m: f"a person booked {m.eth.text()} ETH and {m.sol.text()} SOL"),
    Alarm: ("alarm", lambda m: f"{m.code}: {m.detail}"),
    Staged: ("staged", lambda m: f"cycle {m.cycle}: {m.text}"),
}
"""Kind and text of the rows that are told apart from the cycles."""
READ_ERRORS = (sqlite3.Error, LedgerError, OSError, msgspec.MsgspecError, UnicodeError)
"""What `history_of` raises of a file that cannot be read."""
