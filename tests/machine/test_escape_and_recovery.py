"""The whole machine in the situations after which ESCAPE or the next start must put things right. Judged
by the engine's order log.
"""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from actors.ledger import Disk, Store
from actors.ledger.escapes import PATTERN
from actors.ledger.store import Timed
from actors.run_ending import Ending
from commands.run.adopting import adopt
from commands.setup.escaping import close_ours
from messages.execution import EscapeRound, PlanClosed
from messages.lifecycle import Adopted, Halted
from messages.settings import Settings
from messages.sizing import Sealed
from messages.units import ONE, Base, Ms, Quote
from runtime import specs
from tests.machine.audit import net
from tests.machine.bench import Bench, bench, connected
from tests.venue.test_escape import trade
from venue.escape import Escaped

HOURS = Settings(target=Quote(100 * ONE), cycles=1, hold=Ms(3_600_000), venue_patience=Ms(60_000))
SHORT = msgspec.structs.replace(HOURS, hold=Ms(300))
FLAT = {4: 0, 8: 0}


async def until_open(ready: Bench) -> None:
    while not any(isinstance(said, PlanClosed) and not said.aborted for said in ready.said):  # noqa: ASYNC110 - said to a list
        await trio.sleep(0.01)
    await trio.sleep(0.5)


async def interrupted(ready: Bench, accident: Any) -> Ending:
    """Run until the pair stands, then let `accident(ready)` happen; how it ended."""
    endings: list[Ending] = []
    async with trio.open_nursery() as nursery:

        async def run() -> None:
            endings.append(await ready.run(within_s=600))

        nursery.start_soon(run)
        await until_open(ready)
        await accident(ready)
    return endings[0]


