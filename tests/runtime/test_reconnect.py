"""Pauses between attempts: they grow, they are bounded, they differ between seeds, and only what has held
brings them down again.
"""

import random

import pytest

from runtime.backoff import RECONNECT, Streak


def test_pauses_double_to_the_longest_and_each_is_shortened_by_at_most_half() -> None:
    streak = Streak(RECONNECT, random.Random(1))
    pauses = [streak.pause_s(0) for _ in range(12)]
    longest = [min(RECONNECT.first_s * 2**n, RECONNECT.cap_s) for n in range(12)]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, longest, strict=True))


def test_two_seeds_knock_at_different_times_and_one_seed_at_the_same() -> None:
    def pauses(seed: int) -> list[float]:
        streak = Streak(RECONNECT, random.Random(seed))
        return [streak.pause_s(0) for _ in range(5)]

    assert pauses(1) == pauses(1) != pauses(2)


@pytest.mark.parametrize(
    ("held_s", "again"), [(RECONNECT.reset_after_s, True), (RECONNECT.reset_after_s - 0.01, False)]
)
def test_only_a_connection_that_has_held_starts_the_pauses_over(held_s: float, again: bool) -> None:
    """A venue that accepts and drops at once must not be hammered."""
    streak = Streak(RECONNECT, random.Random(1))
    for _ in range(8):
        streak.pause_s(0)
    streak.up(100)
    assert (streak.pause_s(100 + held_s) <= RECONNECT.first_s) is again
