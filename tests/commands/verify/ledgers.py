"""Ledgers with their CSV files as a run writes them, and the ways to spoil one."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from actors.ledger import SCHEMA, CsvBooks, Store
from actors.ledger.reading import Reading
from actors.ledger.snapshots import snapshot_of
from actors.ledger.starting import reading_of
from actors.ledger.store import row_hash
from commands.access.venue import SIMULATED
from messages.lifecycle import Opened
from messages.sizing import Skipped
from runtime.observe import Notes
from tests.actors.fakes import RULES, SENDER, venue_clock
from tests.actors.ledger.story import Story

OURS = Opened(SCHEMA, f"{SIMULATED}:1", RULES.chain_id, SENDER)


def eventful() -> Story:
    """Four cycles: entered in pieces, an order that RESOLVE answers for, a repair, an attempt that is given
    up, a plan that is aborted.
    """
    story = Story()
    story.placed("enter", "0.042", "-1", cycle=1)
    story.fill("eth", "0.02", "2756.1", remaining="0.022")
    story.fill("eth", "0.022", "2757.3")
    story.fill("sol", price="115.7")
    story.snapshot()
    story.leave(1, "2760.1", "115.9")
    story.snapshot()
    story.tell(Skipped(2, "UNBALANCED", 'no quantities, "none" at all', None))
    story.seal(story.plan("enter", "0.042", "-1", cycle=3))
    story.abort()
    story.placed("enter", "0.042", "-1", cycle=3)
    story.outcome("eth", "accepted")
    story.fill("eth")
    story.outcome("sol", "refused", 2006)
    story.placed("repair", "0", "-1", cycle=3, closing=False)
    story.outcome("sol", "unknown")
    story.resolved("sol", "-1", price="115.8", fee="0.041")
    story.snapshot()
    story.leave(3, "2750.7", "116.02")
    story.snapshot()
    story.enter(4, "-0.042", "1")
    story.snapshot()
    story.leave(4)
    story.snapshot()
    return story


def ledger_of(folder: Path, story: Story, *, snapshot: bool = True) -> Path:
    """The story as a ledger in `folder`, with its CSV files and a snapshot; the ledger's path."""
    path = folder / "ledger.sqlite"
    with closing(Store.open(path, OURS, "normal", at_ns=1)) as store:
        store.append_all(story.rows)
        clock = venue_clock()
        books = CsvBooks(folder, "Nado-simulated")
        reading, _ = reading_of(store, books, Notes(lambda _message: None, clock, "ledger"))
        fold = reading.whole()
        if snapshot:
            store.append_all([(story.rows[-1][0], snapshot_of(fold, books.sizes()))])
        assert not Reading(store).broken
    return path


def spoilt(path: Path, statement: str, *values: object) -> None:
    """Do what the triggers of a ledger forbid."""
    with closing(sqlite3.connect(path)) as db:
        for trigger in ("events_are_never_changed", "events_are_never_removed"):
            db.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        db.execute(statement, values)
        db.commit()


def forged(path: Path, kind: str, change: Callable[[str], str], nth: int = 0) -> int:
    """Change the body of the `nth` row of this kind and make the whole chain fit again; its number."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TRIGGER IF EXISTS events_are_never_changed")
        rows = db.execute("SELECT seq, at_ns, kind, body FROM events ORDER BY seq").fetchall()
        target = [row[0] for row in rows if row[2] == kind][nth]
        prev = ""
        for seq, at_ns, of, body in rows:
            text = change(body) if seq == target else body
            assert seq != target or text != body
            digest = row_hash(prev, seq, at_ns, of, text)
            db.execute(
                "UPDATE events SET body = ?, prev = ?, hash = ? WHERE seq = ?", (text, prev, digest, seq)
            )
            prev = digest
        db.commit()
    return target
