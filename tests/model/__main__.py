"""The full bound by one command: `python -m tests.model --crashes 2 --losses 1 --plans 2`; that of orders
that rest by another: `python -m tests.model --quotes 2 --crashes 1 --losses 0`. `--mutant NAME` and
`--mutants` show broken variants.
"""

import argparse
import resource
import sys

from messages.units import Rate
from tests.model.mutants import MUTANTS, table
from tests.model.quotes import moves
from tests.model.quotes.rules import SOUND as RESTING_SOUND
from tests.model.real import hedge_at
from tests.model.rules import SOUND
from tests.model.search import SearchResult, search
from tests.model.state import LEGS
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
        "--quotes",
        type=int,
        default=0,
        help="the model of orders that rest, with so many quotes; without it, the barrier's",
    )
    parser.add_argument(
        "--quote-leg", default="eth", choices=LEGS, help="which leg rests: two lots of ETH, or three of SOL"
    )
    parser.add_argument(
        "--lean", action="store_true", help="a quote's fills may be hedged by a quote as well"
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
    bounds = {"crashes": asked.crashes, "losses": asked.losses}
    if asked.quotes:
        found = moves.search_resting(
            RESTING_SOUND._replace(quote_leg=asked.quote_leg, lean=asked.lean), quotes=asked.quotes, **bounds
        )
    else:
        found = search(SOUND._replace(plans=asked.plans), **bounds)
    print(_told(found))
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")
    print("no violation" if not found.name else "VIOLATION")
    return bool(found.name)


def _told(found: SearchResult) -> str:
    return f"{found.summary}\n{found.story()}" if found.name else found.summary


if __name__ == "__main__":
    sys.exit(main())
