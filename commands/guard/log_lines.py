"""What a guard says: lines like those of `evenkeel.log`, on standard error, which its run writes to
`guard.log`.

A guard may try for days, so what it hears from below is said once in `AGAIN_S` and is limited altogether;
what it decides itself is always said.
"""

import sys
from collections.abc import Callable
from typing import Literal

import msgspec
import trio

from commands.output.words import say
from commands.run.logfile import line_of
from messages.lifecycle import Note
from runtime.clock import Clock, WallClock
from runtime.outlive import outlive_call

AGAIN_S = 600.0
"""The same words are said again after this long, and the lines of this long are counted together."""
LINES_MAX = 120
"""Lines in `AGAIN_S`, of what is heard from below."""

Level = Literal["debug", "info", "warning", "error"]


class GuardWords:
    """One guard's lines. Never raises: a log that cannot be written stops nothing."""

    def __init__(
        self, clock: Clock | None = None, write: Callable[[str], object] = lambda line: say(sys.stderr, line)
    ) -> None:
        self._clock = clock or WallClock()
        self._write = write
        self._said: dict[tuple[str, str], float] = {}
        self._since_s = 0.0
        self._left_out = 0

    def say(self, text: str, level: Level = "info", *, once: bool = False) -> None:
        """A line of the guard's own. `once`: as what is heard from below."""
        act = self._heard if once else self._line
        outlive_call(lambda: act(Note(self._clock.utc_ns(), level, "guard", text)))

    def heard(self, message: msgspec.Struct) -> None:
        """An observer (`Observe`): notes from below, as far as they are new."""
        if isinstance(message, Note) and message.level != "debug":
            outlive_call(lambda: self._heard(message))

    def _heard(self, note: Note) -> None:
        now_s = trio.current_time()
        if now_s - self._since_s >= AGAIN_S:
            if self._left_out:
                self.say(f"{self._left_out} more lines in the last {AGAIN_S:g} s")
            self._said.clear()
            self._since_s, self._left_out = now_s, 0
        what = note.source, note.text
        if what in self._said:
            return
        if len(self._said) >= LINES_MAX:
            self._left_out += 1
            return
        self._said[what] = now_s
        self._line(note)

    def _line(self, note: Note) -> None:
        line = line_of(note, self._clock)
        if line is not None:
            self._write(line[1])
