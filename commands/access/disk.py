"""How long the disk takes to make a row durable: the ledger's vote must fit into `ready_deadline`."""

import sqlite3
import tempfile
from pathlib import Path
from typing import Literal

from messages.settings import Settings
from runtime.clock import stopwatch_ns

COMMITS = 20


def sync_of(settings: Settings) -> Literal["full", "normal"]:
    """How durable the ledger's commits are: live they survive a power loss, with play money a `kill -9`."""
    if settings.files.ledger_sync == "auto":
        return "normal" if settings.venue.name == "simulated" else "full"
    return settings.files.ledger_sync


def slow_commit_ms(folder: Path, sync: Literal["full", "normal"]) -> float:
    """The slowest but one of some commits in `folder`, in milliseconds: one outlier is given. Raises
    `OSError` where nothing can be written.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        database = sqlite3.connect(Path(scratch) / "probe.sqlite", isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(f"PRAGMA synchronous={sync}")
        database.execute("CREATE TABLE probe (value TEXT)")
        taken_ms = []
        for _ in range(COMMITS):
            began_ns = stopwatch_ns()
            database.execute("INSERT INTO probe VALUES (?)", ("x" * 500,))
            taken_ms.append((stopwatch_ns() - began_ns) / 1_000_000)
        database.close()
    return sorted(taken_ms)[-2]
