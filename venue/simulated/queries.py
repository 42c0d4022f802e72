"""Answers to `/query`: the engine's state in Nado's shapes. Pure reads, except that each book snapshot takes an instant of the engine's clock."""

from collections.abc import Callable, Mapping
from typing import Any

from messages.units import ONE, Base, Price
from venue.simulated.accounts import WEIGHTINGS, Account, contribution, fee_on, health_of
from venue.simulated.exchange import Exchange
from venue.simulated.matching import Market
from venue.simulated.rules import NO_ADDRESS, NO_ASK, QUOTE_PRODUCT, Product, Refused, refused
from venue.simulated.wire import levels_json, order_json

Params = Mapping[str, Any]
DEPTH_MAX = 100
FEES_LISTED = 9
"""Fee lists are indexed by product id; nine entries reach the highest perp."""
LOTS_MAX = 2**60
ORDER_NONCE_AHEAD_MS = 100_000


def answer(exchange: Exchange, status: str, params: Params, now_ns: int) -> object:
    """The `data` of a query. Raises `Refused`: 2060 for an unknown type, else what the query says."""
    kind = params.get("type")
    if kind == "status":
        return status
    query = QUERIES.get(kind) if isinstance(kind, str) else None
    if query is None:
        raise Refused(2062, f"Unknown query type: {str(kind)[:64]}")
    exchange.tick(now_ns)
    return query(exchange, params)


# -- parameters: leniently read, as the venue does -----------------------------------------------------------------------------------------


def _whole(value: object) -> int:
    """A number or a string; what cannot be read is 0 (the venue's documented leniency)."""
    text = str(value)
    return int(text) if text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 40 else 0


def _market(exchange: Exchange, params: Params) -> Market:
    market = exchange.markets.get(_whole(params.get("product_id")))
    if market is None:
        raise refused(2016)
    return market


def _subaccount(params: Params, name: str) -> str:
    text = params.get(name)
    if not isinstance(text, str) or len(text) != 66 or not text.startswith("0x"):
        raise Refused(2038, f"{refused(2038).text} {name} must be 32 bytes of hex")
    return text.lower()


def _list(value: object) -> list[int]:
    return [_whole(item) for item in value] if isinstance(value, list) else []


def _true(params: Params, name: str) -> bool:
    return str(params.get(name)).lower() == "true"


# -- the venue -----------------------------------------------------------------------------------------------------------------------------


def _contracts(exchange: Exchange, _params: Params) -> object:
    return {"chain_id": str(exchange.chain_id), "endpoint_addr": exchange.endpoint}


