"""What `flatten` and `halt` say while they wait, where nobody answers, and where a halt cannot last."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from commands.account.flatten import PROGRESS_S, Progress

ROOT = Path(__file__).resolve().parents[2]


def typed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    surroundings = os.environ | {"XDG_STATE_HOME": str(folder / "state")}
    command = [sys.executable, str(ROOT / "supervisor.py"), *words, "--logs", str(folder / "logs")]
    return subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=120, check=False)


async def test_what_is_waited_for_is_said_from_time_to_time(autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(trio.current_time() + 20)
    with trio.move_on_after(10):
        await progress.waits_for_ever("the run to close both legs and end")
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 10 // PROGRESS_S
    assert said[0] == "waiting for the run to close both legs and end, at most 17 s more"


@pytest.mark.process
def test_an_exchange_that_does_not_answer_may_have_something_open_and_is_not_said_to(tmp_path: Path) -> None:
    flatten = typed(tmp_path, "flatten", "--url", "http://127.0.0.1:9", "--timeout", "5 s")
    assert flatten.returncode == 4
    last = flatten.stdout.splitlines()[-1]
    assert last.startswith("NOT FLAT: unknown: ")
    assert " · exposure may be open now · " in last
    assert "waiting for the exchange to answer (" in flatten.stderr


@pytest.mark.process
def test_a_halt_after_a_simulated_run_says_that_it_is_not_kept(tmp_path: Path) -> None:
    """The next run starts a simulated exchange of its own: a halt of the one before would not stop it."""
    assert typed(tmp_path, "run", "--cycles", "1", "--hold", "100 ms", "--market", "flat:2756.9/115.86", "--quiet").returncode == 0
    halt = typed(tmp_path, "halt", "--reason", "going away")
    assert halt.returncode == 0
    assert "halted    not kept: the next run starts a simulated exchange of its own, which has no halt" in halt.stdout
    assert " halted    no" in typed(tmp_path, "status").stdout
