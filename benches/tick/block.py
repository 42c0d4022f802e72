"""One block: one contestant trading at an exchange of its own for some cycles, and what its tap has seen."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benches.figures import ROOT
from benches.tick import reading
from benches.tick.tap import Call
from venue.throwaway import THROWAWAY_KEY

HERE = Path(__file__).resolve().parent
PEERS = HERE.parent / "peers"
PERIOD_MS = 480
WARM_UP = 5
"""Entries at the start of a block that do not count: every cache is filled by then."""
START_S = 30.0
WAIT_S = 60.0
SETTINGS = (
    # a cycle ends about when the spread is wide again, and long before it is narrow again
    "hold=100 ms",
    "pause=0 s",
    "direction=long-eth",
    # what halts or pauses a run by its own statistics is opened wide; every check on orders stays
    "limits.max_daily_loss=1000000 USD",
    "limits.max_drawdown=1000000 USD",
    "limits.max_failed_cycles=1000",
    "limits.min_fill_rate=0 %",
    "limits.min_cycle_success=0 %",
    "legging_known=600 s",
    "legging_unknown=600 s",
    "max_quote_age=1 s",
)


class Contestant(NamedTuple):
    """A checkout of Evenkeel, with the interpreter that has what it imports."""

    checkout: Path = ROOT
    python: str = sys.executable
    sync: str = "normal"


class Block(NamedTuple):
    """What one block has shown."""

    entries: list[reading.Entry]
    """Warm."""
    missed: int
    cycle_end_us: list[float]
    """From the row that says that the exit's plan is closed to the row that ends its cycle, by the ledger."""
    calls: list[Call]
    seams: list[Any]


class Served(NamedTuple):
    """Where the exchange is, and what a client must know that cannot ask."""

    url: str
    gate: reading.Gate
    sol_id: int
    chain_id: int


@contextmanager
def on_core(index: int) -> Iterator[None]:
    """What is started in here runs, with all that it starts, on the first core (0) or on the last one (-1)
    only, where there are two and the system can be told so.

    An exchange is another machine. Where a kernel lets it share a core with the client, every send of either
    wakes the other one on its own core, and a millisecond of the exchange's work is taken for the client's.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(before)[index]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class BlockFailed(Exception):
    """A contestant did not do the work that was to be measured; its own words."""


GATED = HERE / "gated_exchange.py", str(PERIOD_MS)


@contextmanager
def exchange(script: Path = GATED[0], *words: str) -> Iterator[Served]:
    """An exchange in a process of its own, of this checkout: a gated one, unless another `script` is named.
    It has ended, and written what it writes, when the context has.
    """
    command = [sys.executable, str(script), *(words or GATED[1:])]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with on_core(-1):
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        facts = json.loads(process.stdout.readline())
        gate = reading.Gate(facts["eth"], facts["narrow_ask"])
        yield Served(facts["url"], gate, facts["sol"], facts["chain"])
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Job(NamedTuple):
    """What one run is to do."""

    cycles: int
    within_s: float
    """Beside what a start takes."""
    settings: Sequence[str] = SETTINGS


def evenkeel(who: Contestant, cycles: int, *, seams: bool = False, page: Path | None = None) -> Block:
    """Trade `cycles` cycles. Raises `BlockFailed` unless every one was entered and exited: a run that is
    faster because it refuses is not faster.

    `page`: with a page, and with the run's control socket in that folder.
    """
    with tempfile.TemporaryDirectory(prefix="bench-tick-") as place, exchange() as served:
        folder, job = Path(place), Job(cycles, cycles * PERIOD_MS * 3 / 1000)
        calls, noted = traded(who, job, served, folder, seams=seams, page=page)
        found = reading.entries(calls, served.gate)
        ends = cycle_ends(folder / "logs" / "ledger.sqlite")
        return Block(found.entries[WARM_UP:], found.missed, ends, calls, noted)


def traded(
    who: Contestant,
    job: Job,
    served: Served,
    folder: Path,
    *,
    seams: bool = False,
    page: Path | None = None,
) -> tuple[list[Call], list[Any]]:
    """The real run at this exchange, with its files in `folder`: what its tap, and its seams, have noted.
    Raises `BlockFailed` unless all cycles of the job were completed.
    """
    tap, seen = folder / "tap", folder / "seams"
    words = [
        *("run", "--url", served.url, "--logs", str(folder / "logs"), "--cycles", str(job.cycles)),
        *("--quiet", "--json", "--set", f"files.ledger_sync={who.sync}"),
        *(word for setting in job.settings for word in ("--set", setting)),
        *(("--page", "127.0.0.1:0") if page else ()),
    ]
    own_place = {"PYTHONPATH": str(who.checkout), "XDG_STATE_HOME": str(folder / "state")}
    beside = {"XDG_RUNTIME_DIR": str(page)} if page else {}
    own = [str(HERE / "client.py"), str(who.checkout), str(tap), *(["--seams", str(seen)] if seams else [])]
    with on_core(0):
        done = subprocess.run(
            [who.python, *own, "--", *words],
            cwd=who.checkout,
            env=os.environ | own_place | beside,
            capture_output=True,
            text=True,
            timeout=WAIT_S + job.within_s,
            check=False,
        )
    _must_have_traded(done, job.cycles)
    return reading.read(tap), json.loads(seen.read_text()) if seams else []


def sdk_script(python: str, count: int) -> Block:
    """The SDK's script enters `count` times. Raises `BlockFailed` unless every order was accepted."""
    with tempfile.TemporaryDirectory(prefix="bench-sdk-") as place, exchange() as served, on_core(0):
        tap = Path(place) / "tap"
        numbers = (served.chain_id, count, served.gate.product_id, served.sol_id, served.gate.narrow_ask)
        done = subprocess.run(
            [
                *(python, str(PEERS / "sdk_script.py"), str(tap), served.url, "0x" + THROWAWAY_KEY.hex()),
                *(str(each) for each in numbers),
            ],
            capture_output=True,
            text=True,
            timeout=WAIT_S + count * PERIOD_MS * 2 / 1000,
            check=False,
        )
        if done.returncode:
            raise BlockFailed(f"the SDK script: exit code {done.returncode}: {done.stderr[-2000:]}")
        found = reading.entries(reading.read(tap), served.gate)
        return Block(found.entries[WARM_UP:], found.missed, [], [], [])


