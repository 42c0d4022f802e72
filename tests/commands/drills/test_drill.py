"""`drill` as it is typed, and one with real processes."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from commands.cli import main
from commands.config.effective import load
from commands.drills.command import (
    DrillOptions,
    as_object,
    cannot,
    chosen,
    code_of,
    headline,
    lines,
    listed,
    measured,
    verdict,
)
from commands.drills.judge import Exceeded, Result
from commands.drills.stage import Played, drilled
from commands.drills.table import BY_NAME, DRILLS, NAMES
from commands.output.json_keys import SHARED
from commands.output.words import ConfigError, Problem
from messages.settings import Settings
from messages.units import Ms, Quote
from tests.commands.drills.test_judge import played
from tests.processes.test_processes import ended, started

GOOD = Result(
    "flash-crash",
    Quote.of("984.6"),
    Quote.of("7.4"),
    Quote.of(492),
    "legging_known",
    Quote.of("21.05"),
    Quote.of("103.68"),
    "flat",
    0,
    None,
    (),
)
BAD = msgspec.structs.replace(
    GOOD,
    name="ack-lost",
    exceeded=(Exceeded("legging_known", "600 USD·s unhedged, 492 allowed"),),
    logs="logs/drills/x",
)


def options(json: bool = False, **overrides: str) -> DrillOptions:
    loaded = load(None, {}, {key.replace("__", "."): value for key, value in overrides.items()})
    return DrillOptions(loaded, DRILLS, 7, Quote.of(10_000), json)


@pytest.mark.parametrize(
    ("typed", "saying"),
    [
        (
            ["drill", "flash-crush"],
            "flash-crush: unknown drill · nothing was started · did you mean flash-crash?",
        ),
        (
            ["drill"],
            (
                "which drill? · nothing was started · type python supervisor.py drill --all, or names from"
                " python supervisor.py drill --list"
            ),
        ),
        (
            ["drill", "--all", "--url", "http://127.0.0.1:1"],
            "--url: a drill breaks its own simulated venue and no other",
        ),
        (["drill", "--all", "--deposit", "10000"], '--deposit: "10000" has no unit'),
        (["drill", "--al"], "--al: unknown option · nothing was started · did you mean --all?"),
    ],
)
def test_what_is_mistyped_gets_its_cure_and_exit_2(
    typed: list[str], saying: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed) == 2
    assert saying in capsys.readouterr().err


def test_a_failure_is_one_json_object_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "flash-crush", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["ok"], told["exit_code"], told["error"]["code"]) == (
        "evenkeel.drill/1",
        False,
        2,
        "UNKNOWN_DRILL",
    )
    assert set(told) == set(SHARED), "what is unknown is null, not left out"


def test_the_list_names_every_drill_with_what_goes_wrong_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "--list"]) == 0
    assert capsys.readouterr().out.splitlines() == listed()
    assert [line.split()[0] for line in listed()] == list(NAMES)


def test_names_are_played_in_the_order_of_the_table_and_once() -> None:
    assert [drill.name for drill in chosen(["liquidation", "ack-lost", "ack-lost"], everything=False)] == [
        "ack-lost",
        "liquidation",
    ]
    assert chosen(["ack-lost"], everything=True) == DRILLS
    with pytest.raises(ConfigError):
        chosen([], everything=False)


def test_the_first_line_says_whose_account_it_is_and_that_no_other_is_asked() -> None:
    assert headline(options()).startswith("simulated · default · 0x")
    live = options(venue__name="mainnet", venue__owner="0x" + "9f" * 20)
    assert headline(live).endswith("the configuration is for mainnet, which is not contacted")


def test_a_configuration_is_drilled_as_it_is_but_for_what_a_drill_replaces(tmp_path: Path) -> None:
    mine = load(
        None,
        {},
        {
            "target": "250 USD",
            "max_slippage": "7 bps",
            "venue.name": "mainnet",
            "hold": "6 h",
            "venue_patience": "5 s",
        },
    ).settings
    found = drilled(mine, BY_NAME["ack-lost"], tmp_path)
    replaced = {"cycles", "hold", "pause", "no_entry_utc", "venue", "files"}
    assert {
        name for name in Settings.__struct_fields__ if getattr(found, name) != getattr(mine, name)
    } == replaced - {"pause"}
    assert (found.venue.name, found.cycles, found.venue_patience) == ("simulated", 2, 5_000)


@pytest.mark.parametrize(
    ("mine", "name", "entry"),
    [
        ("lean", "ack-lost", "taker-taker"),
        ("lean", "hedge-refused", "lean"),
        ("taker-taker", "hedge-refused", "maker-taker"),
    ],
)
def test_both_legs_take_in_a_drill_that_is_not_about_an_order_that_rests(
    mine: str, name: str, entry: str, tmp_path: Path
) -> None:
    """In a market that stands still nothing would ever trade with one."""
    settings = load(None, {}, {"execution.entry": mine, "execution.exit": "lean"}).settings
    execution = drilled(settings, BY_NAME[name], tmp_path).execution
    assert (execution.entry, execution.exit) == (entry, "taker-taker")


def test_one_line_per_drill_and_one_more_for_each_limit() -> None:
    assert lines(GOOD) == [
        f"ok    {'flash-crash':<36}  unhedged 985 USD, 7 USD·s of 492 · cost 21.05 USD of 103.68 · flat"
    ]
    assert lines(BAD)[1:] == [
        "      legging_known: 600 USD·s unhedged, 492 allowed",
        "      logs logs/drills/x",
    ]
    assert lines(msgspec.structs.replace(GOOD, cost=None))[0].count("cost unknown USD of 103.68") == 1


def test_the_object_has_every_figure_as_text_and_exit_3_when_a_limit_was_exceeded() -> None:
    told: dict[str, Any] = as_object(options(), [GOOD, BAD])
    assert (told["ok"], told["exit_code"], told["ended_by"], told["error"]["code"]) == (
        False,
        3,
        "refused",
        "LIMIT_EXCEEDED",
    )
    assert [entry["ok"] for entry in told["drills"]] == [True, False]
    assert (told["drills"][0]["unhedged_usd_s"], told["drills"][0]["cost_usd"]) == ("7.4", "21.05")
    assert told["drills"][1]["exceeded"] == [
        {"limit": "legging_known", "text": "600 USD·s unhedged, 492 allowed"}
    ]
    assert (code_of([GOOD]), as_object(options(), [GOOD])["error"]) == (0, None)
    assert verdict([GOOD]).startswith("PASSED: 1 of 1")
    assert verdict([GOOD, BAD]).startswith(
        "OVER: 1 of 2 drills exceeded a limit of this configuration: ack-lost · play money only · "
    )


def test_what_is_still_open_has_no_final_cost_and_is_not_remembered() -> None:
    left, unknown = msgspec.structs.replace(GOOD, flat=False), msgspec.structs.replace(GOOD, cost=None)
    assert [each.name for each in measured([GOOD, left, unknown], Ms(5))] == ["flash-crash"]


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        ("UNBALANCED", "Try --target '2000 USD'."),
        ("MARGIN", "add --deposit 'N USD' with the balance of your account (now 100 USD)"),
    ],
)
def test_a_configuration_that_cannot_be_drilled_is_told_why_with_the_cure(code: str, cure: str) -> None:
    told = {"error": {"code": code, "message": "it does not go", "cure": "Try --target '2000 USD'."}}
    seen: Played = played(entered=False, told=told, code=3)
    refusal: Problem = cannot(BY_NAME["ack-lost"], seen, Quote.of(100))
    assert refusal.exit_code == 3
    assert refusal.sentence.startswith(
        "ack-lost: no pair could be entered: it does not go · no drill ran, play money only · "
    )
    assert cure in refusal.sentence


@pytest.mark.process
def test_a_leg_that_is_refused_is_drilled_with_real_processes(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    code, output, errors = ended(
        started(
            tmp_path, "drill", "one-leg-reject", "--json", "--logs", str(logs), "--set", "legging_known=60 s"
        )
    )
    assert output, errors
    told = json.loads(output.splitlines()[-1])
    assert (code, told["exit_code"], told["schema"]) == (0, 0, "evenkeel.drill/1"), errors
    (entry,) = told["drills"]
    assert (entry["name"], entry["ok"], entry["ending"], entry["run_exit_code"], entry["exceeded"]) == (
        "one-leg-reject",
        True,
        "flat",
        0,
        [],
    )
    assert 900 < float(entry["unhedged_worst_usd"]) < 1_100
    assert 0 < float(entry["unhedged_usd_s"]) <= float(entry["unhedged_allowed_usd_s"])
    assert 0 < float(entry["cost_usd"]) <= float(entry["cost_allowed_usd"])
    assert {path.name for path in logs.iterdir()} == {"drills", "drills.json"}
    assert list((logs / "drills").iterdir()) == [], "logs of a drill that went well are not kept"


@pytest.mark.process
def test_what_cannot_be_entered_is_refused_and_nothing_is_remembered(tmp_path: Path) -> None:
    typed = ("drill", "one-leg-partial", "--json", "--logs", str(tmp_path / "logs"), "--deposit", "30 USD")
    code, output, errors = ended(started(tmp_path, *typed))
    told = json.loads(output.splitlines()[-1])
    assert (code, told["error"]["code"]) == (3, "CANNOT_DRILL"), errors
    assert "needs " in told["error"]["message"]
    assert "--deposit" in told["error"]["cure"]
    assert not (tmp_path / "logs" / "drills.json").exists()
