"""The shapes of Nado's JSON, seen from the server: requests in, envelopes and events out. Pure.

x18 amounts are decimal strings, product ids and counters JSON numbers, timestamps of events nanosecond strings (sources in the protocol notes).
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from messages.market import Level
from messages.units import Base, Price
from venue.nado.codec import Whole, read, write
from venue.protocol import Malformed, Order
from venue.simulated.book import Resting
from venue.simulated.events import BookBatch, Event, Filled, OrderUpdated, PositionChanged, Traded
from venue.simulated.rules import NO_ASK, Refused, refused

T = TypeVar("T")


class WireOrder(msgspec.Struct, frozen=True, rename={"price": "priceX18"}):
    """The signed part of an order."""

    sender: str
    price: Price
    amount: Base
    expiration: Whole
    nonce: Whole
    appendix: Whole


class PlaceOrder(msgspec.Struct, frozen=True):
    """`place_order`, and one entry of `place_orders`."""

    product_id: Whole
    order: WireOrder
    signature: str
    id: Whole | None = None

    def to_order(self) -> Order:
        """The order as it was signed; hex in lower case."""
        wire = self.order
        return Order(int(self.product_id), wire.sender.lower(), wire.price, wire.amount, int(wire.expiration), int(wire.nonce), int(wire.appendix))


class PlaceOrders(msgspec.Struct, frozen=True):
    """`place_orders`."""

    orders: tuple[PlaceOrder, ...]
    stop_on_failure: bool = False


class CancellationTx(msgspec.Struct, frozen=True):
    """The signed part of `cancel_orders`."""

    sender: str
    productIds: tuple[Whole, ...]  # noqa: N815 - the wire's name
    digests: tuple[str, ...]
    nonce: Whole


class CancelOrders(msgspec.Struct, frozen=True):
    """`cancel_orders`."""

    tx: CancellationTx
    signature: str
    required_unfilled_amount: Base | None = None
    id: Whole | None = None


class CancellationProductsTx(msgspec.Struct, frozen=True):
    """The signed part of `cancel_product_orders`; no products = all of them."""

    sender: str
    productIds: tuple[Whole, ...]  # noqa: N815 - the wire's name
    nonce: Whole


class CancelProductOrders(msgspec.Struct, frozen=True):
    """`cancel_product_orders`."""

    tx: CancellationProductsTx
    signature: str
    id: Whole | None = None


class CancelAndPlace(msgspec.Struct, frozen=True):
    """`cancel_and_place`."""

    cancel_tx: CancellationTx
    cancel_signature: str
    place_order: PlaceOrder
    place_requires_unfilled: bool = False
    required_unfilled_amount: Base | None = None


def read_request(data: bytes | str, kind: type[T]) -> T:
    """`data` as a `kind`. Raises `Refused` 2038 naming what is wrong."""
    try:
        return read(data, kind)
    except Malformed as error:
        raise Refused(2038, f"{refused(2038).text} {error}") from None


def success(request_type: str, data: object, **echo: object) -> str:
    """The envelope of a good answer; `echo` = signature and id of an execute. Absent optionals are left out."""
    return write({"status": "success", **_present(echo), "data": data, "request_type": request_type})


def failure(request_type: str, no: Refused, **echo: object) -> str:
    """The envelope of a refusal. Nado's documents do not say whether a failure echoes the id; here it does, as in their example."""
    return write({"status": "failure", **_present(echo), "error": no.text, "error_code": no.code, "request_type": request_type})


def _present(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def levels_json(levels: Sequence[Level]) -> list[list[str]]:
    """[[price, amount], ...]."""
    return [[str(int(level.price)), str(int(level.amount))] for level in levels]


def order_json(order: Resting) -> dict[str, Any]:
    """A resting order as queries and cancellations show it; amounts signed."""
    wire = order.order
    shown = {
        "product_id": wire.product_id,
        "sender": wire.sender,
        "price_x18": str(int(wire.price)),
        "amount": str(int(wire.amount)),
        "expiration": str(wire.expiration_s),
        "order_type": order.terms.kind,
        "nonce": str(wire.nonce),
        "appendix": str(wire.appendix),
        "unfilled_amount": str(int(order.unfilled)),
        "digest": order.digest,
        "placed_at": order.placed_s,
    }
    return shown if order.order_id is None else {**shown, "id": order.order_id}


def batch_json(batch: BookBatch) -> str:
    """`book_depth`."""
    return write(
        {
            "type": "book_depth",
            "min_timestamp": str(batch.min_ns),
            "max_timestamp": str(batch.max_ns),
            "last_max_timestamp": str(batch.last_max_ns),
            "product_id": batch.product_id,
            "bids": levels_json(batch.bids),
            "asks": levels_json(batch.asks),
        }
    )


def top_json(product_id: int, bid: Level | None, ask: Level | None, now_ns: int) -> str:
    """`best_bid_offer`; an empty side is written with the venue's sentinels."""
    return write(
        {
            "type": "best_bid_offer",
            "timestamp": str(now_ns),
            "product_id": product_id,
            "bid_price": str(int(bid.price)) if bid else "0",
            "bid_qty": str(int(bid.amount)) if bid else "0",
            "ask_price": str(int(ask.price)) if ask else str(NO_ASK),
            "ask_qty": str(int(ask.amount)) if ask else "0",
        }
    )


def funding_json(product_id: int, rate_x18: int, now_ns: int) -> str:
    """`funding_rate`, the rate per 24 hours."""
    shown = {"product_id": product_id, "funding_rate_x18": str(rate_x18), "update_time": str(now_ns // 10**9)}
    return write({"type": "funding_rate", "timestamp": str(now_ns), **shown})


def event_json(event: Event) -> str:
    """An engine event as its stream carries it."""
    fields: dict[str, object]
    if isinstance(event, Filled):
        fields = _fill_fields(event)
    elif isinstance(event, OrderUpdated):
        fields = {"type": "order_update", "digest": event.digest, "amount": str(int(event.amount)), "reason": event.reason, "id": event.order_id}
    elif isinstance(event, PositionChanged):
        fields = _position_fields(event)
    else:
        fields = _trade_fields(event)
    return write({"timestamp": str(event.at_ns), "product_id": event.product_id, **_present(fields)})


def _fill_fields(event: Filled) -> dict[str, object]:
    return {
        "type": "fill",
        "subaccount": event.subaccount,
        "order_digest": event.digest,
        "appendix": str(event.appendix),
        "filled_qty": str(int(event.filled)),
        "remaining_qty": str(int(event.remaining)),
        "original_qty": str(int(event.original)),
        "price": str(int(event.price)),
        "is_taker": event.is_taker,
        "is_bid": event.is_bid,
        "fee": str(int(event.fee)),
        "submission_idx": event.submission_idx,
        "id": event.order_id,
    }


def _position_fields(event: PositionChanged) -> dict[str, object]:
    return {
        "type": "position_change",
        "subaccount": event.subaccount,
        "isolated": False,
        "amount": str(int(event.amount)),
        "v_quote_amount": str(int(event.v_quote)),
        "reason": event.reason,
    }


def _trade_fields(event: Traded) -> dict[str, object]:
    amount = str(int(event.amount))
    return {"type": "trade", "price": str(int(event.price)), "taker_qty": amount, "maker_qty": amount, "is_taker_buyer": event.is_taker_buyer}
