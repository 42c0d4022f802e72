"""`/v2`: products, books, and the last 24 hours of every market. It writes prices and amounts as JSON
numbers, because people read them; the book alone has them as text, as the exchange's SDK demands.

Fields as the exchange's documents and ccxt's adapter have them. Tickers, contracts and trades are the
archive's.
"""

from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import msgspec

from messages.units import Base, Price, Quote, Rate
from venue.simulated.engine.codes import refused
from venue.simulated.engine.funding import PERIOD_S
from venue.simulated.engine.rules import QUOTE_PRODUCT, Product
from venue.simulated.engine.trading import Market
from venue.simulated.payloads.archive import LAG_NS
from venue.simulated.payloads.params import whole
from venue.simulated.streams.publisher import rate_of
from venue.simulated.venue import SimulatedVenue

ARCHIVED = {"tickers", "contracts", "trades"}
"""What is the archive's: at Nado it stands under the archive's base URL."""
ORDERBOOK_DEPTH = 100
TRADES_DEFAULT, TRADES_MAX = 100, 500
DAY_NS = 86_400 * 10**9
STEP_S = 300
"""The candles that the 24 hours are summed from: the window's far edge moves in steps of this."""
PERCENT_DIGITS = Decimal("1E-9")
_encoder = msgspec.json.Encoder(decimal_format="number")


def write_numbers(value: object) -> str:
    """JSON with each `Decimal` as a number, exact."""
    return _encoder.encode(value).decode()


def ticker_id(product: Product) -> str:
    """The product's name in `/v2`, such as `ETH-PERP_USDT0`."""
    return f"{product.symbol}_USDT0"


def _named(product: Product) -> dict[str, Any]:
    return {"product_id": product.product_id, "ticker_id": ticker_id(product)}


def _market(venue: SimulatedVenue, wanted: str) -> Market:
    for market in venue.exchange.markets.values():
        if ticker_id(market.product) == wanted:
            return market
    raise refused(2015)


def _number(units: int) -> Decimal:
    return Decimal(Base(units).text())


def assets(venue: SimulatedVenue) -> list[dict[str, Any]]:
    """`/v2/assets`: the quote asset and the perps."""
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
            **_named(product),
            "market_type": "perp",
            "name": product.symbol.removesuffix("-PERP"),
            "symbol": product.symbol,
            "maker_fee": _number(product.maker_fee),
            "taker_fee": _number(product.taker_fee),
            "can_withdraw": False,
            "can_deposit": False,
        }
        for product in venue.exchange.products
    ]
    return [quote, *perps]


def pairs(venue: SimulatedVenue, market: str | None) -> list[dict[str, Any]]:
    """`/v2/pairs`, of one kind of market or of all; there are only perps."""
    shown = venue.exchange.products if market in {None, "perp"} else ()
    return [{**_named(product), "base": product.symbol, "quote": "USDT0"} for product in shown]


def orderbook(venue: SimulatedVenue, wanted: str, depth: int) -> dict[str, Any]:
    """`/v2/orderbook`. Raises `ExchangeRefusal` 2015 for an unknown ticker."""
    market = _market(venue, wanted)
    depth = max(0, min(depth or ORDERBOOK_DEPTH, ORDERBOOK_DEPTH))
    bids, asks = (
        [[Price(level.price).text(), level.amount.text()] for level in market.book.levels(is_bid, depth)]
        for is_bid in (True, False)
    )
    return {**_named(market.product), "timestamp": int(venue.now_ms()), "bids": bids, "asks": asks}


def tickers(venue: SimulatedVenue, kind: str | None) -> dict[str, dict[str, Any]]:
    """`/v2/tickers` by ticker id, of one kind of market or of all: last price, volumes and change of 24
    hours.
    """
    shown = venue.exchange.markets.values() if kind in {None, "perp"} else ()
    return {ticker_id(market.product): _ticker(venue, market) for market in shown}


