"""A paper account, opened: the exchange's rules are read, its clock and its distance measured, both its books
loaded, and an engine with a funded account stands on them.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from commands.access.venue import Access
from commands.access.whole_rules import whole_rules
from commands.checks.answered_venue import AnsweredVenue
from commands.paper.client import PaperVenue, under_name_of
from commands.paper.market import PaperMarket, engine_for
from messages.settings import Settings
from messages.units import Ns
from runtime.clock import Clock, VenueClock, WallClock
from venue.nado.counts import TroubleTally
from venue.nado.http import HttpReads
from venue.nado.signing import subaccount_hex
from venue.nado.socket import Dialer, background
from venue.nado.weights import Metering, Weights
from venue.simulated.direct.client import connected_directly
from venue.simulated.direct.reads import Link
from venue.simulated.markets import BookChange
from venue.simulated.venue import SimulatedVenue
from venue.venue_time import measure_clock

if TYPE_CHECKING:
    import httpx

NOBODY = subaccount_hex("0x" + "00" * 20, "default")
"""Who asks: the exchange answers with the fees that a new account pays."""


class Unmoved:
    """A market that makes no move of its own: it is moved from outside."""

    def moves(self) -> Iterator[BookChange]:
        """None: the exchange's books move it."""
        return iter(())


class ExchangeClock:
    """The exchange's time as our clock has it: what the engine dates everything by."""

    def __init__(self, clock: VenueClock) -> None:
        self._clock = clock

    def utc_ns(self) -> Ns:
        """Nanoseconds of Unix time, by the exchange."""
        return self._clock.now_ns()

    def steady_ns(self) -> Ns:
        """Nanoseconds that nobody can set."""
        return self._clock.steady_ns()


class _Asked(NamedTuple):
    reads: HttpReads


@asynccontextmanager
async def paper_account(
    settings: Settings,
    here: Access,
    seed: int,
    dialer: Dialer,
    transport: "httpx.AsyncBaseTransport | None" = None,
    local: Clock | None = None,
) -> AsyncIterator[AnsweredVenue]:
    """The exchange of `here.paper` with an account of our own on paper, for as long as the context is open.
    Raises `VenueError` where the exchange does not answer, or leaves out what trading needs.
    """
    paper, signer, clock, weights = here.paper, here.signer, VenueClock(local or WallClock()), Weights()
    if paper is None or signer is None:
        raise ValueError("nobody asked for a paper account")
    # One budget for both sides: what asks the exchange and what asks the engine would be one client there.
    metering = Metering(TroubleTally("http"), weights)
    async with HttpReads(
        paper.gateway, NOBODY, name=paper.name, transport=transport, metering=metering
    ) as public:
        rules, status = await whole_rules(public), await public.status()
        await measure_clock(_Asked(public), clock)
        venue = SimulatedVenue(
            engine_for(rules), Unmoved(), ExchangeClock(clock), instance=f"{seed}-{clock.utc_ns()}"
        )
        market = PaperMarket(venue, rules)
        market.take_status(status)
        for product_id in (rules.eth.product_id, rules.sol.product_id):
            market.load(await public.book(product_id))
        venue.fund(here.sender, paper.deposit)
        link = Link(venue, (clock.round_trip_ms or 0) / 2000, weights)
        async with background() as outside:
            await outside.start(venue.run)
            name = f"{here.name}:{venue.instance}"
            async with connected_directly(link, here.sender, signer, clock, name) as direct:
                own = await direct.reads.rules_now()
                on_paper = PaperVenue(direct, public, market, paper.gateway, dialer, own)
                known = under_name_of(own, rules)
                yield AnsweredVenue(settings, here, on_paper, public, dialer, known, clock)
