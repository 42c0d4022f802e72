"""A ledger of any length is begun with in small steps, so that nothing else waits for it."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.ledger import (
    BrokenChain,
    CsvBooks,
    LedgerFile,
    LedgerWiring,
    Reading,
    Store,
    catch_up,
    folded,
    ledger_actor,
)
from actors.ledger import store as store_module
from actors.ledger.reading import SLICE_ROWS, SNAPSHOT_ROWS, START_ROWS
from actors.ledger.snapshots import FOLD_VERSION, snapshot_of
from actors.ledger.store import SCHEMA, Timed, row_hash
from messages.lifecycle import VERIFYING, AccountStream, Denial, FoldSnapshot, Held, Opened
from messages.sizing import Declined, Ready
from runtime.mailbox import Latest, Mailbox
from tests.actors.fakes import ORDER_BUILDER, START_MS, venue_clock
from tests.actors.ledger.story import Story

OURS = Opened(SCHEMA, "test", 763373, "0x" + "11" * 32)


TWO_SLICES = 2 * SLICE_ROWS + 10
"""Trio's turns have no order: the counting task may come first in one and last in the next."""


def lived(cycles: int) -> Story:
    story = Story()
    for cycle in range(1, cycles + 1):
        story.enter(cycle)
        story.snapshot()
        story.leave(cycle)
        story.snapshot()
    return story


def ledger_written(path: Path, rows: Sequence[Timed], *, snapshot_after: int | None = None) -> None:
    """A ledger of these rows; a snapshot row stands after `snapshot_after` of them."""
    with closing(Store.open(path, OURS, "normal", at_ns=1)) as store:
        if snapshot_after is None:
            store.append_all(rows)
            return
        store.append_all(rows[:snapshot_after])
        store.append_all([(2, snapshot_of(Reading(store).whole(), (-1, -1)))])
        store.append_all(rows[snapshot_after:])


def snapshots_in(path: Path) -> list[int]:
    with closing(Store.reading(path)) as store:
        return [seq for seq, _, message in store.events() if isinstance(message, FoldSnapshot)]


