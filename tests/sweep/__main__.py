"""The sweep's command line: see the package's docstring."""

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import islice
from multiprocessing.pool import Pool

from tests.sweep.one import Result, one_run
from tests.sweep.phases import PHASES, RESTING_PHASES
from tests.sweep.runs import Run, attempt, blow_of, command, runs

BATCH = 100
"""Runs given to the workers at a time."""


def sweep(minutes: float, first_seed: int, least: int, cores: int | None, *, resting: bool) -> int:
    """Sweep until the time is over; 0 when nothing was found, every phase was struck and there were enough
    runs.
    """
    until, wanted = time.monotonic() + minutes * 60, RESTING_PHASES if resting else PHASES
    done, failed, last_seed, phases = 0, 0, first_seed, Counter[str]()
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        for run, result in _results(pool, runs(first_seed, resting=resting), until, resting=resting):
            done, last_seed = done + 1, max(last_seed, run[0])
            wrong = (result,) if isinstance(result, str) else result.wrong
            phases.update(() if isinstance(result, str) else result.phases)
            if wrong:
                failed += 1
                print(f"FAILED {command(run, resting=resting)}\n  " + "\n  ".join(wrong), flush=True)
    for phase in wanted:
        print(f"  {phases[phase]:6} blows in: {phase}")
    bound = f", so with 95 % confidence fewer than {3 / done:.5f} (3/n) fail" if done and not failed else ""
    print(f"{done} runs, {failed} failures, seeds {first_seed} to {last_seed}{bound}")
    missed = [phase for phase in wanted if not phases[phase]]
    if missed or done < least:
        print(f"NOT ENOUGH: {least} runs are needed, and blows in {', '.join(missed) or 'no other phase'}")
    return 1 if failed or missed or done < least else 0


def _results(
    pool: Pool, source: Iterator[Run], until: float, *, resting: bool
) -> Iterator[tuple[Run, Result | str]]:
    """Results until the time is over, a batch at a time: a pool takes all it is given at once, and the
    source has no end.
    """
    while time.monotonic() < until:
        yield from pool.imap_unordered(partial(attempt, resting=resting), list(islice(source, BATCH)))


def main() -> int:
    """Parse and go."""
    parser = argparse.ArgumentParser(prog="python -m tests.sweep")
    parser.add_argument("--minutes", type=float, default=0.0, help="sweep for so long, on all cores")
    parser.add_argument(
        "--seed", type=int, default=1, help="the first seed; without --minutes the seed of the one run"
    )
    parser.add_argument("--least", type=int, default=1, help="fail under this many runs")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument(
        "--blow",
        action="append",
        default=[],
        type=blow_of,
        metavar="WHERE:POINT",
        help="in the one run, e.g. sol_leg:17",
    )
    parser.add_argument("--resting", action="store_true", help="with orders that rest")
    typed = parser.parse_args()
    if typed.minutes:
        return sweep(typed.minutes, typed.seed, typed.least, typed.cores, resting=typed.resting)
    result = one_run(typed.seed, typed.blow, resting=typed.resting)
    print("struck in: " + (", ".join(result.phases) or "nothing"))
    print("\n".join(result.wrong) or "nothing is wrong")
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
