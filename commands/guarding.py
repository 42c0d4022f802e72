"""A run's side of its guard: start it, keep it alive, and let it go when nothing is open any more."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

from actors.runtime.clock import WallClock
from actors.runtime.heartbeat import BEAT_S, Heartbeat
from actors.runtime.state import BEAT
from actors.tree import World
from commands.child import SUPERVISOR
from commands.config import Loaded, printed
from commands.options import RunOptions
from messages.lifecycle import Note

LIVES = 3
"""A guard that ends before its run is started again, but not for ever."""
AGAIN_S = 1.0
GONE_S = 2.0
"""How long a guard may take to notice that it is not needed any more."""


class Guarded:
    """What a run knows of its guard. `words` is for the screen."""

    def __init__(self, heartbeat: Heartbeat | None = None) -> None:
        self.heartbeat = heartbeat
        self.words = "guard off"
        self.needless = heartbeat is None
        """Nothing is open: the guard may go with the run."""

    def beat(self, now_s: float) -> None:
        """The supervisor's loop is alive."""
        if self.heartbeat is not None:
            self.heartbeat.beat(now_s)

    async def beat_for_ever(self) -> None:
        """While the way out is at work, which has bounds of its own."""
        while True:
            self.beat(trio.current_time())
            await trio.sleep(BEAT_S)


@asynccontextmanager
async def guarded(known: World, options: RunOptions) -> AsyncIterator[Guarded]:
    """Run under a guard, if one is wanted and could do something: a venue of our own dies with us.

    Left with something open, the guard is left behind: it acts when the heartbeat has been silent for `dead_man`.
    """
    if not (known.url and known.settings.guard.enabled):
        yield Guarded()
        return
    run = f"{os.getpid()}-{WallClock().utc_ns()}"
    guard = Guarded(Heartbeat(known.state.beside(BEAT), run))
    assert guard.heartbeat is not None  # noqa: S101 - given in the line above
    guard.heartbeat.begin()
    async with trio.open_nursery() as nursery:
        await nursery.start(_keep, known, _command(known, options, run), guard)
        try:
            yield guard
        finally:
            if guard.needless:
                guard.heartbeat.end()
            nursery.cancel_scope.cancel()


def _command(known: World, options: RunOptions, run: str) -> list[str]:
    """The guard's command line. Its configuration is this run's effective one, in a file of its own; no key is in it."""
    file = known.state.beside(".guard.toml")
    file.write_text("\n".join(printed(Loaded(options.settings, dict(options.origins)))) + "\n", encoding="utf-8")
    logs = str(Path(known.settings.files.logs).resolve())
    where = ["--url", options.url] if options.url else []
    return [sys.executable, str(SUPERVISOR), "guard", "--config", str(file), "--logs", logs, *where, "--run", run]


async def _keep(known: World, command: list[str], guard: Guarded, *, task_status: trio.TaskStatus[None]) -> None:
    log = Path(known.settings.files.logs) / "guard.log"
    for life in range(1, LIVES + 1):
        with log.open("ab") as words:
            process = await trio.lowlevel.open_process(command, stdin=subprocess.DEVNULL, stdout=words, stderr=words, start_new_session=True)
        guard.words = f"guard {process.pid}"
        if life == 1:
            task_status.started()
        try:
            code = await process.wait()
        finally:
            if guard.needless:
                await _gone(process)
        guard.words = "guard DOWN"
        again = f"it is started again ({life} of {LIVES - 1})" if life < LIVES else "nobody watches this run any more"
        known.observe(Note(known.clock.utc_ns(), "error", "guard", f"the guard ended with code {code}: {again}; read {log}"))
        await trio.sleep(AGAIN_S)


async def _gone(process: trio.Process) -> None:
    with trio.CancelScope(shield=True):
        with trio.move_on_after(GONE_S):
            await process.wait()
        with suppress(ProcessLookupError):
            process.terminate()
