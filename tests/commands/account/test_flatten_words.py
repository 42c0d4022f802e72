"""What `flatten` and `halt` say while they wait, where nobody answers, and where a halt cannot last."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.instance.state import AlreadyRunning
from commands.access.venue import place
from commands.account.closing import FlattenRequest
from commands.account.flatten import PROGRESS_S, Progress, ended_with_its_venue
from commands.account.outcome import CommandOutcome
from commands.account.target_account import TargetAccount
from commands.control import ControlReply
from messages.settings import Settings

ROOT = Path(__file__).resolve().parents[3]


def typed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    surroundings = os.environ | {"XDG_STATE_HOME": str(folder / "state")}
    command = [sys.executable, str(ROOT / "supervisor.py"), *words, "--logs", str(folder / "logs")]
    return subprocess.run(
        command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=120, check=False
    )


async def test_what_is_waited_for_is_said_from_time_to_time(
    autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
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
    assert (
        typed(
            tmp_path, "run", "--cycles", "1", "--hold", "100 ms", "--market", "flat:2756.9/115.86", "--quiet"
        ).returncode
        == 0
    )
    halt = typed(tmp_path, "halt", "--reason", "going away")
    assert halt.returncode == 0
    assert (
        "halted    not kept: the next run starts a simulated exchange of its own, which has no halt"
        in halt.stdout
    )
    assert " halted    no" in typed(tmp_path, "status").stdout


class Leaving(TargetAccount, frozen=True):
    """A run with an exchange of its own that holds its lock until `gone_at_s` of Trio's time."""

    gone_at_s: float = 0.0

    def runner(self) -> AlreadyRunning | None:
        return AlreadyRunning(4711, "logs") if trio.current_time() < self.gone_at_s else None


async def left(
    last: ControlReply | None, gone_in_s: float, *, halt: str = ""
) -> tuple[CommandOutcome, float]:
    """What the command says, and after how long."""
    settings, began_s = Settings(), trio.current_time()
    who = Leaving(settings, place(settings, None), Path("logs"), "", began_s + gone_in_s)
    outcome = await ended_with_its_venue(
        who, FlattenRequest("halt" if halt else "flatten", 60, halt=halt), last, began_s + 60
    )
    return outcome, trio.current_time() - began_s


def answer(open_legs: str = "", *, ended: bool) -> ControlReply:
    return ControlReply(4711, ended, "flat", 3, open_legs)


async def test_a_run_that_said_how_it_ended_is_believed_and_its_process_waited_for(
    autojump_clock: MockClock,
) -> None:
    """Found by hand: the process lives for some tenths of a second after its last answer, and was said not
    to have answered, exit code 4.
    """
    outcome, took_s = await left(answer(ended=True), 0.7)
    assert (outcome.exit_code, outcome.lines) == (
        0,
        [("open", "nothing: its simulated venue ended with its run")],
    )
    assert 0.7 <= took_s < 1.2


async def test_a_run_that_ends_without_its_last_answer_is_gone_with_its_exchange(
    autojump_clock: MockClock,
) -> None:
    outcome, _ = await left(answer("ETH-PERP 0.236", ended=False), 8)
    assert outcome.exit_code == 0


@pytest.mark.parametrize(
    ("last", "says"),
    [(None, "the run did not answer"), (answer("ETH-PERP 0.236", ended=False), "the run did not end")],
)
async def test_a_run_that_does_not_end_is_unknown(
    last: ControlReply | None, says: str, autojump_clock: MockClock
) -> None:
    outcome, took_s = await left(last, 1000)
    assert outcome.exit_code == 4
    assert outcome.error is not None
    assert outcome.error.message == f"NOT FLAT: unknown: {says}"
    assert outcome.error.cure == "stop it: kill 4711"
    assert took_s < 61


async def test_what_a_run_left_open_at_its_own_exchange_is_said(autojump_clock: MockClock) -> None:
    outcome, _ = await left(answer("ETH-PERP 0.236", ended=True), 0.3)
    assert outcome.exit_code == 4
    assert outcome.error is not None
    assert outcome.error.message == "NOT FLAT: ETH-PERP 0.236"


@pytest.mark.process
def test_a_halt_during_a_simulated_run_says_that_it_is_not_kept_and_keeps_none(tmp_path: Path) -> None:
    """Its state file was latched while the answer said that it is not kept."""
    words = [
        sys.executable,
        str(ROOT / "supervisor.py"),
        "run",
        "--cycles",
        "forever",
        "--quiet",
        "--logs",
        str(tmp_path / "logs"),
    ]
    surroundings = os.environ | {"XDG_STATE_HOME": str(tmp_path / "state")}
    with subprocess.Popen(
        words, cwd=tmp_path, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        until = time.monotonic() + 60
        while "alive, " not in typed(tmp_path, "status").stdout and time.monotonic() < until:
            time.sleep(0.2)
        halt = typed(tmp_path, "halt", "--reason", "going away")
        summary, _ = run.communicate(timeout=60)
    assert halt.returncode == 0, halt.stdout + halt.stderr
    assert (
        "halted    not kept: the next run starts a simulated exchange of its own, which has no halt"
        in halt.stdout
    )
    assert run.returncode == 3
    assert "asked by halt: going away" in summary
    assert "clear-halt" not in summary
    status = typed(tmp_path, "status")
    assert (status.returncode, " halted    no" in status.stdout) == (0, True)
