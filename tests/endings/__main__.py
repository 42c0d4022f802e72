"""The matrix's command line: see the package's docstring."""

import argparse
import os
import sys
import time

from tests.endings.cells import cell_of, cells, sample
from tests.endings.one import one
from tests.endings.runs import every


def main() -> int:
    """Parse and go."""
    parser = argparse.ArgumentParser(prog="python -m tests.endings")
    parser.add_argument("--cell", type=cell_of)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--sample", action="store_true")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    typed = parser.parse_args()
    if typed.cell:
        result = one(typed.cell, told=True)
        print("\n".join(result.said))
        print(result.kind, result.wrong or "nothing is wrong", result.worst / 1e18, result.usd_s / 1e18, result.budget / 1e18)
        return 1 if result.wrong else 0
    began = time.monotonic()
    results = every(typed.cores, list(cells() if typed.all else sample()))
    print(len(results), sum(bool(r.wrong) for r in results.values()), time.monotonic() - began)
    return 0


if __name__ == "__main__":
    sys.exit(main())
