"""Goals of a run, over sockets and on virtual time: what is counted over a restart, and what stands open when
the time comes.
"""

from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock

from commands.output.doing import Seen, doing
from commands.output.run_report import RunReport
from messages.lifecycle import Held
from messages.ranges import MsRange, QuoteRange
from messages.settings import Settings
from messages.sizing import Sealed
from messages.units import ONE, Ms, Quote
from supervisor import Ending
from tests.machine.bench import START_NS, Bench, bench
from tests.machine.test_escape_and_recovery import FLAT, interrupted, killed, next_start, opened

START_MS = START_NS // 1_000_000
QUICK = Settings(target=Quote(1000 * ONE), cycles=None, hold=Ms(300), pause=Ms(100))
HOUR = Ms(3_600_000)


def with_goal(base: Settings = QUICK, **changes: object) -> Settings:
    return msgspec.structs.replace(base, **changes)


def shown(ready: Bench) -> Held:
    held = ready.machine.channels.held.value
    assert held is not None
    return held


def lots(ready: Bench) -> list[tuple[str, int]]:
    """Purpose and ETH of every plan that was sealed."""
    return [(said.plan.purpose, abs(said.plan.eth.amount)) for said in ready.said if isinstance(said, Sealed)]


async def test_a_run_ends_flat_within_one_cycle_of_its_volume(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """10,500 USD are two whole cycles and a part of one."""
    settings = with_goal(until_volume=Quote(10_500 * ONE))
    async with bench(tmp_path, settings) as ready:
        ending = await ready.run(within_s=60)
        traded = ready.totals().traded
        assert (ending.by, ending.code, opened(ready)) == ("done", "UNTIL_VOLUME", FLAT)
        assert ending.detail.endswith(" of 10,500 USD traded (until_volume)")
        assert 10_500 * ONE <= traded < 11_500 * ONE
        entered = [eth for purpose, eth in lots(ready) if purpose == "enter"]
        assert entered[-1] < entered[0]
        seen = Seen(settings, shown(ready), quoted=True)
        assert doing(seen, START_MS).startswith("DONE: until_volume 1")


async def test_a_run_ends_flat_within_one_cycle_of_its_cost(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, with_goal(until_cost=Quote(4 * ONE))) as ready:
        ending = await ready.run(within_s=60)
        net = ready.totals().pnl
        assert (ending.by, ending.code, opened(ready)) == ("done", "UNTIL_COST", FLAT)
        assert net is not None
        assert -Quote.of("5.6") < net <= -4 * ONE


async def test_the_time_closes_the_pair_that_is_open_and_the_cycle_counts(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """It would have been held for an hour."""
    settings = with_goal(hold=HOUR, cycles=1, until_utc=Ms(START_MS + 30_000))
    async with bench(tmp_path, settings) as ready:
        ending = await ready.run(within_s=60)
        assert ending == Ending("done", "UNTIL_UTC", "it is 2026-09-21 14:13:50 UTC (until_utc)")
        assert (opened(ready), ready.totals().completed) == (FLAT, 1)
        assert [purpose for purpose, _ in lots(ready)] == ["enter", "exit"]
        assert 30 <= trio.current_time() < 33


async def test_a_run_that_goes_on_after_a_crash_counts_what_it_has_traded_itself(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """As `cycles` does. The exit of the pair that the first one entered is traded by the second."""
    whole = with_goal(until_volume=Quote(7_000 * ONE))
    async with bench(tmp_path, msgspec.structs.replace(whole, hold=HOUR)) as ready:
        await killed(ready)
        entered = ready.totals().traded
        assert 1_900 * ONE < entered < 2_100 * ONE
        async with next_start(tmp_path, ready, whole) as again:
            ending = await again.run(within_s=60)
            totals = again.totals()
            assert (ending.code, opened(again), totals.adopted) == ("UNTIL_VOLUME", FLAT, 1)
            assert 7_000 * ONE <= totals.traded < 8_000 * ONE
            # two legs out; then a whole cycle, and what was left
            assert totals.completed == 2


async def test_no_pair_is_entered_that_the_time_would_close_before_min_hold(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Pairs of 5 s until 13 s are over: the third would have had 2 s."""
    settings = with_goal(hold=Ms(5_000), pause=Ms(0), min_hold=Ms(4_000), until_utc=Ms(START_MS + 13_000))
    async with bench(tmp_path, settings) as ready:
        ending = await ready.run(within_s=60)
        words = "a pair would be held for less than min_hold until 2026-09-21 14:13:33 UTC (until_utc)"
        assert ending == Ending("done", "UNTIL_UTC", words)
        assert (opened(ready), ready.totals().completed) == (FLAT, 2)
        assert trio.current_time() < 13


RANGES = with_goal(
    cycles=4,
    hold=Ms(MsRange(3_000, 9_000)),
    pause=Ms(MsRange(1_000, 5_000)),
    target=QuoteRange(900 * ONE, 1100 * ONE),
)


async def test_what_is_drawn_is_in_the_plan_and_the_pair_is_held_and_paused_for_that_long(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, RANGES) as ready:
        assert (await ready.run(within_s=120)).by == "done"
        plans = [said.plan for said in ready.said if isinstance(said, Sealed)]
    enters, exits = plans[::2], plans[1::2]
    assert len({plan.hold for plan in enters}) == len({plan.target for plan in enters}) == 4
    for entered, left in zip(enters, exits, strict=True):
        assert (entered.purpose, left.purpose, left.because) == ("enter", "exit", "HOLD")
        assert entered.hold is not None
        assert 0 <= left.decided_ms - entered.decided_ms - entered.hold < 200
    for entered, left, following in zip(enters, exits, enters[1:], strict=False):
        assert entered.pause is not None
        # from the end of the cycle, which the exchange confirms some time after the exit was decided
        assert entered.pause <= following.decided_ms - left.decided_ms < entered.pause + 2_000


async def test_a_pair_that_is_adopted_after_a_crash_keeps_the_hold_that_was_drawn_for_it(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The next run has another range, all of it longer."""
    async with bench(tmp_path, RANGES) as ready:
        await killed(ready)
        longer = with_goal(RANGES, hold=Ms(MsRange(600_000, 700_000)), cycles=1)
        async with next_start(tmp_path, ready, longer) as again, trio.open_nursery() as nursery:
            nursery.start_soon(again.run)
            while not any(isinstance(said, Sealed) for said in again.said):  # noqa: ASYNC110 - said to a list
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        entered = next(said.plan for said in ready.said if isinstance(said, Sealed))
        left = next(said.plan for said in again.said if isinstance(said, Sealed))
        assert (left.purpose, left.because) == ("exit", "HOLD")
        assert entered.hold is not None
        assert 0 <= left.decided_ms - entered.decided_ms - entered.hold < 200


async def test_a_stop_before_the_time_is_a_stop(autojump_clock: MockClock, tmp_path: Path) -> None:
    settings = with_goal(hold=HOUR, until_utc=Ms(START_MS + 30_000))
    async with bench(tmp_path, settings) as ready:

        async def stopped(at: Bench) -> None:
            await trio.sleep_until(29.99)
            at.machine.stop("SIGINT", 2)

        ending = await interrupted(ready, stopped)
        assert (ending.by, ending.code, opened(ready)) == ("signal", "SIGINT", FLAT)
        assert trio.current_time() > 30


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        ({"cycles": 3}, "cycle 1 of 3"),
        ({"cycles": 3, "until_volume": Quote(5_000 * ONE)}, "cycle 1 of 3   until_volume 0 of 5,000 USD"),
        ({"until_cost": Quote(5 * ONE)}, "cycle 1   until_cost 0 of 5 USD"),
        (
            {"until_utc": Ms(START_MS + 3_600_000)},
            "cycle 1   until_utc 2026-09-21 15:13:20 UTC, 1 h 00 m left",
        ),
        ({}, "cycle 1, until stopped"),
    ],
)
async def test_screen_and_status_say_how_far_each_goal_is(
    goal: dict[str, object], words: str, autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, with_goal(**goal)) as ready, trio.open_nursery() as nursery:
        nursery.start_soon(ready.run)
        held = await ready.machine.channels.held.newer_than(0)
        assert RunReport.of(ready.world.settings, held).progress_words(START_MS) == words
        nursery.cancel_scope.cancel()
