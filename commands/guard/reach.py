"""A guard's way to the exchange: clients that are kept for as long as the guard lives."""

from typing import TYPE_CHECKING

from commands.access.venue import Access
from commands.guard.log_lines import GuardWords
from commands.setup.wallet import counted_without_slot
from runtime.clock import Clock, VenueClock, WallClock
from runtime.outlive import outlive
from venue.nado.client import Addresses, NadoVenue, SigningAccount, Transports
from venue.nado.http import HttpReads
from venue.nado.socket import Dialer, TcpDialer
from venue.protocol import VenueRules
from venue.venue_time import measure_clock

if TYPE_CHECKING:
    import httpx


class Reach:
    """The way to the exchange: one HTTP client and one client of the exchange, for as long as the guard
    lives. Close it.
    """

    def __init__(
        self,
        here: Access,
        words: GuardWords,
        dialer: Dialer | None = None,
        transport: "httpx.AsyncBaseTransport | None" = None,
        local: Clock | None = None,
    ) -> None:
        self.here, self.words = here, words
        self._dialer, self._transport = dialer or TcpDialer(), transport
        self._reads = HttpReads(
            here.gateway, here.sender, name=here.name, archive_url=here.archive, transport=transport
        )
        self.clock = VenueClock(local or WallClock())
        self.rules: VenueRules | None = None
        """As read last."""
        self.venue: NadoVenue | None = None

    async def read_rules(self) -> tuple[NadoVenue, VenueRules]:
        """The exchange, by its rules of now. Raises whatever its client raises when it does not answer."""
        rules, here = await self._reads.rules(), self.here
        venue = self.venue
        if venue is None or rules != self.rules:
            old, self.rules = venue, rules
            self.venue = venue = NadoVenue(
                Addresses(here.gateway, here.archive),
                rules,
                SigningAccount(here.sender, here.signer),
                self.clock,
                Transports(self._dialer, self._transport),
                self.words.heard,
            )
            counted_without_slot(venue, here, rules)
            if old is not None:
                await outlive(old.aclose, lambda _why: None)
        if self.clock.round_trip_ms is None:
            await outlive(
                lambda: measure_clock(venue, self.clock),
                lambda why: self.words.say(f"the exchange's clock: {why}"),
            )
        return venue, rules

    async def aclose(self) -> None:
        """Close both clients, whatever either of them raises."""
        for closes in (self._reads.aclose, *([self.venue.aclose] if self.venue else [])):
            await outlive(closes, lambda _why: None)