class Work:
    """Counts the rows that were verified between two turns of the loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.most = self.all = 0

        def counted(*row: Any) -> str:
            self.now += 1
            self.all += 1
            self.most = max(self.most, self.now)
            return row_hash(*row)

        monkeypatch.setattr(store_module, "row_hash", counted)

    async def turns(self) -> None:
        while True:
            await trio.lowlevel.checkpoint()
            self.now = 0


class LongLedger:
    """A ledger actor on a file."""

    def __init__(self, path: Path, *, csvs: CsvBooks | None = None) -> None:
        self.path, self.csvs = path, csvs
        self.box: Mailbox[Any] = Mailbox("ledger", 100_000)
        self.held: Latest[Held] = Latest()
        self.said: list[msgspec.Struct] = []
        self.seen: list[msgspec.Struct] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            await nursery.start(self._run)
            yield
            nursery.cancel_scope.cancel()

    async def _run(self, *, task_status: Any) -> None:
        await ledger_actor(
            LedgerFile(self.path, OURS, "normal"),
            LedgerWiring(
                self.box.reader(),
                self.said.append,
                self.held,
                ORDER_BUILDER,
                venue_clock(),
                self.seen.append,
                1,
                self.csvs,
            ),
            task_status=task_status,
        )

    async def tell(self, *messages: Any) -> None:
        for message in messages:
            self.box.post(message)
        await wait_all_tasks_blocked()

    @property
    def holding(self) -> Held:
        assert self.held.value is not None
        return self.held.value


async def test_a_start_over_a_ledger_without_a_snapshot_never_verifies_more_than_a_slice_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """100,000 rows were once folded in one go, longer than a guard waits: it took over a healthy run."""
    path = tmp_path / "ledger.sqlite"
    rows = lived(100).rows
    ledger_written(path, rows)
    work = Work(monkeypatch)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work.turns)
        async with LongLedger(path).running():
            pass
        assert len(rows) < work.all
        assert SLICE_ROWS <= work.most <= TWO_SLICES
        nursery.cancel_scope.cancel()


async def test_rows_before_the_snapshot_are_verified_in_slices_and_nothing_is_entered_until_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    path, story = tmp_path / "ledger.sqlite", lived(100)
    ledger_written(path, story.rows, snapshot_after=len(story.rows) - 5)
    work, desk = Work(monkeypatch), LongLedger(path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work.turns)
        await nursery.start(desk._run)
        assert work.all < len(story.rows) / 2, "what is open is known from the snapshot and the rows after it"
        assert desk.holding.no_entry is not None
        assert desk.holding.no_entry.text.startswith(f"{VERIFYING}: {len(story.rows) - 4} older rows")
        story.seal(story.plan("enter", "0.042", "-1", cycle=101))
        desk.box.post(story.sealed)
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        (answer,) = desk.said
        assert isinstance(answer, Declined)
        assert answer.code == VERIFYING
        await wait_all_tasks_blocked_but(desk)
        assert work.most <= TWO_SLICES
        assert desk.holding.no_entry is None
        story.seal(story.plan("enter", "0.042", "-1", cycle=101))
        desk.box.post(story.sealed)
        for _ in range(5):
            await trio.lowlevel.checkpoint()
        assert isinstance(desk.said[-1], Ready)
        nursery.cancel_scope.cancel()


async def wait_all_tasks_blocked_but(desk: LongLedger) -> None:
    """Until the verification is over; a task that counts turns never blocks."""
    for _ in range(10_000):
        if not desk.holding.no_entry:
            return
        await trio.lowlevel.checkpoint()


async def test_a_broken_old_row_is_found_and_blocks_entering_and_not_closing(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    path, story = tmp_path / "ledger.sqlite", lived(30)
    story.enter(31)
    ledger_written(path, story.rows, snapshot_after=len(story.rows))
    tampered(path, "UPDATE events SET at_ns = at_ns + 1 WHERE seq = 7")
    desk = LongLedger(path)
    async with desk.running():
        await wait_all_tasks_blocked()
        assert desk.holding.no_entry == Denial("BROKEN_LEDGER", str(BrokenChain(7)))
        assert (desk.holding.phase, desk.holding.eth.amount) == ("open", story.held.eth.amount)
        story.seal(story.plan("exit", "-0.042", "1", cycle=31))
        await desk.tell(story.sealed)
        assert isinstance(desk.said[-1], Ready)


def tampered(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("DROP TRIGGER events_are_never_changed")
        database.execute("DROP TRIGGER events_are_never_removed")
        database.execute(statement)


SPOILED = {
    "a changed body": (
        "UPDATE events SET body = replace(body, 'version', 'Version') WHERE kind = 'FoldSnapshot'"
    ),
    "a broken row": "UPDATE events SET at_ns = 77 WHERE kind = 'FoldSnapshot'",
    "an index that is wrong": "UPDATE snapshots SET seq = 3",
    "no index": "DROP TABLE snapshots",
    "an index beyond the end": "INSERT INTO snapshots VALUES (999999)",
}


@pytest.mark.parametrize("how", sorted(SPOILED))
def test_a_snapshot_that_cannot_be_used_changes_nothing(how: str, tmp_path: Path) -> None:
    path, story = tmp_path / "ledger.sqlite", lived(3)
    story.enter(4)
    ledger_written(path, story.rows, snapshot_after=40)
    whole = folded(path)
    tampered(path, SPOILED[how])
    again = folded(path)
    ends = (again.position, again.phase, again.cycle.number, again.tally.completed)
    assert (
        ends
        == (whole.position, whole.phase, whole.cycle.number, whole.tally.completed)
        == (story.fold.position, "open", 4, 3)
    )


def test_a_snapshot_of_another_fold_version_is_not_used(tmp_path: Path) -> None:
    path, story = tmp_path / "ledger.sqlite", lived(3)
    with closing(Store.open(path, OURS, "normal", at_ns=1)) as store:
        store.append_all(story.rows)
        other = msgspec.structs.replace(
            snapshot_of(Reading(store).whole(), (-1, -1)), version=FOLD_VERSION + 1
        )
        store.append_all([(2, other)])
        reading = Reading(store)
        assert reading.snapshot is None
        assert reading.whole().tally.completed == 3
        assert reading.broken == ""


async def test_a_snapshot_is_written_when_idle_and_never_while_an_order_is_in_flight(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    path, story = tmp_path / "ledger.sqlite", Story()
    desk, streams = LongLedger(path), [AccountStream(True, "")] * 100
    story.placed("enter", "0.042", "-1")
    async with desk.running():
        await desk.tell(*[message for _, message in story.rows if not isinstance(message, Ready)])
        for _ in range(SNAPSHOT_ROWS // 100 + 2):
            await desk.tell(*streams)
        assert snapshots_in(path) == []
        rows = len(story.rows)
        story.outcome("eth", "none")
        story.outcome("sol", "none")
        await desk.tell(*[message for _, message in story.rows[rows:] if type(message).__name__ == "Outcome"])
        assert len(snapshots_in(path)) == 1
    assert folded(path).phase == "flat"


async def test_the_end_of_a_run_writes_one_too_and_the_next_start_reads_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    path = tmp_path / "ledger.sqlite"
    async with LongLedger(path).running() as _:
        pass
    desk = LongLedger(path)
    async with desk.running():
        await desk.tell(*[AccountStream(True, "")] * (START_ROWS + 1))
    (at,) = snapshots_in(path)
    assert at == START_ROWS + 2
    work = Work(monkeypatch)
    folded(path)
    assert work.all <= 2


async def test_rows_that_could_not_be_committed_are_in_no_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """The fold has taken them, the file has not: what was not written is not folded."""
    path, real = tmp_path / "ledger.sqlite", Store.append_all
    desk = LongLedger(path)

    def full(store: Store, messages: Sequence[Timed]) -> None:
        if any(isinstance(message, AccountStream) and message.detail == "lost" for _, message in messages):
            raise sqlite3.OperationalError("disk I/O error")
        real(store, messages)

    monkeypatch.setattr(Store, "append_all", full)
    with pytest.RaisesGroup(pytest.RaisesExc(Exception, match="disk I/O"), flatten_subgroups=True):
        async with desk.running():
            await desk.tell(*[AccountStream(True, "")] * (START_ROWS + 1))
            await desk.tell(AccountStream(True, "lost"))
    assert snapshots_in(path) == []


async def test_an_old_ledger_is_caught_up_with_before_a_run_begins(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    path, story = tmp_path / "ledger.sqlite", lived(60)
    ledger_written(path, story.rows)
    books = CsvBooks(tmp_path, "Nado-simulated")
    await catch_up(LedgerFile(path, OURS, "normal"), books, lambda _message: None, venue_clock())
    (at,) = snapshots_in(path)
    assert at == len(story.rows) + 1
    assert books.path("trades").read_text().count("\n") == 1 + 4 * 60, (
        "what was never written into them is written now"
    )
    before = books.path("trades").read_bytes()
    async with LongLedger(path, csvs=books).running():
        pass
    assert books.path("trades").read_bytes() == before


class Formatted:
    """Counts the CSV lines that are made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lines = 0
        from actors.ledger import bookkeeping

        real = bookkeeping.closed_lines

        def counted(*what: Any) -> Any:
            lines = real(*what)
            self.lines += len(lines)
            return lines

        monkeypatch.setattr(bookkeeping, "closed_lines", counted)


