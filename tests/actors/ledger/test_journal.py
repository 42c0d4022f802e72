"""What a guard writes while the run that it closes for still has the ledger: beside it, taken in by the
next start.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from actors.ledger import Journal, LedgerFile, Store
from actors.ledger.escapes import take_in
from actors.ledger.store import SCHEMA
from messages.execution import EscapeRound, Resolved
from messages.lifecycle import GuardActed, Note, Opened
from messages.units import Base, Ms, Price, Quote, notional
from runtime.observe import Notes
from tests.actors.fakes import ORDER_BUILDER, venue_clock
from tests.actors.ledger.story import Story

OURS = Opened(SCHEMA, "test", 763373, "0x" + "11" * 32)
ACTED = GuardActed(2, "the run", Ms(10_000))


def with_a_pair(path: Path) -> Story:
    story = Story()
    story.enter()
    with closing(Store.open(path, OURS, "normal", at_ns=1)) as store:
        store.append_all(story.rows)
    return story


def journal(path: Path, *, read_only: bool, seen: list[msgspec.Struct] | None = None) -> Journal:
    observe = seen.append if seen is not None else lambda _message: None
    return Journal(
        LedgerFile(path, OURS, "normal"), ORDER_BUILDER, venue_clock(), observe, 2, read_only=read_only
    )


def contents(path: Path) -> dict[str, bytes]:
    return {
        each.name: each.read_bytes()
        for each in path.parent.glob("ledger.sqlite*")
        if not each.name.endswith("-shm")
    }


def beside_it(folder: Path) -> int:
    return len(list(folder.glob("escape-*.jsonl")))


def kinds(path: Path) -> list[str]:
    with closing(Store.reading(path)) as store:
        return [type(message).__name__ for _, _, message in store.events()]


def closed(story: Story, leg: str, amount: str) -> Resolved:
    """The venue's word on an order of the journal's own."""
    assert leg in {"eth", "sol"}
    price = Price.of("2756.9")
    return Resolved(
        "0x" + leg, 4, Base.of(amount), notional(price, Base.of(amount)), Quote(0), False, "archive"
    )


async def test_a_read_only_journal_knows_what_is_held_and_changes_no_byte_of_the_ledger(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.sqlite"
    with_a_pair(path)
    writer = Store.open(path, OURS, "normal")
    before = contents(path)
    with closing(journal(path, read_only=True)) as beside:
        assert (beside.unreadable, beside.in_ledger) == ("", False)
        assert (beside.fold.held(2).phase, beside.fold.held(2).eth.amount) == ("open", Base.of("0.042"))
        assert beside.last_epoch == 1
        beside.write(ACTED)
    assert contents(path) == before
    writer.close()
    with closing(Store.open(path, OURS, "normal")) as store:
        take_in(tmp_path, store, Notes(lambda _message: None, venue_clock(), "ledger"))
    assert kinds(path)[-1] == "GuardActed"


async def test_it_does_not_wait_for_a_run_that_was_stopped_in_the_middle_of_a_transaction(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.sqlite"
    with_a_pair(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as stopped:
        stopped.execute("BEGIN EXCLUSIVE")
        with closing(journal(path, read_only=True)) as beside:
            beside.write(ACTED)
            assert beside.fold.held(2).phase == "open"
    assert beside_it(tmp_path) == 1


async def test_a_second_one_knows_what_the_first_left_beside(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with_a_pair(path)
    with closing(journal(path, read_only=True)) as first:
        plan = Story().plan("flatten", "-0.042", "0", closing=True)
        first.write(EscapeRound(plan, "0xeth", ""))
        assert [doubt.order_digest for doubt in first.fold.held(2).doubts] == ["0xeth"]
    with closing(journal(path, read_only=True)) as second:
        assert [doubt.order_digest for doubt in second.fold.held(2).doubts] == ["0xeth"]
        second.write(closed(Story(), "eth", "-0.042"))
        assert (second.fold.held(2).eth.amount, second.fold.held(2).sol.amount) == (0, Base.of("-1"))


@pytest.mark.parametrize("content", [None, b"not a ledger"])
async def test_without_a_ledger_it_says_so_and_begins_none(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    if content is not None:
        path.write_bytes(content)
    seen: list[msgspec.Struct] = []
    with closing(journal(path, read_only=True, seen=seen)) as beside:
        assert beside.unreadable
        assert beside.fold.held(2).phase == "flat"
        beside.write(ACTED)
    assert bool(contents(path)) is (content is not None)
    assert beside_it(tmp_path) == 1
    assert not [message for message in seen if isinstance(message, Note) and message.level == "error"]
