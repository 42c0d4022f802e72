"""Goals in a replay: each of them ends it flat with exit code 0 and is named; a time that is past starts
nothing.
"""

import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from actors.ledger import Store
from commands import cli
from messages.sizing import Sealed, SizingPlan
from messages.units import Quote
from tests.commands.replay.goals_page import PAGE, goals_page
from tests.commands.replay.test_replay import replayed
from tests.commands.run.test_replay_ends import recording

CYCLE = Quote.of("4000")
"""What a cycle of 1,000 USD per leg trades, about."""


def goal_ended(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code, told = replayed(capsys, "--market", "synthetic", "--hold", "1 s", *words)
    assert (code, told["ended_by"], told["open_eth"], told["open_sol"]) == (0, "done", "0", "0")
    assert (told["residual_usd"], told["money_state"]) == ("0", "exact")
    return told


def test_it_ends_at_its_volume_and_within_one_cycle_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    told = goal_ended(capsys, "--set", "until_volume=30000 USD")
    assert told["ended_code"] == "UNTIL_VOLUME"
    traded = Quote.of(told["traded_usd"])
    assert Quote.of("30000") <= traded < Quote.of("30000") + CYCLE
    goal = {"key": "until_volume", "now": told["traded_usd"], "wanted": "30000", "reached": True}
    assert told["goals"] == [goal]


def test_it_ends_at_its_cost_and_within_one_cycle_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    told = goal_ended(capsys, "--market", "flat:2756.9/115.86", "--set", "until_cost=3.3 USD")
    assert told["ended_code"] == "UNTIL_COST"
    lost = -Quote.of(told["pnl_usd"])
    assert Quote.of("3.3") <= lost < Quote.of("3.3") + Quote.of("1.6")
    assert told["goals"][0]["now"] == Quote(lost).text()


def test_it_ends_at_its_time_with_the_pair_that_was_open(capsys: pytest.CaptureFixture[str]) -> None:
    """The market begins at 2026-01-01 00:00 UTC; a pair is held for 25 s at a time, the last one for less."""
    words = ("--market", "synthetic", "--hold", "25 s", "--set", "until_utc=2026-01-01 00:01")
    code, told = replayed(capsys, *words)
    assert (code, told["ended_code"], told["completed"], told["unfinished"]) == (0, "UNTIL_UTC", 3, 0)
    assert 60_000 <= int(str(told["elapsed_ms"])) < 62_000


def test_cycles_beside_another_goal_are_named_when_they_come_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = goal_ended(capsys, "--cycles", "2", "--set", "until_volume=30000 USD")
    assert (told["ended_code"], told["completed"]) == ("CYCLES", 2)
    assert [(goal["key"], goal["reached"]) for goal in told["goals"]] == [
        ("cycles", True),
        ("until_volume", False),
    ]


def test_the_summary_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("replay", "--market", "synthetic", "--hold", "1 s", "--set", "until_utc=2026-01-01 00:00:10")
    assert cli.main(list(words)) == 0
    assert " ended     it is 2026-01-01 00:00:10 UTC (until_utc)\n" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["run", "replay"])
@pytest.mark.parametrize("recorded", [False, True])
def test_a_time_that_is_past_is_refused_before_anything_is_started(
    command: str,
    recorded: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """For a replay that is the time of its market: the recording begins in 1970."""
    market = recording(tmp_path, 3) if recorded else "synthetic"
    files = set(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    until = "1970-01-01 00:00" if recorded else "2025-12-31 23:59:59"
    words = [command, "--json", "--market", market, "--set", f"until_utc={until}"]
    assert cli.main(words) == 2
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["error"]["code"], told["error"]["key"]) == ("PAST", "until_utc")
    assert told["error"]["message"].startswith(f"until_utc: {until} UTC is past, it is ")
    assert set(tmp_path.iterdir()) == files


RANGES = ("--hold", "3-9 s", "--set", "pause=1-5 s", "--target", "900-1100 USD")


def sealed_plans(capsys: pytest.CaptureFixture[str], logs: Path, *words: str) -> list[SizingPlan]:
    words = ("--market", "synthetic", "--cycles", "3", *RANGES, "--logs", str(logs), *words)
    assert replayed(capsys, *words)[0] == 0
    with closing(Store.reading(logs / "ledger.sqlite")) as store:
        return [message.plan for _, _, message in store.events() if isinstance(message, Sealed)]


def test_ranges_are_drawn_the_same_for_the_same_seed_and_otherwise_for_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, same, other = (
        sealed_plans(capsys, tmp_path / str(number), "--seed", seed)
        for number, seed in enumerate(("7", "7", "8"))
    )
    assert one == same
    holds, others = ([plan.hold for plan in plans if plan.purpose == "enter"] for plans in (one, other))
    assert len({*holds, *others}) == 6
    assert all(hold is not None and 3_000 <= hold <= 9_000 for hold in holds)
    assert [plan.because for plan in one if plan.purpose == "exit"] == ["HOLD"] * 3


@pytest.mark.parametrize("command", ["run", "replay"])
@pytest.mark.parametrize(
    ("key", "text", "code", "cure"),
    [
        ("hold", "9-3 min", "ENDS_SWAPPED", "'3-9 min'"),
        ("target", "1100-900 USD", "ENDS_SWAPPED", "'900-1100 USD'"),
        ("pause", "5-1 min", "ENDS_SWAPPED", "'1-5 min'"),
        ("pause", "3-9 USD", "WRONG_UNIT", "pause takes a number, or FROM-TO, and h or min or s or ms"),
        ("target", "0-5 USD", "OUT_OF_RANGE", "target takes a number, or FROM-TO, and USD (per leg)"),
        ("min_hold", "5 min", "OUT_OF_RANGE", "min_hold takes a number and h or min or s or ms"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused_by_its_key(
    command: str, key: str, text: str, code: str, cure: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, "--json", "--set", f"{key}={text}"]) == 2
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["error"]["code"], told["error"]["key"]) == (code, key)
    assert cure in told["error"]["cure"]


def test_a_market_without_an_end_needs_a_goal(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = replayed(capsys, "--market", "synthetic")
    assert (code, told["error"]["code"]) == (2, "ENDLESS")  # type: ignore[index]


def test_the_page_is_what_comes_of_the_commands() -> None:
    """But for how long they took: every change of how fast an order is on its way would make it anew."""
    pages = PAGE.read_text(encoding="utf-8"), goals_page()
    kept, made = (re.sub(r"together in [\d.]+ s ", "", page) for page in pages)
    assert kept == made, "python -m tests.commands.replay.goals_page"
