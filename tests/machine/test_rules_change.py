"""Rules that change while a pair is held, and answers that say odd things: closing needs id, tick, step
and position, and no leg stays alone.
"""

from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock

from messages.execution import PlanClosed
from messages.lifecycle import Note
from messages.market import RulesRead
from messages.settings import Settings
from messages.sizing import Sealed
from messages.units import ONE, Base, Ms, Quote
from tests.machine.audit import net
from tests.machine.bench import Bench, bench
from tests.thinned import thinned
from venue.escape import EscapeContext, escape
from venue.own_position import ClosingTask
from venue.simulated.faults.incidents import FalseAnswer, Incident, Listing, Rules, Trading
from venue.simulated.faults.order_faults import Faults, Refuse

LONG = 3_600_000
SETTINGS = Settings(target=Quote(1000 * ONE), cycles=1, hold=Ms(10_000), venue_patience=Ms(20_000))
ETH, SOL = 4, 8


def held_now(ready: Bench) -> tuple[Base, Base]:
    known = net(ready.venue.exchange.order_log)
    return Base(known.get(ETH, 0)), Base(known.get(SOL, 0))


def notes(ready: Bench) -> str:
    return "\n".join(message.text for message in ready.said if isinstance(message, Note))


def worst_alone(ready: Bench) -> float:
    """USD of the largest |ETH + SOL| between two fills, once both legs had been entered."""
    position, worst, paired = {ETH: 0, SOL: 0}, 0.0, False
    for order in ready.venue.exchange.order_log:
        for fill in order.fills:
            position[order.product_id] += int(fill.amount)
        if all(position.values()):
            paired = True
        if paired:
            worst = max(worst, abs(position[ETH] * 2756.9 + position[SOL] * 115.86) / 1e18)
    return worst


def during(*incidents: Incident, **more: object) -> Faults:
    return Faults(incident=incidents, **more)  # type: ignore[arg-type]


