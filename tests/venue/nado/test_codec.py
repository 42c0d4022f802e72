"""The codec against the composed examples of the protocol sheet, and against frames that nobody should
trust.
"""

import json
import random
from typing import Any

import pytest

from messages.execution import Fill, OrderUpdate, PositionChange
from messages.market import BookDelta, Level
from messages.units import ONE, Base, Price
from tests.shared_data import shared
from venue.nado import codec, events, queries
from venue.nado.counts import TroubleTally
from venue.protocol import Incomplete, Malformed, Order, Refused, SignedOrder

SENDER = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a64656661756c740000000000"


def example(name: str) -> Any:
    return json.loads(shared(f"nado-messages/{name}.json").read_text())


def answer_to(name: str, kind: str) -> str:
    document = example(name)
    cases = document.get("cases", [document])
    return json.dumps(next(case["response"] for case in cases if case["request"].get("type") == kind))


def decode(event: object, sender: str = SENDER) -> object:
    tally = TroubleTally()
    decoded = events.decode(json.dumps(event), events.DECODERS, sender, tally)
    assert tally.counts.troubles == 0, tally.counts.last_problem
    return decoded


def rules() -> Any:
    return queries.rules_of(
        "test",
        codec.payload(answer_to("01_query_contracts_nonces_status", "contracts"), queries.Contracts),
        codec.payload(answer_to("03_query_symbols", "symbols"), queries.Symbols),
        codec.payload(answer_to("02_query_all_products", "all_products"), queries.AllProducts),
        codec.payload(answer_to("07_query_max_order_size_fee_rates", "fee_rates"), queries.FeeRates),
    )


