"""A sweep from its command line to its table: every point once, and the same as its own replay."""

import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from commands.sweep.point import run_point
from commands.sweep.workers import on_dask
from tests.commands.sweep.test_grid import FLAT, points

pytestmark = pytest.mark.process
ROOT = Path(__file__).resolve().parents[3]
GRID = f"""
markets = ["{FLAT}", "synthetic"]
seeds = [1, 2]
[grid]
hold = ["1 s", "2 s"]
"""


def swept(folder: Path, *words: str) -> tuple[int, dict[str, Any]]:
    (folder / "grid.toml").write_text(GRID)
    ran = subprocess.run(
        [sys.executable, str(ROOT / "supervisor.py"), "replay", "--sweep", "grid.toml", "--json", *words],
        cwd=folder,
        capture_output=True,
        timeout=300,
        check=False,
        env=os.environ | {"XDG_STATE_HOME": str(folder / "state")},
    )
    assert ran.stdout, ran.stderr.decode()
    return ran.returncode, json.loads(ran.stdout.splitlines()[-1])


def test_every_point_is_one_row_of_the_object_and_of_the_parquet_file(tmp_path: Path) -> None:
    code, told = swept(tmp_path, "--cycles", "2", "--jobs", "2", "--out", "points.parquet")
    rows = told["sweep"]["points"]
    assert (code, told["ok"], [row["point"] for row in rows]) == (0, True, list(range(1, 9)))
    assert {row["completed"] for row in rows} == {2}
    assert [policy["points"] for policy in told["sweep"]["policies"]] == [4, 4]
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    kept = parquet.read_table(tmp_path / "points.parquet").to_pylist()
    assert [row["last_row"] for row in kept] == [row["last_row"] for row in rows]
    assert [row["net_usd"] for row in kept] == [Decimal(row["net_usd"]) for row in rows]


def test_a_point_of_a_sweep_is_the_replay_of_its_own(tmp_path: Path) -> None:
    _, told = swept(tmp_path, "--cycles", "2", "--jobs", "2")
    row = told["sweep"]["points"][7]
    words = ("--market", row["market"], "--seed", str(row["seed"]), "--hold", row["hold"], "--cycles", "2")
    ran = subprocess.run(
        [sys.executable, str(ROOT / "supervisor.py"), "replay", "--json", *words],
        capture_output=True,
        timeout=100,
        check=True,
    )
    alone = json.loads(ran.stdout.splitlines()[-1])
    assert (row["last_row"], row["completed"]) == (alone["last_row"], alone["completed"])
    assert Decimal(row["net_usd"]) == Decimal(alone["pnl_usd"])


def told_by_compare(folder: Path) -> bytes:
    text = 'targets = ["500 USD"]\none_trade_in = [1]\n'
    text += '[policies.long]\nhold = "2 s"\n[policies.short]\nhold = "1 s"\n'
    (folder / "policies.toml").write_text(text)
    words = ("replay", "--compare", "policies.toml", "--market", "synthetic", "--cycles", "3", "--json")
    ran = subprocess.run(
        [sys.executable, str(ROOT / "supervisor.py"), *words, "--jobs", "2"],
        cwd=folder,
        capture_output=True,
        timeout=300,
        check=True,
        env=os.environ | {"XDG_STATE_HOME": str(folder / "state")},
    )
    return ran.stdout


def test_a_comparison_sets_policies_side_by_side_and_a_second_one_says_the_same(tmp_path: Path) -> None:
    once = told_by_compare(tmp_path)
    sweep = json.loads(once.splitlines()[-1])["sweep"]
    worlds = [(each["target"], each["fills"], each["one_trade_in"]) for each in sweep["comparisons"]]
    assert worlds == [("500 USD", "through", 1), ("500 USD", "prints", 1)]
    for world in sweep["comparisons"]:
        long, short = world["policies"]
        assert (long["policy"], short["policy"], long["differences"]) == ("long", "short", {})
        dear, cheap = (Decimal(each["cost_per_million_usd"]["value"]) for each in (short, long))
        assert abs(Decimal(short["differences"]["cost"]["value"]) - (dear - cheap)) <= Decimal("1e-15")
        assert [each["completed"] for each in world["policies"]] == [3, 3]
    # nothing rests here, so that what fills such orders changes nothing
    assert len({row["last_row"] for row in sweep["points"]}) == 2
    assert told_by_compare(tmp_path) == once


def test_a_comparison_is_no_sweep(tmp_path: Path) -> None:
    code, told = swept(tmp_path, "--compare")
    assert (code, told["error"]["key"]) == (2, "--compare")


def test_a_point_that_does_not_end_well_is_a_row_and_exit_code_3(tmp_path: Path) -> None:
    """Nothing can be entered at a spread of a hundredth of a basis point."""
    words = ("--cycles", "1", "--max-wait", "2 s", "--set", "max_spread=0.01 bps", "--jobs", "2")
    code, told = swept(tmp_path, *words)
    rows = told["sweep"]["points"]
    assert (code, told["ok"], len(rows)) == (3, False, 8)
    assert {row["exit_code"] for row in rows} == {3}
    assert [policy["failures"] for policy in told["sweep"]["policies"]] == [4, 4]


def test_on_a_cluster_whose_worker_is_killed_every_point_comes_exactly_once(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    grid = f'markets = ["{FLAT}"]\nseeds = {list(range(1, 31))}'
    wanted = points(tmp_path, grid, "--cycles", "2")
    came, killed = [], 0
    with (
        distributed.LocalCluster(
            n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0
        ) as cluster,
        on_dask(wanted, cluster.scheduler_address) as coming,
    ):
        for result in coming:
            came.append(result)
            if len(came) == 5:
                busy = cluster.scheduler.workers.values()
                victim = next(state.pid for state in busy if state.processing) if busy else 0
                os.kill(victim, signal.SIGKILL)
                killed = victim
    assert killed
    assert sorted(result.number for result in came) == [point.number for point in wanted]
    assert {result.exit_code for result in came} == {0}
    here = run_point(wanted[11])
    assert next(result for result in came if result.number == 12) == here
