"""How far a figure may be off because only so many cycles were seen: the circular block bootstrap.

Cycles that follow each other see the same market, so their costs are not independent, and an error that
takes them for independent is too small. Blocks of neighbours are drawn instead of single cycles, with
replacement, around the end to the beginning, until as many cycles are drawn as there were (Politis and
Romano 1992). A figure here is a ratio of two sums, cost by volume; it is computed anew for each draw, and the
spread of those values is its error.

Blocks are as long as the cube root of the number of cycles, the order of length at which the error's own
error falls fastest (Hall, Horowitz and Jing 1995). Everything is in integers, and the draws are the same for
the same number of cycles, so that a report made twice says the same.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from math import isqrt
from typing import NamedTuple

DRAWS = 2_000
CYCLES_LEAST = 8
"""With fewer there are not enough blocks that differ, and no error is given."""
SEED = 7


class Estimate(NamedTuple):
    """A ratio of two sums, and how far it may be off. All in the unit of the ratio."""

    value: int | None
    """None: there is nothing to divide by."""
    error: int | None = None
    """One standard error; None where there are too few cycles."""
    low: int | None = None
    high: int | None = None
    """95 of 100 draws lie between these."""


class SumBySum(NamedTuple):
    """A sum by a sum, place by place."""

    part: Sequence[int]
    whole: Sequence[int]


def block_length(count: int) -> int:
    """How many neighbours are drawn together of `count` cycles: the cube root, rounded up."""
    return next(length for length in range(1, count + 2) if length**3 >= count)


def ratios(
    parts: Mapping[str, Sequence[int]], whole: Sequence[int], scale: int, *, seed: int = SEED
) -> dict[str, Estimate]:
    """For each of `parts`, a number per cycle: sum of the part x `scale` / sum of `whole`, rounded down.

    All are computed of the same draws, so that errors of parts and of their sum belong together. Raises
    `ValueError` where a part has not as many numbers as `whole`.
    """
    count, total = len(whole), sum(whole)
    if any(len(part) != count for part in parts.values()):
        raise ValueError("each part needs a number for every cycle")
    values = {name: sum(part) * scale // total if total else None for name, part in parts.items()}
    if count < CYCLES_LEAST or not total:
        return {name: Estimate(value) for name, value in values.items()}
    length = block_length(count)
    wholes = _block_sums(whole, length)
    blocks = {name: _block_sums(part, length) for name, part in parts.items()}
    drawn: dict[str, list[int]] = {name: [] for name in parts}
    for starts in _draws(count, length, seed):
        divisor = sum(wholes[start] for start in starts)
        if divisor:
            for name, sums in blocks.items():
                drawn[name].append(sum(sums[start] for start in starts) * scale // divisor)
    return {name: _estimate(values[name], sorted(drawn[name])) for name in parts}


def paired_difference(these: SumBySum, those: SumBySum, scale: int, *, seed: int = SEED) -> Estimate:
    """How far the ratio of `these` is above that of `those`, each as `ratios` has it, where the numbers at
    one place saw the same market: both are computed of the same draws, so that what the market did to both
    alike is no error of their difference. Raises `ValueError` where there are not as many numbers of each.
    """
    sides = these, those
    count = len(these.whole)
    if any(len(numbers) != count for side in sides for numbers in side):
        raise ValueError("both sides need a number at every place")
    if not all(sum(side.whole) for side in sides):
        return Estimate(None)
    first, second = (sum(side.part) * scale // sum(side.whole) for side in sides)
    if count < CYCLES_LEAST:
        return Estimate(first - second)
    length = block_length(count)
    (part, whole), (other_part, other_whole) = (
        (_block_sums(side.part, length), _block_sums(side.whole, length)) for side in sides
    )
    drawn = []
    for starts in _draws(count, length, seed):
        divisor, other = (sum(sums[start] for start in starts) for sums in (whole, other_whole))
        if divisor and other:
            value = sum(part[start] for start in starts) * scale // divisor
            drawn.append(value - sum(other_part[start] for start in starts) * scale // other)
    return _estimate(first - second, sorted(drawn))


def _draws(count: int, length: int, seed: int) -> Iterator[list[int]]:
    """Where the blocks of each draw begin; the same for the same number of places."""
    draw = random.Random(seed)  # noqa: S311 - nothing is kept secret by it
    for _ in range(DRAWS):
        yield draw.choices(range(count), k=-(-count // length))


def _block_sums(numbers: Sequence[int], length: int) -> list[int]:
    """The sum of the block that begins at each place, around the end."""
    so_far = [0, *accumulate([*numbers, *numbers[: length - 1]])]
    return [so_far[start + length] - so_far[start] for start in range(len(numbers))]


def _estimate(value: int | None, drawn: Sequence[int]) -> Estimate:
    if len(drawn) < DRAWS // 2:  # most draws had no volume: it is in a few cycles alone
        return Estimate(value)
    mean = sum(drawn) // len(drawn)
    error = isqrt(sum((each - mean) ** 2 for each in drawn) // (len(drawn) - 1))
    cut = len(drawn) // 40
    return Estimate(value, error, drawn[cut], drawn[-1 - cut])
