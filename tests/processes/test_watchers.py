"""A watcher beside a run, as real processes: killed, stopped, flooded or without a port, the run trades as if
there were none.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.leftovers import end, left
from tests.processes.test_processes import FLAT, ended, started, wait_for
from tests.processes.waiting import until

pytestmark = pytest.mark.process
CYCLES = [*FLAT, "--hold", "50 ms", "--cycles", "12", "--json", "--quiet"]


@pytest.fixture
def port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found: int = taken.getsockname()[1]
        return found


@pytest.fixture(autouse=True)
def watchers(tmp_path: Path) -> Iterator[None]:
    yield
    end(left(str(tmp_path), "supervisor.py watcher"))


def watched(folder: Path, port: int, *arguments: str) -> subprocess.Popen[str]:
    page = f"page=127.0.0.1:{port}"
    words = ("run", "--logs", str(folder / "logs"), "--set", page, *arguments)
    return started(folder, *words, own_session=True)


def pids(folder: Path) -> list[int]:
    return sorted(left(str(folder), "supervisor.py watcher"))


def serving(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", trust_env=False, timeout=5).status_code < 500
    except httpx.TransportError:
        return False


def traded_on(run: subprocess.Popen[str], cycles: int) -> None:
    code, output, errors = ended(run)
    assert code == 0, errors
    told = json.loads(output.splitlines()[-1])
    assert (told["completed"], told["failed"], told["restarts"]) == (cycles, 0, 0)
    assert (told["open_eth"], told["open_sol"]) == ("0", "0")


def test_it_serves_while_the_run_lives_and_goes_with_it(tmp_path: Path, port: int) -> None:
    run = watched(tmp_path, port, *FLAT, "--cycles", "forever", "--quiet", "--json")
    until(lambda: serving(port))
    assert len(pids(tmp_path)) == 1
    run.send_signal(signal.SIGINT)
    assert ended(run)[0] == 130
    until(lambda: not pids(tmp_path))
    assert "page and metrics: http://127.0.0.1" in (tmp_path / "logs" / "evenkeel.log").read_text()


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="policies of Linux")
def test_it_never_takes_a_core_from_who_trades(tmp_path: Path, port: int) -> None:
    """Idle, and in the session of its run: between sessions Linux shares a core equally, however nice one of
    them is. In a process group of its own, for a terminal signals the one of the run.
    """
    run = watched(tmp_path, port, *FLAT, "--cycles", "forever", "--quiet")
    until(lambda: serving(port))
    [pid] = pids(tmp_path)
    until(lambda: os.sched_getscheduler(pid) == os.SCHED_IDLE)
    found = os.getsid(pid), os.getpgid(pid)
    priorities = [os.getpriority(os.PRIO_PROCESS, each) for each in (pid, run.pid)]
    session = os.getsid(run.pid)
    run.send_signal(signal.SIGINT)
    ended(run)
    assert found == (session, pid)
    assert priorities[0] > priorities[1]


def test_it_goes_when_the_run_is_killed(tmp_path: Path, port: int) -> None:
    run = watched(tmp_path, port, *FLAT, "--cycles", "forever", "--quiet")
    until(lambda: serving(port))
    run.kill()
    ended(run)
    until(lambda: not pids(tmp_path))


def test_killed_again_and_again_the_run_trades_on(tmp_path: Path, port: int) -> None:
    run = watched(tmp_path, port, *CYCLES)
    killed = set[int]()
    while run.poll() is None:
        for pid in set(pids(tmp_path)) - killed:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        time.sleep(0.05)
    traded_on(run, 12)
    assert killed
    assert "WATCHER_DOWN" in (tmp_path / "logs" / "evenkeel.log").read_text()


def test_stopped_the_run_trades_on(tmp_path: Path, port: int) -> None:
    run = watched(tmp_path, port, *CYCLES[:-4], "--cycles", "20", "--json", "--quiet")
    until(lambda: serving(port))
    [pid] = pids(tmp_path)
    os.kill(pid, signal.SIGSTOP)
    traded_on(run, 20)
    with suppress(ProcessLookupError):  # stopped for longer than it may be silent, it was replaced
        os.kill(pid, signal.SIGCONT)
    until(lambda: not pids(tmp_path))


def test_flooded_with_requests_the_run_trades_on(tmp_path: Path, port: int) -> None:
    run = watched(tmp_path, port, *CYCLES)
    until(lambda: serving(port))
    half = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    for each in half:
        each.sendall(b"GET / HTTP/1.1\r\nHost: x")  # and never an end
    with httpx.Client(trust_env=False, timeout=5) as client:
        while run.poll() is None:
            try:
                client.get(f"http://127.0.0.1:{port}/")
            except httpx.TransportError:
                time.sleep(0.05)
    for each in half:
        each.close()
    traded_on(run, 12)


def test_without_a_port_the_run_trades_and_says_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = watched(tmp_path, port, *FLAT, "--cycles", "forever", "--quiet", "--json")
        wait_for(tmp_path / "logs" / "evenkeel.log", f"no page: 127.0.0.1:{port} cannot be used")
        run.send_signal(signal.SIGINT)
        assert ended(run)[0] == 130


def test_typed_by_a_person_it_says_who_starts_it(tmp_path: Path) -> None:
    code, _, errors = ended(started(tmp_path, "watcher"))
    assert (code, "a run starts its own" in errors) == (2, True)


def scraped(port: int) -> dict[str, float]:
    """Name, and what follows of its own labels -> value; {} while nothing is served."""
    try:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=5).text
    except httpx.TransportError:
        return {}
    lines = [line for line in text.splitlines() if line.startswith("evenkeel_")]
    found = {}
    for line in lines:
        name, _, value = line.rpartition(" ")
        family, _, labels = name.partition("{")
        own = [
            each for each in labels.rstrip("}").split(",") if not each.startswith(("host=", "subaccount="))
        ]
        found[" ".join([family, *own])] = float(value)
    return found


def test_the_metrics_are_the_runs_own_figures(tmp_path: Path, port: int) -> None:
    """One ruler: what `/metrics` says of a run that pauses is what its object says in the end."""
    run = watched(
        tmp_path, port, *FLAT[:-2], "--cycles", "forever", "--json", "--quiet", "--set", "pause=1 h"
    )
    until(lambda: scraped(port).get('evenkeel_cycles_total ending="completed"') == 1)
    until(lambda: scraped(port).get("evenkeel_orders_sent_total") == 4)
    found = scraped(port)
    run.send_signal(signal.SIGINT)
    code, output, errors = ended(run)
    assert code == 130, errors
    told = json.loads(output.splitlines()[-1])
    assert found["evenkeel_traded_usd_total"] == float(told["traded_usd"])
    assert found['evenkeel_cost_usd cause="fees"'] == float(told["fees_usd"])
    assert found['evenkeel_cost_usd cause="slippage"'] == float(told["slippage_usd"])
    assert found["evenkeel_orders_sent_total"] == told["orders_sent"] == 4
    assert found["evenkeel_filled_imbalance_bps"] == float(told["filled_imbalance_max_bps"])
    answers = [value for name, value in found.items() if name.startswith("evenkeel_order_answers_total")]
    assert sum(answers) == 4
    assert any(name.startswith("evenkeel_step_seconds_count") and value for name, value in found.items())
    assert found["evenkeel_ledger_bytes"] > 10_000
    assert found["evenkeel_up"] == 1
