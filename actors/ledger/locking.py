"""One process writes a ledger. The lock is a file *beside* it, `ledger.sqlite.lock`: a second descriptor of
the database itself would drop SQLite's own locks when it is closed.

Two runs whose state directories differ (two HOMEs, two containers on one folder) do not see each other's
state; the ledger they share stops the second. Whoever only reads takes no lock, and no lock stops a guard: it
reads, and journals beside the ledger.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from runtime.files import private
from runtime.locks import taken_soon

LOCK = ".lock"


class LedgerError(Exception):
    """The ledger's file cannot be used as it is."""


class Elsewhere(LedgerError):
    """Another process writes this ledger, or was stopped while it did."""

    def __init__(self, path: Path, pid: str) -> None:
        super().__init__(
            f"{path} is being written by process {pid}; two runs cannot share a ledger: stop that one, or use"
            " another --logs"
        )
        self.pid = pid


class AnotherUser(LedgerError):
    """The ledger is another user's: writing it would leave files that its owner's run cannot open any
    more.
    """

    def __init__(self, path: Path, owner: int) -> None:
        super().__init__(
            f"{path} belongs to user id {owner}, this process runs as {os.geteuid()}: run it as that user, or"
            " use another --logs"
        )


_held: dict[Path, tuple[IO[str], int]] = {}
"""Held by this process, and how often: a journal opens the file that its run has open."""


def take(ledger: Path) -> Path:
    """Take the lock of `ledger`, within 0.2 s; give what is returned to `drop`. Within one process it may be
    taken again.

    Raises `Elsewhere`, `AnotherUser`, and `OSError`.
    """
    key = ledger.resolve()
    if ledger.exists() and (owner := ledger.stat().st_uid) != os.geteuid():
        raise AnotherUser(ledger, owner)
    if key in _held:
        file, times = _held[key]
        _held[key] = file, times + 1
        return key
    file = open(key.with_name(key.name + LOCK), "a+", encoding="utf-8", opener=private)  # noqa: SIM115 - it is the lock, and outlives this function
    if not taken_soon(file):  # a run's end and its journal follow each other in a moment
        file.seek(0)
        pid = file.read(20).strip() or "unknown"
        file.close()
        raise Elsewhere(ledger, pid)
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    _held[key] = file, 1
    return key


@contextmanager
def kept(ledger: Path) -> Iterator[None]:
    """Hold the lock for a whole run, also while no incarnation of its ledger has the file open. Raises what
    `take` raises, but `OSError`: on a disk that cannot be written there is nothing to keep, and what is open
    must be closed.
    """
    key = None
    with suppress(OSError):
        key = take(ledger)
    try:
        yield
    finally:
        if key is not None:
            drop(key)


def drop(key: Path) -> None:
    """Give back one `take`; the lock is free when as many were dropped as were taken."""
    file, times = _held.pop(key)
    if times > 1:
        _held[key] = file, times - 1
    else:
        file.close()