async def killed(ready: Bench) -> None:
    """Run until the pair stands, then be gone, as after `kill -9`."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ready.run)
        await until_open(ready)
        nursery.cancel_scope.cancel()
    ready.world.state.close()


async def escaped(ready: Bench, ending: Ending) -> Escaped:
    return await close_ours(
        ready.world, ready.machine.channels.held.value, Halted(ending.code, ending.detail)
    )


@asynccontextmanager
async def next_start(folder: Path, ready: Bench, settings: Settings = SHORT) -> AsyncIterator[Bench]:
    ready.world.state.close()
    async with trio.open_nursery() as outside:
        async with connected(folder, settings, ready.venue, outside) as again:
            yield again
        outside.cancel_scope.cancel()


def opened(ready: Bench) -> dict[int, int]:
    return net(ready.venue.exchange.order_log)


def failing_writes(monkeypatch: pytest.MonkeyPatch, error: sqlite3.Error) -> None:
    def failing(store: Store, messages: Sequence[Timed]) -> None:
        raise error

    monkeypatch.setattr(Store, "append_all", failing)


def waiting_beside(folder: Path) -> int:
    return len(list(folder.glob(PATTERN)))


def remove_ledger(folder: Path) -> None:
    for path in folder.glob("ledger.sqlite*"):
        path.unlink()


def messages_of(ledger: Path) -> list[msgspec.Struct]:
    with closing(Store.reading(ledger)) as store:
        return [message for _, _, message in store.events()]


async def test_a_tree_that_gives_up_ends_in_escape_and_its_fills_are_ours_at_the_next_start(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """R13, L2: trading is dead, nothing is left open, and the next start finds nothing strange."""
    async with bench(tmp_path, HOURS) as ready:
        target = ready.machine.tree.targets["eth_leg"]

        def again(said: msgspec.Struct) -> None:
            if isinstance(said, specs.ChildStarted) and said.child == "eth_leg":
                target.crash()

        async def accident(_ready: Bench) -> None:
            ready.watchers.append(again)
            target.crash()

        ending = await interrupted(ready, accident)
        assert (ending.by, ending.code) == ("halt", "GAVE_UP")
        left = await escaped(ready, ending)
        assert (left.flat, opened(ready)) == (True, FLAT)
        assert [
            type(row) for row in messages_of(ready.world.ledger) if isinstance(row, EscapeRound | Halted)
        ] == [Halted, EscapeRound]
        async with next_start(tmp_path, ready) as second:
            assert second.world.state.halted is not None
            ending = await second.run(within_s=60)
            assert (ending.by, ending.code, second.machine.channels.held.value.foreign) == (
                "halt",
                "GAVE_UP",
                "",
            )  # type: ignore[union-attr]
            second.world.state.clear_halt()
            async with next_start(tmp_path, second) as third:
                assert (await third.run(within_s=60)).by == "done"
                assert third.totals().completed == 1


FAILURES = {
    "the disk is full": sqlite3.OperationalError("database or disk is full"),
    "it is read-only": sqlite3.OperationalError("attempt to write a readonly database"),
    "it is corrupt": sqlite3.DatabaseError("database disk image is malformed"),
    "the disk fails": sqlite3.OperationalError("disk I/O error"),
}


@pytest.mark.parametrize("error", FAILURES.values(), ids=FAILURES)
@pytest.mark.long
async def test_a_ledger_that_cannot_be_written_ends_trading_at_once_and_what_was_open_is_closed(
    autojump_clock: trio.testing.MockClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: sqlite3.Error,
) -> None:
    """R11, and never trade unrecorded: no restart is wasted on a dead disk; the rows stand beside the
    ledger until it can take them in.
    """
    async with bench(tmp_path, HOURS) as ready:

        async def accident(_ready: Bench) -> None:
            failing_writes(monkeypatch, error)

        ending = await interrupted(ready, accident)
        assert (ending.by, ending.code) == ("halt", "LEDGER_UNWRITABLE")
        assert str(error) in ending.detail
        assert not [said for said in ready.said if isinstance(said, specs.Restarting)]
        assert (await escaped(ready, ending)).flat
        assert opened(ready) == FLAT
        assert waiting_beside(tmp_path) == 1
        monkeypatch.undo()
        ready.world.state.clear_halt()
        async with next_start(tmp_path, ready) as second:
            assert (await second.run(within_s=60)).by == "done"
            assert waiting_beside(tmp_path) == 0
            assert any(isinstance(row, EscapeRound) for row in messages_of(second.world.ledger))


@pytest.mark.long
async def test_a_ledger_that_cannot_even_be_read_is_escaped_from_by_what_was_held_last(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, HOURS) as ready:

        async def accident(_ready: Bench) -> None:
            failing_writes(monkeypatch, sqlite3.DatabaseError("database disk image is malformed"))

        ending = await interrupted(ready, accident)
        remove_ledger(tmp_path)
        ready.world.ledger.write_bytes(b"no database at all" * 1000)
        assert (await escaped(ready, ending)).flat
        assert opened(ready) == FLAT


async def test_the_reserve_is_freed_when_the_disk_is_full_and_the_exit_is_written_into_the_ledger(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, SHORT) as ready:
        reserve, real = tmp_path / "reserve", Store.append_all
        object.__setattr__(ready.world, "disk", Disk(tmp_path, 0))
        object.__setattr__(ready.world, "settings", msgspec.structs.replace(SHORT, cycles=5))

        def full(store: Store, messages: Sequence[Timed]) -> None:
            if reserve.exists() and any(isinstance(message, PlanClosed) for _, message in messages):
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error
            real(store, messages)

        monkeypatch.setattr(Store, "append_all", full)
        ending = await ready.run(within_s=60)
        assert (ending.by, ending.code) == ("refused", "LOW_DISK")
        assert not reserve.exists()
        assert opened(ready) == FLAT
        sealed = [row.plan.purpose for row in messages_of(ready.world.ledger) if isinstance(row, Sealed)]
        assert sealed == ["enter", "exit"]


async def test_a_latched_halt_forbids_entering_only_and_the_open_pair_is_closed_at_once(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """R15."""
    async with bench(tmp_path, HOURS) as ready:
        await killed(ready)
        assert opened(ready) != FLAT
        ready.world.state.halt("GAVE_UP", "yesterday")
        async with next_start(tmp_path, ready, HOURS) as second:
            began = trio.current_time()
            ending = await second.run(within_s=60)
            assert (ending.by, ending.code, ending.open_legs) == ("halt", "GAVE_UP", "")
            assert trio.current_time() - began < 30
            assert opened(second) == FLAT
            assert second.totals().completed == 0


async def test_a_position_that_no_intent_explains_is_named_with_both_figures_and_left_alone(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """R4 the other way round: what is not ours is not adopted by itself."""
    async with bench(tmp_path, SHORT) as ready:
        await trade(ready, "0", "3")
        ending = await ready.run(within_s=60)
        assert (ending.by, ending.code) == ("refused", "FOREIGN_POSITION")
        assert ending.detail == "SOL-PERP: the venue holds 3, our fills say 0"
        assert opened(ready) == {8: Base.of("3")}


async def test_a_strangers_fill_stops_entering_and_our_pair_is_closed(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, HOURS) as ready:

        async def accident(_ready: Bench) -> None:
            await trade(ready, "0", "-2")

        ending = await interrupted(ready, accident)
        assert (ending.by, ending.code, ending.open_legs) == ("halt", "FOREIGN_FILL", "")
        assert opened(ready) == {4: 0, 8: Base.of("-2")}
        assert ready.world.state.halted is not None


async def test_a_leg_closed_by_hand_is_a_foreign_fill_and_what_is_left_of_ours_is_closed(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, HOURS) as ready:

        async def accident(_ready: Bench) -> None:
            await trade(ready, "0", "1")

        began = trio.current_time()
        ending = await interrupted(ready, accident)
        assert (ending.by, ending.code) == ("halt", "FOREIGN_FILL")
        assert (await escaped(ready, ending)).flat
        assert opened(ready) == FLAT
        assert trio.current_time() - began < 60


async def test_without_its_ledger_our_pair_is_foreign_until_a_person_adopts_it(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, HOURS) as ready:
        await killed(ready)
        remove_ledger(tmp_path)
        async with next_start(tmp_path, ready) as second:
            ending = await second.run(within_s=60)
            assert (ending.by, ending.code) == ("refused", "FOREIGN_POSITION")
            assert opened(ready) == {4: Base.of("0.042"), 8: Base.of("-1")}
            async with next_start(tmp_path, second) as third:
                await adopt(third.world)
                ending = await third.run(within_s=60)
                assert ending.by == "done", ending
                assert opened(ready) == FLAT
                assert [
                    (row.eth, row.sol) for row in messages_of(third.world.ledger) if isinstance(row, Adopted)
                ] == [(Base.of("0.042"), Base.of("-1"))]
                assert third.totals().completed == 1


async def test_a_lone_leg_that_is_adopted_is_closed_and_not_completed(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, SHORT) as ready:
        await trade(ready, "0.1", "0")
        await adopt(ready.world)
        ending = await ready.run(within_s=60)
        assert ending.by == "done"
        assert opened(ready) == FLAT
        purposes = [row.plan.purpose for row in messages_of(ready.world.ledger) if isinstance(row, Sealed)]
        assert purposes[0] in {"exit", "flatten"}
        assert "repair" not in purposes


async def test_a_ledger_with_a_broken_chain_closes_the_pair_enters_nothing_and_names_the_row(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, HOURS) as ready:
        await killed(ready)
        with closing(sqlite3.connect(ready.world.ledger, isolation_level=None)) as database:
            database.execute("DROP TRIGGER events_are_never_changed")
            database.execute("UPDATE events SET at_ns = 5 WHERE seq = 1")
        async with next_start(tmp_path, ready, msgspec.structs.replace(SHORT, cycles=3)) as second:
            ending = await second.run(within_s=60)
            assert (ending.by, ending.code) == ("refused", "BROKEN_LEDGER")
            assert ending.detail == "row 1 of the ledger is not the row that was written"
            assert opened(ready) == FLAT
