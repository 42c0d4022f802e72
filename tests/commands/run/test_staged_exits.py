"""`run` with a staged move of the market, in processes of their own: the line of the exit names its rule, the
log says what closing came to, and a rule that would fire at once starts nothing.
"""

import json
import subprocess
from pathlib import Path

import pytest

from tests.commands.replay.exits_page import MOVES, STAGED
from tests.commands.run.test_replay_ends import command, surroundings
from tests.commands.test_simulate import simulate

pytestmark = pytest.mark.process
PAIR = (
    "run",
    "--market",
    "flat:2756.9/115.86",
    "--cycles",
    "1",
    "--hold",
    "1 min",
    "--direction",
    "long-eth",
)


def ran(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*PAIR, *words),
        cwd=folder,
        env=surroundings(folder),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("move", "written", "rule"),
    [
        ("rise", "take_profit=5 bps", "TAKE_PROFIT"),
        ("fall", "stop_loss=30 bps", "STOP_LOSS"),
        ("fall", "limits.max_marked_imbalance=0.5 %", "MARKED_IMBALANCE"),
    ],
)
def test_a_staged_move_ends_a_runs_pair_and_the_line_names_the_rule(
    move: str, written: str, rule: str, tmp_path: Path
) -> None:
    """It would be held for a minute."""
    (tmp_path / "move.toml").write_text(STAGED.format(MOVES[move]), encoding="utf-8")
    ended = ran(tmp_path, "--faults", "move.toml", "--set", written, "--events", "--json")
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 0, ended.stderr
    assert (told[-1]["exits"], told[-1]["completed"]) == ({rule: 1}, 1)
    sealed = [event for event in told if event.get("event") == "sealed"]
    assert [(event["purpose"], event["rule"]) for event in sealed] == [("enter", None), ("exit", rule)]
    assert f" exit ({rule}): ETH sell " in ended.stderr
    log = (tmp_path / "logs" / "evenkeel.log").read_text(encoding="utf-8")
    assert f"exit, {rule}: " in log


def test_a_rule_that_would_fire_at_once_starts_nothing(tmp_path: Path) -> None:
    """The simulated exchange is asked for its fees and books first."""
    ended = ran(tmp_path, "--set", "stop_loss=7 bps", "--json")
    told = json.loads(ended.stdout.splitlines()[-1])
    assert (ended.returncode, told["error"]["code"], told["error"]["key"]) == (
        2,
        "FIRES_AT_ONCE",
        "stop_loss",
    )
    assert told["error"]["message"].startswith("stop_loss: 7.00 bps is not more than entering and closing")
    assert not (tmp_path / "logs" / "ledger.sqlite").exists()


def test_an_entry_that_waits_says_for_what(tmp_path: Path) -> None:
    ended = ran(tmp_path, "--set", "enter_when.max_spread=0.5 bps", "--max-wait", "3 s", "--events", "--json")
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    waits = [
        event for event in told if event.get("event") == "waiting" and event["code"] == "ENTER_WHEN_SPREAD"
    ]
    assert (ended.returncode, told[-1]["skipped"], told[-1]["ended_code"]) == (3, 0, "ENTER_WHEN_SPREAD")
    assert waits
    assert "WAITING: ENTER_WHEN_SPREAD SOL 0.87 > 0.50 bps" in ended.stderr


def test_a_paper_runs_pair_goes_by_the_same_rules(tmp_path: Path) -> None:
    """The exchange whose books it hears moves 12 s after its start."""
    faults = tmp_path / "move.toml"
    faults.write_text(STAGED.format(MOVES["rise"]).replace("5000", "12000"), encoding="utf-8")
    with simulate("--market", "flat:2756.9/115.86", "--faults", str(faults)) as (_, url):
        words = (
            "run",
            "--paper",
            "--url",
            url,
            "--cycles",
            "1",
            "--hold",
            "1 min",
            "--direction",
            "long-eth",
        )
        ended = subprocess.run(
            command(*words, "--set", "take_profit=5 bps", "--json"),
            cwd=tmp_path,
            env=surroundings(tmp_path),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    told = json.loads(ended.stdout.splitlines()[-1])
    assert (ended.returncode, told["exits"]) == (0, {"TAKE_PROFIT": 1}), ended.stderr
    assert " exit (TAKE_PROFIT): " in ended.stderr
