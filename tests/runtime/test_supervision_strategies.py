"""Who shares the fate of a child that fails: nobody, those started after it, or everybody."""

import pytest
from trio.testing import MockClock

from runtime.specs import Restarting
from tests.determinism import seed_trio
from tests.runtime.kit import Stage, crashes, fails_to_start, gave_up, lives, ready_after, returns, tidies

STRATEGIES = ("one_for_one", "rest_for_one", "one_for_all")


@pytest.mark.parametrize(
    ("strategy", "then"),
    [
        ("one_for_one", ["-b", "+b"]),
        ("rest_for_one", ["-b", "-c", "+b", "+c"]),
        ("one_for_all", ["-b", "-c", "-a", "+a", "+b", "+c"]),
    ],
)
async def test_when_the_middle_child_fails_its_group_stops_in_reverse_and_starts_in_order(
    autojump_clock: MockClock, strategy: str, then: list[str]
) -> None:
    stage = Stage()
    error = await stage.run(
        stage.child("a"), stage.child("b", crashes(1)), stage.child("c"), strategy=strategy, for_s=10
    )
    assert error is None
    assert stage.log == ["+a", "+b", "+c", *then, "-c", "-b", "-a"]


async def test_nobody_of_a_group_is_started_before_everybody_of_it_is_gone(autojump_clock: MockClock) -> None:
    stage = Stage()
    await stage.run(
        stage.child("a", tidies(3)),
        stage.child("b", crashes(1)),
        stage.child("c", tidies(2)),
        strategy="one_for_all",
        for_s=10,
    )
    assert stage.times[3:9] == [(1, "-b"), (3, "-c"), (6, "-a"), (6, "+a"), (6, "+b"), (6, "+c")]


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
async def test_a_temporary_bystander_is_stopped_with_its_group_and_stays_away(
    autojump_clock: MockClock, strategy: str
) -> None:
    stage = Stage()
    children = stage.child("a", crashes(1)), stage.child("b", restart="temporary"), stage.child("c")
    assert await stage.run(*children, strategy=strategy, for_s=10) is None
    assert stage.at("+b") == [0]
    assert stage.at("-b") == [1]
    assert stage.at("+c") == [0, 1]
    assert stage.told(Restarting)[0].children == ("a", "c")


async def test_a_transient_sibling_that_had_finished_starts_again_with_its_group(
    autojump_clock: MockClock,
) -> None:
    """As in OTP: the group's state is made anew, so whoever belongs to it works again."""

    stage = Stage()
    children = stage.child("a", crashes(5)), stage.child("b", returns(1), returns(1), restart="transient")
    await stage.run(*children, strategy="one_for_all", for_s=20)
    assert stage.at("+b") == [0, 5]


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
async def test_a_sibling_that_fails_during_the_group_restart_is_one_more_failure_and_the_group_begins_again(
    autojump_clock: MockClock, strategy: str
) -> None:
    stage = Stage()
    children = stage.child("a", crashes(1)), stage.child("b", lives, fails_to_start), stage.child("c")
    assert await stage.run(*children, strategy=strategy, limits=(2, 60), for_s=10) is None
    again = ["-a", "+a", "+b", "+c"] if strategy == "one_for_all" else ["+b", "+c"]
    assert stage.log == ["+a", "+b", "+c", "-a", "-c", "-b", "+a", "+b", "-b", *again, "-c", "-b", "-a"]


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
async def test_a_sibling_that_fails_during_the_group_restart_once_too_often_ends_it(
    autojump_clock: MockClock, strategy: str
) -> None:
    stage = Stage()
    children = stage.child("a", crashes(1)), stage.child("b", lives, fails_to_start), stage.child("c")
    error = gave_up(await stage.run(*children, strategy=strategy, limits=(1, 60)))
    assert [failure.child for failure in error.failures] == ["a", "b"]
    assert stage.log == ["+a", "+b", "+c", "-a", "-c", "-b", "+a", "+b", "-b", "-a"]


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
async def test_a_sibling_that_is_up_again_and_crashes_during_the_group_restart_waits_its_turn(
    autojump_clock: MockClock, strategy: str
) -> None:
    """a crashes again at 2 while c still gets ready: c is let up at 4, then the whole group goes once
    more. Nothing is lost, nothing doubled.
    """
    stage = Stage()
    children = (
        stage.child("a", crashes(1), crashes(1)),
        stage.child("b"),
        stage.child("c", lives, ready_after(3)),
    )
    assert await stage.run(*children, strategy=strategy, limits=(2, 60), for_s=10) is None
    assert stage.times[6:] == [
        *[(1, "+a"), (1, "+b"), (1, "+c"), (2, "-a"), (4, "-c"), (4, "-b")],
        *[(4, "+a"), (4, "+b"), (4, "+c"), (10, "-c"), (10, "-b"), (10, "-a")],
    ]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("strategy", "limit", "again"),
    [("one_for_one", 2, ["b", "c"]), ("rest_for_one", 2, ["b", "c"]), ("one_for_all", 1, ["a", "b", "c"])],
)
async def test_two_children_that_crash_in_the_same_tick_are_started_again_once(
    autojump_clock: MockClock, strategy: str, limit: int, again: list[str], seed: int
) -> None:
    """Apart they are two failures; with a shared fate the second is part of the first's group
    (rest_for_one: if the first is the earlier one).
    """
    seed_trio(seed)  # which of the two is heard of first
    stage = Stage()
    children = stage.child("a"), stage.child("b", crashes(1)), stage.child("c", crashes(1)), stage.child("d")
    assert await stage.run(*children, strategy=strategy, limits=(limit, 60), for_s=10) is None
    for name in "abc":
        assert stage.at(f"+{name}") == ([0, 1] if name in again else [0])
    assert stage.at("+d") == ([0] if strategy == "one_for_one" else [0, 1])


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_two_crashes_in_one_tick_are_counted_as_often_as_there_are_groups(
    autojump_clock: MockClock, strategy: str
) -> None:
    stage = Stage()
    children = stage.child("b", crashes(1)), stage.child("c", crashes(1))
    await stage.run(*children, strategy=strategy, for_s=10)
    groups = [event.children for event in stage.told(Restarting)]
    if strategy == "one_for_one":
        assert sorted(groups) == [("b",), ("c",)]
    elif strategy == "one_for_all":
        assert groups == [("b", "c")]
    else:
        assert groups in ([("b", "c")], [("c",), ("b", "c")])
