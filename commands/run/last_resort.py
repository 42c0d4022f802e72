"""The last resort: when trading is dead the process ends, in bounded time and with the right exit code,
whatever the emergency close does.

The emergency close (ESCAPE, the journal, the last reading, the summary) can fail, wait for ever, or block in
a call that no cancellation reaches, and `trio.run` waits for a task that ignores its cancellation. So it is
bounded twice:

- `attempt` gives one step its time. What it raises is noted, and the next step is taken all the same.
- `arm` starts a thread that knows no Trio. When the whole time is over it says what is known, the first cause
  first, and ends the process by `os._exit`: no `finally` runs, which is the point. The venue's child ends
  with our end of its standard input, the lock goes with the process.
"""

import os
import sys
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import trio

from commands.output.run_json import failure_json, json_line
from commands.output.streams import finish
from commands.output.words import HALTED, OPEN, Problem, say
from runtime.specs import told

T = TypeVar("T")

SPEAK_S = 2.0
"""How long saying it may take: a pipe that nobody reads must not keep the process."""
CURSOR = "\x1b[?25h"
"""Shows the cursor again, which the live screen hides."""


class Halt(Problem):
    """Trading is over for a person to look at; flat."""

    exit_code = HALTED
    ended_by = "halt"
    settled = True


class NotFlat(Halt):
    """The same, and something is open or unknown."""

    exit_code = OPEN


class LastResort:
    """One emergency close. In `with` around everything, `trio.run` included; armed only when trading is dead.

    `open_legs` is what is known to be open, in words, "" when the venue has said flat; whoever learns more
    writes it here.
    """

    def __init__(
        self,
        *,
        json: bool = False,
        speak: Callable[[Problem], None] | None = None,
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        self.open_legs = "unknown"
        self.trouble: list[str] = []
        """What went wrong during the emergency close, in order."""
        self._speak = speak or partial(spoken, json=json)
        self._leave = leave
        self._cause = self._cure = self._doing = ""
        self._timer: threading.Timer | None = None

    def __enter__(self) -> "LastResort":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """The process comes to its end by itself. Raises `Halt` or `NotFlat` instead of what failed during
        the close: they know the exit code.
        """
        if self._timer is None:
            return
        self._timer.cancel()
        if isinstance(error, Exception):
            self.trouble.append(told(error))
            raise self.problem() from error

    def arm(self, cause: str, cure: str, within_s: float) -> None:
        """Be gone in `within_s` seconds. Only the first call counts: neither the cause nor the time is
        replaced by what goes wrong later.
        """
        if self._timer is None:
            self._cause, self._cure = cause, cure
            self._start(within_s)

    def hurry(self, within_s: float) -> None:
        """All that was to be done is done: from now on only this long. Nothing when it was not armed."""
        if self._timer is not None:
            self._timer.cancel()
            self._doing = "leaving"
            self._start(within_s)

    def _start(self, within_s: float) -> None:
        self._timer = threading.Timer(within_s, self._end, (within_s,))
        self._timer.daemon = True
        self._timer.start()

    async def attempt(self, doing: str, within_s: float, step: Callable[[], Awaitable[T]]) -> T | None:
        """One step of the close: its result, or None after it has failed or used up its time, which is
        noted in `trouble`.
        """
        self._doing = doing
        with trio.move_on_after(within_s) as scope:
            try:
                return await step()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next step must be taken
                self.trouble.append(f"{doing} failed: {told(error)}")
        if scope.cancelled_caught:
            self.trouble.append(f"{doing} did not end within {within_s:g} s")
        return None

    def problem(self) -> Problem:
        """What to tell a person: the first cause, then what went wrong after it."""
        message = "; ".join([self._cause, *self.trouble])
        if self.open_legs:
            return NotFlat("NOT_FLAT", None, message, self._cure, f"open or unknown: {self.open_legs}")
        return Halt("HALTED", None, message, self._cure, "flat at the venue")

    def _end(self, within_s: float) -> None:
        self.trouble.append(
            f"the emergency close did not end within {within_s:g} s"
            + (f", it was in: {self._doing}" if self._doing else "")
        )
        problem = self.problem()
        speaker = threading.Thread(target=self._speak, args=(problem,), daemon=True)
        speaker.start()
        speaker.join(SPEAK_S)
        self._leave(problem.exit_code)


def spoken(problem: Problem, *, json: bool) -> None:
    """Its sentence on standard error; with `json` its object as the last line of standard output."""
    say(sys.stderr, (CURSOR if sys.stderr and sys.stderr.isatty() else "") + problem.sentence)
    if json:
        say(sys.stdout, json_line(failure_json(problem)))
    finish(SPEAK_S)
