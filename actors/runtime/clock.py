"""The only reader of time.

Three clocks, never mixed:
- *monotonic* seconds (`trio.current_time()`): deadlines and waits. In tests it is virtual.
- *UTC* nanoseconds: what is written into the ledger and shown to people.
- *venue* milliseconds: what orders, quotes and receive windows are judged by; UTC plus an offset measured against the venue.
"""

import time
from typing import Protocol

import trio

from messages.units import Ms, Ns


class Clock(Protocol):
    """A source of UTC."""

    def utc_ns(self) -> Ns:
        """Nanoseconds since the Unix epoch."""
        ...


def stopwatch_ns() -> int:
    """A counter for measuring how long something took on this machine; no relation to any clock."""
    return time.perf_counter_ns()


class WallClock:
    """The machine's clock."""

    def utc_ns(self) -> Ns:
        """Nanoseconds since the Unix epoch, from the operating system."""
        return Ns(time.time_ns())


class RunClock:
    """UTC that follows Trio's clock from a fixed start: virtual time in tests and replays, the same on every run."""

    def __init__(self, start_ns: int) -> None:
        self._start_ns = start_ns

    def utc_ns(self) -> Ns:
        """Start plus Trio's clock, to the microsecond (finer digits would be float noise)."""
        return Ns(self._start_ns + round(trio.current_time() * 1_000_000) * 1_000)


class VenueClock:
    """Venue time: UTC plus the offset of the last good measurement against `/v1/time` (design: within half a round trip)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ms = 0
        self.round_trip_ms: Ms | None = None
        """Round trip of the measurement in force; None before the first."""

    def measured(self, asked_ns: int, venue_ms: int, answered_ns: int) -> None:
        """Take a measurement: the venue said `venue_ms` between our `asked_ns` and `answered_ns`."""
        self._offset_ms = venue_ms - (asked_ns + answered_ns) // 2_000_000
        self.round_trip_ms = Ms((answered_ns - asked_ns) // 1_000_000)

    @property
    def offset_ms(self) -> Ms:
        """Venue minus local, in milliseconds."""
        return Ms(self._offset_ms)

    def now_ms(self) -> Ms:
        """The venue's clock now, as well as we know it."""
        return Ms(self._clock.utc_ns() // 1_000_000 + self._offset_ms)

    def utc_ns(self) -> Ns:
        """Local UTC."""
        return self._clock.utc_ns()
