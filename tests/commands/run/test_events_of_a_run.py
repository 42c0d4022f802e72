"""`run --events` as a script reads it: every line is JSON, events first, the one object last, whatever ends
the run.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from commands import cli
from tests.live.served import served
from venue.throwaway import THROWAWAY_SENDER

pytestmark = pytest.mark.filterwarnings(
    "ignore:'collections.abc.ByteString' is deprecated:DeprecationWarning"
)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def lines(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_a_runs_events_are_its_cycle_and_the_last_line_is_its_object(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # lines that are still gathered come before the object, too
    monkeypatch.setattr("commands.output.event_feed.GATHER_S", 30.0)
    with served(fund=[THROWAWAY_SENDER]) as exchange:
        asked = ("--cycles", "1", "--hold", "100 ms", "--quiet", "--logs", str(tmp_path / "logs"))
        code = cli.main(["run", "--events", "--url", exchange.url, *asked, "--set", "ready_deadline=900 ms"])
    *events, told = lines(capfd)
    assert (code, told["schema"], told["exit_code"], told["completed"]) == (0, "evenkeel.run/1", 0, 1)
    assert {event["schema"] for event in events} == {"evenkeel.event/1"}
    assert events[0]["event"] == "begin"
    assert [event["seq"] for event in events] == list(range(len(events)))
    named: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        named.setdefault(event["event"], []).append(event)
    assert [each["purpose"] for each in named["sealed"]] == ["enter", "exit"]
    assert [each["ending"] for each in named["cycle"]] == ["completed"]
    assert len(named["vote"]) == 6
    # what a script adds up is what the run says
    traded = sum(abs(Decimal(each["amount"])) * Decimal(each["price"]) for each in named["fill"])
    assert traded == Decimal(told["traded_usd"])
    assert sum(Decimal(each["fee_usd"]) for each in named["fill"]) == Decimal(told["fees_usd"])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--target", "100"], 2),
        (["--url", "http://127.0.0.1:1"], 3),
        (["--help"], 0),
        (["--print-config"], 0),
    ],
)
def test_what_keeps_a_run_from_starting_is_still_the_last_line(
    words: list[str], code: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "--events", "--logs", str(tmp_path / "logs"), *words]) == code
    told = lines(capfd)
    assert (told[-1]["schema"], told[-1]["exit_code"]) == ("evenkeel.run/1", code)
    assert {line["schema"] for line in told[:-1]} <= {"evenkeel.event/1"}
