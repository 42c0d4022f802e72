"""A real process whose trading is dead, whose tree is stuck and whose emergency close blocks the whole
loop: it ends all the same.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes.test_processes import ROOT, environment

pytestmark = pytest.mark.process

SABOTAGED = """
import sys, time
import trio
import actors.market_data.actor, runtime.incarnation, actors.sizing.actor, commands.run.shutdown, commands.run.starting
from runtime.specs import ChildSpec
from commands.cli import main

async def defect(*given, task_status, **known):
    raise ZeroDivisionError("sizing has a defect")

async def deaf(*given, task_status, **known):
    task_status.started()
    while True:
        with trio.CancelScope(shield=True):
            await trio.sleep(0.05)

async def blocks(*given):
    time.sleep(3600)

actors.sizing.actor.run, actors.market_data.actor.run, commands.run.shutdown.after_halt = defect, deaf, blocks
ChildSpec.__init__.__defaults__ = ("permanent", 0.1, False, 30.0)   # all times are short: only what is waited for differs
runtime.incarnation.SECOND_WAIT_S = 0.1
commands.run.starting.WAY_OUT_S = -7.5
sys.exit(main(["run", "--json", "--quiet", "--market", "flat:2756.9/115.86", "--set", "venue_patience=1 ms", *sys.argv[1:]]))
"""  # noqa: E501


def test_a_run_whose_way_out_blocks_is_ended_by_force_with_the_first_cause_first(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SABOTAGED, "--logs", str(tmp_path / "logs")]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, timeout=60, check=False
    )
    (line,) = done.stderr.splitlines()
    causes, meaning, _ = line.split(" · ")
    first, stuck, blocked = causes.split("; ")
    assert first == "HALTED GAVE_UP: ZeroDivisionError: sizing has a defect"
    assert stuck.startswith("then Stuck: market_data still runs")
    assert blocked.startswith("the emergency close did not end within")
    assert blocked.endswith("it was in: ESCAPE")
    assert meaning == "open or unknown: unknown"
    assert done.returncode == 4
    assert json.loads(done.stdout.splitlines()[-1])["exit_code"] == 4
