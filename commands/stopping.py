"""SIGINT, SIGTERM and SIGHUP, from the first statement of the process until its end: every one is heard, none
ends the process by itself.

The first asks for the end: no new entries, close both legs. The second stops waiting, whatever is being
waited for. Who has to act on them changes as a run goes on: its start, its machine, ESCAPE; `hear` says who
it is now. Handlers of our own and not Trio's receiver, because what comes while the summary is printed must
not take the exit code away; before and after `Stops` they are `signals.SO_FAR`'s, which only counts.
"""

import signal
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import FrameType
from typing import Any, Self, TypeVar

import trio

from commands.output.words import Problem, stopped_code
from commands.signals import SIGNALS, SO_FAR

T = TypeVar("T")
Act = Callable[[signal.Signals, int], None]
"""Called in Trio with a signal and how many have come so far, this one included."""


class Stops:
    """All signals of one run. In `with` around everything, `trio.run` included."""

    def __init__(self) -> None:
        self.first: signal.Signals | None = None
        self.count = 0
        self._act: Act | None = None
        self._token: trio.lowlevel.TrioToken | None = None

    def __enter__(self) -> Self:
        # Python hears signals in the main thread alone: elsewhere (a worker of somebody's pool) none comes.
        heard = SIGNALS if threading.current_thread() is threading.main_thread() else ()
        self._before: list[tuple[signal.Signals, Any]] = [
            (number, signal.signal(number, self.came)) for number in heard
        ]
        if SO_FAR.count:  # while Python was still importing
            self.count += SO_FAR.count
            self.first = self.first or signal.Signals(SO_FAR.first)
        return self

    def __exit__(self, *_details: object) -> None:
        """The exit code is decided. In a process of ours `SO_FAR` goes on counting: what comes now changes
        nothing any more.
        """
        for number, before in self._before:
            signal.signal(number, before)

    def came(self, number: int, _frame: FrameType | None) -> None:
        """The handler. It may run between any two instructions, so that all it does is count and wake Trio
        up.
        """
        self.count += 1
        self.first = self.first or signal.Signals(number)
        if self._token is not None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._tell, signal.Signals(number), self.count)

    def hear(self, act: Act | None) -> None:
        """From now on `act` hears of every signal; if there has been one already, at once. Called in Trio."""
        self._act = act
        self._token = self._token or trio.lowlevel.current_trio_token()
        if self.first is not None:
            self._tell(self.first, self.count)

    def _tell(self, number: signal.Signals, count: int) -> None:
        if self._act is not None:
            self._act(number, count)


class Stopped(Problem):
    """A signal ended a command; `first` is its number, of several the first."""

    ended_by = "signal"

    def __init__(
        self,
        first: int | None,
        message: str = "stopped",
        meaning: str = "what was sent before is in the ledger",
        cure: str = "",
    ) -> None:
        super().__init__("STOPPED", None, message, cure, meaning)
        self.exit_code = stopped_code(first or signal.SIGINT)


def until_stopped(work: Callable[[], Awaitable[T]]) -> T:
    """`trio.run(work)`, ended by the first signal. Raises `Stopped`, and what `work` raises."""

    async def stoppable() -> list[T]:
        with trio.CancelScope() as scope:
            stops.hear(lambda _number, _count: scope.cancel())
            return [await work()]
        return []

    with Stops() as stops:
        done = trio.run(stoppable)
    if not done:
        raise Stopped(stops.first)
    return done[0]


class StoppedAtStart(Stopped):
    """A signal before the machine ran: it was not waited for. What is open by the files beats its exit
    code (`verdict.py`).
    """

    def __init__(self, first: int | None) -> None:
        super().__init__(first, "stopped while starting", "nothing was sent")
