"""`python -m benches`: every bench runs with few values and says what it should. Nothing here is about how
fast anything is.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from benches.__main__ import ALONE, BENCHES, main, parsed
from benches.figures import ROOT, Results
from benches.hedge.hops import HEDGE_HOPS
from benches.replay import RECORDING
from benches.tick.block import on_core
from tests.commands.run.test_replay_ends import recording

KEYS = {"case", "quantity", "unit", "n", "p50", "p99"}
MACHINE = {"cpu", "cores", "python", "kernel", "load_before", "load_after", "taken", "commit"}


def measured(text: str, *names: str) -> dict[str, Results]:
    """What `--json` has printed, once its keys are there."""
    told = json.loads(text)
    assert sorted(told) == sorted(names)
    for each in told.values():
        assert each["machine"].keys() == MACHINE
        assert each["figures"]
        assert all(figure.keys() >= KEYS for figure in each["figures"])
    return msgspec.convert(told, dict[str, Results])


def test_every_bench_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert [name for name in (*BENCHES, *ALONE) if f"{name} " not in listed] == []


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="one core, or no way to ask",
)
def test_the_exchange_and_its_client_share_no_core() -> None:
    """Else what the exchange does at a send is taken for the client's: a millisecond at the median."""
    ours = os.sched_getaffinity(0)
    told: list[set[int]] = []
    for index in (0, -1):
        with on_core(index):
            words = [sys.executable, "-c", "import os; print(*os.sched_getaffinity(0))"]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
        told.append({int(core) for core in done.stdout.split()})
    assert (len(told[0]), len(told[1]), told[0] & told[1]) == (1, 1, set())
    assert os.sched_getaffinity(0) == ours


def test_every_file_of_a_bench_is_listed() -> None:
    shared = {"__init__", "__main__", "asked", "before", "figures", "page"}
    modules = {bench.module.split(".")[1] for bench in BENCHES.values()}
    files = {path.stem for path in (ROOT / "benches").glob("*.py")} - shared
    assert files <= modules | ALONE.keys()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["tock"], "there is no bench 'tock' here; --list names them"),
        (["soak"], "it is run by: python benches/soak.py --minutes 60"),
        (["tick", "--n", "0"], "--n, --rounds and --seconds are at least 1"),
        (["tick", "--against", "/nowhere"], "there is no supervisor.py in it; name a checkout"),
        (["ledger", "--rows", "10"], "invalid numbers value: '10'"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(words)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_sizing_and_frames_in_this_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sizing", "frames", "--n", "2", "--json"]) == 0
    found = measured(capsys.readouterr().out, "sizing", "frames")
    assert {figure.mode for figure in found["frames"].figures} == {"hot", "cold"}
    assert {figure.size for figure in found["sizing"].figures} == {
        *("1,000 USD", "10,000 USD", "100,000 USD", "1,000,000 USD"),
    }


def typed(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benches", *words, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.process
def test_a_tick_and_its_hops_on_the_real_run() -> None:
    found = measured(typed("tick", "hops", "--n", "3", "--rounds", "1"), "tick", "hops")
    ticks = [figure for figure in found["tick"].figures if figure.quantity == "tick to two orders"]
    assert {figure.case for figure in ticks} >= {"Evenkeel, ledger normal", "Evenkeel, ledger full"}
    assert all(0 < figure.least <= figure.p50 <= figure.p99 for figure in ticks)
    hops = [figure for figure in found["hops"].figures if figure.quantity == "hop"]
    assert len(hops) == 14


@pytest.mark.process
def test_a_hedge_and_its_hops_on_the_real_run() -> None:
    found = measured(typed("hedge", "--n", "3", "--rounds", "1"), "hedge")["hedge"]
    whole = [figure for figure in found.figures if figure.quantity == "fill written to its hedge"]
    assert {(figure.case.rpartition(" ")[2], figure.mode) for figure in whole} == {
        *(("normal", "cold"), ("full", "cold"), ("normal", "hot"), ("full", "hot")),
        *(("normal", "first of a run"), ("full", "first of a run")),
    }
    own = [figure for figure in found.figures if figure.quantity == "fill received to its hedge"]
    assert all(0 < figure.least <= figure.p50 <= figure.p99 for figure in own)
    hops = [figure for figure in found.figures if figure.quantity == "hop"]
    assert [figure.case for figure in hops] == [name for name, *_ in HEDGE_HOPS]


@pytest.mark.process
def test_ledger_flood_commands_and_idle_with_few_values() -> None:
    names = ("ledger", "flood", "commands", "idle")
    found = measured(typed(*names, "--n", "2", "--rows", "1000", "--rates", "50", "--seconds", "2"), *names)
    assert {figure.size for figure in found["flood"].figures} == {"50/s"}
    assert {figure.size for figure in found["ledger"].figures} == {"1,000 rows"}
    assert {figure.n for figure in found["idle"].figures} == {2}


@pytest.mark.process
def test_a_replay_of_a_recording_with_one_round(tmp_path: Path) -> None:
    words = ("replay", "--rounds", "1", "--market", recording(tmp_path, 25))
    found = measured(typed(*words), "replay")["replay"]
    told = {figure.quantity: figure.p50 for figure in found.figures if figure.case == RECORDING}
    assert told["cycles"] == 3
    assert told["ticks a processor second"] > 0
    assert str(tmp_path) not in found.command


def test_a_replay_without_a_recording_is_said_to_be_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay"]) == 0
    assert "not measured, name a recording with --market PREFIX" in capsys.readouterr().out


@pytest.mark.process
def test_a_block_that_did_not_trade_is_no_figure(tmp_path: Path) -> None:
    """A checkout without Evenkeel in it: its own words come out, and no numbers."""
    (tmp_path / "supervisor.py").write_text("raise SystemExit('this trades nothing')")
    words = ("tick", "--n", "1", "--rounds", "1", "--against", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "benches", *words, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "BlockFailed: exit code" in done.stderr


@pytest.mark.process
def test_ticks_beside_browsers_that_look_at_the_page() -> None:
    found = measured(typed("page", "--n", "6", "--rounds", "1"), "page")
    assert {figure.case for figure in found["page"].figures} == {
        "no page",
        "50 browsers look, one never reads",
    }
    assert "draws of 1 rounds, seed 7): too few rounds for a verdict" in found["page"].notes[0]
