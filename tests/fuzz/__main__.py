"""`python -m tests.fuzz --inputs 1000000 --seed 1`: so many inputs against the decoders, spread evenly over all targets.

Ends with the numbers of a clean run, or with the first find and the command that repeats it.
"""

import argparse
import sys

from actors.runtime.clock import stopwatch_ns
from tests.fuzz.run import Found, against, share
from tests.fuzz.targets import targets


def main() -> int:
    """0 when nothing was found, 1 with the find."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000, help="how many, over all targets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="one target by name")
    parser.add_argument("--from", dest="first", type=int, default=0, help="number of the first input")
    typed = parser.parse_args()
    every = [target for target in targets(typed.seed) if typed.only in {None, target.name}]
    began = stopwatch_ns()
    for index, target in enumerate(every):
        inputs = share(typed.inputs, len(every), index)
        try:
            accepted = against(target, typed.seed, range(typed.first, typed.first + inputs))
        except Found as find:
            print(find, file=sys.stderr)
            return 1
        print(f"{target.name:<20} {inputs:>9,} inputs  {accepted:>9,} accepted and equal to the text")
    print(f"{typed.inputs:,} inputs, seed {typed.seed}, {(stopwatch_ns() - began) / 1e9:.1f} s: no crash, no wrong number")
    return 0


if __name__ == "__main__":
    sys.exit(main())
