"""May we still sign? 2028 in mid-run means that our key is no longer the subaccount's owner or linked signer:
somebody has replaced it.

Nothing can be closed by a key that is refused, so this is not waited out: nothing more is entered, what is
open is left if it can be, and as soon as an order was refused for it the run halts and says what is open.
"""

import msgspec

from messages.execution import Outcome
from messages.lifecycle import AccountStream, Held

REPLACED = 2028
"""The venue: invalid signature for this sender and linked signer."""


class SignerStatus:
    """What the venue has said of our key so far, by its answers and by the account's stream."""

    def __init__(self) -> None:
        self.lost = ""
        """"" or what was refused, in words."""
        self.order_refused = False
        """Was it an order? Then no other order would fare better."""

    def hear(self, message: msgspec.Struct) -> bool:
        """Take one message; True when this is the first that says it is gone."""
        what = ""
        if isinstance(message, Outcome) and (message.kind, message.code) == ("refused", REPLACED):
            self.order_refused = True
            what = f"an order for {message.leg.upper()}-PERP"
        elif isinstance(message, AccountStream) and message.refused == REPLACED:
            what = "the account's stream"
        first = bool(what) and not self.lost
        if first:
            may_not = "the key of this run may no longer sign for the subaccount"
            self.lost = f"the venue refused {what} with {REPLACED}: {may_not}"
        return first

    @property
    def obstacle(self) -> str:
        """Why no plan may be sealed: "" unless an order was refused."""
        return self.lost if self.order_refused else ""

    def over(self, held: Held) -> bool:
        """Is it time to halt: when an order was refused as soon as nothing is in flight, otherwise once
        flat?
        """
        if not self.lost or held.phase == "in_flight":
            return False
        return self.order_refused or held.phase == "flat"
