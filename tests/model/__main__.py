"""The full bound by one command: `python -m tests.model --crashes 2 --losses 1 --plans 2`. `--mutant NAME`
and `--mutants` show broken variants.
"""

import argparse
import resource
import sys

from messages.units import Rate
from tests.model.mutants import MUTANTS, table
from tests.model.real import hedge_at
from tests.model.rules import SOUND
from tests.model.search import SearchResult, search
from tests.model.table import markdown


def main() -> int:
    """Search, print what was explored, and the shortest trace to a violation if there is one. 1 = a
    violation, or a mutant that none catches.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.model", description="Every interleaving of the barrier within these bounds."
    )
    parser.add_argument("--crashes", type=int, default=2, help="how often a leg, the ledger or sizing dies")
    parser.add_argument(
        "--losses", type=int, default=1, help="how many messages are lost, changed, doubled or late"
    )
    parser.add_argument(
        "--plans", type=int, default=2, help="how many plans are placed; aborted ones do not count"
    )
    parser.add_argument(
        "--hedge-ratio",
        default="1",
        help="of every plan, pair and configuration; the same states are reached",
    )
    parser.add_argument(
        "--mutant",
        choices=sorted(MUTANTS),
        help="search this broken variant, in its own bound, and print the trace",
    )
    parser.add_argument("--mutants", action="store_true", help="search all broken variants")
    parser.add_argument(
        "--table", action="store_true", help="print the rows of the barrier's table that were seen at work"
    )
    asked = parser.parse_args()
    hedge_at(Rate.of(asked.hedge_ratio))
    if asked.table:
        print(markdown())
        return 0
    if asked.mutants:
        words = table()
        print(words)
        return "NOT CAUGHT" in words
    if asked.mutant:
        print(MUTANTS[asked.mutant].says)
        found = MUTANTS[asked.mutant].search()
        print(_told(found))
        return not found.name
    found = search(SOUND._replace(plans=asked.plans), crashes=asked.crashes, losses=asked.losses)
    print(_told(found))
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")
    print("no violation" if not found.name else "VIOLATION")
    return bool(found.name)


def _told(found: SearchResult) -> str:
    return f"{found.summary}\n{found.story()}" if found.name else found.summary


if __name__ == "__main__":
    sys.exit(main())
