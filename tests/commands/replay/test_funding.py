"""Funding in a replay: staged rates choose a side, keep a pair over an hour, let an entry wait; and without
them the exchange of a replay charges none.
"""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from messages.units import ONE, Quote, Rate
from tests.commands.replay.funding_page import (
    ABSENT,
    CAP,
    KEPT,
    PAGE,
    TURNING,
    TURNS,
    USUAL,
    WAITING,
    Staged,
    funding_page,
    in_evening,
    plans_of_evening,
)
from tests.commands.replay.test_replay import replayed

ONCE = TURNING.replace("--cycles 3", "--cycles 1")


def of_evening(capsys: pytest.CaptureFixture[str], line: str, staged: Staged) -> tuple[int, dict[str, Any]]:
    with in_evening(staged):
        return replayed(capsys, *shlex.split(line)[1:])


def test_at_the_cap_a_pair_is_kept_over_the_hour_and_is_paid_for_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, told = of_evening(capsys, KEPT, CAP)
    assert (code, told["completed"], told["exits"]) == (0, 1, {"FUNDING_HELD": 1})
    assert Quote.of("1.63") < Quote.of(told["funding_usd"]) < Quote.of("1.65")
    assert (told["residual_usd"], told["money_state"]) == ("0", "exact")


@pytest.mark.parametrize("staged", [USUAL, ABSENT, ()])
def test_a_pair_that_earns_too_little_or_nobody_knows_what_leaves_before_the_hour(
    staged: Staged, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = of_evening(capsys, KEPT, staged)
    assert (code, told["exits"], told["funding_usd"]) == (0, {"HOLD": 1}, "0")


@pytest.mark.parametrize(
    ("staged", "rule", "rates"),
    [
        (CAP, "FUNDING_MORE", (Rate.of("0.02"), Rate.of("-0.02"))),
        (ABSENT, "FUNDING_UNKNOWN", (Rate.of("0.02"), None)),
        ((), "FUNDING_EVEN", (0, 0)),
    ],
)
def test_the_plan_that_enters_says_by_which_rule_and_which_rates(
    staged: Staged, rule: str, rates: tuple[Rate | None, Rate | None]
) -> None:
    """A market that names no rates has an exchange that charges 0; one that hides a rate has not said 0."""
    entered, _ = plans_of_evening(ONCE, staged)
    assert (entered.because, entered.eth_funding, entered.sol_funding) == (rule, *rates)


def test_a_side_is_changed_for_more_than_a_round_trip_alone() -> None:
    entered = plans_of_evening(TURNING, TURNS)[::2]
    assert [(plan.because, plan.eth.amount > 0) for plan in entered] == [
        ("FUNDING_MORE", True),
        ("FUNDING_KEPT", True),
        ("FUNDING_MORE", False),
    ]


def test_a_replay_with_rates_gives_the_same_bytes_for_the_same_seed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    one, same = (of_evening(capsys, KEPT, CAP)[1]["last_row"] for _ in range(2))
    assert one == same


def test_an_entry_that_waits_for_its_funding_in_vain_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = of_evening(capsys, WAITING, USUAL)
    assert (code, told["completed"], told["skipped"]) == (3, 0, 0)
    assert "ENTER_WHEN_FUNDING" in told["error"]["message"]
    code, told = of_evening(capsys, f"{WAITING} --direction funding", CAP)
    assert (code, told["completed"]) == (0, 1)


def test_a_wait_beyond_max_hold_is_refused_by_its_key(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--market", "synthetic", "--cycles", "1", "--hold", "20 h", "--set", "hold_for_funding=8 h")
    code, told = replayed(capsys, *words)
    assert (code, told["error"]["key"]) == (2, "hold_for_funding")  # type: ignore[index]
    assert replayed(capsys, *words[:-1], "hold_for_funding=-1 h")[0] == 2


def test_the_funding_page_is_what_comes_of_the_commands() -> None:
    """But for how long they took."""
    pages = Path(PAGE).read_text(encoding="utf-8"), funding_page()
    kept, made = (re.sub(r"(together|traded) in [\d.]+ s ", "", page) for page in pages)
    assert kept == made, "python -m tests.commands.replay.funding_page"


def test_the_page_tells_the_numbers_that_the_rule_goes_by() -> None:
    from actors.risk.funding import WAIT_RISK

    counts = " | ".join(str(int(risk) // ONE) for _, risk in WAIT_RISK)
    assert f"| what counts | {counts} |" in PAGE.read_text(encoding="utf-8")
