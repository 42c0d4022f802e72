"""A client that neither we nor the exchange wrote, with a signer of its own: ccxt's adapter for Nado, against
the simulated exchange. Every number that it reads is compared with what our own client reads there.

ccxt is asked for its numbers as text, so that they are compared exactly. Orders name the adapter's builder,
as they do by default.
"""

import json
import time
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, TypeVar

import httpx
import pytest
import trio

from messages.execution import AccountSnapshot, Fill
from messages.units import ONE, Base, Price, Quote
from tests.commands.test_simulate import simulate
from venue.nado.http import HttpReads
from venue.nado.signing import subaccount_hex
from venue.protocol import ProductRules
from venue.simulated.payloads.archive import LAG_NS
from venue.throwaway import THROWAWAY_ADDRESS, THROWAWAY_KEY

NAME = "ccxt"
SENDER = subaccount_hex(THROWAWAY_ADDRESS, NAME)
ETH, SOL = "ETH/USDT0:USDT0", "SOL/USDT0:USDT0"
PRODUCTS = {ETH: 4, SOL: 8}
BUILDER, BUILDER_RATE = 4500, Decimal("0.0001")
"""The adapter's own, and what it takes of every fill."""
STAGED = {
    "venue": {"builders": [{"id": BUILDER, "lowest_rate": 1, "highest_rate": 10}]},
    # mark and index differ from the first moment on, so that the funding rate is not zero
    "incident": [{"kind": "oracle", "product": "ETH-PERP", "by_bps": -10, "at_ms": 0, "for_ms": 3_600_000}],
}
T = TypeVar("T")


class Clients(SimpleNamespace):
    """ccxt, and our own client, at one simulated exchange."""

    ccxt: Any
    exchange: Any
    """ccxt's client."""
    url: str

    def ours(self, ask: Callable[[HttpReads], Awaitable[T]]) -> T:
        """What our client answers."""

        async def asked() -> T:
            async with HttpReads(self.url, SENDER, name="simulated") as reads:
                return await ask(reads)

        return trio.run(asked)

    def account(self) -> AccountSnapshot:
        return self.ours(HttpReads.account)

    def rules(self, symbol: str) -> ProductRules:
        return self.ours(HttpReads.rules).product("eth" if symbol == ETH else "sol")

    def fills(self, symbol: str) -> list[Fill]:
        """All of them, oldest first, once the archive has them."""
        time.sleep(LAG_NS / 1e9)
        found = self.ours(lambda reads: reads.fills_since(-1))
        return [fill for fill in found if fill.product_id == PRODUCTS[symbol]]

    def archive(self, **question: Any) -> Any:
        return httpx.post(f"{self.url}/archive/v1", json=question, trust_env=False).json()

    def order(self, symbol: str, side: str, amount: str, price: str, **params: Any) -> str:
        """Place an order; its digest."""
        placed = self.exchange.create_order(symbol, "limit", side, amount, price, params)
        assert (placed["status"], placed["side"]) == ("open", side)
        assert (Decimal(placed["amount"]), Decimal(placed["price"])) == (Decimal(amount), Decimal(price))
        return str(placed["id"])

    def close_out(self) -> None:
        """Leave nothing open for the next test."""
        if self.account().open_orders:  # to cancel all weighs half of what a wallet may ask in ten seconds
            self.exchange.cancel_all_orders()
        for held in self.exchange.fetch_positions():
            side, worst = ("sell", "0.999") if held["side"] == "long" else ("buy", "1.001")
            price = self.exchange.price_to_precision(
                held["symbol"], str(Decimal(held["markPrice"]) * Decimal(worst))
            )
            self.order(held["symbol"], side, held["contracts"], price, timeInForce="IOC", reduceOnly=True)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    import ccxt

    faults = tmp_path_factory.mktemp("ccxt") / "faults.json"
    faults.write_text(json.dumps(STAGED))
    with simulate("--faults", str(faults), "--fund", f"{THROWAWAY_ADDRESS}/{NAME}") as (_, url):
        exchange = ccxt.nado(
            {
                "walletAddress": THROWAWAY_ADDRESS,
                "privateKey": "0x" + THROWAWAY_KEY.hex(),
                "options": {"subaccount": NAME},
                "enableRateLimit": False,
            }
        )
        exchange.number = str
        exchange.urls["api"] = {
            "gateway": f"{url}/v1",
            "gatewayV2": f"{url}/v2",
            "archive": f"{url}/archive/v1",
            "archiveV2": f"{url}/archive/v2",
        }
        yield Clients(ccxt=ccxt, exchange=exchange, url=url)
        exchange.session.close()


