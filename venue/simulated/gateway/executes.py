"""The executes that trade: orders and cancellations. Each answers with one envelope; orders go through
`SimulatedVenue.trade`.

Those that move money are in `money_executes`.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import trio

from messages.units import Base
from venue.nado.codec import Whole
from venue.nado.signing import cancellation_digest, cancellation_products_digest
from venue.simulated.engine.book import Resting
from venue.simulated.engine.codes import ExchangeRefusal, require
from venue.simulated.engine.exchange import Extras
from venue.simulated.engine.rules import check_recv_time
from venue.simulated.faults.order_faults import AnswerLost
from venue.simulated.gateway.money_executes import MONEY_EXECUTES, digest_of
from venue.simulated.payloads.requests import (
    CancelAndPlace,
    CancellationProductsTx,
    CancellationTx,
    CancelOrders,
    PlaceOrder,
    PlaceOrders,
    Signed,
    read_request,
)
from venue.simulated.payloads.wire import failure, order_json, success
from venue.simulated.signatures import identified, signer_of
from venue.simulated.venue import AnswerTruncated, SimulatedVenue

ORDERS_MAX = 50
"""Orders in one `place_orders`."""
BATCH_PENALTY_S = 0.05
"""What `place_orders` costs on top of its orders."""

T = TypeVar("T")


class _Echo(msgspec.Struct, frozen=True):
    """What an answer repeats of its request: of a `cancel_and_place` its order's."""

    signature: str | None = None
    id: Whole | None = None


async def execute(venue: SimulatedVenue, name: str, body: bytes) -> str:
    """The answer to one execute. Raises `AnswerLost` and `ConnectionCut` when that is staged."""
    request_type, echo = f"execute_{name}", _Echo()
    echoes_id = venue.exchange.options.echo_id
    try:
        if name == "cancel_and_place":
            order = read_request(body, CancelAndPlace).place_order
            echo = _Echo(order.signature, order.id)
        else:
            echo = read_request(body, _Echo)
        data = await _run(venue, name, body)
    except AnswerTruncated as cut:
        raise AnswerTruncated(
            success(request_type, {"digest": cut.text}, signature=echo.signature, id=echo.id)
        ) from None
    except ExchangeRefusal as no:
        return failure(request_type, no, signature=echo.signature, id=echo.id if echoes_id else None)
    finally:
        venue.publish()
    return success(
        request_type,
        data,
        signature=echo.signature or "0x",
        id=echo.id if echoes_id or name != "cancel_and_place" else None,
    )


async def _run(venue: SimulatedVenue, name: str, body: bytes) -> object:
    require(name not in NOT_SIMULATED, 4001, what=name)
    require(venue.status == "active", 2068)
    if name in MONEY_EXECUTES:
        return MONEY_EXECUTES[name](venue, body)
    if name == "place_order":
        return {"digest": await _place(venue, read_request(body, PlaceOrder))}
    require(name in BATCHES, 2038)
    return await BATCHES[name](venue, body)


async def _place(venue: SimulatedVenue, body: PlaceOrder) -> str:
    """Process one order as the wire brings it; the digest. Raises as `SimulatedVenue.trade` does."""
    order = body.to_order()
    digest, signer = identified(order, body.signature, venue.exchange.chain_id)
    order_id = None if body.id is None else int(body.id)
    extras = Extras(order_id, body.borrow_margin is not False, body.spot_leverage)
    return await venue.trade(order, digest, signer, extras)


async def _place_orders(venue: SimulatedVenue, body: bytes) -> object:
    """Order by order, none rolled back; a list, as the server writes it."""
    request = read_request(body, PlaceOrders)
    require(len(request.orders) <= ORDERS_MAX, 2111)
    require(len({order.order.sender.lower() for order in request.orders}) <= 1, 2114)
    await trio.sleep(BATCH_PENALTY_S)
    results: list[dict[str, Any]] = []
    lost = False
    for order in request.orders:
        try:
            results.append({"digest": await _place(venue, order), "error": None})
        except AnswerLost:
            lost = True
        except ExchangeRefusal as no:
            results.append({"digest": None, "error": no.text})
            if request.stop_on_failure:
                break
    if lost:
        raise AnswerLost
    return results


async def _cancel_orders(venue: SimulatedVenue, body: bytes) -> object:
    request = read_request(body, CancelOrders)
    return _cancelled(venue, _resting(venue, request.tx, request.signature, request.required_unfilled_amount))


