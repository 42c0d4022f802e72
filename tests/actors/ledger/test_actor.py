"""The loop, on fake channels and virtual time, with a real file."""

import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
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
    LedgerMessage,
    LedgerWiring,
    Store,
    Unwritable,
    ledger_actor,
)
from actors.ledger.actor import STILL_S
from actors.ledger.store import SCHEMA, Timed
from messages.execution import Outcome, PlanClosed
from messages.lifecycle import AccountStream, CycleEnded, Denial, Held, Hop, Note, Opened, Started
from messages.sizing import Declined, Ready, Sealed
from messages.units import Base, Ms, Ns
from runtime.mailbox import Latest, Mailbox
from tests.actors.fakes import ORDER_BUILDER, START_MS, venue_clock
from tests.actors.ledger.story import Story
from tests.determinism import seed_trio

OURS = Opened(SCHEMA, "test", 763373, "0x" + "11" * 32)


@dataclass
class LedgerDesk:
    """A ledger under test: its mailbox, what it said, and what it showed."""

    path: Path
    box: Mailbox[LedgerMessage] = field(default_factory=lambda: Mailbox("ledger", 100))
    held: Latest[Held] = field(default_factory=Latest)
    said: list[msgspec.Struct] = field(default_factory=list)
    seen: list[msgspec.Struct] = field(default_factory=list)
    post: Callable[[msgspec.Struct], None] | None = None

    @asynccontextmanager
    async def running(self, epoch: int = 1, csvs: CsvBooks | None = None) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:

            async def actor(*, task_status: Any) -> None:
                post = self.post or self.said.append
                reader, clock = self.box.reader(), venue_clock()
                await ledger_actor(
                    LedgerFile(self.path, OURS, "normal"),
                    LedgerWiring(
                        reader, post, self.held, ORDER_BUILDER, clock, self.seen.append, epoch, csvs
                    ),
                    task_status=task_status,
                )

            await nursery.start(actor)
            yield
            nursery.cancel_scope.cancel()

    async def tell(self, *messages: Any) -> None:
        for message in messages:
            self.box.post(message)
        await wait_all_tasks_blocked()

    @property
    def holding(self) -> Held:
        assert self.held.value is not None
        return self.held.value

    def rows(self) -> list[msgspec.Struct]:
        with closing(Store.reading(self.path)) as store:
            return [message for _, _, message in store.events()]


@pytest.fixture
def desk(tmp_path: Path) -> LedgerDesk:
    return LedgerDesk(tmp_path / "ledger.sqlite")


def told(story: Story, *kinds: type[msgspec.Struct]) -> list[Any]:
    """The messages of a story that the ledger was sent (not what followed from them)."""
    consequences = (Ready, Declined, PlanClosed, CycleEnded)
    return [
        message
        for _, message in story.rows
        if not isinstance(message, consequences) and (not kinds or isinstance(message, kinds))
    ]


def whole_cycle() -> Story:
    story = Story()
    story.enter()
    story.leave()
    story.snapshot()
    return story


def entry() -> Story:
    story = Story()
    story.seal(story.plan("enter", "0.042", "-1"))
    return story


@contextmanager
def dies_of(error: type[Exception]) -> Iterator[None]:
    """The actor ends by `error`, which reaches whoever runs it."""
    with pytest.raises(ExceptionGroup) as group:
        yield
    assert [type(cause) for cause in group.value.exceptions] == [error]