def _nonces(exchange: Exchange, _params: Params) -> object:
    return {"tx_nonce": "0", "order_nonce": str(exchange.now_ns // 1_000_000 + ORDER_NONCE_AHEAD_MS << 20)}


def symbol_json(product: Product) -> dict[str, Any]:
    """One entry of `symbols`."""
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
        "max_open_interest_x18": None,
        "trading_status": product.status,
        "isolated_only": False,
    }


def _symbols(exchange: Exchange, params: Params) -> object:
    wanted, kind = _list(params.get("product_ids")), params.get("product_type")
    shown = [product for product in exchange.products if kind in {None, "perp"} and (not wanted or product.product_id in wanted)]
    return {"symbols": {product.symbol: symbol_json(product) for product in shown}}


_USDT0 = {
    "product_id": QUOTE_PRODUCT,
    "oracle_price_x18": str(ONE),
    "risk": {
        "long_weight_initial_x18": str(ONE),
        "short_weight_initial_x18": str(ONE),
        "long_weight_maintenance_x18": str(ONE),
        "short_weight_maintenance_x18": str(ONE),
        "price_x18": str(ONE),
    },
    "config": {
        "token": "0x0200c29006150606b650577bbe7b6248f58470c1",
        "interest_inflection_util_x18": "800000000000000000",
        "interest_floor_x18": "10000000000000000",
        "interest_small_cap_x18": "40000000000000000",
        "interest_large_cap_x18": str(ONE),
        "withdraw_fee_x18": str(ONE),
        "min_deposit_rate_x18": "0",
    },
    "state": {
        "cumulative_deposits_multiplier_x18": str(ONE),
        "cumulative_borrows_multiplier_x18": str(ONE),
        "total_deposits_normalized": "0",
        "total_borrows_normalized": "0",
    },
    "book_info": {"size_increment": "0", "price_increment_x18": "0", "min_size": "0", "collected_fees": "0"},
}


def _perp_json(market: Market) -> dict[str, Any]:
    product = market.product
    return {
        "product_id": product.product_id,
        "oracle_price_x18": str(int(market.oracle)),
        "risk": {
            "long_weight_initial_x18": str(int(product.long_weight_initial)),
            "short_weight_initial_x18": str(int(product.short_weight_initial)),
            "long_weight_maintenance_x18": str(int(product.long_weight_maintenance)),
            "short_weight_maintenance_x18": str(int(product.short_weight_maintenance)),
            "price_x18": str(int(market.oracle)),
        },
        "state": {
            "cumulative_funding_long_x18": "0",
            "cumulative_funding_short_x18": "0",
            "available_settle": "0",
            "open_interest": "0",
        },
        "book_info": {
            "size_increment": str(int(product.step)),
            "price_increment_x18": str(int(product.tick)),
            "min_size": str(int(product.min_size)),
            "collected_fees": "0",
        },
    }


def _all_products(exchange: Exchange, _params: Params) -> object:
    return {"spot_products": [_USDT0], "perp_products": [_perp_json(market) for market in exchange.markets.values()]}


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
        "withdraw_sequencer_fees": ["0"] * FEES_LISTED,
        "fee_tier": 0,
    }


# -- the book ------------------------------------------------------------------------------------------------------------------------------


def _market_liquidity(exchange: Exchange, params: Params) -> object:
    market = _market(exchange, params)
    depth = min(max(_whole(params.get("depth")), 0), DEPTH_MAX)
    return {
        "bids": levels_json(market.book.levels(True, depth)),
        "asks": levels_json(market.book.levels(False, depth)),
        "product_id": market.product.product_id,
        "timestamp": str(exchange.now_ns),
    }


def _price_json(product_id: int, market: Market | None) -> dict[str, Any]:
    bid = market.book.bids.best() if market else None
    ask = market.book.asks.best() if market else None
    return {"product_id": product_id, "bid_x18": str(bid or 0), "ask_x18": str(ask or NO_ASK)}


def _market_price(exchange: Exchange, params: Params) -> object:
    market = _market(exchange, params)
    return _price_json(market.product.product_id, market)


def _market_prices(exchange: Exchange, params: Params) -> object:
    return {"market_prices": [_price_json(product_id, exchange.markets.get(product_id)) for product_id in _list(params.get("product_ids"))]}


# -- accounts and orders -------------------------------------------------------------------------------------------------------------------


def _linked_signer(exchange: Exchange, params: Params) -> object:
    account = exchange.accounts.get(_subaccount(params, "subaccount"))
    return {"linked_signer": account.linked_signer if account else NO_ADDRESS}


def _subaccount_info(exchange: Exchange, params: Params) -> object:
    name = _subaccount(params, "subaccount")
    account = exchange.accounts.get(name)
    shown = account or Account(name)
    healths = [health_of(shown, exchange.products, exchange.oracles, weighting) for weighting in WEIGHTINGS]
    positions = [(product.product_id, shown.position(product.product_id)) for product in exchange.products]
    return {
        "subaccount": name,
        "exists": account is not None,
        "healths": [{"assets": str(int(one.assets)), "liabilities": str(int(one.liabilities)), "health": str(int(one.health))} for one in healths],
        "health_contributions": _contributions(exchange, shown),
        "spot_count": 1,
        "perp_count": len(positions),
        "spot_balances": [{"product_id": QUOTE_PRODUCT, "balance": {"amount": str(shown.usdt0)}}],
        "perp_balances": [_balance_json(product_id, int(held.amount), int(held.v_quote)) for product_id, held in positions],
        "spot_products": [_USDT0],
        "perp_products": [_perp_json(market) for market in exchange.markets.values()],
    }


