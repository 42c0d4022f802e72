"""Files and folders that only their owner may read, whatever the umask says: they tell where money is, and
one of them may move it.
"""

import os
from contextlib import suppress
from pathlib import Path

FILE = 0o600
FOLDER = 0o700


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
