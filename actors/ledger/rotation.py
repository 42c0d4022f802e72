"""A ledger that has grown long, or that an earlier version began, goes on in a new file: the old one is kept
in `archive/` as it is, the new one begins with whose it is, in the form of this version, and a snapshot.

Row numbers and the chain go on, so the end of any earlier chain is still found (`Store.contains`), also that
of a row in the old file. It is done at a start, whatever is open, with the ledger's lock held, after the
whole old chain has been verified. A crash between any two steps leaves one:

    1  everything of the old file is in it, nothing waits in its write-ahead log     the old file
    2  `ledger.sqlite.next` is made, complete and closed                             the old file; the next
                                                                                     rotation makes it again
    3  the old file has a second name, `archive/ledger-FIRST-LAST.sqlite`            the old file, under both
                                                                                     names
    4  the new one takes the old one's place, by rename                              the new file

Where any of it cannot be done (a reader holds the log, no second names on this file system) the run goes on
with the old file and says so.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from actors.ledger.fold import Fold
from actors.ledger.store import ARCHIVE, LedgerFile, Store
from runtime.files import FOLDER, sync_folder

ROTATE_ROWS = 1_000_000
"""About 500 MB."""
NEXT = ".next"


class NotNow(Exception):
    """The ledger cannot be rotated; nothing was changed that matters."""


def is_long(store: Store) -> bool:
    """Has this file so many rows that a new one should be begun?"""
    first = store.first()
    return first is not None and store.last_seq - first[0] >= ROTATE_ROWS


def is_earlier(store: Store, file: LedgerFile) -> bool:
    """Did an earlier version begin this file? Its rows are read as they are and never changed; what follows
    them stands in a file that says which version it needs.
    """
    opened = store.opened()
    return opened is not None and opened.schema != file.opened.schema


def rotated(file: LedgerFile, store: Store, fold: Fold, csvs: tuple[int, int], at_ns: int) -> Path:
    """Go on in a new file; returns where the old one is. `store` is closed, its lock must be held
    elsewhere. `csvs`: how far the CSV files go. Raises `NotNow`.
    """
    from actors.ledger.snapshots import snapshot_of  # noqa: PLC0415 - starting is quicker without

    path = file.path
    following = path.with_name(path.name + NEXT)
    try:
        first = store.first()
        for left in path.parent.glob(following.name + "*"):
            left.unlink()
        if first is None or not store.emptied():
            raise NotNow(f"{path.name} is not rotated: another process reads it")
        last = store.last_seq
        with closing(Store.following(following, file.opened, store, file.sync, at_ns)) as begun:
            begun.append_all([(at_ns, snapshot_of(fold, csvs))])
            if not begun.emptied():
                raise NotNow(f"{following.name} is being read")
        with open(following, "rb") as made:
            os.fsync(made.fileno())
        store.close()
        if path.with_name(path.name + "-wal").exists():
            raise NotNow(f"{path.name} is not rotated: another process reads it")
        kept = path.parent / ARCHIVE / f"ledger-{first[0]}-{last}.sqlite"
        kept.parent.mkdir(mode=FOLDER, exist_ok=True)
        for left in kept.parent.glob("ledger-*.sqlite"):
            if left.samefile(path):  # the name that a crash left; it is the same file
                left.unlink()
        os.link(path, kept)
        sync_folder(kept.parent)
        following.replace(path)
        sync_folder(path.parent)
    except (sqlite3.Error, OSError) as error:
        raise NotNow(f"{path.name} is not rotated: {error}") from error
    return kept
