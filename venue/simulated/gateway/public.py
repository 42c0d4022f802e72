"""Cached reads (`/v1/edge/query`)."""

from collections.abc import Mapping
from typing import Any

from venue.nado.codec import write
from venue.simulated.engine.codes import ExchangeRefusal, require
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
