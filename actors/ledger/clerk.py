"""What the ledger does with what it is told, without a disk: rows to commit, messages to post, hops to show.

The loop (`actor.py`) and the journal of ESCAPE (`journal.py`) both write what this step says.

A plan that the ledger declines is written down as the Declined alone: without the ledger's Ready there is no
intent, so a crash right after it leaves nothing in doubt. An intent is a Sealed and that Ready, in one
transaction.
"""

from collections.abc import Sequence

import msgspec

from actors.ledger.bookkeeping import ended_figures, lines_of
from actors.ledger.certificates import CycleFigures
from actors.ledger.csvs import Line
from actors.ledger.fold import Fold
from actors.ledger.row_filter import RowFilter
from actors.ledger.store import Timed
from actors.ledger.vote import vote
from messages.execution import (
    AccountSnapshot,
    CancelAnswer,
    CancelAsked,
    Fill,
    OrderUpdate,
    Outcome,
    PlanClosed,
    PositionChange,
    Resolved,
)
from messages.lifecycle import (
    AccountStream,
    Adopted,
    Alarm,
    CycleEnded,
    Denial,
    Denied,
    HaltCleared,
    Halted,
    Held,
    Hop,
    HopWord,
    Restarted,
    Staged,
    Started,
)
from messages.market import RulesRead
from messages.money import MoneyRead
from messages.sizing import Abort, PairSettled, Place, Ready, Sealed, Skipped
from messages.units import Base, Ns
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
    | CancelAsked
    | CancelAnswer
    | PairSettled
)


class Batch(msgspec.Struct):
    """What one drained mailbox comes to: rows to commit, then messages to post, hops to show, lines for
    the CSV files.
    """

    rows: list[Timed] = msgspec.field(default_factory=list)
    posts: list[msgspec.Struct] = msgspec.field(default_factory=list)
    hops: list[Hop] = msgspec.field(default_factory=list)
    lines: list[tuple[list[Line], str]] = msgspec.field(default_factory=list)
    ended: list[CycleFigures] = msgspec.field(default_factory=list)
    """Of cycles that sent something, for their certificates."""


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
            if not isinstance(message, Sealed):
                for row in self.sieve.admitted(self.fold, message, at_ns):
                    self._take(row, at_ns, batch)
                continue
            answer = vote(self.fold, message, self.epoch, self.order_builder, self.no_entry)
            if isinstance(answer, Ready):  # the reading it stands on is written before the intent
                for reading in self.sieve.flushed():
                    self._take(reading, at_ns, batch)
                self._take(message, at_ns, batch)
            self._take(answer, at_ns, batch)
            batch.posts.append(answer)
            said = "READY" if isinstance(answer, Ready) else f"{answer.code}: {answer.detail}"
            batch.hops.append(
                _hop(
                    "ledger intent", message, (message.plan.eth.amount, message.plan.sol.amount), said, at_ns
                )
            )
        return batch

    def rest(self, at_ns: int) -> Batch:
        """The reading of the account that is no row yet becomes one: a plan is about to stand on it, or
        this incarnation ends.
        """
        batch = Batch()
        for reading in self.sieve.flushed():
            self._take(reading, at_ns, batch)
        return batch

    def _take(self, message: msgspec.Struct, at_ns: int, batch: Batch) -> None:
        if isinstance(message, Restarted):
            self.epoch = max(self.epoch, message.epoch)
        batch.rows.append((at_ns, message))
        for consequence in self.fold.apply(message, at_ns):
            self.fold.apply(consequence, at_ns)
            batch.rows.append((at_ns, consequence))
            batch.posts.append(consequence)
            if isinstance(consequence, PlanClosed) and self.fold.last_flight is not None:
                eth, sol = consequence.eth, consequence.sol
                said = "aborted" if consequence.aborted else f"eth {eth.outcome}, sol {sol.outcome}"
                sealed = self.fold.last_flight.sealed
                batch.hops.append(_hop("ledger fill", sealed, (eth.filled, sol.filled), said, at_ns))
            batch.lines.append(lines_of(self.fold, message, consequence, at_ns))
            if isinstance(consequence, CycleEnded):
                batch.ended += ended_figures(self.fold, consequence, at_ns)


def _hop(name: HopWord, sealed: Sealed, amounts: tuple[Base, Base], note: str, at_ns: int) -> Hop:
    plan = sealed.plan
    return Hop(Ns(at_ns), name, plan.epoch, plan.seq, sealed.digest, *amounts, note)
