"""Who may sign for a subaccount: its owner, and at most one linked signer, which any execute of the owner's
can replace.

Questions and the one execute that changes it (protocol sheet §3, §4). The transaction nonce is counted per
*address*: two programs that send executes other than orders with one wallet race for it, and the loser is
refused with 2022.
"""

import msgspec

from venue.nado.codec import Whole, write
from venue.nado.http import HttpReads
from venue.nado.signing import Signer, link_signer_digest, subaccount_owner
from venue.protocol import VenueRules

NOBODY = "0x" + "00" * 20
"""What the exchange reports when there is no linked signer; sent as the new signer it revokes."""


class _Linked(msgspec.Struct, frozen=True):
    linked_signer: str


class _Nonces(msgspec.Struct, frozen=True):
    tx_nonce: Whole


class _FeeTier(msgspec.Struct, frozen=True):
    fee_tier: Whole


async def linked_signer(reads: HttpReads, sender: str) -> str | None:
    """The address of the subaccount's linked signer, lowercase; None when there is none. Raises
    `VenueError`.
    """
    found = (await reads.ask({"type": "linked_signer", "subaccount": sender}, _Linked)).linked_signer.lower()
    return None if found == NOBODY else found


async def fee_tier(reads: HttpReads, sender: str) -> int:
    """The fee tier of the subaccount's owner. Raises `VenueError`."""
    return int((await reads.ask({"type": "fee_rates", "sender": sender}, _FeeTier)).fee_tier)


async def link(reads: HttpReads, rules: VenueRules, sender: str, owner: Signer, signer: str) -> None:
    """Let `signer` (an address; `NOBODY` revokes) act for `sender`, replacing whoever could. Raises
    `VenueError`; `Unreachable` leaves it open.
    """
    nonce = (await reads.ask({"type": "nonces", "address": subaccount_owner(sender)}, _Nonces)).tx_nonce
    packed = signer.lower() + "00" * 12
    signature = owner.sign(link_signer_digest(sender, packed, nonce, rules.chain_id, rules.endpoint))
    tx = {"sender": sender, "signer": packed, "nonce": str(int(nonce))}
    await reads.submit(write({"link_signer": {"tx": tx, "signature": signature}}))
