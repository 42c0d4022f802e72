"""`run --paper` as it is typed: what is refused, what is labelled, and whose files are whose."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from commands.cli import main
from tests.commands.test_simulate import SUPERVISOR, simulate

WHICH = "type --venue mainnet, --venue testnet, or --url http://127.0.0.1:PORT"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--paper"], f"--paper: whose market? · nothing was started · {WHICH}"),
        (
            ["--paper", "--venue", "testnet", "--market", "flat:2/1"],
            "--market: a paper run has the exchange's",
        ),
        (["--paper", "--venue", "testnet", "--faults", "demo"], "--faults: nothing is staged on paper"),
        (["--paper", "--venue", "testnet", "--adopt"], "--adopt: is for an account of real money"),
        (["--paper", "--venue", "testnet", "--accept-loss", "5 USD"], "--accept-loss: is for an account"),
        (["--paper", "--venue", "testnet", "--deposit", "5"], '--deposit: "5" has no unit'),
        (
            ["--deposit", "5 USD"],
            "--deposit: only a paper account is given one · nothing was started · add --paper",
        ),
    ],
)
def test_what_a_paper_run_cannot_do_is_one_sentence(
    typed: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", *typed]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def exchange() -> Iterator[str]:
    with simulate() as (_, url):
        yield url


def run(folder: Path, *typed: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(SUPERVISOR), *typed]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, cwd=folder)


@pytest.mark.process
def test_a_paper_run_ends_at_its_volume(exchange: str, tmp_path: Path) -> None:
    words = ("--hold", "0.5 s", "--json", "--set", "until_volume=3000 USD")
    ended = run(tmp_path, "run", "--paper", "--url", exchange, *words)
    facts: dict[str, Any] = json.loads(ended.stdout)
    assert (ended.returncode, facts["ended_code"], facts["open_eth"]) == (0, "UNTIL_VOLUME", "0")
    assert Decimal(3_000) <= Decimal(facts["traded_usd"]) < Decimal(4_000)


@pytest.mark.process
def test_a_paper_run_trades_at_its_hedge_ratio(exchange: str, tmp_path: Path) -> None:
    words = ("--hold", "0.5 s", "--json", "--cycles", "1", "--set", "hedge_ratio=0.8")
    ended = run(tmp_path, "run", "--paper", "--url", exchange, *words)
    facts: dict[str, Any] = json.loads(ended.stdout)
    assert (ended.returncode, facts["hedge_ratio"], facts["completed"]) == (0, "0.8", 1)
    assert 0 < Decimal(facts["filled_imbalance_max_bps"]) < 10
    assert Decimal(3_200) < Decimal(facts["traded_usd"]) < Decimal(4_000), "4 orders of 1,000 and 800 USD"
    log = (tmp_path / "logs" / "paper" / "evenkeel.log").read_text("utf-8")
    assert "volatility: not known how much ETH and SOL moved over the last day" in log


@pytest.mark.process
def test_a_paper_run_says_paper_on_every_surface_and_asks_for_no_key(exchange: str, tmp_path: Path) -> None:
    ended = run(
        tmp_path,
        "run",
        "--paper",
        "--url",
        exchange,
        "--cycles",
        "1",
        "--hold",
        "0.5 s",
        "--json",
        "--deposit",
        "2500 USD",
        "--target",
        "100 USD",
    )
    facts: dict[str, Any] = json.loads(ended.stdout)
    assert (ended.returncode, facts["venue"], facts["completed"]) == (0, "PAPER-simulated", 1)
    shown = ended.stderr.splitlines()
    assert "PAPER on simulated, play money, no key, no account at the exchange" in shown[0]
    assert any("account 2,500 USDT0" in line for line in shown)
    assert any("(PAPER-simulated, seed 7)." in line for line in shown)
    logs = tmp_path / "logs" / "paper"
    assert (logs / "DN_pair_eth_sol_nado_trades.csv").read_text().splitlines()[1].startswith("Nado-PAPER,")
    assert "PAPER" in (logs / "evenkeel.log").read_text()
    with sqlite3.connect(logs / "ledger.sqlite") as database:
        first = database.execute("SELECT * FROM events ORDER BY seq LIMIT 1").fetchone()
    assert "Nado-PAPER-simulated:7-" in str(first)
    status = run(tmp_path, "status", "--logs", "logs/paper")
    assert (status.returncode, status.stdout.startswith("Nado-PAPER-simulated (child of logs/paper)")) == (
        0,
        True,
    )


@pytest.mark.process
def test_the_files_of_a_paper_run_and_of_one_at_an_exchange_never_mix(exchange: str, tmp_path: Path) -> None:
    short = ("--cycles", "1", "--hold", "0.5 s", "--target", "100 USD", "--quiet")
    assert run(tmp_path, "run", "--paper", "--url", exchange, *short).returncode == 0
    paper = (tmp_path / "logs" / "paper" / "ledger.sqlite").read_bytes()
    refused = run(tmp_path, "run", "--url", exchange, "--logs", "logs/paper", *short)
    assert refused.returncode == 3
    assert "this ledger belongs to Nado-PAPER-simulated:" in refused.stderr
    assert "use another --logs DIR for this venue" in refused.stderr
    assert (tmp_path / "logs" / "paper" / "ledger.sqlite").read_bytes() == paper
    # a second paper account is a new one: the first one's files are put away, not added to
    assert run(tmp_path, "run", "--paper", "--url", exchange, *short).returncode == 0
    (archived,) = (tmp_path / "logs" / "paper" / "archive").iterdir()
    assert (archived / "ledger.sqlite").exists()


@pytest.mark.process
def test_an_exchange_that_does_not_answer_is_named(tmp_path: Path) -> None:
    refused = run(tmp_path, "run", "--paper", "--url", "http://127.0.0.1:1", "--quiet")
    assert refused.returncode == 3
    assert "the exchange does not answer: http://127.0.0.1:1/v1" in refused.stderr