@pytest.mark.parametrize("snapshot", [True, False])
@pytest.mark.parametrize("lost", [0, 1, 3])
async def test_only_the_csv_lines_that_a_crash_kept_from_being_written_are_made_again(
    snapshot: bool, lost: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    path, story, books = tmp_path / "ledger.sqlite", lived(5), CsvBooks(tmp_path, "Nado-simulated")
    ledger_written(path, story.rows)
    async with LongLedger(path, csvs=books).running():
        pass
    if snapshot:
        with closing(Store.open(path, OURS, "normal")) as store:
            store.append_all([(START_MS, snapshot_of(Reading(store).whole(), books.sizes()))])
    more = lived(10).rows[len(story.rows) :]
    with closing(Store.open(path, OURS, "normal")) as store:
        store.append_all(more)
    async with LongLedger(path, csvs=books).running():
        pass
    whole = {file: books.path(file).read_bytes() for file in ("trades", "positions")}  # type: ignore[arg-type]
    assert whole["trades"].count(b"\n") == 41
    for file in ("trades", "positions"):
        lines = whole[file].splitlines(keepends=True)
        torn = lines[len(lines) - lost][:7] if lost else b""
        books.path(file).write_bytes(b"".join(lines[: len(lines) - lost]) + torn)  # type: ignore[arg-type]
    made = Formatted(monkeypatch)
    async with LongLedger(path, csvs=books).running():
        pass
    assert {file: books.path(file).read_bytes() for file in ("trades", "positions")} == whole  # type: ignore[arg-type]
    assert made.lines <= 2 * (lost + 1) if lost else made.lines == 0


@pytest.mark.parametrize("edit", ["shorter", "another place"])
async def test_a_file_that_a_person_edited_is_left_as_it_is(
    edit: str, tmp_path: Path, autojump_clock: MockClock
) -> None:
    path, story, books = tmp_path / "ledger.sqlite", lived(5), CsvBooks(tmp_path, "Nado-simulated")
    ledger_written(path, story.rows)
    async with LongLedger(path, csvs=books).running():
        pass
    with closing(Store.open(path, OURS, "normal")) as store:
        store.append_all([(START_MS, snapshot_of(Reading(store).whole(), books.sizes()))])
        store.append_all(lived(6).rows[len(story.rows) :])
    raw = books.path("trades").read_bytes()
    edited = raw[: raw.index(b"\n") + 1] if edit == "shorter" else raw.replace(b"Nado-simulated", b"Nado")
    books.path("trades").write_bytes(edited)
    async with LongLedger(path, csvs=books).running():
        pass
    assert books.path("trades").read_bytes() == edited
