"""How it ends: one by one, last started first, each with its time, whatever happens meanwhile; and what
does not end is not kept quiet.
"""

import random
import signal
from collections.abc import Iterator

import pytest
import trio
from trio.testing import MockClock

from runtime.specs import Exited, Fatal, Overdue, Stuck
from runtime.supervision import Supervisor
from tests.runtime.kit import Boom, Stage, Started, crashes, deaf, gave_up, lives, tidies


async def test_children_stop_one_by_one_last_started_first_though_all_were_cancelled_from_outside(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    await stage.run(
        stage.child("a", tidies(1)), stage.child("b", tidies(2)), stage.child("c", tidies(3)), for_s=10
    )
    assert stage.times[3:] == [(13, "-c"), (15, "-b"), (16, "-a")]


async def test_whom_a_child_depends_on_still_runs_while_it_cleans_up(autojump_clock: MockClock) -> None:
    stage = Stage()
    seen: list[bool] = []

    async def looks_down_at_its_end(started: Started) -> None:
        try:
            await lives(started)
        finally:
            seen.append(stage.supervisor.running("a"))

    await stage.run(stage.child("a"), stage.child("b", looks_down_at_its_end), for_s=1)
    assert seen == [True]


async def test_cleaning_up_within_its_time_is_nobodys_business(autojump_clock: MockClock) -> None:
    stage = Stage()
    assert await stage.run(stage.child("a", tidies(5), shutdown_s=5.1), for_s=1) is None
    assert stage.times[-1] == (6, "-a")
    assert stage.told(Overdue) == []


async def test_cleaning_up_for_too_long_is_reported_and_waited_for_once_more(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    assert await stage.run(stage.child("a", tidies(7), shutdown_s=5), for_s=1) is None
    assert [(event.child, event.waited_s, event.abandoned) for event in stage.told(Overdue)] == [
        ("a", 5, False)
    ]
    assert stage.times[-1] == (8, "-a")


async def test_a_child_that_never_stops_is_abandoned_loudly_and_the_others_are_stopped(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    error = await stage.run(
        stage.child("a"), stage.child("b", deaf(60), shutdown_s=2), stage.child("c"), for_s=1
    )
    assert isinstance(error, Stuck)
    assert "b still runs 4 s after it was told to stop" in str(error)
    assert [(event.waited_s, event.abandoned) for event in stage.told(Overdue)] == [(2, False), (4, True)]
    assert stage.times[3:] == [(1, "-c"), (5, "-a")]
    assert stage.living == {"b"}
    await trio.sleep(60)


async def test_nothing_that_depends_on_the_end_of_a_stuck_child_is_started(autojump_clock: MockClock) -> None:
    stage = Stage()
    prepared: list[tuple[str, ...]] = []
    children = stage.child("a", crashes(1)), stage.child("b", deaf(60), shutdown_s=0)
    error = await stage.run(*children, strategy="one_for_all", on_restart=prepared.append, limits=(99, 60))
    assert isinstance(error, Stuck)
    assert (stage.at("+a"), prepared) == ([0], [])
    await trio.sleep(60)


async def test_a_stuck_child_goes_up_before_any_other_error_that_must(autojump_clock: MockClock) -> None:
    class DiskFull(Fatal):
        pass

    stage = Stage()
    error = await stage.run(
        stage.child("a", deaf(60), shutdown_s=0), stage.child("b", crashes(1, DiskFull()))
    )
    assert isinstance(error, Stuck)
    assert isinstance(error.__context__, DiskFull), "the first cause is not lost"
    await trio.sleep(60)


async def test_an_error_while_stopping_is_told_and_does_not_hold_up_the_stop(
    autojump_clock: MockClock,
) -> None:
    async def trips(started: Started) -> None:
        try:
            await lives(started)
        finally:
            raise Boom("while cleaning up")

    stage = Stage()
    assert await stage.run(stage.child("a"), stage.child("b", trips), for_s=1) is None
    assert [event.why for event in stage.told(Exited)] == ["Boom: while cleaning up", ""]
    assert stage.log[2:] == ["-b", "-a"]


async def test_a_cancel_in_the_middle_of_a_group_stop_still_stops_in_reverse(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    children = stage.child("a", tidies(1)), stage.child("b", crashes(1)), stage.child("c", tidies(3))
    await stage.run(*children, strategy="one_for_all", for_s=2)
    assert stage.times[3:] == [(1, "-b"), (4, "-c"), (5, "-a")]


async def test_a_cancel_while_giving_up_changes_nothing_about_the_order(autojump_clock: MockClock) -> None:
    stage = Stage()
    children = stage.child("a", tidies(1)), stage.child("b", tidies(2)), stage.child("c", crashes(1))
    gave_up(await stage.run(*children, limits=(0, 60), for_s=2))
    assert stage.times[3:] == [(1, "-c"), (3, "-b"), (4, "-a")]


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's own handler, as at a terminal: Trio takes Ctrl-C over from that one only, and a worker of
    the test runner has another.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_is_an_orderly_stop_and_a_second_one_cancels_all_that_are_left_at_once() -> None:
    stage = Stage()

    async def presses_twice() -> None:
        await trio.sleep(1)
        signal.raise_signal(signal.SIGINT)
        await trio.sleep(0.5)
        signal.raise_signal(signal.SIGINT)

    async def main() -> BaseException | None:
        trio.lowlevel.spawn_system_task(presses_twice)
        return await stage.run(*(stage.child(name, tidies(1)) for name in "abc"))

    assert isinstance(trio.run(main, clock=MockClock(autojump_threshold=0)), KeyboardInterrupt)
    assert stage.times[3] == (2, "-c")
    assert sorted(stage.times[4:]) == [(2.5, "-a"), (2.5, "-b")]


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_never_strikes_inside_a_child() -> None:
    stage = Stage()
    struck: list[BaseException] = []

    async def notices(started: Started) -> None:
        try:
            await lives(started)
        except BaseException as error:
            struck.append(error)
            raise

    async def main() -> BaseException | None:
        trio.lowlevel.spawn_system_task(press)
        return await stage.run(stage.child("a"), stage.child("b", notices))

    async def press() -> None:
        await trio.sleep(1)
        signal.raise_signal(signal.SIGINT)

    assert isinstance(trio.run(main, clock=MockClock(autojump_threshold=0)), KeyboardInterrupt)
    assert [type(error) for error in struck] == [trio.Cancelled]
    assert stage.log == ["+a", "+b", "-b", "-a"]


async def test_a_stop_that_comes_before_anything_has_started_is_fine(autojump_clock: MockClock) -> None:
    stage = Stage()
    supervisor = Supervisor(stage.spec(stage.child("a")), rng=random.Random(1))
    with trio.CancelScope() as scope:
        scope.cancel()
        await supervisor.run()
    assert stage.living == set()


def test_children_stop_one_by_one_even_when_all_of_trio_shuts_down_around_them() -> None:
    """The supervisor is itself a task of Trio's own, and the main task ends: Trio cancels all such tasks
    at once.
    """
    stage = Stage()

    async def main() -> None:
        trio.lowlevel.spawn_system_task(stage.run, *(stage.child(name, tidies(1)) for name in "abc"))
        await trio.sleep(1)

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert stage.times[3:] == [(2, "-c"), (3, "-b"), (4, "-a")]
