"""The disk under the ledger: room that is kept for closing, and how much must be free before anything is
entered.

A full disk must not keep an exit from being written down. So a file of 16 MB stands beside the ledger; the
first write that finds the disk full frees it, is tried once more, and from then on nothing is entered.
"""

import os
import sqlite3
from pathlib import Path

from messages.lifecycle import Denial
from runtime.files import private

RESERVE_BYTES = 16_000_000
"""Thousands of plans' worth of rows."""
RESERVE = "reserve"
LOW_DISK = "LOW_DISK"


class Disk:
    """The file system that holds `folder`. `min_free` bytes must be free to enter."""

    def __init__(self, folder: Path, min_free: int) -> None:
        self._folder = folder
        self._reserve = folder / RESERVE
        self._min_free = min_free
        self.used_up = False
        """The reserve was freed by this process: only a new start enters again."""

    def free(self) -> int:
        """Bytes that we could still write. Raises `OSError`."""
        known = os.statvfs(self._folder)
        return known.f_bavail * known.f_frsize

    def reserve(self) -> None:
        """Set the reserve aside, unless it is there or there is no room for it."""
        if self._reserve.exists() or self.short():
            return
        with open(self._reserve, "wb", opener=private) as file:
            os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)

    def release(self) -> bool:
        """Free the reserve; False when there was none."""
        self.used_up = True
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True

    def short(self) -> Denial | None:
        """Why nothing may be entered: there is no room left to write it down. Raises `OSError`."""
        if self.used_up:
            return Denial(LOW_DISK, f"the disk of {self._folder} was full and the reserve is in use")
        free = self.free()
        if free >= self._min_free:
            return None
        return Denial(
            LOW_DISK,
            f"{free // 10**6} MB are free for {self._folder}, files.min_free_disk is"
            f" {self._min_free // 10**6} MB",
        )


def is_full(error: sqlite3.Error) -> bool:
    """Did SQLite find the disk full? Then the reserve is freed and the write made once more."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
