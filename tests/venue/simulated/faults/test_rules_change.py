"""Rules that change while somebody trades, and answers that say odd things about them: engine and answers
agree, unless a lie is staged.
"""

from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from messages.units import Base
from tests.venue.simulated.desk import ME, SOL, Floor, floor, order
from venue.simulated.faults.incidents import FalseAnswer, Incident, Listing, Rules
from venue.simulated.faults.order_faults import Faults, faults_of

LONG = 100_000


async def staged(place: Floor, *incidents: Incident) -> None:
    """Staged as a test tool does it: over HTTP."""
    content = msgspec.json.encode(Faults(incident=incidents))
    assert (await place.http.post("http://venue/simulated/faults", content=content)).status_code == 200
    await trio.sleep(0.01)


async def code(place: Floor, line: Any, amount: str, price: str, **how: Any) -> Any:
    return (await line.ask(place.frame(order(amount, price, **how)))).get("error_code")


async def test_a_coarser_step_is_told_and_judged_by_and_taken_back(autojump_clock: MockClock) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        await line.ask(place.frame(order("-8.5", "115", product_id=SOL)))
        await staged(place, Rules(at_ms=0, for_ms=1000, product="SOL-PERP", step="1"))
        symbols, products = (
            (await place.query(type="symbols"))["symbols"],
            await place.query(type="all_products"),
        )
        assert (
            symbols["SOL-PERP"]["size_increment"]
            == products["perp_products"][1]["book_info"]["size_increment"]
            == str(10**18)
        )
        assert await code(place, line, "8.5", "120", product_id=SOL, reduce_only=True) == 2001
        assert await code(place, line, "8", "120", product_id=SOL, reduce_only=True) is None
        assert place.venue.exchange.accounts[ME].position(SOL).amount == Base.of("-0.5")
        await trio.sleep(2)
        assert await code(place, line, "0.5", "120", product_id=SOL, reduce_only=True) is None


async def test_tick_minimum_isolation_and_listing_change_with_what_the_engine_refuses(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        await staged(place, Rules(at_ms=0, for_ms=LONG, product="ETH-PERP", tick="7.3"))
        assert await code(place, line, "0.042", "2756.9") == 2000
        await staged(
            place,
            Rules(at_ms=0, for_ms=LONG, product="ETH-PERP", min_size="2000", min_size_binds_takers=True),
        )
        assert await code(place, line, "0.042", "2756.9") == 2094
        await staged(place, Rules(at_ms=0, for_ms=LONG, product="ETH-PERP", isolated_only=True))
        assert await code(place, line, "0.042", "2756.9") == 2122
        await staged(place, Rules(at_ms=0, for_ms=LONG, product="ETH-PERP", listed=False))
        assert await code(place, line, "0.042", "2756.9") == 2069
        assert list((await place.query(type="symbols"))["symbols"]) == ["SOL-PERP"]
        assert [each["product_id"] for each in (await place.query(type="all_products"))["perp_products"]] == [
            SOL
        ]
        await staged(place)
        assert await code(place, line, "0.042", "2756.9") is None
        assert place.venue.exchange.options.min_size_binds_takers is False


async def test_a_field_can_be_null_absent_or_unknown_while_the_engine_goes_on(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place, place.socket("/v1/ws") as line:
        await staged(
            place,
            Listing(at_ms=0, for_ms=LONG, symbol="XRP-PERP", product_id=10, held="7.5"),
            FalseAnswer(
                at_ms=0, for_ms=LONG, request="symbols", of="XRP-PERP", field="trading_status", value="halted"
            ),
            FalseAnswer(at_ms=0, for_ms=LONG, request="symbols", of="XRP-PERP", field="min_size"),
            FalseAnswer(
                at_ms=0, for_ms=LONG, request="all_products", of="ETH-PERP", field="oracle_price_x18"
            ),
            FalseAnswer(
                at_ms=0,
                for_ms=LONG,
                request="all_products",
                of="SOL-PERP",
                field="book_info.size_increment",
                value="5",
                every=2,
            ),
            FalseAnswer(at_ms=0, for_ms=LONG, request="subaccount_info", field="healths", absent=True),
            FalseAnswer(at_ms=0, for_ms=LONG, request="status", value="asleep"),
        )
        xrp = (await place.query(type="symbols"))["symbols"]["XRP-PERP"]
        assert (xrp["trading_status"], xrp["min_size"], xrp["product_id"]) == ("halted", None, 10)
        steps = [(await place.query(type="all_products"))["perp_products"] for _ in range(3)]
        assert [each[0]["oracle_price_x18"] for each in steps] == [None] * 3
        assert [each[1]["book_info"]["size_increment"] for each in steps] == [
            "5",
            str(int(Base.of("0.1"))),
            "5",
        ]
        info = await place.query(type="subaccount_info", subaccount=ME)
        assert "healths" not in info
        assert (info["perp_balances"][-1]["product_id"], info["perp_balances"][-1]["balance"]["amount"]) == (
            10,
            str(int(Base.of("7.5"))),
        )
        assert await place.query(type="status") == "asleep"
        assert await code(place, line, "0.042", "2756.9") is None


@pytest.mark.parametrize(
    ("incident", "named"),
    [
        ({"kind": "rules", "product": "ETH-PERP", "step": "0"}, "step"),
        ({"kind": "rules", "product": "ETH-PERP", "tick": "-1"}, "tick"),
        ({"kind": "listing", "symbol": "XRP-PERP", "product_id": 0}, "product_id"),
        ({"kind": "says", "request": "symbols", "every": 0}, "every"),
    ],
)
def test_what_cannot_be_staged_is_named(incident: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        faults_of(msgspec.json.encode({"incident": [{"at_ms": 0, "for_ms": 1, **incident}]}).decode())


def test_a_lie_about_what_nobody_asks_or_lists_is_refused() -> None:
    lie = FalseAnswer(at_ms=0, for_ms=1, request="symbolz")
    with pytest.raises(ValueError, match="symbolz"):
        Faults(incident=(lie,)).with_known(frozenset({"ETH-PERP"}), frozenset({"symbols"}))
    lie = FalseAnswer(at_ms=0, for_ms=1, request="symbols", of="XRP-PERP")
    with pytest.raises(ValueError, match="XRP-PERP"):
        Faults(incident=(lie,)).with_known(frozenset({"ETH-PERP"}), frozenset({"symbols"}))