def contracts(venue: SimulatedVenue) -> dict[str, dict[str, Any]]:
    """`/v2/contracts` by ticker id: a ticker with open interest, index, mark and the running funding rate.

    The contract's price is the oracle's, which is the index too: the simulated exchange has one such price.
    """
    now_ns = venue.now_ns()
    shown: dict[str, dict[str, Any]] = {}
    for product_id, market in venue.exchange.markets.items():
        interest = venue.exchange.open_interest(product_id)
        index = _number(market.oracle)
        shown[ticker_id(market.product)] = {
            **_ticker(venue, market),
            "product_type": "perpetual",
            "contract_price": index,
            "contract_price_currency": "USD",
            "open_interest": _number(interest),
            "open_interest_usd": _number(interest) * index,
            "index_price": index,
            "mark_price": _number(market.oracle + (market.premium() or 0)),
            "funding_rate": _number(Rate(rate_of(venue.exchange, product_id, now_ns))),
            "next_funding_rate_timestamp": (now_ns // 10**9 // PERIOD_S + 1) * PERIOD_S,
        }
    return shown


def trades(venue: SimulatedVenue, wanted: str, limit: int, max_trade_id: int) -> list[dict[str, Any]]:
    """`/v2/trades` of one market, newest first, once the archive has them; amounts signed as the taker's.
    `max_trade_id` 0 =
    no limit. Raises `ExchangeRefusal` 2015 for an unknown ticker.
    """
    product = _market(venue, wanted).product
    count = max(0, min(limit or TRADES_DEFAULT, TRADES_MAX))
    shown = []
    until_ns = venue.now_ns() - LAG_NS
    for number, trade in venue.public_trades.newest(product.product_id, count, until_ns, max_trade_id):
        sign = 1 if trade.is_taker_buyer else -1
        price, amount = _number(trade.price), _number(trade.amount)
        shown.append(
            {
                **_named(product),
                "trade_id": number,
                "price": price,
                "base_filled": sign * amount,
                "quote_filled": -sign * price * amount,
                "timestamp": trade.at_ns // 10**9,
                "trade_type": "buy" if trade.is_taker_buyer else "sell",
            }
        )
    return shown


def _ticker(venue: SimulatedVenue, market: Market) -> dict[str, Any]:
    """What both summaries share. Before the first trade of all, the last price is the oracle's."""
    product, now_ns = market.product, venue.now_ns()
    newest = venue.candles.newest(product.product_id, STEP_S, DAY_NS // 10**9 // STEP_S + 1, now_ns)
    day = [candle for candle in newest if candle.start_s * 10**9 > now_ns - DAY_NS]
    last = newest[0].closed if newest else int(market.oracle)
    opened = day[-1].opened if day else last
    change = Decimal(last - opened) * 100 / opened if opened else Decimal(0)
    return {
        **_named(product),
        "base_currency": product.symbol,
        "quote_currency": "USDT0",
        "last_price": _number(Price(last)),
        "base_volume": _number(sum(candle.volume for candle in day)),
        "quote_volume": _number(Quote(sum(candle.quote for candle in day))),
        "price_change_percent_24h": change.quantize(PERCENT_DIGITS, ROUND_HALF_EVEN),
    }


Question = Callable[[SimulatedVenue, Mapping[str, str]], object]
QUESTIONS: dict[str, Question] = {
    "assets": lambda venue, _: assets(venue),
    "pairs": lambda venue, asked: pairs(venue, asked.get("market")),
    "orderbook": lambda venue, asked: orderbook(venue, asked.get("ticker_id", ""), whole(asked.get("depth"))),
    "apr": lambda _venue, _: [],  # of spot products, of which there are none
    "tickers": lambda venue, asked: tickers(venue, asked.get("market")),
    "contracts": lambda venue, _: contracts(venue),
    "trades": lambda venue, asked: trades(
        venue, asked.get("ticker_id", ""), whole(asked.get("limit")), whole(asked.get("max_trade_id"))
    ),
}
"""Every question of `/v2` by name, and what answers its parameters. Raises `ExchangeRefusal`."""
