"""Policies by what they cost, and which of them differ by more than chance."""

from collections.abc import Sequence

from commands.sweep.point import PointResult
from commands.sweep.ranking import ranking
from messages.units import ONE

VOLUME = 1_000 * ONE


def result(
    number: int, hold: str, costs: Sequence[int], *, market: str = "evening", seed: int = 1, code: int = 0
) -> PointResult:
    """A point whose cycles each traded 1,000 USD and cost so many thousandths of a USD."""
    each = tuple(cost * ONE // 1_000 for cost in costs)
    nets = tuple(-cost for cost in each)
    traded = (VOLUME,) * len(each)
    return PointResult(
        number, {"hold": hold}, market, seed, code, "done", traded=traded, trading_costs=each, nets=nets
    )


NARROW = [380, 381, 379, 380, 381, 379, 380, 380, 381, 379] * 4
WIDE = [80, 680, 380, 180, 580, 380, 80, 680, 380, 380] * 4


def test_the_cheapest_comes_first_and_costs_are_sums_by_sums() -> None:
    dear, cheap = result(1, "1 s", [400] * 20), result(2, "2 s", [300] * 10 + [340] * 10)
    first, second = ranking([dear, cheap])
    assert (first.policy["hold"], first.all_in.value, second.all_in.value) == ("2 s", 320 * ONE, 400 * ONE)
    assert (first.points, first.cycles, first.traded, first.net) == (1, 20, 20 * VOLUME, -64 * ONE // 10)


def test_a_difference_beyond_its_error_is_told_from_one_within() -> None:
    narrow = ranking([result(1, "1 s", NARROW), result(2, "2 s", [cost + 5 for cost in NARROW])])
    wide = ranking([result(1, "1 s", WIDE), result(2, "2 s", [cost + 5 for cost in WIDE])])
    assert [each.apart for each in narrow] == [False, True]
    assert [each.apart for each in wide] == [False, False]


def test_another_seed_of_the_same_recording_makes_no_error_smaller() -> None:
    once = ranking([result(1, "1 s", WIDE)])[0]
    again = ranking([result(number, "1 s", WIDE, seed=number) for number in range(1, 9)])[0]
    assert again.all_in.error == once.all_in.error
    assert again.cycles == 8 * once.cycles


def test_another_seed_of_a_synthetic_market_and_another_recording_do() -> None:
    once = ranking([result(1, "1 s", WIDE)])[0].all_in.error
    seeds = [result(number, "1 s", WIDE, market="synthetic", seed=number) for number in range(1, 9)]
    nights = [result(number, "1 s", WIDE, market=f"night {number}") for number in range(1, 9)]
    for several in (ranking(seeds)[0].all_in.error, ranking(nights)[0].all_in.error):
        assert once is not None
        assert several is not None
        assert several < once


def test_a_policy_that_traded_nothing_comes_last_and_its_failures_are_counted() -> None:
    nothing = PointResult(1, {"hold": "1 s"}, "evening", 1, None, why="INTERNAL it broke")
    first, last = ranking([nothing, result(2, "2 s", NARROW)])
    assert (first.policy["hold"], last.all_in.value, last.failures, last.apart) == ("2 s", None, 1, False)
