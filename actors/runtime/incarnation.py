"""One life of a child: the task it lives in, when it is up, and what its end is called."""

import contextvars
from collections.abc import Callable, Iterator

import trio

from actors.runtime.specs import ChildSpec, Fatal, Killed, NotStarted, Stalled

_CRASH = 2
"""Rank of an ordinary crash: after what passes through (0) and `Fatal` (1)."""


class Incarnation:
    """One life of a child, numbered from 1. It is the `task_status` that the child is given."""

    def __init__(self, spec: ChildSpec, number: int) -> None:
        self.spec = spec
        self.number = number
        self.scope = trio.CancelScope(shield=True)
        self.up = False
        """It said that it has started."""
        self.settled = trio.Event()
        """It is up, or gone before it was."""
        self.ended = trio.Event()
        self.error: BaseException | None = None
        """How it ended: None when it returned, or was told to stop and did."""
        self.abandoned = False
        """It does not stop, and nobody waits for it any longer."""
        self._doom: Killed | Stalled | NotStarted | None = None

    def begin(self, report: Callable[["Incarnation"], None]) -> None:
        """Start the task, among Trio's own: nothing but `scope` ends it, and no nursery of ours has to wait for it. `report` is called at its end."""
        trio.lowlevel.spawn_system_task(self._live, report, name=self.spec.name, context=contextvars.copy_context())

    def started(self, value: None = None) -> None:
        """The child is ready: the next one may be started."""
        self.up = True
        self.settled.set()

    def condemn(self, doom: Killed | Stalled | NotStarted) -> bool:
        """End it, under this name. False when it has ended or was told to stop already."""
        if self.ended.is_set() or self.scope.cancel_called:
            return False
        self._doom = doom
        self.scope.cancel()
        return True

    async def _live(self, report: Callable[["Incarnation"], None]) -> None:
        raised: BaseException | None = None
        try:
            with self.scope:
                await self.spec.start(task_status=self)
        except BaseException as error:  # noqa: BLE001 - the one place where whatever ends an actor becomes a fact about it
            raised = error
        self.error = self._verdict(None if raised is None else essence(raised))
        self.ended.set()
        self.settled.set()
        report(self)

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

    The one that has to pass through when there is one, the single member of a group of one; else the group without its cancellations.
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
