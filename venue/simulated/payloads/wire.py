"""The shapes of Nado's JSON that go out: envelopes, events, and the parts that answers share. Pure.

x18 amounts are decimal strings, product ids and counters JSON numbers, timestamps of events nanosecond
strings (sources in the protocol notes).
"""

from collections.abc import Sequence
from typing import Any

from messages.market import Level
from venue.nado.codec import write
from venue.protocol import Order
from venue.simulated.engine.book import Resting
from venue.simulated.engine.candles import Candle
from venue.simulated.engine.codes import ExchangeRefusal
from venue.simulated.engine.events import (
    BookBatch,
    Filled,
    FundingPaid,
    Liquidated,
    OrderUpdated,
    PositionChanged,
    PublishedEvent,
    Traded,
)
from venue.simulated.engine.order_log import LoggedOrder
from venue.simulated.engine.rules import NO_ASK


def success(request_type: str, data: object, **echo: object) -> str:
    """The envelope of a good answer; `echo` = signature and id of an execute. Absent optionals are left
    out, `data` too.
    """
    return write(
        {"status": "success", **_present(echo), **_present({"data": data}), "request_type": request_type}
    )


def failure(request_type: str, no: ExchangeRefusal, **echo: object) -> str:
    """The envelope of a refusal: its text and code; `echo` as of `success`."""
    return write(
        {
            "status": "failure",
            **_present(echo),
            "error": no.text,
            "error_code": no.code,
            "request_type": request_type,
        }
    )


def _present(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def levels_json(levels: Sequence[Level]) -> list[list[str]]:
    """[[price, amount], ...], x18 text, the best level first."""
    return [[str(int(level.price)), str(int(level.amount))] for level in levels]


def order_json(order: Resting) -> dict[str, Any]:
    """A resting order as queries and cancellations show it; amounts signed, `placed_at` in seconds."""
    shown = _order_fields(order.order, order.digest, order.terms.kind, int(order.unfilled), order.placed_s)
    return shown if order.order_id is None else {**shown, "id": order.order_id}


def ended_json(entry: LoggedOrder) -> dict[str, Any]:
    """An order that has ended, in the same shape: a venue that keeps them would show them so."""
    unfilled, placed_s = int(entry.amount) - int(entry.filled), entry.arrived_ns // 10**9
    return _order_fields(entry, entry.digest, entry.kind, unfilled, placed_s)


def _order_fields(
    order: Order | LoggedOrder, digest: str, kind: str, unfilled: int, placed_s: int
) -> dict[str, Any]:
    return {
        "product_id": order.product_id,
        "sender": order.sender,
        "price_x18": str(int(order.price)),
        "amount": str(int(order.amount)),
        "expiration": str(order.expiration_s),
        "order_type": kind,
        "nonce": str(order.nonce),
        "appendix": str(order.appendix),
        "unfilled_amount": str(unfilled),
        "digest": digest,
        "placed_at": placed_s,
    }


def batch_json(batch: BookBatch) -> str:
    """`book_depth`: the changes of one batch, times in nanoseconds, amount 0 where a level is gone."""
    return write(
        {
            "type": "book_depth",
            "min_timestamp": str(batch.min_ns),
            "max_timestamp": str(batch.max_ns),
            "last_max_timestamp": str(batch.last_max_ns),
            "product_id": batch.product_id,
            "bids": [[str(price), str(amount)] for price, amount in batch.bids],
            "asks": [[str(price), str(amount)] for price, amount in batch.asks],
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
    """`funding_rate`: the rate per 24 hours, x18, of Unix time `now_ns`."""
    shown = {"product_id": product_id, "funding_rate_x18": str(rate_x18), "update_time": str(now_ns // 10**9)}
    return write({"type": "funding_rate", "timestamp": str(now_ns), **shown})


def candle_fields(candle: Candle) -> dict[str, Any]:
    """A candlestick, as the stream and the archive have it."""
    return {
        "product_id": candle.product_id,
        "granularity": candle.granularity,
        "timestamp": str(candle.start_s),
        "open_x18": str(candle.opened),
        "high_x18": str(candle.high),
        "low_x18": str(candle.low),
        "close_x18": str(candle.closed),
        "volume": str(candle.volume),
    }


def candle_json(candle: Candle) -> str:
    """`latest_candlestick`: the candle that a trade has changed, as it is now."""
    return write({"type": "latest_candlestick", **candle_fields(candle)})


def all_bbo_json(prices: Sequence[dict[str, Any]], now_ms: int) -> str:
    """`all_bbo`: every product's best prices, as `market_prices` has them."""
    bbos = {str(price["product_id"]): {"bid": price["bid_x18"], "ask": price["ask_x18"]} for price in prices}
    return write({"type": "all_bbo", "time": str(now_ms), "bbos": bbos})


def event_json(event: PublishedEvent, *, order_update_fills: bool = False) -> str:
    """An engine event as its stream carries it."""
    fields = _fields(event, order_update_fills)
    return write(_present({"timestamp": str(event.at_ns), "product_id": event.product_id, **fields}))


def _fields(event: PublishedEvent, order_update_fills: bool) -> dict[str, object]:
    match event:
        case Filled():
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
        case OrderUpdated():
            filled = order_update_fills and event.filled
            return {
                "type": "order_update",
                "digest": event.digest,
                "amount": str(int(event.amount)),
                "reason": event.reason,
                "id": event.order_id,
                "filled_qty": str(int(event.filled)) if filled else None,
                "filled_price": str(int(event.price)) if filled else None,
            }
        case PositionChanged():
            return {
                "type": "position_change",
                "subaccount": event.subaccount,
                "isolated": event.isolated,
                "amount": str(int(event.amount)),
                "v_quote_amount": str(int(event.v_quote)),
                "reason": event.reason,
            }
        case Liquidated():
            return {
                "type": "liquidation",
                "product_id": None,
                "product_ids": [event.product_id],
                "liquidator": event.liquidator,
                "liquidatee": event.liquidatee,
                "amount": str(int(event.amount)),
                "price": str(int(event.price)),
            }
        case Traded():
            return {
                "type": "trade",
                "price": str(int(event.price)),
                "taker_qty": str(int(event.amount)),
                "maker_qty": str(int(event.amount)),
                "is_taker_buyer": event.is_taker_buyer,
            }
        case FundingPaid():
            return {
                "type": "funding_payment",
                "payment_amount": str(event.payment),
                "open_interest": str(int(event.open_interest)),
                "cumulative_funding_long_x18": str(event.cumulative),
                "cumulative_funding_short_x18": str(event.cumulative),
                "dt": event.seconds * 1000,
            }
