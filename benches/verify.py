"""What `verify` takes: `python -m benches.verify [CYCLES]`, 1,000 by default, of which each has a certificate
with every raw message of the exchange.

The machine trades them on virtual time at a simulated exchange, over its own wire: the ledger, the CSV files
and the certificates are those of a run. Wall and processor time of the whole process are told.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import trio
from trio.testing import MockClock

from messages.settings import Settings
from messages.units import ONE, Ms, Quote
from tests.machine.bench import bench

CYCLES = 1_000
TIMES = 3
ROOT = Path(__file__).resolve().parent.parent


async def traded(folder: Path, cycles: int) -> None:
    """So many cycles, as fast as they go."""
    settings = Settings(target=Quote(100 * ONE), cycles=cycles, hold=Ms(200), pause=Ms(200))
    lots = Quote(10**6 * ONE)
    limits = msgspec.structs.replace(settings.limits, max_daily_loss=lots, max_drawdown=lots)
    async with bench(folder, msgspec.structs.replace(settings, limits=limits)) as ready:
        await ready.run(within_s=10 * cycles + 60)


def verify(folder: Path) -> tuple[float, float, str]:
    """Wall and processor seconds of one process, and its first lines."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "supervisor.py", "verify", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def main(cycles: int) -> None:
    """Make one ledger and verify it a few times."""
    with tempfile.TemporaryDirectory(prefix="bench-verify-") as place:
        trio.run(traded, Path(place), cycles, clock=MockClock(autojump_threshold=0))
        told = ""
        for _ in range(TIMES):
            wall, processor, told = verify(Path(place))
            print(f"{cycles:,} cycles: {wall:.2f} s, {processor:.2f} s of processor")
        print("\n".join(told.splitlines()[1:]))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CYCLES)
