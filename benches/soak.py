"""A long run against a venue with bad days, in real time: cycles, reconnects, restarts, fill rate, imbalance,
and memory at start and end.

    python benches/soak.py --minutes 60

The venue refuses, loses, doubles and delays, cuts sockets and asks for patience, by a seed. What halts a run
by intention (rates, drawdown, the legging budgets) is opened wide, because the soak is about what a long time
does. Memory is the resident set of the run's process, from /proc.
"""

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUPERVISOR = ROOT / "supervisor.py"
SAMPLE_S = 15.0
SETTLE_S = 120.0
"""Memory at the start is taken when caches and queues have been used once."""

FAULTS = """
seed = {seed}
[[reply]]
request = "place_order"
one_in = 60
how = "lose"
[[reply]]
one_in = 200
how = "delay"
delay_ms = 300
[[event]]
stream = "fill"
one_in = 25
how = "drop"
[[event]]
stream = "fill"
one_in = 25
how = "duplicate"
[[event]]
stream = "order_update"
one_in = 25
how = "reorder"
[[event]]
stream = "book_depth"
one_in = 400
how = "drop"
[[event]]
stream = "book_depth"
one_in = 2500
how = "cut"
[[event]]
stream = "fill"
one_in = 90
how = "cut"
"""

OPEN_WIDE = (
    "limits.max_daily_loss=1000000 USD",
    "limits.max_drawdown=1000000 USD",
    "limits.max_failed_cycles=1000",
    "limits.min_fill_rate=0 %",
    "limits.min_cycle_success=0 %",
    "legging_known=600 s",
    "legging_unknown=600 s",
    "pause=200 ms",
)


def resident_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def started(*words: str, **streams: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, str(SUPERVISOR), *words], text=True, **streams)  # type: ignore[call-overload,no-any-return]


def soak(minutes: float, seed: int, market: str, folder: Path) -> int:
    faults = folder / "faults.toml"
    faults.write_text(FAULTS.format(seed=seed))
    served = (
        "--port",
        "0",
        "--seed",
        str(seed),
        "--market",
        market,
        "--faults",
        str(faults),
        "--until-stdin-closes",
    )
    venue = started("simulate", *served, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert venue.stdout is not None
    assert venue.stdin is not None
    url = venue.stdout.readline().strip()
    keys = [part for key in OPEN_WIDE for part in ("--set", key)]
    traded = (
        "--url",
        url,
        "--logs",
        str(folder / "logs"),
        "--cycles",
        "forever",
        "--hold",
        "1 s",
        "--json",
        "--quiet",
    )
    run = started("run", *traded, *keys, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    began = time.monotonic()
    memory: list[tuple[float, int]] = []
    while time.monotonic() - began < minutes * 60 and run.poll() is None:
        time.sleep(SAMPLE_S)
        if run.poll() is None:
            memory.append((time.monotonic() - began, resident_kb(run.pid)))
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=60)
    venue.stdin.close()
    venue.wait(timeout=10)
    report(json.loads(output.splitlines()[-1]), memory, folder, run.returncode)
    return 0 if run.returncode in {0, 130} else 1


def report(ended: dict[str, object], memory: list[tuple[float, int]], folder: Path, code: int) -> None:
    log = Counter(
        words(line) for line in (folder / "logs" / "evenkeel.log").read_text(errors="replace").splitlines()
    )
    early = [kb for at_s, kb in memory if at_s >= SETTLE_S][:4] or [kb for _, kb in memory[:1]]
    late = [kb for _, kb in memory[-4:]]
    wanted = (
        "ended_by",
        "cycles",
        "completed",
        "skipped",
        "failed",
        "fill_rate",
        "filled_imbalance_max_bps",
        "filled_imbalance_median_bps",
    )
    for key in (
        *wanted,
        "orders_sent",
        "orders_resolved",
        "restarts",
        "unhedged_usd_s",
        "open_eth",
        "open_sol",
        "pnl_usd",
        "elapsed_ms",
    ):
        print(f"{key:30} {ended.get(key)}")
    print(f"{'exit code':30} {code}")
    print(f"{'connections lost, as logged':30} {log['lost']}")
    print(f"{'orders found out by RESOLVE':30} {log['resolved']}")
    if early and late:
        figures = (statistics.median(early), statistics.median(late), max(kb for _, kb in memory))
        print(f"{'memory, MB: start, end, most':30} {' '.join(f'{kb / 1024:.1f}' for kb in figures)}")
        tenths = [memory[len(memory) * part // 10][1] for part in range(10)]
        print(f"{'memory, MB: every tenth':30} {' '.join(f'{kb / 1024:.1f}' for kb in tenths)}")
        print("the ledger remembers its last 4,096 orders, so memory may grow for the first 1,024 cycles")


def words(line: str) -> str:
    if "connection" in line and ("lost" in line or "no connection" in line):
        return "lost"
    return "resolved" if " resolved:" in line else ""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--market", default="synthetic")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        return soak(options.minutes, options.seed, options.market, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
