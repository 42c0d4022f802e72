"""Nothing in the file of a ledger is of any consequence but its rows: whichever byte of it is flipped, free
space of SQLite's pages included, either it is found or every row reads as it was written.
"""

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from commands.verify.findings import DoesNotHold
from commands.verify.verifying import verified
from tests.actors.ledger.story import Story
from tests.commands.verify.ledgers import ledger_of


def stored_rows(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return db.execute("SELECT * FROM events ORDER BY seq").fetchall()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """One cycle, without a snapshot, all of it in the file itself."""
    story = Story()
    story.enter()
    story.snapshot()
    story.leave()
    story.snapshot()
    ledger_of(tmp_path / "made", story, snapshot=False)
    with closing(sqlite3.connect(tmp_path / "made" / "ledger.sqlite")) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    shutil.copy(tmp_path / "made" / "ledger.sqlite", tmp_path / "ledger.sqlite")
    return tmp_path / "ledger.sqlite"


@pytest.mark.parametrize("flips", [400, pytest.param(20_000, marks=pytest.mark.long)])
def test_a_flipped_byte_anywhere_in_the_file_is_found_or_changes_no_row(
    small: Path, flips: int, request: pytest.FixtureRequest
) -> None:
    """Flips with seed 13; to repeat: pytest -n 0 <this test>."""
    whole, written = small.read_bytes(), stored_rows(small)
    chance, found, harmless = random.Random(13), 0, 0
    for _ in range(flips):
        at, bit = chance.randrange(len(whole)), 1 << chance.randrange(8)
        small.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
        try:
            verified(small)
        except DoesNotHold:
            found += 1
        else:
            assert stored_rows(small) == written, f"byte {at}, bit {bit}; pytest -n 0 '{request.node.nodeid}'"
            harmless += 1
    assert found > flips // 4
    assert harmless > 0


def test_every_byte_of_every_row_is_found(small: Path) -> None:
    """Each row is looked for in the file by its text and its hash: all of it."""
    whole = small.read_bytes()
    for row in stored_rows(small):
        for text in (str(row[3]).encode(), str(row[5]).encode()):
            begins = whole.find(text)
            if begins < 0:  # its text goes on in another page
                continue
            for at in range(begins, begins + len(text), 1 + len(text) // 9):
                small.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
                with pytest.raises(DoesNotHold):
                    verified(small)
    small.write_bytes(whole)
    verified(small)


def test_a_ledger_has_no_free_pages_and_one_that_has_is_named(small: Path) -> None:
    with closing(sqlite3.connect(small)) as db:
        assert db.execute("PRAGMA freelist_count").fetchone() == (0,)
        db.execute("CREATE TABLE notes (text TEXT)")
        db.execute("INSERT INTO notes VALUES (?)", ("x" * 20_000,))
        db.execute("DROP TABLE notes")
        db.commit()
    with pytest.raises(DoesNotHold) as caught:
        verified(small)
    assert caught.value.field == "free pages"
