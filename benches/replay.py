"""How fast a market is replayed by the whole machine, in real and in processor seconds, and with how much
memory. Each round is a process of its own.

    python -m benches.replay --market data/hyperliquid_20250904
    python -m benches.replay --bars data/binance_1m.csv.gz --rounds 1

A tick is a row of a recording (a quote, a book, a trade), or one book's change made of bars. Processor
seconds are the process's own, imports included: on a machine that does other things, real ones say little.
What is replayed holds each pair for `--hold` and halts for no loss.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMITS = ("limits.max_daily_loss=1000000000 USD", "limits.max_drawdown=1000000000 USD")


def replayed(words: list[str]) -> str:
    """One round, as a line."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ran = subprocess.run(
        [sys.executable, str(ROOT / "supervisor.py"), "replay", "--json", "--quiet", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    wall_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    busy_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told = json.loads(ran.stdout.splitlines()[-1])
    ticks, cycles = told["ticks"], told["completed"]
    return (
        f"{ticks:,} ticks, {cycles} cycles, {told['elapsed_ms'] / 60_000:,.1f} min of market:"
        f" {wall_s:.1f} s, {ticks / wall_s:,.0f} ticks/s; processor {busy_s:.1f} s,"
        f" {ticks / busy_s:,.0f} ticks/s, {1000 * busy_s / max(1, cycles):.1f} ms a cycle;"
        f" at most {after.ru_maxrss / 1024:.0f} MB"
    )


def main(words: list[str]) -> None:
    """Print a line for each round."""
    parser = argparse.ArgumentParser(prog="python -m benches.replay", description=__doc__.splitlines()[0])
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--market", help="a recording's prefix")
    which.add_argument("--bars", help="a file of 1-minute bars")
    parser.add_argument("--hold", default="10 s", help="how long each pair is held (10 s)")
    parser.add_argument("--pause", default="500 ms", help="how long after it (500 ms)")
    parser.add_argument("--rounds", type=int, default=3, help="how often (3)")
    asked = parser.parse_args(words)
    market = ["--bars", asked.bars] if asked.bars else ["--market", asked.market]
    options = ["--hold", asked.hold, "--set", f"pause={asked.pause}", "--deposit", "1000000 USD"]
    options += [word for limit in LIMITS for word in ("--set", limit)]
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    for _ in range(asked.rounds):
        print(replayed([*market, *options]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
