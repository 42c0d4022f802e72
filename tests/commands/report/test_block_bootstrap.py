"""Errors of ratios by blocks of neighbours: exact values, what they are for independent numbers, and that
they are larger where neighbours are alike.
"""

import random
from math import isqrt

import pytest

from commands.report.block_bootstrap import (
    CYCLES_LEAST,
    Estimate,
    SumBySum,
    block_length,
    paired_difference,
    ratios,
)


def test_the_value_is_the_ratio_of_the_sums_and_not_the_mean_of_ratios() -> None:
    assert ratios({"fees": [1, 3]}, [1, 1000], 1_000_000)["fees"].value == 4 * 1_000_000 // 1001


@pytest.mark.parametrize(("count", "length"), [(1, 1), (2, 2), (8, 2), (9, 3), (27, 3), (131, 6), (1000, 10)])
def test_blocks_are_as_long_as_the_cube_root(count: int, length: int) -> None:
    assert block_length(count) == length


def test_with_too_few_cycles_there_is_a_value_and_no_error() -> None:
    few = CYCLES_LEAST - 1
    assert ratios({"a": [5] * few}, [10] * few, 100)["a"] == Estimate(50)
    assert ratios({"a": [5] * CYCLES_LEAST}, [10] * CYCLES_LEAST, 100)["a"] == Estimate(50, 0, 50, 50)


def test_without_volume_nothing_is_said() -> None:
    assert ratios({"a": [0] * 20}, [0] * 20, 100)["a"] == Estimate(None)
    assert ratios({"a": []}, [], 100)["a"] == Estimate(None)


def test_each_part_needs_a_number_for_every_cycle() -> None:
    with pytest.raises(ValueError, match="for every cycle"):
        ratios({"a": [1]}, [1, 2], 1)


def test_the_same_numbers_give_the_same_errors_and_another_seed_others() -> None:
    chance = random.Random(1)
    numbers = [chance.randrange(1000) for _ in range(100)]
    once, again = (ratios({"a": numbers}, [10] * 100, 10**9) for _ in range(2))
    assert once == again
    assert ratios({"a": numbers}, [10] * 100, 10**9, seed=8) != once


@pytest.mark.parametrize("seed", range(5))
def test_for_independent_cycles_the_error_is_the_textbooks(seed: int) -> None:
    """sd / sqrt(n), within a fifth. Repeat one: pytest tests/commands/report/test_block_bootstrap.py -k
    "textbooks and SEED".
    """
    chance, count, scale = random.Random(seed), 400, 1_000
    numbers = [chance.randrange(100_000) for _ in range(count)]
    mean = sum(numbers) // count
    textbook = isqrt(sum((each - mean) ** 2 for each in numbers) // count * scale**2 // count)
    found = ratios({"a": numbers}, [1] * count, scale)["a"]
    assert found.error is not None
    assert abs(found.error - textbook) < textbook // 5, f"seed {seed}"


def test_where_neighbours_are_alike_the_error_is_larger() -> None:
    """Twenty runs of twenty equal numbers are twenty observations and not four hundred."""
    chance = random.Random(3)
    alike = [value for value in (chance.randrange(100_000) for _ in range(20)) for _ in range(20)]
    mixed = random.Random(4).sample(alike, len(alike))
    together, apart = (ratios({"a": each}, [1] * 400, 1_000)["a"].error for each in (alike, mixed))
    assert together is not None
    assert apart is not None
    assert together > 2 * apart


def test_parts_and_their_sum_are_drawn_together() -> None:
    """What one part gains another loses: their sum is certain, although neither is."""
    chance = random.Random(5)
    gained = [chance.randrange(1_000) for _ in range(100)]
    lost = [1_000 - each for each in gained]
    both = [left + right for left, right in zip(gained, lost, strict=True)]
    found = ratios({"gained": gained, "lost": lost, "both": both}, [10] * 100, 10**6)
    assert (found["gained"].error or 0) > 0
    assert found["both"].error == 0


# -- two that saw the same market ----------------------------------------------------------------------------


def test_what_the_market_did_to_both_alike_is_no_error_of_their_difference() -> None:
    chance = random.Random(6)
    market = [chance.randrange(100_000) for _ in range(60)]
    dear = SumBySum([each + 500 for each in market], [10] * 60)
    cheap = SumBySum(market, [10] * 60)
    assert paired_difference(dear, cheap, 100) == Estimate(5_000, 0, 5_000, 5_000)
    assert (ratios({"a": market}, [10] * 60, 100)["a"].error or 0) > 10_000


@pytest.mark.parametrize("seed", range(5))
def test_for_independent_places_its_error_is_the_textbooks_of_differences(seed: int) -> None:
    """sd of the differences / sqrt(n), within a fifth. Repeat one: pytest
    tests/commands/report/test_block_bootstrap.py -k "of_differences and SEED".
    """
    chance, count, scale = random.Random(seed), 400, 1_000
    market = [chance.randrange(1_000_000) for _ in range(count)]
    own = [chance.randrange(100_000) for _ in range(count)]
    mean = sum(own) // count
    textbook = isqrt(sum((each - mean) ** 2 for each in own) // count * scale**2 // count)
    both = [left + right for left, right in zip(market, own, strict=True)]
    found = paired_difference(SumBySum(both, [1] * count), SumBySum(market, [1] * count), scale)
    assert found.error is not None
    assert abs(found.error - textbook) < textbook // 5, f"seed {seed}"


def test_a_difference_of_ratios_is_not_the_ratio_of_differences() -> None:
    found = paired_difference(SumBySum([30, 30], [10, 90]), SumBySum([10, 10], [5, 5]), 100)
    assert found == Estimate(60 - 200)
    many = paired_difference(SumBySum([30] * 20, [10, 90] * 10), SumBySum([10] * 20, [5] * 20), 100)
    assert many.value == 60 - 200


def test_without_volume_on_one_side_there_is_no_difference() -> None:
    assert paired_difference(SumBySum([1] * 9, [1] * 9), SumBySum([0] * 9, [0] * 9), 100) == Estimate(None)


def test_both_sides_need_the_same_places() -> None:
    with pytest.raises(ValueError, match="at every place"):
        paired_difference(SumBySum([1], [1]), SumBySum([1, 2], [1, 2]), 1)
