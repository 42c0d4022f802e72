"""`ledger`: what a ledger costs as it grows: the commit of one intent, opening and folding, a restart of the
actor in mid-trade, the `status` process. Commits are wall time; the others processor time, children included,
because the rest is the disk's and the machine's mood.

`python -m benches.long_ledger` says more about the largest one.
"""

import tempfile
import time
from contextlib import closing
from pathlib import Path

import trio

from actors.ledger import Store, folded
from actors.ledger.store import SCHEMA
from benches.asked import Asked
from benches.figures import Taken
from benches.long_ledger import CYCLES, build, cold, restarted, status, told, took
from messages.lifecycle import Opened
from messages.sizing import Sealed
from tests.actors.fakes import RULES
from venue.throwaway import THROWAWAY_SENDER

ROWS_A_CYCLE = 50
"""A ledger of few rows remembers as many cycles as could have written it, or a little fewer."""
TIMES = 3
NS_PER_MS = 1_000_000


def measure(asked: Asked) -> Taken:
    """Every size of `asked.rows`."""
    taken = Taken()
    ours = Opened(SCHEMA, RULES.venue, RULES.chain_id, THROWAWAY_SENDER)
    for rows in asked.rows:
        with tempfile.TemporaryDirectory(prefix="bench-ledger-") as place:
            path = Path(place) / "ledger.sqlite"
            build(path, rows, min(CYCLES, rows // ROWS_A_CYCLE), ours)
            _sized(taken, path, ours, f"{rows:,} rows", min(TIMES, asked.n))
            _commits(taken, path, ours, f"{rows:,} rows", asked.n)
    return taken


def _sized(taken: Taken, path: Path, ours: Opened, size: str, times: int) -> None:
    opened, stated = [], []
    for _ in range(times):
        cold(path)
        opened.append(took(lambda: folded(path)).cpu * 1000)
        stated.append(status(path.parent).cpu * 1000)
    # once: a restart writes a snapshot, after which there is less to read
    renewed = [trio.run(restarted, path, ours)[0].cpu * 1000]
    taken.add("open and fold", "processor time", "ms", opened, size=size)
    taken.add("restart in mid-trade, until it says what is held", "processor time", "ms", renewed, size=size)
    taken.add("status, the process", "processor time", "ms", stated, size=size)


def _commits(taken: Taken, path: Path, ours: Opened, size: str, times: int) -> None:
    intent = next(message for _, message in told(1).rows if isinstance(message, Sealed))
    for sync in ("normal", "full"):
        found = []
        with closing(Store.open(path, ours, sync)) as store:
            at_ns = store.last_ns()
            for _ in range(times):
                at_ns += NS_PER_MS
                began = time.perf_counter_ns()
                store.append_all([(at_ns, intent)])
                found.append((time.perf_counter_ns() - began) / 1000)
        taken.add(f"commit of one intent, {sync}", "wall time", "us", found, mode="hot", size=size)
