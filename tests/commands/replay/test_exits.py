"""Rules of an exit, and what an entry waits for, in a replay: on the recording, and with staged moves."""

import json
import re
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from actors.ledger import Store
from actors.sizing import sizer
from commands import cli
from messages.lifecycle import Denial, Held
from messages.market import Level, PairQuote
from messages.settings import DailyWindow
from messages.sizing import Sealed
from messages.units import ONE
from tests.commands.replay.exits_page import PAGE, exits_page
from tests.commands.replay.test_replay import replayed
from tests.shared_data import shared

RECORDING = "market-data/dev/hyperliquid_perp_20250904a"
HELD = ("--hold", "4 min", "--direction", "long-eth", "--set", "pause=1 s")
RULED = ("--set", "take_profit=3.9 bps", "--set", "stop_loss=10 bps", "--set", "min_hold=1 min")


def recorded() -> str:
    shared(f"{RECORDING}_quotes.csv.gz")
    return str(shared(RECORDING))


Seen = tuple[Held, PairQuote, int, Denial]


@pytest.fixture
def exits_proposed(monkeypatch: pytest.MonkeyPatch) -> list[Seen]:
    """What sizing looked at whenever a rule let a pair go, and that rule."""
    seen: list[Seen] = []
    asked: Callable[..., Denial | None] = sizer.exit_rule

    def spied(held: Held, quote: PairQuote, *others: Any) -> Denial | None:
        rule = asked(held, quote, *others)
        if rule is not None:
            seen.append((held, quote, others[-1], rule))
        return rule

    monkeypatch.setattr(sizer, "exit_rule", spied)
    return seen


def taken(levels: tuple[Level, ...], amount: int) -> Fraction:
    """USD x18 for |amount|, level by level; beyond the last level at its price."""
    left, cost = abs(amount), Fraction(0)
    for level in levels:
        part = min(left, level.amount)
        cost, left = cost + Fraction(level.price * part, ONE), left - part
    return cost + Fraction(levels[-1].price * left, ONE)


def net_of(held: Held, quote: PairQuote) -> Fraction:
    """Basis points of both legs: reckoned once more, by another walk, for a pair that is long ETH."""
    sold, bought = taken(quote.eth.bids, held.eth.amount), taken(quote.sol.asks, held.sol.amount)
    cash = (held.eth.cash or 0) + (held.sol.cash or 0) + held.funding
    legs = Fraction(held.eth.vwap * held.eth.amount - held.sol.vwap * held.sol.amount, ONE)
    return (cash + sold - bought - (sold + bought) * Fraction(35, 100_000)) / legs * 10_000


