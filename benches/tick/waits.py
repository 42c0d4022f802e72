"""Notes when each `epoll_wait` returned, in the client's process, and what processor time the first quote had
taken. Knows Trio, and one function of Evenkeel.
"""

import functools
import json
import time
from pathlib import Path
from typing import Any

import tap
import trio

RETURNED: list[int] = []


class Waits(trio.abc.Instrument):
    """Turns of the event loop: one `epoll_wait` each."""

    def after_io_wait(self, timeout: float) -> None:
        """One has returned."""
        RETURNED.append(time.perf_counter_ns())


def install(path: Path) -> None:
    """Begin; the times are written to `path` when the process ends."""
    trio.run = functools.partial(trio.run, instruments=[Waits()])
    leave = tap.os._exit

    def written(code: int) -> Any:
        path.write_text(json.dumps(RETURNED))
        leave(code)

    tap.os._exit = written


def first_quote(path: Path) -> None:
    """Write the processor seconds of this process at the first quote to `path`. Raises `SystemExit` where
    the function that publishes is not there.
    """
    from actors.market_data import actor  # noqa: PLC0415 - the checkout's own

    if not hasattr(getattr(actor, "Feed", None), "publish"):
        raise SystemExit(
            "actors.market_data.actor:Feed.publish is not there any more: say in benches/tick/waits.py what"
            " publishes a quote now"
        )
    publish = actor.Feed.publish

    def noted(feed: actor.Feed) -> None:
        publish(feed)
        if feed.out.value is not None and not path.exists():
            path.write_text(str(time.process_time()))

    actor.Feed.publish = noted  # type: ignore[method-assign]
