"""How children come up: in order, one after the other, or not at all."""

import random

import pytest
import trio
from trio.testing import MockClock

from runtime.specs import ChildStarted, NotStarted
from runtime.supervision import Supervisor
from tests.runtime.kit import Boom, Stage, crashes, fails_to_start, never_ready, ready_after, returns


async def test_children_start_in_order_each_when_the_one_before_is_ready(autojump_clock: MockClock) -> None:
    stage = Stage()
    await stage.run(
        stage.child("a", ready_after(3)), stage.child("b", ready_after(2)), stage.child("c"), for_s=10
    )
    assert stage.times[:3] == [(0, "+a"), (3, "+b"), (5, "+c")]
    assert [event.child for event in stage.told(ChildStarted)] == ["a", "b", "c"]


async def test_the_supervisor_says_that_it_has_started_when_the_last_child_has(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    stage = Stage()
    supervisor = Supervisor(
        stage.spec(stage.child("a", ready_after(3)), stage.child("b", ready_after(4))), rng=random.Random(1)
    )
    began = trio.current_time()
    await nursery.start(supervisor.run)
    assert trio.current_time() - began == 7
    assert supervisor.running("a")
    assert supervisor.running("b")
    nursery.cancel_scope.cancel()


async def test_when_the_third_child_fails_at_boot_the_first_two_stop_in_reverse_and_its_error_goes_up(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    error = await stage.run(
        stage.child("a"), stage.child("b"), stage.child("c", fails_to_start), stage.child("d")
    )
    assert isinstance(error, Boom)
    assert stage.log == ["+a", "+b", "+c", "-c", "-b", "-a"]


async def test_a_child_that_returns_before_it_is_ready_has_not_started(autojump_clock: MockClock) -> None:
    async def leaves(started: object) -> None:
        pass

    stage = Stage()
    assert isinstance(
        await stage.run(stage.child("a"), stage.child("b", leaves, restart="temporary")), NotStarted
    )
    assert stage.log == ["+a", "+b", "-b", "-a"]


async def test_a_child_that_does_not_get_ready_in_its_time_has_not_started(autojump_clock: MockClock) -> None:
    stage = Stage()
    error = await stage.run(stage.child("a", never_ready, start_s=4))
    assert isinstance(error, NotStarted)
    assert "within 4 s" in str(error)
    assert stage.times == [(0, "+a"), (4, "-a")]


async def test_a_child_that_crashes_while_a_later_one_starts_is_restarted_once_all_are_up(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    await stage.run(stage.child("a", crashes(0.5)), stage.child("b", ready_after(1)), for_s=5)
    assert stage.times == [(0, "+a"), (0, "+b"), (0.5, "-a"), (1, "+a"), (5, "-b"), (5, "-a")]


async def test_a_cancel_between_two_starts_stops_what_is_up_and_starts_nothing_more(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    await stage.run(stage.child("a"), stage.child("b", ready_after(10)), stage.child("c"), for_s=5)
    assert stage.times == [(0, "+a"), (0, "+b"), (5, "-b"), (5, "-a")]


@pytest.mark.parametrize("steps", range(12))
async def test_a_cancel_at_any_step_of_the_boot_leaves_nothing_behind(
    autojump_clock: MockClock, steps: int
) -> None:
    stage = Stage()
    supervisor = Supervisor(stage.spec(*(stage.child(name) for name in "abc")), rng=random.Random(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run)
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert stage.living == set()
    stops = [what for what in stage.log if what[0] == "-"]
    assert stops == sorted(stops, reverse=True)
    assert sorted(stops) == sorted(what.replace("+", "-") for what in stage.log if what[0] == "+")


async def test_a_supervisor_that_runs_is_not_run_twice_at_once(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    stage = Stage()
    supervisor = Supervisor(
        stage.spec(stage.child("a", returns(1), restart="temporary")), rng=random.Random(1)
    )
    await nursery.start(supervisor.run)
    with pytest.raises(RuntimeError, match="runs already"):
        await supervisor.run()
    nursery.cancel_scope.cancel()