def test_the_rules_of_both_products_come_from_four_answers() -> None:
    read = rules()
    assert (read.chain_id, read.endpoint) == (57073, "0x05ec92d78ed421f3d3ada77ffde167106565974e")
    assert (read.eth.product_id, read.eth.price_tick, read.eth.size_step) == (4, ONE // 10, ONE // 1000)
    assert (read.sol.product_id, read.sol.price_tick, read.sol.size_step) == (8, ONE // 100, ONE // 10)
    assert read.sol.min_notional == 100 * ONE
    assert (read.eth.taker_fee, read.eth.maker_fee) == (35 * ONE // 100_000, ONE // 10_000)
    assert read.eth.status == "live"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda s, p: s.update(price_increment_x18="0"), "disagree"),
        (lambda s, p: s.update(size_increment="1000000000000000000"), "disagree"),
        (lambda s, p: s.update(isolated_only=True), "isolated"),
        (lambda s, p: (s.update(min_size=None), p["book_info"].update(min_size="1e2")), "min_notional"),
        (lambda s, p: p.update(oracle_price_x18=None), "oracle"),
        (lambda s, p: p.update(oracle_price_x18="0"), "oracle"),
        (lambda s, p: p["risk"].pop("short_weight_initial_x18"), "short_weight_initial"),
        (lambda s, p: p.update(product_id=99), "long_weight_initial"),
    ],
)
def test_what_entering_needs_is_named_when_it_is_missing_and_closing_goes_on(change: Any, named: str) -> None:
    """Lesson S4: nothing is hard-coded, so nothing may be missing; but only id, tick and step are needed
    to close.
    """
    read = changed(change)
    with pytest.raises(Incomplete, match=named):
        read.terms()
    assert (read.eth.product_id, read.eth.price_tick, read.sol.size_step) == (4, ONE // 10, ONE // 10)


def changed(change: Any, known: tuple[int, int] | None = None) -> Any:
    """The rules after `change` of ETH's two entries."""
    symbols, products = (
        json.loads(answer_to("03_query_symbols", "symbols")),
        json.loads(answer_to("02_query_all_products", "all_products")),
    )
    change(
        symbols["data"]["symbols"]["ETH-PERP"],
        next(each for each in products["data"]["perp_products"] if each["product_id"] == 4),
    )
    if symbols["data"]["symbols"]["ETH-PERP"].get("gone"):
        del symbols["data"]["symbols"]["ETH-PERP"]
    return queries.rules_of(
        "test",
        codec.payload(answer_to("01_query_contracts_nonces_status", "contracts"), queries.Contracts),
        codec.payload(json.dumps(symbols), queries.Symbols),
        codec.payload(json.dumps(products), queries.AllProducts),
        codec.payload(answer_to("07_query_max_order_size_fee_rates", "fee_rates"), queries.FeeRates),
        known,
    )


def test_a_tick_on_which_two_answers_disagree_is_one_that_suits_both_and_the_leg_is_unsure() -> None:
    read = changed(lambda s, p: p["book_info"].update(price_increment_x18=str(ONE * 3 // 10)))
    assert (read.eth.price_tick, read.eth.unsure, read.sol.unsure) == (ONE * 3 // 10, True, False)


@pytest.mark.parametrize("said", ["halted", "", None, 7])
def test_an_unknown_trading_status_is_a_word_and_no_reason_not_to_close(said: object) -> None:
    read = changed(lambda s, p: s.update(trading_status=said))
    assert (read.eth.status, read.eth.untradable, read.eth.unsure) == (
        said if said == "halted" else "unsaid",
        False,
        True,
    )


def test_a_product_that_is_not_listed_any_more_is_known_by_its_id_and_untradable() -> None:
    with pytest.raises(Malformed, match="ETH-PERP"):
        changed(lambda s, p: s.update(gone=True))
    read = changed(lambda s, p: s.update(gone=True), (4, 8))
    assert (read.eth.status, read.eth.untradable, read.eth.price_tick) == ("delisted", True, ONE // 10)


@pytest.mark.parametrize("name", ["price_increment_x18", "size_increment"])
def test_without_a_tick_or_a_step_in_any_answer_not_even_closing_could_go_on(name: str) -> None:
    with pytest.raises(Malformed, match="ETH-PERP has no"):
        changed(lambda s, p: (s.pop(name), p["book_info"].pop(name)))


@pytest.mark.parametrize("said", [-1, -4, "-1", 2**32, "4294967296"])
def test_an_id_that_no_product_can_have_is_malformed_and_never_an_index(said: object) -> None:
    """-4 once counted from the end of the list of fee rates, and left as an IndexError where there were
    fewer.
    """
    with pytest.raises(Malformed, match="product id"):
        changed(lambda s, p: s.update(product_id=said))
    assert changed(lambda s, p: s.update(product_id=said), (4, 8)).eth.product_id == 4


@pytest.mark.parametrize("name", ["chain_id", "endpoint_addr"])
@pytest.mark.parametrize(
    "said", ["-1", "0", "0x05ec", "0x05ec92d78ed421f3d3ada77ffde167106565974g", str(2**256)]
)
def test_contracts_that_nothing_can_be_signed_for_are_malformed(name: str, said: str) -> None:
    contracts = json.loads(answer_to("01_query_contracts_nonces_status", "contracts"))
    contracts["data"][name] = said
    with pytest.raises(Malformed, match=r"chain|endpoint"):
        queries.rules_of(
            "test", codec.payload(json.dumps(contracts), queries.Contracts), None, None, None, (4, 8)
        )


def test_what_other_products_say_of_themselves_is_not_read() -> None:
    symbols = json.loads(answer_to("03_query_symbols", "symbols"))
    symbols["data"]["symbols"]["XRP-PERP"] = {"product_id": None, "trading_status": 5, "min_size": None}
    assert queries.status_of("ETH-PERP", codec.payload(json.dumps(symbols), queries.Symbols)) == "live"


def test_an_account_is_cross_and_isolated_positions_healths_and_open_orders() -> None:
    """Lesson R1: the first bot read cross positions only and was short without knowing."""
    info = codec.payload(answer_to("04_query_subaccount_info", "subaccount_info"), queries.SubaccountInfo)
    orders = codec.payload(answer_to("06_query_orders", "orders"), queries.Orders)
    short = {
        "product_id": 8,
        "balance": {"amount": str(-3 * ONE), "v_quote_balance": "0", "last_cumulative_funding_x18": "0"},
    }
    isolated = codec.read(
        json.dumps({"isolated_positions": [{"subaccount": "0x00", "base_balance": short}]}),
        queries.IsolatedPositions,
    )
    account = queries.account_of(codec_ms(7), info, isolated, orders, SENDER)
    assert account.exists
    assert account.usdt0 == 1000 * ONE
    assert (account.initial_health, account.maintenance_health) == (
        997093674861986198620,
        998541047361986198620,
    )
    assert account.value == 999988419861986198620
    assert account.position(4).total == 42 * ONE // 1000
    assert account.position(4).v_quote == -115801380138013801380
    assert (account.position(8).cross, account.position(8).isolated) == (0, -3 * ONE)
    assert account.open_orders == ("0x36188375ab2eb764fa367e014eb3352e438aeb7d32e14d0d71a0d106d6f02fec",)


def codec_ms(value: int) -> Any:
    return value


def account(info: dict[str, Any], isolated: Any = None, orders: Any = None) -> Any:
    """The account that these answers tell of; our products are 4 and 8."""
    read = codec.read(json.dumps({"subaccount": SENDER, **info}), queries.SubaccountInfo)
    apart = codec.read(
        json.dumps({"isolated_positions": [] if isolated is None else isolated}), queries.IsolatedPositions
    )
    return queries.account_of(
        codec_ms(1), read, apart, queries.Orders(()) if orders is None else orders, SENDER, (4, 8)
    )


def perp(product_id: object, amount: object = "1") -> dict[str, Any]:
    return {"product_id": product_id, "balance": {"amount": amount, "v_quote_balance": "0"}}


def test_an_account_that_does_not_exist_says_so_and_healths_that_are_not_said_are_none() -> None:
    absent = account({"exists": False})
    assert (absent.exists, absent.value, absent.positions) == (False, 0, ())
    silent = account(
        {
            "exists": True,
            "healths": None,
            "spot_balances": "?",
            "perp_balances": [perp(4, "42"), perp(8, "-7")],
        }
    )
    assert (silent.initial_health, silent.value, silent.usdt0) == (None, None, None)
    assert (silent.position(4).cross, silent.position(8).cross, silent.unread) == (42, -7, ())


def healths(*amounts: str) -> list[dict[str, str]]:
    return [{"assets": "0", "liabilities": "0", "health": amount} for amount in amounts]


def spot(product_id: int, amount: str) -> dict[str, Any]:
    return {"product_id": product_id, "balance": {"amount": amount}}


WEIGHED = {"exists": True, "healths": healths("90", "95", "100"), "spot_balances": [spot(0, "100")]}
"""Healths that differ: something in the account has a weight."""


@pytest.mark.parametrize("perps", [[], [perp(4, "0"), perp(8, "0")]])
def test_positions_that_are_not_listed_while_the_healths_count_them_are_not_flat(perps: list[Any]) -> None:
    """Seen: an answer without positions, twice, and `status` said that nothing is open over an open pair."""
    read = account({**WEIGHED, "perp_balances": perps})
    assert read.unread == ("cross positions: none is listed, and the healths say that there are some",)


@pytest.mark.parametrize(
    "explained",
    [
        {"healths": healths("100", "100", "100")},
        {"healths": None},
        {"spot_balances": [spot(0, "100"), spot(1, "3")]},
        {"perp_balances": [perp(10, "7")]},
        {"perp_balances": [perp(10, None)]},
        {"spot_balances": [spot(0, "100"), "?"]},
    ],
)
def test_healths_that_something_else_explains_say_nothing_of_our_positions(explained: dict[str, Any]) -> None:
    assert account({**WEIGHED, "perp_balances": [], **explained}).unread == ()


@pytest.mark.parametrize(
    "odd", [perp(10, None), perp(10, "1.5"), {"product_id": 10}, {"balance": None}, "x", perp(None)]
)
def test_what_cannot_be_read_of_another_product_keeps_nobody_from_reading_ours(odd: Any) -> None:
    read = account(
        {"exists": True, "perp_balances": [odd, perp(4, "42"), perp(8, "-7")]},
        [{"base_balance": perp(10, None)}],
    )
    assert (read.position(4).cross, read.position(8).cross) == (42, -7)
    assert read.unread == ("isolated position of product 10",)


@pytest.mark.parametrize(
    "odd",
    [
        [perp(4, None), perp(8)],
        [perp(4, "1.5"), perp(8)],
        [perp(None), perp(8)],
        [perp(4, "1"), perp(4, "2"), perp(8)],
        ["x", perp(4)],
    ],
)
def test_a_position_of_ours_that_cannot_be_read_is_never_zero(odd: Any) -> None:
    with pytest.raises(Malformed):
        account({"exists": True, "perp_balances": odd})


def test_an_empty_book_is_no_quote() -> None:
    sentinel = {"product_id": 8, "timestamp": "7", "bids": [["0", "0"]], "asks": [[str(codec.NO_ASK), "0"]]}
    book = queries.book_of(codec.read(json.dumps(sentinel), queries.Liquidity), 8)
    assert (book.bids, book.asks) == ((), ())


def test_a_snapshot_is_best_level_first_and_of_the_product_asked_for() -> None:
    liquidity = codec.payload(answer_to("05_query_market_data", "market_liquidity"), queries.Liquidity)
    book = queries.book_of(liquidity, 4)
    assert book.at_ns == 1786360000123456789
    assert book.bids[0] == Level(Price(27569 * ONE // 10), Base(417 * ONE // 1000))
    assert book.asks[0].price < book.asks[1].price
    with pytest.raises(Malformed, match="asked for the book of 8"):
        queries.book_of(liquidity, 8)


def test_the_archives_quote_is_turned_into_a_notional_before_fees_for_both_sides() -> None:
    match = example("19_indexer_requests")["cases"][3]["response"]["matches"][0]
    common = {
        "subaccount": SENDER,
        "product_id": 4,
        "amount": "42000000000000000",
        "submission_idx": "563012",
    }
    bought = {**common, **{key: match[key] for key in ("digest", "base_filled", "quote_filled", "fee")}}
    found = codec.read(json.dumps({"orders": [bought]}), queries.HistoricalOrders)
    (order,) = queries.archived_of(found, [match["digest"]], SENDER)
    assert (order.filled, order.quote, order.fee) == (ONE // 50, 55138 * ONE // 1000, 5514351435143514)

    fee = 55138 * ONE // 1000 // 10_000
    sold = {
        **bought,
        "amount": "-42000000000000000",
        "base_filled": str(-ONE // 50),
        "quote_filled": str(55138 * ONE // 1000 - fee),
        "fee": str(fee),
    }
    (order,) = queries.archived_of(
        codec.read(json.dumps({"orders": [sold]}), queries.HistoricalOrders),
        [match["digest"].upper()],
        SENDER,
    )
    assert (order.filled, order.quote) == (-ONE // 50, 55138 * ONE // 1000)
    assert queries.archived_of(found, ["0x00"], SENDER) == ()


def test_an_order_on_the_wire_is_the_documented_one() -> None:
    document = example("08_execute_place_order")
    wanted = document["request"]["place_order"]
    order = Order(
        4, SENDER, Price(27569 * ONE // 10), Base(42 * ONE // 1000), 4294967295, 1873134317860815848, 1537
    )
    signed = SignedOrder(order, document["response"]["data"]["digest"], wanted["signature"], codec_ms(0))
    assert json.loads(codec.place_order(signed, 100)) == {"place_order": wanted}
    assert codec.reply_to(json.dumps(document["response"]), 100, signed.digest).kind == "accepted"


def test_a_cancellation_on_the_wire_is_the_documented_one_and_never_of_all_products() -> None:
    wanted = example("11_execute_cancel_product_orders")["request"]["cancel_product_orders"]
    sent = json.loads(codec.cancel_product_orders(SENDER, [4, 8], 1873134317860815851, wanted["signature"]))
    wanted.pop("id")
    assert sent == {"cancel_product_orders": wanted}
    with pytest.raises(ValueError, match="at least one product"):
        codec.cancel_product_orders(SENDER, [], 1, "0x")


def test_amounts_leave_as_strings_and_counters_as_numbers() -> None:
    assert (
        codec.write({"id": codec.Whole(7), "amount": Base(-(2**127))})
        == '{"id":7,"amount":"-170141183460469231731687303715884105728"}'
    )


def test_control_frames_on_the_wire_are_the_documented_ones() -> None:
    exchange = example("14_subscribe_control")["exchange"]
    authenticate = exchange[0]["send"]
    assert json.loads(codec.authenticate(1, SENDER, 1786360060123, authenticate["signature"])) == authenticate
    assert json.loads(codec.subscribe(3, codec.book_depth(4))) == exchange[2]["send"]
    order_update = codec.account_streams(SENDER)[2]
    assert json.loads(codec.subscribe(4, order_update)) == exchange[3]["send"]


@pytest.mark.parametrize("code", sorted(codec.DEFINITE_REFUSALS))
def test_every_code_of_the_list_is_a_refusal(code: int) -> None:
    text = json.dumps(
        {"status": "failure", "error": "no", "error_code": code, "request_type": "execute_place_order"}
    )
    reply = codec.reply_to(text, 1, "0xaa")
    assert (reply.kind, reply.code) == ("refused", code)


@pytest.mark.parametrize("code", [1000, 1015, 2013, 2014, 2020, 2022, 2024, 2073, 2122, 5000, 0, -1])
def test_every_other_code_leaves_the_order_unknown(code: int) -> None:
    """Lesson O6: 2013 (digest exists) after a lost answer means that the first one was taken."""
    reply = codec.reply_to(json.dumps({"status": "failure", "error": "no", "error_code": code}), 1, "0xaa")
    assert (reply.kind, reply.code) == ("unknown", code)


def test_the_documented_failures_are_read_with_their_codes() -> None:
    replies = [
        codec.reply_to(json.dumps(case["response"]), 1, "0xaa")
        for case in example("13_execute_failures")["cases"]
    ]
    assert [(reply.kind, reply.code) for reply in replies] == [
        ("refused", 2008),
        ("refused", 2094),
        ("refused", 2011),
        ("unknown", None),
        ("unknown", None),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "error code: 1015",
        '{"status":"success"}',
        '{"status":"success","data":{"digest":"0xbb"}}',
        '{"status":"success","data":{"digest":"0xaa"},"id":2}',
        '{"status":"failure","error_code":2000,"id":2}',
        '{"status":"success","data":{"digest":"0xaa"},"request_type":"query_order"}',
        '{"status":"perhaps","data":{"digest":"0xaa"}}',
        '{"status":"failure","error":"no code"}',
        '{"type":"fill"}',
    ],
)
def test_an_answer_that_is_not_certainly_this_orders_is_unknown_without_a_code(text: str) -> None:
    reply = codec.reply_to(text, 1, "0xaa")
    assert (reply.kind, reply.code) == ("unknown", None)


def test_a_refused_query_carries_the_venues_code() -> None:
    document = example("06_query_orders")["cases"][-1]["response"]
    with pytest.raises(Refused) as caught:
        codec.payload(json.dumps(document), queries.Orders)
    assert caught.value.code == 2020


def test_fills_of_both_sides_are_signed() -> None:
    """Lesson O3: a sell read as a negative fill was sent again."""
    wire = example("17_events_private_lifecycle")["events"][1]
    bought = decode(wire)
    assert isinstance(bought, Fill)
    assert (bought.amount, bought.remaining, bought.original) == (
        ONE // 50,
        22 * ONE // 1000,
        42 * ONE // 1000,
    )
    assert (bought.price, bought.fee, bought.submission_idx) == (27569 * ONE // 10, 5514351435143514, 563012)
    assert bought.at_ns == 1786360001123456789
    sold = decode({**wire, "is_bid": False, "submission_idx": "563012", "id": "x"})
    assert isinstance(sold, Fill)
    assert (sold.amount, sold.submission_idx) == (-ONE // 50, 563012)


def test_the_private_lifecycle_is_read_in_full() -> None:
    decoded = [
        decode(event)
        for event in example("17_events_private_lifecycle")["events"]
        + example("18_events_ioc_partial")["events"]
    ]
    kinds = [type(event) for event in decoded]
    assert kinds == [
        OrderUpdate,
        Fill,
        OrderUpdate,
        PositionChange,
        Fill,
        OrderUpdate,
        PositionChange,
        OrderUpdate,
        OrderUpdate,
        OrderUpdate,
    ]
    last = decoded[-1]
    assert isinstance(last, OrderUpdate)
    assert (last.remaining, last.reason) == (0, "cancelled")
    change = decoded[6]
    assert isinstance(change, PositionChange)
    assert (change.amount, change.v_quote, change.isolated) == (
        42 * ONE // 1000,
        -115801380138013801379,
        False,
    )


def test_book_batches_keep_their_chain_of_timestamps() -> None:
    deltas = [decode(event, "") for event in example("16_events_book_depth_sequence")["events"]]
    assert all(isinstance(delta, BookDelta) for delta in deltas)
    chain = [(delta.last_max_ns, delta.max_ns) for delta in deltas if isinstance(delta, BookDelta)]
    assert chain[1][0] == chain[0][1]
    assert chain[3][0] != chain[2][1]


def test_events_of_other_types_are_counted_and_skipped() -> None:
    tally = TroubleTally()
    for event in example("15_events_public")["events"]:
        assert events.decode(json.dumps(event), {"book_depth"}, "", tally) is None
    assert (tally.counts.unknown, tally.counts.troubles, tally.counts.events) == (7, 0, 0)


def test_control_answers_are_kept_apart_from_events() -> None:
    for step in example("14_subscribe_control")["exchange"]:
        control = decode(step["recv"])
        assert isinstance(control, codec.ControlFrameReply)
        assert control.refusal is None
    refused = decode({"id": 3, "error": "unknown stream"})
    assert isinstance(refused, codec.ControlFrameReply)
    assert refused.refusal == '"unknown stream"'
    failed = decode({"id": "3", "status": "failure", "error_code": 2028})
    assert isinstance(failed, codec.ControlFrameReply)
    assert (failed.refusal, failed.error_code, failed.id) == ("no reason given", 2028, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"filled_qty": "2e16"},
        {"filled_qty": 2e16},
        {"filled_qty": "0.02"},
        {"filled_qty": "20_000"},
        {"filled_qty": " 20"},
        {"filled_qty": ""},
        {"filled_qty": None},
        {"filled_qty": True},
        {"filled_qty": "-20000000000000000"},
        {"filled_qty": "0"},
        {"filled_qty": str(2**127)},
        {"filled_qty": "42000000000000000"},
        {"remaining_qty": "-1"},
        {"price": "0"},
        {"price": "NaN"},
        {"is_bid": "true"},
        {"subaccount": "0x" + "22" * 32},
        {"order_digest": 7},
    ],
)
def test_a_fill_that_cannot_be_right_is_counted_and_dropped(change: dict[str, object]) -> None:
    tally = TroubleTally()
    wire = {**example("17_events_private_lifecycle")["events"][1], **change}
    assert events.decode(json.dumps(wire), events.DECODERS, SENDER, tally) is None
    assert (tally.counts.troubles, tally.counts.events) == (1, 0)
    assert tally.counts.last_problem


def test_an_isolated_subaccount_of_the_same_owner_is_ours() -> None:
    wire = example("17_events_private_lifecycle")["events"][3]
    isolated = SENDER[:42] + "000000000000" + "0008" + "01" + "69736f"
    assert isinstance(decode({**wire, "subaccount": isolated, "isolated": True}), PositionChange)


def test_numbers_at_the_edge_of_int128_survive_exactly() -> None:
    edge = {
        "type": "position_change",
        "timestamp": 1,
        "product_id": "4",
        "subaccount": SENDER,
        "isolated": False,
        "reason": "x",
    }
    decoded = decode({**edge, "amount": str(2**127 - 1), "v_quote_amount": str(-(2**127))})
    assert isinstance(decoded, PositionChange)
    assert (decoded.amount, decoded.v_quote) == (2**127 - 1, -(2**127))


def test_no_frame_however_broken_stops_the_reader() -> None:
    """Reproduce a failure with the seed it prints: random.Random(seed)."""
    seed = 20
    source = random.Random(seed)
    whole = [json.dumps(event) for event in example("17_events_private_lifecycle")["events"]]
    tally = TroubleTally()
    for turn in range(3000):
        text = list(source.choice(whole))
        for _ in range(source.randint(1, 6)):
            place = source.randrange(len(text))
            text[place : place + source.randint(0, 3)] = chr(
                source.choice([0, 34, 44, 45, 48, 57, 123, 125, 0x1F600])
            )
        decoded = events.decode("".join(text), events.DECODERS, SENDER, tally)
        assert (
            decoded is None or not isinstance(decoded, Fill) or 0 < abs(decoded.amount) <= decoded.original
        ), f"seed {seed}, turn {turn}"
    assert tally.counts.unreadable > 0
    assert events.decode("[" * 100_000, events.DECODERS, SENDER, tally) is None
