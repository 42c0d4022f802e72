"""The whole machine at a venue that is lawful but different, and at one with bad days: it ends flat,
trades nothing twice, books what happened.
"""

from pathlib import Path

import msgspec
import pytest
import trio

from messages.settings import Settings
from messages.units import ONE, Base, Ms, Quote
from tests.machine.audit import faults as wrongs
from tests.machine.bench import bench
from tests.thinned import thinned
from venue.simulated.engine.accounts import product_of_x18
from venue.simulated.engine.rules import VenueOptions
from venue.simulated.faults.incidents import (
    ChargeFunding,
    ClockSkew,
    Crossed,
    Down,
    Freeze,
    GatewayMode,
    Incident,
    Oracle,
    SettleResults,
    Status,
    Trading,
)
from venue.simulated.faults.order_faults import DisturbReply, Faults, Pieces

PAIR = {4: int(Base.of("0.042")), 8: int(Base.of("1"))}
CALM = Settings(target=Quote(100 * ONE), cycles=2, hold=Ms(8_000))
SHORT = msgspec.structs.replace(CALM, hold=Ms(1_500))

LAWFUL = [
    VenueOptions(min_size_binds_takers=True, order_update_fills=True, echo_id=False),
    VenueOptions(bump="crossing", filled_orders_found=True, isolated_shows_parent=False),
    VenueOptions(settle_every_s=0.7, cancel_batch_is_atomic=False, place_after_failed_cancel=True),
    VenueOptions(limited_by=1015, limited_status=200, excess_socket="oldest", self_match="refuse"),
    VenueOptions(spot_leverage_on_perps=False, needs_encoding=False, ping_timeout_s=35.0),
]


@pytest.mark.parametrize("options", LAWFUL, ids=range(len(LAWFUL)))
async def test_whatever_the_documents_leave_open_two_pairs_are_entered_and_left(
    options: VenueOptions, autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, SHORT, faults=Faults(venue=options)) as ready:
        ending = await ready.run(within_s=120)
        assert (ending.by, ready.totals().completed) == ("done", 2), ending
        assert wrongs(ready.venue.exchange.order_log, largest=PAIR) == []


WEATHER: dict[str, tuple[Incident, ...]] = {
    "syncing": (Status(at_ms=2_000, for_ms=4_000),),
    "read only": (GatewayMode(at_ms=2_000, for_ms=4_000, answer="ip_query_only"),),
    "unavailable": (GatewayMode(at_ms=2_000, for_ms=4_000, answer="unavailable"),),
    "rate limited": (GatewayMode(at_ms=2_000, for_ms=4_000, answer="rate_limited"),),
    "down": (Down(at_ms=2_000, for_ms=3_000),),
    "down twice": (Down(at_ms=500, for_ms=700), Down(at_ms=4_000, for_ms=5_000)),
    "frozen": (Freeze(at_ms=1_500, for_ms=5_000, product="ETH-PERP"),),
    "crossed": (Crossed(at_ms=1_000, product="SOL-PERP"), Crossed(at_ms=3_000, product="ETH-PERP")),
    "fast clock": (ClockSkew(at_ms=2_000, for_ms=20_000, skew_ms=3_000),),
    "slow clock": (ClockSkew(at_ms=2_000, for_ms=20_000, skew_ms=-3_000),),
    "one leg untradable": (Trading(at_ms=1_500, for_ms=30_000, product="SOL-PERP", status="not_tradable"),),
    "oracle": (Oracle(at_ms=1_500, for_ms=5_000, product="ETH-PERP", by_bps=80),),
    "funding and settlement": (
        Oracle(at_ms=500, for_ms=20_000, product="ETH-PERP", by_bps=-40),
        SettleResults(at_ms=2_000),
        ChargeFunding(at_ms=2_500),
    ),
}


@pytest.mark.parametrize("staged", thinned(((staged,) for staged in WEATHER.values()), 3), ids=WEATHER)
async def test_bad_weather_at_the_venue_ends_flat_without_an_order_twice(
    staged: tuple[Incident, ...], autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, CALM, faults=Faults(incident=staged)) as ready:
        ending = await ready.run(within_s=300)
        assert wrongs(ready.venue.exchange.order_log, largest=PAIR) == []
        totals = ready.totals()
        assert (ending.by, totals.completed) == ("done", 2), (ending, totals)
        assert totals.completed >= 1
        snapshot = await ready.account()
        assert [position.total for position in snapshot.positions if position.total] == []


async def test_slow_replies_and_fills_in_pieces_are_booked_to_the_last_digit(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """A fill is heard before its order is acknowledged, in five pieces; the ledger's money is the venue's."""
    slow = DisturbReply(request="place_order", one_in=1, how="delay", delay_ms=250)
    pieces = tuple(Pieces(nth=number, lots=(1, 1, 3, 5, 7), increasing=False) for number in range(1, 9))
    async with bench(tmp_path, CALM, faults=Faults(reply=(slow,), split=pieces)) as ready:
        before = (await ready.account()).value
        ending = await ready.run(within_s=120)
        assert (ending.by, ready.totals().completed) == ("done", 2)
        assert max(len(order.fills) for order in ready.venue.exchange.order_log) >= 5
        spent = sum(fill.fee for order in ready.venue.exchange.order_log for fill in order.fills)
        assert ready.totals().fees == spent
        assert (await ready.account()).value < before


async def test_funding_paid_while_a_pair_is_held_is_in_the_ledger_to_the_last_digit(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """S6: the mark stands above the index, so the long ETH leg pays; settlement in between changes no
    figure.
    """
    staged = (
        Oracle(at_ms=500, for_ms=60_000, product="ETH-PERP", by_bps=-40),
        SettleResults(at_ms=3_000),
        ChargeFunding(at_ms=3_500),
        SettleResults(at_ms=4_000),
    )
    settings = msgspec.structs.replace(CALM, cycles=1)
    async with bench(tmp_path, settings, faults=Faults(incident=staged)) as ready:
        before = (await ready.account()).value
        ending = await ready.run(within_s=120)
        totals, market = ready.totals(), ready.venue.exchange.markets[4]
        assert (ending.by, totals.completed) == ("done", 1)
        assert market.funding.cumulative > 0
        assert totals.funding == -product_of_x18(market.funding.cumulative, int(Base.of("0.042")))
        assert totals.pnl == (await ready.account()).value - before
