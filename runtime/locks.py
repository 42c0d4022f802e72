"""Locks of one subaccount's state: who holds one, who held it last, and how long anybody waits for it.

The operating system drops a lock with its process, so that a `kill -9` leaves nothing to clean up; a process
that was stopped keeps its locks. So no wait in here is without an end, and whoever is refused is told who
holds it. Files are 0600 in a folder 0700 whatever the umask says: another user who can open a lock file can
hold it for ever.
"""

import fcntl
import os
import select
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import msgspec

from runtime.files import private

LOCK = ".lock"
WRITING = ".writing"
FOLDERS = 4
"""How many folders of earlier holders a lock file remembers."""
TRIES, BETWEEN_S = 10, 0.02
"""A lock that somebody only looked at is free again in a moment."""


class AlreadyRunning(Exception):
    """Another process trades this subaccount. It is not affected; this one must not start."""

    def __init__(self, pid: int | None, logs: str) -> None:
        super().__init__(f"another Evenkeel (pid {pid}, logs {logs}) trades this subaccount")
        self.pid = pid
        self.logs = logs


class LockHeld(Exception):
    """Somebody writes the state file right now, or was stopped while at it. Try again, but not for long: a
    stopped process keeps its locks.
    """


class Holder(msgspec.Struct, frozen=True):
    """What the lock file says of whoever holds the lock, or held it last."""

    pid: int | None = None
    logs: str = "unknown"
    earlier: tuple[str, ...] = ()
    """Folders that holders before it named, newest first: a command typed with another `--logs` must not
    make the last run's forgotten.
    """

    @property
    def folders(self) -> tuple[str, ...]:
        """Every logs folder that holders have named, newest first, each once."""
        return tuple(dict.fromkeys(each for each in (self.logs, *self.earlier) if each != "unknown"))


def lifelong(path: Path, logs: str) -> IO[str]:
    """The lock of the state file at `path`, held until the file that is returned is closed. Raises
    `AlreadyRunning` within 0.2 s, and `OSError`.
    """
    file = open(path.with_suffix(LOCK), "a+", encoding="utf-8", opener=private)  # noqa: SIM115 - it is the lock, and outlives this function
    if not taken_soon(file):
        known = last_holder(path)
        file.close()
        raise AlreadyRunning(known.pid, known.logs)
    earlier = tuple(each for each in last_holder(path).folders if each != logs)[:FOLDERS]
    file.truncate(0)
    file.write(msgspec.json.encode(Holder(os.getpid(), logs, earlier)).decode())
    file.flush()
    return file


def last_holder(path: Path) -> Holder:
    """Whoever held, or holds, the lock of the state file at `path`. Never raises."""
    with suppress(OSError, msgspec.DecodeError, ValueError):
        return msgspec.json.decode(path.with_suffix(LOCK).read_bytes(), type=Holder)
    return Holder()


def holder_of_file(path: Path) -> AlreadyRunning | None:
    """Who holds that lock right now; None when nobody does, or when it may not be asked. Takes nothing,
    waits for nothing.
    """
    try:
        with path.with_suffix(LOCK).open("r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        known = last_holder(path)
        return AlreadyRunning(known.pid, known.logs)
    except OSError:
        return None
    return None


def free(path: Path) -> bool:
    """Does nobody hold the lock file at `path`? Raises `OSError`."""
    if not path.exists():
        return True
    with open(path, "a", opener=private) as lock:
        return _taken(lock)


@contextmanager
def holding(path: Path) -> Iterator[bool]:
    """The lock file at `path`, if it is free right now; False: another process holds it. Raises `OSError`."""
    with open(path, "a", opener=private) as lock:
        yield _taken(lock)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Nobody else starts an epoch in the state file at `path` meanwhile. Raises `LockHeld` at once while
    somebody does, and `OSError`.
    """
    with open(path.with_suffix(WRITING), "a+", encoding="utf-8", opener=private) as lock:
        if not _taken(lock):
            lock.seek(0)
            raise LockHeld(f"{path.with_suffix(WRITING)} is held by process {lock.read(20) or 'unknown'}")
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def first_free(paths: Sequence[Path]) -> tuple[int, IO[str]] | None:
    """Take the first of these lock files that nobody holds: which one, and its file, to hold it until that
    is closed. None: all are held. Waits for nothing. Raises `OSError`.
    """
    for at, path in enumerate(paths):
        file = open(path, "a+", encoding="utf-8", opener=private)  # noqa: SIM115 - it is the lock, and outlives this function
        if _taken(file):
            return at, file
        file.close()
    return None


def taken_soon(file: IO[str]) -> bool:
    """Take the lock on an open file, within 0.2 s. False: another process keeps it."""
    for _ in range(TRIES - 1):
        if _taken(file):
            return True
        select.select([], [], [], BETWEEN_S)
    return _taken(file)


def _taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