@pytest.mark.long
def test_on_the_recording_each_rule_fires_and_held_at_its_quote(
    exits_proposed: list[Seen], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = tmp_path / "logs"
    code, told = replayed(capsys, "--market", recorded(), *HELD, *RULED, "--logs", str(logs))
    with closing(Store.reading(logs / "ledger.sqlite")) as store:
        plans = [message.plan for _, _, message in store.events() if isinstance(message, Sealed)]
    exits = [plan.because for plan in plans if plan.purpose == "exit"]
    assert code == 0
    assert told["exits"] == dict(Counter(exits))
    assert set(exits) == {"TAKE_PROFIT", "STOP_LOSS", "HOLD", "RECORDING_ENDED"}
    assert {rule.code for *_, rule in exits_proposed} == set(exits)
    for held, quote, now_ms, rule in exits_proposed:
        held_ms, net = now_ms - held.entered_ms, net_of(held, quote)
        holds = {
            "TAKE_PROFIT": net >= Fraction(39, 10)
            and held_ms >= 60_000
            and max(quote.age_ms(now_ms)) <= 1_000,
            "STOP_LOSS": net <= -10,
            "HOLD": held_ms >= 240_000 and net > -10,
            "RECORDING_ENDED": True,
        }
        assert holds[rule.code], (rule, net, held_ms)


def test_the_report_of_the_recording_names_the_rule_of_each_exit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = tmp_path / "logs"
    market = ("--market", "flat:2756.9/115.86", "--cycles", "2", "--hold", "1 s")
    _, told = replayed(capsys, *market, "--logs", str(logs))
    assert cli.main(["report", "--json", "--logs", str(logs)]) == 0
    (account,) = json.loads(capsys.readouterr().out.splitlines()[-1])["accounts"]
    assert [cycle["left_by"] for cycle in account["cycles"]] == ["HOLD", "HOLD"]
    assert told["exits"] == {"HOLD": 2}
    (first, _) = sorted((logs / "certificates").iterdir())
    certificate = json.loads(first.read_bytes())
    assert [(plan["purpose"], plan["because"]) for plan in certificate["plans"]] == [
        ("enter", ""),
        ("exit", "HOLD"),
    ]


def test_on_the_recording_an_entry_waits_for_a_spread_that_another_key_skips_cycles_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """SOL's spread is never less than a tick of 0.01 USD, 0.5 bps."""
    words = ("--market", recorded(), "--cycles", "4", "--max-wait", "1 min")
    for key, code, skips in (
        ("enter_when.max_spread", "ENTER_WHEN_SPREAD", range(1)),
        ("max_spread", "SPREAD_WIDE", range(5, 20)),
    ):
        exit_code, told = replayed(capsys, *words, "--set", f"{key}=0.4 bps")
        assert (exit_code, told["ended_code"], told["completed"]) == (3, code, 0)
        assert told["skipped"] in skips


def test_on_the_recording_an_entry_waits_for_its_hours(capsys: pytest.CaptureFixture[str]) -> None:
    """From the third minute on; `max_wait` is shorter than that."""
    words = ("--market", recorded(), "--cycles", "1", "--hold", "1 s", "--max-wait", "30 s")
    _, at_once = replayed(capsys, *words)
    began = str(at_once["began_at"])
    minute = (int(began[11:13]) * 60 + int(began[14:16]) + 3) % 1440
    hours = DailyWindow(minute, (minute + 60) % 1440).text()
    code, told = replayed(capsys, *words, "--set", f"enter_when.hours_utc={hours}")
    assert (code, told["completed"], told["skipped"]) == (0, 1, 0)
    assert 120_000 <= int(str(told["elapsed_ms"])) - int(str(at_once["elapsed_ms"])) <= 180_000


@pytest.mark.parametrize("command", ["replay", "plan"])
@pytest.mark.parametrize(
    ("written", "code", "words"),
    [
        ("take_profit=3.8 bps", "FIRES_AT_ONCE", "take_profit: 3.80 bps is less than closing a pair is"),
        ("stop_loss=7.6 bps", "FIRES_AT_ONCE", "stop_loss: 7.60 bps is not more than entering and closing"),
        ("min_hold=25 h", "OUT_OF_RANGE", "min_hold: 25 h is longer than limits.max_hold = 24 h"),
        ("take_profit=0 bps", "OUT_OF_RANGE", "take_profit: 0 bps is out of range"),
        ("enter_when.hours_utc=25-26", "OUT_OF_RANGE", 'enter_when.hours_utc: "25-26" is no part of a day'),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_its_key_before_anything_is_begun(
    command: str,
    written: str,
    code: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Closing costs 3.81 bps at these prices, a round trip 7.62."""
    monkeypatch.chdir(tmp_path)
    market = ["--market", "flat:2756.9/115.86", "--cycles", "1"]
    assert cli.main([command, "--json", *market, "--set", written, "--logs", "logs"]) == 2
    error = json.loads(capsys.readouterr().out.splitlines()[-1])["error"]
    assert (error["code"], error["key"]) == (code, written.partition("=")[0])
    assert error["message"].startswith(words)
    assert error["cure"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("written", ["take_profit=3.82 bps", "stop_loss=7.63 bps"])
def test_a_hair_beyond_the_costs_is_taken(written: str, capsys: pytest.CaptureFixture[str]) -> None:
    market = ("--market", "flat:2756.9/115.86", "--cycles", "1", "--hold", "1 s")
    code, told = replayed(capsys, *market, "--set", written)
    assert (code, told["exits"]) == (0, {"HOLD": 1})


def test_the_page_of_exits_is_what_comes_of_the_commands() -> None:
    """But for how long they took, and for the digests of plans that name the milliseconds."""
    changing = r"together in [\d.]+ s |plan \d+\.\d+ \w{8}|\| [\d.]+ s"
    kept, made = (re.sub(changing, "", page) for page in (PAGE.read_text(encoding="utf-8"), exits_page()))
    assert kept == made, "python -m tests.commands.replay.exits_page"
