"""Policies side by side: sums by block of time, and differences in which the market's part is none."""

import random

import pytest

from commands.sweep.compared_results import comparison_lines, errors_apart
from commands.sweep.paired import BLOCK_NS, Comparison, comparisons
from commands.sweep.point import PointCycle, PointResult
from messages.units import ONE, Bps, Quote

LIMIT = Bps(10 * ONE)
TRADED = 1_000 * ONE


def point_cycle(block: int, cost: int, **changes: object) -> PointCycle:
    """One cycle in the middle of a block; its cost is in millionths of what it traded."""
    usd = cost * TRADED // 10**6
    facts: dict[str, object] = {
        "began_ns": block * BLOCK_NS + BLOCK_NS // 2,
        "ending": "completed",
        "entered": True,
        "traded": TRADED,
        "cost": usd,
        "lost": usd,
        "wanted": TRADED,
        "shortfall": usd,
        "rest_wanted": 0,
        "rest_filled": 0,
        "unhedged_usd_s": 0,
        "filled": Bps(ONE),
        "orders": 4,
        "cancels": 0,
        "hedged_ms": (0,),
    }
    return PointCycle(**(facts | changes))  # type: ignore[arg-type]


def compared_point(
    name: str, cycles: list[PointCycle], number: int = 1, *, target: str = "500 USD"
) -> PointResult:
    policy = {"policy": name, "target": target, "fills": "prints", "one_trade_in": "10"}
    return PointResult(number, policy, "evening", 7, 0, "done", cycles=tuple(cycles), replayed_ms=1_800_000)


def compared_pair(dear: list[PointCycle], cheap: list[PointCycle]) -> Comparison:
    (found,) = comparisons([compared_point("taker-taker", dear), compared_point("lean", cheap, 2)], LIMIT)
    return found


def test_what_the_market_did_to_both_is_no_error_of_the_difference() -> None:
    """Seed 1: each block costs 300 to 500, the second policy 90 less in every one."""
    chance = random.Random(1)
    market = [chance.randrange(300, 500) for _ in range(46)]
    first, second = compared_pair(
        [point_cycle(block, cost) for block, cost in enumerate(market)],
        [point_cycle(block, cost - 90) for block, cost in enumerate(market)],
    ).policies
    assert (first.differences, first.name) == ({}, "taker-taker")
    assert {each.value for each in second.differences.values()} == {-90 * ONE}
    assert {each.error for each in second.differences.values()} == {0}
    assert (second.figures["cost"].error or 0) > ONE


def test_cycles_belong_to_the_block_in_which_they_began() -> None:
    """The cheaper policy's cycles are twice as many in the dear half: sums by block, not one by one."""
    dear = [point_cycle(block, 500 if block < 10 else 300) for block in range(20)]
    cheap = [point_cycle(block, 500 if block < 10 else 300) for block in range(20) for _ in range(2)]
    found = compared_pair(dear, cheap)
    assert found.blocks == 20
    assert found.policies[1].differences["cost"].value == 0
    assert found.policies[1].differences["cost"].error == 0


def test_a_cycle_that_was_given_up_counts_where_something_was_wanted() -> None:
    given_up = point_cycle(1, 0, traded=0, shortfall=ONE, entered=False, ending="skipped")
    _, found = compared_pair([point_cycle(0, 300)], [point_cycle(0, 300), given_up]).policies
    assert found.figures["cost"].value == 300 * ONE
    assert found.figures["shortfall"].value == (300 * ONE + 1_000 * ONE) // 2
    assert (found.entered, found.cycles, found.completed, found.balanced) == (1, 2, 1, 1)


def test_counts_are_over_all_cycles_and_balance_over_completed_ones() -> None:
    cycles = [
        point_cycle(0, 300, filled=Bps(10 * ONE), rest_wanted=4 * ONE, rest_filled=ONE, hedged_ms=(5, 40)),
        point_cycle(1, 300, filled=Bps(10 * ONE + 1), unhedged_usd_s=3 * ONE, cancels=2),
        point_cycle(2, 300, filled=None, ending="failed", hedged_ms=()),
        point_cycle(3, 300, filled=None, hedged_ms=()),
    ]
    _, found = compared_pair([], cycles).policies
    assert (found.balanced, found.completed, found.fill_rate) == (1, 3, ONE // 4)
    assert (found.orders, found.cancels, found.usd_s_per_cycle) == (16, 2, 3 * ONE // 4)
    assert (found.hedged_ms.count, found.hedged_ms.median, found.hedged_ms.p99) == (3, 5, 40)
    assert found.per_hour == 6 * ONE


def test_a_policy_that_traded_nothing_has_no_figure_and_no_difference() -> None:
    dear = [point_cycle(block, 300) for block in range(12)]
    _, found = compared_pair(dear, []).policies
    assert {each.value for each in (*found.figures.values(), *found.differences.values())} == {None}


def test_worlds_are_compared_apart_in_the_order_of_their_points() -> None:
    points = [
        compared_point(name, [point_cycle(0, 300)], number, target=target)
        for number, (target, name) in enumerate(
            [("900 USD", "a"), ("900 USD", "b"), ("500 USD", "a"), ("500 USD", "b")]
        )
    ]
    found = comparisons(list(reversed(points)), LIMIT)
    assert [each.world.target for each in found] == ["900 USD", "500 USD"]
    assert [[policy.name for policy in each.policies] for each in found] == [["a", "b"]] * 2


def test_the_table_says_seed_blocks_and_how_many_errors_a_difference_is() -> None:
    chance = random.Random(2)
    dear = [point_cycle(block, chance.randrange(300, 500)) for block in range(46)]
    cheap = [point_cycle(block, chance.randrange(200, 400)) for block in range(46)]
    found = compared_pair(dear, cheap)
    apart = errors_apart(found.policies[1].differences["cost"])
    assert apart is not None
    lines = comparison_lines([found], 7, LIMIT)
    assert lines[0] == "500 USD, prints, one trade in 10: 46 blocks of 30 s, seed 7"
    assert f"({int(apart) / 10**18:.1f})" in lines[3]
    assert "from taker-taker" in lines[5]


@pytest.mark.parametrize("error", [None, 0])
def test_without_an_error_nothing_is_so_many_of_them(error: int | None) -> None:
    (_, found) = compared_pair([point_cycle(0, 300)], [point_cycle(0, 200)]).policies
    assert errors_apart(found.differences["cost"]._replace(error=error)) is None
    assert Quote(found.differences["cost"].value or 0) == -100 * ONE
