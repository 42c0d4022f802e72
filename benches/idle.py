"""`idle`: how often a run's process wakes up while it holds a pair and nothing happens: `epoll_wait` calls a
second, by Trio's own instrument (it makes one a turn).
"""

import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from benches.asked import Asked
from benches.figures import Taken, commit_of
from benches.tick.block import HERE, BlockFailed, Contestant
from tests.kills.venue import simulated

MARKET = "flat:2756.9/115.86"
SETTLE_S = 6.0
"""After the entry, before counting begins."""
START_S = 30.0
WHAT = "epoll_wait calls a second"


def measure(asked: Asked) -> Taken:
    """This checkout, and the one beside it."""
    taken = Taken()
    contestants = {"Evenkeel": Contestant()}
    if asked.against is not None:
        other = asked.against.resolve()
        contestants[f"checkout {commit_of(other)}"] = Contestant(other, asked.against_python)
    for name, who in contestants.items():
        taken.add(f"{name}, holding a pair in a motionless market", WHAT, "/s", counted(who, asked.seconds))
    taken.notes.append("one value for each second watched; the guard's process is not counted")
    return taken


def counted(who: Contestant, seconds: float) -> list[float]:
    """Calls in each second. Raises `BlockFailed` where no pair was held."""
    with tempfile.TemporaryDirectory(prefix="bench-idle-") as place, simulated(Path(place), MARKET, 7) as url:
        folder = Path(place)
        log, waits = folder / "logs" / "evenkeel.log", folder / "waits"
        client = [who.python, str(HERE / "client.py"), str(who.checkout), str(folder / "tap")]
        words = (
            "run",
            "--url",
            url,
            "--logs",
            str(folder / "logs"),
            "--cycles",
            "1",
            "--hold",
            "1 h",
            "--quiet",
        )
        run = subprocess.Popen(
            [*client, "--waits", str(waits), "--", *words],
            cwd=who.checkout,
            env=os.environ | {"PYTHONPATH": str(who.checkout), "XDG_STATE_HOME": str(folder / "state")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until = time.monotonic() + START_S
            while not (log.exists() and "ledger fill" in log.read_text(errors="replace")):
                if run.poll() is not None or time.monotonic() > until:
                    raise BlockFailed(f"no pair was held after {START_S:g} s")
                time.sleep(0.05)
            time.sleep(SETTLE_S)
            began_ns = time.perf_counter_ns()
            time.sleep(seconds)
            run.send_signal(signal.SIGINT)
            run.wait(START_S)
        finally:
            if run.poll() is None:
                run.kill()
                run.wait()
        times = [(at_ns - began_ns) // 10**9 for at_ns in json.loads(waits.read_text())]
        return [float(times.count(second)) for second in range(int(seconds))]
