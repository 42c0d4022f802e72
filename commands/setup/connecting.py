"""A venue that answers: asked until it does, its rules read and its clock measured."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import trio

from actors.ledger import LedgerError, Store
from commands.access.venue import Access
from commands.access.whole_rules import whole_rules
from commands.checks.answered_venue import AnsweredVenue
from commands.paper.opening import paper_account
from commands.setup.run_ledger import held_by
from messages.amounts import rate_bps
from messages.settings import Settings
from runtime.clock import Clock, VenueClock, WallClock
from runtime.observe import Notes, Observe
from venue.nado.client import Addresses, NadoVenue, SigningAccount, Transports
from venue.nado.http import HttpReads
from venue.nado.socket import Dialer, TcpDialer
from venue.protocol import Busy, Unreachable, VenueRules
from venue.venue_time import measure_clock

if TYPE_CHECKING:
    import httpx

BUSY_S = 30.0
"""How long a venue that is there and does not answer is asked again at the start."""
SAID_S = 5.0
"""How often it is said that an exchange is asked again."""
AGAIN_S = 1.0


async def answering(
    stack: AsyncExitStack, settings: Settings, here: Access, seed: int, observe: Observe
) -> AnsweredVenue:
    """A venue that answers. A busy one is asked again for `BUSY_S`; any that does not answer for
    `venue_patience`, while our fills say that something is open there: who could close it must not give up
    before it has begun. Raises `VenueError`.
    """
    began_s = said_s = trio.current_time()
    said_s -= SAID_S
    while True:
        try:
            return await stack.enter_async_context(connected(settings, here, seed, observe, TcpDialer()))
        except Unreachable as error:
            patience_s = BUSY_S if isinstance(error, Busy) else 0.0
            with suppress(sqlite3.Error, LedgerError):
                if held_by(Path(settings.files.logs) / "ledger.sqlite") is not None:
                    patience_s = settings.venue_patience / 1000
            now_s = trio.current_time()
            if now_s - began_s >= patience_s:
                raise
            if now_s >= said_s + SAID_S:
                said_s = now_s
                left = f"trying again for at most {patience_s - (now_s - began_s):.0f} s"
                Notes(observe, WallClock(), "run")("warning", f"{error}: {left}")
        await trio.sleep(AGAIN_S)


@asynccontextmanager
async def connected(
    settings: Settings,
    here: Access,
    seed: int,
    observe: Observe,
    dialer: Dialer,
    transport: "httpx.AsyncBaseTransport | None" = None,
    local: Clock | None = None,
) -> AsyncIterator[AnsweredVenue]:
    """The venue at `here.gateway`, for as long as the context is open: its rules are read and its clock is
    measured. Raises `VenueError`.
    """
    if here.paper is not None:
        async with paper_account(settings, here, seed, dialer, transport, local) as known:
            yield known
        return
    clock = VenueClock(local or WallClock())
    async with HttpReads(
        here.gateway, here.sender, name=here.name, archive_url=here.archive, transport=transport
    ) as reads:
        reads.known(known_products(Path(settings.files.logs) / "ledger.sqlite"))
        rules = await whole_rules(reads)
        async with NadoVenue(
            Addresses(here.gateway, here.archive),
            rules,
            SigningAccount(here.sender, here.signer),
            clock,
            Transports(dialer, transport, seed),
            observe,
        ) as venue:
            await measure_clock(venue, clock)
            yield AnsweredVenue(settings, here, venue, reads, dialer, rules, clock, venue.raw)


def known_products(ledger: Path) -> tuple[int, int] | None:
    """Ids of ETH and SOL by the ledger's last plan, for a product that the venue does not list any more;
    None when no ledger says.
    """
    with (
        suppress(sqlite3.Error, LedgerError, OSError, msgspec.MsgspecError),
        closing(Store.reading(ledger)) as store,
    ):
        return store.products()
    return None


def place_and_rules(here: Access, rules: VenueRules) -> str:
    """The venue, and the rules this run trades by as they were read from it, in one line: tick/step, minimum
    notional, taker fee.
    """
    eth, sol, where = rules.eth, rules.sol, here.gateway.partition("://")[2]
    place = f"Nado {here.name} on {where}" if here.network else f"Nado simulated on {where}"
    if here.paper is not None:
        place = f"{here.money}: the market of {here.paper.gateway.partition('://')[2]}"
    taker = rate_bps(eth.taker_fee) if eth.taker_fee is not None else "?"
    minimum = eth.min_notional.text() if eth.min_notional is not None else "?"
    lots = (
        f"ETH {eth.price_tick.text()}/{eth.size_step.text()}, SOL"
        f" {sol.price_tick.text()}/{sol.size_step.text()}"
    )
    return f"{place} · rules read: {lots}, min {minimum}, taker {taker} bp"
