"""`commands`: processor seconds of `--help`, of `status --json`, of a run until its first quote; and of
importing what stands beside it.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from actors.ledger.store import SCHEMA
from benches.asked import Asked, can_import
from benches.figures import ROOT, Taken
from benches.long_ledger import build, took
from benches.tick.block import HERE
from messages.lifecycle import Opened
from tests.actors.fakes import RULES
from tests.kills.venue import simulated
from venue.throwaway import THROWAWAY_SENDER

TIMES = 7
ROWS = 1_000
MARKET = "flat:2756.9/115.86"
IMPORTS = (
    ("import nado_protocol.client (the SDK)", "nado_protocol.client", "sdk_python"),
    ("import nautilus_trader.live.node", "nautilus_trader.live.node", "nautilus_python"),
)


def spent_s(command: Sequence[str], state: Path) -> float:
    """User and system time of one process and its children, once it has ended."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(state)}
    return took(
        lambda: subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    ).cpu


def measure(asked: Asked) -> Taken:
    """Each a few times, in turns."""
    taken, times = Taken(), min(TIMES, asked.n)
    with tempfile.TemporaryDirectory(prefix="bench-commands-") as place:
        folder = Path(place)
        ours = Opened(SCHEMA, RULES.venue, RULES.chain_id, THROWAWAY_SENDER)
        build(folder / "logs" / "ledger.sqlite", ROWS, ROWS // 50, ours)
        nowhere = ("--url", "http://127.0.0.1:1", "--logs", str(folder / "logs"))
        work = {
            "--help": [sys.executable, "supervisor.py", "--help"],
            "status --json": [sys.executable, "supervisor.py", "status", "--json", *nowhere],
        }
        for name, module, which in IMPORTS:
            python = getattr(asked, which)
            if can_import(python, module.partition(".")[0]):
                work[name] = [python, "-W", "ignore", "-c", f"import {module}"]
            else:
                taken.notes.append(f"{name}: not installed")
        found: dict[str, list[float]] = {name: [] for name in work}
        for _ in range(times):
            for name, command in work.items():
                found[name].append(spent_s(command, folder / "state"))
        for name, values in found.items():
            taken.add(name, "processor time", "s", values)
        with simulated(folder, MARKET, 7) as url:
            quotes = [first_quote_s(folder / f"first-{number}", url) for number in range(min(5, times))]
        taken.add("run, until its first quote", "processor time", "s", quotes)
    return taken


def first_quote_s(folder: Path, url: str) -> float:
    """Processor seconds of a run's process at its first quote. Raises `RuntimeError` where none came."""
    folder.mkdir()
    client = [sys.executable, str(HERE / "client.py"), str(ROOT), str(folder / "tap")]
    words = ("run", "--url", url, "--logs", str(folder / "logs"), "--cycles", "1", "--hold", "0 s", "--quiet")
    spent_s([*client, "--first-quote", str(folder / "quote"), "--", *words], folder / "state")
    if not (folder / "quote").exists():
        raise RuntimeError("the run ended before its first quote")
    return float((folder / "quote").read_text())
