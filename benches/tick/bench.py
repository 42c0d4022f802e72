"""`tick`: how long from a quote's bytes to both orders, of this checkout, of another one, and of what stands
beside it; and `hops`: where that time goes.
"""

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benches.asked import Asked, can_import
from benches.figures import Taken, commit_of
from benches.tick.block import PERIOD_MS, WARM_UP, Block, Contestant, evenkeel, nautilus_node, sdk_script
from benches.tick.hops import hop_times

TICK, SKEW, CYCLE_END = "tick to two orders", "leg skew", "plan closed to cycle ended"
NORMAL, FULL, FSYNC = "Evenkeel, ledger normal", "Evenkeel, ledger full", "fdatasync of 4 KiB, same disk"
SDK, NAUTILUS = "SDK script", "nautilus_trader"
HOPS_TOTAL = f"{TICK}, with every hop timed"
COLD = "cold"
PAGE = os.urandom(4096)
FSYNC_PAUSE_S = 0.02


def measure(asked: Asked) -> Taken:
    """Blocks of every contestant in turns, `asked.rounds` times. Raises `BlockFailed`."""
    taken = Taken()
    contestants = _contestants(asked, taken)
    each = -(-asked.n // asked.rounds) + WARM_UP
    blocks: dict[str, list[Block]] = {name: [] for name in contestants}
    fsyncs: list[float] = []
    for _ in range(asked.rounds):
        for name, work in contestants.items():
            blocks[name].append(work(each))
            if name == FULL:
                fsyncs += fsync_us(each)
    for name, seen in blocks.items():
        entries = [entry for block in seen for entry in block.entries]
        taken.add(name, TICK, "us", [entry.tick_us for entry in entries], mode=COLD)
        taken.add(name, SKEW, "us", [entry.skew_us for entry in entries], mode=COLD)
        if ends := [end for block in seen for end in block.cycle_end_us]:
            taken.add(name, CYCLE_END, "us", ends)
        if missed := sum(block.missed for block in seen):
            taken.notes.append(f"{name}: {missed} times nothing was sent while an entry was possible")
    taken.add(FSYNC, "commit", "us", fsyncs, mode=COLD)
    taken.notes.append(
        f"cold: one entry every {PERIOD_MS} ms; {asked.rounds} blocks of each contestant, in turns; the first"
        f" {WARM_UP} entries of a block do not count; no entry is left out for having taken long"
    )
    return taken


def _contestants(asked: Asked, taken: Taken) -> dict[str, Callable[[int], Block]]:
    found: dict[str, Callable[[int], Block]] = {
        NORMAL: partial(evenkeel, Contestant()),
        FULL: partial(evenkeel, Contestant(sync="full")),
    }
    if asked.against is not None:
        other = asked.against.resolve()
        name = f"checkout {commit_of(other)}, ledger normal"
        found[name] = partial(evenkeel, Contestant(other, asked.against_python))
    if can_import(asked.sdk_python, "nado_protocol") and can_import(asked.sdk_python, "coincurve"):
        found[SDK] = partial(sdk_script, asked.sdk_python)
    else:
        taken.notes.append(f"{SDK}: not installed; pip install -c constraints.txt -e '.[test]'")
    if can_import(asked.nautilus_python, "nautilus_trader"):
        found[NAUTILUS] = partial(nautilus_node, asked.nautilus_python)
    else:
        taken.notes.append(f"{NAUTILUS}: not installed; pip install -c constraints.txt -e '.[peers]'")
    return found


def fsync_us(count: int) -> list[float]:
    """Microseconds of one page appended and synced, `count` times, at the disk where the ledgers were."""
    found = []
    with tempfile.TemporaryDirectory(prefix="bench-fsync-") as folder:
        descriptor = os.open(Path(folder) / "file", os.O_CREAT | os.O_WRONLY)
        try:
            for _ in range(count):
                time.sleep(FSYNC_PAUSE_S)
                began = time.perf_counter_ns()
                os.write(descriptor, PAGE)
                os.fdatasync(descriptor)
                found.append((time.perf_counter_ns() - began) / 1000)
        finally:
            os.close(descriptor)
    return found


def measure_hops(asked: Asked) -> Taken:
    """One block with the seams timed. Raises `BlockFailed`."""
    taken = Taken()
    block = evenkeel(Contestant(), asked.n + WARM_UP, seams=True)
    times = hop_times(block.entries, block.seams)
    for name, values in times.hops.items():
        taken.add(name, "hop", "us", values, mode=COLD)
    for name, values in times.parts.items():
        taken.add(name, "part", "us", values, mode=COLD)
    for name, values in times.counts.items():
        taken.add(name, "count", "", values, mode=COLD)
    taken.add(NORMAL, HOPS_TOTAL, "us", [e.tick_us for e in block.entries], mode=COLD)
    if times.unfollowed:
        reasons = ", ".join(sorted(set(times.unfollowed)))
        taken.notes.append(f"{len(times.unfollowed)} entries could not be followed: {reasons}")
    return taken
