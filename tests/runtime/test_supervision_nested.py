"""Supervisors as children of supervisors, and children whose end is the end of all."""

import random

import pytest
import trio
from trio.testing import MockClock

from runtime.specs import Exited, Fatal, GaveUp, Stuck
from runtime.supervision import Supervisor, nested
from tests.runtime.kit import Boom, Stage, crashes, deaf, fails_to_start, gave_up, returns, tidies

RNG = random.Random(1)


async def test_a_crash_below_is_settled_below(autojump_clock: MockClock) -> None:
    stage = Stage()
    below = nested(
        stage.spec(stage.child("b1", crashes(1)), stage.child("b2"), name="b", strategy="one_for_all"),
        rng=RNG,
    )
    assert (
        await stage.run(stage.child("a"), below, stage.child("c"), strategy="one_for_all", for_s=10) is None
    )
    assert stage.log == ["+a", "+b1", "+b2", "+c", "-b1", "-b2", "+b1", "+b2", "-c", "-b2", "-b1", "-a"]


async def test_a_give_up_below_is_one_failure_above_where_it_is_tried_at_a_larger_scale(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    below = nested(stage.spec(stage.child("b1", crashes(1), crashes(1)), name="b", limits=(1, 60)), rng=RNG)
    assert (
        await stage.run(
            stage.child("a"), below, stage.child("c"), strategy="rest_for_one", limits=(1, 60), for_s=10
        )
        is None
    )
    assert stage.log == ["+a", "+b1", "+c", "-b1", "+b1", "-b1", "-c", "+b1", "+c", "-c", "-b1", "-a"]
    assert "b gave up: 2 failures within 60 s; first b1: Boom: boom" in next(
        event.why for event in stage.told(Exited) if event.child == "b"
    )


async def test_a_supervisor_that_starts_again_has_forgotten_its_failures(autojump_clock: MockClock) -> None:
    """Two, give up, two, give up, two: 6 crashes in 6 s under limits of 1 below and 2 above; the seventh
    ends it.
    """
    stage = Stage()
    below = nested(stage.spec(stage.child("b1", *[crashes(1)] * 6), name="b", limits=(1, 60)), rng=RNG)
    assert isinstance(gave_up(await stage.run(below, limits=(2, 60))).__cause__, GaveUp)
    assert stage.at("-b1") == [1, 2, 3, 4, 5, 6]


async def test_giving_up_at_every_level_names_the_first_cause_first(autojump_clock: MockClock) -> None:
    stage = Stage()
    below = nested(
        stage.spec(
            stage.child("b1", crashes(1, Boom("the cause")), crashes(1, Boom("later"))),
            name="b",
            limits=(1, 60),
        ),
        rng=RNG,
    )
    error = gave_up(await stage.run(below, limits=(0, 60)))
    causes: list[BaseException] = [error]
    while causes[-1].__cause__:
        causes.append(causes[-1].__cause__)
    assert [type(cause) for cause in causes] == [GaveUp, GaveUp, Boom]
    assert str(causes[-1]) == "the cause"


async def test_a_nested_supervisor_that_cannot_boot_fails_its_parent_at_boot(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    below = nested(stage.spec(stage.child("b1"), stage.child("b2", fails_to_start), name="b"), rng=RNG)
    assert isinstance(await stage.run(stage.child("a"), below), Boom)
    assert stage.log == ["+a", "+b1", "+b2", "-b2", "-b1", "-a"]


async def test_the_whole_tree_stops_in_reverse_one_by_one(autojump_clock: MockClock) -> None:
    stage = Stage()
    below = nested(stage.spec(stage.child("b1", tidies(1)), stage.child("b2", tidies(1)), name="b"), rng=RNG)
    await stage.run(stage.child("a", tidies(1)), below, stage.child("c", tidies(1)), for_s=10)
    assert stage.times[4:] == [(11, "-c"), (12, "-b2"), (13, "-b1"), (14, "-a")]


@pytest.mark.parametrize("error", [Fatal("full"), SystemExit(3)], ids=repr)
async def test_what_must_go_up_goes_up_through_every_supervisor(
    autojump_clock: MockClock, error: BaseException
) -> None:
    stage = Stage()
    lowest = nested(stage.spec(stage.child("c1", crashes(1, error)), stage.child("c2"), name="c"), rng=RNG)
    below = nested(stage.spec(stage.child("b1"), lowest, name="b"), rng=RNG)
    assert await stage.run(stage.child("a"), below) is error
    assert stage.log == ["+a", "+b1", "+c1", "+c2", "-c1", "-c2", "-b1", "-a"]


async def test_a_stuck_child_below_ends_the_whole_tree_and_is_named(autojump_clock: MockClock) -> None:
    stage = Stage()
    below = nested(
        stage.spec(stage.child("b1"), stage.child("b2", deaf(60), shutdown_s=1), name="b"), rng=RNG
    )
    error = await stage.run(stage.child("a"), below, for_s=10)
    assert isinstance(error, Stuck)
    assert "b2 still runs" in str(error)
    assert stage.living == {"b2"}
    await trio.sleep(60)


async def test_children_are_found_and_killed_at_any_depth(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    stage = Stage()
    below = nested(stage.spec(stage.child("b1"), name="b"), rng=RNG)
    supervisor = Supervisor(stage.spec(stage.child("a"), below), rng=RNG)
    assert not supervisor.running("b1")
    await nursery.start(supervisor.run)
    assert supervisor.running("b1")
    assert supervisor.kill("b1")
    await trio.sleep(1)
    assert stage.log == ["+a", "+b1", "-b1", "+b1"]
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("restart", ["transient", "temporary"])
async def test_when_a_significant_child_has_finished_the_rest_stops_in_reverse_without_an_error(
    autojump_clock: MockClock, restart: str
) -> None:
    stage = Stage()
    children = (
        stage.child("a"),
        stage.child("b", returns(1), restart=restart, significant=True),
        stage.child("c"),
    )
    assert await stage.run(*children, auto_shutdown=True) is None
    assert stage.times == [(0, "+a"), (0, "+b"), (0, "+c"), (1, "-b"), (1, "-c"), (1, "-a")]


async def test_a_significant_child_that_may_be_restarted_is_restarted_after_a_crash(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    await stage.run(
        stage.child("a", crashes(1), restart="transient", significant=True), auto_shutdown=True, for_s=10
    )
    assert stage.at("+a") == [0, 1]


async def test_a_significant_child_that_is_not_restarted_takes_the_rest_with_it_when_it_crashes(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    children = (
        stage.child("a"),
        stage.child("b", crashes(1, Boom("b is gone")), restart="temporary", significant=True),
    )
    error = gave_up(await stage.run(*children, auto_shutdown=True, limits=(99, 60)))
    assert str(error) == "top gave up: b, which is significant, ended; first b: Boom: b is gone"
    assert stage.log == ["+a", "+b", "-b", "-a"]


async def test_a_significant_child_that_is_stopped_with_its_group_has_not_finished(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    children = stage.child("a", crashes(1)), stage.child("b", restart="transient", significant=True)
    await stage.run(*children, strategy="one_for_all", auto_shutdown=True, for_s=10)
    assert stage.at("+b") == [0, 1]
    assert stage.at("-a")[-1] == 10
