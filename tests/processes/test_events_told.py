"""Events as another process reads them: a run that nobody reads trades on; one is followed from outside."""

import json
import signal
from pathlib import Path

import pytest

from tests.processes.test_processes import FLAT, ended, started, wait_for

pytestmark = pytest.mark.process
TWELVE = [*FLAT, "--hold", "50 ms", "--cycles", "12", "--quiet"]


def test_a_run_whose_events_nobody_reads_trades_to_its_end(tmp_path: Path) -> None:
    """A pipe holds 64 kB; the events of twelve cycles are twice that."""
    run = started(tmp_path, "run", "--events", "--logs", str(tmp_path / "logs"), *TWELVE)
    wait_for(tmp_path / "logs" / "evenkeel.log", "cycle 12 completed", 60)
    code, output, errors = ended(run)
    assert code == 0, errors
    lines = [json.loads(line) for line in output.splitlines()]
    # read at last, in the two seconds that the end waits for it
    assert (lines[-1]["schema"], lines[-1]["completed"]) == ("evenkeel.run/1", 12)
    assert len(output) > 2**17


def test_a_live_run_is_followed_from_outside_event_by_event(tmp_path: Path) -> None:
    venue = started(tmp_path, "simulate", "--port", "0", *FLAT[:2])
    assert venue.stdout is not None
    where = ["--url", venue.stdout.readline().strip(), "--logs", str(tmp_path / "logs")]
    run = started(tmp_path, "run", *where, "--cycles", "forever", "--hold", "300 ms", "--quiet")
    wait_for(tmp_path / "logs" / "evenkeel.log", "cycle 1 completed")
    watch = started(tmp_path, "status", "--watch", "--json", *where)
    assert watch.stdout is not None
    seen = []
    while not any(line.get("event") == "cycle" for line in seen):
        seen.append(json.loads(watch.stdout.readline()))
    watch.send_signal(signal.SIGINT)
    _, rest, _ = ended(watch)
    run.send_signal(signal.SIGINT)
    assert ended(run)[0] == 130
    venue.send_signal(signal.SIGTERM)
    ended(venue)
    seen += [json.loads(line) for line in rest.splitlines()]
    looks = [line for line in seen if line["schema"] == "evenkeel.status/1"]
    events = [line for line in seen if line["schema"] == "evenkeel.event/1"]
    assert looks
    assert events[0]["event"] == "begin"
    assert events[0]["pid"] == looks[0]["run_pid"] == run.pid
    first = events[0]["seq"]
    assert first > 20
    assert [line["seq"] for line in events] == list(range(first, first + len(events)))
    assert len(looks) + len(events) == len(seen)
