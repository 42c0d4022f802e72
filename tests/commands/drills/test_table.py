"""The drills as data: all of them are there, every accident is one that the simulated venue knows, and
each fits the configuration.
"""

import msgspec
import pytest

from commands.drills.table import (
    BY_NAME,
    DRILLS,
    ETH,
    NAMES,
    SOL,
    Drill,
    class_ms,
    margin_call,
    mirrored,
    staging_for,
)
from messages.settings import Limits, Settings
from messages.units import ONE, Base, Quote, Rate, legs_of
from venue.simulated.engine.accounts import Account, PerpPosition, health_of
from venue.simulated.engine.rules import ETH_PERP, SOL_PERP
from venue.simulated.faults.incidents import PriceShift, TradeThrough
from venue.simulated.faults.order_faults import NO_FAULTS, Faults, faults_of
from venue.simulated.gateway.answers import REQUESTS

ISSUE = (
    *("one-leg-reject", "one-leg-partial", "ack-lost", "venue-down", "feed-frozen", "flash-crash"),
    *("margin-call", "actor-crash", "process-kill", "rate-limited", "clock-skew", "liquidation"),
    *("quote-filled-in-pieces", "cancel-lost-the-race", "hedge-refused"),
    *("hedge-in-doubt-while-the-quote-fills", "feed-frozen-while-quoting"),
    *("killed-while-quoting", "killed-while-quoting-unguarded"),
)


def test_every_disaster_of_the_issue_has_a_drill() -> None:
    assert ISSUE == NAMES


@pytest.mark.parametrize("direction", ["alternate", "long-eth", "long-sol"])
@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.name)
def test_what_goes_wrong_is_something_that_the_venue_can_stage(drill: Drill, direction: str) -> None:
    staging = staging_for(drill, msgspec.structs.replace(Settings(), direction=direction))
    for faults in (staging.first, staging.then):
        assert faults_of(msgspec.json.encode(faults)) == faults
        faults.with_known(frozenset({ETH, SOL}), REQUESTS)
    assert staging.first != NO_FAULTS or staging.then != NO_FAULTS or drill.crashes
    assert (staging.then != NO_FAULTS or drill.kill) == (drill.moment != ""), (
        "what happens at a moment needs one"
    )


@pytest.mark.parametrize(
    ("direction", "quote_leg", "by_bps"),
    [("long-eth", "auto", -20), ("long-sol", "auto", 20), ("long-eth", "sol", 20), ("long-sol", "sol", -20)],
)
def test_what_happens_to_an_order_that_rests_is_about_its_leg_and_prices_run_against_its_hedge(
    direction: str, quote_leg: str, by_bps: int
) -> None:
    """Who buys with the order that rests hedges by selling: prices fall."""
    execution = msgspec.structs.replace(Settings().execution, quote_leg=quote_leg)
    settings = msgspec.structs.replace(Settings(), direction=direction, execution=execution)
    traded, runs = staging_for(BY_NAME["cancel-lost-the-race"], settings).then.incident
    quoted, hedging = (SOL, ETH) if quote_leg == "sol" else (ETH, SOL)
    assert isinstance(traded, TradeThrough)
    assert isinstance(runs, PriceShift)
    assert (traded.product, runs.product, runs.by_bps) == (quoted, hedging, by_bps)


def test_a_drill_of_the_other_direction_strikes_the_other_leg() -> None:
    first = BY_NAME["one-leg-reject"].faults
    assert [fault.product for fault in mirrored(first).refuse] == [ETH, SOL]
    assert mirrored(mirrored(first)) == first
    assert mirrored(NO_FAULTS) == Faults()


@pytest.mark.parametrize(
    ("least_move", "buffer"), [("0.2", "0.2"), ("0", "0.2"), ("0.5", "0"), ("0.01", "3")]
)
@pytest.mark.parametrize("ratio", ["1", "0.8", "2"])
@pytest.mark.parametrize("target", ["100", "1000", "250000"])
def test_a_margin_call_leaves_less_than_initial_and_more_than_maintenance_margin(
    target: str, ratio: str, least_move: str, buffer: str
) -> None:
    limits = Limits(min_liquidation_move=Rate.of(least_move), margin_buffer=Rate.of(buffer))
    settings = Settings(target=Quote.of(target), limits=limits, hedge_ratio=Rate.of(ratio))
    funds, by_bps = margin_call(settings, ETH_PERP, SOL_PERP)
    price, (eth, sol) = 100, legs_of(settings.target, settings.hedge_ratio)
    fees = (eth + sol) * ETH_PERP.taker_fee // ONE
    account = Account(
        "me",
        funds - fees,
        {
            4: PerpPosition(Base(eth // price), Quote(-eth)),
            8: PerpPosition(Base(-(sol // price)), Quote(sol)),
        },
    )
    called = {4: price * ONE, 8: price * ONE * (10_000 + by_bps) // 10_000}
    products = (ETH_PERP, SOL_PERP)
    initial, maintenance = (
        health_of(account, products, called, weighting).health for weighting in ("initial", "maintenance")
    )
    assert initial < 0 < maintenance
    before = {4: price * ONE, 8: price * ONE}
    assert health_of(account, products, before, "initial").health > 0


def test_each_legging_class_is_that_of_the_configuration() -> None:
    settings = Settings()
    assert [class_ms(BY_NAME[name], settings) for name in ("one-leg-reject", "ack-lost", "process-kill")] == [
        500,
        6_000,
        8_000,
    ]
