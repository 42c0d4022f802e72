"""A stage for supervision tests: children that do what a script says in each of their lives, and a log of
what really happened, on virtual time.
"""

import math
import random
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from runtime.pulse import LOOK_S, Watch
from runtime.specs import ChildSpec, Event, GaveUp, Restart, SupervisorSpec
from runtime.supervision import Supervisor

Started = Callable[[], None]
Life = Callable[[Started], Awaitable[None]]


class Boom(Exception):
    """An ordinary crash."""


async def lives(started: Started) -> None:
    started()
    await trio.sleep_forever()


def crashes(after_s: float, error: BaseException | None = None) -> Life:
    async def life(started: Started) -> None:
        started()
        await trio.sleep(after_s)
        raise error or Boom("boom")

    return life


def returns(after_s: float) -> Life:
    async def life(started: Started) -> None:
        started()
        await trio.sleep(after_s)

    return life


async def fails_to_start(started: Started) -> None:
    raise Boom("cannot start")


async def never_ready(started: Started) -> None:
    await trio.sleep_forever()


def ready_after(seconds: float) -> Life:
    async def life(started: Started) -> None:
        await trio.sleep(seconds)
        await lives(started)

    return life


def tidies(seconds: float) -> Life:
    """Lives, and takes so long to clean up when it is cancelled."""

    async def life(started: Started) -> None:
        try:
            await lives(started)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(seconds)

    return life


def deaf(until_s: float) -> Life:
    """Swallows every cancellation for so long."""

    async def life(started: Started) -> None:
        started()
        end = trio.current_time() + until_s
        while trio.current_time() < end:
            try:
                await trio.sleep(end - trio.current_time())
            except trio.Cancelled:
                with trio.CancelScope(shield=True):
                    await trio.sleep(min(0.01, end - trio.current_time()))

    return life


class Stage:
    """Runs a supervisor and remembers: `log` has "+name" for each start and "-name" for each end, `times`
    says when.
    """

    def __init__(self) -> None:
        self.times: list[tuple[float, str]] = []
        self.events: list[Event] = []
        self.living: set[str] = set()
        self.supervisor: Supervisor
        self._began = 0.0

    @property
    def log(self) -> list[str]:
        return [what for _, what in self.times]

    def at(self, what: str) -> list[float]:
        """When it happened, in seconds since the supervisor began."""
        return [time for time, happened in self.times if happened == what]

    def told(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def child(self, name: str, *script: Life, restart: Restart = "permanent", **options: Any) -> ChildSpec:
        """A child that plays one of `script` in each life, and lives on when there is none left."""
        rest = list(script)

        async def start(*, task_status: trio.TaskStatus[None]) -> None:
            self._note("+", name)
            self.living.add(name)
            try:
                await (rest.pop(0) if rest else lives)(task_status.started)
            finally:
                self.living.discard(name)
                self._note("-", name)

        return ChildSpec(name, start, restart, **options)

    def spec(
        self,
        *children: ChildSpec,
        name: str = "top",
        strategy: Any = "one_for_one",
        limits: Any = (10, 60.0),
        **options: Any,
    ) -> SupervisorSpec:
        return SupervisorSpec(name, strategy, *limits, children, on_event=self.events.append, **options)

    async def run(self, *children: ChildSpec, for_s: float = 1000.0, **options: Any) -> BaseException | None:
        """Run a supervisor of `children` for so long, then stop it; how it ended by itself, or None."""
        self.supervisor = Supervisor(self.spec(*children, **options), rng=random.Random(1))
        self._began = trio.current_time()
        with trio.move_on_after(for_s):
            try:
                await self.supervisor.run()
            except BaseException as error:
                if isinstance(error, trio.Cancelled) and trio.current_effective_deadline() == -math.inf:
                    raise
                return error
        return None

    def _note(self, sign: str, name: str) -> None:
        self.times.append((round(trio.current_time() - self._began, 6), sign + name))


def gave_up(error: BaseException | None) -> GaveUp:
    assert isinstance(error, GaveUp), repr(error)
    return error


async def noticed(watch: Watch, within_s: float) -> float | None:
    """Look ten times a second, for so long: after how many seconds somebody stalled; None when nobody did."""
    began = trio.current_time()
    while trio.current_time() < began + within_s:
        await trio.sleep(LOOK_S)
        if list(watch.stalled(trio.current_time(), lambda name: True)):
            return round(trio.current_time() - began, 3)
    return None
