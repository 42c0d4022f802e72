"""Accidents of the whole venue, from the moment they are staged until they are over."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from messages.units import Base, Price, Quote
from messages.wire import decode
from tests.venue.simulated.desk import ETH, ME, START_NS, Floor, floor, order
from tests.venue.simulated.streams.test_subscribe import BOOK, eth_move
from venue.simulated.engine.events import Liquidated
from venue.simulated.faults.incidents import (
    ChargeFunding,
    ClockSkew,
    Crossed,
    Freeze,
    GatewayMode,
    Incident,
    LiquidateNow,
    Oracle,
    PriceShift,
    SettleResults,
    Status,
    TradeThrough,
    Trading,
)
from venue.simulated.faults.order_faults import Faults, Pieces, faults_named


def stage(place: Floor, *incidents: Incident) -> None:
    place.venue.faults = Faults(incident=incidents)


async def codes(place: Floor, line: Any) -> tuple[Any, Any]:
    """What a query and an order are answered with now."""
    query = await line.ask({"type": "market_price", "product_id": ETH})
    return query.get("error_code"), (await line.ask(place.frame(order("0.042", "2756.9")))).get("error_code")


async def test_a_venue_that_is_syncing_answers_and_takes_no_order(autojump_clock: MockClock) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        stage(place, Status(at_ms=100, for_ms=1000))
        assert await codes(place, line) == (None, None)
        await trio.sleep(0.2)
        assert await place.query(type="status") == "live_syncing"
        assert await codes(place, line) == (None, 2068)
        await trio.sleep(1)
        assert await codes(place, line) == (None, None)


@pytest.mark.parametrize(
    ("answer", "on_socket", "over_http"),
    [
        ("ip_query_only", (None, 1002), (200, 403)),
        ("unavailable", (1004, 1004), (503, 503)),
        ("rate_limited", (1000, 1000), (429, 429)),
    ],
)
async def test_what_stands_before_the_engine_can_refuse(
    answer: Any, on_socket: Any, over_http: Any, autojump_clock: MockClock
) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        stage(place, GatewayMode(at_ms=0, for_ms=1000, answer=answer))
        await trio.sleep(0.1)
        assert await codes(place, line) == on_socket
        query = await place.http.post("http://venue/v1/query", content=b'{"type":"status"}')
        execute = await place.http.post(
            "http://venue/v1/execute", content=place.frame(order("0.042", "2756.9"))
        )
        assert (query.status_code, execute.status_code) == over_http
        if answer == "ip_query_only":
            assert execute.json() == {"reason": "ip_query_only", "blocked": True}
            assert (await place.http.get("http://venue/v1/ip")).status_code == 403
        await trio.sleep(1)
        assert await codes(place, line) == (None, None)


async def test_a_frozen_feed_is_silent_while_the_book_moves_and_tells_it_all_at_once_afterwards(
    autojump_clock: MockClock,
) -> None:
    moves = [eth_move(100 * step, f"27{40 + step}.0", "2800.0") for step in range(1, 20)]
    async with floor(*moves) as place, place.socket("/v1/subscribe") as line:
        await trio.sleep(0.06)
        await line.subscribe(BOOK)
        stage(place, Freeze(at_ms=0, for_ms=1500, product="ETH-PERP"))
        batch = await line.read()
        assert trio.current_time() == pytest.approx(1.61, abs=0.01)
        assert int(batch["max_timestamp"]) - int(batch["min_timestamp"]) >= 1_400_000_000
        following = await line.read()
        assert following["last_max_timestamp"] == batch["max_timestamp"]


async def test_a_crossed_book_is_told_once_and_taken_back_and_snapshots_stay_right(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place, place.socket("/v1/subscribe") as line:
        await trio.sleep(0.06)
        await line.subscribe(BOOK)
        stage(place, Crossed(at_ms=500, product="ETH-PERP"))
        first, second = await line.read(), await line.read()
        assert first["bids"] == [["2756900000000000000000", "1000000000000000"]]
        assert second["bids"] == [["2756900000000000000000", "0"]]
        assert second["last_max_timestamp"] == first["max_timestamp"]
        snapshot = await place.query(type="market_liquidity", product_id=ETH, depth=1)
        assert int(snapshot["bids"][0][0]) < int(snapshot["asks"][0][0])


@pytest.mark.parametrize(("skew_ms", "code"), [(60_000, 2011), (-60_000, 2012)])
async def test_a_clock_that_is_wrong_refuses_orders_that_are_right(
    skew_ms: int, code: int, autojump_clock: MockClock
) -> None:
    recv_time_ms = START_NS // 1_000_000 + 50_000
    async with floor() as place, place.socket("/v1/ws") as line:
        stage(place, ClockSkew(at_ms=0, for_ms=1000, skew_ms=skew_ms))
        await trio.sleep(0.1)
        assert (
            int((await place.http.get("http://venue/v1/time")).text) == START_NS // 1_000_000 + 100 + skew_ms
        )
        reply = await line.ask(place.frame(order("0.042", "2756.9", recv_time_ms=recv_time_ms)))
        assert reply["error_code"] == code
        await trio.sleep(1)
        assert (await line.ask(place.frame(order("0.042", "2756.9", recv_time_ms=recv_time_ms))))[
            "status"
        ] == "success"


async def test_an_oracle_price_can_jump_liquidate_and_come_back(autojump_clock: MockClock) -> None:
    async with floor() as place, place.socket("/v1/ws") as line, place.socket("/v1/subscribe") as stream:
        await stream.subscribe({"type": "liquidation", "product_id": None})
        place.venue.exchange.accounts[ME].usdt0 = int(Quote.of("200"))
        await line.ask(place.frame(order("2", "2756.9")))
        before = place.venue.exchange.markets[ETH].oracle
        stage(place, Oracle(at_ms=100, for_ms=1000, product="ETH-PERP", by_bps=-500))
        event = await stream.read()
        assert (event["product_ids"], event["liquidatee"]) == ([ETH], ME)
        assert place.venue.exchange.markets[ETH].oracle == before * 95 // 100
        await trio.sleep(2)
        assert place.venue.exchange.markets[ETH].oracle == before


async def test_an_oracle_that_jumped_follows_the_market_from_where_it_is(autojump_clock: MockClock) -> None:
    move = msgspec.structs.replace(eth_move(500, "2999.9", "3000.1"), oracle=Price.of("3000"))
    async with floor(move) as place:
        stage(place, Oracle(at_ms=100, for_ms=1000, product="ETH-PERP", by_bps=100))
        await trio.sleep(0.6)
        assert place.venue.exchange.markets[ETH].oracle == Price.of("3030")
        await trio.sleep(1)
        assert place.venue.exchange.markets[ETH].oracle == Price.of("3000")


async def test_a_market_moves_at_once_with_its_oracle_price_and_back(autojump_clock: MockClock) -> None:
    moves = [msgspec.structs.replace(eth_move(500, "2000.0", "2000.1"), oracle=Price.of("2000"))]
    async with floor(*moves) as place:
        market = place.venue.exchange.markets[ETH]

        def seen() -> tuple[Price, ...]:
            return tuple(
                Price(price or 0)
                for price in (market.book.bids.best(), market.book.asks.best(), market.oracle)
            )

        before = seen()
        stage(place, PriceShift(at_ms=100, for_ms=1000, product="ETH-PERP", by_bps=-800))
        await trio.sleep(0.2)
        by = before[0] * 800 // 10_000 // Price.of("0.1") * Price.of("0.1") + Price.of("0.1")
        assert seen() == tuple(price - by for price in before)
        await trio.sleep(0.5)
        assert seen() == (Price.of("1840"), Price.of("1840.1"), Price.of("1840"))
        await trio.sleep(1)
        assert seen() == (Price.of("2000"), Price.of("2000.1"), Price.of("2000"))


async def test_one_leg_can_be_taken_over_and_whoever_audits_reads_what_was(autojump_clock: MockClock) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        await line.ask(place.frame(order("0.042", "2756.9")))
        for product, left in (("SOL-PERP", "0.042"), ("ETH-PERP", "0")):
            stage(place, LiquidateNow(at_ms=0, subaccount=ME, product=product))
            await trio.sleep(0.1)
            assert place.venue.exchange.accounts[ME].position(ETH).amount == Base.of(left)
        (taken,) = decode(
            (await place.http.get("http://venue/simulated/takeovers")).content, list[Liquidated]
        )
        assert (taken.product_id, taken.liquidatee, taken.amount) == (ETH, ME, Base.of("0.042"))


async def test_accidents_are_staged_over_http_and_what_cannot_be_is_refused(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place:
        staged = Faults(incident=(Status(at_ms=0, for_ms=1000),))
        reply = await place.http.post("http://venue/simulated/faults", content=msgspec.json.encode(staged))
        await trio.sleep(0.1)
        assert (reply.status_code, place.venue.status, place.venue.faults) == (200, "live_syncing", staged)
        for wrong, named in (
            ('{"refuse": [{"nth": 1, "code": 2031, "product": "BTC-PERP"}]}', "BTC-PERP"),
            ('{"refused": []}', "refused"),
            ("{", ""),
        ):
            reply = await place.http.post("http://venue/simulated/faults", content=wrong)
            assert reply.status_code == 400
            assert named in reply.json()["error"]
        assert place.venue.faults == staged


async def test_a_trading_status_changes_for_a_while(autojump_clock: MockClock) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        stage(place, Trading(at_ms=0, for_ms=1000, product="ETH-PERP", status="reduce_only"))
        await trio.sleep(0.1)
        assert (await codes(place, line))[1] == 2069
        symbols = (await place.query(type="symbols"))["symbols"]
        assert symbols["ETH-PERP"]["trading_status"] == "reduce_only"
        await trio.sleep(1)
        assert (await codes(place, line))[1] is None


async def test_liquidation_settlement_and_funding_happen_at_their_moment(autojump_clock: MockClock) -> None:
    streams = (
        {"type": "position_change", "subaccount": ME},
        {"type": "liquidation"},
        {"type": "funding_payment", "product_id": ETH},
    )
    async with floor() as place, place.socket("/v1/ws") as line, place.socket("/v1/subscribe") as stream:
        await line.ask(place.frame(order("0.042", "2756.9")))
        await stream.subscribe(*streams)
        stage(
            place, SettleResults(at_ms=100), ChargeFunding(at_ms=200), LiquidateNow(at_ms=300, subaccount=ME)
        )
        told = [await stream.read() for _ in range(5)]
        assert [(event["type"], event.get("reason")) for event in told] == [
            ("position_change", "settle_pnl"),
            ("position_change", "settle_pnl"),
            ("funding_payment", None),
            ("liquidation", None),
            ("position_change", "liquidate_subaccount"),
        ]
        assert place.venue.exchange.accounts[ME].position(ETH).amount == 0


async def test_an_order_can_be_filled_in_any_pieces(autojump_clock: MockClock) -> None:
    async with floor(
        faults=Faults(split=(Pieces(nth=1, lots=(1, 20, 3)), Pieces(nth=2, lots=(5, 6), only=True)))
    ) as place:
        async with place.socket("/v1/ws") as line:
            for _ in range(2):
                assert (await line.ask(place.frame(order("0.042", "2756.9"))))["status"] == "success"
        pieces = [[fill.amount for fill in entry.fills] for entry in place.venue.exchange.order_log]
        assert pieces == [
            [Base.of(text) for text in row]
            for row in (("0.001", "0.02", "0.003", "0.018"), ("0.005", "0.006"))
        ]


async def test_others_trade_with_as_much_of_what_rests_as_is_staged_and_with_nothing_else(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        resting = place.frame(order("0.042", "2756.8", kind="post_only"))
        assert (await line.ask(resting))["status"] == "success"
        stage(
            place,
            TradeThrough(at_ms=10, product="ETH-PERP", percent=25),
            TradeThrough(at_ms=20, product="SOL-PERP", percent=100),
            TradeThrough(at_ms=30, product="ETH-PERP", percent=1),
            TradeThrough(at_ms=40, product="ETH-PERP", percent=100),
            TradeThrough(at_ms=50, product="ETH-PERP", percent=100),
        )
        await trio.sleep(1)
        (entry,) = place.venue.exchange.order_log
        assert [fill.amount for fill in entry.fills] == [Base.of(each) for each in ("0.01", "0.001", "0.031")]
        assert {fill.price for fill in entry.fills} == {Price.of("2756.8")}
        assert not any(fill.is_taker for fill in entry.fills)


async def test_money_of_a_product_that_is_not_traded_is_a_sentence_and_not_a_server_error(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place:
        content = b'{"kind": "liquidate", "product": "XYZ-PERP"}'
        reply = await place.http.post("http://venue/simulated/money", content=content)
        assert (reply.status_code, reply.json()) == (400, {"error": "there is no product 'XYZ-PERP'"})


async def test_staging_something_else_ends_what_lasts(autojump_clock: MockClock) -> None:
    async with floor() as place:
        stage(place, Status(at_ms=0, for_ms=100_000))
        await trio.sleep(1)
        assert place.venue.status == "live_syncing"
        stage(place)
        await trio.sleep(1)
        assert place.venue.status == "active"


# -- files ---------------------------------------------------------------------------------------------------


EVERY_KIND = """
[[incident]]
kind = "oracle"
at_ms = 10
for_ms = 20
product = "SOL-PERP"
by_bps = -300

