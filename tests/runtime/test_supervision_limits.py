"""How often is too often, and how long to wait in between: intensity and period on Trio's clock, backoff."""

import gc
import random

import pytest
import trio
from trio.testing import MockClock

from runtime.backoff import Backoff, Streak
from runtime.specs import GivingUp, Restarting
from runtime.supervision import Supervisor
from tests.runtime.kit import Boom, Stage, crashes, fails_to_start, gave_up

DOUBLING = Backoff(first_s=1, factor=2, cap_s=5, jitter=0, reset_after_s=30)


async def test_more_failures_than_the_intensity_within_the_period_end_it_in_reverse_and_the_first_cause_goes_up(  # noqa: E501
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    script = crashes(1, Boom("the first")), crashes(1), crashes(1), crashes(1)
    error = gave_up(
        await stage.run(stage.child("a"), stage.child("b", *script), stage.child("c"), limits=(2, 60))
    )
    assert stage.log == ["+a", "+b", "+c", "-b", "+b", "-b", "+b", "-b", "-c", "-a"]
    assert (str(error), str(error.__cause__)) == (
        "top gave up: 3 failures within 60 s; first b: Boom: the first",
        "the first",
    )
    assert [(failure.child, failure.at_s - error.failures[0].at_s) for failure in error.failures] == [
        ("b", 0),
        ("b", 1),
        ("b", 2),
    ]
    assert len(stage.told(GivingUp)) == 1


async def test_failures_of_different_children_are_counted_together(autojump_clock: MockClock) -> None:
    stage = Stage()
    error = gave_up(
        await stage.run(stage.child("a", crashes(1)), stage.child("b", crashes(2)), limits=(1, 60))
    )
    assert [failure.child for failure in error.failures] == ["a", "b"]


@pytest.mark.parametrize(("apart_s", "ends"), [(29, True), (30, True), (31, False)])
async def test_the_same_failures_spread_wider_than_the_period_are_no_reason_to_give_up(
    autojump_clock: MockClock, apart_s: int, ends: bool
) -> None:
    """Three of them, of which two are allowed in 60 s; exactly 60 s is within."""
    stage = Stage()
    error = await stage.run(stage.child("a", *[crashes(apart_s)] * 3), limits=(2, 60), for_s=200)
    assert (error is not None) is ends


async def test_with_intensity_0_the_first_failure_is_the_last(autojump_clock: MockClock) -> None:
    stage = Stage()
    gave_up(await stage.run(stage.child("a", crashes(1)), limits=(0, 60)))
    assert stage.log == ["+a", "-a"]


async def test_the_pause_doubles_with_every_failure_up_to_its_cap(autojump_clock: MockClock) -> None:
    stage = Stage()
    assert await stage.run(stage.child("a", *[crashes(0.5)] * 5), backoff=DOUBLING, for_s=100) is None
    assert [event.after_s for event in stage.told(Restarting)] == [1, 2, 4, 5, 5]
    assert stage.at("+a") == [0, 1.5, 4, 8.5, 14, 19.5]


async def test_the_pause_is_short_again_after_a_quiet_time(autojump_clock: MockClock) -> None:
    stage = Stage()
    script = crashes(1), crashes(1), crashes(29), crashes(30), crashes(1)
    assert await stage.run(stage.child("a", *script), backoff=DOUBLING, for_s=100) is None
    assert [event.after_s for event in stage.told(Restarting)] == [1, 2, 4, 1, 2]


async def test_failing_to_start_is_no_quiet_time(autojump_clock: MockClock) -> None:
    stage = Stage()
    assert (
        await stage.run(stage.child("a", crashes(40), *[fails_to_start] * 4), backoff=DOUBLING, for_s=100)
        is None
    )
    assert [event.after_s for event in stage.told(Restarting)] == [1, 2, 4, 5, 5]


async def test_each_child_has_its_own_pause(autojump_clock: MockClock) -> None:
    stage = Stage()
    await stage.run(
        stage.child("a", crashes(1), crashes(1)), stage.child("b", crashes(5)), backoff=DOUBLING, for_s=30
    )
    assert [(event.children, event.after_s) for event in stage.told(Restarting)] == [
        (("a",), 1),
        (("a",), 2),
        (("b",), 1),
    ]


def test_jitter_only_shortens_a_pause_and_never_by_more_than_its_share() -> None:
    seed = 20
    rng = random.Random(seed)
    pauses = [Streak(Backoff(10, 2, 30, 0.2, 60), rng).pause_s(0) for _ in range(500)]
    assert 8 <= min(pauses) < 8.2, f"seed {seed}"
    assert 9.8 < max(pauses) <= 10, f"seed {seed}"


async def test_a_stop_during_the_pause_starts_nothing_more(autojump_clock: MockClock) -> None:
    stage = Stage()
    await stage.run(stage.child("a"), stage.child("b", crashes(1)), backoff=DOUBLING, for_s=1.5)
    assert stage.times == [(0, "+a"), (0, "+b"), (1, "-b"), (1.5, "-a")]


async def test_a_group_waits_for_the_longest_pause_of_its_members(autojump_clock: MockClock) -> None:
    """c waits until 2.5 when b fails at 2 and would be back at 3: order of starting beats an earlier
    return.
    """
    stage = Stage()
    children = stage.child("a"), stage.child("b", crashes(2)), stage.child("c", crashes(0.5), crashes(0.1))
    await stage.run(*children, strategy="rest_for_one", backoff=DOUBLING, for_s=20)
    assert stage.at("+b") == [0, 3.6]
    assert stage.at("+c") == [0, 1.5, 3.6]


@pytest.mark.long
async def test_two_thousand_restarts_leave_no_task_no_news_and_no_memory_behind(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    stage = Stage()
    children = stage.child("a"), stage.child("b", *[crashes(1)] * 2_001), stage.child("c")
    supervisor = Supervisor(
        stage.spec(*children, strategy="one_for_all", limits=(3, 2)), rng=random.Random(1)
    )
    await nursery.start(supervisor.run)
    sizes: list[tuple[int, int]] = []
    for seconds in (500.5, 500, 500, 500):
        await trio.sleep(seconds)
        stage.times.clear()
        stage.events.clear()
        gc.collect()
        sizes.append((trio.lowlevel.current_statistics().tasks_living, len(gc.get_objects())))
    assert supervisor._numbers == {"a": 2_001, "b": 2_001, "c": 2_001}
    assert supervisor._news.statistics().current_buffer_used == 0
    assert len({tasks for tasks, _ in sizes}) == 1
    assert sizes[-1][1] - sizes[0][1] < 500, sizes
    nursery.cancel_scope.cancel()