async def test_a_coarser_step_closes_both_legs_in_proportion_and_the_rest_is_named(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """ETH was closed, and SOL -8.5 was "not on the step 1" for ever."""
    async with bench(
        tmp_path, SETTINGS, faults=during(Rules(at_ms=5_000, for_ms=LONG, product="SOL-PERP", step="1"))
    ) as ready:
        ending = await ready.run(within_s=600)
        eth, sol = held_now(ready)
        assert abs(sol) < ONE
        assert eth * sol < 0, "what is left is hedged"
        assert abs(eth * 2756.9 + sol * 115.86) / 1e18 < 3, "to a lot of ETH"
        assert (ending.by, ending.code) == ("halt", "REMAINDER")
        assert "SOL-PERP -0." in ending.detail
        assert "the size step is 1" in ending.detail
        assert "remains: the size step is 1" in notes(ready)
        assert ending.open_legs


async def test_a_step_that_is_back_lets_everything_go(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with bench(
        tmp_path, SETTINGS, faults=during(Rules(at_ms=5_000, for_ms=8_000, product="SOL-PERP", step="1"))
    ) as ready:
        ending = await ready.run(within_s=600)
        assert (ending.by, held_now(ready)) == ("done", (0, 0))


async def test_another_tick_is_read_and_gone_by(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Every order was refused with 2000 for as long as the run lived."""
    incidents = (
        Rules(at_ms=9_900, for_ms=LONG, product="ETH-PERP", tick="7.3"),
        Rules(at_ms=9_900, for_ms=LONG, product="SOL-PERP", tick="0.07"),
    )
    async with bench(tmp_path, SETTINGS, faults=during(*incidents)) as ready:
        ending = await ready.run(within_s=600)
        assert (ending.by, held_now(ready)) == ("done", (0, 0))


async def test_a_leg_below_a_new_minimum_leaves_neither_leg_alone(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """One leg was closed, the other refused with 2094."""
    changed = Rules(at_ms=5_000, for_ms=LONG, product="SOL-PERP", min_size="3000", min_size_binds_takers=True)
    async with bench(tmp_path, SETTINGS, faults=during(changed)) as ready:
        with trio.move_on_after(60):
            await ready.machine.run()
        eth, sol = held_now(ready)
        assert eth * sol < 0
        assert worst_alone(ready) < 20


@pytest.mark.parametrize("at_ms", thinned((9_000, 11_500), 2))
async def test_both_legs_are_asked_before_they_leave(
    at_ms: int, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The status was up to 5 s old: ETH was closed while SOL was post_only, 8,167 USD s."""
    blocked = Trading(at_ms=at_ms, for_ms=30_000, product="SOL-PERP", status="post_only")
    async with bench(tmp_path, SETTINGS, faults=during(blocked)) as ready:
        ending = await ready.run(within_s=600)
        assert (ending.by, held_now(ready)) == ("done", (0, 0))
        assert worst_alone(ready) < 1100
        assert ready.totals().unhedged_usd_s < 200 * ONE


async def test_what_has_left_is_opened_again_once_when_the_other_leg_is_refused_for_good(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    refusals = tuple(
        Refuse(nth=number, product="SOL-PERP", increasing=False, code=2069) for number in range(2, 5)
    )
    async with bench(
        tmp_path,
        msgspec.structs.replace(SETTINGS, venue_patience=Ms(300_000)),
        faults=Faults(refuse=refusals),
    ) as ready:
        ending = await ready.run(within_s=600)
        (repair,) = [
            message.plan
            for message in ready.said
            if isinstance(message, Sealed) and message.plan.purpose == "repair"
        ]
        assert (repair.eth.amount, repair.sol.amount, repair.eth.reduce_only, repair.eth.kind) == (
            Base.of("0.357"),
            0,
            False,
            "fok",
        )
        assert (ending.by, held_now(ready)) == ("done", (0, 0))
        leading = [
            message.plan
            for message in ready.said
            if isinstance(message, Sealed) and message.plan.purpose == "flatten"
        ]
        assert all(plan.eth.amount == 0 for plan in leading[:2]), (
            "the leg that was refused goes first and alone"
        )


ODD: dict[str, tuple[Incident, ...]] = {
    "an unrelated product with an unknown status": (
        Listing(at_ms=0, for_ms=LONG, symbol="XRP-PERP", product_id=10, held="7.5"),
        FalseAnswer(
            at_ms=0, for_ms=LONG, request="symbols", of="XRP-PERP", field="trading_status", value="halted"
        ),
        FalseAnswer(at_ms=0, for_ms=LONG, request="symbols", of="XRP-PERP", field="min_size"),
        FalseAnswer(at_ms=0, for_ms=LONG, request="all_products", of="XRP-PERP", field="risk"),
        FalseAnswer(at_ms=0, for_ms=LONG, request="subaccount_info", of="XRP-PERP", field="balance"),
    ),
    "no oracle price": (
        FalseAnswer(at_ms=0, for_ms=LONG, request="all_products", of="SOL-PERP", field="oracle_price_x18"),
    ),
    "an unknown status of ours": (
        FalseAnswer(
            at_ms=0, for_ms=LONG, request="symbols", of="ETH-PERP", field="trading_status", value="settling"
        ),
    ),
    "answers that disagree": (
        FalseAnswer(
            at_ms=0,
            for_ms=LONG,
            request="all_products",
            of="SOL-PERP",
            field="book_info.size_increment",
            value="1",
        ),
    ),
    "no minimum": (
        FalseAnswer(at_ms=0, for_ms=LONG, request="symbols", of="SOL-PERP", field="min_size"),
        FalseAnswer(at_ms=0, for_ms=LONG, request="all_products", of="SOL-PERP", field="book_info.min_size"),
    ),
    "no healths": (
        FalseAnswer(at_ms=0, for_ms=LONG, request="subaccount_info", field="healths", absent=True),
    ),
    "no all_products at all": (FalseAnswer(at_ms=0, for_ms=LONG, request="all_products"),),
    "no fee rates": (FalseAnswer(at_ms=0, for_ms=LONG, request="fee_rates", value="?"),),
}


@pytest.mark.parametrize("odd", thinned(ODD, 3))
async def test_a_pair_is_left_whatever_else_the_venue_says(
    odd: str, autojump_clock: MockClock, tmp_path: Path
) -> None:
    later = tuple(msgspec.structs.replace(each, at_ms=4_000) for each in ODD[odd])
    async with bench(tmp_path, SETTINGS, faults=during(*later)) as ready:
        with trio.move_on_after(60):
            await ready.machine.run()
        assert held_now(ready) == (0, 0), notes(ready)[-2000:]


@pytest.mark.parametrize("odd", thinned(reversed(ODD), 3))
async def test_escape_closes_whatever_else_the_venue_says(
    odd: str, autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, SETTINGS) as ready:
        with trio.move_on_after(5):
            await ready.machine.run()
        ready.venue.faults = during(*ODD[odd])
        await trio.sleep(0.1)
        world, task = ready.world, ClosingTask.of(ready.machine.channels.held.value)  # type: ignore[arg-type]
        context = EscapeContext(
            world.venue, world.rules, world.clock, SETTINGS, lambda *_: None, ready.said.append
        )
        left = await escape(context, task)
        assert (left.flat, held_now(ready)) == (True, (0, 0)), notes(ready)[-2000:]


@pytest.mark.long
async def test_a_run_does_not_enter_by_rules_that_nobody_could_read_for_too_long(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """It went on entering on the last readable rules without an age limit."""
    settings = msgspec.structs.replace(SETTINGS, cycles=50, hold=Ms(500))
    broken = FalseAnswer(at_ms=2_000, for_ms=LONG, request="contracts")
    async with bench(tmp_path, settings, faults=during(broken)) as ready:
        with trio.move_on_after(120):
            await ready.machine.run()
        entered = [
            message.plan.decided_ms
            for message in ready.said
            if isinstance(message, Sealed) and message.plan.purpose == "enter"
        ]
        first = entered[0]
        assert max(entered) - first < 25_000
        assert any(getattr(message, "code", "") == "RULES_STALE" for message in ready.said)
        assert held_now(ready) == (0, 0)


async def test_the_ledger_hears_of_changed_rules_and_a_plan_names_their_version(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    settings = msgspec.structs.replace(SETTINGS, cycles=4, hold=Ms(3_000))
    async with bench(
        tmp_path, settings, faults=during(Rules(at_ms=8_000, for_ms=LONG, product="ETH-PERP", step="0.002"))
    ) as ready:
        await ready.run(within_s=600)
        (read,) = [message for message in ready.said if isinstance(message, RulesRead)]
        assert (read.version, read.eth.size_step) == (2, Base.of("0.002"))
        versions = {message.plan.rules_version for message in ready.said if isinstance(message, Sealed)}
        assert versions == {1, 2}
        assert [each for each in ready.said if isinstance(each, PlanClosed)]
