"""Files as this program keeps them: replaced as a whole, so that nobody ever reads half of one, and readable
by their owner alone, whatever the umask says: they tell where money is, and one of them may move it.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

FILE = 0o600
FOLDER = 0o700
PAGE = 4_096
"""Bytes that an operating system writes into a file at once."""


def private(path: str, flags: int) -> int:
    """An `opener` for `open`: the file is 0600, also one that was there with more. Raises `OSError`."""
    handle = os.open(path, flags, FILE)
    with suppress(OSError):  # somebody else's file: it can be used or it cannot, its mode is theirs
        os.fchmod(handle, FILE)
    return handle


def private_folder(path: Path) -> None:
    """Have `path` as a folder with mode 0700, also one that was there with more. Raises `OSError`."""
    if not path.is_dir():
        path.mkdir(FOLDER, parents=True, exist_ok=True)
    with suppress(OSError):  # somebody else's folder: it can be used or it cannot
        path.chmod(FOLDER)


def replace_file(path: Path, content: bytes, *, sync: Literal["none", "file", "folder"] = "folder") -> None:
    """Have `content` at `path`: a temporary file beside it, then a rename, so a `kill -9` at any point leaves
    the old content or the new one. After a power cut `sync` decides which may be found: "folder" the new one;
    "file" the old or the new one; "none" also a torn one or none, so the reader must expect that.

    Raises `OSError`; the old content then stays.
    """
    # named after this process: a guard writes beside a run that was stopped in here
    temporary = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    with open(temporary, "wb", opener=private) as file:
        file.write(content)
        file.flush()
        if sync != "none":
            os.fsync(file.fileno())
    temporary.replace(path)
    if sync == "folder":
        sync_folder(path.parent)


def overwrite_file(path: Path, content: bytes) -> None:
    """Have `content` at `path` in a single write, for a file that is written while somebody waits: a rename
    over a file takes a journalling file system milliseconds. A `kill -9` leaves the old content or the new
    one; a power cut, or a reader at the same instant, may find parts of both, so the content must say whether
    it is whole. A file that is not there, or of another length, is replaced. Raises `OSError`.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        replace_file(path, content, sync="none")
        return
    try:
        # within one page: a process is not killed in the middle of it
        if len(content) <= PAGE and os.fstat(handle).st_size == len(content):
            os.pwrite(handle, content, 0)
            return
    finally:
        os.close(handle)
    replace_file(path, content, sync="none")


def sync_folder(folder: Path) -> None:
    """Have names that were made, replaced or removed in `folder` survive a power cut. Raises `OSError`."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
