"""Asking again: one loop for what may fail and one for what changes without an event. Neither has an end of
its own: whoever calls bounds the wait (`trio.move_on_after`), or `failed` raises.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

T = TypeVar("T")


async def retried(
    attempt: Callable[[], Awaitable[T]],
    on: type[Exception],
    pause_s: float,
    failed: Callable[[Exception], object] = lambda _error: None,
) -> T:
    """The result of `attempt`, made again `pause_s` after each failure of type `on`, which `failed` is told.
    Raises whatever else it raises, and what `failed` raises.
    """
    while True:
        try:
            return await attempt()
        except on as error:
            failed(error)
        await trio.sleep(pause_s)


async def until(condition: Callable[[], bool], every_s: float) -> None:
    """Wait until `condition()` holds, looking every `every_s`: for what another process changes, or a library
    without an event for it.
    """
    while not condition():  # noqa: ASYNC110 - there is no event for it
        await trio.sleep(every_s)
