"""Stream frames to messages. Events carry `type`, answers to control frames carry `id`; they share a connection and arrive in any order.

A frame that cannot be read is counted and dropped: it never stops the stream and never becomes a number. Who loses an event notices elsewhere (the
book's timestamp chain, the sum of an order's fills), because that is what those checks are for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from messages.execution import Fill, OrderUpdate, PositionChange
from messages.market import BookDelta, Level
from messages.units import Base, Ns, Price, Quote
from venue.nado.codec import Control, Whole, WireLevels, read, real_levels
from venue.protocol import Malformed

StreamEvent = BookDelta | Fill | OrderUpdate | PositionChange


@dataclass
class Tally:
    """How many frames of one connection were what. Only the counts are kept."""

    events: int = 0
    controls: int = 0
    unknown: int = 0
    """Well-formed events of a type that nobody here asked for."""
    unreadable: int = 0
    last_problem: str = ""

    def note_unreadable(self, why: str) -> None:
        """Count a frame that could not be read."""
        self.unreadable += 1
        self.last_problem = why


class _Head(msgspec.Struct, frozen=True):
    type: str | None = None


class _BookDepth(msgspec.Struct, frozen=True):
    product_id: Whole
    min_timestamp: Whole
    max_timestamp: Whole
    last_max_timestamp: Whole
    bids: WireLevels
    asks: WireLevels


class _Fill(msgspec.Struct, frozen=True):
    product_id: Whole
    timestamp: Whole
    subaccount: str
    order_digest: str
    filled_qty: Base
    remaining_qty: Base
    original_qty: Base
    price: Price
    is_taker: bool
    is_bid: bool
    fee: Quote
    submission_idx: Whole


class _OrderUpdate(msgspec.Struct, frozen=True):
    product_id: Whole
    timestamp: Whole
    digest: str
    amount: Base
    reason: Literal["placed", "filled", "cancelled"]


class _PositionChange(msgspec.Struct, frozen=True):
    product_id: Whole
    timestamp: Whole
    subaccount: str
    isolated: bool
    amount: Base
    v_quote_amount: Quote
    reason: str


def decode(text: str, sender: str, tally: Tally) -> StreamEvent | Control | None:
    """One frame of /subscribe. None when it is nothing for us; `tally` says why. Never raises.

    `sender` is the subaccount (bytes32 hex) of an account stream, which its events must belong to; "" on a market stream.
    """
    try:
        kind = read(text, _Head).type
        if kind is None:
            tally.controls += 1
            return read(text, Control)
        decoder = (_ACCOUNT if sender else _MARKET).get(kind)
        if decoder is None:
            tally.unknown += 1
            return None
        event = decoder(text, sender)
    except Malformed as error:
        tally.note_unreadable(str(error))
        return None
    tally.events += 1
    return event


def _book_delta(text: str, _sender: str) -> BookDelta:
    wire = read(text, _BookDepth)
    return BookDelta(
        product_id=int(wire.product_id),
        min_ns=Ns(int(wire.min_timestamp)),
        max_ns=Ns(int(wire.max_timestamp)),
        last_max_ns=Ns(int(wire.last_max_timestamp)),
        bids=_levels(wire.bids),
        asks=_levels(wire.asks),
    )


def _levels(levels: WireLevels) -> tuple[Level, ...]:
    return tuple(Level(price, amount) for price, amount in real_levels(levels))


def _fill(text: str, sender: str) -> Fill:
    wire = read(text, _Fill)
    _must_be_ours(wire.subaccount, sender)
    if wire.filled_qty <= 0 or wire.remaining_qty < 0 or wire.filled_qty + wire.remaining_qty > wire.original_qty or wire.price <= 0:
        raise Malformed(f"a fill of {int(wire.filled_qty)} at {int(wire.price)} leaving {int(wire.remaining_qty)} of {int(wire.original_qty)}")
    return Fill(
        order_digest=wire.order_digest,
        product_id=int(wire.product_id),
        amount=wire.filled_qty if wire.is_bid else Base(-wire.filled_qty),
        price=wire.price,
        fee=wire.fee,
        remaining=wire.remaining_qty,
        original=wire.original_qty,
        is_taker=wire.is_taker,
        submission_idx=int(wire.submission_idx),
        at_ns=Ns(int(wire.timestamp)),
    )


def _order_update(text: str, _sender: str) -> OrderUpdate:
    wire = read(text, _OrderUpdate)
    return OrderUpdate(wire.digest, int(wire.product_id), Base(abs(wire.amount)), wire.reason, Ns(int(wire.timestamp)))


def _position_change(text: str, sender: str) -> PositionChange:
    wire = read(text, _PositionChange)
    _must_be_ours(wire.subaccount, sender)
    return PositionChange(int(wire.product_id), wire.isolated, wire.amount, wire.v_quote_amount, wire.reason, Ns(int(wire.timestamp)))


def _must_be_ours(subaccount: str, sender: str) -> None:
    """Raises `Malformed` for another subaccount's event. An isolated one of ours counts as ours: which of the two names it carries is undocumented.

    Layout of an isolated subaccount: owner's 20 bytes, 6 reserved, product id, id, "iso" (0x69736f).
    """
    theirs, ours = subaccount.lower(), sender.lower()
    if theirs != ours and not (theirs[:42] == ours[:42] and theirs.endswith("69736f")):
        raise Malformed(f"an event of another subaccount: {subaccount[:66]}")


_MARKET: dict[str, Callable[[str, str], StreamEvent]] = {"book_depth": _book_delta}
_ACCOUNT: dict[str, Callable[[str, str], StreamEvent]] = {"fill": _fill, "order_update": _order_update, "position_change": _position_change}