[[incident]]
kind = "down"
at_ms = 4000
for_ms = 1500

[venue]
self_match = "refuse"
"""


def test_a_file_stages_incidents_and_turns_knobs_in_toml_and_in_json(tmp_path: Path) -> None:
    (tmp_path / "faults.toml").write_text(EVERY_KIND)
    read = faults_named(str(tmp_path / "faults.toml"))
    assert read.incident[0] == Oracle(at_ms=10, for_ms=20, product="SOL-PERP", by_bps=-300)
    assert read.venue.self_match == "refuse"
    (tmp_path / "faults.json").write_text(json.dumps({"incident": [{"kind": "funding", "at_ms": 5}]}))
    assert faults_named(str(tmp_path / "faults.json")).incident == (ChargeFunding(at_ms=5),)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[[incident]]\nkind = "down"\nat_ms = 5', "for_ms"),
        ('[[incident]]\nkind = "down"\nat_ms = 5\nfor_ms = 0', "for_ms"),
        ('[[incident]]\nkind = "down"\nat_ms = -5\nfor_ms = 1', "at_ms"),
        ('[[incident]]\nkind = "earthquake"\nat_ms = 5', "earthquake"),
        ('[[incident]]\nkind = "settle"\nat_ms = 5\nfor_ms = 7', "for_ms"),
        (
            '[[incident]]\nkind = "oracle"\nat_ms = 5\nfor_ms = 7\nproduct = "ETH-PERP"\nby_bps = -10000',
            "by_bps",
        ),
        (
            '[[incident]]\nkind = "shift"\nat_ms = 5\nfor_ms = 7\nproduct = "ETH-PERP"\nby_bps = -5001',
            "by_bps",
        ),
        ('[[incident]]\nkind = "clock"\nat_ms = 5\nfor_ms = 7\nskew_ms = 9999999999', "skew_ms"),
        (
            '[[incident]]\nkind = "trade_through"\nat_ms = 5\nproduct = "ETH-PERP"\npercent = 101',
            "percent",
        ),
        ("[[split]]\nnth = 1\nlots = [0]", "lots"),
        ('[[incident]]\nkind = "liquidate"\nat_ms = 5\nsubaccount = "default"', "subaccount"),
        ("[[refuse]]\nnth = 1\ncode = 20", "code"),
        ("[venue]\nsockets_per_address = 0", "sockets_per_address"),
        ('[venue]\nself_match = "sometimes"', "self_match"),
        ("[venue]\nping = 3", "ping"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(text: str, named: str, tmp_path: Path) -> None:
    (tmp_path / "faults.toml").write_text(text)
    with pytest.raises(ValueError, match=named):
        faults_named(str(tmp_path / "faults.toml"))


def test_an_incident_of_an_unknown_product_is_refused() -> None:
    staged = Faults(incident=(Freeze(at_ms=0, for_ms=1, product="BTC-PERP"),))
    with pytest.raises(ValueError, match="BTC-PERP"):
        staged.with_known(frozenset({"ETH-PERP"}), frozenset())


async def test_the_archive_tells_an_account_what_funding_it_paid_page_by_page(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        await line.ask(place.frame(order("0.042", "2756.9")))
        jump = Oracle(at_ms=0, for_ms=50_000, product="ETH-PERP", by_bps=-50)
        stage(place, jump, *(ChargeFunding(at_ms=1000 * number) for number in range(1, 4)))
        await trio.sleep(4)
        question: dict[str, Any] = {"subaccount": ME, "product_ids": [ETH], "limit": 2}
        first = await place.post("/archive/v1", {"interest_and_funding": question})
        second = await place.post(
            "/archive/v1", {"interest_and_funding": {**question, "max_idx": first["next_idx"]}}
        )
        payments = [*first["funding_payments"], *second["funding_payments"]]
        assert (len(first["funding_payments"]), len(payments), second["next_idx"]) == (2, 3, "")
        info = (await place.query(type="subaccount_info", subaccount=ME))["perp_balances"][0]["balance"]
        (fill,) = place.venue.exchange.order_log[-1].fills
        traded = -int(fill.price) * int(fill.amount) // 10**18 - int(fill.fee)
        assert abs(
            int(info["v_quote_balance"]) - traded - sum(int(payment["amount"]) for payment in payments)
        ) <= len(payments)
