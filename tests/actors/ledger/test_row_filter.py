"""Rows are for what changes something; what decides knows every reading all the same."""

import os
import random
from typing import Any

import msgspec
import pytest

from actors.ledger import Fold
from actors.ledger.row_filter import EVENTS_KEPT, PEAK_STEP, ROWS_A_DAY
from messages.execution import AccountSnapshot, Fill
from messages.lifecycle import AccountStream, CycleEnded, Held
from messages.units import Base, Quote
from tests.actors.ledger.story import Story

SEED = int(os.environ.get("EVENKEEL_SEED", "5"))
EVERY_MS = 5_000
DAY = 86_400_000


def holding() -> Story:
    story = Story()
    story.enter()
    story.snapshot()
    return story


def readings(story: Story) -> list[AccountSnapshot]:
    return [message for _, message in story.rows if isinstance(message, AccountSnapshot)]


def read(story: Story, value: int, **more: Any) -> None:
    story.now_ms += EVERY_MS - 2
    story.snapshot(value=Quote(value).text(), **more)


def refolded(rows: list[tuple[int, msgspec.Struct]]) -> Fold:
    fold = Fold()
    for at_ns, message in rows:
        fold.apply(message, at_ns)
    return fold


def judged_rows(held: Held) -> tuple[Any, ...]:
    """All that a limit or a gate takes from the account."""
    return (
        held.record,
        held.day_loss,
        held.value,
        held.initial_health,
        held.maintenance_health,
        held.account_ok,
        held.foreign,
        held.phase,
    )


def wanders(rng: random.Random, steps: int) -> list[int]:
    """An account's value, a few cents at a time."""
    value, values = 10_000 * 10**18, []
    for _ in range(steps):
        value += rng.randrange(-5, 6) * 10**16
        values.append(value)
    return values


@pytest.mark.long
def test_a_pair_held_for_a_day_writes_few_rows_and_every_limit_knows_every_reading() -> None:
    """17,280 rows a day once: a guard took over after a week."""
    again = f"EVENKEEL_SEED={SEED} python -m pytest {__file__} -n 0"
    story = holding()
    before = len(story.rows)
    every = refolded(story.rows)
    peaks = 0
    for value in wanders(random.Random(SEED), DAY // EVERY_MS):
        read(story, value)
        peak = every.record.peak
        for at_ns, message in [(story.now_ms * 1_000_000, as_read(story, value))]:
            every.apply(message, at_ns)
        peaks += every.record.peak != peak
        assert judged_rows(story.held) == judged_rows(every.held(1)), again
    rows = len(story.rows) - before
    assert rows <= ROWS_A_DAY, again
    assert peaks > 20, "many new peaks, of which only those are rows that a limit could tell apart"
    assert refolded(story.rows).held(1) == story.fold.held(1), again


def as_read(story: Story, value: int) -> AccountSnapshot:
    current = story.clerk.sieve.current or readings(story)[-1]
    assert current.value == value
    return current


def test_an_account_that_only_rises_writes_a_row_for_each_step_that_a_limit_could_tell_apart() -> None:
    story = holding()
    value = 10_000 * 10**18
    before = len(readings(story))
    for _ in range(200):
        value += value // (4 * PEAK_STEP)
        read(story, value)
        assert story.held.record.drawdown == 0
    assert 45 <= len(readings(story)) - before <= 55
    lost = value - (refolded(story.rows).record.peak or 0)
    assert 0 <= lost <= value // PEAK_STEP, "what a kill can lose of a peak"
    read(story, value - 30 * 10**18)
    assert story.held.record.drawdown == Quote.of("30")


def test_another_position_an_order_and_a_missing_account_are_rows_at_once() -> None:
    story = holding()
    for change in ({"sol": "-2"}, {}, {"isolated": "1"}, {}):
        before = len(readings(story))
        read(story, 10_000 * 10**18, **change)
        assert len(readings(story)) == before + 1
        assert bool(story.held.foreign) == bool(change)


def test_the_first_reading_of_a_utc_day_is_a_row() -> None:
    story = holding()
    story.now_ms += DAY - story.now_ms % DAY - 2 * EVERY_MS
    for cents in (1, 2, 3, 4):
        before = len(readings(story))
        read(story, 10_000 * 10**18 + cents * 10**16)
        crossed = story.now_ms % DAY < EVERY_MS
        assert (len(readings(story)) > before) is (crossed or cents == 1)
    assert story.fold.day.first == 10_000 * 10**18 + 2 * 10**16


def test_every_reading_is_a_row_while_a_proof_is_awaited_or_nothing_is_agreed() -> None:
    story = holding()
    story.leave()
    assert story.held.awaiting_proof
    early = story.now_ms - 10_000
    before = len(readings(story))
    story.snapshot(at_ms=early)
    story.snapshot(at_ms=early + 1)
    assert len(readings(story)) == before + 2
    story.snapshot()
    assert story.said_of(CycleEnded)[-1].ending == "completed"
    story.tell(AccountStream(False, "gone"), AccountStream(True, ""))
    before = len(readings(story))
    story.snapshot()
    story.snapshot()
    assert len(readings(story)) == before + 1, "the one that agrees, and not the next"


def test_a_plan_stands_on_the_last_reading() -> None:
    story = holding()
    for value in (10_001, 10_003, 10_002):
        read(story, value * 10**18)
    story.leave()
    kinds = [type(message).__name__ for _, message in story.rows]
    last = len(kinds) - kinds[::-1].index("Sealed") - 1
    assert kinds[last - 1] == "AccountSnapshot"
    assert readings(story)[-1].value == Quote.of("10002")
    assert refolded(story.rows).record.peak == Quote.of("10003")


@pytest.mark.parametrize("shuffled", [False, True])
def test_an_event_that_comes_many_times_is_a_row_once(shuffled: bool) -> None:
    """65,121 duplicated events in two minutes were once 65,121 rows."""
    story = Story()
    story.placed("enter", "0.042", "-1")
    fills: list[Fill] = [story.a_fill("eth"), story.a_fill("sol")]
    events = fills * 1_000
    if shuffled:
        random.Random(SEED).shuffle(events)
    for fill in events:
        story.tell(fill)
    for _ in range(1_000):
        story.position_change("eth", "0.042")
    rows = [message for _, message in story.rows if isinstance(message, Fill)]
    assert sorted(rows, key=lambda fill: fill.product_id) == fills
    assert (story.held.eth.amount, story.held.sol.amount) == (Base.of("0.042"), Base.of("-1"))
    assert len([message for _, message in story.rows if type(message).__name__ == "PositionChange"]) == 1
    assert len(story.clerk.sieve._events) <= EVENTS_KEPT
