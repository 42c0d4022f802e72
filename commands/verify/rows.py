"""The rows of a ledger, read from its files with SQLite alone, and the chain that links them.

A row's hash is BLAKE2b-128 over `prev|seq|at_ns|kind|body`. A ledger that has grown long goes on in a new
file, and the files before it are in `archive/`: they are read first, and the chain goes through all of them.

Only rows carry anything. Rows are never changed or deleted, so SQLite has no free pages, and that there are
none is checked, as is SQLite's own structure; the index of snapshots is held against the rows that it names.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from commands.verify.findings import DoesNotHold, must

ALL = "SELECT seq, at_ns, CAST(kind AS TEXT), CAST(body AS BLOB), CAST(prev AS TEXT), CAST(hash AS TEXT)"
STORED = " || ' ' || ".join(f"typeof({name})" for name in ("seq", "at_ns", "kind", "body", "prev", "hash"))
TYPES = "integer integer text text text text"
BUSY_S = 1.0
UNREADABLE = (sqlite3.Error, sqlite3.Warning, UnicodeError, OverflowError)
"""What reading a spoilt file may raise: an error about a spoilt name is itself no UTF-8."""


class LedgerRow(NamedTuple):
    """One row; `body` as it is stored, `message` what it says."""

    seq: int
    at_ns: int
    kind: str
    body: str
    prev: str
    hash: str
    message: dict[str, Any]

    @property
    def where(self) -> str:
        """How a finding names it."""
        return f"row {self.seq} ({self.kind})"


def row_hash(prev: str, seq: int, at_ns: int, kind: str, body: str) -> str:
    """BLAKE2b-128 over the row and the hash before it, 32 hex digits."""
    return blake2b(f"{prev}|{seq}|{at_ns}|{kind}|{body}".encode(), digest_size=16).hexdigest()


class Chain:
    """Every row of a ledger, in order, each verified as it is given out. `files`: those that it stands in,
    the oldest first. `last`: the newest row that was given out.
    """

    def __init__(self, ledger: Path) -> None:
        """Raises `DoesNotHold` where there is no ledger, or a file before it is gone."""
        self.files = _files(ledger)
        self.last: LedgerRow | None = None

    def rows(self) -> Iterator[LedgerRow]:
        """Raises `DoesNotHold` at the first row that is not what was written."""
        for path in self.files:
            try:
                with closing(_opened(path)) as connection:
                    yield from self._of(path, connection)
            except UNREADABLE as error:
                raise DoesNotHold(self._next(path), "file", f"SQLite cannot read it: {error}") from error

    def _next(self, path: Path) -> str:
        return f"{path.name}, row {self.last.seq + 1 if self.last else 0}"

    def _of(self, path: Path, connection: sqlite3.Connection) -> Iterator[LedgerRow]:
        must(connection.execute("PRAGMA freelist_count").fetchone()[0], 0, path.name, "free pages")
        snapshots: list[int] = []
        for seq, at_ns, kind, raw, prev, digest, stored in connection.execute(
            f"{ALL}, {STORED} FROM events ORDER BY seq"
        ):
            expected = self.last.seq + 1 if self.last else 0
            where = f"row {expected}"
            must(seq, expected, where, "seq", "the row in this place is")
            must(stored, TYPES, where, "types of the columns")
            must(prev, self.last.hash if self.last else "", where, "prev", "the hash of the row before is")
            try:
                body = raw.decode()
            except UnicodeDecodeError as error:
                raise DoesNotHold(where, "body", f"it is no text: {error}") from error
            must(digest, row_hash(prev, seq, at_ns, kind, body), where, "hash")
            self.last = LedgerRow(seq, at_ns, kind, body, prev, digest, _message(where, body))
            if kind == "FoldSnapshot":
                snapshots.append(seq)
            yield self.last
        _check_index(connection, snapshots, path)
        for (found,) in connection.execute("PRAGMA integrity_check(1)"):
            must(found, "ok", path.name, "structure of the file", "SQLite says")


def _message(where: str, body: str) -> dict[str, Any]:
    try:
        message: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise DoesNotHold(where, "body", f"it is no JSON object: {error}") from error
    return message


def _check_index(connection: sqlite3.Connection, snapshots: list[int], path: Path) -> None:
    """The index of snapshots names every snapshot of this file and nothing else. Older ledgers have none."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'snapshots'").fetchone():
        found = [seq for (seq,) in connection.execute("SELECT seq FROM snapshots ORDER BY seq")]
        must(found, snapshots, path.name, "index of snapshots", "the snapshots are rows")


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=BUSY_S
    )
    connection.execute("BEGIN")  # one state of the file, also while a run goes on writing
    return connection


def _files(ledger: Path) -> list[Path]:
    """The ledger's file and those before it, the oldest first. Raises `DoesNotHold`."""
    if not ledger.is_file():
        raise DoesNotHold(str(ledger), "file", "there is no ledger here")
    found = [ledger]
    archive = ledger.parent if ledger.parent.name == "archive" else ledger.parent / "archive"
    while (first := _first(found[0])) > 0:
        before = sorted(archive.glob(f"ledger-*-{first - 1}.sqlite"))
        if not before or before[0] in found:
            missing = f"archive/ledger-*-{first - 1}.sqlite"
            raise DoesNotHold(found[0].name, f"row {first}", f"it goes on after {missing}, which is gone")
        found.insert(0, before[0])
    return found


def _first(path: Path) -> int:
    try:
        with closing(_opened(path)) as connection:
            found = connection.execute("SELECT seq FROM events ORDER BY seq LIMIT 1").fetchone()
    except UNREADABLE as error:
        raise DoesNotHold(path.name, "file", f"SQLite cannot read it: {error}") from error
    if found is None or not isinstance(found[0], int):
        raise DoesNotHold(path.name, "row 0", "there is no first row")
    return found[0]
