"""Throwing a crash into an actor at a chosen moment, without the actor's help.

An actor is the task of its incarnation and every task that is started below it. The coroutine of each is
driven by a thin one of ours, which counts how often Trio resumes it: the actor's *schedule points*. When a
crash is pending, the next time Trio resumes a task of the actor it gets the crash instead of what it was
waiting for. A blocked actor is woken by a cancel scope; the Cancelled that Trio delivers is replaced by the
crash, so the actor dies of an ordinary exception. Inside a shield it dies when the shielded wait ends, as a
process would die with the answer unread.
"""

import gc
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable
from typing import Any

import trio


class InjectedCrash(Exception):
    """The crash a test throws."""


def _leaving_a_nursery(actor: Coroutine[Any, Any, Any]) -> bool:
    """Is the task waiting for the children of a nursery? There Trio itself is at work, and the crash must
    come with the cancellation instead.
    """
    inner: Any = actor
    while inner is not None:
        if isinstance(inner, types.CoroutineType):
            if inner.cr_code.co_name == "_nested_child_finished":
                return True
            inner = inner.cr_await
        elif isinstance(inner, types.AsyncGeneratorType):
            inner = inner.ag_await
        else:  # what awaits an asynchronous generator does not say which one; Trio finds it in the same way
            inner = next(
                (found for found in gc.get_referents(inner) if isinstance(found, types.AsyncGeneratorType)),
                None,
            )
    return False


def _only_cancelled(error: BaseException) -> bool:
    return isinstance(error, trio.Cancelled) or (
        isinstance(error, BaseExceptionGroup) and error.split(trio.Cancelled)[1] is None
    )


class CrashTarget:
    """One actor under fire; `crash` may be called from anywhere, any number of times."""

    def __init__(self, fire: "Fire") -> None:
        self.pending = False
        self.crashes = 0
        self.points = 0
        """Schedule points passed so far, over all tasks and incarnations."""
        self.due: set[int] = set()
        """Schedule points at which to crash."""
        self.struck: Callable[[], None] = lambda: None
        """Called when a crash strikes."""
        self.passed: Callable[[], None] = lambda: None
        """Called at every schedule point."""
        self._fire = fire
        self._scope: trio.CancelScope | None = None

    def crash(self) -> None:
        """Die at the next step."""
        self.pending = True
        if self._scope is not None:
            self._scope.cancel()

    def made(self) -> InjectedCrash:
        """The crash to throw now."""
        self.pending = False
        self.crashes += 1
        self.struck()
        return InjectedCrash()

    async def run(self, start: Callable[..., Awaitable[None]], task_status: trio.TaskStatus[None]) -> None:
        """Run one incarnation of the actor."""
        self._fire.owners[trio.lowlevel.current_task()] = self
        with trio.CancelScope() as self._scope:
            if self.pending:
                self._scope.cancel()
            await self.driven(start(task_status=task_status))  # type: ignore[arg-type]

    @types.coroutine
    def driven(self, actor: Coroutine[Any, Any, Any], *, first: bool = True) -> Generator[Any, Any, Any]:
        """The coroutine of one task of the actor, under fire. `crash` strikes its `first` task: below it
        somebody might catch it.
        """
        due, value = False, None
        error: BaseException | None = None
        while True:
            self.points += 1
            self.passed()
            due = due or self.points in self.due
            if (due or (first and self.pending)) and not _leaving_a_nursery(actor):
                due, error = False, self.made()
            try:
                waits_for = actor.throw(error) if error else actor.send(value)
            except StopIteration as returned:
                return returned.value
            except (trio.Cancelled, BaseExceptionGroup) as ended:
                if not (due or (first and self.pending)) or not _only_cancelled(ended):
                    raise
                raise self.made() from None
            value = error = None
            try:
                value = yield waits_for
            except BaseException as thrown:  # noqa: BLE001 - passed on to the actor
                error = thrown


async def _awaited(driven: Any) -> Any:
    """As a coroutine: Trio and others ask a task's coroutine for what only coroutines have."""
    return await driven


class Fire(trio.abc.Instrument):
    """All targets, by name. While Trio knows this instrument, whatever an actor starts is under fire with
    it.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.targets = {name: CrashTarget(self) for name in names}
        self.owners: dict[trio.lowlevel.Task, CrashTarget] = {}

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        """A task belongs to the actor that its nursery belongs to."""
        target = self.owners.get(task.parent_nursery.parent_task) if task.parent_nursery is not None else None
        if target is not None:
            self.owners[task] = target
            task.coro = _awaited(target.driven(task.coro, first=False))

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        """Forget it."""
        self.owners.pop(task, None)
