"""Rate limits: documented weights, two windows, by wallet and by address."""

import json

import pytest
import trio
from trio.testing import MockClock

from tests.venue.simulated.desk import ME, OTHER, THEIRS, floor, order
from venue.simulated.engine.rules import VenueOptions
from venue.simulated.faults.order_faults import Faults
from venue.simulated.payloads.rate_limits import (
    LIMITS,
    BudgetWindows,
    archive_weight,
    execute_weight,
    query_weight,
)

WALLET = ME[:42]


@pytest.mark.parametrize(
    ("question", "weight"),
    [
        ({"type": "status"}, 1),
        ({"type": "market_liquidity", "product_id": 4}, 1),
        ({"type": "market_prices", "product_ids": [4, 8, 2]}, 3),
        ({"type": "orders", "product_ids": [4, 8]}, 4),
        ({"type": "subaccount_info"}, 2),
        ({"type": "subaccount_info", "txns": "[]"}, 10),
        ({"type": "subaccount_info", "txns": "[]", "pre_state": "true"}, 15),
        ({"type": "all_products"}, 5),
        ({"type": "isolated_positions"}, 10),
        ({"type": "nlp_pool_info"}, 20),
    ],
)
def test_a_query_weighs_what_is_documented(question: dict[str, object], weight: int) -> None:
    assert query_weight(question) == weight


@pytest.mark.parametrize(
    ("name", "body", "weight"),
    [
        ("place_order", {"order": {"sender": ME}}, 1),
        ("place_order", {"order": {"sender": ME}, "spot_leverage": False}, 20),
        ("place_orders", {"orders": [{"order": {"sender": ME}}] * 3}, 3),
        ("cancel_orders", {"tx": {"sender": ME, "digests": ["0x1", "0x2"]}}, 2),
        ("cancel_orders", {"tx": {"sender": ME, "digests": []}}, 1),
        ("cancel_product_orders", {"tx": {"sender": ME, "productIds": [4, 8]}}, 10),
        ("cancel_product_orders", {"tx": {"sender": ME, "productIds": []}}, 50),
        ("cancel_and_place", {"cancel_tx": {"sender": ME, "digests": ["0x1"]}, "place_order": {}}, 2),
        ("link_signer", {"tx": {"sender": ME}}, 30),
        ("transfer_quote", {"tx": {"sender": ME}}, 10),
        ("withdraw_collateral", {"tx": {"sender": ME}}, 10),
        ("withdraw_collateral", {"tx": {"sender": ME}, "spot_leverage": False}, 20),
        ("liquidate_subaccount", {"tx": {"sender": ME}}, 20),
    ],
)
def test_an_execute_weighs_what_is_documented_and_counts_for_its_wallet(
    name: str, body: object, weight: int
) -> None:
    assert execute_weight(name, json.dumps(body).encode()) == (weight, WALLET)


def test_the_archive_weighs_by_limit_and_subaccounts() -> None:
    assert [
        archive_weight(*asked)
        for asked in (("orders", 100, 2), ("matches", 100, 1), ("candlesticks", 100, 0), ("price", 0, 0))
    ] == [
        12,
        12,
        6,
        2,
    ]


def test_both_windows_slide_and_a_refused_request_uses_nothing() -> None:
    windows = BudgetWindows(*LIMITS["execute"])
    assert windows.take(100, 0.0)
    assert not windows.take(1, 9.9)
    for at_s in (10.0, 20.0, 30.0, 40.0, 50.0):
        assert windows.take(100, at_s)
    assert not windows.take(1, 59.9)
    assert windows.take(100, 60.0)


async def test_the_hundred_and_first_order_in_ten_seconds_is_1000_for_that_wallet_alone(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        codes = [
            (await line.ask(place.frame(order("0.042", "2750", "post_only")))).get("error_code")
            for _ in range(101)
        ]
        assert codes == [None] * 100 + [1000]
        assert len(place.venue.exchange.order_log) == 100
        theirs = place.frame(order("0.042", "2750", "post_only", sender=OTHER), signer=THEIRS)
        assert (await line.ask(theirs))["status"] == "success"
        await trio.sleep(10)
        assert (await line.ask(place.frame(order("0.042", "2750", "post_only"))))["status"] == "success"


async def test_queries_are_limited_by_address_over_http_and_sockets_together(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        for _ in range(20):
            await line.ask({"type": "isolated_positions", "subaccount": ME})
            await place.query(type="isolated_positions", subaccount=ME)
        response = await place.http.post("http://venue/v1/query", content=b'{"type":"status"}')
        assert (response.status_code, response.json()["error_code"]) == (429, 1000)
        assert (await line.ask({"type": "status"}))["error_code"] == 1000
        assert (await line.ask(place.frame(order("0.042", "2756.9"))))["status"] == "success"
        archive = await place.http.post(
            "http://venue/archive/v1", content=json.dumps({"orders": {"digests": []}})
        )
        assert archive.status_code == 200


async def test_the_code_and_the_status_of_a_limited_request_are_knobs_and_so_is_the_limit(
    autojump_clock: MockClock,
) -> None:
    async with floor(faults=Faults(venue=VenueOptions(limited_by=1015, limited_status=200))) as place:
        for _ in range(40):
            await place.query(type="isolated_positions", subaccount=ME)
        response = await place.http.post("http://venue/v1/query", content=b'{"type":"status"}')
        assert (response.status_code, response.json()["error_code"]) == (200, 1015)
    async with floor(faults=Faults(venue=VenueOptions(rate_limits=False))) as place:
        for _ in range(100):
            await place.query(type="isolated_positions", subaccount=ME)


async def test_the_archive_has_a_budget_of_its_own(autojump_clock: MockClock) -> None:
    async with floor() as place:
        question = {"matches": {"subaccounts": [ME] * 100, "limit": 100}}
        statuses = [
            (await place.http.post("http://venue/archive/v1", content=json.dumps(question))).status_code
            for _ in range(3)
        ]
        assert statuses == [200, 200, 429]
