"""`replay --sweep`: read the grid, have its points replayed, rank its policies, keep the table."""

import argparse
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from commands.output.json_keys import schema_of
from commands.output.run_json import failure_json, json_line
from commands.output.words import DONE, REFUSED, ConfigError, say, span
from commands.report.output_files import unwritable
from commands.screen.terminal import CLEAR_LINE
from commands.sweep.grid import grid_of, points_of
from commands.sweep.point import PointResult, SweepPoint
from commands.sweep.ranking import ranking
from commands.sweep.results import parquet_of, point_cells, policy_cells, table_lines
from commands.sweep.workers import on_dask, on_this_machine
from runtime.clock import stopwatch_ns
from runtime.files import replace_file

JOBS_MAX = 1_024


def main(typed: argparse.Namespace) -> int:
    """Sweep; the exit code: 0 where every point ended flat and traded, 3 where one did not. Raises
    `ConfigError`, `Refusal`, `Stopped`.
    """
    jobs = _jobs(typed.jobs)
    out = _checked_out(typed.out)
    points = points_of(grid_of(Path(typed.sweep)), typed)
    began_ns = stopwatch_ns()
    with on_dask(points, typed.dask) if typed.dask else on_this_machine(points, jobs) as coming:
        results = _collected(points, coming, began_ns, quiet=typed.quiet)
    gc.collect()  # the pool's semaphores, before the process ends without its finalizers
    policies = ranking(results)
    if out is not None:
        try:
            replace_file(out, parquet_of(results), sync="none")
        except OSError as error:
            raise unwritable(out, error) from error
    output = sys.stderr if typed.json else sys.stdout
    kept = f", in {out}" if out is not None else ""
    say(output, [*table_lines(policies), f"{len(results)} points{kept}"])
    say(sys.stderr, f"{len(points)} points in {span((stopwatch_ns() - began_ns) // 10**6)}")
    bad = [result for result in results if result.exit_code != DONE]
    for result in bad[:3]:
        say(sys.stderr, f"point {result.number} ({result.market}, seed {result.seed}): {result.why}")
    code = REFUSED if bad else DONE
    if typed.json:
        facts = failure_json(None, "replay") | {
            "schema": schema_of("replay"),
            "ok": not bad,
            "exit_code": code,
            "ended_by": "done",
            "sweep": {
                "points": [point_cells(result) for result in results],
                "policies": [policy_cells(each) for each in policies],
            },
        }
        say(sys.stdout, json_line(facts))
    return code


def _collected(
    points: Sequence[SweepPoint], coming: Iterator[PointResult], began_ns: int, *, quiet: bool
) -> list[PointResult]:
    """Every point's result, once, in the order of the grid."""
    shown = sys.stderr if not quiet and sys.stderr.isatty() else None
    found: dict[int, PointResult] = {}
    for result in coming:
        assert result.number not in found, f"point {result.number} came twice"  # noqa: S101
        found[result.number] = result
        if shown is not None:
            elapsed_ns = stopwatch_ns() - began_ns
            left_ms = elapsed_ns * (len(points) - len(found)) // len(found) // 10**6
            shown.write(f"{CLEAR_LINE}{len(found)} of {len(points)} points · {span(left_ms)} left")
            shown.flush()
    if shown is not None:
        shown.write(CLEAR_LINE)
    assert sorted(found) == [point.number for point in points], "a point is missing"  # noqa: S101
    return [found[point.number] for point in points]


def _jobs(text: str | None) -> int:
    if text is None:
        return os.cpu_count() or 1
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= JOBS_MAX):
        message = f"--jobs: {text!r} is no number of processes from 1 to {JOBS_MAX:,}"
        raise ConfigError("BAD_VALUE", "--jobs", message, "leave it out: as many as there are cores")
    return int(text)


def _checked_out(text: str | None) -> Path | None:
    """Where the Parquet file goes. Raises `ConfigError` before anything is replayed."""
    if text is None:
        return None
    path = Path(text)
    if path.exists():
        raise ConfigError("EXISTS", "--out", f"--out: {path} is there", "type --out with another name")
    if not path.parent.is_dir():
        raise ConfigError("BAD_VALUE", "--out", f"--out: there is no folder {path.parent}", "make it first")
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        cure = "pip install -c constraints.txt -e '.[report]'"
        raise ConfigError("NOT_INSTALLED", "--out", "--out: Parquet needs pyarrow", cure) from error
    return path
