"""Clocks that a test can set, and a machine that it can send to sleep, on virtual time."""

from messages.units import Ns
from runtime.clock import RunClock

START_NS = 1_790_000_000_000_000_000


class Clocks:
    """The clocks of one machine and of a venue elsewhere. Sleep is what no task of ours is awake for: all
    clocks but the monotonic one go on.
    """

    def __init__(self) -> None:
        self.slept_ns = 0
        self.set_ns = 0
        self.machine = _Machine(self)
        self.venue = _Venue(self)

    def sleep(self, seconds: float) -> None:
        """The machine has slept."""
        self.slept_ns += round(seconds * 1_000_000_000)

    def set(self, seconds: float) -> None:
        """Somebody has set the machine's wall clock, forward or back. The venue's runs on."""
        self.set_ns += round(seconds * 1_000_000_000)


class _Venue(RunClock):
    def __init__(self, clocks: Clocks) -> None:
        super().__init__(START_NS)
        self._clocks = clocks

    def utc_ns(self) -> Ns:
        return Ns(super().utc_ns() + self._clocks.slept_ns)


class _Machine(RunClock):
    def __init__(self, clocks: Clocks) -> None:
        super().__init__(START_NS)
        self._clocks = clocks

    def utc_ns(self) -> Ns:
        return Ns(super().utc_ns() + self._clocks.slept_ns + self._clocks.set_ns)

    def steady_ns(self) -> Ns:
        return Ns(super().utc_ns() - START_NS + self._clocks.slept_ns)
