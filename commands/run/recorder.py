"""Who hears what the actors say.

`watchers` hear of it at once, in the task that speaks: they act on it (the staging of a demo's faults, what
arms the end of the process at a halt). `people` are the log and the screen's view. While a machine trades
(`report_later`) they hear of it `REPORT_S` later, in order, one message at a time, from a task of their own:
making a line takes as long as a vote, and a dozen lines are about a plan before its orders leave. A halt is
reported at once, with all before it. What is reported later is dated by when it was said.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import msgspec
import trio

from commands.run.logfile import LogFile
from messages.lifecycle import Halted, Note, Staged
from messages.sizing import Skipped
from messages.units import Ns
from runtime.clock import WallClock
from runtime.observe import Notes, Observe
from runtime.specs import told

SKIPS_KEPT = 1_000
EARLY_KEPT = 100
"""Messages said before the log is open: only who holds the lock may write to it."""
UNREPORTED_MAX = 10_000
"""Messages that wait for people. More come only while the loop is held up; then the oldest are dropped,
counted, and that is said.
"""
REPORT_S = 0.05
"""How long people wait for a report: longer than a plan takes from a quote to its orders."""


class SaidClock(WallClock):
    """The machine's clock; while something is reported later, the moment at which it was said."""

    said_ns: Ns | None = None

    def utc_ns(self) -> Ns:
        """Nanoseconds since the Unix epoch."""
        return super().utc_ns() if self.said_ns is None else self.said_ns

    def utc_ms(self) -> int:
        """The same in milliseconds."""
        return self.utc_ns() // 1_000_000


class Recorder:
    """Fans out what actors say, and keeps what the summary needs."""

    def __init__(self) -> None:
        self.staged: list[Staged] = []
        self.skips: list[Skipped] = []
        self.trading = False
        """Has a machine begun? From then on an error is no refusal to start."""
        self.watchers: list[Observe] = []
        self.people: list[Observe] = []
        self.clock = SaidClock()
        """What `people` date by."""
        self._early: list[msgspec.Struct] | None = []
        self._later = False
        """Do people hear of everything a moment later?"""
        self._unreported: deque[tuple[Ns, msgspec.Struct]] = deque()
        self._dropped = 0
        self._said = trio.Event()
        """Set when something was said that is not reported yet."""

    @contextmanager
    def logging_to(self, log: LogFile) -> Iterator[None]:
        """Everything is written to `log`, what was said before it first. Closed at the end: what is said
        later is not written.
        """
        early, self._early = self._early, None
        for message in early or ():
            log(message)
        self.people.append(log)
        try:
            yield
        finally:
            self.report_all()
            self._drop(log)
            log.close()

    def observe(self, message: msgspec.Struct) -> None:
        """One message that somebody said, for everybody who watches; a watcher that fails is left out."""
        if isinstance(message, Staged):
            self.staged.append(message)
        elif isinstance(message, Skipped) and len(self.skips) < SKIPS_KEPT:
            self.skips.append(message)
        if self._early is not None and len(self._early) < EARLY_KEPT:
            self._early.append(message)
        self._unreported.append((self.clock.utc_ns(), message))
        self._tell(self.watchers, message)
        if not self._later or isinstance(message, Halted):
            self.report_all()
            return
        if len(self._unreported) > UNREPORTED_MAX:
            self._unreported.popleft()
            self._dropped += 1
        self._said.set()

    def report_all(self) -> None:
        """Report now what is not reported yet."""
        while self._unreported:
            self._report_one()

    async def report_later(self) -> None:
        """Until cancelled report what is said a moment later; in the end all of it is reported."""
        self._later = True
        try:
            while True:
                await self._said.wait()
                await trio.sleep(REPORT_S)
                while self._unreported:
                    self._report_one()
                    if self._unreported:  # whoever trades runs between two lines
                        await trio.lowlevel.checkpoint()
                self._said = trio.Event()
        finally:
            self._later = False
            self.report_all()

    def _report_one(self) -> None:
        """The oldest message. Who hears of it may speak: that comes after all that waits."""
        at_ns, message = self._unreported.popleft()
        before, self.clock.said_ns = self.clock.said_ns, at_ns
        dropped, self._dropped = self._dropped, 0
        if dropped:
            text = f"{dropped} messages before this one were dropped, the run had no time to report them"
            self._tell(self.people, Note(at_ns, "warning", "log", text))
        self._tell(self.people, message)
        self.clock.said_ns = before

    def _tell(self, whom: list[Observe], message: msgspec.Struct) -> None:
        for watch in tuple(whom):
            try:
                watch(message)
            except Exception as error:  # noqa: BLE001 - a watcher is for people: it must not take the actor with it that spoke (lesson R11)
                self._drop(watch)
                self.failed(getattr(watch, "__qualname__", type(watch).__name__), error)

    async def show(self, what: str, work: Callable[..., Awaitable[None]], *given: object) -> None:
        """Do something that is only for people. If it fails (a terminal that has gone away), that is
        noted, and trading goes on.
        """
        try:
            await work(*given)
        except Exception as error:  # noqa: BLE001 - see above
            self.failed(what, error)

    def failed(self, what: str, error: Exception) -> None:
        """Say that something which is only for people has failed, and is left out from here on."""
        text = f"{what} failed and is left out from here on: {told(error)}"
        Notes(self.observe, WallClock(), "run")("warning", text)

    def _drop(self, watch: Observe) -> None:
        self.watchers = [other for other in self.watchers if other is not watch]
        self.people = [other for other in self.people if other is not watch]
