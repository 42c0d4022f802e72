"""A run's heartbeat: a small file that the supervisor's own loop touches. A killed, stopped or wedged run stops touching it, whatever the reason.

The reader compares touches with its *own* steady clock and never two machines' or two processes' clocks: what counts is for how long nothing changed.
"""

import os
from pathlib import Path

import msgspec

BEAT_S = 0.25
"""How often a run touches the file."""


class Beat(msgspec.Struct, frozen=True):
    """What the file says: whose heartbeat it is, and whether it has ended on purpose."""

    run: str
    pid: int
    ended: bool = False


class Heartbeat:
    """A run's side."""

    def __init__(self, path: Path, run: str) -> None:
        self._path = path
        self._beat = Beat(run, os.getpid())
        self._due = 0.0

    def begin(self) -> None:
        """Say whose heartbeat begins. Raises `OSError`."""
        self._write(self._beat)

    def beat(self, now_s: float) -> None:
        """Touch the file when it is due; `now_s` on a steady clock. A file that cannot be touched is a heartbeat that stops: the guard's business."""
        if now_s < self._due:
            return
        self._due = now_s + BEAT_S
        try:
            os.utime(self._path)
        except OSError:
            return

    def end(self) -> None:
        """The run ends on purpose, and has said what is open: nobody needs to step in."""
        self._write(msgspec.structs.replace(self._beat, ended=True))

    def _write(self, beat: Beat) -> None:
        temporary = self._path.with_suffix(".beat-tmp")
        temporary.write_bytes(msgspec.json.encode(beat))
        temporary.replace(self._path)


class Pulse:
    """A guard's side: for how long there was no touch."""

    def __init__(self, path: Path, now_s: float) -> None:
        self._path = path
        self._seen: tuple[Beat | None, int] = (None, 0)
        self._since_s = now_s

    def look(self, now_s: float) -> Beat | None:
        """Read the file; None while there is none. Call often."""
        found = self._read()
        if found != self._seen:
            self._seen, self._since_s = found, now_s
        return found[0]

    def silent_s(self, now_s: float) -> float:
        """Seconds since something last changed."""
        return now_s - self._since_s

    def _read(self) -> tuple[Beat | None, int]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Beat), self._path.stat().st_mtime_ns
        except (OSError, msgspec.DecodeError):
            return None, 0
