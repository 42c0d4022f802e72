"""Stream frames to messages. Events carry `type`, answers to control frames carry `id`; they share a
connection and arrive in any order.

A frame that cannot be read is counted and dropped: it never stops the stream and never becomes a number. Who
loses an event notices elsewhere (the book's timestamp chain, the sum of an order's fills), because that is
what those checks are for.
"""

from collections.abc import Callable, Collection
from typing import Literal

import msgspec

from messages.execution import Fill, OrderUpdate, PositionChange
from messages.market import BookDelta, Level, PublicTrade, Touch
from messages.units import Base, Ns, Price, Quote
from venue.nado.codec import (
    NO_ASK,
    ControlFrameReply,
    Moment,
    ProductId,
    Whole,
    WireLevels,
    read,
    real_levels,
)
from venue.nado.counts import TroubleTally
from venue.protocol import Malformed, OutOfRange

StreamEvent = BookDelta | Touch | PublicTrade | Fill | OrderUpdate | PositionChange


ISOLATED_BIT = 8
"""Of an order's appendix."""


class _Head(msgspec.Struct, frozen=True):
    type: str | None = None


class _BookDepth(msgspec.Struct, frozen=True):
    product_id: ProductId
    min_timestamp: Moment
    max_timestamp: Moment
    last_max_timestamp: Whole
    bids: WireLevels
    asks: WireLevels


class _BestBidOffer(msgspec.Struct, frozen=True):
    product_id: ProductId
    timestamp: Moment
    bid_price: Price
    bid_qty: Base
    ask_price: Price
    ask_qty: Base


class _Trade(msgspec.Struct, frozen=True):
    product_id: ProductId
    timestamp: Moment
    price: Price
    taker_qty: Base
    is_taker_buyer: bool


class _Fill(msgspec.Struct, frozen=True):
    product_id: ProductId
    timestamp: Moment
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
    appendix: Whole = Whole(0)


class _OrderUpdate(msgspec.Struct, frozen=True):
    product_id: ProductId
    timestamp: Moment
    digest: str
    amount: Base
    reason: Literal["placed", "filled", "cancelled"]


class _PositionChange(msgspec.Struct, frozen=True):
    product_id: ProductId
    timestamp: Moment
    subaccount: str
    isolated: bool
    amount: Base
    v_quote_amount: Quote
    reason: str


def decode(
    text: str, wanted: Collection[str], sender: str, tally: TroubleTally
) -> StreamEvent | ControlFrameReply | None:
    """One frame of /subscribe. None when it is nothing for us; `tally` says why. Never raises.

    `wanted`: the types of event that were subscribed to. `sender`: the subaccount (bytes32 hex) that an
    account's events must belong to.
    """
    try:
        kind = read(text, _Head).type
        if kind is None:
            tally.counts.controls += 1
            return read(text, ControlFrameReply)
        decoder = DECODERS.get(kind) if kind in wanted else None
        if decoder is None:
            tally.trouble("unknown", kind)
            return None
        event = decoder(text, sender)
    except Malformed as error:
        tally.trouble("out_of_range" if isinstance(error, OutOfRange) else "unreadable", str(error))
        return None
    tally.counts.events += 1
    return event


def _book_delta(text: str, _sender: str) -> BookDelta:
    wire = read(text, _BookDepth)
    if wire.min_timestamp > wire.max_timestamp:
        raise OutOfRange(f"a book batch from {int(wire.min_timestamp)} to {int(wire.max_timestamp)}")
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


def _touch(text: str, _sender: str) -> Touch:
    wire = read(text, _BestBidOffer)
    bid, ask = _levels(((wire.bid_price, wire.bid_qty),)), _levels(((wire.ask_price, wire.ask_qty),))
    return Touch(
        int(wire.product_id), Ns(int(wire.timestamp)), bid[0] if bid else None, ask[0] if ask else None
    )


def _public_trade(text: str, _sender: str) -> PublicTrade:
    wire = read(text, _Trade)
    if not 0 < wire.price < NO_ASK or wire.taker_qty <= 0:
        raise OutOfRange(f"a trade of {int(wire.taker_qty)} at {int(wire.price)}")
    return PublicTrade(
        int(wire.product_id), Ns(int(wire.timestamp)), wire.price, wire.taker_qty, wire.is_taker_buyer
    )


def _fill(text: str, sender: str) -> Fill:
    wire = read(text, _Fill)
    _must_be_ours(wire.subaccount, sender)
    if (
        wire.filled_qty <= 0
        or wire.remaining_qty < 0
        or wire.filled_qty + wire.remaining_qty > wire.original_qty
        or wire.price <= 0
    ):
        raise OutOfRange(
            f"a fill of {int(wire.filled_qty)} at {int(wire.price)} leaving {int(wire.remaining_qty)} of"
            f" {int(wire.original_qty)}"
        )
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
        isolated=bool(wire.appendix >> ISOLATED_BIT & 1),
    )


def _order_update(text: str, _sender: str) -> OrderUpdate:
    wire = read(text, _OrderUpdate)
    return OrderUpdate(
        wire.digest, int(wire.product_id), Base(abs(wire.amount)), wire.reason, Ns(int(wire.timestamp))
    )


def _position_change(text: str, sender: str) -> PositionChange:
    wire = read(text, _PositionChange)
    _must_be_ours(wire.subaccount, sender)
    return PositionChange(
        int(wire.product_id),
        wire.isolated,
        wire.amount,
        wire.v_quote_amount,
        wire.reason,
        Ns(int(wire.timestamp)),
    )


def _must_be_ours(subaccount: str, sender: str) -> None:
    """Raises `Malformed` for another subaccount's event. An isolated one of ours counts as ours: which of the
    two names it carries is undocumented.

    Layout of an isolated subaccount: owner's 20 bytes, 6 reserved, product id, id, "iso" (0x69736f).
    """
    theirs, ours = subaccount.lower(), sender.lower()
    if theirs != ours and not (theirs[:42] == ours[:42] and theirs.endswith("69736f")):
        raise Malformed(f"an event of another subaccount: {subaccount[:66]}")


DECODERS: dict[str, Callable[[str, str], StreamEvent]] = {
    "book_depth": _book_delta,
    "best_bid_offer": _touch,
    "trade": _public_trade,
    "fill": _fill,
    "order_update": _order_update,
    "position_change": _position_change,
}
"""By the `type` of the event; each takes the frame and the subaccount that it must belong to."""
