"""What a long ledger costs: `python -m benches.long_ledger [ROWS]`, a million by default; it needs 700 MB in
a temporary folder.

The ledger is a valid chain of what trading writes. Its snapshot is as large as one gets, and as many rows
stand after it as can. Each figure stands beside that of an empty ledger. Then whole runs are started at a
simulated exchange, on the empty and on the long ledger in turn. The last line is what a year of holding one
pair writes.
"""

import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import trio

from actors.ledger import Fold, Journal, LedgerFile, LedgerWiring, Reading, Store, folded, ledger_actor
from actors.ledger.fold import REMEMBERED
from actors.ledger.reading import SNAPSHOT_ROWS
from actors.ledger.snapshots import snapshot_of
from actors.ledger.store import SCHEMA, row_hash
from commands.access.venue import SIMULATED
from messages.lifecycle import Held, Opened
from messages.units import Quote
from messages.wire import encode
from runtime.mailbox import Latest, Mailbox
from tests.actors.fakes import ORDER_BUILDER, venue_clock
from tests.actors.ledger.story import Story
from tests.kills.venue import simulated
from tests.leftovers import end, left
from venue.nado.http import HttpReads
from venue.throwaway import THROWAWAY_SENDER

ROOT = Path(__file__).resolve().parent.parent
ROWS = 1_000_000
CYCLES = REMEMBERED // 4
"""So many fill the fold's memory of orders, which makes its snapshots as large as they get."""
EVERY_MS = 5_000
STARTS = 5
MARKET = "flat:2756.9/115.86"
TURN_S = 0.001


def build(path: Path, rows: int, cycles: int, ours: Opened) -> None:
    """A ledger of `rows` rows that ends with a snapshot of `cycles` cycles, `SNAPSHOT_ROWS` rows after it,
    and a pair that is held.

    The rows before the snapshot are links of the same valid chain, repeated bodies of the same kinds: they
    are only ever verified.
    """
    story = told(cycles)
    fold = Fold()
    for at_ns, message in story.rows:
        fold.apply(message, at_ns)
    body = [(at_ns, type(message).__name__, encode(message).decode()) for at_ns, message in story.rows]
    tail = len(story.rows)
    with closing(Store.open(path, ours, "normal", at_ns=1)) as store:
        while store._next < rows - SNAPSHOT_ROWS - 1:
            append(store, body[: rows - SNAPSHOT_ROWS - 1 - store._next])
        store.append_all([(body[-1][0], snapshot_of(fold, (-1, -1)))])
        cycle = cycles
        while len(story.rows) - tail < min(rows, SNAPSHOT_ROWS):
            cycle += 1
            lived_through(story, cycle)
        store.append_all(story.rows[tail:])
        store.checkpoint()


def told(cycles: int) -> Story:
    story = Story()
    for cycle in range(1, cycles + 1):
        lived_through(story, cycle)
    return story


def lived_through(story: Story, cycle: int) -> None:
    if cycle > 1:
        story.leave(cycle - 1)
        story.snapshot()
    story.enter(cycle)
    story.snapshot()


def append(store: Store, body: list[tuple[int, str, str]]) -> None:
    """What `Store.append_all` does, without making the bodies again."""
    rows, seq, prev = [], store._next, store._prev
    for at_ns, kind, text in body:
        digest = row_hash(prev, seq, at_ns, kind, text)
        rows.append((seq, at_ns, kind, text, prev, digest))
        seq, prev = seq + 1, digest
    store._db.execute("BEGIN")
    store._db.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", rows)
    store._db.execute("COMMIT")
    store._next, store._prev = seq, prev
    store.checkpoint()


class Cost(NamedTuple):
    """Seconds on the clock and of processor, children included: on a busy machine only the second says
    what the work is.
    """

    wall: float
    cpu: float


def now() -> Cost:
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Cost(time.perf_counter(), sum(usage.ru_utime + usage.ru_stime for usage in spent))


