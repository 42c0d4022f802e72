"""Measures Evenkeel, each bench alone by its name or all of them in turn.

    python -m benches                          all that are not marked "alone", a line a figure
    python -m benches tick --n 30              one of them, quickly
    python -m benches --list
    python -m benches --json                   one JSON object with the results of each
    python -m benches --record                 keeps them in benches/results/ and makes docs/performance.md
    python -m benches --page                   makes docs/performance.md from what is kept

What is published needs a machine that does nothing else: `load` is part of every result.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import msgspec

from benches.asked import Asked, N
from benches.figures import Results, keep, load, machine_line, table
from benches.page import write_page


class Bench(NamedTuple):
    """One bench of the table."""

    module: str
    """Has `measure(asked) -> Taken`, or what `function` says."""
    what: str
    function: str = "measure"


BENCHES = {
    "tick": Bench("benches.tick.bench", "a quote's bytes to two orders on their sockets, cold; leg skew"),
    "hops": Bench("benches.tick.bench", "where that time goes, hop by hop", "measure_hops"),
    "hedge": Bench(
        "benches.hedge.bench", "a fill's bytes to its hedge's, cold and hot, and where that time goes"
    ),
    "frames": Bench("benches.frames", "a plan to two signed frames, hot and cold; the SDK beside it"),
    "sizing": Bench("benches.sizing", "both legs' quantities, $1k to $1M; a Decimal loop beside it"),
    "page": Bench("benches.page_clients", "ticks while 50 browsers look, one of which never reads"),
    "flood": Bench("benches.flood_rates", "1 to 5,000 book messages a second: ages of books, cost"),
    "ledger": Bench("benches.ledger", "commits, opening, restarts with 1,000 to 1,000,000 rows"),
    "commands": Bench("benches.commands_cost", "processor time of --help, status --json, the first quote"),
    "idle": Bench("benches.idle", "epoll_wait calls a second while nothing happens"),
    "replay": Bench("benches.replay", "ticks a second of the whole machine over --market or --bars"),
}
ALONE = {
    "barrier": "python benches/barrier.py [CYCLES]      the decision to both orders, and without the barrier",
    "flood": "python -m benches.flood --rates 30000 --seconds 20 --above    beyond what can be read",
    "lattice": "python -m benches.lattice [SEED]        sizing alone, verdict and advice apart",
    "long_ledger": "python -m benches.long_ledger [ROWS]    all that a long ledger costs; 700 MB",
    "secp256k1": "python benches/secp256k1.py [ROUNDS]    two bindings of libsecp256k1",
    "verify": "python -m benches.verify [CYCLES]       recomputing so many cycles with their certificates",
    "soak": "python benches/soak.py --minutes 60     a long run against a venue with bad days",
}
"""With options of their own, run by these lines."""


def parsed(words: list[str]) -> argparse.Namespace:
    """The options. Ends the process with 2 for a name or an option that there is not."""
    parser = argparse.ArgumentParser(
        prog="python -m benches", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; all where none is named")
    parser.add_argument("--list", action="store_true", help="name them and end")
    parser.add_argument("--json", action="store_true", help="print results as one JSON object")
    parser.add_argument("--record", action="store_true", help="keep the results and make the page")
    parser.add_argument("--page", action="store_true", help="make the page from kept results and end")
    parser.add_argument("--n", type=int, default=N, help=f"values that a figure stands on ({N})")
    parser.add_argument("--rounds", type=int, default=3, help="blocks of each contestant, in turns (3)")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="how long a flood, and an idle run, is watched (10)"
    )
    parser.add_argument("--rows", type=numbers, default=Asked().rows, help="ledger sizes, with commas")
    parser.add_argument(
        "--rates", type=rates, default=Asked().rates, help="book messages a second, with commas"
    )
    parser.add_argument("--market", default="", metavar="PREFIX", help="a recording, for replay")
    parser.add_argument("--bars", default="", metavar="FILE", help="1-minute bars, for replay")
    parser.add_argument("--against", type=Path, help="another checkout, measured in turns with this one")
    parser.add_argument("--against-python", default=sys.executable, help="its interpreter")
    parser.add_argument(
        "--sdk-python", default=sys.executable, help="one that has nado-protocol and coincurve"
    )
    parser.add_argument("--nautilus-python", default=sys.executable, help="one that has nautilus_trader")
    typed = parser.parse_args(words)
    if unknown := [name for name in typed.names if name not in BENCHES]:
        cure = f"it is run by: {ALONE[unknown[0]]}" if unknown[0] in ALONE else "--list names them"
        parser.error(f"there is no bench {unknown[0]!r} here; {cure}")
    if typed.n < 1 or typed.rounds < 1 or typed.seconds < 1:
        parser.error("--n, --rounds and --seconds are at least 1")
    if typed.against is not None and not (typed.against / "supervisor.py").is_file():
        parser.error(f"--against {typed.against}: there is no supervisor.py in it; name a checkout")
    return typed


def numbers(text: str) -> tuple[int, ...]:
    """`1000,1000000`, each at least 1,000. Raises `ValueError`."""
    found = tuple(int(each) for each in text.split(","))
    if min(found) < 1_000:
        raise ValueError("a ledger of the table has at least 1,000 rows")
    return found


def rates(text: str) -> tuple[int, ...]:
    """`1,1000`, each at least 1. Raises `ValueError`."""
    found = tuple(int(each) for each in text.split(","))
    if min(found) < 1:
        raise ValueError("a rate is at least 1 message a second")
    return found


def command_of(name: str, asked: Asked) -> str:
    """How it was asked for, without the paths of this machine."""
    if name != "replay":
        return f"python -m benches {name} --n {asked.n}" + (" --against CHECKOUT" if asked.against else "")
    words = [f"--rounds {asked.rounds}"]
    words += [
        f"{flag} {Path(each).name}"
        for flag, each in (("--market", asked.market), ("--bars", asked.bars))
        if each
    ]
    return " ".join([f"python -m benches {name}", *words])


def run(name: str, asked: Asked, command: str) -> Results:
    """Measure one. Raises what the bench raises."""
    bench, before = BENCHES[name], load()
    taken = getattr(import_module(bench.module), bench.function)(asked)
    return Results(name, machine_line(before), command, taken.figures, taken.notes)


def main(words: list[str]) -> int:
    """The exit code: 0, or what an exception makes of it."""
    typed = parsed(words)
    if typed.list:
        print("\n".join(f"{name:<12} {bench.what}" for name, bench in BENCHES.items()))
        print("\n".join(["", "alone:", *(f"{name:<12} {line}" for name, line in ALONE.items())]))
        return 0
    if typed.page:
        print(write_page())
        return 0
    asked = Asked(
        n=typed.n,
        rounds=typed.rounds,
        against=typed.against,
        against_python=typed.against_python,
        sdk_python=typed.sdk_python,
        nautilus_python=typed.nautilus_python,
        rows=typed.rows,
        rates=typed.rates,
        seconds=typed.seconds,
        market=typed.market,
        bars=typed.bars,
    )
    found: dict[str, Results] = {}
    for name in typed.names or BENCHES:
        command = command_of(name, asked)
        found[name] = run(name, asked, command)
        if not typed.json:
            print("\n".join(table(found[name])), flush=True)
        # after each: what is measured is kept, whatever becomes of the next
        if typed.record and found[name].figures:
            keep(found[name])
            write_page()
    if typed.json:
        print(msgspec.json.encode(found).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
