"""Two subaccounts on one machine: a run each, beside one another, that touch nothing of the other."""

import json
import signal
from pathlib import Path

import pytest

from runtime.locks import free
from tests.processes.test_processes import ended, started, wait_for
from venue.throwaway import THROWAWAY_ADDRESS

pytestmark = pytest.mark.process


def test_two_runs_of_two_subaccounts_trade_beside_one_another_and_a_third_is_refused(tmp_path: Path) -> None:
    market = ("--market", "flat:2756.9/115.86")
    fund = ("--fund", f"{THROWAWAY_ADDRESS}/second")
    venue = started(tmp_path, "simulate", "--port", "0", *market, *fund)
    assert venue.stdout is not None
    url = venue.stdout.readline().strip()

    def typed(name: str, logs: str) -> tuple[str, ...]:
        return ("--url", url, "--logs", str(tmp_path / logs), "--set", f"venue.subaccount={name}", "--json")

    try:
        more = ("--cycles", "forever", "--hold", "1 s", "--set", "ready_deadline=900 ms")
        runs = [started(tmp_path, "run", *typed(name, name), *more) for name in ("default", "second")]
        for name in ("default", "second"):
            wait_for(tmp_path / name / "evenkeel.log", "plan closed")
        code, _, errors = ended(started(tmp_path, "run", *typed("second", "third")))
        assert code == 3
        assert "another Evenkeel" in errors
        found = [ended(started(tmp_path, "status", *typed(name, name))) for name in ("default", "second")]
        pids = [json.loads(output.splitlines()[-1])["run_pid"] for _, output, _ in found]
        assert pids == [run.pid for run in runs]
        places = sorted((tmp_path / "state" / "evenkeel").glob("*.slot*"))
        assert [(path.suffix, free(path)) for path in places] == [(".slot0", False), (".slot1", False)]
        for run in runs:
            run.send_signal(signal.SIGTERM)
        told = [json.loads(ended(run)[1].splitlines()[-1]) for run in runs]
        assert [each["subaccount"] for each in told] == ["default", "second"]
        assert [(each["exit_code"], each["failed"], each["open_eth"]) for each in told] == [(143, 0, "0")] * 2
        assert all(each["completed"] for each in told)
        assert all(free(path) for path in places)
    finally:
        venue.send_signal(signal.SIGTERM)
        ended(venue)
