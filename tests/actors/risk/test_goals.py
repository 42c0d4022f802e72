"""What ends a run, each at its edge: met exactly it is reached, a hair before it is not."""

import msgspec
import pytest

from actors.risk.goals import GOALS, closes_now, goal_denial, goals, goals_set, reached, spent
from messages.lifecycle import Held, Totals
from messages.money import Statement
from messages.settings import Settings
from messages.units import ONE, Ms, Quote
from tests.actors.fakes import START_MS, held
from tests.actors.ledger.story import Story

FOREVER = Settings(cycles=None)
NET = Story().held.totals.money


def so_far(*, traded: int = 0, net: int | None = 0, **changes: object) -> Held:
    assert isinstance(NET, Statement)
    money = msgspec.structs.replace(NET, net=None if net is None else Quote(net))
    return held(totals=Totals(traded=Quote(traded), money=money), **changes)


def ends(settings: Settings, state: Held, now_ms: int = START_MS) -> str:
    goal = reached(settings, state, now_ms)
    return goal.key if goal else ""


def with_goal(**changes: object) -> Settings:
    return msgspec.structs.replace(FOREVER, **changes)


def test_without_a_goal_nothing_is_reached() -> None:
    assert goals_set(FOREVER) == ()
    assert ends(FOREVER, so_far(traded=10**30, net=-(10**30), completed=10**9)) == ""


def test_cycles_are_reached_by_pairs_entered_and_skips_where_they_count() -> None:
    three = with_goal(cycles=3)
    assert ends(three, so_far(completed=2, skipped=9)) == ""
    assert ends(three, so_far(completed=2, failed=1)) == "cycles"
    assert ends(msgspec.structs.replace(three, count_skips=True), so_far(completed=2, skipped=1)) == "cycles"


def test_a_volume_is_reached_by_the_notionals_of_the_fills() -> None:
    settings = with_goal(until_volume=Quote(1000 * ONE))
    assert ends(settings, so_far(traded=1000 * ONE - 1)) == ""
    assert ends(settings, so_far(traded=1000 * ONE)) == "until_volume"


def test_a_cost_is_reached_by_what_was_lost_net_of_everything() -> None:
    settings = with_goal(until_cost=Quote(3 * ONE))
    assert ends(settings, so_far(net=-(3 * ONE - 1))) == ""
    assert ends(settings, so_far(net=-3 * ONE)) == "until_cost"
    assert ends(settings, so_far(net=3 * ONE)) == ""


def test_a_cost_that_is_not_known_is_not_reached_and_nothing_is_entered_on_it() -> None:
    settings = with_goal(until_cost=Quote(3 * ONE))
    assert spent(held()) is None
    assert ends(settings, so_far(net=None)) == ""
    denial = goal_denial(settings, so_far(net=None), START_MS)
    assert denial is not None
    assert denial.detail == "what this run has cost is not known yet (until_cost)"
    assert goal_denial(FOREVER, so_far(net=None), START_MS) is None


def test_a_time_is_reached_when_it_comes_and_closes_what_is_open() -> None:
    settings = with_goal(until_utc=Ms(START_MS))
    assert ends(settings, so_far(), START_MS - 1) == ""
    assert ends(settings, so_far(), START_MS) == "until_utc"
    assert closes_now(settings, START_MS - 1) is None
    goal = closes_now(settings, START_MS)
    assert goal is not None
    assert goal.said == ("UNTIL_UTC", "it is 2026-09-21 14:13:20 UTC (until_utc)")


def test_no_other_goal_closes_a_pair_before_its_exit() -> None:
    settings = with_goal(cycles=1, until_volume=Quote(1), until_cost=Quote(1))
    assert closes_now(settings, START_MS) is None


@pytest.mark.parametrize("first", range(len(GOALS)))
def test_of_several_that_are_reached_the_first_is_named(first: int) -> None:
    every = {
        "cycles": 1,
        "until_volume": Quote(ONE),
        "until_cost": Quote(ONE),
        "until_utc": Ms(START_MS),
    }
    settings = with_goal(**{key: every[key] for key in GOALS[first:]})
    assert goals_set(settings) == GOALS[first:]
    assert ends(settings, so_far(completed=1, traded=ONE, net=-ONE)) == GOALS[first]


def test_progress_is_told_with_units_and_what_is_unknown_as_such() -> None:
    settings = with_goal(
        cycles=9, until_volume=Quote(10**6 * ONE), until_cost=Quote(300 * ONE), until_utc=Ms(START_MS)
    )
    told = goals(settings, so_far(traded=12_031_551 * ONE // 1000, net=None, completed=2), START_MS - 1)
    assert [goal.words for goal in told] == [
        "2 of 9 cycles",
        "until_volume 12,031.55 of 1,000,000 USD",
        "until_cost ? of 300 USD",
        "until_utc 2026-09-21 14:13:20 UTC",
    ]
