"""The ledger on disk: an append-only, hash-chained log of messages in one SQLite file.

A row is a message: its class name, its canonical JSON, the venue time at which it was written, and a hash
over all that and the hash of the row before. Nothing is ever changed or removed (triggers see to it), so the
file is the history and whatever else is known is a fold over it. A changed byte breaks the chain at its row,
and every later reader reports which one.

WAL lets others read while the run writes; a commit is one append to the log file. Checkpoints, the slow part,
happen only when asked for.

Opening reads row 0 and the last row, whatever the length; folding and verifying the others is `reading.py`'s,
slice by slice. A second table says at which rows snapshots stand. It is an index and no evidence: what it
points to is judged by the chain, and without it the rows are folded from the first.

    LedgerError           (sqlite3 errors are not wrapped: they mean that nothing can be written, and the
                          supervisor ends trading by ESCAPE)
    |-- Elsewhere         (`locking.py`) refuse to start: another process writes it
    |-- AnotherUser       (`locking.py`) refuse to start: it is another user's
    |-- OtherIdentity     refuse to start: this file is another account's or another venue's
    |-- NewerSchema       refuse to start: written by a later version
    `-- BrokenChain       fold what is good, close what is open, never enter: only a person can clear this
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Literal, Self

import msgspec

from actors.ledger.locking import LedgerError, drop, take
from messages import execution, lifecycle, market, money, settings, sizing
from messages.lifecycle import CycleEnded, FoldSnapshot, Opened
from messages.wire import decode, encode
from runtime.files import FILE, FOLDER, private_folder

SCHEMA = "evenkeel.ledger/2"
"""Name and version of the rows' form; stands in row 0. Within a version kinds and fields are only added, each
with what an older row means by not having it; a release that added any has a version of its own, so that an
older release refuses the file instead of reading past what it does not know. docs/deploying.md lists them.
"""

KINDS: dict[str, type[msgspec.Struct]] = {
    name: value
    for module in (execution, lifecycle, market, money, settings, sizing)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__ == module.__name__
}
"""Every message there is, by class name."""

TABLE = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS events_are_never_changed BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS events_are_never_removed BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TABLE IF NOT EXISTS snapshots (seq INTEGER PRIMARY KEY);
"""  # noqa: E501

OPENED, SNAPSHOT = Opened.__name__, FoldSnapshot.__name__
ROWS = "SELECT seq, at_ns, CAST(kind AS TEXT), CAST(body AS TEXT), prev, hash FROM events"
EPOCHAL = ("Sealed", "EscapeRound", "Restarted")
"""Kinds whose rows name the epoch in force."""

Timed = tuple[int, msgspec.Struct]
"""Venue time in nanoseconds, and a message."""
Row = tuple[int, int, str, str, str, str]
"""seq, at_ns, kind, body, prev, hash."""
FileId = tuple[int, int] | None
"""Device and inode; None where there is no file."""
RECENT_ROWS = 100_000
"""How far back a plan is looked for that names the products."""
PLANNED = (
    "SELECT CAST(kind AS TEXT), CAST(body AS TEXT) FROM events WHERE kind IN ('Sealed', 'EscapeRound')"
    " AND seq > (SELECT MAX(seq) FROM events) - ? ORDER BY seq DESC LIMIT 1"
)
BUSY_S = 1.0
"""How long SQLite waits for a lock of another process."""
ARCHIVE = "archive"
"""Where the files are that a ledger goes on after."""
SEQ_DIGITS = 18
"""More than a row number can have."""


class OtherIdentity(LedgerError):
    """The file belongs to another venue, chain or subaccount. It is never continued under this one."""

    def __init__(self, found: Opened, wanted: Opened) -> None:
        super().__init__(f"this ledger belongs to {_identity(found)}, this run is {_identity(wanted)}")
        self.found = found
        self.wanted = wanted


class NewerSchema(LedgerError):
    """The file was written by a later version; reading it would miss what that version knows."""

    def __init__(self, found: str) -> None:
        super().__init__(f"this ledger was written as {found}, this version reads {SCHEMA}")
        self.found = found


