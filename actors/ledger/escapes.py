"""What ESCAPE wrote down beside a ledger that could not be written, and how the ledger takes it in once it
can.

One file per ESCAPE, `escape-<utc>.jsonl`, one row per line: venue time, kind, message. The rows are those
that the ledger would have had, so that their fills are recognised as Evenkeel's at the next start.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from actors.ledger.store import KINDS, Store, Timed
from messages.wire import decode, encode
from runtime.files import private
from runtime.observe import Notes

PATTERN = "escape-*.jsonl"
TAKEN = ".taken"
"""Added to the name of a file whose rows are in the ledger."""


class JournalLine(msgspec.Struct, frozen=True):
    """One row as a line of JSON: venue time, kind and message."""

    at_ns: int
    kind: str
    body: str


def write_down(path: Path, rows: Sequence[Timed]) -> None:
    """Append rows to `path`; they survive a power cut once this returns. Raises `OSError`."""
    lines = [
        msgspec.json.encode(JournalLine(at_ns, type(message).__name__, encode(message).decode()))
        for at_ns, message in rows
    ]
    with open(path, "ab", opener=private) as file:
        file.write(b"".join(line + b"\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())


def take_in(folder: Path, store: Store, note: Notes) -> None:
    """Append every such file's rows to the ledger and rename it. Raises what `Store.append_all` raises, and
    `OSError`.

    After a crash between the two the rows are taken in twice; folding them twice changes nothing.
    """
    for path in sorted(folder.glob(PATTERN)):
        rows = list(_rows(path))
        store.append_all(rows)
        path.rename(path.with_name(path.name + TAKEN))
        note("warning", f"{len(rows)} rows of an escape taken in from {path.name}")


def waiting(folder: Path) -> Iterator[Timed]:
    """The rows that stand beside the ledger in `folder` and are not in it yet, oldest file first. Raises
    `OSError`.
    """
    for path in sorted(folder.glob(PATTERN)):
        yield from _rows(path)


def _rows(path: Path) -> Iterator[Timed]:
    """The rows up to the first that cannot be read: a torn line is the last one that was written."""
    for raw in path.read_bytes().splitlines():
        try:
            line = msgspec.json.decode(raw, type=JournalLine)
            yield line.at_ns, decode(line.body, KINDS[line.kind])
        except (msgspec.DecodeError, LookupError, UnicodeError):
            return
