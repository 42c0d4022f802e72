"""Answers to `/query`: the engine's state in Nado's shapes. Pure reads, except that each book snapshot takes
an instant of the engine's clock.

What is about the venue and its books is here, what is about an account in `account_queries`.
"""

from collections.abc import Callable
from typing import Any

from messages.units import ONE
from venue.simulated.engine.codes import ExchangeRefusal, require
from venue.simulated.engine.exchange import Exchange
from venue.simulated.engine.rules import NO_ASK, QUOTE_PRODUCT, Product
from venue.simulated.engine.trading import Market
from venue.simulated.payloads import account_queries as accounts
from venue.simulated.payloads.params import (
    Params,
    address_of,
    market_of,
    product_ids_of,
    subaccount_of,
    whole,
)
from venue.simulated.payloads.wire import levels_json

DEPTH_MAX = 100
FEES_LISTED = 9
"""Fee lists are indexed by product id; nine entries reach the highest perp."""
ORDER_NONCE_AHEAD_MS = 100_000
NLP_PRODUCT = 11


def answer(exchange: Exchange, status: str, params: Params, now_ns: int) -> object:
    """The `data` of a query. Raises `ExchangeRefusal`: 2038 for an unknown type, else what the query says."""
    kind = params.get("type")
    if kind == "status":
        return status
    query = QUERIES.get(kind) if isinstance(kind, str) else None
    if query is None:
        raise ExchangeRefusal(2038, f"Unknown query type: {str(kind)[:64]}")
    exchange.tick(now_ns)
    return query(exchange, params)


# -- the venue -----------------------------------------------------------------------------------------------


def symbol_json(product: Product) -> dict[str, Any]:
    """One entry of `symbols`: amounts, prices, fees and weights as x18 text, `min_size` in USDT0."""
    return {
        "type": "perp",
        "product_id": product.product_id,
        "symbol": product.symbol,
        "price_increment_x18": str(int(product.tick)),
        "size_increment": str(int(product.step)),
        "min_size": str(int(product.min_size)),
        "maker_fee_rate_x18": str(int(product.maker_fee)),
        "taker_fee_rate_x18": str(int(product.taker_fee)),
        "long_weight_initial_x18": str(int(product.long_weight_initial)),
        "long_weight_maintenance_x18": str(int(product.long_weight_maintenance)),
        "max_open_interest_x18": None
        if product.max_open_interest is None
        else str(int(product.max_open_interest)),
        "trading_status": product.status,
        "isolated_only": product.isolated_only,
    }


def _symbols(exchange: Exchange, params: Params) -> object:
    kind, wanted = params.get("product_type"), params.get("product_ids")
    require(kind in {None, "spot", "perp"}, 2061, product_type=str(kind)[:16])
    ids = product_ids_of(exchange, params) if wanted is not None else list(exchange.markets)
    shown = [product for product in exchange.products if kind in {None, "perp"} and product.product_id in ids]
    return {"symbols": {product.symbol: symbol_json(product) for product in shown}}


def _no_pool_tokens(name: str, data: object) -> Callable[[Exchange, Params], object]:
    """Answers `data` to whoever names a subaccount as `name`: nobody holds tokens of the liquidity pool."""

    def query(_exchange: Exchange, params: Params) -> object:
        subaccount_of(params, name)
        return data

    return query


NO_TOKENS = {"product_id": NLP_PRODUCT, "balance": {"amount": "0"}}


def _fee_rates(exchange: Exchange, _params: Params) -> object:
    takers, makers = ["0"] * FEES_LISTED, ["0"] * FEES_LISTED
    for product in exchange.products:
        takers[product.product_id] = str(int(product.taker_fee))
        makers[product.product_id] = str(int(product.maker_fee))
    return {
        "taker_fee_rates_x18": takers,
        "maker_fee_rates_x18": makers,
        "liquidation_sequencer_fee": str(ONE),
        "health_check_sequencer_fee": str(ONE),
        "taker_sequencer_fee": "0",
        "withdraw_sequencer_fees": [str(ONE), *["0"] * (FEES_LISTED - 1)],
        "fee_tier": 0,
    }


# -- the book ------------------------------------------------------------------------------------------------


def _market_liquidity(exchange: Exchange, params: Params) -> object:
    market = market_of(exchange, params)
    depth = min(max(whole(params.get("depth")), 0), DEPTH_MAX)
    return {
        "bids": levels_json(market.book.levels(True, depth)),
        "asks": levels_json(market.book.levels(False, depth)),
        "product_id": market.product.product_id,
        "timestamp": str(exchange.now_ns),
    }


def price_json(product_id: int, market: Market | None) -> dict[str, Any]:
    """One entry of `market_prices`, x18; an empty side, or a product without a market, has the sentinels."""
    bid = market.book.best(True) if market else None
    ask = market.book.best(False) if market else None
    return {"product_id": product_id, "bid_x18": str(bid or 0), "ask_x18": str(ask or NO_ASK)}


def all_prices(exchange: Exchange) -> list[dict[str, Any]]:
    """The best bid and ask of every product."""
    return [price_json(product_id, market) for product_id, market in exchange.markets.items()]


QUERIES: dict[str, Callable[[Exchange, Params], object]] = {
    "contracts": lambda exchange, _: {
        "chain_id": str(exchange.chain_id),
        "endpoint_addr": exchange.endpoint,
    },
    "nonces": lambda exchange, params: {
        "tx_nonce": str(exchange.tx_nonces.get(address_of(params, "address"), 0)),
        "order_nonce": str(exchange.now_ns // 1_000_000 + ORDER_NONCE_AHEAD_MS << 20),
    },
    "symbols": _symbols,
    "all_products": lambda exchange, _: accounts.products_json(exchange),
    "edge_all_products": lambda exchange, _: {
        "edge_all_products": {str(exchange.chain_id): accounts.products_json(exchange)}
    },
    "fee_rates": _fee_rates,
    # a perp's group holds the spot beside it (0 = none): no two perps net
    "health_groups": lambda exchange, _: {
        "health_groups": [[QUOTE_PRODUCT, product.product_id] for product in exchange.products]
    },
    "insurance": lambda exchange, _: {"insurance": str(exchange.insurance)},
    "nlp_pool_info": lambda _exchange, _: {"nlp_pools": []},
    "nlp_locked_balances": _no_pool_tokens(
        "subaccount", {"balance_locked": NO_TOKENS, "balance_unlocked": NO_TOKENS, "locked_balances": []}
    ),
    "max_nlp_burnable": _no_pool_tokens("sender", {"max_nlp_amount": "0"}),
    "versions": lambda _exchange, _: {"endpoint": "1.1.0", "order": 1},
    "market_liquidity": _market_liquidity,
    "market_price": lambda exchange, params: price_json(
        whole(params.get("product_id")), market_of(exchange, params)
    ),
    "market_prices": lambda exchange, params: {
        "market_prices": [
            price_json(product_id, exchange.markets.get(product_id))
            for product_id in product_ids_of(exchange, params)
        ]
    },
    "linked_signer": accounts.linked_signer,
    "subaccount_info": accounts.subaccount_info,
    "isolated_positions": accounts.isolated_positions,
    "order": accounts.order,
    "subaccount_orders": accounts.subaccount_orders,
    "orders": accounts.orders,
    "max_order_size": accounts.max_order_size,
    "max_withdrawable": accounts.max_withdrawable,
}
"""Every query but `status`, which is the venue's and not the engine's."""
