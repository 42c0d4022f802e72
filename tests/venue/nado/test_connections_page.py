"""`docs/connections.md` says what the code does: its figures are the constants."""

from pathlib import Path

import pytest

from messages.settings import Settings
from messages.sizing import REST_MAX_MS
from runtime.backoff import RECONNECT
from venue.nado.http import ANSWER_BYTES_MAX
from venue.nado.socket import MESSAGE_BYTES_MAX, PING_EVERY_S, SILENCE_S
from venue.nado.weights import (
    ARCHIVE,
    CANCEL_TRIES,
    EXECUTES,
    QUERIES,
    RESTING_MINUTE,
    unwind_questions,
    unwind_weight,
)

PAGE = " ".join((Path(__file__).resolve().parents[3] / "docs" / "connections.md").read_text().split())


@pytest.mark.parametrize(
    "saying",
    [
        (
            f"after {RECONNECT.first_s:g} s, then twice as long each time, up to {RECONNECT.cap_s:g} s, each"
            " pause shortened at random by up to half"
        ),
        f"has lasted {RECONNECT.reset_after_s:g} s resets the pauses",
        f"A ping is sent every {PING_EVERY_S:g} s",
        f"too large ({MESSAGE_BYTES_MAX // 2**20} MiB, also after decompression)",
        f"allows {EXECUTES[0][1]} of weight in executes in 10 s and {EXECUTES[1][1]} in a minute per wallet",
        f"{QUERIES[0][1]} and {QUERIES[1][1]:,} in queries per address",
        f"and {ARCHIVE[0][1]:,} a minute at its archive",
        (
            f"{unwind_weight(len(Settings().flatten_steps))} in executes (five steps, ESCAPE twice),"
            f" {unwind_questions()} in queries"
        ),
        f"room for {CANCEL_TRIES} cancellations and its hedges as well",
        f"no more than {RESTING_MINUTE} in a minute",
        f"at most {REST_MAX_MS // 1000} s after its receive window",
    ],
)
def test_its_figures_are_the_codes(saying: str) -> None:
    assert saying in PAGE


def test_what_it_says_in_words_is_so() -> None:
    assert (RECONNECT.factor, RECONNECT.jitter, SILENCE_S) == (2, 0.5, 60)
    assert (len(Settings().flatten_steps), ANSWER_BYTES_MAX) == (5, MESSAGE_BYTES_MAX)
