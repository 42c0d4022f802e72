"""The closest balanced points of two straight pieces, against all of their points."""

import os
import random
from fractions import Fraction

from actors.market_data.cost_curve import BASIS, Piece
from actors.sizing.closest import Question, closest_points

SEED = int(os.environ.get("EVENKEEL_SEED", "20"))


def balanced(costs: tuple[int, int], goal: int) -> bool:
    return abs(costs[0] - costs[1]) * BASIS <= goal * max(costs)


def random_piece(random_: random.Random) -> Piece:
    first, lot = random_.randint(1, 20), random_.randint(1, 40)
    # A piece further down the book: its line does not go through 0, and all of its costs are above 0.
    return Piece(first, first + random_.randint(0, 40), random_.randint(1 - lot * first, 60), lot)


def test_distance_and_best_of_the_points_equal_all_points_of_10_000_pieces() -> None:
    print(f"EVENKEEL_SEED={SEED} pytest tests/actors/sizing/test_closest.py -k all_points")  # noqa: T201 - captured, shown with a failure
    random_ = random.Random(SEED)
    found = nothing = equals = 0
    for number in range(10_000):
        scanned, solved = random_piece(random_), random_piece(random_)
        if random_.random() < 0.5:  # whole multiples: many points are equally far
            solved = solved._replace(lot=scanned.lot * random_.choice((1, 2)), base=scanned.base)
        goal = random_.choice((0, 10, 100, 500, 2000, 5000, 10_000)) * BASIS // 10_000
        twice, limit = random_.randint(2, 3_000), random_.choice((5, 40, 10_000))

        def costs(point: tuple[int, int], pair: tuple[Piece, Piece] = (scanned, solved)) -> tuple[int, int]:
            return pair[0].base + point[0] * pair[0].lot, pair[1].base + point[1] * pair[1].lot

        def apart(point: tuple[int, int]) -> Fraction:
            each = costs(point)
            return Fraction(abs(each[0] - each[1]), max(each))

        every = [
            (n, m)
            for n in range(scanned.first, scanned.last + 1)
            for m in range(solved.first, solved.last + 1)
            if balanced(costs((n, m)), goal) and abs(sum(costs((n, m))) - twice) <= limit
        ]
        distance, points = closest_points(scanned, solved, Question.of(twice, goal), limit)
        assert set(points) <= set(every), number
        if not every:
            assert (distance, points) == (limit, []), number
            nothing += 1
            continue
        least = min(abs(sum(costs(point)) - twice) for point in every)
        nearest = [point for point in every if abs(sum(costs(point)) - twice) == least]
        assert distance == least, number
        assert all(abs(sum(costs(point)) - twice) == least for point in points), number
        best = min(map(apart, nearest))
        assert {point for point in nearest if apart(point) == best} <= set(points), number
        found += 1
        equals += len(nearest) > 4
    assert min(found, nothing) > 1_000
    assert equals > 200
