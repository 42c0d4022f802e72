"""The rate limits of the protocol sheet, mirrored: what is counted, what is held back and what never is."""

import random
from typing import Any

import pytest

from messages.sizing import REST_MAX_MS
from venue.nado.weights import (
    ACCOUNT_WEIGHT,
    ARCHIVE,
    CANCEL_TRIES,
    EXECUTES,
    QUERIES,
    RESTING_MINUTE,
    WeightBudget,
    Weights,
    archive_weight,
    query_weight,
    unwind_questions,
    unwind_weight,
)


def test_the_unwind_of_both_legs_is_the_documented_sum() -> None:
    assert unwind_weight(5) == 34
    assert unwind_weight(1, products=1) == 1 + 2 * 6
    assert ACCOUNT_WEIGHT == 1 + 2 + 10 + 4
    assert unwind_questions() == 6 * 17 + 19 + 36


def test_a_hundred_fit_into_ten_seconds_and_not_one_more() -> None:
    budget = WeightBudget()
    budget.spend(99, 0)
    assert budget.affords(1, 0)
    budget.spend(1, 0)
    assert not budget.affords(1, 10_000)
    assert budget.affords(100, 10_001)


def test_six_hundred_fit_into_a_minute_and_not_one_more() -> None:
    budget = WeightBudget()
    for burst in range(6):
        budget.spend(100, burst * 10_001)
    assert not budget.affords(1, 60_000)
    assert budget.affords(100, 60_006)


def test_what_was_spent_beyond_the_budget_is_remembered() -> None:
    budget = WeightBudget()
    budget.spend(150, 0)
    assert not budget.affords(0, 1)