def refuse_sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full from the first intent on."""
    real = Store.append_all

    def failing(store: Store, messages: Sequence[Timed]) -> None:
        if any(isinstance(message, Sealed) for _, message in messages):
            raise sqlite3.OperationalError("database or disk is full")
        real(store, messages)

    monkeypatch.setattr(Store, "append_all", failing)


async def test_a_vote_is_on_disk_before_it_is_heard(desk: LedgerDesk, autojump_clock: MockClock) -> None:
    """O6, I4: both digests are journalled before the first byte leaves."""
    on_disk: list[list[str]] = []
    desk.post = lambda message: on_disk.append([type(row).__name__ for row in desk.rows()])
    async with desk.running():
        await desk.tell(*told(entry()))
    assert on_disk == [["Opened", "Started", "AccountStream", "AccountSnapshot", "Sealed", "Ready"]]


async def test_a_ledger_that_cannot_commit_never_votes(
    desk: LedgerDesk, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_sealed(monkeypatch)
    with dies_of(Unwritable):
        async with desk.running():
            await desk.tell(*told(entry()))
    assert desk.said == []
    monkeypatch.undo()
    assert not [row for row in desk.rows() if isinstance(row, Sealed)]


async def test_a_crash_between_commit_and_vote_leaves_an_intent_in_doubt(
    desk: LedgerDesk, autojump_clock: MockClock
) -> None:
    """The vote was never heard, so nothing was placed; but nobody knows that, so it is asked for and never
    sent again.
    """

    def dies(message: msgspec.Struct) -> None:
        raise RuntimeError("killed before it could speak")

    desk.post = dies
    with dies_of(RuntimeError):
        async with desk.running():
            await desk.tell(*told(entry()))
    desk.post = None
    async with desk.running(epoch=2):
        assert (desk.holding.phase, desk.holding.epoch) == ("in_flight", 2)
        assert [doubt.leg for doubt in desk.holding.doubts] == ["eth", "sol"]
        assert desk.said == []


def kinds(rows: list[msgspec.Struct]) -> list[str]:
    return [type(row).__name__ for row in rows]


async def test_between_a_yes_and_the_orders_bytes_nothing_is_committed_and_nobody_else_is_woken(
    desk: LedgerDesk, autojump_clock: MockClock
) -> None:
    """The vote is heard at once; what it has changed, and the Place, follow when the orders have left."""
    story = entry()
    story.place()
    *before, seal, place = told(story)
    async with desk.running():
        await desk.tell(*before)
        versions, seen = desk.held.version, len(desk.seen)
        await desk.tell(seal)
        assert [type(message) for message in desk.said] == [Ready]
        await desk.tell(place)
        assert kinds(desk.rows())[-2:] == ["Sealed", "Ready"]
        assert (desk.held.version, len(desk.seen)) == (versions, seen)
        await trio.sleep(2 * STILL_S)
        assert kinds(desk.rows())[-1] == "Place"
        assert (desk.held.version, desk.holding.phase) == (versions + 1, "in_flight")
        assert [hop.hop for hop in desk.seen[seen:] if isinstance(hop, Hop)] == ["ledger intent"]


async def test_what_comes_after_a_place_ends_the_waiting(desk: LedgerDesk, autojump_clock: MockClock) -> None:
    story = entry()
    story.place()
    story.outcome("eth", "accepted")
    async with desk.running():
        start = trio.current_time()
        for message in told(story):
            await desk.tell(message)
        assert kinds(desk.rows())[-2:] == ["Place", "Outcome"]
        assert trio.current_time() == start


async def test_a_yes_that_nothing_follows_is_told_all_the_same(
    desk: LedgerDesk, autojump_clock: MockClock
) -> None:
    async with desk.running():
        await desk.tell(*told(entry()))
        await trio.sleep(2 * STILL_S)
        assert desk.holding.phase == "in_flight"


async def test_a_place_in_hand_is_written_by_a_ledger_that_is_told_to_stop(
    desk: LedgerDesk, autojump_clock: MockClock
) -> None:
    story = entry()
    story.place()
    async with desk.running():
        for message in told(story):
            await desk.tell(message)
        assert "Place" not in kinds(desk.rows())
    assert kinds(desk.rows())[-1] == "Place"


async def test_a_kill_between_the_orders_bytes_and_the_commit_of_their_place_leaves_both_in_doubt(
    desk: LedgerDesk, tmp_path: Path, autojump_clock: MockClock
) -> None:
    """O6: what SIGKILL leaves on the disk then is the intent. Both orders may be on their way."""
    story = entry()
    story.place()
    (tmp_path / "killed").mkdir()
    killed = LedgerDesk(tmp_path / "killed" / "ledger.sqlite")
    async with desk.running():
        for message in told(story):
            await desk.tell(message)
        for end in ("", "-wal"):
            shutil.copy(f"{desk.path}{end}", f"{killed.path}{end}")
    assert kinds(killed.rows())[-1] == "Ready"
    async with killed.running(epoch=2):
        assert killed.holding.phase == "in_flight"
        assert [doubt.leg for doubt in killed.holding.doubts] == ["eth", "sol"]
        # it fits no longer: nothing is sent while they are in doubt
        await killed.tell(*told(entry(), Sealed))
        assert [type(message) for message in killed.said] == [Declined]


async def test_what_waits_is_one_transaction_and_seen_once(
    desk: LedgerDesk, autojump_clock: MockClock
) -> None:
    story = whole_cycle()
    async with desk.running():
        versions = desk.held.version
        await desk.tell(*told(story))
        assert desk.held.version == versions + 1
        assert desk.holding.completed == 1
    assert [type(message) for message in desk.said] == [Ready, PlanClosed, Ready, PlanClosed, CycleEnded]


async def test_the_backlog_of_a_dead_incarnation_is_folded_before_anything_is_shown(
    desk: LedgerDesk, autojump_clock: MockClock
) -> None:
    """A new process' Started waits in the mailbox: what an earlier one completed must not end this one at
    once.
    """
    async with desk.running():
        await desk.tell(*told(whole_cycle()))
    desk.held = Latest()
    desk.box.post(Started(8, Ns(0)))
    async with desk.running(epoch=2):
        assert desk.held.version == 1
        assert (desk.holding.completed, desk.holding.cycle, desk.holding.phase) == (0, 1, "flat")


@pytest.mark.parametrize("stop", range(1, 12))
async def test_a_restart_at_any_message_holds_what_was_held(
    desk: LedgerDesk, autojump_clock: MockClock, stop: int
) -> None:
    """R4."""
    messages = told(whole_cycle())
    async with desk.running():
        for message in messages[:stop]:
            await desk.tell(message)
    before = desk.holding
    async with desk.running():
        after = desk.holding
        if before.phase == "in_flight" and not before.doubts:
            assert len(after.doubts) == 2
            after = msgspec.structs.replace(after, doubts=())
        assert after == before
        for message in messages[stop:]:
            await desk.tell(message)
        assert desk.holding.completed == 1


async def test_rows_follow_from_the_inputs_alone(tmp_path: Path, autojump_clock: MockClock) -> None:
    written = []
    for name in ("a", "b"):
        seed_trio(7)
        desk = LedgerDesk(tmp_path / name / "ledger.sqlite")
        start = trio.current_time()
        async with desk.running():
            for message in told(whole_cycle()):
                await desk.tell(message)
        assert trio.current_time() == start
        with closing(sqlite3.connect(desk.path)) as database:
            written.append(database.execute("SELECT * FROM events ORDER BY seq").fetchall())
    assert written[0] == written[1]


async def test_a_broken_chain_blocks_entering_and_not_closing(
    desk: LedgerDesk, autojump_clock: MockClock
) -> None:
    story = Story()
    story.enter()
    async with desk.running():
        await desk.tell(*told(story))
    with closing(sqlite3.connect(desk.path, isolation_level=None)) as database:
        database.execute("DROP TRIGGER events_are_never_changed")
        database.execute("UPDATE events SET at_ns = 5 WHERE seq = 2")
    desk.said.clear()
    async with desk.running():
        assert desk.holding.no_entry == Denial(
            "BROKEN_LEDGER", "row 2 of the ledger is not the row that was written"
        )
        assert (desk.holding.phase, desk.holding.eth.amount) == ("open", Base.of("0.042"))
        story.leave()
        await desk.tell(*told(story)[-4:])
        assert isinstance(desk.said[0], Ready)
        assert desk.holding.phase == "flat"
        story.snapshot()
        story.seal(story.plan("enter", "0.042", "-1", cycle=2))
        await desk.tell(*told(story)[-2:])
        assert isinstance(desk.said[-1], Declined)
        assert desk.said[-1].code == "BROKEN_LEDGER"


async def test_a_ledger_without_row_0_does_not_start(desk: LedgerDesk, autojump_clock: MockClock) -> None:
    async with desk.running():
        pass
    with closing(sqlite3.connect(desk.path, isolation_level=None)) as database:
        database.execute("DROP TRIGGER events_are_never_changed")
        database.execute("UPDATE events SET body = '{}' WHERE seq = 0")
    with dies_of(BrokenChain):
        async with desk.running():
            pass


async def test_every_hop_names_plan_digest_and_both_quantities(
    desk: LedgerDesk, autojump_clock: MockClock
) -> None:
    """S1."""
    story = Story()
    story.enter()
    async with desk.running():
        await desk.tell(*told(story))
    assert story.sealed is not None
    plan = story.sealed.plan
    hops = [hop for hop in desk.seen if isinstance(hop, Hop)]
    assert [hop.hop for hop in hops] == ["ledger intent", "ledger fill"]
    assert {(hop.epoch, hop.seq, hop.digest, hop.eth, hop.sol) for hop in hops} == {
        (1, 1, story.sealed.digest, plan.eth.amount, plan.sol.amount)
    }


async def test_something_foreign_is_told_once(desk: LedgerDesk, autojump_clock: MockClock) -> None:
    story = Story()
    story.snapshot(sol="-3")
    async with desk.running():
        for message in [*told(story), AccountStream(True, "")]:
            await desk.tell(message)
    notes = [(note.level, note.text) for note in desk.seen if isinstance(note, Note)]
    assert notes == [("warning", "entering is blocked: product 8: the venue holds -3, our fills say 0")]


class Clumsy(CsvBooks):
    """A writer with a defect."""

    def append(self, lines: Any) -> None:
        raise TypeError("unsupported operand")


async def test_a_csv_defect_stops_nothing(
    desk: LedgerDesk, tmp_path: Path, autojump_clock: MockClock
) -> None:
    """R11: a CSV writer's TypeError killed cycle 2 with positions open."""
    async with desk.running(csvs=Clumsy(tmp_path, "Nado-simulated")):
        await desk.tell(*told(whole_cycle()))
        assert desk.holding.completed == 1
    assert "TypeError" in next(note.text for note in desk.seen if isinstance(note, Note))


