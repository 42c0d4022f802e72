"""A replay: the whole machine on virtual time in one process. It ends flat with the run's own summary, and
the same seed gives the same bytes.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors.ledger import Store
from commands import cli
from commands.run.crashes import CRASHES
from messages.execution import Outcome
from tests.commands.run.test_replay_ends import recording

ROOT = Path(__file__).resolve().parents[3]


def replayed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, object]]:
    """Exit code and object of one replay in this process."""
    code = cli.main(["replay", "--json", *words])
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])


def test_it_trades_pairs_and_ends_flat_with_its_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """61 s of books, a pair held for 5 s at a time; the last one is closed at the last prices."""
    code, told = replayed(capsys, "--market", recording(tmp_path, 61), "--hold", "5 s")
    assert (code, told["ended_by"], told["open_eth"], told["open_sol"]) == (0, "done", "0", "0")
    assert (told["entered"], told["together"], told["failed"]) == (told["completed"], told["completed"], 0)
    assert told["completed"] == 11
    assert (told["orders_sent"], told["orders_resolved"]) == (44, 44)
    assert (told["residual_usd"], told["money_state"]) == ("0", "exact")
    assert told["ticks"] == 246
    assert (told["schema"], told["ledger"]) == ("evenkeel.replay/1", None)


def test_time_is_the_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, told = replayed(capsys, "--market", recording(tmp_path, 3))
    assert told["began_at"] == "1970-01-01T00:00:00.001000Z"


def test_the_demos_faults_are_staged_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = replayed(capsys, "--market", "flat:2756.9/115.86", "--cycles", "5", "--faults", "demo")
    staged = [each["text"] for each in told["staged"]]  # type: ignore[attr-defined,union-attr]
    assert (code, told["completed"], told["restarts"], len(staged)) == (0, 5, 1, 2)
    assert staged[0].startswith("eth_leg killed after READY: 0 orders sent, back in ")
    assert staged[1].startswith("SOL refused once: ")


def test_five_actors_die_once_each_and_the_books_still_balance(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = replayed(capsys, "--market", "synthetic", "--cycles", "12", "--faults", "crashes")
    assert (code, told["completed"], told["residual_usd"]) == (0, 12, "0")
    assert told["restarts"] == len(CRASHES) == 5


def test_an_order_is_as_long_under_way_as_it_is_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The speed bump is 30 ms; there and back again with 40 ms each way. An entry has then been placed for
    80 ms longer than without.
    """
    took = list[set[int]]()
    for number, latency in enumerate(("0 ms", "40 ms")):
        logs = tmp_path / str(number)
        words = ("--market", "flat:2756.9/115.86", "--cycles", "1", "--latency", latency)
        assert replayed(capsys, *words, "--logs", str(logs))[0] == 0
        store = Store.reading(logs / "ledger.sqlite")
        took.append({m.answered_ms - m.sent_ms for _, _, m in store.events() if isinstance(m, Outcome)})
        store.close()
    assert took == [{30}, {110}]


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("--url", "http://127.0.0.1:1"), "BAD_OPTION", "--url"),
        (("--venue", "testnet"), "BAD_OPTION", "venue.name"),
        (("--market", "synthetic"), "ENDLESS", "--market"),
        (("--market", "flat:2756.9/115.86"), "ENDLESS", "--market"),
        (("--latency", "2 s", "--cycles", "1"), "BAD_VALUE", "--latency"),
    ],
)
def test_what_a_replay_cannot_do_is_refused_by_name(
    words: tuple[str, ...], code: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_code, told = replayed(capsys, *words)
    error = told["error"]
    assert isinstance(error, dict)
    assert (exit_code, error["code"], error["key"]) == (2, code, named)


def test_a_fault_of_answers_text_is_refused_with_the_command_that_can(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = tmp_path / "faults.toml"
    incident = '[[incident]]\nkind = "says"\nat_ms = 0\nfor_ms = 9\nrequest = "status"\n'
    faults.write_text(incident)
    exit_code, told = replayed(capsys, "--cycles", "1", "--faults", str(faults))
    error = told["error"]
    assert isinstance(error, dict)
    assert exit_code == 2
    assert "run --market synthetic --faults" in error["cure"]


def test_a_ledger_that_is_there_is_not_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--market", "flat:2756.9/115.86", "--cycles", "1", "--logs", str(tmp_path / "logs"))
    assert replayed(capsys, *words)[0] == 0
    exit_code, told = replayed(capsys, *words)
    error = told["error"]
    assert isinstance(error, dict)
    assert (exit_code, error["key"]) == (2, "--logs")


def bytes_of(folder: Path, hash_seed: str, *words: str) -> dict[str, bytes]:
    """Everything that a replay in a process of its own leaves behind: standard output and every file, but for
    the ledger's lock, which names the process.
    """
    ran = subprocess.run(
        [sys.executable, str(ROOT / "supervisor.py"), "replay", "--json", "--logs", "kept", *words],
        cwd=folder,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    left = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    files = {str(path.relative_to(folder)): path.read_bytes() for path in left}
    return files | {"standard output": ran.stdout}


@pytest.mark.process
@pytest.mark.parametrize("faults", ["none", "crashes"])
def test_the_same_seed_gives_the_same_bytes_under_any_hash_seed(faults: str, tmp_path: Path) -> None:
    """Ledger, CSV files, state and the object, byte for byte: twice under one PYTHONHASHSEED, once under
    another.
    """
    words = ("--market", "synthetic", "--cycles", "9", "--faults", faults, "--seed", "11")
    found = []
    for number, hash_seed in enumerate(("1", "1", "2")):
        folder = tmp_path / str(number)
        folder.mkdir()
        found.append(bytes_of(folder, hash_seed, *words))
    first = found[0]
    assert {"kept/ledger.sqlite", "kept/DN_pair_eth_sol_nado_trades.csv", "standard output"} <= set(first)
    for other in found[1:]:
        assert {name for name in first if first[name] != other.get(name)} == set()


@pytest.mark.process
def test_another_seed_gives_other_bytes(tmp_path: Path) -> None:
    rows = []
    for seed in ("11", "12"):
        folder = tmp_path / seed
        folder.mkdir()
        told = bytes_of(folder, "1", "--market", "synthetic", "--cycles", "2", "--seed", seed)
        rows.append(json.loads(told["standard output"].splitlines()[-1])["last_row"])
    assert rows[0] != rows[1]
