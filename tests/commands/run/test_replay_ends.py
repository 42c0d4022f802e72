"""A recording that is over: a run ends with it, flat, and a venue of its own says that its prices stand
still.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from commands.output.words import RECORDING_OVER
from tests.venue.simulated.markets.test_recording import book, recorded

pytestmark = pytest.mark.process
ROOT = Path(__file__).resolve().parents[3]


def recording(folder: Path, seconds: int) -> str:
    """ETH at 2756.9 and SOL at 115.86, deep, moving a tick every half second."""
    rows = []
    for step in range(2 * seconds + 1):
        at, tick = 1_000_000 + step * 500_000_000, step % 2
        rows.append(book(at, "ETH-PERP", f"{2756.8 + tick / 10:.1f} 900 {2756.9 + tick / 10:.1f} 900"))
        rows.append(
            book(at + 1, "SOL-PERP", f"{115.86 + tick / 100:.2f} 9000 {115.87 + tick / 100:.2f} 9000")
        )
    return recorded(folder, l2_20=rows)


def command(*words: str) -> list[str]:
    return [sys.executable, str(ROOT / "supervisor.py"), *words]


def surroundings(folder: Path) -> dict[str, str]:
    return os.environ | {"XDG_STATE_HOME": str(folder / "state")}


def test_a_run_ends_flat_with_its_recording(tmp_path: Path) -> None:
    """It would hold for an hour; its prices stand still after six seconds."""
    words = (
        "run",
        "--json",
        "--market",
        recording(tmp_path, 6),
        "--cycles",
        "forever",
        "--hold",
        "1 h",
        "--logs",
        str(tmp_path / "logs"),
    )
    ran = subprocess.run(
        command(*words),
        cwd=tmp_path,
        env=surroundings(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    told = json.loads(ran.stdout.splitlines()[-1])
    assert (ran.returncode, told["ended_by"], told["completed"], told["open_eth"], told["open_sol"]) == (
        0,
        "done",
        1,
        "0",
        "0",
    ), ran.stderr
    assert " ended     the recording has been replayed to its end" in ran.stderr.splitlines()


def test_a_venue_that_replays_for_others_says_that_its_prices_stand_still(tmp_path: Path) -> None:
    words = ("simulate", "--market", recording(tmp_path, 1))
    with subprocess.Popen(
        command(*words),
        cwd=tmp_path,
        env=surroundings(tmp_path),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as venue:
        try:
            assert venue.stdout is not None
            first, second = venue.stdout.readline(), venue.stdout.readline()
        finally:
            venue.terminate()
    assert first.startswith("http://127.0.0.1:")
    assert second == f"{RECORDING_OVER}\n"
