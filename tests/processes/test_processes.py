"""The few tests with real processes, sockets and clocks: what a person does with Ctrl-C, kill -9 and a
second terminal.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.leftovers import end, left, marked
from tests.patience import slack

pytestmark = pytest.mark.process
ROOT = Path(__file__).resolve().parent.parent.parent
FLAT = ["--market", "flat:2756.9/115.86", "--hold", "300 ms", "--set", "pause=100 ms"]


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"XDG_STATE_HOME": str(folder / "state")}


def started(
    folder: Path, *arguments: str, stdin: int = subprocess.DEVNULL, own_session: bool = False
) -> subprocess.Popen[str]:
    """`own_session`: as a terminal and a service give one. A watcher lets whoever shares its session come
    first, which would be all tests that run beside this one.
    """
    command = [sys.executable, "supervisor.py", *arguments]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(folder),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=stdin,
        start_new_session=own_session,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=60 * slack())
    return process.returncode, output, errors


def run(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    code, output, errors = ended(started(folder, "run", "--json", "--logs", str(folder / "logs"), *arguments))
    assert output, errors
    return code, json.loads(output.splitlines()[-1])


def wait_for(path: Path, text: str, within_s: float = 20) -> None:
    """Until `text` stands in the file: a moment chosen by what happened, not by a clock."""
    until = time.monotonic() + within_s * slack()
    while time.monotonic() < until:
        if path.exists() and text in path.read_text():
            return
        time.sleep(0.02)
    raise AssertionError(f"{text!r} never came: {path.read_text() if path.exists() else 'no file'}")


@pytest.fixture(autouse=True)
def guards(tmp_path: Path) -> Iterator[None]:
    """A run that is killed leaves its guard behind, on purpose: it is ended with the test."""
    yield
    end(left(str(tmp_path), "supervisor.py guard"))


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = started(tmp_path, "simulate", "--port", "0", *FLAT[:2])
    yield process
    process.send_signal(signal.SIGTERM)
    code, _, errors = ended(process)
    assert (code, errors) == (0, "")


@pytest.fixture
def venue_url(venue: subprocess.Popen[str]) -> str:
    assert venue.stdout is not None
    return venue.stdout.readline().strip()


def test_a_run_ends_flat_and_says_so_in_one_json_object(tmp_path: Path) -> None:
    code, told = run(tmp_path, *FLAT, "--cycles", "2", "--target", "100 USD")
    assert code == told["exit_code"] == 0
    assert (told["completed"], told["open_eth"], told["open_sol"], told["halted"], told["fill_rate"]) == (
        2,
        "0",
        "0",
        False,
        "1",
    )
    assert float(told["filled_imbalance_max_bps"]) < 10
    rows = (tmp_path / "logs" / "DN_pair_eth_sol_nado_trades.csv").read_text().splitlines()
    assert [row.split(",")[2] for row in rows[1:5]] == ["ETH-BUY", "SOL-SELL", "ETH-SELL", "SOL-BUY"]


def test_nothing_traded_is_exit_3_with_the_reason_and_the_cure(tmp_path: Path) -> None:
    code, told = run(
        tmp_path, "--market", "flat:2800/115.86", "--cycles", "1", "--target", "100 USD", "--count-skips"
    )
    assert (code, told["completed"], told["skipped"]) == (3, 0, 1)
    assert "cannot be balanced to 0.1 %" in told["error"]["message"]
    assert "--target" in told["error"]["cure"]


def test_after_a_kill_9_the_venue_is_gone_too_and_the_next_run_starts_afresh(tmp_path: Path) -> None:
    first = started(tmp_path, "run", *FLAT, "--cycles", "forever", "--logs", str(tmp_path / "logs"))
    wait_for(tmp_path / "logs" / "evenkeel.log", "eth_leg answered")
    first.kill()
    first.communicate()
    code, told = run(tmp_path, *FLAT, "--cycles", "1")
    assert (code, told["completed"]) == (0, 1)
    assert len(list((tmp_path / "logs" / "archive").iterdir())) == 1


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_a_signal_closes_both_legs_and_ends_flat(tmp_path: Path, number: signal.Signals, code: int) -> None:
    """R5: Ctrl-C once only set a flag that nobody read."""
    process = started(
        tmp_path,
        "run",
        "--json",
        "--market",
        FLAT[1],
        "--hold",
        "1 h",
        "--cycles",
        "forever",
        "--logs",
        str(tmp_path / "logs"),
    )
    wait_for(tmp_path / "logs" / "evenkeel.log", "eth_leg answered")
    process.send_signal(number)
    ended_with, output, errors = ended(process)
    assert ended_with == code, errors
    told = json.loads(output.splitlines()[-1])
    assert (told["ended_by"], told["open_eth"], told["open_sol"]) == ("signal", "0", "0")


def test_a_second_ctrl_c_stops_waiting_and_says_what_is_open_and_what_to_type(
    tmp_path: Path, venue: subprocess.Popen[str], venue_url: str
) -> None:
    """R5. The venue hangs, so that nothing can be closed: nobody is kept waiting for it."""
    log = tmp_path / "logs" / "evenkeel.log"
    long = ["--hold", "1 h", "--cycles", "forever", "--set", "recv_time=1.2 s"]
    process = started(tmp_path, "run", "--url", venue_url, *long, "--logs", str(tmp_path / "logs"))
    wait_for(log, "sol_leg answered")
    wait_for(log, "eth_leg answered")
    venue.send_signal(signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    wait_for(log, "stopping (SIGINT)")
    process.send_signal(signal.SIGINT)
    code, output, _ = ended(process)
    venue.send_signal(signal.SIGCONT)
    assert code == 4
    last = output.splitlines()[-1]
    assert last.startswith("NOT FLAT: unknown: the venue did not answer")
    assert "; by our fills: ETH-PERP 0.357, SOL-PERP -8.5" in last
    assert str(tmp_path / "logs") in last.split(" · ")[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_before_the_venue_is_connected_ends_the_run_flat_with_its_own_code(
    tmp_path: Path, number: signal.Signals
) -> None:
    """It once ended in a traceback, exit code 1."""
    process = started(
        tmp_path, "run", "--json", *FLAT, "--cycles", "forever", "--logs", str(tmp_path / "logs")
    )
    wait_for(tmp_path / "logs" / "venue.log", "")
    process.send_signal(number)
    code, output, errors = ended(process)
    assert code == (130 if number == signal.SIGINT else 143), errors
    assert json.loads(output.splitlines()[-1])["ended_by"] == "signal"
    assert "Traceback" not in errors


def test_a_second_instance_is_refused_and_the_first_left_alone(tmp_path: Path, venue_url: str) -> None:
    first = started(
        tmp_path, "run", "--url", venue_url, *FLAT[2:], "--cycles", "forever", "--logs", str(tmp_path / "one")
    )
    wait_for(tmp_path / "one" / "evenkeel.log", "eth_leg answered")
    code, told = run(tmp_path, "--url", venue_url, *FLAT[2:], "--cycles", "1")
    assert (code, told["error"]["code"]) == (3, "ALREADY_RUNNING")
    first.send_signal(signal.SIGINT)
    assert ended(first)[0] == 130


def test_a_pair_left_open_by_kill_9_is_adopted_and_closed(tmp_path: Path, venue_url: str) -> None:
    """R4: a restart once forgot the open pair."""
    first = started(
        tmp_path,
        "run",
        "--url",
        venue_url,
        "--hold",
        "1 h",
        "--cycles",
        "forever",
        "--logs",
        str(tmp_path / "logs"),
    )
    wait_for(tmp_path / "logs" / "evenkeel.log", "sol_leg answered")
    wait_for(tmp_path / "logs" / "evenkeel.log", "eth_leg answered")
    first.kill()
    first.communicate()
    code, told = run(tmp_path, "--url", venue_url, *FLAT[2:], "--cycles", "1")
    assert (code, told["completed"], told["open_eth"], told["open_sol"]) == (0, 1, "0", "0")
    assert (told["cycles"], told["entered"], told["unfinished"], told["adopted"]) == (
        1,
        1,
        0,
        1,
    ), "the killed run's pair is in no count but its own"


def test_a_ledger_of_another_venue_is_refused_naming_both(tmp_path: Path, venue_url: str) -> None:
    assert run(tmp_path, *FLAT, "--cycles", "1")[0] == 0
    code, told = run(tmp_path, "--url", venue_url, *FLAT[2:], "--cycles", "1")
    assert (code, told["error"]["code"]) == (3, "OTHER_LEDGER")
    assert told["error"]["message"].count("simulated-7-") == 2


def run_command(folder: Path, name: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    code, output, errors = ended(started(folder, name, "--json", "--logs", str(folder / "logs"), *arguments))
    assert output, errors
    return code, json.loads(output.splitlines()[-1])


def test_flatten_reaches_a_live_run_and_closes_what_a_killed_one_left(tmp_path: Path, venue_url: str) -> None:
    holding = [
        "run",
        "--url",
        venue_url,
        "--hold",
        "1 h",
        "--cycles",
        "forever",
        "--logs",
        str(tmp_path / "logs"),
    ]
    first = started(tmp_path, *holding)
    wait_for(tmp_path / "logs" / "evenkeel.log", "sol_leg answered")
    code, told = run_command(tmp_path, "flatten")
    assert (code, told["open"], told["open_eth"], told["open_sol"]) == (0, "", "0", "0")
    assert ended(first)[0] == 3
    (tmp_path / "logs" / "evenkeel.log").unlink()
    second = started(tmp_path, *holding)
    wait_for(tmp_path / "logs" / "evenkeel.log", "plan closed")
    second.kill()
    second.communicate()
    code, told = run_command(tmp_path, "status")
    assert (code, told["error"]["code"], told["run_pid"]) == (4, "NOT_FLAT", None)
    assert run_command(tmp_path, "flatten")[0] == 0
    assert run_command(tmp_path, "status")[0] == 0


def test_a_reader_that_goes_away_changes_no_exit_code(tmp_path: Path) -> None:
    """Nothing was traded, and that is still exit code 3 when nobody is there to read why."""
    command = (
        f"{sys.executable} supervisor.py run --market flat:4300.7/203.12 --target '100 USD' --cycles 1 --logs"
        f" {tmp_path}/logs --json"
    )
    piped = f"bash -c '{command.replace(chr(39), chr(34))} | true; exit ${{PIPESTATUS[0]}}'"
    ended_with = subprocess.run(  # noqa: S602
        piped,
        shell=True,
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended_with.returncode == 3, ended_with.stderr[-500:]
    assert "Traceback" not in ended_with.stderr


def test_a_process_that_a_test_leaves_behind_is_found_and_ended(
    tmp_path: Path, venue: subprocess.Popen[str], venue_url: str
) -> None:
    assert f"{venue.pid}" not in venue_url
    assert venue.pid in left(f"XDG_STATE_HOME={tmp_path / 'state'}")
    assert venue.pid in left(marked())
    other = started(tmp_path, "simulate", "--port", "0")
    end({other.pid: ""})
    assert ended(other)[0] == -signal.SIGKILL
