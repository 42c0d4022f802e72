"""The track record that the limits judge: persisted, because it is folded from all rows of the ledger and not
only from this invocation's.

`HaltCleared` is a person's word that trading may go on: peak, streak and window begin again there.
"""

from typing import NamedTuple

import msgspec

from actors.ledger.cycles import Cycle
from messages.execution import AccountSnapshot
from messages.lifecycle import Record
from messages.units import ONE, Quote, Rate

WINDOW = 20
"""Cycles that a rate is taken over."""


class Past(NamedTuple):
    """One cycle that sent orders, as the success and fill rates count it."""

    completed: bool
    legs: int
    filled: int
    """Entering legs, and those filled in full by their first order."""


class TrackRecord(msgspec.Struct):
    """The account's peak, failures in a row, and the last cycles."""

    peak: int | None = None
    value: int = 0
    failed_in_row: int = 0
    window: list[Past] = msgspec.field(default_factory=list)
    """The last `WINDOW` cycles."""

    def seen(self, snapshot: AccountSnapshot) -> None:
        """A reading of the account: its value, all included."""
        if snapshot.exists and snapshot.value is not None:
            self.value = int(snapshot.value)
            self.peak = self.value if self.peak is None else max(self.peak, self.value)

    def cycle_ended(self, cycle: Cycle, *, completed: bool) -> None:
        """A cycle that sent orders is over; it pushes the oldest one out of the window."""
        self.failed_in_row = 0 if completed else self.failed_in_row + 1
        self.window = [*self.window, Past(completed, 2 if cycle.takes else 0, cycle.filled_first)][-WINDOW:]

    def clear(self) -> None:
        """A person has cleared the halt: peak, streak and window begin again."""
        self.peak, self.failed_in_row = None, 0
        self.window.clear()

    def told(self) -> Record:
        """As a message: drawdown in USD x18, rates x18; None where nothing can be said."""
        cycles = len(self.window)
        drawdown = Quote(max(0, (self.peak or 0) - self.value) if self.peak is not None else 0)
        return Record(
            drawdown=drawdown,
            failed_in_row=self.failed_in_row,
            cycles=cycles,
            fill_rate=_rate(sum(past.filled for past in self.window), sum(past.legs for past in self.window)),
            success=_rate(sum(past.completed for past in self.window), cycles),
        )


def _rate(part: int, whole: int) -> Rate | None:
    return Rate(part * ONE // whole) if whole else None