class LedgerFile(msgspec.Struct, frozen=True):
    """Which ledger: where it is, whose, and what its writes survive (`Store.open` says more)."""

    path: Path
    opened: Opened
    sync: Literal["full", "normal"]

    def store(self, at_ns: int) -> "Store":
        """Open it, or begin it at venue time `at_ns`. Raises as `Store.open` does."""
        return Store.open(self.path, self.opened, self.sync, at_ns=at_ns)


class BrokenChain(LedgerError):
    """Row `row` is not what was written, or a row before it is missing."""

    def __init__(self, row: int) -> None:
        super().__init__(f"row {row} of the ledger is not the row that was written")
        self.row = row


class Store:
    """One open ledger file. `open` it, `append_all` to it, `close` it; the only writer of its file."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self._path = path
        self._wal = path.with_name(path.name + "-wal")
        self._next, self._prev = 0, ""
        self._files: tuple[FileId, FileId] = (None, None)
        self._lock: Path | None = None
        self._earlier: Store | None = None
        self._begins: int | None = None

    @classmethod
    def open(cls, path: Path, opened: Opened, sync: Literal["full", "normal"], *, at_ns: int = 0) -> Self:
        """Open the ledger at `path`, or begin it with `opened` as row 0, stamped `at_ns`. No other row is
        looked at.

        `sync`: full survives a power cut, normal survives `kill -9`. While it is open it is locked against
        every other process (`locking.py`); its files are 0600. Raises `LedgerError` when another process has
        it or another user owns it, `OtherIdentity`, `NewerSchema`, `BrokenChain` when row 0 is no row 0, and
        whatever `sqlite3` raises when the file cannot be used.
        """
        if not path.parent.is_dir():  # a folder that somebody made has the mode that they gave it
            private_folder(path.parent)
        lock = None
        try:
            lock = take(path)
            _private(path)
            store = cls(_connected(path, sync), path)
        except BaseException as error:
            if lock is not None:
                drop(lock)
            if isinstance(error, OSError):
                raise sqlite3.OperationalError(f"{path}: {error.strerror or error}") from error
            raise
        store._lock = lock
        try:
            store._begin(opened, at_ns)
            store._files = store._files_now()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def reading(cls, path: Path) -> Self:
        """Open an existing ledger for reading only, whoever it belongs to. Raises
        `sqlite3.OperationalError` where there is none.
        """
        uri = f"{path.resolve().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_S)
        connection.text_factory = _text
        store = cls(connection, path)
        store._files = store._files_now()
        return store

    def products(self) -> tuple[int, int] | None:
        """Ids of ETH and SOL in the newest plan within the last `RECENT_ROWS` rows; None without one.
        Raises `sqlite3.Error`, `msgspec` errors.
        """
        row = self._db.execute(PLANNED, (RECENT_ROWS,)).fetchone()
        if row is None:
            return None
        plan: sizing.SizingPlan = decode(row[1], KINDS[row[0]]).plan  # type: ignore[attr-defined]
        return plan.eth.product_id, plan.sol.product_id

    def _begin(self, opened: Opened, at_ns: int) -> None:
        self._db.executescript(TABLE)
        last = self._db.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        if last is None:
            self.append_all([(at_ns, opened)])
            return
        self._next, self._prev = last[0] + 1, last[1]
        found = self._identity()
        check_schema(found.schema)
        if msgspec.structs.replace(found, schema=opened.schema) != opened:
            raise OtherIdentity(found, opened)

    def _identity(self) -> Opened:
        first = self._db.execute(
            "SELECT CAST(kind AS TEXT), body FROM events ORDER BY seq LIMIT 1"
        ).fetchone()
        if not first or first[0] != OPENED:
            raise BrokenChain(0)
        try:
            return decode(first[1], Opened)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise BrokenChain(0) from error

    def beginning(self) -> "Links":
        """Before the first row. A ledger that goes on where another file ended begins with its own Opened,
        at that file's next row number.
        """
        first = self._db.execute(
            "SELECT seq, prev, CAST(kind AS TEXT) FROM events ORDER BY seq LIMIT 1"
        ).fetchone()
        return Links(*first[:2]) if first and first[0] > 0 and first[1] and first[2] == OPENED else Links()

    def append_all(self, messages: Sequence[Timed]) -> None:
        """Write all of `messages`, or none: one transaction. On return they are durable as far as `sync`
        promises.
        """
        self._db.execute("BEGIN IMMEDIATE")
        try:
            rows = list(self._rows(messages))
            self._db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", rows)
            snapshots = [row[:1] for row in rows if row[2] == SNAPSHOT]
            if snapshots:  # a statement without rows costs the intent of every plan a tenth of its commit
                self._db.executemany("INSERT OR IGNORE INTO snapshots VALUES (?)", snapshots)
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        if rows:
            self._next, self._prev = rows[-1][0] + 1, rows[-1][5]

    def _rows(self, messages: Sequence[Timed]) -> Iterator[Row]:
        seq, prev = self._next, self._prev
        for at_ns, message in messages:
            kind, body = type(message).__name__, encode(message).decode()
            digest = row_hash(prev, seq, at_ns, kind, body)
            yield seq, at_ns, kind, body, prev, digest
            seq, prev = seq + 1, digest

    def events(self) -> Iterator[tuple[int, int, msgspec.Struct]]:
        """Every row that is as it was written, in order: seq, at_ns, message. Raises `NewerSchema` for a
        kind that this version does not know.
        """
        links = self.beginning()
        for row in self._stored():
            if links.take(row):
                yield row[0], row[1], message_of(row)

    @property
    def path(self) -> Path:
        """The ledger's file, as it was opened."""
        return self._path

    @property
    def last_hash(self) -> str:
        """Names the last row, and with it everything before: `seq:hash`, "" while there is none. Give it to
        `contains` as it is.

        Whoever keeps it elsewhere (the state file) can tell later whether this chain is that chain, or an
        empty, replaced, older or shortened one.
        """
        if self._prev:  # the only writer knows what it wrote last
            return f"{self._next - 1}:{self._prev}"
        last = self._db.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        return f"{last[0]}:{last[1]}" if last else ""

    def contains(self, last_hash: str) -> bool:
        """Was `last_hash` (by `Store.last_hash`) once the end of this chain? One look-up by row number; the
        empty one is contained in every ledger.

        It believes the hash column: that the row's content fits it is what verifying the chain is for.
        """
        if not last_hash:
            return True
        seq, _, digest = last_hash.partition(":")
        if not seq.isdecimal() or len(seq) > SEQ_DIGITS:
            return False
        first = self.first()
        if first is not None and int(seq) + 1 == first[0]:
            return first[4] == digest
        found = self.rows(int(seq), 1)
        return bool(found) and found[0][0] == int(seq) and found[0][5] == digest

    def still_there(self) -> bool:
        """Are the ledger's path and its write-ahead log's still the files that were opened? Two `stat`s, no
        descriptor.

        False: deleted, moved away or replaced; what is written now goes into a file that nobody will find.
        Device and inode are compared within this process only: a reboot or a restore changes both.
        """
        return self._files[0] is not None and self._files_now() == self._files

    def _files_now(self) -> "tuple[FileId, FileId]":
        return _file_id(self._path), _file_id(self._wal)

    def opened(self) -> Opened | None:
        """Whose ledger this is: row 0. None while there is no row, or no table yet. Raises `BrokenChain` when
        row 0 is not what was written.
        """
        begun = self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone()
        return self._identity() if begun and self.last_hash else None

    def last_ns(self) -> int:
        """Venue time of the last row in nanoseconds; 0 while there is none."""
        last = self._db.execute("SELECT at_ns FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        return int(last[0]) if last else 0

    def last_epoch(self) -> int:
        """The latest epoch that the ledger has seen; 0 when none."""
        query = (
            "SELECT CAST(kind AS TEXT), CAST(body AS TEXT) FROM events WHERE kind IN (?, ?, ?) ORDER BY seq"
            " DESC LIMIT 1"
        )
        for kind, body in self._db.execute(query, EPOCHAL):
            with suppress(msgspec.DecodeError):  # a broken row is `verify`'s to name
                message = decode(body, KINDS[kind])
                return int(getattr(getattr(message, "plan", message), "epoch", 0))
        return 0

    def verify(self) -> int:
        """Recompute the whole chain, in one go; the number of rows. Raises `BrokenChain` naming the first
        row that does not fit.
        """
        links, count = self.beginning(), 0
        for row in self._stored():
            links.take(row)
            links.check()
            count += 1
        return count

    def _stored(self) -> Iterator[Row]:
        yield from self._db.execute(f"{ROWS} ORDER BY seq")

    def first(self) -> Row | None:
        """The first row of this file; its number is not 0 where the file goes on after another
        (`rotation.py`).
        """
        return next(iter(self._db.execute(f"{ROWS} ORDER BY seq LIMIT 1")), None)

    def earlier(self) -> "Store | None":
        """The file that this one goes on after, open as long as this one; None where this is the first, or
        it is not in `archive/` any more.
        """
        first = self.first()
        if self._earlier is None and first is not None and first[0] > 0:
            here = self._path.parent
            for path in (here if here.name == ARCHIVE else here / ARCHIVE).glob(
                f"ledger-*-{first[0] - 1}.sqlite"
            ):
                store = Store.reading(path)
                if store.last_hash == f"{first[0] - 1}:{first[4]}":
                    self._earlier = store
                    break
                store.close()
        return self._earlier

    def rows(self, since: int, count: int) -> list[Row]:
        """At most `count` stored rows from row number `since` on, in order; also those that stand in the
        files that this one goes on after.
        """
        if self._begins is None:
            first = self.first()
            self._begins = first[0] if first else 0
        if since < self._begins and (earlier := self.earlier()) is not None:
            return earlier.rows(since, min(count, self._begins - since))
        return self._db.execute(f"{ROWS} WHERE seq >= ? ORDER BY seq LIMIT ?", (since, count)).fetchall()

    def ending(self, at_ns: int) -> Row | None:
        """The newest row that ended a cycle at this venue time."""
        query = f"{ROWS} WHERE kind = ? AND at_ns = ? ORDER BY seq DESC LIMIT 1"
        row: Row | None = self._db.execute(query, (CycleEnded.__name__, at_ns)).fetchone()
        return row

    def ending_before(self, seq: int) -> int | None:
        """The number of the last row before `seq` in this file that ended a cycle."""
        query = "SELECT seq FROM events WHERE kind = ? AND seq < ? ORDER BY seq DESC LIMIT 1"
        row = self._db.execute(query, (CycleEnded.__name__, seq)).fetchone()
        return None if row is None else int(row[0])

    def snapshots(self, count: int) -> list[int]:
        """Where the newest `count` snapshots stand, the newest first. An older ledger has none, and no
        table of them.
        """
        try:
            found = self._db.execute(
                "SELECT seq FROM snapshots ORDER BY seq DESC LIMIT ?", (count,)
            ).fetchall()
        except sqlite3.OperationalError:
            return []
        return [int(seq) for (seq,) in found]

    @property
    def last_seq(self) -> int:
        """The number of the last row; -1 while there is none."""
        return int(self._db.execute("SELECT COALESCE(MAX(seq), -1) FROM events").fetchone()[0])

    def emptied(self) -> bool:
        """Move all of the write-ahead log into the file. False: somebody reads it, so that some of it must
        stay.
        """
        busy, _, _ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    @classmethod
    def following(
        cls, path: Path, opened: Opened, after: "Store", sync: Literal["full", "normal"], at_ns: int
    ) -> Self:
        """Begin the file at `path` that goes on after `after`: its row numbers, its chain. Raises
        `sqlite3.Error`.
        """
        _private(path)
        store = cls(_connected(path, sync), path)
        store._db.executescript(TABLE)
        store._next, store._prev = after._next, after._prev
        store.append_all([(at_ns, opened)])
        return store

    def checkpoint(self) -> None:
        """Move the write-ahead log into the main file. Takes milliseconds: only when nothing is in flight."""
        self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Close the file; SQLite moves the write-ahead log into it. Closing twice is fine."""
        self._db.close()
        if self._earlier is not None:
            self._earlier.close()
        if self._lock is not None:
            drop(self._lock)
            self._lock = None


class Links:
    """Follows a chain from row to row. `broken`: the first row that is not what was written, or that a row
    is missing before; None while whole.
    """

    def __init__(self, seq: int = 0, prev: str = "") -> None:
        """Begins before row `seq`, whose predecessor's hash is `prev`."""
        self.seq, self.prev = seq, prev
        self.broken: int | None = None

    def take(self, row: Row) -> bool:
        """The next row. Is it what was written, taken by itself?"""
        seq, at_ns, kind, body, prev, digest = row
        good = row_hash(prev, seq, at_ns, kind, body) == digest
        if self.broken is None and not (good and seq == self.seq and prev == self.prev):
            self.broken = min(seq, self.seq)
        self.seq, self.prev = seq + 1, digest
        return good

    def check(self) -> None:
        """Raises `BrokenChain`, naming the first bad row, unless all rows so far were whole."""
        if self.broken is not None:
            raise BrokenChain(self.broken)


def check_schema(schema: str) -> None:
    """Raises `NewerSchema` where a later version has written rows of this form."""
    name, _, version = schema.rpartition("/")
    ours, _, known = SCHEMA.rpartition("/")
    if name != ours or not version.isdecimal() or int(version) > int(known):
        raise NewerSchema(schema)


def message_of(row: Row) -> msgspec.Struct:
    """The message in a row that is as it was written. Raises `NewerSchema` for a kind that this version
    does not know.
    """
    kind, body = row[2], row[3]
    if kind not in KINDS:
        raise NewerSchema(f"{SCHEMA} with {kind}")
    return decode(body, KINDS[kind])


def row_hash(prev: str, seq: int, at_ns: int, kind: str, body: str) -> str:
    """BLAKE2b-128 over the row and the hash of the one before, 32 hex digits."""
    return blake2b(
        f"{prev}|{seq}|{at_ns}|{kind}|{body}".encode("utf-8", "surrogateescape"), digest_size=16
    ).hexdigest()


def _private(path: Path) -> None:
    """The database's file, 0600 before SQLite makes it, because SQLite gives the same mode to the files
    beside it. Never opened when it is there.
    """
    if path.exists():
        path.chmod(FILE)
    else:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE))
    for beside in (path.with_name(path.name + end) for end in ("-wal", "-shm")):
        if beside.exists():
            beside.chmod(FILE)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _connected(path: Path, sync: Literal["full", "normal"]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)
    connection.text_factory = _text
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={sync.upper()}")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection


def _file_id(path: Path) -> FileId:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _identity(opened: Opened) -> str:
    return f"{opened.venue}, chain {opened.chain_id}, subaccount {opened.subaccount}"


def archive_logs(logs: Path, stamp: str, *, escapes: bool = True) -> Path:
    """Move a ledger, with the CSV files and the certificates of its rows, to `logs/archive/<stamp>/`, and
    return that folder. `escapes`: also what ESCAPE wrote beside it.

    `stamp`: UTC as a file name. Raises `FileExistsError` rather than mixing two archives.
    """
    archive = logs / "archive" / stamp
    archive.parent.mkdir(mode=FOLDER, parents=True, exist_ok=True)
    archive.mkdir(mode=FOLDER)
    for pattern in (
        *("ledger.sqlite", "ledger.sqlite-*", "DN_pair_eth_sol_nado_*.csv", "certificates"),
        *(("escape-*.jsonl*",) if escapes else ()),
    ):
        for path in sorted(logs.glob(pattern)):
            path.rename(archive / path.name)
    return archive
