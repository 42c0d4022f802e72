"""What Nado's documents leave open, both ways. Options with a test elsewhere: limits, connections, money,
exchange.
"""

import json
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from messages.units import Quote
from tests.venue.nado.appendices import Appendix, pack
from tests.venue.simulated.desk import ETH, ME, OTHER, desk, floor, levels, order
from tests.venue.simulated.scenes import NOT_FOUND, VenueStage
from venue.nado.appendix import OrderKind
from venue.simulated.engine.events import Filled
from venue.simulated.engine.rules import Builder, VenueOptions
from venue.simulated.faults.order_faults import Faults


def option(**settled: Any) -> Faults:
    return Faults(venue=VenueOptions(**settled))


@pytest.mark.parametrize(("kept", "status"), [(False, "failure"), (True, "success")])
async def test_an_order_that_has_ended_is_found_only_when_the_venue_keeps_it(
    kept: bool, status: str, autojump_clock: MockClock
) -> None:
    async with floor(faults=option(filled_orders_found=kept)) as place:
        on = VenueStage(place)
        digest = (await on.order("0.042", "2756.9"))["data"]["digest"]
        answer = await on.query("order", product_id=ETH, digest=digest)
        assert answer["status"] == status
        if kept:
            assert (
                answer["data"]["digest"],
                answer["data"]["unfilled_amount"],
                answer["data"]["order_type"],
            ) == (digest, "0", "ioc")
        resting = await on.rests()
        assert (await on.query("order", product_id=ETH, digest=resting))["data"][
            "unfilled_amount"
        ] == "50000000000000000"


@pytest.mark.parametrize(("atomic", "left"), [(True, 1), (False, 0)])
async def test_one_digest_that_is_gone_refuses_a_batch_or_is_left_out(
    atomic: bool, left: int, autojump_clock: MockClock
) -> None:
    async with floor(faults=option(cancel_batch_is_atomic=atomic)) as place:
        on = VenueStage(place)
        answer = await on.cancel([await on.rests(), NOT_FOUND])
        assert len(place.venue.exchange.open_orders(ME, ETH)) == left
        assert answer.get("error_code") == (2020 if atomic else None)
        assert (await on.cancel([NOT_FOUND]))["error_code"] == 2020


@pytest.mark.parametrize(
    ("places", "requires", "placed"), [(False, None, 0), (True, None, 1), (True, True, 0)]
)
async def test_a_replacement_of_nothing_is_placed_or_not(
    places: bool, requires: bool | None, placed: int, autojump_clock: MockClock
) -> None:
    async with floor(faults=option(place_after_failed_cancel=places)) as place:
        on = VenueStage(place)
        tx, signature = on.cancellation([NOT_FOUND])
        request = {
            "cancel_tx": tx,
            "cancel_signature": signature,
            "place_order": on.body("0.05", "2750", "post_only"),
        }
        answer = await on.execute("cancel_and_place", {**request, "place_requires_unfilled": requires})
        assert len(place.venue.exchange.open_orders(ME, ETH)) == placed
        assert answer.get("error_code") == (None if placed else 2020)


@pytest.mark.parametrize("echoed", [True, False])
async def test_the_id_of_a_refused_order_is_echoed_or_not_and_that_of_a_good_one_always(
    echoed: bool, autojump_clock: MockClock
) -> None:
    async with floor(faults=option(echo_id=echoed)) as place, place.socket("/v1/ws") as line:
        refused = await line.ask(place.frame(order("0.042", "2750"), order_id=9))
        assert (refused["error_code"], "id" in refused) == (2056, echoed)
        assert (await line.ask(place.frame(order("0.042", "2756.9"), order_id=9)))["id"] == 9


@pytest.mark.parametrize(("bump", "waited"), [("takers", 0.03), ("crossing", 0.0)])
async def test_the_speed_bump_is_for_all_takers_or_for_those_that_cross(
    bump: Any, waited: float, autojump_clock: MockClock
) -> None:
    async with floor(faults=option(bump=bump)) as place, place.socket("/v1/ws") as line:
        for wanted, expected in (
            (order("0.042", "2750", "default"), waited),
            (order("0.042", "2756.9"), 0.03),
        ):
            began = trio.current_time()
            assert (await line.ask(place.frame(wanted)))["status"] == "success"
            assert trio.current_time() - began == pytest.approx(expected, abs=1e-6)


async def test_order_updates_can_carry_the_fill(autojump_clock: MockClock) -> None:
    from tests.venue.simulated.streams.test_subscribe import auth_frame

    async with floor(faults=option(order_update_fills=True)) as place, place.socket("/v1/subscribe") as line:
        await line.ask(auth_frame(place))
        await line.subscribe({"type": "order_update", "subaccount": ME})
        await VenueStage(place).order("0.042", "2756.9")
        event = await line.read()
        assert (event["filled_qty"], event["filled_price"]) == ("42000000000000000", "2756900000000000000000")


@pytest.mark.parametrize(("every_s", "settled"), [(600.0, True), (0.0, False)])
async def test_results_settle_by_themselves_as_often_as_is_said(
    every_s: float, settled: bool, autojump_clock: MockClock
) -> None:
    async with floor(faults=option(settle_every_s=every_s)) as place:
        await VenueStage(place).order("0.042", "2756.9")
        await trio.sleep(700)
        info = (await place.query(type="subaccount_info", subaccount=ME))["perp_balances"][0]["balance"]
        value = int(info["amount"]) * int(place.venue.exchange.markets[ETH].oracle) // 10**18 + int(
            info["v_quote_balance"]
        )
        assert (value == 0) is settled


