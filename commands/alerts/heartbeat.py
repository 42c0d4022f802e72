"""A dead man's switch: an address that is asked for as long as the run lives. Who serves it (healthchecks.io,
a monitor of yours) alerts when it is not asked any more: also when this machine, its network or all of its
power is gone, which nothing on it can tell.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from commands.alerts.post import NotSent, judged, request

if TYPE_CHECKING:
    import httpx


async def beat_outside(
    client: "httpx.AsyncClient",
    url: str,
    every_s: float,
    alive: Callable[[], bool],
    failed: Callable[[str], object],
) -> None:
    """Ask `url` every `every_s` while `alive()`, until cancelled; `failed(why)` is told of a failure."""
    while True:
        if alive():
            try:
                judged(await request(client, "GET", url))
            except NotSent as error:
                failed(str(error))
        await trio.sleep(every_s)
