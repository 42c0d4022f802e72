"""`/v2`: what the last 24 hours were, the newest public trades, and the numbers it is written in."""

from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from messages.units import ONE, Base, Ns, Price
from tests.venue.simulated.desk import ETH, OTHER, START_NS, THEIRS, Floor, floor, order
from venue.simulated.engine.events import Traded
from venue.simulated.engine.public_trades import TRADES_MAX, PublicTrades

NAME = "ETH-PERP_USDT0"
HOUR_NS = 3600 * 10**9


async def read(place: Floor, path: str) -> Any:
    return (await place.http.get(f"http://venue{path}")).json()


def traded(price: str, amount: str, at_ns: int, *, buyer: bool = True) -> Traded:
    return Traded(ETH, Price.of(price), Base.of(amount), buyer, Ns(at_ns))


async def test_before_the_first_trade_a_ticker_shows_the_oracle_price(autojump_clock: MockClock) -> None:
    async with floor() as place:
        shown = (await read(place, "/v2/tickers"))[NAME]
        assert shown == {
            "product_id": ETH,
            "ticker_id": NAME,
            "base_currency": "ETH-PERP",
            "quote_currency": "USDT0",
            "last_price": 2756.85,
            "base_volume": 0,
            "quote_volume": 0,
            "price_change_percent_24h": 0,
        }
        assert await read(place, "/v2/tickers?market=spot") == {}


async def test_a_ticker_counts_24_hours_and_its_last_price_is_older_when_nothing_traded_in_them(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place:
        now = place.venue.now_ns()
        for ago, price, amount in (
            (30, "2000", "9"),
            (23, "2500", "2"),
            (2, "2600", "0.5"),
            (1, "2400", "1"),
        ):
            place.venue.candles.take(traded(price, amount, now - ago * HOUR_NS))
        shown = (await read(place, "/archive/v2/tickers"))[NAME]
        assert (shown["last_price"], shown["base_volume"], shown["quote_volume"]) == (2400, 3.5, 8700)
        assert shown["price_change_percent_24h"] == -4
    async with floor() as place:
        place.venue.candles.take(traded("2000", "9", place.venue.now_ns() - 25 * HOUR_NS))
        shown = (await read(place, "/v2/tickers"))[NAME]
        assert (shown["last_price"], shown["base_volume"], shown["price_change_percent_24h"]) == (2000, 0, 0)


async def test_a_contract_shows_open_interest_mark_index_and_the_hour_of_the_next_funding(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place:
        await place.post("/v1/execute", place.frame(order("0.2", "2756.9")))
        place.venue.exchange.set_oracle(ETH, Price.of("2756"), place.venue.now_ns())
        place.venue.exchange.markets[ETH].funding.premium.restart()  # the average is what it is now
        shown = (await read(place, "/v2/contracts"))[NAME]
        assert (shown["open_interest"], shown["open_interest_usd"]) == (0.2, 551.2)
        assert (shown["mark_price"], shown["index_price"]) == (2756.85, 2756)
        assert shown["next_funding_rate_timestamp"] == START_NS // 10**9 // 3600 * 3600 + 3600
        asked = {"funding_rate": {"product_id": ETH}}
        rate = int((await place.post("/archive/v1", asked))["funding_rate_x18"])
        assert shown["funding_rate"] == rate / ONE


async def test_public_trades_come_newest_first_once_the_archive_has_them(autojump_clock: MockClock) -> None:
    async with floor() as place:
        await place.post("/v1/execute", place.frame(order("0.2", "2756.9")))
        assert await read(place, f"/v2/trades?ticker_id={NAME}") == []
        await trio.sleep(0.2)
        await place.post("/v1/execute", place.frame(order("-0.1", "2756.8")))
        await trio.sleep(0.2)
        bought = {
            "product_id": ETH,
            "ticker_id": NAME,
            "trade_id": 1,
            "price": 2756.9,
            "base_filled": 0.2,
            "quote_filled": -551.38,
            "timestamp": START_NS // 10**9,
            "trade_type": "buy",
        }
        sold, first = await read(place, f"/archive/v2/trades?ticker_id={NAME}")
        assert first == bought
        assert sold | {"timestamp": 0} == bought | {
            "trade_id": 2,
            "price": 2756.8,
            "base_filled": -0.1,
            "quote_filled": 275.68,
            "timestamp": 0,
            "trade_type": "sell",
        }
        assert await read(place, f"/v2/trades?ticker_id={NAME}&max_trade_id=1") == [bought]
        assert await read(place, f"/v2/trades?ticker_id={NAME}&limit=1") == [sold]
        assert (await read(place, "/v2/trades"))["error_code"] == 2015


async def test_a_trade_between_two_accounts_is_one_public_trade(autojump_clock: MockClock) -> None:
    async with floor() as place:
        place.venue.exchange.move(ETH, (), (), place.venue.now_ns())
        resting = order("-0.2", "2756.9", "post_only", sender=OTHER)
        for wanted, signer in ((resting, {"signer": THEIRS}), (order("0.2", "2757.0"), {})):
            answer = await place.post("/v1/execute", place.frame(wanted, **signer))
            assert answer["status"] == "success"
        await trio.sleep(0.2)
        (only,) = await read(place, f"/v2/trades?ticker_id={NAME}")
        assert (only["price"], only["base_filled"], only["trade_type"]) == (2756.9, 0.2, "buy")


def test_the_oldest_public_trades_are_forgotten() -> None:
    kept = PublicTrades()
    for number in range(TRADES_MAX + 3):
        kept.take(traded("2756.9", "0.1", START_NS + number))
    newest = kept.newest(ETH, 10**6, START_NS * 2, 0)
    assert (len(newest), newest[0].number, newest[-1].number) == (TRADES_MAX, TRADES_MAX + 3, 4)
    assert kept.newest(8, 5, START_NS * 2, 0) == []


async def test_rates_are_written_as_json_numbers_and_every_pair_names_its_product(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place:
        text = (await place.http.get("http://venue/v2/assets")).text
        assert '"maker_fee":0.0001,"taker_fee":0.00035' in text
        assert await read(place, "/v2/pairs?market=perp") == [
            {"product_id": ETH, "ticker_id": NAME, "base": "ETH-PERP", "quote": "USDT0"},
            {"product_id": 8, "ticker_id": "SOL-PERP_USDT0", "base": "SOL-PERP", "quote": "USDT0"},
        ]
        assert (await read(place, f"/v2/orderbook?ticker_id={NAME}&depth=1"))["product_id"] == ETH


@pytest.mark.parametrize("kind", ["cached_symbols", "time"])
async def test_cached_reads_take_their_parameters_from_the_url_too(
    kind: str, autojump_clock: MockClock
) -> None:
    async with floor() as place:
        by_url = await read(place, f"/v1/edge/query?type={kind}&id=7")
        by_body = await place.post("/v1/edge/query", {"type": kind, "id": "7"})
        assert (by_url["status"], msgspec.json.encode(by_url)) == ("success", msgspec.json.encode(by_body))
