"""A heartbeat: a small file that a process's own loop touches. One that is killed, stopped or wedged stops
touching it, whatever the reason.

A run has one, and its guard another: each watches the other's.

The reader compares touches with its *own* steady clock and never two machines' or two processes' clocks: what
counts is for how long nothing changed.
"""

import os
from pathlib import Path

import msgspec

from runtime.files import replace_file

BEAT_S = 0.25
"""How often the file is touched."""


class Beat(msgspec.Struct, frozen=True):
    """What the file says: whose heartbeat it is, and whether it has ended on purpose."""

    run: str
    pid: int
    ended: bool = False


APART = "apart"
"""What a guard calls the run it watches where it is no run's own: whichever trades the subaccount."""


class Heartbeat:
    """The side of whoever lives: a run, or a guard of `run`."""

    def __init__(self, path: Path, run: str) -> None:
        self._path = path
        self.run = run
        self._beat = Beat(run, os.getpid())
        self._due = 0.0

    def begin(self) -> None:
        """Write the file that says whose heartbeat begins; `beat` only touches it. Raises `OSError`."""
        replace_file(self._path, msgspec.json.encode(self._beat), sync="none")

    def beat(self, now_s: float) -> None:
        """Touch the file when it is due; `now_s` on a steady clock. A file that cannot be touched is a
        heartbeat that stops: the guard's business.
        """
        if now_s < self._due:
            return
        self._due = now_s + BEAT_S
        try:
            os.utime(self._path)
        except OSError:
            return

    def replaced(self) -> bool:
        """Has another process taken this heartbeat's place, for the same run? The newer one stays."""
        known = _read(self._path)[0]
        return known is not None and known.run == self._beat.run and known.pid != self._beat.pid

    def end(self) -> None:
        """The run ends on purpose, and has said what is open: nobody needs to step in."""
        ended = msgspec.structs.replace(self._beat, ended=True)
        replace_file(self._path, msgspec.json.encode(ended), sync="none")


class HeartbeatMonitor:
    """The side of whoever watches: for how long there was no touch."""

    def __init__(self, path: Path, now_s: float) -> None:
        self._path = path
        self._seen: tuple[Beat | None, int] = (None, 0)
        self._since_s = now_s

    def look(self, now_s: float) -> Beat | None:
        """Read the file; None while there is none. Call often."""
        found = _read(self._path)
        if found != self._seen:
            self._seen, self._since_s = found, now_s
        return found[0]

    def silent_s(self, now_s: float) -> float:
        """Seconds, by the reader's own steady clock, since the file last changed."""
        return now_s - self._since_s


def _read(path: Path) -> tuple[Beat | None, int]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Beat), path.stat().st_mtime_ns
    except (OSError, ValueError):  # msgspec's errors are ValueErrors, and so are a torn file's
        return None, 0
