"""Epoch and halt: one small file per (venue, subaccount), written whole, under a lock that lives as long as the process.

The lock is what keeps a second bot off the same subaccount, whatever its `--logs`: it stands in the user's state directory and not beside the
ledger. The operating system drops it with the process, so a `kill -9` leaves nothing to clean up.
"""

import fcntl
import json
import os
from hashlib import blake2b
from pathlib import Path
from typing import IO

import msgspec


class AlreadyRunning(Exception):
    """Another process trades this subaccount. It is left alone; this one must not start."""

    def __init__(self, pid: int | None, logs: str) -> None:
        super().__init__(f"another Evenkeel (pid {pid}, logs {logs}) trades this subaccount")
        self.pid = pid
        self.logs = logs


class Saved(msgspec.Struct, frozen=True):
    """What the file holds."""

    epoch: int = 0
    venue: str = ""
    halt_code: str = ""
    halt_detail: str = ""


def state_directory() -> Path:
    """`$XDG_STATE_HOME/evenkeel`, by default under `~/.local/state`."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(base) / "evenkeel"


class RunState:
    """The epoch of this run and its halt, on disk. Open it once per process and keep it."""

    def __init__(self, directory: Path, identity: str, logs: str) -> None:
        """Take the lock for `identity` (venue URL and subaccount). Raises `AlreadyRunning`, or `OSError` when the directory cannot be written."""
        directory.mkdir(parents=True, exist_ok=True)
        name = blake2b(identity.encode(), digest_size=12).hexdigest()
        self._path = directory / f"{name}.json"
        self._lock = _locked(directory / f"{name}.lock", logs)
        self._saved = msgspec.json.decode(self._path.read_bytes(), type=Saved) if self._path.exists() else Saved()

    @property
    def epoch(self) -> int:
        """The epoch in force."""
        return self._saved.epoch

    @property
    def halted(self) -> tuple[str, str] | None:
        """Code and detail of a latched halt."""
        return (self._saved.halt_code, self._saved.halt_detail) if self._saved.halt_code else None

    def belongs_to(self, venue: str) -> None:
        """Tie a halt to one instance of the venue: a simulated venue that is new starts without the halt of the one before."""
        if self._saved.venue != venue:
            self._write(Saved(self._saved.epoch, venue))

    def bump(self) -> int:
        """Start a new epoch: on disk before anybody acts in it."""
        self._write(msgspec.structs.replace(self._saved, epoch=self._saved.epoch + 1))
        return self._saved.epoch

    def halt(self, code: str, detail: str) -> None:
        """Latch entering off. The first cause stays."""
        if not self._saved.halt_code:
            self._write(msgspec.structs.replace(self._saved, halt_code=code, halt_detail=detail))

    def close(self) -> None:
        """Give the lock back."""
        self._lock.close()

    def _write(self, saved: Saved) -> None:
        temporary = self._path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            file.write(msgspec.json.encode(saved))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        _sync_directory(self._path.parent)
        self._saved = saved


def _locked(path: Path, logs: str) -> IO[str]:
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        pid, other = _holder(file.read())
        file.close()
        raise AlreadyRunning(pid, other) from None
    file.truncate(0)
    file.write(json.dumps({"pid": os.getpid(), "logs": logs}))
    file.flush()
    return file


def _holder(text: str) -> tuple[int | None, str]:
    try:
        known = json.loads(text)
    except ValueError:
        return None, "unknown"
    return known.get("pid"), str(known.get("logs", "unknown"))


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
