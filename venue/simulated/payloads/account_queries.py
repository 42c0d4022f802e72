"""Answers to `/query` that are about one account: its balances, health, orders, and what it may still do."""

from bisect import bisect_left
from typing import Any

import msgspec

from messages.units import ONE, Base, Price
from venue.nado.codec import Whole, read
from venue.protocol import Malformed
from venue.simulated.engine.accounts import WEIGHTINGS, Account, contribution, fee_on, imagined
from venue.simulated.engine.codes import ExchangeRefusal, refused, require
from venue.simulated.engine.exchange import Exchange
from venue.simulated.engine.rules import NO_ADDRESS, QUOTE_PRODUCT
from venue.simulated.engine.trading import Market
from venue.simulated.engine.treasury import withdrawable
from venue.simulated.payloads.params import Params, flag, market_of, product_ids_of, subaccount_of, whole
from venue.simulated.payloads.wire import ended_json, order_json

LOTS_MAX = 2**60

USDT0: dict[str, Any] = {
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


def perp_json(exchange: Exchange, market: Market) -> dict[str, Any]:
    """One perp of `all_products`: oracle price, weights, funding and book rules as x18 text."""
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
            "cumulative_funding_long_x18": str(market.funding.cumulative),
            "cumulative_funding_short_x18": str(market.funding.cumulative),
            "available_settle": str(market.available_settle),
            "open_interest": str(exchange.open_interest(product.product_id)),
        },
        "book_info": {
            "size_increment": str(int(product.step)),
            "price_increment_x18": str(int(product.tick)),
            "min_size": str(int(product.min_size)),
            "collected_fees": str(market.fees),
        },
    }


def products_json(exchange: Exchange) -> dict[str, Any]:
    """`all_products`: USDT0, the only spot product, and every perp."""
    return {
        "spot_products": [USDT0],
        "perp_products": [perp_json(exchange, market) for market in exchange.markets.values()],
    }


def linked_signer(exchange: Exchange, params: Params) -> object:
    """`linked_signer`: the zero address when there is none."""
    account = exchange.accounts.get(subaccount_of(params, "subaccount"))
    return {"linked_signer": account.linked_signer if account else NO_ADDRESS}


# -- balances and health -------------------------------------------------------------------------------------


class _Delta(msgspec.Struct, frozen=True):
    product_id: Whole
    subaccount: str
    amount_delta: Base
    v_quote_delta: Base


class _Applied(msgspec.Struct, frozen=True):
    apply_delta: _Delta


def subaccount_info(exchange: Exchange, params: Params) -> object:
    """`subaccount_info`: as it is, or as it would be after the trades in `txns`."""
    name = subaccount_of(params, "subaccount")
    account = exchange.accounts.get(name)
    before = exchange.funded(account or Account(name))
    after = _applied(exchange, before, params.get("txns"))
    shown = {
        "subaccount": name,
        "exists": account is not None,
        **_state(exchange, after),
        "spot_count": 1,
        "perp_count": len(exchange.markets),
        **products_json(exchange),
    }
    return (
        {**shown, "pre_state": _state(exchange, before)}
        if params.get("txns") and flag(params, "pre_state", False)
        else shown
    )


def _applied(exchange: Exchange, account: Account, txns: object) -> Account:
    """The account after imagined trades. Raises `ExchangeRefusal` 2038 for what is no list of
    `apply_delta`.
    """
    if not txns:
        return account
    try:
        deltas = [one.apply_delta for one in read(str(txns), tuple[_Applied, ...])]
    except Malformed as error:
        raise ExchangeRefusal(2038, f"{refused(2038).text} txns: {error}") from None
    for delta in deltas:
        product_id = int(delta.product_id)
        if product_id == QUOTE_PRODUCT:
            account = imagined(account, int(delta.amount_delta))
        elif product_id in exchange.markets:
            held = exchange.position(account, product_id).changed(delta.amount_delta, delta.v_quote_delta)
            account = imagined(account, positions={product_id: held})
        else:
            raise refused(2016)
    return account


def _state(exchange: Exchange, account: Account) -> dict[str, Any]:
    contributions = [["0"] * len(WEIGHTINGS) for _ in range(max(exchange.markets) + 1)]
    contributions[QUOTE_PRODUCT] = [str(account.usdt0)] * len(WEIGHTINGS)
    for product_id, market in exchange.markets.items():
        contributions[product_id] = _of_perp(exchange, account, market)
    return {
        "healths": healths_json(exchange, account),
        "health_contributions": contributions,
        "spot_balances": [_quote_balance(account)],
        "perp_balances": [_perp_balance(exchange, account, product_id) for product_id in exchange.markets],
    }


def healths_json(exchange: Exchange, account: Account) -> list[dict[str, str]]:
    """Initial, maintenance and unweighted health, in this order; USDT0, x18 text."""
    found = [exchange.health(account, weighting) for weighting in WEIGHTINGS]
    return [
        {
            "assets": str(int(one.assets)),
            "liabilities": str(int(one.liabilities)),
            "health": str(int(one.health)),
        }
        for one in found
    ]


