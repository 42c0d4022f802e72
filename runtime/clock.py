"""The only reader of time.

Four clocks, never mixed:
- *monotonic* seconds (`trio.current_time()`): deadlines and waits. In tests it is virtual. It stands still
  while the machine sleeps.
- *steady* nanoseconds: from no particular moment; nobody can set it, and it counts while the machine sleeps.
- *UTC* nanoseconds: what is shown to people. Somebody may set it.
- *venue* milliseconds: what orders, quotes and receive windows are judged by, and what stands in the ledger's
  rows. It follows the steady clock from the last measurement against the venue: a wall clock that is set does
  not move it, and a machine that has slept does not wake up with an old one.

`ClockWatch` compares them four times a second and before every seal. Asleep = steady ran and monotonic did
not; set = UTC moved and steady did not.
"""

import time
from collections.abc import Callable
from typing import Protocol

import msgspec
import trio

from messages.units import Ms, Ns
from runtime.ticks import next_tick_s

LOOK_EVERY_S = 0.25
"""How often the clocks are compared (interface: laptop sleep)."""
JUMP_MS = 1_000
"""Asleep or set by more than this: nothing that was known still counts."""
STEP_MS = 100
"""Set by more than this: the venue's clock is measured again (design: the barrier)."""
ROUND_TRIP_MAX_MS = 1_000
"""A measurement is wrong by up to half its round trip; one that took longer than this (we were frozen
meanwhile) says nothing.
"""

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""On Linux only the former counts while the machine sleeps; on macOS the latter does."""


class Clock(Protocol):
    """What a machine can read: UTC and a steady count; tests pass another."""

    def utc_ns(self) -> Ns:
        """Nanoseconds since the Unix epoch; somebody may set this clock."""
        ...

    def steady_ns(self) -> Ns:
        """Nanoseconds that nobody can set and that count while the machine sleeps."""
        ...


def stopwatch_ns() -> int:
    """A counter for measuring how long something took on this machine; no relation to any clock."""
    return time.perf_counter_ns()


def slept_s() -> int:
    """Seconds that this machine has slept since it was started; 0 where the operating system does not
    tell.
    """
    return (time.clock_gettime_ns(_STEADY) - time.monotonic_ns()) // 1_000_000_000


class WallClock:
    """The machine's clocks: that of a real run. UTC may jump; the steady one never does."""

    def utc_ns(self) -> Ns:
        """Nanoseconds since the Unix epoch, from the operating system."""
        return Ns(time.time_ns())

    def steady_ns(self) -> Ns:
        """Nanoseconds since the machine was started, sleep included."""
        return Ns(time.clock_gettime_ns(_STEADY))


class RunClock:
    """UTC that follows Trio's clock from a fixed start: virtual time in tests and replays, the same on
    every run.
    """

    def __init__(self, start_ns: int) -> None:
        self._start_ns = start_ns

    def utc_ns(self) -> Ns:
        """Start plus Trio's clock, to the microsecond (finer digits would be float noise)."""
        return Ns(self._start_ns + round(trio.current_time() * 1_000_000) * 1_000)

    def steady_ns(self) -> Ns:
        """The same: on virtual time nobody sleeps."""
        return self.utc_ns()


class VenueClock:
    """Venue time: the last good measurement against `/v1/time` and what the steady clock has counted
    since. Before the first: UTC.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lead_ms: int | None = None
        """Venue minus steady."""
        self.round_trip_ms: Ms | None = None
        """Round trip of the measurement in force; None before the first."""

    def measured(self, asked_ns: int, venue_ms: int, answered_ns: int) -> bool:
        """Take a measurement: the venue said `venue_ms` between our `asked_ns` and `answered_ns` (steady).
        False: too slow, it is not taken.
        """
        round_trip_ms = (answered_ns - asked_ns) // 1_000_000
        if round_trip_ms > ROUND_TRIP_MAX_MS:
            return False
        self._lead_ms = venue_ms - (asked_ns + answered_ns) // 2_000_000
        self.round_trip_ms = Ms(round_trip_ms)
        return True

    @property
    def offset_ms(self) -> Ms:
        """Venue minus local UTC, in milliseconds; > 0 when this machine is slow."""
        return Ms(self.now_ms() - self._clock.utc_ns() // 1_000_000)

    def now_ms(self) -> Ms:
        """The venue's clock now, as well as we know it."""
        return Ms(self.now_ns() // 1_000_000)

    def now_ns(self) -> Ns:
        """The same in nanoseconds; no more exact than the measurement."""
        if self._lead_ms is None:
            return self._clock.utc_ns()
        return Ns(self._clock.steady_ns() + self._lead_ms * 1_000_000)

    def utc_ns(self) -> Ns:
        """Local UTC in ns, for what is shown to people."""
        return self._clock.utc_ns()

    def steady_ns(self) -> Ns:
        """Local and steady, in ns: for measuring how long something took."""
        return self._clock.steady_ns()


class ClockShift(msgspec.Struct, frozen=True):
    """clock -> supervisor: between two looks the clocks did something else than run."""

    slept_ms: Ms
    """> 0: the machine was suspended for this long."""
    set_ms: Ms
    """The wall clock was set by this much: > 0 forward, < 0 back."""

    @property
    def jumped(self) -> bool:
        """Is the shift so large that quotes, connections and account are to be read again?"""
        return max(abs(self.slept_ms), abs(self.set_ms)) > JUMP_MS

    def text(self) -> str:
        """What the clocks did, as a sentence for log and screen."""
        asleep = f"the machine slept for {self.slept_ms / 1000:.1f} s" if self.slept_ms > STEP_MS else ""
        way = "forward" if self.set_ms > 0 else "back"
        moved = (
            f"the wall clock was set {way} by {abs(self.set_ms) / 1000:.1f} s"
            if abs(self.set_ms) > STEP_MS
            else ""
        )
        return " and ".join(part for part in (asleep, moved) if part)


class _Look(msgspec.Struct, frozen=True):
    """One reading of the three clocks of this machine."""

    monotonic_ns: int
    steady_ns: int
    utc_ns: int

    @classmethod
    def at(cls, clock: Clock) -> "_Look":
        return cls(round(trio.current_time() * 1_000_000) * 1_000, clock.steady_ns(), clock.utc_ns())

    def since(self, before: "_Look") -> ClockShift:
        ran, steady = self.monotonic_ns - before.monotonic_ns, self.steady_ns - before.steady_ns
        return ClockShift(
            Ms((steady - ran) // 1_000_000), Ms((self.utc_ns - before.utc_ns - steady) // 1_000_000)
        )


class ClockWatch:
    """Compares the clocks with how they stood when it last looked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._before = _Look.at(clock)

    def look(self) -> ClockShift | None:
        """What they did since the last look, if they did more than run: 100 ms are given."""
        before, self._before = self._before, _Look.at(self._clock)
        shift = self._before.since(before)
        return shift if max(abs(shift.slept_ms), abs(shift.set_ms)) > STEP_MS else None

    async def look_for_ever(self, tell: Callable[[ClockShift], None]) -> None:
        """Look four times a second until cancelled, and tell of every shift."""
        while True:
            await trio.sleep_until(next_tick_s(LOOK_EVERY_S))
            shift = self.look()
            if shift is not None:
                tell(shift)
