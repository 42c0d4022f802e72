"""A terminal that stalls, is full, closed or gone, under a run that is then asked to end (or killed)."""

import os
import pty
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

PIPE_BYTES = 4096


class Ends(msgspec.Struct):
    """What a run gets as its standard output and error, and what we keep of them."""

    out: int
    err: int
    kept: list[int]
    fills: list[int]
    """Ends that are filled when the cell's state has come."""
    json: bool = True
    """Ask for `--json`; else for the screen."""


Opened = Callable[[Path], Ends]


def _file(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _again(end: int) -> int:
    """The same pipe or terminal, opened anew, so that not to block on it is our flag alone."""
    return os.open(f"/proc/self/fd/{end}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)


def fill_terminal(ends: Sequence[int]) -> None:
    """Nobody reads: from now on a write waits for ever."""
    for end in ends:
        with suppress(BlockingIOError):
            while os.write(end, b"x" * PIPE_BYTES):
                pass
        with suppress(BlockingIOError):
            while os.write(end, b"x"):
                pass


def _unread_pipes(folder: Path, *, out: bool, err: bool, json: bool) -> Ends:
    made = Ends(_file(folder / "run.out"), _file(folder / "run.err"), [], [], json)
    for stalls, field in ((out, "out"), (err, "err")):
        if stalls:
            os.close(getattr(made, field))
            reads, writes = os.pipe()
            setattr(made, field, writes)
            made.kept.append(reads)
            made.fills.append(_again(writes))
    return made


def _full(folder: Path, *, out: bool, err: bool, json: bool) -> Ends:
    ends = [
        os.open("/dev/full", os.O_WRONLY) if full else _file(folder / name)
        for full, name in ((out, "run.out"), (err, "run.err"))
    ]
    return Ends(*ends, [], [], json)


def _unread_pty(_folder: Path, *, json: bool) -> Ends:
    ours, theirs = pty.openpty()
    return Ends(theirs, os.dup(theirs), [ours], [_again(theirs)], json)


def _broken_pipe(folder: Path, *, json: bool) -> Ends:
    """`| head -1`: the reader is gone."""
    reads, writes = os.pipe()
    os.close(reads)
    return Ends(writes, _file(folder / "run.err"), [], [], json)


def _with(make: Callable[..., Ends], **how: bool) -> Opened:
    return lambda folder: make(folder, **how)


TERMINALS: dict[str, Opened | None] = {
    "stdout is a pipe that nobody reads": _with(_unread_pipes, out=True, err=False, json=True),
    "stderr is a pipe that nobody reads": _with(_unread_pipes, out=False, err=True, json=True),
    "both are pipes that nobody reads": _with(_unread_pipes, out=True, err=True, json=False),
    "a terminal that nobody reads": _with(_unread_pty, json=False),
    "a terminal that nobody reads, with json": _with(_unread_pty, json=True),
    "stdout is full": _with(_full, out=True, err=False, json=True),
    "stderr is full": _with(_full, out=False, err=True, json=True),
    "both are full": _with(_full, out=True, err=True, json=False),
    "stdout is a broken pipe": _with(_broken_pipe, json=True),
    "both are closed": None,
}
UNGUARDED = " (no guard)"
"""What a mode's name ends with when its run has none."""


def opened_run(
    command: Sequence[str], name: str, folder: Path, cwd: Path, env: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], list[int], list[int]]:
    """Start a run with such ends: it, what to keep open, what to fill. `command` without `--json`."""
    opens = TERMINALS[name.removesuffix(UNGUARDED)]
    more = ["--no-guard"] if name.endswith(UNGUARDED) else []
    rest: dict[str, Any] = {
        "cwd": cwd,
        "env": dict(env),
        "stdin": subprocess.DEVNULL,
        "start_new_session": True,
    }
    if opens is None:
        return (
            subprocess.Popen(
                ["/bin/sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command, "--json", *more], **rest
            ),
            [],
            [],
        )
    ends = opens(folder)
    process = subprocess.Popen(
        [*command, *(["--json"] if ends.json else []), *more], stdout=ends.out, stderr=ends.err, **rest
    )
    for end in (ends.out, ends.err):
        os.close(end)
    return process, ends.kept, ends.fills
