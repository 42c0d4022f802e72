"""Times public functions on the way of an entry, in the client's process. A function that has another name by
now ends the bench with a sentence: a hop that is silently missing would be added to its neighbour.
"""

import functools
import json
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import tap
import trio

SEAMS = {
    "decode": "venue.nado.streams:decode",
    "apply": "actors.market_data.actor:MarketState.take",
    "publish": "actors.market_data.actor:Feed.publish",
    "fold": "actors.ledger.clerk:Clerk.step",
    "decide": "actors.sizing.sizer:Sizer.step",
    "check": "actors.seal_gate:may_enter",
    "tell": "actors.tree:Channels.tell_three",
    "vote": "actors.leg:on_sealed",
    "ledger vote": "actors.ledger.clerk:vote",
    "commit": "actors.ledger.store:Store.append_all",
    "place": "actors.leg:on_place",
    "observe": "commands.run.recorder:Recorder.observe",
}
"""Where each is looked up by whoever calls it. Every call is noted; `hops.py` picks those of an entry."""
NOTED: list[tuple[str, int, int]] = []
"""Name, and `perf_counter_ns` before and after."""


class Turns(trio.abc.Instrument):
    """Task steps and turns of the event loop."""

    def __init__(self) -> None:
        self._began = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """A step begins."""
        self._began = time.perf_counter_ns()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """It has ended."""
        NOTED.append(("step", self._began, time.perf_counter_ns()))

    def after_io_wait(self, timeout: float) -> None:
        """One `epoll_wait` has returned."""
        now_ns = time.perf_counter_ns()
        NOTED.append(("wait", now_ns, now_ns))


def install(path: Path) -> None:
    """Wrap them all; what is noted is written to `path` when the process ends. Raises `SystemExit`."""
    for name, place in SEAMS.items():
        module, _, dotted = place.partition(":")
        try:
            owner: Any = import_module(module)
            *outer, last = dotted.split(".")
            for part in outer:
                owner = getattr(owner, part)
            setattr(owner, last, _timed(name, getattr(owner, last)))
        except (ImportError, AttributeError):
            raise SystemExit(
                f"the hop bench times {place}, which is not there any more: say in benches/tick/seams.py"
                f" what does the work of {name!r} now"
            ) from None
    trio.run = functools.partial(trio.run, instruments=[Turns()])
    leave = tap.os._exit

    def written(code: int) -> Any:
        path.write_text(json.dumps(NOTED))
        leave(code)

    tap.os._exit = written


def _timed(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(work)
    def timed(*given: Any, **named: Any) -> Any:
        began = time.perf_counter_ns()
        try:
            return work(*given, **named)
        finally:
            NOTED.append((name, began, time.perf_counter_ns()))

    return timed