@pytest.mark.parametrize("limits", [EXECUTES, QUERIES, ARCHIVE])
def test_the_budget_equals_a_plain_sum_over_every_window(limits: Any) -> None:
    """Reproduce a failure with random.Random(seed) and the seed it prints."""
    for seed in range(20):
        source, budget, now = random.Random(seed), WeightBudget(limits), 1_000
        spent: list[tuple[int, int]] = []
        for _ in range(300):
            now += source.choice([0, 1, 50, 400, 3_000])
            weight = source.randint(1, limits[-1][1] // 20)
            fits = all(
                sum(w for at, w in spent if at >= now - length) + weight <= allowed
                for length, allowed in limits
            )
            assert budget.affords(weight, now) is fits, f"seed {seed}"
            if fits or source.random() < 0.1:
                budget.spend(weight, now)
                spent.append((now, weight))


class CountedWeight(int):
    """A weight that counts how often one is added."""

    added = 0

    def __add__(self, other: int) -> int:
        CountedWeight.added += 1
        return int(self) + other

    __radd__ = __add__


def test_asking_costs_the_same_however_much_was_spent_within_the_minute() -> None:
    """A sum over all of it stood between every plan and its orders: 0.1 ms after a minute."""
    budget = WeightBudget()
    for now_ms in range(0, 60_000, 20):
        budget.spend(CountedWeight(1), now_ms)
    before = CountedWeight.added
    assert not budget.affords(1, 60_000)
    assert budget.spent(10_000, 60_000) == 500
    assert CountedWeight.added - before < 10


@pytest.mark.parametrize(
    ("question", "weight"),
    [
        ({"type": "status"}, 1),
        ({"type": "market_liquidity", "product_id": 4, "depth": 100}, 1),
        ({"type": "market_prices", "product_ids": [2, 4, 8]}, 3),
        ({"type": "subaccount_info", "subaccount": "0x"}, 2),
        ({"type": "subaccount_info", "subaccount": "0x", "txns": "[]"}, 10),
        ({"type": "subaccount_info", "subaccount": "0x", "txns": "[]", "pre_state": "true"}, 15),
        ({"type": "orders", "sender": "0x", "product_ids": [4, 8]}, 4),
        ({"type": "all_products"}, 5),
        ({"type": "isolated_positions", "subaccount": "0x"}, 10),
        ({"type": "nlp_pool_info"}, 20),
        ({"type": "something new"}, 20),
    ],
)
def test_a_query_weighs_what_the_sheet_says_and_an_unknown_one_as_much_as_the_dearest(
    question: dict[str, Any], weight: int
) -> None:
    assert query_weight(question) == weight


@pytest.mark.parametrize(
    ("question", "weight"),
    [
        ({"orders": {"digests": ["0xaa"]}}, 3),
        ({"orders": {"subaccounts": ["0x"], "limit": 100}}, 7),
        ({"matches": {"subaccounts": ["0x"], "limit": 100}}, 12),
        ({"matches": {"subaccounts": ["0x", "0y"]}}, 22),
        ({"funding_rate": {"product_id": 4}}, 2),
    ],
)
def test_a_question_to_the_archive_weighs_by_what_it_may_bring(question: dict[str, Any], weight: int) -> None:
    assert archive_weight(question) == weight


class ManualClock:
    def __init__(self) -> None:
        self.ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


def test_entering_needs_room_for_both_orders_and_the_whole_unwind_after_them() -> None:
    """Lesson O12: a throttle once let the first leg out and not the second, and the run ended with both
    legs short.
    """
    clock = ManualClock()
    weights = Weights(clock)
    for _ in range(100 - 36):
        assert weights.obstacle(2, 5) == ""
        weights.place()
    assert weights.obstacle(2, 5) == ""
    weights.place()
    assert "65 of 100 in 10 s" in weights.obstacle(2, 5)
    clock.ms += 10_001
    assert weights.obstacle(2, 5) == ""


def test_an_order_that_rests_needs_room_for_its_cancellations_its_hedges_and_the_unwind() -> None:
    """Lesson O12, of orders that are cancelled: 1 order, 2 hedges, 6 cancellations, 34 for the unwind."""
    clock = ManualClock()
    weights = Weights(clock)
    needed = 3 + CANCEL_TRIES + unwind_weight(5)
    for _ in range(100 - needed):
        weights.place()
    assert weights.obstacle(3, 5, rests=1) == ""
    weights.cancel_order()
    assert f"{101 - needed} of 100 in 10 s" in weights.obstacle(3, 5, rests=1)
    assert weights.obstacle(3, 5) == ""


def test_what_rests_follows_a_price_with_120_a_minute_and_whoever_hedges_or_closes_has_the_rest() -> None:
    clock = ManualClock()
    weights = Weights(clock)
    quotes = 0
    while weights.obstacle(2, 5, rests=1) == "" and quotes < RESTING_MINUTE:
        weights.place()
        weights.cancel_order()
        quotes += 1
        clock.ms += 400
    assert quotes == (RESTING_MINUTE - 2 - CANCEL_TRIES) // 2 + 1
    words = weights.obstacle(2, 5, rests=1)
    assert f"may use {RESTING_MINUTE} a minute" in words
    assert f"{2 * quotes} are used, and this one with its hedges and cancellations may need 8" in words
    assert weights.obstacle(20, 1) == ""
    clock.ms += 60_001 - 400 * quotes  # the first one is a minute old
    assert weights.obstacle(2, 5, rests=1) == ""


def test_the_tries_of_a_cancellation_last_as_long_as_an_order_can_rest() -> None:
    """Pauses of 1, 2, 4 ... s: with one try fewer an order could still trade after the last of them."""
    assert sum(2**tries for tries in range(CANCEL_TRIES - 1)) * 1000 > REST_MAX_MS
    assert sum(2**tries for tries in range(CANCEL_TRIES - 2)) * 1000 <= REST_MAX_MS


def test_questions_and_reconnects_can_block_an_entry_but_never_what_closes() -> None:
    clock = ManualClock()
    weights = Weights(clock)
    weights.ask(400 - unwind_questions())
    assert weights.obstacle(2, 5) == ""
    weights.connect()
    assert "questions" in weights.obstacle(2, 5)
    weights.cancel([4, 8])
    weights.place()
    assert weights.executes.spent(10_000, clock.ms) == 11


def test_routine_questions_leave_what_an_unwind_needs() -> None:
    clock = ManualClock()
    weights = Weights(clock)
    asked = 0
    while weights.routine(11):
        weights.ask(11)
        asked += 11
    assert asked <= 400 - unwind_questions() < asked + 11


def test_when_the_venue_says_that_it_was_asked_too_much_the_budget_is_spent_for_ten_seconds() -> None:
    clock = ManualClock()
    weights = Weights(clock)
    weights.limited_executes()
    assert weights.obstacle(2, 5) != ""
    clock.ms += 10_001
    assert weights.obstacle(2, 5) == ""
    weights.limited_queries()
    weights.limited_queries()
    assert not weights.routine(1)
    assert weights.queries.spent(60_000, clock.ms) == 400
    clock.ms += 10_001
    assert weights.routine(1)
