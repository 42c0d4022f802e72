"""Streams over the real wire, on virtual time: control frames, book batches, account events, slow readers."""

import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from messages.units import Base, Price, Quote
from tests.shared_data import shared
from tests.venue.simulated.desk import (
    ETH,
    ME,
    OTHER,
    OURS,
    SOL,
    START_NS,
    THEIRS,
    Floor,
    Line,
    floor,
    levels,
    order,
)
from venue.nado.signing import Signer, stream_authentication_digest
from venue.nado.socket import open_socket
from venue.protocol import Unreachable
from venue.simulated.engine.rules import isolated_name
from venue.simulated.gateway.sessions import Closed
from venue.simulated.gateway.subscriptions import subscribe_session
from venue.simulated.markets import BookChange, Trade

NOW_MS = START_NS // 1_000_000
MS = 1_000_000
BOOK: dict[str, Any] = {"type": "book_depth", "product_id": ETH}


def eth_move(at_ms: float, bid: str, ask: str, *trades: Trade) -> BookChange:
    return BookChange(round(at_ms * MS), "eth", levels((bid, "1")), levels((ask, "1")), None, trades)


def auth_frame(
    place: Floor, sender: str = ME, *, expiration_ms: int = NOW_MS + 60_000, signer: Signer = OURS
) -> dict[str, Any]:
    exchange = place.venue.exchange
    signature = signer.sign(
        stream_authentication_digest(sender, expiration_ms, exchange.chain_id, exchange.endpoint)
    )
    return {
        "method": "authenticate",
        "id": 1,
        "tx": {"sender": sender, "expiration": str(expiration_ms)},
        "signature": signature,
    }


async def read_until(line: Line, count: int) -> list[Any]:
    return [await line.read() for _ in range(count)]


# -- control -------------------------------------------------------------------------------------------------


async def test_every_documented_control_frame_gets_its_documented_answer(autojump_clock: MockClock) -> None:
    exchange = json.loads(shared("nado-messages/14_subscribe_control.json").read_text())["exchange"]
    async with floor() as place, place.socket("/v1/subscribe") as line:
        for case in exchange:
            frame = auth_frame(place) if case["send"]["method"] == "authenticate" else case["send"]
            answer = await line.ask(frame)
            if frame["method"] == "list":
                assert answer["id"] == 6
                assert answer["result"][:2] == case["recv"]["result"]
            elif frame["method"] == "ping":
                assert answer["result"].keys() == case["recv"]["result"].keys()
            else:
                assert answer == case["recv"]
        assert (await line.ask({"method": "time", "id": 9}))["result"] == str(place.venue.now_ms())


