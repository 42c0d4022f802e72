"""What is counted is told: at once the first time, then once a minute, and never in full length."""

import trio
from trio.testing import MockClock

from venue.nado.counts import TroubleTally, WireCounts


async def test_the_first_trouble_of_a_kind_is_told_at_once_and_the_rest_once_a_minute(
    autojump_clock: MockClock,
) -> None:
    told: list[str] = []
    tally = TroubleTally("market stream", told.append)
    for _ in range(1_000):
        tally.trouble("unreadable", "not json")
    tally.trouble("out_of_range", "2e38")
    assert told == ["an unreadable frame: not json", "a number out of range: 2e38"]
    await trio.sleep(60)
    tally.trouble("unreadable", "not json either")
    assert told[2] == "an unreadable frame (1000 times in a minute): not json either"
    assert (tally.counts.unreadable, tally.counts.out_of_range, tally.counts.troubles) == (1_001, 1, 1_002)


def test_a_venues_text_is_not_kept_in_full() -> None:
    tally = TroubleTally()
    tally.trouble("refused", "x" * 10_000)
    assert len(tally.counts.last_problem) == 300


def test_the_line_names_what_is_not_zero() -> None:
    assert WireCounts("http").line() == "nothing yet"
    assert WireCounts("http", attempts=3, events=2, lost=1).line() == "3 attempts, 2 events, 1 lost"
