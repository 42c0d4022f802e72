"""Curves that are kept: as many as are needed, and never for another side."""

import random

import pytest

from actors.market_data.cost_curve import CURVES_KEPT, CostCurve, LotCurve, curve_of, depth_within, walk
from messages.market import Level
from messages.units import ONE, Base, Bps, Price, Quote


def side(*levels: tuple[int, int]) -> tuple[Level, ...]:
    return tuple(Level(Price(price * ONE), Base(amount * ONE)) for price, amount in levels)


def test_a_side_is_added_up_once_while_it_is_among_the_newest() -> None:
    first = side((100, 1), (101, 2))
    curve = curve_of(first)
    others = [side((100, 1), (101, 2)) for _ in range(CURVES_KEPT - 1)]
    assert all(curve_of(other) is not curve for other in others)
    assert curve_of(first) is curve
    assert curve_of(side((100, 1))).cost(ONE) == 100 * ONE * ONE
    assert curve_of(first) is not curve


def test_sides_that_come_and_go_are_never_taken_for_one_another() -> None:
    """Python uses the id of a side again as soon as nobody has it any more."""
    for price in range(1, 500):
        assert walk(side((price, 1)), ONE) == Quote(price * ONE)
        assert depth_within(side((price, 2)), Bps(0)) == Quote(2 * price * ONE)


def test_a_level_that_cannot_be_is_named_when_it_is_reached() -> None:
    broken = side((100, 1), (101, 0))
    assert walk(broken, ONE) == Quote(100 * ONE)
    with pytest.raises(ValueError, match="level of 0 at price 101"):
        walk(broken, 2 * ONE)


def test_pieces_cost_what_each_of_their_lots_costs_and_leave_none_out() -> None:
    """Amounts that are no whole lots, lots that lie in several levels."""
    random_ = random.Random(20)
    for _ in range(500):
        prices = sorted(random_.sample(range(1, 60), random_.randint(1, 6)))
        levels = side(*((price, random_.randint(1, 9)) for price in prices))
        step = random_.randint(1, 5) * ONE
        low = random_.randint(0, 300) * ONE * ONE
        high = low + random_.randint(0, 800) * ONE * ONE
        costs: dict[int, int] = {}
        for piece in CostCurve(levels).pieces(step, low, high):
            for lots in range(piece.first, piece.last + 1):
                assert lots not in costs
                costs[lots] = piece.base + lots * piece.lot
        total = sum(level.amount for level in levels)
        every = {lots: CostCurve(levels).cost(lots * step) or 0 for lots in range(1, total // step + 1)}
        assert costs == {lots: cost for lots, cost in every.items() if low <= cost <= high}


def test_weighted_pieces_are_the_lots_whose_weighted_cost_lies_between_the_bounds() -> None:
    """In the smallest integers there are, so that a bound that is no multiple of the weight shows."""
    random_ = random.Random(21)
    for _ in range(500):
        levels = tuple(
            Level(Price(price), Base(random_.randint(1, 9)))
            for price in sorted(random_.sample(range(1, 30), 3))
        )
        step, weight = random_.randint(1, 3), random_.choice((1, 4, 5, 7))
        curve, low = LotCurve(levels, Base(step), weight), random_.randint(0, 300)
        high = low + random_.randint(0, 800)
        found = {
            lots: piece.base + lots * piece.lot
            for piece in curve.pieces(low, high)
            for lots in range(piece.first, piece.last + 1)
        }
        lots_max = sum(level.amount for level in levels) // step
        every = {lots: (CostCurve(levels).cost(lots * step) or 0) * weight for lots in range(1, lots_max + 1)}
        assert found == {lots: cost for lots, cost in every.items() if low <= cost <= high}
        assert [curve.cost(lots) for lots in every] == list(every.values())
        assert curve.cost_all == max(every.values(), default=0)
        affordable = max((lots for lots, cost in every.items() if cost <= high), default=0)
        assert curve.lots_for(high) == affordable