def since(began: Cost) -> Cost:
    ended = now()
    return Cost(ended.wall - began.wall, ended.cpu - began.cpu)


def took(work: Callable[[], object]) -> Cost:
    began = now()
    work()
    return since(began)


def middle(work: Callable[[], Cost], times: int = 3) -> Cost:
    return sorted(work() for _ in range(times))[times // 2]


def cold(path: Path) -> None:
    """Have the file's pages dropped from memory, where the system lets us."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def status(folder: Path) -> Cost:
    """The `status` process; its venue does not answer, which it says at once."""
    command = [
        sys.executable,
        "supervisor.py",
        "status",
        "--url",
        "http://127.0.0.1:1",
        "--logs",
        str(folder),
    ]
    environment = os.environ | {"XDG_STATE_HOME": str(folder / "state")}
    return took(lambda: subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False))


async def restarted(path: Path, ours: Opened) -> tuple[Cost, Cost, Cost]:
    """Seconds until a new incarnation says what is held, the longest turn of the loop meanwhile, and until
    everything is verified.
    """
    held: Latest[Held] = Latest()
    box: Mailbox[Any] = Mailbox("ledger", 100)
    turns = [Cost(0.0, 0.0)]

    async def turning() -> None:
        while True:
            turn = now()
            await trio.lowlevel.checkpoint()
            turns.append(since(turn))

    began = now()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(turning)
        actor = partial(
            ledger_actor,
            LedgerFile(path, ours, "normal"),
            LedgerWiring(
                box.reader(), lambda _m: None, held, ORDER_BUILDER, venue_clock(), lambda _m: None, 1
            ),
        )
        await nursery.start(actor)
        ready = since(began)
        while held.value is None or held.value.no_entry:  # noqa: ASYNC110 - a bench looks now and then
            await trio.sleep(TURN_S)
        verified = since(began)
        nursery.cancel_scope.cancel()
    return ready, max(turns, key=lambda turn: turn.cpu), verified


async def guarded(path: Path, ours: Opened, *, read_only: bool) -> Cost:
    began = now()
    with closing(
        Journal(
            LedgerFile(path, ours, "normal"),
            ORDER_BUILDER,
            venue_clock(),
            lambda _m: None,
            2,
            read_only=read_only,
        )
    ):
        return since(began)


def measured(path: Path, ours: Opened) -> dict[str, Cost]:
    cold(path)
    found = {"open and fold, cold": took(lambda: folded(path))}
    found["open and fold, hot"] = middle(lambda: took(lambda: folded(path)))
    found["status, the process"] = middle(lambda: status(path.parent))
    found["guard opens its journal, read-only"] = trio.run(partial(guarded, path, ours, read_only=True))
    found["guard opens its journal"] = trio.run(partial(guarded, path, ours, read_only=False))
    restart = trio.run(restarted, path, ours)
    return found | {
        "ledger restart in mid-trade": restart[0],
        "longest turn of the loop": restart[1],
        "everything verified": restart[2],
    }


async def identity(url: str) -> Opened:
    """What row 0 of a ledger says at this venue."""
    async with HttpReads(url, THROWAWAY_SENDER, name=SIMULATED) as reads:
        rules = await reads.rules()
    return Opened(SCHEMA, rules.venue, rules.chain_id, THROWAWAY_SENDER)


def begun(folder: Path, url: str) -> tuple[float, float]:
    """Seconds from the start of a `run` process until its first heartbeat, and until all its actors are at
    work. Both processes are killed then.
    """
    log, state = folder / "evenkeel.log", folder / "state"
    log.unlink(missing_ok=True)
    shutil.rmtree(state, ignore_errors=True)
    command = [
        sys.executable,
        "supervisor.py",
        "run",
        "--url",
        url,
        "--logs",
        str(folder),
        "--hold",
        "1 h",
        "--quiet",
        "--set",
        "pause=1 h",
    ]
    began = time.perf_counter()
    nowhere = subprocess.DEVNULL
    run = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"XDG_STATE_HOME": str(state)},
        stdin=nowhere,
        stdout=nowhere,
        stderr=nowhere,
    )
    try:
        beats = _since(began, lambda: bool(list(state.glob("*/*.beat"))), run)
        works = _since(began, lambda: log.exists() and "trading 1 started" in log.read_text(), run)
    finally:
        run.kill()
        run.wait()
        end(left(str(folder)))
    return beats, works


def _since(began: float, came: Callable[[], bool], run: "subprocess.Popen[bytes]") -> float:
    while not came():
        if run.poll() is not None:
            raise RuntimeError(f"the run ended with {run.returncode} before it had begun")
        time.sleep(TURN_S)
    return time.perf_counter() - began


def compare_starts(empty: Path, long: Path, url: str) -> None:
    """In turn, because a machine gets busier and quieter. Wall time: a start waits for the venue, too."""
    taken: dict[Path, list[tuple[float, float]]] = {empty: [], long: []}
    for _ in range(STARTS):
        for path, each in taken.items():
            each.append(begun(path.parent, url))
    for index, name in enumerate(("first heartbeat", "all actors at work")):
        few, many = (sorted(1000 * times[index] for times in taken[path]) for path in (empty, long))
        middle_of = STARTS // 2
        print(
            f"run, from exec to {name:<19} {many[middle_of]:>8.0f} (at most {many[-1]:.0f})   empty:"
            f" {few[middle_of]:>6.0f} (at most {few[-1]:.0f})   more by:"
            f" {many[middle_of] - few[middle_of]:>6.0f}"
        )


def a_day_of_holding() -> tuple[int, int]:
    """Rows and bytes of bodies that a pair held for a day writes, read every 5 s, its value moving by
    cents.
    """
    story, rng, value = Story(), random.Random(9), 10_000 * 10**18  # noqa: S311 - a bench
    story.enter()
    before = len(story.rows)
    for _ in range(86_400_000 // EVERY_MS):
        story.now_ms += EVERY_MS - 2
        value += rng.randrange(-5, 6) * 10**16
        story.snapshot(value=Quote(value).text())
    rows = story.rows[before:]
    return len(rows), sum(len(msgspec.json.encode(message, enc_hook=str)) + 110 for _, message in rows)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    folder = Path(tempfile.mkdtemp(prefix="long-ledger-"))
    try:
        with simulated(folder, MARKET, 7) as url:
            compare(folder, rows, url)
    finally:
        shutil.rmtree(folder)
    day, size = a_day_of_holding()
    print(f"holding: {day} rows a day, a year is {day * 365:,} rows, {size * 365 / 1e6:.0f} MB")


def compare(folder: Path, rows: int, url: str) -> None:
    ours = trio.run(identity, url)
    empty, long = folder / "empty" / "ledger.sqlite", folder / "long" / "ledger.sqlite"
    Store.open(empty, ours, "normal", at_ns=1).close()
    print(
        f"built {rows:,} rows in {took(lambda: build(long, rows, CYCLES, ours)).wall:.0f} s,"
        f" {long.stat().st_size / 1e6:.0f} MB"
    )
    with closing(Store.reading(long)) as store:
        whole = Reading(store)
        whole.whole()
        print(f"rows read at an opening: {whole.read:,} of {store.last_seq + 1:,}")
    few, many = measured(empty, ours), measured(long, ours)
    print(
        f"{'milliseconds':<36} {'wall':>8} {'cpu':>8}   empty:{'wall':>7} {'cpu':>7}   more by:{'wall':>7}"
        f" {'cpu':>7}"
    )
    for name, cost in many.items():
        all_of_it = (*cost, *few[name], *(one - other for one, other in zip(cost, few[name], strict=True)))
        print(
            "{:<36} {:>8.0f} {:>8.0f}   {:>13.0f} {:>7.0f}   {:>15.0f} {:>7.0f}".format(
                name, *(1000 * each for each in all_of_it)
            )
        )
    compare_starts(empty, long, url)


if __name__ == "__main__":
    main()