@pytest.fixture
def at(venue: Clients) -> Iterator[Clients]:
    yield venue
    venue.close_out()


# -- what everybody sees -------------------------------------------------------------------------------------


@pytest.mark.parametrize("symbol", [ETH, SOL])
def test_its_markets_have_our_rules(venue: Clients, symbol: str) -> None:
    venue.exchange.load_markets()
    market, rules = venue.exchange.market(symbol), venue.rules(symbol)
    assert rules.min_notional is not None
    assert rules.taker_fee is not None
    assert rules.maker_fee is not None
    assert (market["id"], market["info"]["symbol"]) == (str(rules.product_id), rules.symbol)
    assert market["precision"] == {"price": rules.price_tick.text(), "amount": rules.size_step.text()}
    assert market["limits"]["cost"]["min"] == rules.min_notional.text()
    assert Decimal(market["taker"]) == rules.taker_fee.decimal()
    assert Decimal(market["maker"]) == rules.maker_fee.decimal()
    assert (market["active"], market["swap"], market["settle"]) == (True, True, "USDT0")


def test_clock_status_and_currencies(venue: Clients) -> None:
    before, asked, after = (
        venue.ours(HttpReads.time_ms),
        venue.exchange.fetch_time(),
        venue.ours(HttpReads.time_ms),
    )
    assert before <= asked <= after
    assert venue.exchange.fetch_status()["status"] == "ok"
    assert set(venue.exchange.fetch_currencies()) == {"USDT0", "ETH", "SOL"}


@pytest.mark.parametrize("symbol", [ETH, SOL])
def test_its_book_is_our_book(venue: Clients, symbol: str) -> None:
    book = venue.exchange.fetch_order_book(symbol, 20)
    ours = venue.ours(lambda reads: reads.book(PRODUCTS[symbol], 20))
    for theirs, levels in ((book["bids"], ours.bids), (book["asks"], ours.asks)):
        assert len(theirs) == 20
        assert [[Decimal(str(number)) for number in level] for level in theirs] == [
            [level.price.decimal().normalize(), level.amount.decimal().normalize()] for level in levels
        ]


def test_ticker_trades_and_candles_are_made_of_the_trades_that_we_know(at: Clients) -> None:
    at.order(SOL, "buy", "9.5", "115.90", timeInForce="IOC")
    at.order(SOL, "sell", "4.2", "115.80", timeInForce="IOC")
    fills = at.fills(SOL)
    volume, quote = (
        sum((abs(fill.amount.decimal()) for fill in fills), Decimal(0)),
        sum((abs(fill.amount.decimal()) * fill.price.decimal() for fill in fills), Decimal(0)),
    )
    ticker, first = at.exchange.fetch_ticker(SOL), fills[0].price.decimal()
    assert Decimal(ticker["last"]) == fills[-1].price.decimal()
    assert (Decimal(ticker["baseVolume"]), Decimal(ticker["quoteVolume"])) == (volume, quote)
    change = (fills[-1].price.decimal() - first) * 100 / first
    assert Decimal(ticker["percentage"]) == round(change, 9) != 0

    trades = at.exchange.fetch_trades(SOL)
    assert [
        (trade["side"], Decimal(trade["price"]), Decimal(trade["amount"]), trade["timestamp"] // 1000)
        for trade in trades
    ] == [
        (
            "buy" if fill.amount > 0 else "sell",
            fill.price.decimal(),
            abs(fill.amount.decimal()),
            fill.at_ns // 10**9,
        )
        for fill in fills
    ]
    numbers = [int(trade["id"]) for trade in trades]
    older = at.exchange.fetch_trades(SOL, limit=1, params={"max_trade_id": numbers[-1] - 1})
    assert [int(trade["id"]) for trade in older] == numbers[-2:-1]
    with pytest.raises(at.ccxt.BadSymbol):
        at.exchange.archivev2_public_get_trades({"ticker_id": "BTC-PERP_USDT0"})

    prices = [fill.price.decimal() for fill in fills]
    candles = at.exchange.fetch_ohlcv(SOL, "1w")
    whole = [Decimal(number) for number in candles[-1][1:]]
    if len(candles) == 1:  # a week may end between two trades
        assert whole == [prices[0], max(prices), min(prices), prices[-1], volume]
    assert sum(Decimal(candle[5]) for candle in candles) == volume


def test_funding_rate_mark_index_and_open_interest(at: Clients) -> None:
    at.order(ETH, "buy", "0.2", "2757.0", timeInForce="IOC")
    ask = {"product_id": PRODUCTS[ETH]}
    before = int(at.archive(funding_rate=ask)["funding_rate_x18"])
    funding = at.exchange.fetch_funding_rate(ETH)
    after = int(at.archive(funding_rate=ask)["funding_rate_x18"])
    assert 0 < before <= Decimal(funding["fundingRate"]) * ONE <= after  # it is an average that still grows
    assert 0 < funding["fundingTimestamp"] / 1000 - time.time() <= 3600
    assert funding["fundingTimestamp"] % 3_600_000 == 0
    price, oracle = at.archive(price=ask), at.rules(ETH).oracle
    assert oracle == Price(int(price["index_price_x18"]))
    assert oracle is not None
    assert Decimal(funding["indexPrice"]) == oracle.decimal()
    assert Decimal(funding["markPrice"]) == Price(int(price["mark_price_x18"])).decimal()
    assert Decimal(funding["markPrice"]) > Decimal(funding["indexPrice"])
    interest = at.exchange.fetch_open_interest(ETH)
    held = at.account().position(PRODUCTS[ETH]).total.decimal()
    assert Decimal(interest["openInterestAmount"]) == held == Decimal("0.2")
    assert Decimal(interest["openInterestValue"]) == held * oracle.decimal()


# -- what the account has ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "side", "amount", "price"),
    [
        (ETH, "buy", "0.357", "2757.0"),
        (SOL, "sell", "8.5", "115.80"),
    ],
)
def test_an_ioc_order_trades_and_both_clients_read_the_same_position_and_balance(
    at: Clients, symbol: str, side: str, amount: str, price: str
) -> None:
    at.order(symbol, side, amount, price, timeInForce="IOC")
    (held,) = at.exchange.fetch_positions([symbol])
    account = at.account()
    ours = account.position(PRODUCTS[symbol])
    assert (held["side"], Decimal(held["contracts"])) == (
        "long" if side == "buy" else "short",
        abs(ours.cross.decimal()),
    )
    assert Decimal(held["contracts"]) == Decimal(amount)
    entry = abs(ours.v_quote.decimal()) / abs(ours.cross.decimal())
    assert abs(Decimal(held["entryPrice"]) - entry) < Decimal("1e-15")  # ccxt cuts the eighteenth digit
    assert ours.oracle is not None
    assert Decimal(held["markPrice"]) == ours.oracle.decimal()
    assert Decimal(held["notional"]) == abs(ours.cross.decimal()) * ours.oracle.decimal()
    assert account.usdt0 is not None
    assert Decimal(at.exchange.fetch_balance()["USDT0"]["total"]) == account.usdt0.decimal()


