"""A flipped byte in any column of any row: `status` says how far the ledger was verified, `status --full`
names the row wherever it is.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from commands.account.status import broken_ledger, ledger_evidences
from commands.open_state.evidence import Evidence, LedgerEvidence, ledger_evidence
from tests.actors.ledger.test_long import ledger_written, lived, snapshots_in, tampered

FLIPS = {
    "seq": "seq = seq + 100000",
    "at_ns": "at_ns = at_ns + 1",
    "kind": "kind = 'X' || substr(kind, 2)",
    "body": "body = substr(body, 1, length(body) - 2) || CAST(x'ff' AS TEXT) || '}'",
    "prev": "prev = CASE substr(prev, 1, 1) WHEN 'a' THEN 'b' ELSE 'a' END || substr(prev, 2)",
    "hash": "hash = CASE substr(hash, 1, 1) WHEN 'a' THEN 'b' ELSE 'a' END || substr(hash, 2)",
}
SNAPSHOT_AFTER = 20


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Rows 0 to 20, a snapshot as row 21, and the rest."""
    path = tmp_path / "ledger.sqlite"
    ledger_written(path, lived(3).rows, snapshot_after=SNAPSHOT_AFTER)
    assert snapshots_in(path) == [SNAPSHOT_AFTER + 1]
    return path


def flip(path: Path, column: str, row: int) -> None:
    tampered(path, f"UPDATE events SET {FLIPS[column]} WHERE seq = {row}")  # noqa: S608 - words of this file


def last_row(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("SELECT MAX(seq) FROM events").fetchone()[0])


def looked(path: Path, *, full: bool) -> LedgerEvidence:
    return ledger_evidence(path, None, None, full=full)


def said(word: LedgerEvidence) -> str:
    return ledger_evidences(Evidence(word, "logs"))


def test_a_whole_ledger_is_said_to_be_verified_from_its_snapshot_and_with_full_from_its_first_row(
    ledger: Path,
) -> None:
    rows = last_row(ledger) + 1
    assert f"{rows} rows, epoch 1 · rows 21 to {rows - 1} verified at " in said(looked(ledger, full=False))
    assert f"{rows} rows, epoch 1 · verified through row {rows - 1} at " in said(looked(ledger, full=True))
    assert broken_ledger(Evidence(looked(ledger, full=True), "logs")) is None


@pytest.mark.parametrize("column", sorted(FLIPS))
def test_a_flipped_byte_before_the_snapshot_is_named_by_full_and_nothing_before_it_is_claimed_without(
    column: str, ledger: Path
) -> None:
    last = last_row(ledger)
    flip(ledger, column, 7)
    quick = looked(ledger, full=False)
    if column != "seq":  # a row with another number stands elsewhere: it may come after the snapshot
        assert f"rows 21 to {last} verified at " in said(quick)
    full = looked(ledger, full=True)
    assert (full.state, full.verified and full.verified.bad) == ("broken", 7)
    assert "verified through row 6 at " in said(full)
    problem = broken_ledger(Evidence(full, "logs"))
    assert problem is not None
    assert (problem.code, problem.exit_code) == ("BROKEN_LEDGER", 3)
    assert "row 7 of the ledger is not the row that was written" in problem.message


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("column", sorted(FLIPS))
def test_a_flipped_byte_after_the_snapshot_is_named_and_no_row_is_missing_from_the_count(
    column: str, full: bool, ledger: Path
) -> None:
    rows = last_row(ledger) + 1
    flip(ledger, column, 30)
    word = looked(ledger, full=full)
    assert (word.state, word.verified and word.verified.bad) == ("broken", 30)
    assert f"{rows} rows, " in said(word)
    assert "to 29 verified" in said(word) or "verified through row 29" in said(word)
    problem = broken_ledger(Evidence(word, "logs"))
    assert problem is not None
    assert "row 30 of the ledger" in problem.message


@pytest.mark.parametrize("column", sorted(FLIPS))
def test_the_snapshot_itself_is_a_row_like_any_other(column: str, ledger: Path) -> None:
    flip(ledger, column, SNAPSHOT_AFTER + 1)
    for full in (False, True):
        word = looked(ledger, full=full)
        assert (word.state, word.verified and word.verified.bad) == ("broken", SNAPSHOT_AFTER + 1)
