"""Throwing a crash into an actor at a chosen moment, without the actor's help.

The actor's coroutine is driven by a thin one of ours. When a crash is pending, the next time Trio resumes the actor it gets the crash instead of what
it was waiting for. A blocked actor is woken by a cancel scope; the Cancelled that Trio delivers is replaced by the crash, so the actor dies of an
ordinary exception. Inside a shield it dies when the shielded wait ends, as a process would die with the answer unread.
"""

import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

import trio


class InjectedCrash(Exception):
    """The crash a test throws."""


def _leaving_a_nursery(actor: Coroutine[Any, Any, None]) -> bool:
    """Is the actor waiting for the children of a nursery? There Trio itself is at work, and the crash must come with the cancellation instead."""
    inner: Any = actor
    while isinstance(inner, types.CoroutineType):
        if inner.cr_code.co_name == "_nested_child_finished":
            return True
        inner = inner.cr_await
    return False


def _only_cancelled(error: BaseException) -> bool:
    return isinstance(error, trio.Cancelled) or (isinstance(error, BaseExceptionGroup) and error.split(trio.Cancelled)[1] is None)


class Target:
    """One actor under fire; `crash` may be called from anywhere, any number of times."""

    def __init__(self) -> None:
        self.pending = False
        self.crashes = 0
        self._scope: trio.CancelScope | None = None

    def crash(self) -> None:
        """Die at the next step."""
        self.pending = True
        if self._scope is not None:
            self._scope.cancel()

    async def run(self, start: Callable[..., Awaitable[None]], task_status: trio.TaskStatus[None]) -> None:
        """Run one incarnation of the actor."""
        with trio.CancelScope() as self._scope:
            if self.pending:
                self._scope.cancel()
            await self._driven(start(task_status=task_status))  # type: ignore[arg-type]

    @types.coroutine
    def _driven(self, actor: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
        value: Any = None
        error: BaseException | None = None
        while True:
            if self.pending and not _leaving_a_nursery(actor):
                self.pending, error = False, InjectedCrash()
                self.crashes += 1
            try:
                waits_for = actor.throw(error) if error else actor.send(value)
            except StopIteration:
                return
            except (trio.Cancelled, BaseExceptionGroup) as ended:
                if not self.pending or not _only_cancelled(ended):
                    raise
                self.pending = False
                self.crashes += 1
                raise InjectedCrash from None
            value = error = None
            try:
                value = yield waits_for
            except BaseException as thrown:  # noqa: BLE001 - passed on to the actor
                error = thrown
