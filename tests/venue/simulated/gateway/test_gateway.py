"""Orders and questions over the real wire, on virtual time: /v1/ws and HTTP."""

import json
from typing import Any

import msgspec
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from messages.units import Base
from tests.shared_data import shared
from tests.venue.simulated.desk import ETH, ME, OTHER, OURS, SOL, START_NS, THEIRS, Floor, floor, order
from venue.nado.signing import cancellation_digest, cancellation_products_digest, order_digest, order_nonce
from venue.protocol import Unreachable
from venue.simulated.faults.order_faults import Cut, Faults, LoseAck, Refuse, faults_named

NOW_MS = START_NS // 1_000_000


def shape(value: Any) -> Any:
    """Keys and types of a JSON value; of a list the first entry's."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else type(value).__name__


# -- orders --------------------------------------------------------------------------------------------------


async def test_an_accepted_order_is_answered_with_its_digest_and_echoes(autojump_clock: MockClock) -> None:
    wanted = order("0.042", "2756.9", "fok")
    async with floor() as place, place.socket("/v1/ws") as line:
        frame = place.frame(wanted, order_id=100, unique=False)
        reply = await line.ask(frame)
        digest = "0x" + order_digest(wanted, place.venue.exchange.chain_id).hex()
        signature = json.loads(frame)["place_order"]["signature"]
        assert reply == {
            "status": "success",
            "signature": signature,
            "id": 100,
            "data": {"digest": digest},
            "request_type": "execute_place_order",
        }
        assert (await line.ask(frame))["error_code"] == 2013


async def test_takers_wait_thirty_milliseconds_and_makers_do_not(autojump_clock: MockClock) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        for wanted, expected in (
            (order("0.042", "2756.9"), 0.03),
            (order("0.042", "2750", "default"), 0.03),
            (order("0.042", "2750", "post_only"), 0),
        ):
            began = trio.current_time()
            assert (await line.ask(place.frame(wanted)))["status"] == "success"
            assert trio.current_time() - began == pytest.approx(expected, abs=1e-6)


async def test_one_connection_is_strictly_serial_and_two_are_not(autojump_clock: MockClock) -> None:
    async with floor() as place, place.socket("/v1/ws") as first, place.socket("/v1/ws") as second:
        for line in (first, first, second):
            await line.send(place.frame(order("0.042", "2756.9")))
        began = trio.current_time()
        await second.read()
        await first.read()
        assert trio.current_time() - began == pytest.approx(0.03, abs=1e-6)
        await first.read()
        assert trio.current_time() - began == pytest.approx(0.06, abs=1e-6)


async def test_the_receive_window_is_judged_on_arrival_and_not_after_the_speed_bump(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        now = place.venue.now_ms()
        assert (await line.ask(place.frame(order("0.042", "2756.9", recv_time_ms=now + 10))))[
            "status"
        ] == "success"
        assert (await line.ask(place.frame(order("0.042", "2756.9", recv_time_ms=now))))["error_code"] == 2011
        assert (await line.ask(place.frame(order("0.042", "2756.9", recv_time_ms=now + 101_000))))[
            "error_code"
        ] == 2012


async def test_the_book_may_move_away_during_the_speed_bump(autojump_clock: MockClock) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        await line.send(place.frame(order("0.042", "2756.9")))
        await trio.sleep(0.02)
        place.venue.exchange.move(ETH, (), (), place.venue.now_ns())
        assert (await line.read())["error_code"] == 2056


async def test_an_order_whose_connection_dies_after_arrival_is_still_processed(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place:
        async with place.socket("/v1/ws") as line:
            await line.send(place.frame(order("0.042", "2756.9")))
            await trio.sleep(0.01)
        await trio.sleep(1)
        assert place.venue.exchange.order_log[-1].filled == Base.of("0.042")


async def test_signatures_are_recovered_and_checked(autojump_clock: MockClock) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        assert (await line.ask(place.frame(order("0.042", "2756.9"), signer=THEIRS)))["error_code"] == 2028
        frame = json.loads(place.frame(order("0.042", "2756.9")))
        frame["place_order"]["order"]["amount"] = "43000000000000000"
        assert (await line.ask(frame))["error_code"] == 2028
        for signature, code in (("0x" + "00" * 64 + "1b", 2035), ("0x" + "00" * 65, 2034), ("0x1234", 2027)):
            frame["place_order"]["signature"] = signature
            assert (await line.ask(frame))["error_code"] == code
        assert place.venue.exchange.accounts[ME].position(ETH).amount == 0


async def test_what_cannot_be_read_is_refused_and_the_connection_lives_on(autojump_clock: MockClock) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        for text in (
            "",
            "[]",
            "{",
            '{"place_order":{}}',
            '{"place_order":1}',
            '{"a":1,"b":2}',
            '{"withdraw_everything":{}}',
        ):
            assert (await line.ask(text))["error_code"] == 2038, text
        assert (await line.ask({"type": "status"}))["data"] == "active"


async def test_place_orders_answers_a_list_costs_fifty_milliseconds_and_rolls_nothing_back(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        bodies = [
            json.loads(place.frame(wanted))["place_order"]
            for wanted in (order("0.042", "2750"), order("0.042", "2756.9"))
        ]
        began = trio.current_time()
        reply = await line.ask({"place_orders": {"orders": bodies}})
        assert trio.current_time() - began == pytest.approx(0.11, abs=1e-6)
        assert [(bool(one["digest"]), bool(one["error"])) for one in reply["data"]] == [
            (False, True),
            (True, False),
        ]
        bodies = [
            json.loads(place.frame(wanted))["place_order"]
            for wanted in (order("0.042", "2750"), order("0.042", "2756.9"))
        ]
        assert (
            len((await line.ask({"place_orders": {"orders": bodies, "stop_on_failure": True}}))["data"]) == 1
        )


# -- cancelling ----------------------------------------------------------------------------------------------


def cancel_frame(place: Floor, digests: list[str], nonce: int, *, signer: Any = OURS) -> dict[str, Any]:
    exchange = place.venue.exchange
    signature = signer.sign(
        cancellation_digest(ME, [ETH] * len(digests), digests, nonce, exchange.chain_id, exchange.endpoint)
    )
    tx = {"sender": ME, "productIds": [ETH] * len(digests), "digests": digests, "nonce": str(nonce)}
    return {"cancel_orders": {"tx": tx, "signature": signature, "id": 200}}


async def test_cancel_orders_answers_with_the_orders_that_rested_and_2020_afterwards(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        digest = (await line.ask(place.frame(order("0.042", "2750", "post_only"))))["data"]["digest"]
        frame = cancel_frame(place, [digest], order_nonce(NOW_MS + 50_000, 1))
        assert (
            await line.ask(cancel_frame(place, [digest], order_nonce(NOW_MS + 50_000, 1), signer=THEIRS))
        )["error_code"] == 2028
        reply = await line.ask(frame)
        assert (reply["id"], reply["data"]["cancelled_orders"][0]["digest"]) == (200, digest)
        assert (await line.ask(frame))["error_code"] == 2020
        assert (await line.ask(cancel_frame(place, [digest], order_nonce(NOW_MS - 1, 1))))[
            "error_code"
        ] == 2011


async def test_cancel_product_orders_cancels_only_the_named_products_and_an_empty_list_all(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        for wanted in (order("0.042", "2750", "post_only"), order("1", "110", "post_only", product_id=SOL)):
            await line.ask(place.frame(wanted))
        exchange = place.venue.exchange
        for products, expected in (([ETH], [ETH]), ([], [SOL])):
            nonce = order_nonce(NOW_MS + 50_000, 2)
            signature = OURS.sign(
                cancellation_products_digest(ME, products, nonce, exchange.chain_id, exchange.endpoint)
            )
            tx = {"sender": ME, "productIds": products, "nonce": str(nonce)}
            reply = await line.ask({"cancel_product_orders": {"tx": tx, "signature": signature}})
            assert [one["product_id"] for one in reply["data"]["cancelled_orders"]] == expected


async def test_cancel_and_place_replaces_one_order_by_another(autojump_clock: MockClock) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        old = (await line.ask(place.frame(order("0.042", "2750", "post_only"))))["data"]["digest"]
        cancel = cancel_frame(place, [old], order_nonce(NOW_MS + 50_000, 3))["cancel_orders"]
        body = json.loads(place.frame(order("0.05", "2751", "post_only"), order_id=7))["place_order"]
        request = {
            "cancel_and_place": {
                "cancel_tx": cancel["tx"],
                "cancel_signature": cancel["signature"],
                "place_order": body,
            }
        }
        reply = await line.ask(request)
        assert (reply["status"], reply["id"]) == ("success", 7)
        assert [resting.digest for resting in place.venue.exchange.open_orders(ME, ETH)] == [
            reply["data"]["digest"]
        ]


# -- staged accidents ----------------------------------------------------------------------------------------


async def test_the_demo_refuses_the_fourth_increasing_sol_order_and_no_other(
    autojump_clock: MockClock,
) -> None:
    async with floor(faults=faults_named("demo")) as place, place.socket("/v1/ws") as line:
        codes = []
        for _ in range(5):
            for amount, price, close in (("1", "115.87", False), ("-1", "115.86", True)):
                wanted = order(amount, price, product_id=SOL, reduce_only=close)
                codes.append((await line.ask(place.frame(wanted))).get("error_code"))
            await line.ask(place.frame(order("0.042", "2756.9")))
        assert codes == [None, None, None, None, None, None, 2031, 2064, None, None]
        assert place.venue.exchange.order_log[9].text.startswith("staged: ")


async def test_a_lost_ack_never_comes_and_the_order_stands(autojump_clock: MockClock) -> None:
    async with floor(faults=Faults(lose_ack=(LoseAck(nth=1),))) as place, place.socket("/v1/ws") as line:
        frame = place.frame(order("0.042", "2756.9"))
        with trio.move_on_after(10) as waiting:
            await line.ask(frame)
        assert waiting.cancelled_caught
        assert place.venue.exchange.accounts[ME].position(ETH).amount == Base.of("0.042")
        assert (await line.ask({"type": "status"}))["data"] == "active"


@pytest.mark.parametrize(("when", "held"), [("before", "0"), ("after", "0.042")])
async def test_a_cut_socket_ends_before_or_after_the_order_is_processed(
    when: Any, held: str, autojump_clock: MockClock
) -> None:
    async with (
        floor(faults=Faults(cut=(Cut(nth=1, product="ETH-PERP", when=when),))) as place,
        place.socket("/v1/ws") as line,
    ):
        with pytest.raises(Unreachable):
            await line.ask(place.frame(order("0.042", "2756.9")))
        assert place.venue.exchange.accounts[ME].position(ETH).amount == Base.of(held)
        assert len(place.venue.exchange.order_log) == (when == "after")
        async with place.socket("/v1/ws") as again:
            assert (await again.ask(place.frame(order("0.042", "2756.9"))))["status"] == "success"


async def test_setting_faults_starts_counting_anew(autojump_clock: MockClock) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        for _ in range(2):
            place.venue.faults = Faults(refuse=(Refuse(nth=2, product="ETH-PERP", code=2006),))
            codes = [
                (await line.ask(place.frame(order("0.042", "2756.9")))).get("error_code") for _ in range(3)
            ]
            assert codes == [None, 2006, None]


# -- questions -----------------------------------------------------------------------------------------------


DOCUMENTED = (
    "01_query_contracts_nonces_status",
    "02_query_all_products",
    "03_query_symbols",
    "04_query_subaccount_info",
    "05_query_market_data",
)


@pytest.mark.parametrize("name", [*DOCUMENTED, "07_query_max_order_size_fee_rates"])
async def test_answers_have_the_shape_of_the_documented_messages(
    name: str, autojump_clock: MockClock
) -> None:
    document = json.loads(shared(f"nado-messages/{name}.json").read_text())
    async with floor() as place:
        for case in document.get("cases", [document]):
            reply = await place.post("/v1/query", case["request"])
            documented = {name: value for name, value in case["response"].items() if not name.startswith("_")}
            assert shape(reply) == shape(documented), case["request"]


async def test_orders_have_the_shape_of_the_documented_messages(autojump_clock: MockClock) -> None:
    document = json.loads(shared("nado-messages/06_query_orders.json").read_text())
    async with floor() as place, place.socket("/v1/ws") as line:
        digest = (await line.ask(place.frame(order("0.042", "2750", "post_only"), order_id=100)))["data"][
            "digest"
        ]
        for case in document["cases"][:3]:
            request = {**case["request"], **({"digest": digest} if "digest" in case["request"] else {})}
            assert shape(await line.ask(request)) == shape(case["response"])
        missing = document["cases"][3]
        assert await line.ask(missing["request"]) == missing["response"]


async def test_socket_http_post_and_http_get_give_the_same_answer(autojump_clock: MockClock) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        question = {"type": "market_price", "product_id": 4}
        over_socket = await line.ask(question)
        assert over_socket == await place.post("/v1/query", question)
        assert over_socket == (await place.http.get("http://venue/v1/query", params=question)).json()
        assert over_socket["data"] == {
            "product_id": 4,
            "bid_x18": "2756800000000000000000",
            "ask_x18": "2756900000000000000000",
        }


async def test_an_empty_side_is_shown_by_its_sentinels(autojump_clock: MockClock) -> None:
    async with floor() as place:
        place.venue.exchange.move(SOL, (), (), place.venue.now_ns())
        assert (await place.query(type="market_prices", product_ids=[8]))["market_prices"] == [
            {"product_id": 8, "bid_x18": "0", "ask_x18": "170141183460469231731687303715884105727"}
        ]


async def test_a_snapshots_timestamp_is_the_engines_and_lies_between_changes(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place:
        stamps = []
        for _ in range(3):
            stamps.append(
                int((await place.query(type="market_liquidity", product_id=4, depth=2))["timestamp"])
            )
            place.venue.exchange.move(ETH, (), (), place.venue.now_ns())
            stamps.append(place.venue.exchange.now_ns)
        assert stamps == sorted(set(stamps))


async def test_the_largest_order_that_is_offered_is_accepted_and_one_step_more_is_not(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        question = {
            "type": "max_order_size",
            "sender": ME,
            "product_id": 4,
            "price_x18": "2756900000000000000000",
            "direction": "long",
        }
        largest = Base(int((await place.post("/v1/query", question))["data"]["max_order_size"]))
        too_much = msgspec.structs.replace(order("0.042", "2756.9"), amount=Base(largest + Base.of("0.001")))
        assert (await line.ask(place.frame(too_much)))["error_code"] == 2006
        assert (await line.ask(place.frame(msgspec.structs.replace(too_much, amount=largest))))[
            "status"
        ] == "success"
        closing = {**question, "direction": "short", "reduce_only": "true"}
        assert (await place.post("/v1/query", closing))["data"]["max_order_size"] == str(int(largest))


async def test_unknown_queries_and_products_are_failures(autojump_clock: MockClock) -> None:
    async with floor() as place:
        assert (await place.post("/v1/query", {"type": "nonsense"}))["error_code"] == 2038
        assert (await place.post("/v1/query", {"type": "market_price", "product_id": "x"}))[
            "error_code"
        ] == 2016
        assert (await place.post("/v1/query", {"type": "subaccount_info", "subaccount": "0x12"}))[
            "error_code"
        ] == 2038


async def test_an_unknown_subaccount_does_not_exist_and_has_nothing(autojump_clock: MockClock) -> None:
    async with floor() as place:
        shown = await place.query(type="subaccount_info", subaccount=ME[:-2] + "01")
        assert (
            shown["exists"],
            shown["healths"][0]["health"],
            shown["spot_balances"][0]["balance"]["amount"],
        ) == (False, "0", "0")


# -- plain HTTP ----------------------------------------------------------------------------------------------


async def test_time_is_a_bare_number_and_symbols_a_bare_list(autojump_clock: MockClock) -> None:
    async with floor() as place:
        await trio.sleep(1.5)
        assert (await place.http.get("http://venue/v1/time")).json() == NOW_MS + 1500
        assert [one["symbol"] for one in (await place.http.get("http://venue/v1/symbols")).json()] == [
            "ETH-PERP",
            "SOL-PERP",
        ]


async def test_every_http_answer_names_the_instance_errors_too(autojump_clock: MockClock) -> None:
    async with floor() as place:
        for path, status in (("/v1/time", 200), ("/nowhere", 404), ("/v1/execute", 405)):
            response = await place.http.get(f"http://venue{path}")
            assert (response.status_code, response.headers["x-evenkeel-venue"]) == (status, "test")


async def test_an_order_over_http_trades_and_a_lost_answer_is_a_gateway_timeout(
    autojump_clock: MockClock,
) -> None:
    async with floor(faults=Faults(lose_ack=(LoseAck(nth=2),))) as place:
        assert (await place.post("/v1/execute", place.frame(order("0.042", "2756.9"))))["status"] == "success"
        lost = await place.http.post("http://venue/v1/execute", content=place.frame(order("0.042", "2756.9")))
        assert lost.status_code == 504
        assert place.venue.exchange.accounts[ME].position(ETH).amount == Base.of("0.084")


# -- archive -------------------------------------------------------------------------------------------------


async def test_the_archive_knows_an_order_only_150_ms_later_at_both_of_its_addresses(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        digest = (await line.ask(place.frame(order("0.042", "2756.9"))))["data"]["digest"]
        question = {"orders": {"digests": [digest]}}
        await trio.sleep(0.149)
        assert await place.post("/v1", question) == {"orders": []}
        await trio.sleep(0.002)
        (found,) = (await place.post("/v1", question))["orders"]
        assert await place.post("/archive/v1", question) == {"orders": [found]}
        assert (found["base_filled"], found["product_id"], found["subaccount"]) == (
            "42000000000000000",
            4,
            ME,
        )
        assert int(found["quote_filled"]) == -(int(order("0.042", "2756.9").price) * 42 // 1000) - int(
            found["fee"]
        )


async def test_matches_have_the_documented_shape_and_run_newest_first(autojump_clock: MockClock) -> None:
    document = json.loads(shared("nado-messages/19_indexer_requests.json").read_text())["cases"][3]
    async with floor() as place, place.socket("/v1/ws") as line:
        for amount in ("0.042", "0.05"):
            await line.ask(place.frame(order(amount, "2756.9")))
        await line.ask(place.frame(order("0.06", "2756.9", sender=OTHER), signer=THEIRS))
        await trio.sleep(0.2)
        request = {"matches": {**document["request"]["matches"], "subaccounts": [ME], "limit": 5}}
        found = await place.post("/v1", request)
        expected = {**document["response"]["matches"][0], "timestamp": ""}
        expected["order"] = {**expected["order"], "appendix": ""}
        assert shape(found["matches"][0]) == shape(expected)
        assert [one["base_filled"] for one in found["matches"]] == ["50000000000000000", "42000000000000000"]
        older = {"matches": {"subaccounts": [ME], "idx": int(found["matches"][1]["submission_idx"])}}
        assert (await place.post("/v1", older))["matches"] == found["matches"][1:]


async def test_the_archive_never_shows_orders_that_did_not_trade(autojump_clock: MockClock) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        await line.ask(place.frame(order("0.042", "2750", "post_only")))
        await line.ask(place.frame(order("0.042", "2750")))
        await trio.sleep(1)
        assert await place.post("/v1", {"orders": {"subaccounts": [ME]}}) == {"orders": []}
        assert (await place.http.post("http://venue/v1", content='{"candlesticks":{}}')).status_code == 400
