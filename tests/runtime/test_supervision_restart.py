"""Who is restarted: permanent always, transient after a failure, temporary never; and what is never taken
for a failure.
"""

import dataclasses
import random

import pytest
import trio
from trio.testing import MockClock

from runtime.mailbox import Mailbox
from runtime.specs import Exited, Fatal, Killed, Overdue, Restarting, RestartRefused, Returned
from runtime.supervision import Supervisor
from tests.runtime.kit import (
    Boom,
    Stage,
    Started,
    crashes,
    deaf,
    fails_to_start,
    gave_up,
    lives,
    returns,
    tidies,
)


@pytest.mark.parametrize(
    ("restart", "life", "again"),
    [
        ("permanent", returns(1), True),
        ("permanent", crashes(1), True),
        ("transient", returns(1), False),
        ("transient", crashes(1), True),
        ("temporary", returns(1), False),
        ("temporary", crashes(1), False),
    ],
    ids=lambda value: getattr(value, "__qualname__", str(value)).split(".")[0],
)
async def test_permanent_is_always_restarted_transient_after_a_failure_temporary_never(
    autojump_clock: MockClock, restart: str, life: object, again: bool
) -> None:
    stage = Stage()
    assert await stage.run(stage.child("a"), stage.child("b", life, restart=restart), for_s=10) is None
    assert stage.at("+b") == ([0, 1] if again else [0])
    assert stage.at("+a") == [0]


async def test_a_permanent_child_that_returns_has_failed_and_is_told_so(autojump_clock: MockClock) -> None:
    stage = Stage()
    error = gave_up(await stage.run(stage.child("a", returns(1)), limits=(0, 60)))
    assert isinstance(error.__cause__, Returned)


