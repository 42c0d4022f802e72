"""Acts that are due at moments of Trio's clock, oldest first; of one moment, in the order of their coming.

For what only has to be done, and waits for nobody: an exchange whose market moves on. A task of its own keeps
it (`keep`), or on virtual time the clock itself, between two jumps (`virtual_clock.py`): an act then costs
its own time and no turn of Trio's loop.
"""

import math
from collections.abc import Callable
from heapq import heappop, heappush

import trio

Act = Callable[[], None]
"""Returns at once. It may put further acts into the timetable. One that wakes tasks (by an event, a channel)
says so: `Timetable.woken`.
"""


class Timetable:
    """What is to be done, and when; times are Trio's, in seconds."""

    def __init__(self) -> None:
        self._acts: list[tuple[float, int, Act]] = []
        self._number = 0
        self.woken = False
        """Has an act woken somebody, who must run before time goes on?"""
        self._added = trio.Event()
        self._failed = trio.Event()
        self._failure: Exception | None = None

    @property
    def due_s(self) -> float:
        """When the next act is due; never while there is none."""
        return self._acts[0][0] if self._acts else math.inf

    def at(self, when_s: float, act: Act) -> None:
        """Do `act` at `when_s`; at once where that has passed."""
        self._number += 1
        heappush(self._acts, (when_s, self._number, act))
        if self._acts[0][1] == self._number:
            self._added.set()

    def every(self, seconds: float, act: Act) -> None:
        """Do `act` again and again, the first time in `seconds`."""

        def again() -> None:
            self.at(trio.current_time() + seconds, again)
            act()

        self.at(trio.current_time() + seconds, again)

    async def pause(self, seconds: float) -> None:
        """As `trio.sleep`, by an act that wakes the task up: without the scope, the deadline and the
        exception that end a sleep of Trio's, which cost more than most of what is waited for here.
        """
        if seconds <= 0:
            await trio.lowlevel.checkpoint()
            return
        task, waits = trio.lowlevel.current_task(), True

        def wake() -> None:
            if waits:
                self.woken = True
                trio.lowlevel.reschedule(task)

        def abort(_raise_cancel: object) -> trio.lowlevel.Abort:
            nonlocal waits
            waits = False
            return trio.lowlevel.Abort.SUCCEEDED

        self.at(trio.current_time() + seconds, wake)
        await trio.lowlevel.wait_task_rescheduled(abort)

    def step(self) -> None:
        """Do the next act. What it raises is raised by `keep` or `watch`, and nothing is done after it."""
        _, _, act = heappop(self._acts)
        try:
            act()
        except Exception as error:  # noqa: BLE001 - inside Trio's clock nothing may be raised: `watch` does
            self._failure = error
            self._acts.clear()
            self._failed.set()
            self.woken = True

    async def keep(self) -> None:
        """Do everything when it is due, for ever. Raises what an act raises."""
        while self._failure is None:
            self._added = trio.Event()
            with trio.move_on_at(self.due_s):
                await self._added.wait()
            while self.due_s <= trio.current_time():
                self.step()
                await trio.lowlevel.checkpoint()
        raise self._failure

    async def watch(self) -> None:
        """While somebody else does it all: wait for ever. Raises what an act has raised."""
        await self._failed.wait()
        if self._failure is not None:
            raise self._failure