async def test_unknown_streams_products_fields_and_methods_are_rejected_with_the_id(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place, place.socket("/v1/subscribe") as line:
        for stream in (
            {"type": "secrets"},
            {"type": "trade", "product_id": 6},
            {"type": "trade"},
            {**BOOK, "depth": 5},
            {"type": "book_depth", "product_id": None},
        ):
            answer = await line.ask({"method": "subscribe", "stream": stream, "id": 5})
            assert (answer["id"], bool(answer["error"])) == (5, True), stream
        assert (await line.ask({"method": "shout", "id": 6}))["error"]
        assert (await line.ask("nonsense"))["error"]
        assert (await line.ask({"method": "list", "id": 7})) == {"result": [{"type": "default"}], "id": 7}


async def test_only_order_update_needs_authentication_and_only_for_ones_own_wallet(
    autojump_clock: MockClock,
) -> None:
    mine, theirs = ({"type": "order_update", "subaccount": name, "product_id": None} for name in (ME, OTHER))
    async with floor() as place, place.socket("/v1/subscribe") as line:
        await line.subscribe(
            {"type": "fill", "subaccount": OTHER},
            {"type": "position_change", "subaccount": OTHER, "product_id": SOL},
        )
        assert (await line.ask({"method": "subscribe", "stream": mine, "id": 2}))["error_code"] == 2050
        assert (await line.ask(auth_frame(place)))["result"] is None
        await line.subscribe(mine)
        assert (await line.ask({"method": "subscribe", "stream": theirs, "id": 3}))["error_code"] == 2050
        assert (await line.ask(auth_frame(place, OTHER, signer=THEIRS)))["error"]


async def test_authentication_is_signed_by_the_wallet_and_lives_at_most_100_s(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place, place.socket("/v1/subscribe") as line:
        assert (await line.ask(auth_frame(place, signer=THEIRS)))["error_code"] == 2028
        assert (await line.ask(auth_frame(place, expiration_ms=NOW_MS)))["error_code"] == 2004
        assert (await line.ask(auth_frame(place, expiration_ms=NOW_MS + 101_000)))["error_code"] == 2004
        assert (await line.ask(auth_frame(place, expiration_ms=NOW_MS + 99_000)))["result"] is None


async def test_an_upgrade_without_deflate_is_refused(autojump_clock: MockClock) -> None:
    async with floor() as place:
        stream = await place.dialer.dial("venue", 80, tls=False)
        key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        await stream.send_all(
            b"GET /v1/subscribe HTTP/1.1\r\nHost: venue\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            + key
            + b"\r\n"
        )
        answer = b""
        while piece := await stream.receive_some():
            answer += bytes(piece)
        assert answer.startswith(b"HTTP/1.1 403")
        assert b"must include 'permessage-deflate'" in answer
        await stream.aclose()


async def test_an_unknown_path_is_closed_and_a_refusing_dialer_refuses(autojump_clock: MockClock) -> None:
    async with floor() as place:
        async with place.socket("/v1/other") as line:
            with pytest.raises(Unreachable):
                await line.read()
        place.dialer.refusing = True
        with pytest.raises(Unreachable):
            async with open_socket("ws://venue/v1/ws", place.dialer):
                raise AssertionError("it opened")


# -- books ---------------------------------------------------------------------------------------------------


async def test_book_changes_are_batched_for_50_ms_and_chained_by_their_timestamps(
    autojump_clock: MockClock,
) -> None:
    moves = [
        eth_move(100, "2756.8", "2756.9"),
        eth_move(120, "2756.7", "2756.9"),
        eth_move(149, "2756.7", "2757.0"),
        eth_move(400, "2756.6", "2757.0"),
    ]
    async with floor(*moves) as place, place.socket("/v1/subscribe") as line:
        await trio.sleep(0.06)
        await line.subscribe(BOOK)
        first, second = await read_until(line, 2)
        assert trio.current_time() == pytest.approx(0.45, abs=1e-3)
        assert (int(first["min_timestamp"]), int(first["max_timestamp"])) == (
            START_NS + 100 * MS,
            START_NS + 149 * MS,
        )
        assert (int(second["min_timestamp"]), second["last_max_timestamp"]) == (
            START_NS + 400 * MS,
            first["max_timestamp"],
        )
        assert ["2756900000000000000000", "0"] in first["asks"]
        assert second["bids"] == [
            ["2756700000000000000000", "0"],
            ["2756600000000000000000", "1000000000000000000"],
        ]
        assert second["asks"] == []


async def test_a_motionless_book_sends_nothing(autojump_clock: MockClock) -> None:
    async with floor() as place, place.socket("/v1/subscribe") as line:
        await trio.sleep(1)
        await line.subscribe(BOOK)
        with trio.move_on_after(600) as waiting:
            await line.read()
        assert waiting.cancelled_caught


async def test_a_book_followed_by_snapshot_and_batches_equals_the_engines(autojump_clock: MockClock) -> None:
    """The documented procedure: subscribe, snapshot, drop what is older, apply the rest along the chain.
    Takers and moves interleaved.
    """
    moves = [eth_move(10 * step, f"{2756 - step % 7}.5", f"{2757 + step % 5}.5") for step in range(1, 100)]
    async with (
        floor(*moves) as place,
        place.socket("/v1/subscribe") as line,
        place.socket("/v1/ws") as gateway,
    ):
        await line.subscribe(BOOK)
        await trio.sleep(0.233)
        snapshot = await place.query(type="market_liquidity", product_id=ETH, depth=100)
        book = {
            (is_bid, price): amount
            for is_bid, side in ((True, "bids"), (False, "asks"))
            for price, amount in snapshot[side]
        }
        async with trio.open_nursery() as nursery:

            async def trade() -> None:
                for _ in range(8):
                    await gateway.ask(place.frame(order("0.3", "2800")))
                    await trio.sleep(0.07)

            nursery.start_soon(trade)
            last = None
            while True:
                with trio.move_on_after(1) as quiet:
                    batch = await line.read()
                if quiet.cancelled_caught:
                    break
                assert last is None or batch["last_max_timestamp"] == last
                last = batch["max_timestamp"]
                if int(last) > int(snapshot["timestamp"]):
                    for is_bid, side in ((True, "bids"), (False, "asks")):
                        book.update({(is_bid, price): amount for price, amount in batch[side]})
        after = await place.query(type="market_liquidity", product_id=ETH, depth=100)
        shown = {
            (is_bid, price): amount
            for is_bid, side in ((True, "bids"), (False, "asks"))
            for price, amount in after[side]
        }
        assert {level: amount for level, amount in book.items() if amount != "0"} == shown


async def test_the_best_bid_and_offer_and_trades_are_told_at_once(autojump_clock: MockClock) -> None:
    trade = Trade(Price.of("2757"), Base.of("0.5"), taker_buys=True)
    async with (
        floor(eth_move(100, "2756.9", "2757.0", trade)) as place,
        place.socket("/v1/subscribe") as line,
    ):
        await line.subscribe(
            {"type": "best_bid_offer", "product_id": ETH}, {"type": "trade", "product_id": ETH}
        )
        told = await read_until(line, 2)
        assert trio.current_time() == pytest.approx(0.1, abs=1e-3)
        documented = json.loads(shared("nado-messages/15_events_public.json").read_text())["events"]
        for event in told:
            assert event.keys() == next(one for one in documented if one["type"] == event["type"]).keys()
        prices = {event["type"]: event.get("price") or event.get("ask_price") for event in told}
        assert prices == {"trade": "2757000000000000000000", "best_bid_offer": "2757000000000000000000"}


async def test_the_funding_rate_is_told_every_twenty_seconds(autojump_clock: MockClock) -> None:
    async with floor() as place, place.socket("/v1/subscribe") as line:
        await line.subscribe({"type": "funding_rate", "product_id": ETH})
        assert (await line.read())["type"] == "funding_rate"
        assert trio.current_time() == pytest.approx(20, abs=1e-3)


async def test_funding_is_paid_once_an_hour_at_the_full_hour(autojump_clock: MockClock) -> None:
    async with floor() as place, place.socket("/v1/subscribe") as line:
        await line.subscribe({"type": "funding_payment", "product_id": ETH})
        told = await read_until(line, 5)
        hours = [int(event["timestamp"]) / 3.6e12 for event in told]
        assert [round(hour - hours[0], 6) for hour in hours] == [0, 1, 2, 3, 4]
        assert hours[0] == pytest.approx(round(hours[0]), abs=1e-6)
        assert {event["dt"] for event in told} == {3_600_000}


async def test_after_unsubscribing_nothing_comes(autojump_clock: MockClock) -> None:
    async with floor(eth_move(100, "2756.0", "2757.0")) as place, place.socket("/v1/subscribe") as line:
        await line.subscribe(BOOK)
        await trio.sleep(0.06)
        assert (await line.read())["type"] == "book_depth"
        assert await line.ask({"method": "unsubscribe", "stream": BOOK, "id": 8}) == {"result": None, "id": 8}
        with trio.move_on_after(10) as waiting:
            await line.read()
        assert waiting.cancelled_caught


# -- accounts ------------------------------------------------------------------------------------------------


async def test_account_events_have_the_documented_fields_and_come_in_order(autojump_clock: MockClock) -> None:
    documented = json.loads(shared("nado-messages/17_events_private_lifecycle.json").read_text())["events"]
    async with floor() as place, place.socket("/v1/subscribe") as line, place.socket("/v1/ws") as gateway:
        await line.ask(auth_frame(place))
        await line.subscribe(
            *(
                {"type": kind, "subaccount": ME, "product_id": None}
                for kind in ("fill", "order_update", "position_change")
            )
        )
        await gateway.ask(place.frame(order("0.042", "2756.9"), order_id=100))
        told = await read_until(line, 3)
        assert [event["type"] for event in told] == ["fill", "order_update", "position_change"]
        for event in told:
            assert event.keys() == next(one for one in documented if one["type"] == event["type"]).keys()
        assert (told[0]["filled_qty"], told[0]["is_taker"], told[0]["id"]) == ("42000000000000000", True, 100)


async def test_events_go_only_to_those_who_asked_for_that_subaccount_and_product(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place, place.socket("/v1/subscribe") as line, place.socket("/v1/ws") as gateway:
        await line.subscribe({"type": "fill", "subaccount": ME, "product_id": SOL})
        await gateway.ask(place.frame(order("0.042", "2756.9")))
        await gateway.ask(place.frame(order("1", "115.87", product_id=SOL, sender=OTHER), signer=THEIRS))
        await gateway.ask(place.frame(order("2", "115.87", product_id=SOL)))
        assert (await line.read())["filled_qty"] == "2000000000000000000"


async def test_an_isolated_positions_events_reach_both_names_and_carry_the_one_that_the_knob_says(
    autojump_clock: MockClock,
) -> None:
    child = isolated_name(ME[:42], ETH, 0)
    async with (
        floor() as place,
        place.socket("/v1/subscribe") as of_parent,
        place.socket("/v1/subscribe") as of_child,
    ):
        for line, name in ((of_parent, ME), (of_child, child)):
            await line.subscribe(
                {"type": "fill", "subaccount": name},
                {"type": "position_change", "subaccount": name, "product_id": ETH},
            )
        margin = int(Quote.of("50")) // 10**12
        await place.post(
            "/v1/execute", place.frame(order("0.1", "2756.9", appendix=margin << 64 | 1 << 9 | 1 << 8 | 1))
        )
        for line in (of_parent, of_child):
            fill, change = await read_until(line, 2)
            assert (fill["subaccount"], change["subaccount"], change["isolated"], change["amount"]) == (
                ME,
                ME,
                True,
                str(10**17),
            )
        await trio.sleep(1)
        for name in (ME, child):
            (match,) = (
                await place.post("/archive/v1", {"matches": {"subaccounts": [name], "isolated": True}})
            )["matches"]
            assert match["isolated"] is True
        assert (await place.post("/archive/v1", {"matches": {"subaccounts": [ME], "isolated": False}}))[
            "matches"
        ] == []


# -- slow readers --------------------------------------------------------------------------------------------


class Stuck:
    """A connection whose other end subscribes to a book and never reads."""

    def __init__(self) -> None:
        self.sent = 0

    async def receive(self) -> str:
        self.sent += 1
        if self.sent > 1:
            await trio.sleep_forever()
        return json.dumps({"method": "subscribe", "stream": BOOK, "id": 1})

    async def send(self, text: str) -> None:
        await trio.sleep_forever()


async def test_a_reader_that_does_not_keep_up_is_cut_off_and_forgotten(autojump_clock: MockClock) -> None:
    moves = [eth_move(100 * step, f"27{step % 40 + 10}.0", "2800.0") for step in range(1, 60)]
    async with floor(*moves) as place:
        with trio.fail_after(20):
            await subscribe_session(Stuck(), place.venue, queue_max=16)
        assert trio.current_time() < 3
        assert place.venue.subscribers._topics == {}


async def test_a_closed_connection_ends_its_session_and_its_subscriptions(autojump_clock: MockClock) -> None:
    class Gone(Stuck):
        async def receive(self) -> str:
            if self.sent:
                raise Closed
            return await super().receive()

    async with floor() as place:
        with trio.fail_after(1):
            await subscribe_session(Gone(), place.venue)
        assert place.venue.subscribers._topics == {}
