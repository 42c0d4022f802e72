"""The matrix's command line: see the package's docstring."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from messages.units import ONE
from tests.endings.cells import Cell, cell_of, cells, resting_cells
from tests.endings.one import KINDS, CellResult, one_cell
from tests.endings.runs import every
from tests.endings.table import document

PAGE = Path(__file__).resolve().parents[2] / "docs" / "endings.md"


def show(cell: Cell) -> int:
    """One cell at length."""
    result = one_cell(cell, told=True)
    print("\n".join(result.said))
    print(
        f"{result.kind}: {result.usd_s / ONE:.1f} USD s unhedged of {result.budget / ONE:.0f}, at worst"
        f" {result.worst / ONE:.1f} USD"
    )
    print("\n".join(result.wrong) or "nothing is wrong")
    return 1 if result.wrong else 0


def run_all(cores: int, wanted: Iterable[Cell]) -> dict[Cell, CellResult]:
    """Every cell that is wanted, failures printed as they come, and at the end how many ended how."""
    results, began = {}, time.monotonic()
    for cell, result in every(cores, list(wanted)):
        results[cell] = result
        if result.wrong:
            print(f"FAILED {cell.command}\n  " + "\n  ".join(result.wrong), flush=True)
    failed = sum(bool(result.wrong) for result in results.values())
    kinds = Counter(result.kind for result in results.values())
    said = ", ".join(f"{kinds[kind]} {kind}" for kind in KINDS if kinds[kind])
    print(f"{len(results)} cells, {failed} failed, in {time.monotonic() - began:.0f} s: {said}")
    return results


def main() -> int:
    """Parse and go."""
    parser = argparse.ArgumentParser(prog="python -m tests.endings")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--cell", type=cell_of, help='e.g. "exit / ack lost / cut while / crash"')
    what.add_argument("--all", action="store_true")
    what.add_argument(
        "--resting", action="store_true", help="the matrix of an order that rests, and of its hedge: no page"
    )
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="with --all: write the page instead of comparing it"
    )
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    typed = parser.parse_args()
    if typed.cell:
        return show(typed.cell)
    if typed.resting:
        return 1 if any(result.wrong for result in run_all(typed.cores, resting_cells()).values()) else 0
    results = run_all(typed.cores, cells())
    page = document(results)
    if typed.write:
        typed.write.write_text(page, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != page:
        print("docs/endings.md is not what came of it: python -m tests.endings --all --write docs/endings.md")
        return 1
    return 1 if any(result.wrong for result in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
