"""When trading is dead the process ends, in bounded time, whatever the close does: exit 70, or 4 when
something is open; the first cause first.
"""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from commands.output.words import Problem
from commands.run.last_resort import Halt, LastResort, NotFlat

ROOT = Path(__file__).resolve().parent.parent.parent.parent
CAUSE, CURE = "HALTED GAVE_UP: trading gave up", "type this"


class Exit:
    """Stands where `os._exit` stands: remembers the code."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.said: list[Problem] = []
        self.left = threading.Event()

    def leave(self, code: int) -> None:
        self.codes.append(code)
        self.left.set()

    def resort(self) -> LastResort:
        return LastResort(speak=self.said.append, leave=self.leave)


async def fails() -> None:
    raise OSError("disk full")


async def answers() -> str:
    return "flat"


async def test_a_step_that_fails_is_noted_and_the_next_one_is_taken() -> None:
    last = Exit().resort()
    assert await last.attempt("ESCAPE", 5, fails) is None
    assert await last.attempt("the last question", 5, answers) == "flat"
    assert last.trouble == ["ESCAPE failed: OSError: disk full"]


async def test_a_step_that_hangs_is_left_when_its_time_is_over(autojump_clock: MockClock) -> None:
    last = Exit().resort()
    began = trio.current_time()
    assert await last.attempt("ESCAPE", 7, trio.sleep_forever) is None
    assert trio.current_time() - began == pytest.approx(7)
    assert last.trouble == ["ESCAPE did not end within 7 s"]


async def test_a_step_that_is_cancelled_from_outside_is_not_a_step_that_failed(
    autojump_clock: MockClock,
) -> None:
    last = Exit().resort()
    with trio.move_on_after(1) as outside:
        await last.attempt("ESCAPE", 7, trio.sleep_forever)
    assert outside.cancelled_caught
    assert last.trouble == []


def test_what_fails_on_the_way_out_ends_in_exit_4_and_names_the_first_cause_first() -> None:
    exits = Exit()
    with pytest.raises(NotFlat) as raised, exits.resort() as last:  # noqa: PT012 - the order is the test
        last.arm(CAUSE, CURE, 60)
        last.trouble.append("ESCAPE failed: OSError: disk full")
        raise ValueError("the summary")
    assert raised.value.exit_code == 4
    assert (
        raised.value.sentence
        == f"{CAUSE}; ESCAPE failed: OSError: disk full; ValueError: the summary · open or unknown: unknown ·"
        f" {CURE}"
    )


def test_it_is_exit_70_once_the_venue_has_said_flat() -> None:
    with pytest.raises(Halt) as raised, Exit().resort() as last:  # noqa: PT012 - the order is the test
        last.arm(CAUSE, CURE, 60)
        last.open_legs = ""
        raise ValueError("the summary")
    assert (raised.value.exit_code, raised.value.meaning) == (70, "flat at the venue")


def test_a_run_that_did_not_halt_is_left_alone() -> None:
    exits = Exit()
    with pytest.raises(ValueError, match="a defect"), exits.resort():
        raise ValueError("a defect")
    assert exits.codes == []


def test_leaving_in_time_ends_nothing_by_force() -> None:
    exits = Exit()
    with exits.resort() as last:
        last.arm(CAUSE, CURE, 0.05)
    assert not exits.left.wait(0.2)


def test_neither_the_cause_nor_the_time_is_replaced_by_a_second_halt() -> None:
    exits = Exit()
    last = exits.resort()
    last.arm(CAUSE, CURE, 0.05)
    last.arm("HALTED CLOSE_OVERDUE", "another", 3600)
    assert exits.left.wait(10)
    assert exits.said[0].message.startswith(f"{CAUSE}; the emergency close did not end within 0.05 s")


def test_once_everything_is_said_the_rest_of_the_time_is_short() -> None:
    exits = Exit()
    last = exits.resort()
    last.hurry(0.01)
    assert not exits.left.wait(0.1), "it was not armed"
    last.arm(CAUSE, CURE, 3600)
    last.open_legs = ""
    last.hurry(0.05)
    assert exits.left.wait(10)
    assert exits.codes == [70]


def test_saying_it_may_fail_or_hang_and_the_process_ends_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exits, never = Exit(), threading.Event()
    monkeypatch.setattr("commands.run.last_resort.SPEAK_S", 0.05)
    last = LastResort(speak=lambda problem: never.wait(60) and None, leave=exits.leave)
    last.arm(CAUSE, CURE, 0.01)
    assert exits.left.wait(10)
    assert exits.codes == [4]
    never.set()


PROCESS = """
import trio
from commands.run.last_resort import LastResort

async def deaf():
    while True:
        with trio.CancelScope(shield=True):
            await trio.sleep(0.01)

async def escapes():
    raise OSError("disk full")

async def main(last):
    trio.lowlevel.spawn_system_task(deaf)
    last.arm("HALTED GAVE_UP: trading gave up", "type this", 30)
    await last.attempt("ESCAPE", 5, escapes)
    {then}

with LastResort(json=True) as last:
    trio.run(main, last)
raise SystemExit(0)
"""
"""A process whose tree is stuck: `trio.run` waits for a task that ignores its cancellation."""


@pytest.mark.parametrize(
    ("then", "code", "meaning", "stage"),
    [
        ("last.open_legs = ''; last.hurry(0.1)", 70, "flat at the venue", "leaving"),
        ("last.hurry(0.1)", 4, "open or unknown: unknown", "leaving"),
        ("import time; last.hurry(0.1); time.sleep(60)", 4, "open or unknown: unknown", "leaving"),
    ],
    ids=[
        "a task ignores its cancellation, flat",
        "a task ignores its cancellation, open",
        "a call blocks the whole loop",
    ],
)
def test_a_process_that_cannot_end_is_ended(then: str, code: int, meaning: str, stage: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROCESS.format(then=then)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    first_cause = "HALTED GAVE_UP: trading gave up; ESCAPE failed: OSError: disk full; "
    assert (
        done.stderr
        == f"{first_cause}the emergency close did not end within 0.1 s, it was in: {stage} · {meaning} · type"
        " this\n"
    )
    said = json.loads(done.stdout)
    assert (done.returncode, said["exit_code"], said["ended_by"], said["ok"]) == (code, code, "halt", False)
    assert said["error"]["message"].startswith(first_cause)
