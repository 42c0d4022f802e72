"""The whole machine on virtual time: real actors, real codec, real signatures, real WebSockets over
in-memory streams, real SQLite, one process.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import trio

from actors.instance.state import RunState
from actors.instance.venues import canonical
from actors.ledger import CERTIFICATES, SCHEMA, CsvBooks, Fold, Store
from actors.run_ending import Ending
from actors.tree import Channels, Tree, World
from commands.setup.certificates import Certificates
from messages.execution import AccountSnapshot
from messages.lifecycle import Opened, Totals
from messages.settings import Settings
from messages.units import ONE, Quote
from runtime.clock import Clock, RunClock, VenueClock
from runtime.retry import retried
from runtime.specs import ChildSpec, SupervisorSpec
from supervisor import Machine
from tests.machine.crash import Fire
from venue.nado.client import Addresses, NadoVenue, SigningAccount, Transports
from venue.nado.http import HttpReads
from venue.nado.signing import Signer
from venue.protocol import VenueError
from venue.simulated.engine.exchange import Exchange
from venue.simulated.engine.rules import DEFAULT_PRODUCTS, Product
from venue.simulated.faults.order_faults import NO_FAULTS, Faults
from venue.simulated.gateway.asgi import application
from venue.simulated.gateway.memory import MemoryDialer
from venue.simulated.markets import market_named
from venue.simulated.venue import SimulatedVenue
from venue.throwaway import THROWAWAY_KEY, THROWAWAY_SENDER
from venue.venue_time import measure_clock

START_NS = 1_790_000_000_000_000_000
URL = "http://127.0.0.1:1"
OWNER = Signer(THROWAWAY_KEY)
ACTORS = ("market_data", "account", "ledger", "eth_leg", "sol_leg", "sizing")


class CrashableTree(Tree):
    """A tree whose actors can be crashed from outside; nothing else differs."""

    def __init__(self, world: World, channels: Channels) -> None:
        self.fire = Fire(ACTORS)
        self.targets = self.fire.targets
        super().__init__(world, channels)

    def group(
        self, name: str, strategy: Any, limits: Any, children: tuple[ChildSpec, ...], **options: Any
    ) -> SupervisorSpec:
        return super().group(
            name, strategy, limits, tuple(self._under_fire(child) for child in children), **options
        )

    def _under_fire(self, child: ChildSpec) -> ChildSpec:
        target = self.targets.get(child.name)
        if target is None:
            return child
        start = child.start

        async def crashable(*, task_status: trio.TaskStatus[None]) -> None:
            await target.run(start, task_status)

        return replace(child, start=crashable)


class CrashableMachine(Machine):
    """A machine with a crashable tree."""

    tree: CrashableTree

    def build_tree(self) -> CrashableTree:
        return CrashableTree(self.world, self.channels)


@dataclass
class Bench:
    """A machine, the venue it trades at, and everything that was said."""

    machine: CrashableMachine
    venue: SimulatedVenue
    dialer: MemoryDialer
    world: World
    said: list[msgspec.Struct] = field(default_factory=list)
    watchers: list[Callable[[msgspec.Struct], None]] = field(default_factory=list)

    async def run(self, *, within_s: float = 3600) -> Ending:
        """Run to the end, on virtual time."""
        with trio.fail_after(within_s):
            return await self.machine.run()

    def totals(self) -> Totals:
        """Folded from the rows on disk."""
        fold = Fold()
        with closing(Store.reading(self.world.ledger)) as store:
            for _, at_ns, message in store.events():
                fold.apply(message, at_ns)
        return fold.totals()

    async def account(self) -> AccountSnapshot:
        """What the venue says."""
        return await self.world.venue.reads.account()


def rows(ledger: Path) -> bytes:
    """Every byte of every row of a ledger."""
    import sqlite3

    database = sqlite3.connect(ledger)
    try:
        return repr(database.execute("SELECT * FROM events ORDER BY seq").fetchall()).encode()
    finally:
        database.close()


@asynccontextmanager
async def bench(
    folder: Path,
    settings: Settings,
    *,
    market: str = "flat:2756.9/115.86",
    seed: int = 7,
    faults: Faults = NO_FAULTS,
    clocks: tuple[Clock, Clock] | None = None,
    products: tuple[Product, ...] = DEFAULT_PRODUCTS,
    signer: Signer = OWNER,
) -> AsyncIterator[Bench]:
    """A machine on a venue of its own, both gone at the end of the context. `clocks`: the venue's and the
    machine's. A `signer` that is not the owner is linked.
    """
    of_venue, of_machine = clocks or (RunClock(START_NS), RunClock(START_NS))
    venue = SimulatedVenue(
        Exchange(products, options=faults.venue), market_named(market, seed), of_venue, faults
    )
    venue.fund(THROWAWAY_SENDER, Quote(10_000 * ONE))
    if signer is not OWNER:
        venue.exchange.accounts[THROWAWAY_SENDER].linked_signer = signer.address
    async with trio.open_nursery() as outside:
        await outside.start(venue.run)
        async with connected(folder, settings, venue, outside, seed, of_machine, signer) as ready:
            yield ready
        outside.cancel_scope.cancel()


@asynccontextmanager
async def connected(
    folder: Path,
    settings: Settings,
    venue: SimulatedVenue,
    outside: trio.Nursery,
    seed: int = 7,
    of_machine: Clock | None = None,
    signer: Signer = OWNER,
) -> AsyncIterator[Bench]:
    """A machine of its own process on a venue that is there already."""
    clock = VenueClock(of_machine or RunClock(START_NS))
    transport = httpx.ASGITransport(app=application(venue))
    async with HttpReads(URL, THROWAWAY_SENDER, name="test", transport=transport) as reads:
        rules = await reads.rules()
    dialer = MemoryDialer(venue, outside)
    said: list[msgspec.Struct] = []
    watchers: list[Callable[[msgspec.Struct], None]] = [said.append]

    def observe(message: msgspec.Struct) -> None:
        for watch in watchers:
            watch(message)

    # as commands name it
    state = RunState(folder / "state", f"{canonical(URL)} {THROWAWAY_SENDER.lower()}", str(folder))
    opened = Opened(SCHEMA, rules.venue, rules.chain_id, THROWAWAY_SENDER)
    async with NadoVenue(
        Addresses(URL),
        rules,
        SigningAccount(THROWAWAY_SENDER, signer),
        clock,
        Transports(dialer, transport, seed),
        observe,
    ) as client:
        # a venue that loses answers may lose this one too, and no run has begun that would ask again
        await retried(partial(measure_clock, client, clock), VenueError, 0.1)
        csvs = CsvBooks(folder, "Nado-simulated")
        world = World(
            settings,
            client,
            rules,
            clock,
            folder / "ledger.sqlite",
            opened,
            state,
            observe,
            seed,
            lambda: csvs,
            signer=signer.address,
            certificates=Certificates(
                folder / CERTIFICATES, "Nado-simulated", 1_000, client.raw, at_once=True
            ),
        )
        machine = CrashableMachine(world)
        trio.lowlevel.add_instrument(machine.tree.fire)
        try:
            yield Bench(machine, venue, dialer, world, said, watchers)
        finally:
            trio.lowlevel.remove_instrument(machine.tree.fire)
            state.close()
