"""What the checks of the venue and of the account are given."""

from pathlib import Path

import msgspec

from commands.access.venue import Access
from messages.settings import Settings
from runtime.clock import VenueClock
from venue.nado.http import HttpReads
from venue.nado.socket import Dialer
from venue.protocol import Venue, VenueRules
from venue.raw_messages import RawMessages


class AnsweredVenue(msgspec.Struct, frozen=True):
    """A venue that has answered: its rules are read and its clock is measured."""

    settings: Settings
    access: Access
    venue: Venue
    reads: HttpReads
    """Questions to the exchange; of a paper account, about its market alone."""
    dialer: Dialer
    rules: VenueRules
    clock: VenueClock
    raw: RawMessages | None = None
    """What is said about our own orders, word for word; None where no wire is between us and the exchange."""

    @property
    def logs(self) -> Path:
        """The folder of ledger, log and CSV files, as configured."""
        return Path(self.settings.files.logs)
