"""`python -m tests.fuzz --inputs 1000000 --seed 1`: so many inputs against the decoders, spread evenly over
all targets.

With `--wire` against what is below them: handshakes, frames, HTTP (`tests/fuzz/wire`). Ends with the numbers
of a clean run, or with the first find and the command that repeats it; `--keep-going` collects all finds of
`--wire`, by kind.
"""

import argparse
import sys

from runtime.clock import stopwatch_ns
from tests.fuzz.run import Found, against, share
from tests.fuzz.targets import targets


def main() -> int:
    """0 when nothing was found, 1 with the find."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=100_000, help="how many, over all targets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="one target by name")
    parser.add_argument("--from", dest="first", type=int, default=0, help="number of the first input")
    parser.add_argument(
        "--wire",
        action="store_true",
        help="bytes against the connections instead of texts against the decoders",
    )
    parser.add_argument(
        "--keep-going", action="store_true", help="with --wire: go on after a find, and list one of each kind"
    )
    typed = parser.parse_args()
    if typed.wire:
        return wire(typed)
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
    print(
        f"{typed.inputs:,} inputs, seed {typed.seed}, {(stopwatch_ns() - began) / 1e9:.1f} s: no crash, no"
        " wrong number"
    )
    return 0


def wire(typed: argparse.Namespace) -> int:
    """`--wire`."""
    from tests.fuzz.wire import run
    from tests.fuzz.wire.targets import TARGETS

    began = stopwatch_ns()
    try:
        finds = run.wire_against(
            typed.inputs, typed.seed, only=typed.only, first=typed.first, keep_going=typed.keep_going
        )
    except Found as find:
        print(find, file=sys.stderr)
        return 1
    for target in TARGETS:
        reached = target.reached
        print(
            f"{target.name:<20} {reached.inputs:>9,} inputs {reached.accepted:>9,} accepted"
            f" {reached.message:>9,} read {reached.decoded:>9,} decoded"
        )
    for kind, count in finds.count.most_common():
        print(f"{count:>9,} x {kind}\n            {str(finds.first[kind]).splitlines()[-1]}", file=sys.stderr)
    seconds = (stopwatch_ns() - began) / 1e9
    ended = (
        f"{sum(finds.count.values()):,} finds of {len(finds.count)} kinds"
        if finds.count
        else "usable or a VenueError, every one"
    )
    print(f"{typed.inputs:,} inputs, seed {typed.seed}, {seconds:.1f} s: {ended}")
    return 1 if finds.count else 0


if __name__ == "__main__":
    sys.exit(main())
