"""Going on after any failure of what one calls: for ESCAPE and the guard, which must not end while something
is open.

They stand behind everything else, so nothing that fails below them may end them: not a library's ValueError
inside a group of a connection that was being made, not MemoryError or RecursionError, and not a SystemExit or
KeyboardInterrupt that a library raises (signals reach a run and its guard as messages, never as
KeyboardInterrupt). What passes through: a cancellation, the closing of a generator, and the errors that the
caller names.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import trio

from runtime.specs import told

T = TypeVar("T")
Failed = Callable[[str], object]
"""Told what failed, in one line. What it raises itself is dropped."""
LINE_MAX = 300
"""Characters of an error that are kept: an exception may quote whatever the other side has sent."""


async def outlive(
    step: Callable[[], Awaitable[T]], failed: Failed, *, but: tuple[type[BaseException], ...] = ()
) -> T | None:
    """The result of `step`; None after it has failed, which `failed` is told.

    Raises a cancellation, and what of a failure is one of `but`. A group of a cancellation and a failure is a
    failure: if the cancellation is meant for us, Trio delivers it again at the checkpoint that follows.
    """
    try:
        return await step()
    except BaseException as error:  # the purpose of this file: what is called may fail in any way
        passes = _passing(error, but)
        if passes is error:
            raise
        if passes is not None:
            raise passes from error
        words = one_line(error)
    outlive_call(lambda: failed(words))
    await trio.lowlevel.checkpoint_if_cancelled()
    return None


def outlive_call(call: Callable[[], T], failed: Failed | None = None) -> T | None:
    """The same for a call that does not wait."""
    try:
        return call()
    except BaseException as error:  # as above
        if isinstance(error, trio.Cancelled | GeneratorExit):
            raise
        words = one_line(error)
    if failed is not None:
        outlive_call(lambda: failed(words))
    return None


def one_line(error: BaseException) -> str:
    """What failed, in one line of bounded length, also where saying so fails."""
    try:
        words = " ".join(told(error).split())
    except Exception:  # noqa: BLE001 - an exception's own words may raise anything
        return type(error).__name__
    return words if len(words) <= LINE_MAX else words[:LINE_MAX] + "..."


def _passing(error: BaseException, but: tuple[type[BaseException], ...]) -> BaseException | None:
    """What must pass through; None when `error` is a failure to outlive."""
    if not isinstance(error, BaseExceptionGroup):
        return error if isinstance(error, (trio.Cancelled, GeneratorExit, *but)) else None
    members = tuple(_members(error))
    named = next((each for each in members if isinstance(each, (GeneratorExit, *but))), None)
    if named is not None:
        return named
    return error if all(isinstance(each, trio.Cancelled) for each in members) else None


def _members(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """Every exception in it, those of groups inside it included."""
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _members(each)
        else:
            yield each