def test_own_trades_and_closed_orders_have_our_amounts_fees_and_totals(at: Clients) -> None:
    """ccxt's price of a trade is the order's limit, and its cost has the fee in it: both as the adapter reads
    the archive's fields.
    """
    limits = {at.order(ETH, "buy", "0.25", "2757.0", timeInForce="IOC"): Decimal("2757")}
    limits[at.order(ETH, "sell", "0.15", "2756.5", timeInForce="IOC")] = Decimal("2756.5")
    ours = {fill.order_digest: fill for fill in at.fills(ETH) if fill.order_digest in limits}
    trades = [trade for trade in at.exchange.fetch_my_trades(ETH) if trade["order"] in limits]
    assert len(trades) == len(ours) == 2
    orders = {order["id"]: order for order in at.exchange.fetch_closed_orders(ETH)}
    totals = {order.digest: order for order in at.ours(lambda reads: reads.archived(list(limits)))}
    for trade in trades:
        fill, total, order = ours[trade["order"]], totals[trade["order"]], orders[trade["order"]]
        notional = abs(fill.amount.decimal()) * fill.price.decimal()
        paid = notional + (1 if fill.amount > 0 else -1) * fill.fee.decimal()
        assert (trade["side"], trade["takerOrMaker"]) == ("buy" if fill.amount > 0 else "sell", "taker")
        assert Decimal(trade["price"]) == limits[fill.order_digest]
        assert Decimal(trade["amount"]) == abs(fill.amount.decimal())
        assert Decimal(trade["cost"]) == paid
        assert Decimal(trade["fee"]["cost"]) == fill.fee.decimal()
        assert (trade["id"], trade["timestamp"]) == (
            str(fill.submission_idx),
            fill.at_ns // 10**9 * 1000,
        )
        # the builder's fee is part of it
        assert Quote(int(trade["info"]["builder_fee"])).decimal() == notional * BUILDER_RATE
        assert total.fee == fill.fee > Quote(int(trade["info"]["builder_fee"]))
        assert (Decimal(order["filled"]), order["status"]) == (abs(total.filled.decimal()), "closed")
        assert (Decimal(order["cost"]), Decimal(order["fee"]["cost"])) == (paid, total.fee.decimal())
        assert order["lastTradeTimestamp"] == order["timestamp"] == trade["timestamp"]
    without_symbol = at.exchange.fetch_my_trades(limit=2)
    assert {(trade["symbol"], trade["order"]) for trade in without_symbol} == {(ETH, one) for one in limits}


