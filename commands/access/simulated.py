"""The simulated Nado as a child process: our own venue, on loopback, for as long as we live.

It has a session of its own, so that the Ctrl-C that stops the run does not kill the venue first; and it ends
when its standard input closes, so that a `kill -9` of the run leaves nothing behind.
"""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from commands.output.words import RECORDING_OVER

START_S = 20.0
"""How long the child may take to say where it listens."""
STOP_S = 3.0
"""How long it may take to end after its standard input has closed."""
SUPERVISOR = Path(__file__).resolve().parents[2] / "supervisor.py"


class ChildFailed(Exception):
    """The simulated venue did not come up. `log`: all that it said."""

    def __init__(self, said: str, log: Path) -> None:
        super().__init__(said)
        self.log = log

    @property
    def what(self) -> str:
        """What happened: the first part of the last sentence that it said."""
        return str(self).splitlines()[-1].partition(" · ")[0]

    @property
    def cure(self) -> str:
        """What to type, by its own words; where there is a traceback, it is a defect to report."""
        *before, last = str(self).splitlines()
        parts = last.split(" · ")
        return parts[-1] if len(parts) > 1 and not before else f"read {self.log}, and report it"


@asynccontextmanager
async def simulated_nado(
    seed: int, market: str, faults: str, log: Path, *more: str, over: trio.Event | None = None
) -> AsyncIterator[str]:
    """Start `simulate --port 0` and yield its base URL; it is stopped last. What it has to say lands in
    `log`. Raises `ChildFailed`.

    `over` is set when the child says that the recording it replays has ended.
    """
    arguments = [
        "--port",
        "0",
        "--seed",
        str(seed),
        "--market",
        market,
        "--faults",
        faults,
        "--until-stdin-closes",
        *more,
    ]
    with log.open("wb") as words:
        process = await trio.lowlevel.open_process(
            [sys.executable, str(SUPERVISOR), "simulate", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            start_new_session=True,
        )
    try:
        url = await _first_line(process, log)
        if over is None:
            yield url
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_hear_end, process, over)
            yield url
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await _stop(process)


async def _first_line(process: trio.Process, log: Path) -> str:
    assert process.stdout is not None  # noqa: S101 - opened as a pipe
    line = b""
    with trio.move_on_after(START_S):
        while not line.endswith(b"\n"):
            piece = await process.stdout.receive_some(1)
            if not piece:
                break
            line += piece
    if line.startswith(b"http://127.0.0.1:") and line.endswith(b"\n"):
        return line.decode().strip()
    raise ChildFailed(log.read_text(errors="replace").strip() or "it said nothing", log)


async def _hear_end(process: trio.Process, over: trio.Event) -> None:
    """The child says nothing but its URL and this line; what it said last is kept, because a line may come
    in pieces.
    """
    assert process.stdout is not None  # noqa: S101 - opened as a pipe
    said = b""
    while piece := await process.stdout.receive_some(1024):
        said = (said + piece)[-len(RECORDING_OVER) - 1 :]
        if RECORDING_OVER.encode() in said:
            over.set()


async def _stop(process: trio.Process) -> None:
    if process.stdin is not None:
        await process.stdin.aclose()
    with trio.move_on_after(STOP_S):
        await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
