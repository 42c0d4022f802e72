"""How fast a market is replayed by the whole machine, in real and in processor seconds, and with how much
memory; nautilus_trader's backtest of the same recording and the same job beside it. Each round is a process
of its own, and contestants take turns.

    python -m benches replay --market data/evening --bars data/ten_days.csv.gz --nautilus-python PYTHON

A tick is a row of a recording (a quote, a book, a trade), or one book's change made of bars. Processor
seconds are the process's own, imports included: on a machine that does other things, real ones say little.
Each pair of a recording is held for 10 s and followed by 500 ms of pause, of bars for 30 s and 22 s, which
comes to about a cycle a minute; nothing halts for a loss.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence

import msgspec

from benches.asked import Asked, can_import
from benches.figures import ROOT, Taken

LIMITS = ("limits.max_daily_loss=1000000000 USD", "limits.max_drawdown=1000000000 USD")
RECORDING, BARS, NAUTILUS = "Evenkeel, a recording", "Evenkeel, bars", "nautilus_trader, the recording"
TICKS_BUSY, TICKS = "ticks a processor second", "ticks a second"
BUSY, WALL, CYCLES = "processor time", "wall time", "cycles"
A_CYCLE, MEMORY, SPAN = "processor time a cycle", "memory at most", "of market"
HOLD_S, PAUSE_S = 10.0, 0.5
"""Of a recording; nautilus_trader is given the same."""


class Replayed(msgspec.Struct, frozen=True):
    """One process's round."""

    ticks: int
    cycles: int
    busy_s: float
    wall_s: float
    memory_mb: float
    market_min: float = 0.0
    run_busy_s: float | None = None
    """Without imports and without reading the rows, where that is known."""


def measure(asked: Asked) -> Taken:
    """Nothing where no market was named: recordings are no part of the project."""
    taken = Taken()
    if not (asked.market or asked.bars):
        taken.notes.append("replay: not measured, name a recording with --market PREFIX or --bars FILE")
        return taken
    recorded: list[Replayed] = []
    beside: list[Replayed] = []
    has_nautilus = asked.market and can_import(asked.nautilus_python, "nautilus_trader")
    for _ in range(asked.rounds if asked.market else 0):
        recorded.append(replayed("--market", asked.market, f"{HOLD_S:g} s", f"{PAUSE_S:g} s"))
        if has_nautilus:
            beside.append(backtest(asked))
    add(taken, RECORDING, recorded)
    add(taken, NAUTILUS, beside)
    if asked.market and not has_nautilus:
        taken.notes.append(f"{NAUTILUS}: not installed, name one that has it with --nautilus-python")
    if asked.bars:  # once: ten days take minutes
        add(taken, BARS, [replayed("--bars", asked.bars, "30 s", "22 s")])
    return taken


def add(taken: Taken, case: str, rounds: Sequence[Replayed]) -> None:
    """The figures of one contestant's rounds."""
    if not rounds:
        return
    taken.add(case, TICKS_BUSY, "", [each.ticks / each.busy_s for each in rounds])
    taken.add(case, TICKS, "", [each.ticks / each.wall_s for each in rounds])
    taken.add(case, BUSY, "s", [each.busy_s for each in rounds])
    taken.add(case, WALL, "s", [each.wall_s for each in rounds])
    taken.add(case, CYCLES, "", [float(each.cycles) for each in rounds])
    taken.add(case, A_CYCLE, "ms", [1000 * each.busy_s / max(1, each.cycles) for each in rounds])
    taken.add(case, MEMORY, "MB", [each.memory_mb for each in rounds])
    if rounds[0].market_min:
        taken.add(case, SPAN, "min", [each.market_min for each in rounds])
    alone = [each.ticks / each.run_busy_s for each in rounds if each.run_busy_s]
    if alone:
        taken.add(case, f"{TICKS_BUSY}, its run alone", "", alone)


def replayed(flag: str, market: str, hold: str, pause: str) -> Replayed:
    """One round of `replay`."""
    words = [flag, market, "--hold", hold, "--set", f"pause={pause}", "--deposit", "1000000 USD"]
    words += [word for limit in LIMITS for word in ("--set", limit)]
    round_, told = timed([sys.executable, str(ROOT / "supervisor.py"), "replay", "--json", "--quiet", *words])
    return msgspec.structs.replace(
        round_, ticks=told["ticks"], cycles=told["completed"], market_min=told["elapsed_ms"] / 60_000
    )


def backtest(asked: Asked) -> Replayed:
    """One round of nautilus_trader's."""
    script = str(ROOT / "benches" / "peers" / "nautilus_backtest.py")
    round_, told = timed([asked.nautilus_python, script, asked.market, str(HOLD_S), str(PAUSE_S)])
    return msgspec.structs.replace(
        round_, ticks=told["ticks"], cycles=told["cycles"], run_busy_s=told["run_busy_s"]
    )


def timed(words: list[str]) -> tuple[Replayed, dict[str, int]]:
    """Run it to its end: what it took, and the object in its last line. Raises `CalledProcessError`."""
    began = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    lines = process.stdout.read().splitlines()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words)
    wall_s, busy_s = time.perf_counter() - began, used.ru_utime + used.ru_stime
    return Replayed(0, 0, busy_s, wall_s, _megabytes(used)), json.loads(lines[-1])


def _megabytes(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / 1024
