"""What the runs of one wallet share, whatever their subaccounts: it is refused here when there is no room for
one more.
"""

from pathlib import Path

from actors.instance.wallet_slots import SLOTS, WalletFull, WalletSlot, take_slot
from commands.access.venue import Access
from commands.checks.answered_venue import AnsweredVenue
from commands.output.words import Refusal
from venue.protocol import VenueRules

OWNER_LENGTH = 42
"""0x and 40 hex digits: the wallet's address, with which the subaccount's 32 bytes begin."""


def wallet_of(here: Access, rules: VenueRules) -> str:
    """What only one wallet at one venue is called: owner, chain and, if it is simulated, the venue's
    instance.
    """
    instance = rules.venue.partition(":")[2]
    return f"wallet {here.sender[:OWNER_LENGTH].lower()} chain {rules.chain_id} {instance}".strip()


def slot_of_wallet(known: AnsweredVenue, directory: Path) -> WalletSlot:
    """One of the wallet's slots, for this run. Raises `Refusal` when all are taken, and `NoState`."""
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
