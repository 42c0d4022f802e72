"""From a configuration to a world: a venue that answers, its rules, its clock, our lock, our ledger."""

import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from actors.ledger import CsvBooks, OtherIdentity, Store, archive_logs
from actors.market_data import measure_clock
from actors.runtime.clock import VenueClock, WallClock, stopwatch_ns
from actors.runtime.observe import Observe
from actors.runtime.state import RunState, state_directory
from actors.tree import World
from commands.child import simulated_nado
from messages.lifecycle import Note, Opened
from messages.settings import Settings
from messages.units import Rate
from venue.nado.client import NadoVenue
from venue.nado.http import HttpReads
from venue.nado.signing import Signer, subaccount_hex
from venue.nado.socket import TcpDialer
from venue.protocol import VenueRules
from venue.throwaway import THROWAWAY_KEY

SCHEMA = "evenkeel.ledger/1"
COMMITS = 20
"""Commits measured at start: the ledger's vote must fit into `ready_deadline`."""


class SlowDisk(Exception):
    """The disk's commits do not fit into `ready_deadline`."""


class Wanted(msgspec.Struct, frozen=True):
    """What a run was asked for, beside its settings."""

    seed: int
    market: str
    faults: str
    url: str | None


@asynccontextmanager
async def world(settings: Settings, wanted: Wanted, observe: Observe) -> AsyncIterator[World]:
    """Everything a machine needs, torn down in reverse order; our own venue last.

    Raises `AlreadyRunning`, `OtherIdentity`, `ChildFailed`, `SlowDisk`, `VenueError`.
    """
    logs = Path(settings.files.logs)
    logs.mkdir(parents=True, exist_ok=True)
    child = wanted.url is None
    state = RunState(state_directory(), f"child of {logs.resolve()}" if child else f"{wanted.url} {settings.venue.subaccount}", str(logs.resolve()))
    try:
        async with AsyncExitStack() as stack:
            url = wanted.url
            if url is None:
                url = await stack.enter_async_context(simulated_nado(wanted.seed, wanted.market, wanted.faults, logs / "venue.log"))
            yield await stack.enter_async_context(_connected(settings, wanted, url, state, observe, own_venue=child))
    finally:
        state.close()


@asynccontextmanager
async def _connected(settings: Settings, wanted: Wanted, url: str, state: RunState, observe: Observe, *, own_venue: bool) -> AsyncIterator[World]:
    signer = Signer(THROWAWAY_KEY)
    sender = subaccount_hex(signer.address, settings.venue.subaccount)
    clock = VenueClock(WallClock())
    async with HttpReads(url, sender, name="Nado-simulated") as reads:
        rules = await reads.rules()
    async with NadoVenue(url, rules, sender, signer, clock, TcpDialer(), seed=wanted.seed, observe=observe) as venue:
        await measure_clock(venue, clock)
        observe(Note(clock.utc_ns(), "info", "run", f"Nado simulated on {url.removeprefix('http://')} · {rules_read(rules)}"))
        yield _prepared(settings, wanted, venue, rules, state, clock, observe, sender, own_venue=own_venue)


def rules_read(rules: VenueRules) -> str:
    """The rules this run trades by, as read from the venue, in one line: tick/step, minimum notional, taker fee."""
    eth, sol = rules.eth, rules.sol
    taker = Rate(eth.taker_fee * 10_000).text()
    lots = f"ETH {eth.price_tick.text()}/{eth.size_step.text()}, SOL {sol.price_tick.text()}/{sol.size_step.text()}"
    return f"rules read: {lots}, min {eth.min_notional.text()}, taker {taker} bp"


def _prepared(
    settings: Settings,
    wanted: Wanted,
    venue: NadoVenue,
    rules: VenueRules,
    state: RunState,
    clock: VenueClock,
    observe: Observe,
    sender: str,
    *,
    own_venue: bool,
) -> World:
    """The ledger's identity, room for it, and a disk that is quick enough."""
    state.belongs_to(rules.venue)
    opened = Opened(SCHEMA, rules.venue, rules.chain_id, sender)
    logs = Path(settings.files.logs)
    sync = _sync(settings)
    ledger = logs / "ledger.sqlite"
    _make_way(logs, ledger, opened, sync, observe, clock, own_venue=own_venue)
    _measure_disk(logs, sync, settings)
    csvs = CsvBooks(logs, "Nado-simulated")
    return World(settings, venue, rules, clock, ledger, opened, state, observe, wanted.seed, lambda: csvs, sync)


def _sync(settings: Settings) -> Literal["full", "normal"]:
    if settings.files.ledger_sync == "auto":
        return "normal" if settings.venue.name == "simulated" else "full"
    return settings.files.ledger_sync


def _make_way(
    logs: Path, ledger: Path, opened: Opened, sync: Literal["full", "normal"], observe: Observe, clock: VenueClock, *, own_venue: bool
) -> None:
    """A venue of our own is new each time: the files of the one before go to `archive/`. Any other mismatch is refused (`OtherIdentity`)."""
    try:
        Store.open(ledger, opened, sync).close()
    except OtherIdentity:
        if not own_venue:
            raise
        stamp = datetime.fromtimestamp(clock.utc_ns() / 1_000_000_000, UTC).strftime("%Y%m%dT%H%M%S%fZ")
        archive_logs(logs, stamp)
        observe(Note(clock.utc_ns(), "info", "run", f"a new simulated venue: the files of the one before are in {logs / 'archive' / stamp}"))


def _measure_disk(logs: Path, sync: Literal["full", "normal"], settings: Settings) -> None:
    """Refuse to start when the slowest of some commits takes more than half of `ready_deadline`."""
    with tempfile.TemporaryDirectory(dir=logs) as scratch:
        database = sqlite3.connect(Path(scratch) / "probe.sqlite", isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(f"PRAGMA synchronous={sync}")
        database.execute("CREATE TABLE probe (value TEXT)")
        slowest = sorted(_commit_ms(database) for _ in range(COMMITS))[-2]
        database.close()
    if slowest > settings.ready_deadline / 2:
        raise SlowDisk(f"a commit took {slowest:.0f} ms, more than half of ready_deadline = {settings.ready_deadline} ms")


def _commit_ms(database: sqlite3.Connection) -> float:
    began = stopwatch_ns()
    database.execute("INSERT INTO probe VALUES (?)", ("x" * 500,))
    return (stopwatch_ns() - began) / 1_000_000
