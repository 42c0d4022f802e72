"""Stream frames to messages. Events carry `type`, answers to control frames carry `id`; they share a
connection and arrive in any order.

A frame that cannot be read is counted and dropped: it never stops the stream and never becomes a number. Who
loses an event notices elsewhere (the book's timestamp chain, the sum of an order's fills), because that is
what those checks are for.
"""

from collections.abc import Callable, Collection
from typing import Literal, Protocol

import msgspec

from messages.execution import Fill, OrderUpdate, PositionChange
from messages.market import BookDelta, Level, PublicTrade, Touch
from messages.units import X18_LIMIT, Base, Ns, Price, Quote
from venue.nado.codec import (
    MOMENT_LIMIT,
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


class _Event(Protocol):
    """An event as the venue writes it, field by field."""

    def message(self, sender: str, /) -> StreamEvent:
        """What it says, once checked: raises `OutOfRange` for impossible numbers, `Malformed` for another
        subaccount than `sender`.
        """
        ...


def _levels(levels: WireLevels) -> tuple[Level, ...]:
    return tuple(Level(price, amount) for price, amount in real_levels(levels))


def _must_be_ours(subaccount: str, sender: str) -> None:
    """Raises `Malformed` for another subaccount's event. An isolated one of ours counts as ours: which of the
    two names it carries is undocumented.

    Layout of an isolated subaccount: owner's 20 bytes, 6 reserved, product id, id, "iso" (0x69736f).
    """
    theirs, ours = subaccount.lower(), sender.lower()
    if theirs != ours and not (theirs[:42] == ours[:42] and theirs.endswith("69736f")):
        raise Malformed(f"an event of another subaccount: {subaccount[:66]}")


class _BookDepth(msgspec.Struct, frozen=True):
    product_id: ProductId
    min_timestamp: Moment
    max_timestamp: Moment
    last_max_timestamp: Whole
    bids: WireLevels
    asks: WireLevels

    def message(self, _sender: str) -> BookDelta:
        if self.min_timestamp > self.max_timestamp:
            raise OutOfRange(f"a book batch from {int(self.min_timestamp)} to {int(self.max_timestamp)}")
        return BookDelta(
            product_id=int(self.product_id),
            min_ns=Ns(int(self.min_timestamp)),
            max_ns=Ns(int(self.max_timestamp)),
            last_max_ns=Ns(int(self.last_max_timestamp)),
            bids=tuple((int(price), int(amount)) for price, amount in real_levels(self.bids)),
            asks=tuple((int(price), int(amount)) for price, amount in real_levels(self.asks)),
        )


class _PlainBookDepth(msgspec.Struct, frozen=True):
    """`_BookDepth` with bare integers, for a decoder that makes them of strings by itself."""

    product_id: int
    min_timestamp: int
    max_timestamp: int
    last_max_timestamp: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


_plain_book_depth = msgspec.json.Decoder(_PlainBookDepth, strict=False)

_NAMES_E = "".join(("type", "book_depth", *_PlainBookDepth.__struct_fields__)).count("e")
"""How many letters e a book batch's names have, its type included."""


def _plain_batch(text: str) -> BookDelta | None:
    """What `_BookDepth` makes of `text`, at a quarter of the cost, where everything in it is as usual; None
    where anything is not, for `_BookDepth` to say what.

    msgspec reads "123" as an integer when it is not strict, and faster than Python can call a function per
    number. But it also reads 1.0, "1.0" and "1e3", which are no numbers here (`codec`). So it reads nothing
    that has a point or, its names apart, an exponent's letter; nor a backslash, by which names can be written
    in other letters.
    """
    if "." in text or "\\" in text or "E" in text or text.count("e") != _NAMES_E:
        return None
    try:
        batch = _plain_book_depth.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if not (0 < batch.min_timestamp <= batch.max_timestamp < MOMENT_LIMIT and 0 <= batch.product_id < 2**32):
        return None
    for levels in (batch.bids, batch.asks):
        for price, amount in levels:
            if not (0 < price < NO_ASK and 0 <= amount < X18_LIMIT):
                return None
    return BookDelta(
        batch.product_id,
        Ns(batch.min_timestamp),
        Ns(batch.max_timestamp),
        Ns(batch.last_max_timestamp),
        batch.bids,
        batch.asks,
    )


class _BestBidOffer(msgspec.Struct, frozen=True):
    product_id: ProductId
    timestamp: Moment
    bid_price: Price
    bid_qty: Base
    ask_price: Price
    ask_qty: Base

    def message(self, _sender: str) -> Touch:
        bid, ask = _levels(((self.bid_price, self.bid_qty),)), _levels(((self.ask_price, self.ask_qty),))
        return Touch(
            int(self.product_id), Ns(int(self.timestamp)), bid[0] if bid else None, ask[0] if ask else None
        )


class _Trade(msgspec.Struct, frozen=True):
    product_id: ProductId
    timestamp: Moment
    price: Price
    taker_qty: Base
    is_taker_buyer: bool

    def message(self, _sender: str) -> PublicTrade:
        if not 0 < self.price < NO_ASK or self.taker_qty <= 0:
            raise OutOfRange(f"a trade of {int(self.taker_qty)} at {int(self.price)}")
        return PublicTrade(
            int(self.product_id), Ns(int(self.timestamp)), self.price, self.taker_qty, self.is_taker_buyer
        )


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

    def message(self, sender: str) -> Fill:
        _must_be_ours(self.subaccount, sender)
        if (
            self.filled_qty <= 0
            or self.remaining_qty < 0
            or self.filled_qty + self.remaining_qty > self.original_qty
            or self.price <= 0
        ):
            raise OutOfRange(
                f"a fill of {int(self.filled_qty)} at {int(self.price)} leaving {int(self.remaining_qty)} of"
                f" {int(self.original_qty)}"
            )
        return Fill(
            order_digest=self.order_digest,
            product_id=int(self.product_id),
            amount=self.filled_qty if self.is_bid else Base(-self.filled_qty),
            price=self.price,
            fee=self.fee,
            remaining=self.remaining_qty,
            original=self.original_qty,
            is_taker=self.is_taker,
            submission_idx=int(self.submission_idx),
            at_ns=Ns(int(self.timestamp)),
            isolated=bool(self.appendix >> ISOLATED_BIT & 1),
        )


class _OrderUpdate(msgspec.Struct, frozen=True):
    product_id: ProductId
    timestamp: Moment
    digest: str
    amount: Base
    reason: Literal["placed", "filled", "cancelled"]

    def message(self, _sender: str) -> OrderUpdate:
        return OrderUpdate(
            self.digest, int(self.product_id), Base(abs(self.amount)), self.reason, Ns(int(self.timestamp))
        )


class _PositionChange(msgspec.Struct, frozen=True):
    product_id: ProductId
    timestamp: Moment
    subaccount: str
    isolated: bool
    amount: Base
    v_quote_amount: Quote
    reason: str

    def message(self, sender: str) -> PositionChange:
        _must_be_ours(self.subaccount, sender)
        return PositionChange(
            int(self.product_id),
            self.isolated,
            self.amount,
            self.v_quote_amount,
            self.reason,
            Ns(int(self.timestamp)),
        )


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


def _decoder(kind: type[_Event]) -> Callable[[str, str], StreamEvent]:
    return lambda text, sender: read(text, kind).message(sender)


def _book_batch(text: str, sender: str) -> BookDelta:
    return _plain_batch(text) or read(text, _BookDepth).message(sender)


DECODERS: dict[str, Callable[[str, str], StreamEvent]] = {
    "book_depth": _book_batch,
    "best_bid_offer": _decoder(_BestBidOffer),
    "trade": _decoder(_Trade),
    "fill": _decoder(_Fill),
    "order_update": _decoder(_OrderUpdate),
    "position_change": _decoder(_PositionChange),
}
"""By the `type` of the event; each takes the frame and the subaccount that it must belong to."""
