"""How long how much stood alone."""

from commands.unhedged import Unhedged, allowed
from messages.units import ONE, Quote


def test_one_leg_alone_counts_until_the_other_joins() -> None:
    fold = Unhedged()
    fold.take("eth", -985 * ONE, 1000)
    assert fold.now == Quote(985 * ONE)
    fold.take("sol", 984 * ONE, 1077)
    assert fold.now == 0
    assert (fold.worst.worst, fold.worst.lasted_ms) == (Quote(985 * ONE), 77)
    assert fold.worst.usd_s.text() == "75.845"


def test_the_small_difference_of_a_pair_does_not_count() -> None:
    fold = Unhedged()
    fold.take("eth", 1000 * ONE, 0)
    fold.take("sol", -999 * ONE, 0)
    fold.take("eth", -1001 * ONE, 60_000)
    fold.take("sol", 999 * ONE, 60_010)
    assert fold.worst.lasted_ms == 10
    assert fold.now == 0


def test_pieces_add_up() -> None:
    fold = Unhedged()
    fold.take("eth", 500 * ONE, 0)
    fold.take("eth", 500 * ONE, 10)
    fold.take("sol", -1000 * ONE, 20)
    assert fold.cycle.usd_ms == (500 * 10 + 1000 * 10) * ONE


def test_the_worst_cycle_stays_when_a_calmer_one_follows() -> None:
    fold = Unhedged()
    fold.take("eth", 1000 * ONE, 0)
    fold.take("sol", -1000 * ONE, 100)
    fold.new_cycle()
    fold.take("eth", -1000 * ONE, 5000)
    fold.take("sol", 1000 * ONE, 5001)
    assert (fold.worst.lasted_ms, fold.cycle.lasted_ms) == (100, 1)


def test_fills_that_arrive_in_the_wrong_order_never_count_negative_time() -> None:
    fold = Unhedged()
    fold.take("eth", 1000 * ONE, 50)
    fold.take("sol", -1000 * ONE, 40)
    assert fold.cycle.usd_ms == 0


def test_the_budget_is_a_time_times_the_larger_leg() -> None:
    assert allowed(Quote(1000 * ONE), 500) == Quote(500 * ONE)