def nautilus_node(python: str, count: int) -> Block:
    """A nautilus_trader node submits `count` pairs to its sandbox. Raises `BlockFailed` where it ends
    otherwise.
    """
    with tempfile.TemporaryDirectory(prefix="bench-nautilus-") as place, on_core(0):
        result = Path(place) / "pairs.json"
        done = subprocess.run(
            [python, str(PEERS / "nautilus_node.py"), str(result), str(count), str(PERIOD_MS / 1000)],
            capture_output=True,
            text=True,
            timeout=WAIT_S + count * PERIOD_MS * 2 / 1000,
            check=False,
        )
        if done.returncode or not result.exists():
            raise BlockFailed(f"nautilus_trader: exit code {done.returncode}: {done.stderr[-2000:]}")
        pairs = json.loads(result.read_text())
        if len(pairs) != count:
            raise BlockFailed(f"nautilus_trader submitted {len(pairs)} pairs of {count}")
        found = [reading.Entry(0, second_ns - apart_ns, second_ns) for second_ns, apart_ns in pairs]
        return Block(found[WARM_UP:], 0, [], [], [])


def _must_have_traded(done: "subprocess.CompletedProcess[str]", cycles: int) -> None:
    last = done.stdout.strip().splitlines()[-1:] or ["{}"]
    told = json.loads(last[0]) if last[0].startswith("{") else {}
    if done.returncode or told.get("completed") != cycles or told.get("failed"):
        raise BlockFailed(
            f"exit code {done.returncode}, completed {told.get('completed')} of {cycles}, failed"
            f" {told.get('failed')}: {done.stderr[-2000:]}"
        )


def cycle_ends(ledger: Path) -> list[float]:
    """Microseconds from the last closed plan of each cycle to the cycle's end."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as opened:
        rows = opened.execute(
            "SELECT at_ns, kind FROM events WHERE kind IN ('PlanClosed', 'CycleEnded') ORDER BY seq"
        ).fetchall()
    ends, closed_ns = [], 0
    for at_ns, kind in rows:
        if kind == "PlanClosed":
            closed_ns = at_ns
        elif closed_ns:
            ends.append((at_ns - closed_ns) / 1000)
            closed_ns = 0
    return ends
