"""What the runs of one wallet share, whatever their subaccounts: five places, and one limit for executes."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from actors.instance.state import NoState, state_directory
from actors.instance.wallet_slots import SLOTS, WalletFull, WalletSlot, take_slot
from actors.instance.wallet_weights import RunSpending, SpendingWithoutSlot, WalletFile
from commands.access.venue import Access
from commands.checks.answered_venue import AnsweredVenue
from commands.output.words import Refusal
from venue.nado.client import NadoVenue
from venue.nado.weights import WalletSpending
from venue.protocol import Venue, VenueRules

OWNER_LENGTH = 42
"""0x and 40 hex digits: the wallet's address, with which the subaccount's 32 bytes begin."""


def wallet_of(here: Access, rules: VenueRules) -> str:
    """What only one wallet at one venue is called: owner, chain and, if it is simulated, the venue's
    instance.
    """
    instance = rules.venue.partition(":")[2]
    return f"wallet {here.sender[:OWNER_LENGTH].lower()} chain {rules.chain_id} {instance}".strip()


@contextmanager
def in_wallet(known: AnsweredVenue, directory: Path) -> Iterator[None]:
    """A run is one of its wallet's for as long as the context is open: it holds a slot, and its executes
    count together with the others'. Raises `Refusal` when all slots are taken, and `NoState`.
    """
    with closing(_slot(known, directory)) as slot:
        file = WalletFile(directory, wallet_of(known.access, known.rules))
        try:
            spending = RunSpending(file, slot.number)
        except OSError as error:
            raise NoState(f"{file.path}: {error.strerror or error}") from error
        with closing(spending):
            _share(known.venue, spending)
            yield


def counted_without_slot(venue: Venue, here: Access, rules: VenueRules) -> None:
    """Whoever only closes tells the wallet's runs what it spends; it holds no slot, and nothing holds it
    back.
    """
    _share(venue, SpendingWithoutSlot(WalletFile(state_directory(), wallet_of(here, rules))))


def _share(venue: Venue, spending: WalletSpending) -> None:
    if isinstance(venue, NadoVenue):  # an account on paper executes nothing
        venue.share(spending)


def _slot(known: AnsweredVenue, directory: Path) -> WalletSlot:
    wallet, subaccount = wallet_of(known.access, known.rules), known.settings.venue.subaccount
    try:
        return take_slot(directory, wallet, subaccount, str(known.logs.resolve()))
    except WalletFull as error:
        held = ", ".join(f'"{each.subaccount}" (pid {each.pid})' for each in error.holders)
        raise Refusal(
            "WALLET_FULL",
            "venue.owner",
            f"the exchange lets one wallet have {SLOTS} runs, and there are {len(error.holders)}: {held}",
            "stop one of them (kill PID), or use another wallet",
            "nothing was started",
        ) from error
