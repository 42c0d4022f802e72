"""A copy of a ledger, made while a run writes it.

SQLite's online backup makes it within one reading transaction: the copy is the ledger as it was at one
moment, and the writer does not wait. It is one file with nothing beside it, and every row in it was verified
before anybody calls it a copy.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from actors.ledger.reading import Reading
from actors.ledger.store import BUSY_S, BrokenChain, Store, check_schema
from messages.lifecycle import Held, Opened
from runtime.files import FILE, sync_folder

PART = ".part"
"""Added to the name of a copy until it is whole and verified."""


class LedgerCopy(msgspec.Struct, frozen=True):
    """What a ledger's file says, every row of it verified."""

    path: Path
    opened: Opened
    first_row: int
    rows: int
    """Of the whole ledger: those in files that this one goes on after are counted, and were not looked at."""
    last_row: str
    """Of the last row: `Store.last_hash`."""
    last_ns: int
    """Venue time of the last row."""
    held: Held
    """What is open by its rows."""


def copied_file(ledger: Path, target: Path) -> Path:
    """Copy `ledger` as it is now, under the name of `target` and `PART`; returns that path. It survives a
    power cut, and `kept_as` gives it its own name. Raises `sqlite3.Error`, `OSError`.
    """
    part = target.with_name(target.name + PART)
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE))
    uri = f"{ledger.resolve().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=BUSY_S)) as source,
        closing(sqlite3.connect(part)) as made,
    ):
        source.backup(made)
        # One file: a write-ahead log beside a copy would be left behind when somebody moves it.
        made.execute("PRAGMA journal_mode=DELETE")
    with open(part, "rb") as written:
        os.fsync(written.fileno())
    return part


def kept_as(part: Path, target: Path) -> None:
    """The copy at `part` is whole: give it its name. Raises `OSError`."""
    part.replace(target)
    sync_folder(target.parent)


def verified_copy(path: Path) -> LedgerCopy:
    """What the ledger at `path` says. Raises `BrokenChain` where a row is not the row that was written,
    `NewerSchema` where a later version wrote it, other `LedgerError`s, `sqlite3.Error`.
    """
    with closing(Store.reading(path)) as store:
        opened = store.opened()
        if opened is None:
            raise BrokenChain(0)
        check_schema(opened.schema)
        reading = Reading(store)
        fold = reading.whole()
        for _ in reading.unverified():
            pass
        if (bad := reading.verified.bad) is not None:
            raise BrokenChain(bad)
        fold.reopened()
        return LedgerCopy(
            path,
            opened,
            store.beginning().seq,
            store.last_seq + 1,
            store.last_hash,
            store.last_ns(),
            fold.held(fold.epoch),
        )
