"""The full bound by one command: `python -m tests.model --crashes 2 --losses 1 --plans 2`."""

import argparse
import resource
import sys

from tests.model.rules import SOUND
from tests.model.search import search


def main() -> int:
    """Search, print what was explored, and the shortest trace to a violation if there is one."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description="Every interleaving of the barrier within these bounds.")
    for name, default in (("crashes", 2), ("losses", 1), ("plans", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    bounds = parser.parse_args()
    found = search(SOUND._replace(plans=bounds.plans), crashes=bounds.crashes, losses=bounds.losses)
    print(found.summary)  # noqa: T201 - a command prints
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")  # noqa: T201 - same
    if found.name:
        print(found.story())  # noqa: T201 - same
    return 1 if found.name else 0


if __name__ == "__main__":
    sys.exit(main())
