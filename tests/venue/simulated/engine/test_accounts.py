"""Fees and health, held against numbers that were worked out elsewhere: the documented messages and pencil
and paper.
"""

import json
from typing import Any

from messages.units import ONE, Base, Price, Quote
from tests.shared_data import shared
from tests.venue.simulated.desk import ETH, ME, desk, levels, order
from venue.simulated.engine.accounts import Account, PerpPosition, fee_on, health_of, increases, taker_metered
from venue.simulated.engine.events import Filled, PositionChanged
from venue.simulated.engine.rules import DEFAULT_PRODUCTS, ETH_PERP

MAKER, TAKER, MIN = ETH_PERP.maker_fee, ETH_PERP.taker_fee, ETH_PERP.min_size


def documented(name: str) -> Any:
    return json.loads(shared(f"nado-messages/{name}").read_text())


def test_a_maker_buy_pays_the_fee_of_the_documented_example() -> None:
    assert fee_on(-int(Quote.of("55.138")), MAKER) == 5514351435143514
    assert fee_on(-int(Quote.of("60.6518")), MAKER) == 6065786578657865


def test_a_seller_keeps_one_minus_the_fee() -> None:
    assert fee_on(int(Quote.of("1000")), TAKER) == Quote.of("0.35")
    assert fee_on(-int(Quote.of("1000")), TAKER) == 350122542890011504  # 0.35 x (1 + f + f^2 + ...)


def test_a_maker_with_a_rebate_is_paid() -> None:
    assert fee_on(int(Quote.of("1000")), -80_000_000_000_000) == Quote.of("-0.08")


def test_a_takers_first_fill_pays_for_the_minimum_and_later_ones_for_what_lies_beyond() -> None:
    fills = [Quote.of(75), Quote.of(50), Quote.of(30)]
    metered, already = [], 0
    for quote in fills:
        metered.append(taker_metered(int(quote), already, MIN))
        already += int(quote)
    assert metered == [Quote.of(100), Quote.of(25), Quote.of(30)]
    assert taker_metered(-int(Quote.of(250)), 0, MIN) == -Quote.of(250)
    assert taker_metered(-int(Quote.of(1)), 0, MIN) == -Quote.of(100)


def test_a_small_taker_pays_the_minimum_fee_into_its_v_quote() -> None:
    floor = desk()
    entry = floor.place(order("-0.001", "2756.8"))
    assert entry.fills[0].fee == Quote.of("0.035")
    account = floor.exchange.accounts[ME]
    assert account.position(ETH) == PerpPosition(Base.of("-0.001"), Quote.of("2.7218"))
    assert account.usdt0 == Quote.of(10_000)


def test_the_documented_life_of_a_resting_order_happens_number_by_number() -> None:
    """Message 17: a post-only buy of 0.042 at 2756.9 filled by 0.020 and 0.022."""
    wanted = documented("17_events_private_lifecycle.json")["events"]
    floor = desk()
    floor.draw(ETH, levels(("2756.8", "1")), levels(("2757.0", "5")))
    floor.place(order("0.042", "2756.9", "post_only"))
    floor.draw(ETH, levels(("2756.7", "1")), levels(("2756.8", "0.020")))
    floor.draw(ETH, levels(("2756.7", "1")), levels(("2756.8", "0.022")))
    events = floor.events()
    fills = [
        (str(int(event.filled)), str(int(event.remaining)), str(int(event.fee)))
        for event in events
        if isinstance(event, Filled)
    ]
    assert fills == [
        (event["filled_qty"], event["remaining_qty"], event["fee"])
        for event in wanted
        if event["type"] == "fill"
    ]
    positions = [
        (str(int(event.amount)), str(int(event.v_quote)))
        for event in events
        if isinstance(event, PositionChanged)
    ]
    assert positions == [
        (event["amount"], event["v_quote_amount"]) for event in wanted if event["type"] == "position_change"
    ]


def test_health_is_that_of_the_documented_account() -> None:
    """Message 04: 1,000 USDT0 and 0.042 ETH long at 2756.9."""
    account = Account(
        ME, int(Quote.of(1000)), {ETH: PerpPosition(Base.of("0.042"), Quote(-115801380138013801380))}
    )
    oracles = {ETH: int(Price.of("2756.9")), 8: int(Price.of("115.86"))}
    wanted = documented("04_query_subaccount_info.json")["response"]["data"]["healths"]
    found = [
        health_of(account, DEFAULT_PRODUCTS, oracles, weighting)
        for weighting in ("initial", "maintenance", "unweighted")
    ]
    assert [(str(int(one.assets)), str(int(one.liabilities)), str(int(one.health))) for one in found] == [
        (one["assets"], one["liabilities"], one["health"]) for one in wanted
    ]


def test_a_short_is_weighted_above_one() -> None:
    account = Account(ME, int(Quote.of(1000)), {ETH: PerpPosition(Base(-ONE), Quote.of(2000))})
    oracles = {ETH: int(Price.of("2000")), 8: int(Price.of("100"))}
    assert health_of(account, DEFAULT_PRODUCTS, oracles, "initial").health == Quote.of(950)
    assert health_of(account, DEFAULT_PRODUCTS, oracles, "maintenance").health == Quote.of(975)
    assert health_of(account, DEFAULT_PRODUCTS, oracles, "unweighted").health == Quote.of(1000)


def test_only_growing_or_turning_a_position_is_new_exposure() -> None:
    assert increases(0, 1)
    assert increases(0, -1)
    assert increases(5, 1)
    assert increases(5, -6)
    assert increases(-5, 11)
    assert not increases(5, -5)
    assert not increases(-5, 3)
