"""Exits of a pair in the whole machine, with staged moves: the rule that is named, what it says closing comes
to against what it came to, and a pair that goes on in another process.
"""

import re
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock

from messages.lifecycle import Hop, Waiting
from messages.settings import DailyWindow, EnterWhen, Settings
from messages.sizing import Sealed, SizingPlan, Skipped
from messages.units import ONE, Bps, Ms, Quote
from tests.machine.bench import START_NS, Bench, bench
from tests.machine.test_escape_and_recovery import FLAT, next_start, opened
from tests.machine.test_money import DEARER, cash
from venue.simulated.faults.incidents import ChargeFunding, PriceShift
from venue.simulated.faults.order_faults import Faults

START_MS = START_NS // 1_000_000
RULES = Settings(
    target=Quote(1000 * ONE),
    cycles=1,
    hold=Ms(60_000),
    direction="long-eth",
    take_profit=Bps(5 * ONE),
    stop_loss=Bps(30 * ONE),
)
PROFIT_MS, LOSS_MS = 5_000, 9_000
PROFIT = PriceShift(at_ms=PROFIT_MS, for_ms=600_000, product="ETH-PERP", by_bps=40)
"""40 bps of one leg are 20 bps of both; 7.6 bps of them are costs."""
LOSS = PriceShift(at_ms=LOSS_MS, for_ms=600_000, product="ETH-PERP", by_bps=-80)


def exits(ready: Bench) -> list[SizingPlan]:
    return [
        said.plan
        for said in ready.said
        if isinstance(said, Sealed) and said.plan.purpose in {"exit", "flatten"}
    ]


def exit_line(ready: Bench) -> str:
    """What sizing says of the exit that it proposes."""
    return next(
        said.note
        for said in ready.said
        if isinstance(said, Hop) and said.hop == "sizing proposes" and said.note.startswith("exit")
    )


def foretold(line: str) -> Decimal:
    """What the line says that closing comes to, USD."""
    found = re.search(r"closing now comes to ([+-]\d+\.\d\d) USD", line)
    assert found, line
    return Decimal(found[1])


@pytest.mark.parametrize(
    ("moves", "rule", "at_ms"),
    [
        ((PROFIT,), "TAKE_PROFIT", PROFIT_MS),
        ((LOSS,), "STOP_LOSS", LOSS_MS),
        ((), "HOLD", 60_000),
        ((msgspec.structs.replace(PROFIT, by_bps=24),), "HOLD", 60_000),
        ((msgspec.structs.replace(LOSS, by_bps=-40),), "HOLD", 60_000),
    ],
)
async def test_a_staged_move_ends_the_pair_by_its_rule_and_comes_to_what_was_said(
    moves: tuple[PriceShift, ...], rule: str, at_ms: int, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Moves that the costs eat up, or that are less than the stop, change nothing."""
    async with bench(tmp_path, RULES, faults=Faults(incident=moves)) as ready:
        before = cash(await ready.account())
        ending = await ready.run(within_s=120)
        (left,) = exits(ready)
        line = exit_line(ready)
        assert (ending.by, opened(ready), left.because) == ("done", FLAT, rule)
        assert line.startswith(f"exit, {rule}: ")
        assert at_ms <= left.decided_ms - START_MS < at_ms + 1_500
        if rule != "HOLD":
            came_to = cash(await ready.account()) - before
            assert abs(came_to - Quote.of(foretold(line))) <= ONE // 100


@pytest.mark.parametrize(
    ("move", "rule", "at_ms"), [(PROFIT, "TAKE_PROFIT", 20_000), (LOSS, "STOP_LOSS", LOSS_MS)]
)
async def test_min_hold_delays_a_profit_and_never_a_stop(
    move: PriceShift, rule: str, at_ms: int, autojump_clock: MockClock, tmp_path: Path
) -> None:
    settings = msgspec.structs.replace(RULES, min_hold=Ms(20_000))
    async with bench(tmp_path, settings, faults=Faults(incident=(move,))) as ready:
        await ready.run(within_s=120)
        (left,) = exits(ready)
        assert left.because == rule
        assert at_ms <= left.decided_ms - START_MS < at_ms + 1_500


async def test_a_pair_that_goes_on_in_another_process_is_judged_by_all_that_it_has_cost(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Entered and charged funding (14 cents) in one process, left in the next one: what the line says is what
    the account has gained since before both.
    """
    moves = (
        DEARER,
        ChargeFunding(at_ms=4_000),
        msgspec.structs.replace(PROFIT, at_ms=30_000, for_ms=600_000),
    )
    unruled = msgspec.structs.replace(RULES, take_profit=None, stop_loss=None, hold=Ms(3_600_000))
    async with bench(tmp_path, unruled, faults=Faults(incident=moves)) as ready:
        before = cash(await ready.account())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ready.run)
            await trio.sleep(15)
            nursery.cancel_scope.cancel()
        assert (ready.totals().funding or 0) < -ONE // 10
        # it enters no pair of its own
        hour = Ms(3_600_000)
        ruled = msgspec.structs.replace(RULES, hold=hour, pause=hour, until_utc=Ms(START_MS + 40_000))
        async with next_start(tmp_path, ready, ruled) as again:
            ending = await again.run(within_s=600)
            (left,) = exits(again)
            assert (ending.by, opened(again), left.because) == ("done", FLAT, "TAKE_PROFIT")
            assert 30_000 <= left.decided_ms - START_MS < 31_500
            assert again.totals().adopted == 1
            came_to = cash(await again.account()) - before
            assert abs(came_to - Quote.of(foretold(exit_line(again)))) <= ONE // 100


async def test_an_entry_waits_for_its_hours_without_a_skip(autojump_clock: MockClock, tmp_path: Path) -> None:
    """It is 14:13:20; `max_wait` would have ended it after 10 s of any other wait."""
    settings = Settings(
        target=Quote(1000 * ONE),
        cycles=1,
        hold=Ms(300),
        max_wait=Ms(10_000),
        enter_when=EnterWhen(hours_utc=(DailyWindow(14 * 60 + 15, 15 * 60),)),
    )
    async with bench(tmp_path, settings) as ready:
        ending = await ready.run(within_s=300)
        waits = {said.code for said in ready.said if isinstance(said, Waiting)}
        (entered, _) = [said.plan for said in ready.said if isinstance(said, Sealed)]
        assert (ending.by, opened(ready), ready.totals().skipped) == ("done", FLAT, 0)
        assert waits >= {"ENTER_WHEN_HOURS"}
        assert not [said for said in ready.said if isinstance(said, Skipped)]
        assert 100_000 <= entered.decided_ms - START_MS < 101_000


async def test_a_spread_that_never_comes_ends_the_run_with_its_name(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """SOL's spread of one tick is 0.86 bps."""
    settings = Settings(
        target=Quote(1000 * ONE),
        cycles=1,
        max_wait=Ms(30_000),
        enter_when=EnterWhen(max_spread=Bps.of("0.8")),
    )
    async with bench(tmp_path, settings) as ready:
        ending = await ready.run(within_s=300)
        assert (ending.by, ending.code, ready.totals().skipped) == ("refused", "ENTER_WHEN_SPREAD", 0)