def test_a_post_only_order_rests_is_found_replaced_and_cancelled(at: Clients) -> None:
    first = at.order(ETH, "buy", "0.05", "2700", postOnly=True)
    (listed,) = at.exchange.fetch_open_orders(ETH)
    found = at.exchange.fetch_order(first, ETH)
    for order in (listed, found):
        assert (order["id"], order["side"], order["price"], order["amount"]) == (first, "buy", "2700", "0.05")
        assert (order["filled"], order["remaining"], order["timeInForce"]) == ("0", "0.05", "PO")
    assert at.account().open_orders == (first,)
    second = str(at.exchange.edit_order(first, ETH, "limit", "buy", "0.06", "2701", {"postOnly": True})["id"])
    assert at.account().open_orders == (second,)
    cancelled = at.exchange.cancel_order(second, ETH)
    assert (cancelled["id"], cancelled["status"], cancelled["price"]) == (second, "canceled", "2701")
    with pytest.raises(at.ccxt.OrderNotFound):
        at.exchange.cancel_order(second, ETH)
    third = at.order(SOL, "sell", "1.5", "130", postOnly=True)
    assert [order["id"] for order in at.exchange.cancel_all_orders(SOL)] == [third]
    assert at.account().open_orders == ()


def test_refusals_are_the_errors_that_it_knows(at: Clients) -> None:
    refused: list[tuple[str, dict[str, Any], Any]] = [
        ("2757.0", {"postOnly": True}, at.ccxt.OrderImmediatelyFillable),  # 2008
        ("2700.0", {"timeInForce": "IOC"}, at.ccxt.OrderNotFillable),  # 2056
        ("2757.0", {"timeInForce": "FOK", "reduceOnly": True}, at.ccxt.InvalidOrder),  # 2064
        ("200.0", {"postOnly": True}, at.ccxt.InvalidOrder),  # 2007
    ]
    for price, params, error in refused:
        with pytest.raises(error):
            at.order(ETH, "buy", "0.6", price, **params)
    with pytest.raises(at.ccxt.InsufficientFunds):  # 2006
        at.order(ETH, "buy", "170", "2757.0", timeInForce="IOC")
    assert (at.account().open_orders, at.account().position(4).total) == ((), Base(0))


def test_a_builder_who_is_not_registered_is_refused_and_none_at_all_is_fine(at: Clients) -> None:
    options = at.exchange.options
    usual = dict(options)
    try:
        options["builder"] = "4501"
        with pytest.raises(at.ccxt.BadRequest, match="2118"):
            at.order(ETH, "buy", "0.05", "2757.0", timeInForce="IOC")
        options.update(usual, feeRate="11")
        with pytest.raises(at.ccxt.BadRequest, match="2118"):
            at.order(ETH, "buy", "0.05", "2757.0", timeInForce="IOC")
        options.update(usual, builderFee=False)
        digest = at.order(ETH, "buy", "0.05", "2757.0", timeInForce="IOC")
    finally:
        options.update(usual)
    (fill,) = [one for one in at.fills(ETH) if one.order_digest == digest]
    notional = fill.amount.decimal() * fill.price.decimal()
    assert fill.fee.decimal() < notional * Decimal("0.00036")


def test_funding_payments_and_deposits_are_those_of_our_ledger(at: Clients) -> None:
    at.order(ETH, "buy", "0.2", "2757.0", timeInForce="IOC")
    charged = httpx.post(f"{at.url}/simulated/money", json={"kind": "funding"}, trust_env=False)
    assert charged.status_code == 200
    httpx.post(f"{at.url}/simulated/money", json={"kind": "deposit", "amount": "1.5"}, trust_env=False)
    time.sleep(LAG_NS / 1e9)
    ours = at.ours(lambda reads: reads.money_since(-1, -1)).events
    payments = [(one["id"], Decimal(one["amount"])) for one in at.exchange.fetch_funding_history(ETH)]
    mine = [
        (str(one.idx), one.quote.decimal()) for one in ours if (one.kind, one.product_id) == ("funding", 4)
    ]
    assert payments == mine
    assert payments[0][1] < 0  # a long pays while the mark is above the index
    deposits = [(one["id"], Decimal(one["amount"])) for one in at.exchange.fetch_deposits("USDT0")]
    assert sorted(deposits) == sorted(
        (str(one.idx), one.quote.decimal()) for one in ours if one.kind == "deposit"
    )
