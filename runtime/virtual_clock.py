"""Virtual time: Trio's clock jumps to the next deadline as soon as nobody can run. What waits an hour waits
no longer than it takes to look; nothing here reads a clock of the machine.

The jump is made where Trio asks how long it may sleep, which it does only when no task is runnable. So there
is no autojump as `trio.testing.MockClock` has, which costs a second turn of the loop for every deadline. It
suits only what waits for deadlines and for its own tasks: what a thread, a socket or another process is to
bring would be overtaken by every deadline there is.
"""

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from runtime.timetable import Timetable

ACTS_MAX = 1_000
"""Acts between two turns of Trio's loop where none says that it has woken somebody: in a turn signals are
heard, and whoever was woken without a word runs.
"""


class VirtualClock(trio.abc.Clock):
    """Seconds from 0; give it to `trio.run`. Two runs of the same tasks see the same times.

    `timetable`: what is done in between, by the clock itself, each act at its moment; time stands still from
    the act that wakes somebody until nobody can run again.
    """

    def __init__(self, timetable: Timetable | None = None) -> None:
        self._now_s = 0.0
        self._timetable = timetable or Timetable()

    def start_clock(self) -> None:
        """Trio's run begins; time stands at 0 until somebody waits."""

    def current_time(self) -> float:
        """The virtual time, in seconds since the run began."""
        return self._now_s

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Trio asks how long it may sleep: it need not, it is `deadline` already, or an act before that has
        woken somebody. Without deadlines and acts only a signal can come, and that is waited for.
        """
        timetable = self._timetable
        for _ in range(ACTS_MAX):
            due_s = timetable.due_s
            # What is due at one moment is done before anybody it wakes can run.
            if timetable.woken and due_s > self._now_s:
                timetable.woken = False
                return 0.0
            if due_s > deadline or due_s == math.inf:
                break
            self._now_s = max(self._now_s, due_s)
            timetable.step()
        else:
            return 0.0
        if deadline == math.inf:
            return math.inf
        self._now_s = max(self._now_s, deadline)
        return 0.0


@contextmanager
def ordered(seed: int) -> Iterator[None]:
    """Inside, Trio's choice among runnable tasks is a function of `seed`: a run on virtual time repeats
    itself byte for byte. Raises `AttributeError` when Trio renames what this needs.
    """
    core = trio._core._run
    before, chance = core._ALLOW_DETERMINISTIC_SCHEDULING, core._r
    if not isinstance(chance, random.Random):
        raise AttributeError("trio._core._run._r is no longer a random.Random")
    core._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    core._r = random.Random(f"scheduler {seed}")  # noqa: S311 - an order, not a secret
    try:
        yield
    finally:
        core._ALLOW_DETERMINISTIC_SCHEDULING, core._r = before, chance  # type: ignore[misc]
