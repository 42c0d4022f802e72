"""`replay --sweep` and `replay --compare`: have the points replayed, rank policies or set them side by side,
keep the table.
"""

import argparse
import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from commands.output.json_keys import schema_of
from commands.output.run_json import failure_json, json_line
from commands.output.words import DONE, REFUSED, ConfigError, say, span
from commands.report.output_files import unwritable
from commands.screen.terminal import CLEAR_LINE
from commands.sweep.compared_results import comparison_cells, comparison_lines
from commands.sweep.comparison import compare_file, compared_points
from commands.sweep.grid import grid_of, points_of
from commands.sweep.paired import comparisons
from commands.sweep.point import PointResult, SweepPoint
from commands.sweep.ranking import ranking
from commands.sweep.results import parquet_of, point_cells, policy_cells, table_lines
from commands.sweep.workers import on_dask, on_this_machine
from messages.units import Bps
from runtime.clock import stopwatch_ns
from runtime.files import replace_file

JOBS_MAX = 1_024
Told = tuple[list[str], dict[str, Any]]
"""Lines for people, and keys of `sweep` for programs."""


def main(typed: argparse.Namespace) -> int:
    """Sweep; the exit code: 0 where every point ended flat and traded, 3 where one did not. Raises
    `ConfigError`, `Refusal`, `Stopped`.
    """
    jobs = _jobs(typed.jobs)
    out = _checked_out(typed.out)
    points, told = _asked(typed)
    began_ns = stopwatch_ns()
    with on_dask(points, typed.dask) if typed.dask else on_this_machine(points, jobs) as coming:
        results = _collected(points, coming, began_ns, quiet=typed.quiet)
    gc.collect()  # the pool's semaphores, before the process ends without its finalizers
    lines, facts = told(results)
    if out is not None:
        try:
            replace_file(out, parquet_of(results), sync="none")
        except OSError as error:
            raise unwritable(out, error) from error
    output = sys.stderr if typed.json else sys.stdout
    kept = f", in {out}" if out is not None else ""
    say(output, [*lines, f"{len(results)} points{kept}"])
    say(sys.stderr, f"{len(points)} points in {span((stopwatch_ns() - began_ns) // 10**6)}")
    bad = [result for result in results if result.exit_code != DONE]
    for result in bad[:3]:
        say(sys.stderr, f"point {result.number} ({result.market}, seed {result.seed}): {result.why}")
    code = REFUSED if bad else DONE
    if typed.json:
        whole = failure_json(None, "replay") | {
            "schema": schema_of("replay"),
            "ok": not bad,
            "exit_code": code,
            "ended_by": "done",
            "sweep": {"points": [point_cells(result) for result in results], **facts},
        }
        say(sys.stdout, json_line(whole))
    return code


def _asked(typed: argparse.Namespace) -> tuple[list[SweepPoint], Callable[[list[PointResult]], Told]]:
    """What is to be replayed, and how what came of it is told. Raises `ConfigError`."""
    if typed.compare is None:
        return points_of(grid_of(Path(typed.sweep)), typed), _ranked
    if typed.sweep is not None:
        message = "--compare: a sweep has a grid of its own"
        raise ConfigError("BAD_OPTION", "--compare", message, "leave one of the two out")
    points = compared_points(compare_file(typed.compare), typed)
    limit = points[0].loaded.settings.max_imbalance
    return points, lambda results: _compared(results, limit)


def _ranked(results: list[PointResult]) -> Told:
    policies = ranking(results)
    return table_lines(policies), {"policies": [policy_cells(each) for each in policies]}


def _compared(results: list[PointResult], limit: Bps) -> Told:
    found = comparisons(results, limit)
    return comparison_lines(found, results[0].seed, limit), {
        "comparisons": [comparison_cells(each) for each in found]
    }


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
