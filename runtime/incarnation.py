"""One life of a child: the task it lives in, when it is up, how it is stopped, and what its end is called."""

import contextvars
import traceback
from collections.abc import Callable, Iterator

import trio

from runtime.specs import (
    ChildSpec,
    ChildStarted,
    Event,
    Exited,
    Fatal,
    Killed,
    NotStarted,
    Overdue,
    Stalled,
    Stuck,
    told,
)

_CRASH = 2
"""Rank of an ordinary crash: after what passes through (0) and `Fatal` (1)."""


SECOND_WAIT_S = 1.0
"""The least time between reporting a child that does not stop and abandoning it."""


class Incarnation:
    """One life of a child, numbered from 1. It is the `task_status` that the child is given.

    `report` is called with it when it is condemned and when it has ended, so at most twice. `tell` hears of
    its start and its end.
    """

    def __init__(
        self,
        spec: ChildSpec,
        number: int,
        supervisor: str,
        report: Callable[["Incarnation"], None],
        tell: Callable[[Event], None],
    ) -> None:
        self.spec = spec
        self.scope = trio.CancelScope(shield=True)
        self.up = False
        """It said that it has started."""
        self.ended = trio.Event()
        self.error: BaseException | None = None
        """How it ended: None when it returned, or was told to stop and did; `Stuck` when it is abandoned."""
        self.abandoned = False
        """It does not stop, and nobody waits for it any longer."""
        self._who = (supervisor, spec.name, number)
        self._report = report
        self._tell = tell
        self._settled = trio.Event()
        """It is up, or gone before it was."""
        self._doom: Killed | Stalled | NotStarted | None = None

    @property
    def running(self) -> bool:
        """It has started, has not ended and was not told to stop."""
        return self.up and not self.ended.is_set() and not self.scope.cancel_called

    def started(self, value: None = None) -> None:
        """The child is ready: the next one may be started."""
        self.up = True
        self._settled.set()

    async def start(self) -> None:
        """Begin, and wait until it is up, gone, or condemned for taking too long.

        The task is one of Trio's own: nothing but `scope` ends it, and no nursery of ours has to wait for it.
        """
        trio.lowlevel.spawn_system_task(self._live, name=self.spec.name, context=contextvars.copy_context())
        with trio.move_on_after(self.spec.start_s):
            await self._settled.wait()
        if self.up:
            self._tell(ChildStarted(*self._who))
        else:
            self.condemn(NotStarted(f"{self.spec.name} did not start within {self.spec.start_s:g} s"))

    def condemn(self, doom: Killed | Stalled | NotStarted) -> bool:
        """End it, under this name. False when it has ended or was told to stop already."""
        if self.ended.is_set() or self.scope.cancel_called:
            return False
        self._doom = doom
        self.scope.cancel()
        self._report(self)
        return True

    async def stop(self) -> None:
        """Cancel it and wait for as long as it may take; then it is gone and told of, or abandoned."""
        self.scope.cancel()
        first_s, second_s = self.spec.shutdown_s, max(SECOND_WAIT_S, self.spec.shutdown_s)
        if not await self._gone_within(first_s):
            self._tell(Overdue(*self._who, first_s, abandoned=False))
            self.abandoned = not await self._gone_within(second_s)
        if self.abandoned:
            self.error = Stuck(
                f"{self.spec.name} still runs {first_s + second_s:g} s after it was told to stop"
            )
            self._tell(Overdue(*self._who, first_s + second_s, abandoned=True))
        else:
            trace = "".join(traceback.format_exception(self.error)) if self.error else ""
            self._tell(Exited(*self._who, told(self.error) if self.error else "", trace))

    async def _gone_within(self, seconds: float) -> bool:
        with trio.move_on_after(seconds):
            await self.ended.wait()
        return self.ended.is_set()

    async def _live(self) -> None:
        raised: BaseException | None = None
        try:
            with self.scope:
                await self.spec.start(task_status=self)
        except BaseException as error:  # noqa: BLE001 - the one place where whatever ends an actor becomes a fact about it
            raised = error
        self.error = self._verdict(None if raised is None else essence(raised))
        self.ended.set()
        self._settled.set()
        self._report(self)

    def _verdict(self, error: BaseException | None) -> BaseException | None:
        if error is not None and is_loud(error):
            return error
        if self._doom is not None:
            self._doom.__cause__ = error
            return self._doom
        if error is None and not self.up and not self.scope.cancel_called:
            return NotStarted(f"{self.spec.name} returned before it said that it had started")
        return error


def is_loud(error: BaseException) -> bool:
    """Whether an error goes up at once instead of being a crash that a restart may cure."""
    return _rank(error) < _CRASH


def essence(error: BaseException) -> BaseException | None:
    """What went wrong, out of the groups that nurseries wrap around it. None when it was only a cancellation.

    The one that has to pass through when there is one, the single member of a group of one; else the group
    without its cancellations.
    """
    rest = None if isinstance(error, trio.Cancelled) else error
    if isinstance(error, BaseExceptionGroup):
        _, rest = error.split(trio.Cancelled)
    if rest is None:
        return None
    members = list(_members(rest))
    worst = min(members, key=_rank)
    return worst if len(members) == 1 or is_loud(worst) else rest


def _members(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _members(each)
    else:
        yield error


def _rank(error: BaseException) -> int:
    if not isinstance(error, Exception):
        return 0
    return 1 if isinstance(error, Fatal) else _CRASH
