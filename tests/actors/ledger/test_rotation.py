"""A ledger goes on in a new file, also while a pair is held, and whatever crash comes in between leaves
one.
"""

import gc
import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.ledger import Fold, LedgerError, LedgerFile, Reading, Store, catch_up, folded, rotation
from actors.ledger import snapshots as snapshots_module
from actors.ledger.store import SCHEMA
from messages.lifecycle import Note, Opened
from messages.units import Base, Quote
from tests.actors.fakes import venue_clock
from tests.actors.ledger.story import Story

OURS = Opened(SCHEMA, "test", 763373, "0x" + "11" * 32)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "ROTATE_ROWS", 40)


def holding(path: Path, story: Story | None = None) -> Story:
    """A ledger of 50 rows and more that ends with a pair that is held."""
    told = story or Story()
    before = len(told.rows) if story else 0
    for _ in range(3):
        cycle = told.fold.cycle.number
        if told.held.phase == "open":
            told.leave(cycle)
            told.snapshot()
        told.enter(cycle + 1)
        told.snapshot()
    with closing(Store.open(path, OURS, "normal", at_ns=1)) as store:
        store.append_all(told.rows[before:])
    return told


async def rotate(path: Path) -> list[Any]:
    seen: list[Any] = []
    await catch_up(LedgerFile(path, OURS, "normal"), None, seen.append, venue_clock())
    return [message.text for message in seen if isinstance(message, Note)]


def said(fold: Fold) -> Any:
    """But for the day: catching up has a clock of its own."""
    held = fold.held(1)
    return msgspec.structs.replace(
        held, rows=0, day_loss=Quote(0), totals=msgspec.structs.replace(held.totals, rows=0)
    )


def ends(path: Path) -> list[str]:
    """What a state file may have kept: every end that the chain ever had."""
    with closing(Store.reading(path)) as store:
        return [f"{row[0]}:{row[5]}" for row in store.rows(0, 10**6)]


async def test_a_long_ledger_goes_on_in_a_new_file_with_the_pair_that_is_held(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    story = holding(path)
    known = ends(path)
    (note,) = await rotate(path)
    assert "goes on in a new file" in note
    archived = list((tmp_path / "archive").iterdir())
    assert [each.name for each in archived] == [f"ledger-0-{len(known) - 1}.sqlite"]
    assert said(folded(path)) == said(story.fold)
    assert folded(path).position["eth"] == Base.of("0.042")
    with closing(Store.open(path, OURS, "normal")) as store:
        assert store.verify() == 2
        assert store.opened() == OURS
        assert all(store.contains(end) for end in known), "in the file before"
        assert not store.contains(f"3:{'0' * 32}")
    assert await rotate(path) == [], "it is short now"


async def test_it_can_be_done_again_and_again_and_the_past_is_read_across_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, story, known = tmp_path / "ledger.sqlite", None, []
    for _ in range(3):
        story = holding(path, story)
        known += ends(path)
        await rotate(path)
    assert story is not None
    assert len(list((tmp_path / "archive").glob("*.sqlite"))) == 3
    monkeypatch.setattr(snapshots_module, "FOLD_VERSION", 99)
    with closing(Store.reading(path)) as store:
        reading = Reading(store)
        assert reading.snapshot is None, "a later version folds every row again, from every file"
        assert said(reading.whole()) == said(story.fold)
        assert reading.broken == ""
        assert all(store.contains(end) for end in known)
    shutil.rmtree(tmp_path / "archive")
    with pytest.raises(
        LedgerError, match=r"without a snapshot that this version reads, and archive/ledger-.* is gone"
    ):
        folded(path)


STEPS = ("link", "replace", "fsync", "mkdir", "unlink")


class Crash(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("nth", range(1, 12))
async def test_a_crash_between_any_two_steps_leaves_a_ledger_that_knows_everything(
    nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.sqlite"
    story = holding(path)
    known, count = ends(path), 0

    def dying(real: Any) -> Any:
        def step(*what: Any, **more: Any) -> Any:
            nonlocal count
            count += 1
            if count == nth:
                raise Crash
            return real(*what, **more)

        return step

    with monkeypatch.context() as crashing:
        for name in ("link", "fsync"):
            crashing.setattr(os, name, dying(getattr(os, name)))
        for name in ("replace", "mkdir", "unlink"):
            crashing.setattr(Path, name, dying(getattr(Path, name)))
        for name in ("append_all", "emptied", "close", "following"):
            crashing.setattr(Store, name, dying(getattr(Store, name)))
        try:
            await rotate(path)
        except Crash:
            pass
        else:
            assert count < nth, "it has no more steps than that"
    gc.collect()  # what the dead process had open is closed
    for _ in range(2):
        assert said(folded(path)) == said(story.fold)
        with closing(Store.open(path, OURS, "normal")) as store:
            assert all(store.contains(end) for end in known)
            assert Reading(store).whole().position == story.fold.position
        await rotate(path)
    with closing(Store.reading(path)) as store:
        assert store.first()[0] == len(known)  # type: ignore[index]


async def test_a_reader_that_holds_the_old_file_puts_it_off(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    story = holding(path)
    with closing(Store.reading(path)) as reader:
        cursor = reader._db.execute("SELECT * FROM events")
        cursor.fetchone()
        (note,) = await rotate(path)
        assert "not rotated" in note
    assert said(folded(path)) == said(story.fold)


async def test_a_broken_ledger_is_not_rotated(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    holding(path)
    with closing(Store.open(path, OURS, "normal")) as store:
        store._db.execute("DROP TRIGGER events_are_never_changed")
        store._db.execute("UPDATE events SET at_ns = 5 WHERE seq = 4")
    assert await rotate(path) == []
    assert not (tmp_path / "archive").exists()