def _quote_balance(account: Account) -> dict[str, Any]:
    return {"product_id": QUOTE_PRODUCT, "balance": {"amount": str(account.usdt0)}}


def _perp_balance(exchange: Exchange, account: Account, product_id: int) -> dict[str, Any]:
    held = exchange.position(account, product_id)
    balance = {
        "amount": str(int(held.amount)),
        "v_quote_balance": str(int(held.v_quote)),
        "last_cumulative_funding_x18": str(held.funding),
    }
    return {"product_id": product_id, "balance": balance}


def _of_perp(exchange: Exchange, account: Account, market: Market) -> list[str]:
    funded = exchange.funded(account)
    return [
        str(int(contribution(funded, market.product, market.oracle, weighting))) for weighting in WEIGHTINGS
    ]


def isolated_positions(exchange: Exchange, params: Params) -> object:
    """`isolated_positions`: one entry per isolated subaccount of the one asked about."""
    parent = subaccount_of(params, "subaccount")
    mine = [account for account in exchange.accounts.values() if account.parent == parent]
    return {
        "isolated_positions": [
            {
                "subaccount": account.subaccount,
                "healths": healths_json(exchange, account),
                "quote_balance": _quote_balance(account),
                "base_balance": _perp_balance(exchange, account, product_id),
                "quote_product": USDT0,
                "base_product": perp_json(exchange, exchange.markets[product_id]),
                "quote_healths": [str(account.usdt0)] * len(WEIGHTINGS),
                "base_healths": _of_perp(exchange, account, exchange.markets[product_id]),
            }
            for account in mine
            for product_id in account.positions  # an isolated subaccount holds exactly one
        ]
    }


# -- orders --------------------------------------------------------------------------------------------------


def order(exchange: Exchange, params: Params) -> object:
    """`order`: one that rests; 2020 for all others, unless the option says that ended ones are found too."""
    digest, product_id = str(params.get("digest")).lower(), whole(params.get("product_id"))
    market_of(exchange, params)
    ended = exchange.order_log.known(digest) if exchange.options.filled_orders_found else None
    if ended is not None and digest not in exchange.markets[product_id].open_orders:
        return ended_json(ended)
    return order_json(exchange.find(product_id, digest))


def _orders_of(exchange: Exchange, sender: str, product_id: int) -> list[dict[str, Any]]:
    return [order_json(one) for one in exchange.open_orders(sender, product_id)]


def subaccount_orders(exchange: Exchange, params: Params) -> object:
    """`subaccount_orders`: the sender's resting orders in one product; 2016 for an unknown one."""
    sender, product_id = subaccount_of(params, "sender"), whole(params.get("product_id"))
    return {"sender": sender, "product_id": product_id, "orders": _orders_of(exchange, sender, product_id)}


def orders(exchange: Exchange, params: Params) -> object:
    """`orders`: the sender's resting orders in each of `product_ids`; USDT0 is left out."""
    sender = subaccount_of(params, "sender")
    ids = [product_id for product_id in product_ids_of(exchange, params) if product_id != QUOTE_PRODUCT]
    return {
        "sender": sender,
        "product_orders": [
            {"product_id": each, "orders": _orders_of(exchange, sender, each)} for each in ids
        ],
    }


def max_order_size(exchange: Exchange, params: Params) -> object:
    """`max_order_size`: in whole steps, at a price, with initial health not below zero."""
    market, sender = market_of(exchange, params), subaccount_of(params, "sender")
    account = exchange.accounts.get(sender) or Account(sender)
    sign = 1 if params.get("direction") == "long" else -1
    if flag(params, "reduce_only", False):
        held = account.position(market.product.product_id).amount
        return {"max_order_size": str(abs(held) if held * sign < 0 else 0)}
    price = Price(whole(params.get("price_x18")))
    require(price > 0, 2055)

    def is_too_much(lots: int) -> bool:
        amount = sign * lots * market.product.step
        quote = -amount * price // ONE
        fee = fee_on(quote, market.product.taker_fee) if quote else 0
        return exchange.initial_after(account, market.product.product_id, Base(amount), quote - fee) < 0

    # doubled until it is too much, then halved: what is affordable below a first refusal is not asked for
    high = 1
    while high < LOTS_MAX and not is_too_much(high):
        high *= 2
    lots = high // 2 + bisect_left(range(high // 2 + 1, high + 1), True, key=is_too_much)
    return {"max_order_size": str(lots * market.product.step)}


def max_withdrawable(exchange: Exchange, params: Params) -> object:
    """`max_withdrawable`, of USDT0; there is no other spot product."""
    require(whole(params.get("product_id")) == QUOTE_PRODUCT, 2016)
    account = exchange.account_named(subaccount_of(params, "sender"))
    return {
        "max_withdrawable": str(
            withdrawable(exchange, account, may_borrow=flag(params, "spot_leverage", True))
        )
    }