async def test_a_child_that_fails_to_start_twice_and_then_works_is_left_in_peace(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    error = await stage.run(
        stage.child("a", crashes(1), fails_to_start, fails_to_start), limits=(3, 60), for_s=100
    )
    assert error is None
    assert stage.log == ["+a", "-a"] * 4
    assert stage.at("-a")[-1] == 100


async def test_a_child_that_can_never_start_again_ends_in_giving_up(autojump_clock: MockClock) -> None:
    stage = Stage()
    error = gave_up(
        await stage.run(
            stage.child("a"), stage.child("b", crashes(1), *[fails_to_start] * 99), limits=(3, 60)
        )
    )
    assert stage.log == ["+a", "+b", "-b", "+b", "-b", "+b", "-b", "+b", "-b", "-a"]
    assert [type(failure.error) for failure in error.failures] == [Boom] * 4


async def test_the_backlog_survives_a_crash_and_the_message_that_crashed_does_not_come_again(
    autojump_clock: MockClock,
) -> None:
    box: Mailbox[int] = Mailbox("box", 10)
    taken: list[int] = []

    async def reads(started: Started) -> None:
        with box.reader() as inbox:
            started()
            async for number in inbox:
                taken.append(number)
                if number == 2:
                    raise Boom("2 is too much")

    for number in range(1, 5):
        box.post(number)
    stage = Stage()
    assert await stage.run(stage.child("a", reads, reads), for_s=10) is None
    assert taken == [1, 2, 3, 4]


async def test_the_late_end_of_an_older_incarnation_counts_for_nothing(autojump_clock: MockClock) -> None:
    """b crashes while it is being stopped because a crashed: one failure, one restart, and the news of b's
    end changes nothing.
    """

    async def crashes_when_stopped(started: Started) -> None:
        try:
            await lives(started)
        except trio.Cancelled:
            raise Boom("while stopping") from None

    stage = Stage()
    script = [crashes_when_stopped] * 3
    error = await stage.run(
        stage.child("a", crashes(1), crashes(1), crashes(1)),
        stage.child("b", *script),
        strategy="one_for_all",
        limits=(3, 60),
    )
    assert error is None
    assert stage.at("+a") == stage.at("+b") == [0, 1, 2, 3]
    assert len(stage.told(Restarting)) == 3


async def test_a_killed_child_is_restarted_and_its_end_is_called_killed(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    stage = Stage()
    supervisor = Supervisor(stage.spec(stage.child("a", tidies(1)), limits=(1, 60)), rng=random.Random(1))
    await nursery.start(supervisor.run)
    assert supervisor.kill("a")
    assert not supervisor.kill("a"), "it is being stopped already"
    assert not supervisor.running("a")
    await trio.sleep(2)
    assert supervisor.running("a")
    assert stage.told(Exited)[0].why == "Killed: a was killed"
    nursery.cancel_scope.cancel()


async def test_a_stalled_child_is_cancelled_restarted_and_its_end_is_called_stalled(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    stage = Stage()
    supervisor = Supervisor(stage.spec(stage.child("a")), rng=random.Random(1))
    await nursery.start(supervisor.run)
    assert supervisor.stall("a", "3 messages wait")
    await trio.sleep(1)
    assert supervisor.running("a")
    assert (stage.log, stage.told(Exited)[0].why) == (["+a", "-a", "+a"], "Stalled: a: 3 messages wait")
    nursery.cancel_scope.cancel()


async def test_a_child_that_somebody_killed_too_often_makes_its_supervisor_give_up(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()

    async def killer() -> None:
        await trio.sleep(1)
        for _ in range(2):
            stage.supervisor.kill("a")
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(killer)
        error = gave_up(await stage.run(stage.child("a"), limits=(1, 60)))
    assert [type(failure.error) for failure in error.failures] == [Killed, Killed]


async def test_a_name_that_is_not_in_the_tree_is_an_error_and_not_a_child_that_never_runs(
    autojump_clock: MockClock,
) -> None:
    supervisor = Supervisor(Stage().spec(), rng=random.Random(1))
    for ask in (supervisor.running, supervisor.kill, lambda name: supervisor.stall(name, "")):
        with pytest.raises(KeyError, match="eth-leg"):
            ask("eth-leg")


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("wrapped", [False, True])
async def test_what_is_no_exception_stops_everything_in_order_and_passes_through(
    autojump_clock: MockClock, error: BaseException, wrapped: bool
) -> None:
    stage = Stage()
    raised = BaseExceptionGroup("from a nursery", [Boom("beside it"), error]) if wrapped else error
    ended = await stage.run(
        stage.child("a"), stage.child("b", crashes(1, raised)), stage.child("c"), limits=(99, 60)
    )
    assert ended is error
    assert stage.log == ["+a", "+b", "+c", "-b", "-c", "-a"]


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_a_fatal_error_is_never_restarted(autojump_clock: MockClock, restart: str) -> None:
    class DiskFull(Fatal):
        pass

    stage = Stage()
    error = await stage.run(
        stage.child("a"), stage.child("b", crashes(1, DiskFull("full")), restart=restart), limits=(99, 60)
    )
    assert isinstance(error, DiskFull)
    assert stage.log == ["+a", "+b", "-b", "-a"]


async def test_a_child_that_swallows_its_cancellation_and_ends_is_no_failure(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    error = await stage.run(
        stage.child("a", deaf(3), shutdown_s=5),
        stage.child("b", crashes(1)),
        strategy="one_for_all",
        limits=(1, 60),
        for_s=50,
    )
    assert error is None
    assert stage.at("+a") == stage.at("+b") == [0, 3]
    assert not stage.told(Overdue)


async def test_a_cancellation_that_a_child_lets_out_is_no_failure_neither_alone_nor_in_a_group(
    autojump_clock: MockClock,
) -> None:
    async def stray() -> trio.Cancelled:
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled as cancelled:
                return cancelled
        raise AssertionError

    async def alone(started: Started) -> None:
        started()
        raise await stray()

    async def beside_a_crash(started: Started) -> None:
        started()
        raise BaseExceptionGroup("", [await stray(), Boom("the crash")])

    stage = Stage()
    children = stage.child("a", alone, restart="transient"), stage.child("b", beside_a_crash)
    assert await stage.run(*children, limits=(1, 60), for_s=10) is None
    assert sorted(event.why for event in stage.told(Exited)) == ["", "", "Boom: the crash"]
    assert (stage.at("+a"), stage.at("+b")) == ([0], [0, 0])


async def test_a_group_of_crashes_is_one_failure_and_a_group_of_one_is_its_member(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    two = crashes(1, ExceptionGroup("", [Boom("x"), ExceptionGroup("", [Boom("y")])]))
    one = crashes(1, ExceptionGroup("", [ExceptionGroup("", [Boom("alone")])]))
    error = gave_up(await stage.run(stage.child("a", two, one), limits=(1, 60)))
    assert len(error.failures) == 2
    assert [event.why for event in stage.told(Exited)] == ["Boom: x, Boom: y", "Boom: alone"]


async def test_before_a_restart_the_old_ones_are_gone_and_the_new_ones_are_not_there_yet(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    asked: list[tuple[tuple[str, ...], frozenset[str]]] = []
    children = stage.child("a", tidies(1)), stage.child("b", crashes(1)), stage.child("c", tidies(2))
    await stage.run(
        *children,
        strategy="rest_for_one",
        on_restart=lambda names: asked.append((names, frozenset(stage.living))),
        for_s=10,
    )
    assert asked == [(("b", "c"), frozenset("a"))]


async def test_a_restart_that_cannot_be_prepared_is_fatal_and_names_both_errors(
    autojump_clock: MockClock,
) -> None:
    def refuse(names: tuple[str, ...]) -> None:
        raise OSError("no space left for the epoch")

    stage = Stage()
    error = await stage.run(stage.child("a"), stage.child("b", crashes(1)), on_restart=refuse)
    assert isinstance(error, RestartRefused)
    assert "no space left for the epoch" in str(error)
    assert isinstance(error.__cause__, Boom)
    assert stage.log == ["+a", "+b", "-b", "-a"]


async def test_an_observer_that_raises_changes_nothing_and_is_counted(autojump_clock: MockClock) -> None:
    def raises(event: object) -> None:
        raise ValueError(event)

    stage = Stage()
    spec = dataclasses.replace(stage.spec(stage.child("a", crashes(1))), on_event=raises)
    supervisor = Supervisor(spec, rng=random.Random(1))
    with trio.move_on_after(10):
        await supervisor.run()
    assert stage.log == ["+a", "-a", "+a", "-a"]
    assert supervisor.unheard == 5, "started, exited, restarting, started, exited"
