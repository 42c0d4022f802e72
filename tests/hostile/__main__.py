"""`python -m tests.hostile`: a run, its guard and the commands against a hostile middleman, file system and
terminal.

Each cell is a mode in a state, with real processes on a simulated venue of its own: a run and its guard that
can reach the venue only through the middleman. The venue's own log judges. A cell fails when somebody claimed
flat while something stood, when something stood and nobody closed it once it could be closed, when an order
was sent twice, when a process ended in a traceback or stayed behind, or when the ledger and the venue
disagree at the end.
"""

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.hostile.cells import STATES, HostileCell, hostile_cells, hostile_sample, names
from tests.hostile.play import HostileResult, play

HERE = Path(__file__).resolve().parents[2]
TRIES = 3
"""A run that a busy machine kept from the state that its cell is about is started again."""


def main() -> int:
    """Play, print, and 1 when anything failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.hostile",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--all", action="store_true", help="every mode in every state")
    what.add_argument("--modes", nargs="+", metavar="MODE", help="these; 'upgrade*' for all that begin so")
    what.add_argument("--cell", action="append", help="one cell, told at length: 'MODE / STATE'")
    what.add_argument("--list", action="store_true", help="print the modes")
    parser.add_argument(
        "--states", nargs="+", choices=STATES, default=STATES, metavar="STATE", help=f"of {', '.join(STATES)}"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="only N cells of them")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the sample, 1")
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="cells at once, 4: they mostly wait")
    parser.add_argument(
        "--project",
        type=Path,
        default=HERE,
        metavar="DIR",
        help="the checkout whose supervisor.py is attacked",
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the files of every cell, not only of those that failed"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="also write a row per cell, and what failed, to FILE"
    )
    options = parser.parse_args()
    if options.list:
        print(*names(), sep="\n")
        return 0
    try:
        chosen = _chosen(options)
    except ValueError as error:
        parser.error(str(error))
    return _all(chosen, options)


def _chosen(options: argparse.Namespace) -> list[HostileCell]:
    if options.cell:
        pairs = [typed.rpartition(" / ") for typed in options.cell]
        return [cell for mode, _, state in pairs for cell in hostile_cells([mode], [state])]  # type: ignore[list-item]
    every = list(hostile_cells(options.modes or names(), options.states))
    return hostile_sample(every, options.sample, options.seed) if options.sample else every


def _all(chosen: Sequence[HostileCell], options: argparse.Namespace) -> int:
    began, failed = time.monotonic(), Counter[bool]()
    out = options.out.open("w", encoding="utf-8") if options.out else None
    for result in _results(chosen, options):
        bad = bool(result.faults) or result.unplayed
        failed[bad] += 1
        lines = list(_lines(result, options, at_length=bool(options.cell)))
        print(*lines, sep="\n", flush=True)
        if out:
            print(*lines, sep="\n", file=out, flush=True)
        if not bad and not options.keep:
            shutil.rmtree(result.folder, ignore_errors=True)
    last = (
        f"{failed[False]} passed, {failed[True]} failed, of {len(chosen)} cells in"
        f" {time.monotonic() - began:.0f} s"
    )
    print(last)
    if out:
        print(last, file=out)
        out.close()
    return 1 if failed[True] or not chosen else 0


def _results(chosen: Sequence[HostileCell], options: argparse.Namespace) -> Iterator[HostileResult]:
    with ThreadPoolExecutor(options.jobs) as pool:
        for done in as_completed([pool.submit(_one, cell, options.project.resolve()) for cell in chosen]):
            yield done.result()


def _one(cell: HostileCell, project: Path) -> HostileResult:
    for last in range(1, TRIES + 1):
        folder = Path(tempfile.mkdtemp(prefix="hostile-"))
        began = time.monotonic()
        try:
            result = play(cell, project, folder)
        except Exception:  # noqa: BLE001 - the others go on; what is wrong with the tool is told
            return HostileResult(cell, (traceback.format_exc(),), (), time.monotonic() - began, folder)
        if not result.unplayed or last == TRIES:
            break
    return result


def _lines(result: HostileResult, options: argparse.Namespace, *, at_length: bool) -> Iterator[str]:
    bad = bool(result.faults) or result.unplayed
    word = "UNPLAYED" if result.unplayed else "FAILED" if result.faults else "ok"
    yield f"{word:8} {result.cell.name:50} {result.seconds:5.1f} s"
    if bad or at_length:
        yield from (f"    {line}" for line in result.said)
    if bad:
        yield from (f"  ! {line}" for line in result.faults)
        project = f" --project {options.project}" if options.project != HERE else ""
        yield (
            f"  files in {result.folder}; repeat: python -m tests.hostile --cell"
            f" '{result.cell.name}'{project}"
        )


if __name__ == "__main__":
    sys.exit(main())
