"""Who hears what the actors say: the log, the screen's view, the staging, the summary. All of them are for
people.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import msgspec

from commands.run.logfile import LogFile
from messages.lifecycle import Staged
from messages.sizing import Skipped
from runtime.clock import WallClock
from runtime.observe import Notes, Observe
from runtime.specs import told

SKIPS_KEPT = 1_000
EARLY_KEPT = 100
"""Messages said before the log is open: only who holds the lock may write to it."""


class Recorder:
    """Fans out what actors say to the log, the screen's view and the staging, and keeps what the summary
    needs.
    """

    def __init__(self) -> None:
        self.staged: list[Staged] = []
        self.skips: list[Skipped] = []
        self.trading = False
        """Has a machine begun? From then on an error is no refusal to start."""
        self.watchers: list[Observe] = []
        self._early: list[msgspec.Struct] | None = []

    @contextmanager
    def logging_to(self, log: LogFile) -> Iterator[None]:
        """Everything is written to `log`, what was said before it first. Closed at the end: what is said
        later is not written.
        """
        early, self._early = self._early, None
        for message in early or ():
            log(message)
        self.watchers.append(log)
        try:
            yield
        finally:
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
        for watch in tuple(self.watchers):
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