async def _cancel_product_orders(venue: SimulatedVenue, body: bytes) -> object:
    request = read_request(body, Signed[CancellationProductsTx])
    exchange, sender, nonce = venue.exchange, request.tx.sender.lower(), int(request.tx.nonce)
    products = [int(product_id) for product_id in request.tx.productIds]
    digest = digest_of(
        cancellation_products_digest, sender, products, nonce, exchange.chain_id, exchange.endpoint
    )
    _check_request(venue, sender, nonce, signer_of(digest, request.signature))
    wanted = products or exchange.markets
    return _cancelled(
        venue, [order for product_id in wanted for order in exchange.open_orders(sender, product_id)]
    )


async def _cancel_and_place(venue: SimulatedVenue, body: bytes) -> object:
    """Cancel, then place. Whether the order is placed when the cancellation finds nothing is an option,
    unless the request demands it.
    """
    request = read_request(body, CancelAndPlace)
    require(request.cancel_tx.sender.lower() == request.place_order.order.sender.lower(), 2066)
    canceller, order = _cancel_signer(venue, request.cancel_tx, request.cancel_signature), request.place_order
    require(canceller == identified(order.to_order(), order.signature, venue.exchange.chain_id)[1], 2066)
    try:
        orders = _resting(
            venue, request.cancel_tx, request.cancel_signature, request.required_unfilled_amount
        )
    except ExchangeRefusal as no:
        if (
            no.code != 2020
            or not venue.exchange.options.place_after_failed_cancel
            or request.place_requires_unfilled
        ):
            raise
        orders = []
    if request.place_requires_unfilled and any(
        order.remaining != abs(order.order.amount) for order in orders
    ):
        raise ExchangeRefusal(2020, "The order to be replaced has been filled in part.")
    _cancelled(venue, orders)
    return {"digest": await _place(venue, request.place_order)}


def _cancel_signer(venue: SimulatedVenue, tx: CancellationTx, signature: str) -> str:
    """The address that signed a cancellation. Raises `ExchangeRefusal`: 2039 when products and digests differ
    in number, and what `signer_of` raises.
    """
    require(len(tx.productIds) == len(tx.digests), 2039)
    digest = digest_of(
        cancellation_digest,
        tx.sender.lower(),
        [int(product_id) for product_id in tx.productIds],
        [digest.lower() for digest in tx.digests],
        int(tx.nonce),
        venue.exchange.chain_id,
        venue.exchange.endpoint,
    )
    return signer_of(digest, signature)


def _resting(
    venue: SimulatedVenue, tx: CancellationTx, signature: str, unfilled: Base | None
) -> list[Resting]:
    """The orders a signed cancellation names. One that is gone refuses the whole request or is left out,
    as `cancel_batch_is_atomic` decides; all gone: 2020.
    """
    _check_request(venue, tx.sender, tx.nonce, _cancel_signer(venue, tx, signature))
    found, gone = [], None
    for product_id, digest in zip(tx.productIds, tx.digests, strict=True):
        try:
            order = venue.exchange.find(int(product_id), digest.lower())
            require(order.order.sender == tx.sender.lower(), 2014)
            require(unfilled is None or order.remaining == abs(unfilled), 2020, digest=digest.lower())
        except ExchangeRefusal as no:
            if no.code != 2020 or venue.exchange.options.cancel_batch_is_atomic:
                raise
            gone = no
        else:
            found.append(order)
    if gone and not found:
        raise gone
    return found


def _check_request(venue: SimulatedVenue, sender: str, nonce: int, signer: str) -> None:
    venue.exchange.check_sender(sender.lower(), signer)
    check_recv_time(nonce, venue.now_ms())


def _cancelled(venue: SimulatedVenue, orders: list[Resting]) -> object:
    shown = [order_json(order) for order in orders]
    venue.exchange.cancel(orders, venue.now_ns())
    return {"cancelled_orders": shown}


BATCHES: dict[str, Callable[[SimulatedVenue, bytes], Awaitable[object]]] = {
    "place_orders": _place_orders,
    "cancel_orders": _cancel_orders,
    "cancel_product_orders": _cancel_product_orders,
    "cancel_and_place": _cancel_and_place,
}
"""What places and cancels several orders with one request."""
EXECUTES = ("place_order", *BATCHES)
"""The executes that trade, by name."""

NOT_SIMULATED = {"mint_nlp", "burn_nlp"}
"""The liquidity pool's tokens are no business of a perp trader."""
