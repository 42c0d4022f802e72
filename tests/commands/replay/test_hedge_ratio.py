"""A replay at a hedge ratio: the page about it, faults on the way, and what is refused before it begins."""

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from commands import cli
from commands.verify.verifying import verified
from tests.commands.replay.hedge_ratio_page import PAGE, hedge_ratio_page
from tests.commands.replay.test_replay import replayed


def test_the_page_is_what_comes_of_the_commands() -> None:
    pages = PAGE.read_text(encoding="utf-8"), hedge_ratio_page()
    kept, made = (re.sub(r"together in [\d.]+ s ", "", page) for page in pages)
    assert kept == made, "python -m tests.commands.replay.hedge_ratio_page"


@pytest.mark.parametrize("faults", ["none", "demo"])
def test_with_faults_and_without_the_promise_is_kept_and_everything_holds(
    faults: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--market", "flat:2756.9/115.86", "--cycles", "5", "--faults", faults, "--logs", str(tmp_path))
    code, told = replayed(capsys, *words, "--set", "hedge_ratio=0.8")
    assert (code, told["completed"], told["failed"], told["hedge_ratio"]) == (0, 5, 0, "0.8")
    assert 0 < Decimal(str(told["filled_imbalance_max_bps"])) < 10
    assert verified(tmp_path).cycles == 5


@pytest.mark.parametrize("command", ["run", "replay"])
@pytest.mark.parametrize(
    ("text", "code", "cure"),
    [
        ("0", "OUT_OF_RANGE", "hedge_ratio takes a number of at most 4 decimals, like 0.8"),
        ("0.1", "OUT_OF_RANGE", "hedge_ratio takes a number of at most 4 decimals, like 0.8"),
        ("0.81234", "TOO_FINE", "hedge_ratio takes a number of at most 4 decimals, like 0.8"),
        ("beta", "NOT_A_NUMBER", "hedge_ratio takes a number of at most 4 decimals, like 0.8"),
        ("0,8", "NOT_A_NUMBER", "type --set hedge_ratio=0.8"),
        ("0.8x", "NOT_A_NUMBER", "type --set hedge_ratio=0.8"),
    ],
)
def test_a_ratio_that_makes_no_sense_is_refused_by_its_key(
    command: str, text: str, code: str, cure: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, "--json", "--set", f"hedge_ratio={text}"]) == 2
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["error"]["code"], told["error"]["key"]) == (code, "hedge_ratio")
    assert cure in told["error"]["cure"]
