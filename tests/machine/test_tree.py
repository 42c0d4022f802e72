"""The tree of the design: who is started in which order under which limits, who begins a new epoch, and
where giving up leads.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock

from messages.execution import Outcome
from messages.lifecycle import Halted
from messages.settings import Settings
from messages.units import ONE, Ms, Quote
from runtime.backoff import Backoff
from runtime.specs import ChildStarted, SupervisorSpec
from runtime.supervision import Supervisor
from tests.machine.bench import ACTORS, Bench, bench

LONG = Settings(target=Quote(100 * ONE), cycles=1, hold=Ms(5_000))
LEGS = frozenset({"eth_leg", "sol_leg"})


def supervisors(root: Supervisor) -> dict[str, SupervisorSpec]:
    found = {root.spec.name: root.spec}
    for child in root.spec.children:
        owner = getattr(child.start, "__self__", None)
        if isinstance(owner, Supervisor):
            found |= supervisors(owner)
    return found


async def test_the_tree_has_the_names_order_strategies_and_limits_of_the_design(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, LONG) as ready:
        specs = supervisors(ready.machine.tree.supervisor)
        shape = {
            name: (spec.strategy, spec.intensity, spec.period_s, tuple(child.name for child in spec.children))
            for name, spec in specs.items()
        }
        assert shape == {
            "supervisor": ("one_for_one", 3, 60, ("feeds", "trading")),
            "feeds": ("one_for_one", 10, 300, ("market_data", "account")),
            "trading": ("rest_for_one", 5, 60, ("ledger", "legs", "sizing")),
            "legs": ("one_for_all", 5, 60, ("eth_leg", "sol_leg")),
        }
        backoffs = {name: spec.backoff for name, spec in specs.items() if spec.backoff}
        assert backoffs == {"feeds": Backoff(first_s=0.25, factor=2, cap_s=30, jitter=0.2, reset_after_s=60)}
        assert {
            child.name for spec in specs.values() for child in spec.children if child.restart != "permanent"
        } == {"trading"}


class Roster:
    """Which actors' tasks really run just now."""

    def __init__(self, ready: Bench) -> None:
        self.living: set[str] = set()
        self.started: list[str] = []
        self.stopped: list[str] = []
        for name, target in ready.machine.tree.targets.items():
            target.run = self._counted(name, target.run)  # type: ignore[method-assign]

    def _counted(self, name: str, run: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def counted(start: Callable[..., Awaitable[None]], task_status: trio.TaskStatus[None]) -> None:
            self.living.add(name)
            self.started.append(name)
            try:
                await run(start, task_status)
            finally:
                self.living.discard(name)
                self.stopped.append(name)

        return counted


@pytest.mark.parametrize("actor", ACTORS)
async def test_only_a_restart_of_ledger_or_legs_begins_a_new_epoch_and_only_when_both_legs_are_gone(
    autojump_clock: MockClock, tmp_path: Path, actor: str, nursery: trio.Nursery
) -> None:
    async with bench(tmp_path, LONG) as ready:
        roster = Roster(ready)
        state, bump = ready.world.state, ready.world.state.bump
        legs_at_bump: list[frozenset[str]] = []

        def watched_bump() -> int:
            legs_at_bump.append(LEGS & roster.living)
            return bump()

        state.bump = watched_bump  # type: ignore[method-assign]
        before = state.epoch

        async def killer() -> None:
            await trio.sleep(2)
            assert ready.machine.tree.supervisor.kill(actor)

        nursery.start_soon(killer)
        assert (await ready.run(within_s=60)).by == "done"
        bumps = actor == "ledger" or actor in LEGS
        assert state.epoch - before == len(legs_at_bump) == (1 if bumps else 0)
        assert set(legs_at_bump) <= {frozenset()}
        again = roster.started[len(ACTORS) :]
        assert again == {"ledger": ["ledger", "eth_leg", "sol_leg", "sizing"]}.get(
            actor, ["eth_leg", "sol_leg"] if bumps else [actor]
        )


async def test_actors_start_in_the_order_of_the_design_and_stop_in_reverse(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, LONG) as ready:
        roster = Roster(ready)
        await ready.run(within_s=60)
        assert roster.started == ["market_data", "account", "ledger", "eth_leg", "sol_leg", "sizing"]
        assert roster.stopped == roster.started[::-1]


@pytest.mark.parametrize("recv_time_s", [1, 2, 60])
async def test_a_leg_may_stop_for_longer_than_it_may_wait_for_an_answer(
    autojump_clock: MockClock, tmp_path: Path, recv_time_s: int
) -> None:
    async with bench(tmp_path, msgspec.structs.replace(LONG, recv_time=Ms(recv_time_s * 1000))) as ready:
        legs = supervisors(ready.machine.tree.supervisor)["legs"].children
        assert [leg.shutdown_s for leg in legs] == [recv_time_s + 3, recv_time_s + 3]


def kill_whenever_it_starts(ready: Bench, actor: str) -> None:
    def watch(said: msgspec.Struct) -> None:
        if isinstance(said, ChildStarted) and said.child == actor:
            trio.lowlevel.current_trio_token().run_sync_soon(ready.machine.tree.supervisor.kill, actor)

    ready.watchers.append(watch)


@pytest.mark.parametrize(("actor", "lives"), [("sizing", 6), ("ledger", 6), ("eth_leg", 36), ("sol_leg", 36)])
async def test_an_actor_that_dies_whenever_it_is_up_ends_trading_after_a_known_number_of_lives(
    autojump_clock: MockClock, tmp_path: Path, actor: str, lives: int
) -> None:
    async with bench(tmp_path, LONG) as ready:
        kill_whenever_it_starts(ready, actor)
        ending = await ready.run(within_s=60)
        assert (ending.by, ending.code) == ("halt", "GAVE_UP")
        assert (
            len([said for said in ready.said if isinstance(said, ChildStarted) and said.child == actor])
            == lives
        )


async def test_when_trading_gives_up_it_is_not_tried_again_and_the_run_halts(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, LONG) as ready:
        kill_whenever_it_starts(ready, "sizing")
        ending = await ready.run(within_s=60)
        assert (ending.by, ending.code, ending.open_legs) == ("halt", "GAVE_UP", "")
        assert "trading gave up: 6 failures within 60 s; first sizing: Killed" in ending.detail
        assert (
            len([said for said in ready.said if isinstance(said, ChildStarted) and said.child == "sizing"])
            == 6
        )
        assert ready.world.state.halted is not None
        assert [said.code for said in ready.said if isinstance(said, Halted)] == ["GAVE_UP"]


DEAF_S = 60.0


def deafen(ready: Bench, actor: str) -> None:
    """From now on it ignores its cancellation for a minute."""
    target = ready.machine.tree.targets[actor]
    run = target.run

    async def deaf(start: Callable[..., Awaitable[None]], task_status: trio.TaskStatus[None]) -> None:
        try:
            await run(start, task_status)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(DEAF_S)

    target.run = deaf  # type: ignore[method-assign]


async def test_a_stuck_actor_does_not_hide_what_was_wrong_before_it(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, LONG) as ready:
        deafen(ready, "market_data")
        kill_whenever_it_starts(ready, "sizing")
        ending = await ready.run(within_s=120)
        first, then = ending.detail.split("; then ")
        assert first.startswith(
            "GaveUp: supervisor gave up: trading, which is significant, ended; first trading: GaveUp: trading"
            " gave up: 6 failures"
        )
        assert then == "Stuck: market_data still runs 10 s after it was told to stop"
        await trio.sleep(DEAF_S)


async def test_a_tree_that_is_stuck_while_it_stops_is_a_halt_and_not_a_run_that_is_done(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, LONG) as ready:
        deafen(ready, "market_data")
        ending = await ready.run(within_s=120)
        assert (ending.by, ending.code) == ("halt", "GAVE_UP")
        assert "Stuck: market_data still runs" in ending.detail
        await trio.sleep(DEAF_S)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
async def test_an_actor_that_asks_the_process_to_exit_is_a_halt_that_says_what_is_open(
    autojump_clock: MockClock, tmp_path: Path, error: BaseException
) -> None:
    async with bench(tmp_path, LONG) as ready:
        target = ready.machine.tree.targets["sizing"]
        run = target.run

        async def exits(start: Callable[..., Awaitable[None]], task_status: trio.TaskStatus[None]) -> None:
            with trio.move_on_after(2):
                await run(start, task_status)
            raise error

        target.run = exits  # type: ignore[method-assign]
        ending = await ready.run(within_s=60)
        assert (ending.by, ending.code) == ("halt", "GAVE_UP")
        assert type(error).__name__ in ending.detail
        assert "ETH-PERP 0.042" in ending.open_legs


async def test_a_halt_that_cannot_be_written_down_is_still_a_halt(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, LONG) as ready:

        def full(code: str, detail: str) -> None:
            raise OSError("no space left on device")

        ready.world.state.halt = full  # type: ignore[method-assign]
        kill_whenever_it_starts(ready, "sizing")
        ending = await ready.run(within_s=60)
        assert (ending.by, ending.code) == ("halt", "GAVE_UP")
        assert any("could not be recorded" in getattr(said, "text", "") for said in ready.said)


async def test_a_defect_in_the_supervisors_own_loop_is_a_halt_after_which_no_actor_runs(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, LONG) as ready:
        roster = Roster(ready)

        def broken(event: object) -> None:
            raise ZeroDivisionError("a defect in the barrier")

        def watch(said: msgspec.Struct) -> None:
            if isinstance(said, Outcome):
                ready.machine._step = broken  # type: ignore[assignment,method-assign]

        ready.watchers.append(watch)
        ending = await ready.run(within_s=60)
        assert (ending.by, ending.code) == ("halt", "INTERNAL")
        assert "a defect in the barrier" in ending.detail
        assert ending.open_legs != ""
        assert roster.living == set()
