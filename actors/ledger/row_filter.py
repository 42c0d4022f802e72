"""Which messages become rows: those that change something. What is not written is not folded, so the fold is
always what its rows say.

A pair that is held for a day is read 17,280 times at the venue, and nearly every reading says what the one
before said, but for a few cents of value. Such a reading stays here, beside the fold: limits and gates judge
by it at once (`held`), and it becomes a row only

    at once        when positions, open orders or their absence differ from the last one written, when a proof
                   is awaited, when something is in doubt or not agreed, when it contradicts itself, when a
                   new day begins, and when the account's peak has risen by `PEAK_STEP`
    before a plan  so that the row a plan stands on is never older than the last reading
    now and then   after `QUIET_NS`; with the highest one in between, if that is a new peak
    at the end     of an incarnation

So a held pair writes at most `ROWS_A_DAY` readings a day, beside those of peaks. What a kill can lose is the
peak of the last minutes, less than `PEAK_STEP` above the one written. An event of the account's stream that
comes twice is a row once.
"""

import msgspec

from actors.ledger.day import DAY_NS
from actors.ledger.fold import Fold
from messages.execution import AccountSnapshot, Fill, OrderUpdate, PositionChange
from messages.lifecycle import Denial, Held
from messages.money import MoneyRead

QUIET_NS = 300_000_000_000
"""Five minutes of venue time between two readings that say nothing new."""
ROWS_A_DAY = 2 * DAY_NS // QUIET_NS
"""576: every five minutes a reading, and perhaps the highest since the last one."""
PEAK_STEP = 5_000
"""One part in so many of the account's value: 2 basis points."""
EVENTS_KEPT = 1_024
"""The newest events of the account's stream, to know those that come again."""

PRODUCTS_KEPT = 256

Event = Fill | OrderUpdate | PositionChange


class RowFilter(msgspec.Struct):
    """One incarnation's. `current` and `highest`: readings that are no rows."""

    current: AccountSnapshot | None = None
    highest: AccountSnapshot | None = None
    """The one of the greatest value, where that is above the peak by the rows."""
    _written: AccountSnapshot | None = None
    _written_ns: int = 0
    _positions: dict[tuple[int, bool], int] = msgspec.field(default_factory=dict)
    _events: dict[Event, None] = msgspec.field(default_factory=dict)

    def admitted(self, fold: Fold, message: msgspec.Struct, at_ns: int) -> list[msgspec.Struct]:
        """What becomes rows now, in this order: the message, readings that waited beside it, or nothing."""
        if isinstance(message, AccountSnapshot):
            return self._reading(fold, message, at_ns)
        if isinstance(message, Fill | OrderUpdate | PositionChange):
            return [message] if self._is_news(fold, message) else []
        if isinstance(message, MoneyRead):
            return [message] if message.events or message.first or fold.money.ask.due else []
        return [message]

    def flushed(self) -> list[AccountSnapshot]:
        """The readings beside, as rows to be written now; the highest one first."""
        waiting = [self.highest] if self.highest is not None and self.highest is not self.current else []
        waiting += [self.current] if self.current is not None else []
        self._written, self.current, self.highest = self.current or self._written, None, None
        return waiting

    def _is_news(self, fold: Fold, event: Event) -> bool:
        """Not when it comes again; nor a position that is told again, and that our fills say too or that
        nothing can be compared with yet.
        """
        if event in self._events:
            return False
        self._events[event] = None
        if len(self._events) > EVENTS_KEPT:
            del self._events[next(iter(self._events))]
        if not isinstance(event, PositionChange):
            return True
        place = (event.product_id, event.isolated)
        before = self._positions.get(place)
        known = self._positions if len(self._positions) < PRODUCTS_KEPT else {}
        self._positions = {**known, place: event.amount}
        return event.amount != before or fold.doubts_position(event)

    def _reading(self, fold: Fold, reading: AccountSnapshot, at_ns: int) -> list[msgspec.Struct]:
        if fold.contradiction(reading):
            return [reading]  # named by the fold, and of no use to anybody
        peak = fold.record.peak
        highest = fold.judged(self.highest).value or 0 if self.highest else 0
        value = fold.judged(reading).value
        if peak is None or (reading.exists and value is not None and value > max(peak, highest)):
            self.highest = reading
        self.current = reading
        if not self._says_something(fold, reading, at_ns):
            return []
        self._written_ns = at_ns
        return list(self.flushed())

    def _says_something(self, fold: Fold, reading: AccountSnapshot, at_ns: int) -> bool:
        written = self._written
        if (
            written is None
            or not fold.calm
            or fold.money.has_news(reading)
            or at_ns >= self._written_ns + QUIET_NS
        ):
            return True
        if at_ns // DAY_NS > fold.day.number or fold.day.first is None or fold.record.peak is None:
            return True
        value = fold.judged(reading).value
        risen = (
            reading.exists
            and value is not None
            and (value - fold.record.peak) * PEAK_STEP >= abs(fold.record.peak)
        )
        return risen or _standing(reading) != _standing(written)

    def held(self, fold: Fold, epoch: int, no_entry: Denial | None = None) -> Held:
        """What is held, and the account as it was read last."""
        now = self.current
        held = fold.held(epoch, no_entry, now)
        if now is None:
            return held
        record, day = msgspec.structs.replace(fold.record), msgspec.structs.replace(fold.day)
        for reading in (self.highest, now):
            if reading is not None:
                record.seen(fold.judged(reading))
                day.seen(fold.judged(reading))
        return msgspec.structs.replace(
            held,
            initial_health=now.initial_health,
            maintenance_health=now.maintenance_health,
            value=now.value,
            record=record.told(),
            day_loss=day.loss,
        )


def _standing(reading: AccountSnapshot) -> tuple[object, ...]:
    """What a reading says of positions and orders; funding moves the quote side of a position all the
    time, and is the account's value's business.
    """
    amounts = tuple(
        sorted(
            (each.product_id, each.cross, each.isolated)
            for each in reading.positions
            if each.total or each.cross
        )
    )
    return reading.exists, amounts, reading.open_orders, reading.unread
