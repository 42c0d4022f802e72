"""Nothing could be entered for `max_wait`: what counts towards it, and which reason is named."""

import pytest

from actors.risk.entry_wait import TURN_S_MAX, EntryWait
from messages.lifecycle import PAUSED, Held, Waiting
from messages.units import ONE
from tests.actors.fakes import held

WIDE = Waiting("enter", "SPREAD_WIDE", "the spread of SOL-PERP is 0.49 bps, limit 0.4 bps")
STALE = Waiting("enter", "QUOTE_STALE", "the book of ETH-PERP was last proven 1200 ms ago, limit 1000 ms")
WINDOW = Waiting("enter", "NO_ENTRY_WINDOW", "nothing is entered in Mon 13:50-14:20 UTC")
NOTHING = Waiting()


def looked(
    wait: EntryWait,
    since_s: float,
    for_s: float,
    waiting: Waiting,
    at: Held | None = None,
    *,
    resting: bool = False,
) -> float:
    """Ten looks a second; where it ends."""
    for turn in range(int(for_s * 10) + 1):
        wait.look(since_s + turn / 10, at or held(), waiting, resting=resting)
    return since_s + for_s


def test_the_commonest_reason_is_the_one_that_lasted_longest() -> None:
    wait = EntryWait(20)
    now_s = looked(wait, 0, 12, WIDE)
    assert not wait.over
    looked(wait, now_s, 8.2, STALE)
    assert wait.over
    assert wait.commonest.last == WIDE


def test_something_entered_begins_the_wait_again() -> None:
    wait = EntryWait(20)
    now_s = looked(wait, 0, 15, WIDE)
    wait.look(now_s, held(eth=ONE), NOTHING, resting=False)
    looked(wait, now_s, 15, STALE)
    assert not wait.over
    assert wait.commonest.last == STALE


def test_a_cycle_that_failed_begins_it_again_too_and_a_skipped_one_does_not() -> None:
    wait = EntryWait(20)
    now_s = looked(wait, 0, 15, WIDE)
    now_s = looked(wait, now_s, 10, WIDE, held(failed=1))
    assert not wait.over
    looked(wait, now_s, 15, WIDE, held(failed=1, skipped=3))
    assert wait.over


@pytest.mark.parametrize("expected", [WINDOW, Waiting("enter", PAUSED, "dinner")])
def test_what_a_person_has_asked_for_does_not_count(expected: Waiting) -> None:
    wait = EntryWait(20)
    looked(wait, 0, 1800, expected)
    assert wait.waited_s == 0


def test_the_pause_after_a_cycle_does_not_count_and_the_one_after_a_skip_does() -> None:
    wait = EntryWait(20)
    now_s = looked(wait, 0, 60, NOTHING, resting=True)
    assert wait.waited_s == 0
    wait.skipped("UNBALANCED", "best 1.31 %")
    looked(wait, now_s, 21, NOTHING, resting=True)
    assert wait.over
    assert wait.commonest.last == Waiting("enter", "UNBALANCED", "best 1.31 %")


def test_a_process_that_was_frozen_has_not_waited() -> None:
    wait = EntryWait(20)
    wait.look(0, held(), WIDE, resting=False)
    wait.look(600, held(), WIDE, resting=False)
    assert wait.waited_s == TURN_S_MAX


def test_without_any_word_it_counts_as_not_ready() -> None:
    wait = EntryWait(5)
    looked(wait, 0, 6, NOTHING)
    assert wait.over
    assert wait.commonest.last.code == "NOT_READY"
