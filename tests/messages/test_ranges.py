"""Ranges: their upper end for everybody, and the same draw for the same seed and cycle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.ranges import MsRange, QuoteRange, drawn, is_range, least_of
from messages.units import ONE, Ms, Quote

HOLD = Ms(MsRange(180_000, 540_000))
TARGET = QuoteRange(900 * ONE, 1100 * ONE)


def test_a_range_is_its_upper_end_for_whoever_does_not_ask() -> None:
    assert (HOLD + 1, 2 * TARGET, max(HOLD, 1)) == (540_001, 2200 * ONE, HOLD)
    assert TARGET.text() == "1100"
    assert (least_of(HOLD), least_of(TARGET), least_of(7)) == (180_000, 900 * ONE, 7)


def test_a_range_equals_only_the_same_range() -> None:
    assert MsRange(180_000, 540_000) == HOLD
    assert HOLD not in (540_000, MsRange(1, 540_000))
    assert len({HOLD, MsRange(180_000, 540_000), MsRange(1, 540_000)}) == 2


def test_ends_that_are_swapped_make_no_range() -> None:
    for kind in (MsRange, QuoteRange):
        with pytest.raises(ValueError, match="has its ends swapped"):
            kind(9, 3)


def test_what_is_no_range_is_drawn_as_itself() -> None:
    assert drawn(Ms(7), "hold", 1, 2) == 7
    assert not is_range(Ms(7))


@given(st.integers(0, 10**18), st.integers(0, 10**6), st.integers(0, 10**9), st.integers(0, 10**9))
def test_every_draw_is_within_both_ends_and_the_same_again(
    seed: int, cycle: int, least: int, wide: int
) -> None:
    for value in (Ms(MsRange(least, least + wide)), QuoteRange(least, least + wide)):
        found = drawn(value, "hold", seed, cycle)
        assert least <= found <= least + wide
        assert (found, is_range(found)) == (drawn(value, "hold", seed, cycle), False)


def test_both_ends_are_drawn_and_each_key_and_seed_has_draws_of_its_own() -> None:
    assert {drawn(Ms(MsRange(3, 5)), "hold", 7, cycle) for cycle in range(50)} == {3, 4, 5}
    rows = [
        [drawn(HOLD, key, seed, cycle) for cycle in range(20)]
        for key, seed in (("hold", 7), ("pause", 7), ("hold", 8))
    ]
    assert all(len(set(row)) == 20 for row in rows)
    assert rows[0] not in rows[1:]


def test_draws_stay_what_they_are() -> None:
    """What a recorded run was replayed with is drawn again by the next release."""
    assert [drawn(HOLD, "hold", 7, cycle) for cycle in (1, 2, 3)] == [270282, 181758, 482875]
    assert drawn(TARGET, "target", 7, 1) == Quote.of("1042.3366")
