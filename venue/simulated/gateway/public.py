"""The venue's other public answers: cached reads (`/v1/edge/query`), and `/v2`, which writes prices as
JSON numbers because people read them.
"""

from collections.abc import Mapping
from typing import Any

from messages.units import Price
from venue.nado.codec import write
from venue.simulated.engine.codes import ExchangeRefusal, refused, require
from venue.simulated.engine.rules import QUOTE_PRODUCT, Product
from venue.simulated.payloads import queries
from venue.simulated.payloads.params import whole
from venue.simulated.payloads.wire import failure, success
from venue.simulated.venue import SimulatedVenue

CACHED = {
    "cached_symbols": "symbols",
    "cached_contracts": "contracts",
    "cached_status": "status",
    "cached_all_products": "all_products",
    "cached_edge_all_products": "edge_all_products",
    "cached_health_groups": "health_groups",
    "cached_nlp_pool_info": "nlp_pool_info",
}
"""What is cached, and the query that it answers like. Here nothing is ever stale."""
HISTORY_MS, HISTORY_MAX = 1000, 1800
ORDERBOOK_DEPTH = 100


def answer_edge(venue: SimulatedVenue, params: Mapping[str, Any]) -> str:
    """`/v1/edge/query`: cached reads in the usual envelope, and two control calls in their own."""
    kind = str(params.get("type"))
    if kind in {"ping", "time"}:
        method = "pong" if kind == "ping" else kind
        echo = {name: params[name] for name in ("id", "client_time") if name in params}
        return write({"status": "success", "method": method, **echo, "server_time": str(venue.now_ms())})
    request_type = f"query_{kind}"
    try:
        return success(request_type, _cached(venue, kind, params))
    except ExchangeRefusal as no:
        return failure(request_type, no)


def _cached(venue: SimulatedVenue, kind: str, params: Mapping[str, Any]) -> object:
    prices = queries.all_prices(venue.exchange)
    if kind == "cached_prices":
        wanted = params.get("product_ids")
        return {
            "market_prices": [price for price in prices if wanted is None or price["product_id"] in wanted]
        }
    if kind == "cached_bbo_history":  # only the newest sample: no history of best prices is kept here
        now = str(venue.now_ms())
        return {
            "interval_ms": whole(params.get("interval_ms")) or HISTORY_MS,
            "limit": whole(params.get("limit")) or HISTORY_MAX,
            "history": [
                {
                    "product_id": price["product_id"],
                    "timestamp": now,
                    "bid": price["bid_x18"],
                    "ask": price["ask_x18"],
                }
                for price in prices
            ],
        }
    require(kind in CACHED, 2038)
    return queries.answer(venue.exchange, venue.status, {**params, "type": CACHED[kind]}, venue.now_ns())


# -- /v2 -----------------------------------------------------------------------------------------------------


def ticker_id(product: Product) -> str:
    """The product's name in `/v2`, such as `ETH-PERP_USDT0`."""
    return f"{product.symbol}_USDT0"


def assets(venue: SimulatedVenue) -> list[dict[str, Any]]:
    """`/v2/assets`: the quote asset and the perps, fees as JSON numbers."""
    quote = {
        "product_id": QUOTE_PRODUCT,
        "ticker_id": None,
        "market_type": None,
        "name": "Tether USD0",
        "symbol": "USDT0",
        "maker_fee": None,
        "taker_fee": None,
        "can_withdraw": True,
        "can_deposit": True,
    }
    perps = [
        {
            "product_id": product.product_id,
            "ticker_id": ticker_id(product),
            "market_type": "perp",
            "name": product.symbol.removesuffix("-PERP"),
            "symbol": product.symbol,
            "maker_fee": float(product.maker_fee.decimal()),
            "taker_fee": float(product.taker_fee.decimal()),
            "can_withdraw": False,
            "can_deposit": False,
        }
        for product in venue.exchange.products
    ]
    return [quote, *perps]


def pairs(venue: SimulatedVenue, market: str | None) -> list[dict[str, str]]:
    """`/v2/pairs`, of one kind of market or of all; there are only perps."""
    shown = venue.exchange.products if market in {None, "perp"} else ()
    return [{"ticker_id": ticker_id(product), "base": product.symbol, "quote": "USDT0"} for product in shown]


def orderbook(venue: SimulatedVenue, wanted: str, depth: int) -> dict[str, Any]:
    """`/v2/orderbook`. Raises `ExchangeRefusal` 2015 for an unknown ticker."""
    market = next(
        (market for market in venue.exchange.markets.values() if ticker_id(market.product) == wanted), None
    )
    if market is None:
        raise refused(2015)
    depth = max(0, min(depth or ORDERBOOK_DEPTH, ORDERBOOK_DEPTH))
    bids, asks = (
        [[Price(level.price).text(), level.amount.text()] for level in market.book.levels(is_bid, depth)]
        for is_bid in (True, False)
    )
    return {"ticker_id": wanted, "timestamp": int(venue.now_ms()), "bids": bids, "asks": asks}