async def test_the_csv_files_are_a_function_of_the_ledger(
    desk: LedgerDesk, tmp_path: Path, autojump_clock: MockClock
) -> None:
    """However the messages came in, and however often a start writes what a crash left out."""
    story = whole_cycle()
    books = CsvBooks(tmp_path, "Nado-simulated")
    async with desk.running(csvs=books):
        await desk.tell(*told(story))
    live = {file: books.path(file).read_bytes() for file in ("trades", "positions")}
    assert live["trades"].count(b"\n") == live["positions"].count(b"\n") == 5
    books.path("trades").unlink()
    for _ in range(2):
        async with desk.running(csvs=books):
            pass
        assert {file: books.path(file).read_bytes() for file in ("trades", "positions")} == live


async def test_an_outcome_for_a_plan_nobody_sealed_changes_nothing(
    desk: LedgerDesk, autojump_clock: MockClock
) -> None:
    async with desk.running():
        await desk.tell(*told(Story()))
        await desk.tell(Outcome("eth", 9, 9, "0x", "accepted", None, "", Ms(START_MS), Ms(START_MS)))
        assert desk.holding.phase == "flat"


async def test_the_write_ahead_log_is_moved_when_nothing_is_in_flight(
    desk: LedgerDesk, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    phases: list[str] = []
    real = Store.checkpoint

    def noted(store: Store) -> None:
        phases.append(desk.holding.phase)
        real(store)

    monkeypatch.setattr(Store, "checkpoint", noted)
    story = entry()
    async with desk.running():
        await desk.tell(*told(story))
        for _ in range(10):
            await desk.tell(*[AccountStream(True, "")] * 60)
        assert phases == []
        story.place()
        story.outcome("eth", "none")
        story.outcome("sol", "none")
        await desk.tell(*told(story)[-3:])
        assert phases == ["flat"]