def _balance_json(product_id: int, amount: int, v_quote: int) -> dict[str, Any]:
    balance = {"amount": str(amount), "v_quote_balance": str(v_quote), "last_cumulative_funding_x18": "0"}
    return {"product_id": product_id, "balance": balance}


def _contributions(exchange: Exchange, account: Account) -> list[list[str]]:
    listed = [["0"] * len(WEIGHTINGS) for _ in range(max(exchange.markets) + 1)]
    listed[QUOTE_PRODUCT] = [str(account.usdt0)] * len(WEIGHTINGS)
    for product_id, market in exchange.markets.items():
        listed[product_id] = [str(int(contribution(account, market.product, market.oracle, weighting))) for weighting in WEIGHTINGS]
    return listed


def _isolated_positions(_exchange: Exchange, params: Params) -> object:
    _subaccount(params, "subaccount")
    return {"isolated_positions": []}


def _order(exchange: Exchange, params: Params) -> object:
    return order_json(exchange.find(_whole(params.get("product_id")), str(params.get("digest")).lower()))


def _orders_of(exchange: Exchange, sender: str, product_id: int) -> list[dict[str, Any]]:
    return [order_json(order) for order in exchange.open_orders(sender, product_id)]


def _subaccount_orders(exchange: Exchange, params: Params) -> object:
    sender, product_id = _subaccount(params, "sender"), _whole(params.get("product_id"))
    return {"sender": sender, "product_id": product_id, "orders": _orders_of(exchange, sender, product_id)}


def _orders(exchange: Exchange, params: Params) -> object:
    sender = _subaccount(params, "sender")
    shown = [{"product_id": product_id, "orders": _orders_of(exchange, sender, product_id)} for product_id in _list(params.get("product_ids"))]
    return {"sender": sender, "product_orders": shown}


def _max_order_size(exchange: Exchange, params: Params) -> object:
    market, sender = _market(exchange, params), _subaccount(params, "sender")
    account = exchange.accounts.get(sender) or Account(sender)
    sign = 1 if params.get("direction") == "long" else -1
    if _true(params, "reduce_only"):
        held = account.position(market.product.product_id).amount
        return {"max_order_size": str(abs(held) if held * sign < 0 else 0)}
    price = Price(_whole(params.get("price_x18")))
    if price <= 0:
        raise refused(2055)
    return {"max_order_size": str(_largest(exchange, account, market, sign, price))}


def _largest(exchange: Exchange, account: Account, market: Market, sign: int, price: Price) -> int:
    """The most that can be traded at `price` with initial health >= 0, in whole steps: doubled until too much, then halved."""
    step, high = market.product.step, 1
    while high < LOTS_MAX and _affordable(exchange, account, market, sign * high * step, price):
        high *= 2
    low = high // 2
    while low < high:
        lots = (low + high + 1) // 2
        low, high = (lots, high) if _affordable(exchange, account, market, sign * lots * step, price) else (low, lots - 1)
    return low * step


def _affordable(exchange: Exchange, account: Account, market: Market, amount: int, price: Price) -> bool:
    quote = -amount * price // ONE
    fee = fee_on(quote, market.product.taker_fee) if quote else 0
    return exchange.initial_after(account, market.product.product_id, Base(amount), quote - fee) >= 0


QUERIES: dict[str, Callable[[Exchange, Params], object]] = {
    "contracts": _contracts,
    "nonces": _nonces,
    "symbols": _symbols,
    "all_products": _all_products,
    "fee_rates": _fee_rates,
    "market_liquidity": _market_liquidity,
    "market_price": _market_price,
    "market_prices": _market_prices,
    "linked_signer": _linked_signer,
    "subaccount_info": _subaccount_info,
    "isolated_positions": _isolated_positions,
    "order": _order,
    "subaccount_orders": _subaccount_orders,
    "orders": _orders,
    "max_order_size": _max_order_size,
}