# -- builders ------------------------------------------------------------------------------------------------

SEVEN = Builder(7, lowest_rate=5, highest_rate=10)


def for_builder(builder_id: int, rate: int, kind: OrderKind = "ioc") -> int:
    return pack(Appendix(kind, builder_id=builder_id, builder_rate=rate))


@pytest.mark.parametrize(
    ("builder_id", "rate", "code"),
    [(0, 0, 0), (7, 5, 0), (7, 10, 0), (7, 4, 2118), (7, 11, 2118), (7, 0, 2118), (8, 5, 2118)],
)
def test_an_order_names_a_registered_builder_and_a_rate_within_its_bounds(
    builder_id: int, rate: int, code: int
) -> None:
    seven = desk(options=VenueOptions(builders=(SEVEN,)))
    assert seven.code(order("0.042", "2756.9", appendix=for_builder(builder_id, rate))) == code


def test_a_rate_without_a_builder_is_refused() -> None:
    assert desk().code(order("0.042", "2756.9", appendix=513 | 1 << 38)) == 2118


def test_without_a_registry_every_builder_is_refused_as_on_the_test_network() -> None:
    assert desk().code(order("0.042", "2756.9", appendix=for_builder(7, 5))) == 2118


def test_a_builder_is_paid_on_every_fill_of_taker_and_maker_on_top_of_the_exchanges_fee() -> None:
    plain, built = desk(), desk(options=VenueOptions(builders=(SEVEN,)))
    for rate, at in ((0, plain), (10, built)):
        named = 7 if rate else 0
        at.draw(ETH, levels(("2756.8", "1")), ())
        resting = for_builder(named, rate, "post_only")
        at.place(order("-0.5", "2756.9", "post_only", sender=OTHER, appendix=resting))
        at.place(order("0.2", "2756.9", appendix=for_builder(named, rate)))
    usual, charged = (
        {event.subaccount: event for event in at.events() if isinstance(event, Filled)}
        for at in (plain, built)
    )
    share = Quote.of("0.055138")  # 0.2 x 2756.9 x 1 bp
    for name in (ME, OTHER):
        before, after = usual[name], charged[name]
        assert (before.builder_fee, after.builder_fee) == (0, share)
        assert (after.fee - before.fee, before.quote - after.quote) == (share, share)
        held = built.exchange.accounts[name].position(ETH).v_quote
        assert plain.exchange.accounts[name].position(ETH).v_quote - held == share
    # what the exchange itself has collected is the same
    assert plain.exchange.markets[ETH].fees == built.exchange.markets[ETH].fees > 0


def test_the_builders_fee_counts_when_margin_is_asked() -> None:
    """0.31 ETH: 21.37 USDT0 of margin and 0.30 of fees; the builder's 8.74 more than are there."""
    options = VenueOptions(builders=(Builder(7),))
    assert desk(options=options, funds="25").code(order("0.31", "2756.9")) == 0
    built = order("0.31", "2756.9", appendix=for_builder(7, 1023))
    assert desk(options=options, funds="25").code(built) == 2006


async def test_the_archive_tells_the_builders_share_of_a_fee(autojump_clock: MockClock) -> None:
    async with floor(faults=option(builders=(SEVEN,))) as place:
        wanted = order("0.2", "2756.9", appendix=for_builder(7, 10))
        digest = (await place.post("/v1/execute", place.frame(wanted)))["data"]["digest"]
        await trio.sleep(1)
        (match,) = (await place.post("/archive/v1", {"matches": {"subaccounts": [ME]}}))["matches"]
        (total,) = (await place.post("/archive/v1", {"orders": {"digests": [digest]}}))["orders"]
        # a buyer pays the exchange m / (1 - f) - m with f = 3.5 bp, and 1 bp of m to the builder
        expected = Quote.of("551.38") * 35 // (100_000 - 35) + Quote.of("0.055138")
        for one in (match, total):
            assert one["builder_fee"] == str(int(Quote.of("0.055138")))
            assert abs(int(one["fee"]) - expected) <= 1
            assert -int(one["quote_filled"]) == int(Quote.of("551.38")) + int(one["fee"])


@pytest.mark.parametrize(("needs", "status"), [(True, 403), (False, 200)])
async def test_a_request_that_accepts_no_compressed_answer_is_refused_or_not(
    needs: bool, status: int, autojump_clock: MockClock
) -> None:
    async with floor(faults=option(needs_encoding=needs)) as place:
        plain = {"accept-encoding": "identity"}
        response = await place.http.post("http://venue/v1/query", content=b'{"type":"status"}', headers=plain)
        assert response.status_code == status
        assert needs is False or response.json()["block"] is True


@pytest.mark.parametrize(
    "wrong",
    [
        {"settle_every_s": -1},
        {"expiry_every_s": -1},
        {"ping_timeout_s": 0},
        {"limited_status": 42},
        {"limited_by": 7},
        {"bump": "never"},
        {"builders": [{"id": 0}]},
        {"builders": [{"id": 65_536}]},
        {"builders": [{"id": 7, "lowest_rate": 20, "highest_rate": 10}]},
        {"builders": [{"id": 7, "highest_rate": 1024}]},
    ],
)
def test_a_knob_that_cannot_be_is_refused_by_its_name(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(msgspec.ValidationError, match=name):
        msgspec.json.decode(json.dumps({"venue": wrong}), type=Faults)
