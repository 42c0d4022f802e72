"""Funding in the whole machine, with staged rates: which side is taken, what a pair is kept for, and what is
said of it. The exchange's clock stands a minute before a full hour, at which it charges what it says.
"""

from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock

from commands.output.doing import Seen, doing
from messages.lifecycle import Hop, Note, Waiting
from messages.settings import EnterWhen, Settings
from messages.sizing import Sealed, SizingPlan, Skipped
from messages.units import ONE, Bps, Ms, Ns, Quote, Rate
from runtime.clock import RunClock
from tests.machine.bench import START_NS, Bench, bench
from tests.machine.test_escape_and_recovery import FLAT, next_start, opened
from venue.simulated.faults.incidents import QuotedFunding
from venue.simulated.faults.order_faults import Faults

HOUR_NS = 3_600 * 10**9
MINUTE_BEFORE = Ns((START_NS // HOUR_NS + 1) * HOUR_NS - 60 * 10**9)
FULL_HOUR_MS = MINUTE_BEFORE // 1_000_000 + 60_000
CAP = "0.02"
PAIR = Settings(
    target=Quote(1000 * ONE),
    cycles=1,
    hold=Ms(15_000),
    direction="funding",
    hold_for_funding=Ms(8 * 3_600_000),
)


def staged(
    eth: str | None, sol: str | None, *, at_ms: int = 0, for_ms: int = 600_000
) -> tuple[QuotedFunding, ...]:
    """Both rates per 24 hours; None: nobody says that one."""
    rates = (("ETH-PERP", eth), ("SOL-PERP", sol))
    return tuple(
        QuotedFunding(at_ms=at_ms, for_ms=for_ms, product=name, rate=rate or "") for name, rate in rates
    )


def near_the_hour() -> tuple[RunClock, RunClock]:
    return RunClock(MINUTE_BEFORE), RunClock(MINUTE_BEFORE)


def funded_plans(ready: Bench) -> list[SizingPlan]:
    return [said.plan for said in ready.said if isinstance(said, Sealed)]


def proposals(ready: Bench) -> list[str]:
    """What sizing says of each plan that it proposes."""
    return [said.note for said in ready.said if isinstance(said, Hop) and said.hop == "sizing proposes"]


def waits_heard(ready: Bench) -> list[str]:
    return [
        said.text for said in ready.said if isinstance(said, Note) and said.text.startswith("FUNDING_WAIT")
    ]


async def test_at_the_cap_a_pair_takes_the_side_that_receives_and_is_kept_over_the_hour_for_it(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Its hold is over 45 s before the hour: a payment earns 16.7 bps of a leg, waiting risks 9."""
    faults = Faults(incident=staged(CAP, f"-{CAP}"))
    async with bench(tmp_path, PAIR, faults=faults, clocks=near_the_hour()) as ready:
        ending = await ready.run(within_s=120)
        entered, left = funded_plans(ready)
        assert (ending.by, opened(ready)) == ("done", FLAT)
        assert (entered.because, entered.eth.amount < 0) == ("FUNDING_MORE", True)
        assert (entered.eth_funding, entered.sol_funding) == (Rate.of(CAP), Rate.of(f"-{CAP}"))
        assert (left.because, left.decided_ms >= FULL_HOUR_MS + 10_000) == ("FUNDING_HELD", True)
        assert left.decided_ms < FULL_HOUR_MS + 11_500
        assert proposals(ready)[0] == (
            "enter, FUNDING_MORE: long SOL receives 80.00 USD a day more than long ETH"
        )
        assert proposals(ready)[1].startswith(
            "exit, FUNDING_HELD: kept over 1 funding time after its hold; held"
        )
        assert waits_heard(ready) == [
            "FUNDING_WAIT: 1 payment until 2026-09-21 15:00:10 UTC earns 1.64 USD, waiting for it risks"
            " 0.89 USD"
        ]
        funding = ready.totals().funding
        assert funding is not None
        assert Quote.of("1.63") < funding < Quote.of("1.65")


async def test_what_a_pair_is_kept_for_is_what_it_says_that_it_does(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    faults = Faults(incident=staged(CAP, f"-{CAP}"))
    async with (
        bench(tmp_path, PAIR, faults=faults, clocks=near_the_hour()) as ready,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(ready.run)
        await trio.sleep(30)
        waiting, held = ready.machine.channels.waiting.value, ready.machine.channels.held.value
        assert isinstance(waiting, Waiting)
        assert held is not None
        line = doing(Seen(PAIR, held, quoted=True, waiting=waiting), FULL_HOUR_MS - 30_000)
        assert line == (
            "HOLDING: FUNDING_WAIT, exits in 40 s at the earliest, 1 payment until 2026-09-21 15:00:10 UTC"
            " earns 1.64 USD, waiting for it risks 0.89 USD"
        )
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("eth", "sol", "side", "why"),
    [
        ("0.01", "-0.01", "FUNDING_MORE", "earns 0.82 USD, waiting for it risks 0.89 USD"),
        (None, f"-{CAP}", "FUNDING_UNKNOWN", "the exchange has not said ETH's funding rate"),
        ("0", "0", "FUNDING_EVEN", "earns 0.00 USD, waiting for it risks"),
    ],
)
async def test_a_pair_that_earns_less_than_waiting_risks_leaves_when_its_hold_is_over(
    eth: str | None, sol: str, side: str, why: str, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """So does one of which nobody says what it earns: an absent rate is no 0, and is said to be absent."""
    faults = Faults(incident=staged(eth, sol))
    async with bench(tmp_path, PAIR, faults=faults, clocks=near_the_hour()) as ready:
        await ready.run(within_s=120)
        entered, left = funded_plans(ready)
        assert (entered.because, left.because) == (side, "HOLD")
        assert left.decided_ms < FULL_HOUR_MS - 40_000
        assert why in proposals(ready)[1]
        assert waits_heard(ready) == []
        if eth is None:
            assert (entered.eth_funding, entered.eth.amount > 0) == (None, True)


async def test_a_pair_that_is_adopted_while_it_is_kept_stays_kept(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    faults = Faults(incident=staged(CAP, f"-{CAP}"))
    async with bench(tmp_path, PAIR, faults=faults, clocks=near_the_hour()) as ready:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ready.run)
            await trio.sleep(35)
            nursery.cancel_scope.cancel()
        assert len(waits_heard(ready)) == 1
        once = msgspec.structs.replace(PAIR, until_utc=Ms(FULL_HOUR_MS + 60_000), pause=Ms(3_600_000))
        async with next_start(tmp_path, ready, once) as again:
            await again.run(within_s=240)
            (left,) = funded_plans(again)
            assert (left.because, opened(again)) == ("FUNDING_HELD", FLAT)
            assert len(waits_heard(again)) == 1
            assert again.totals().adopted == 1


async def test_the_side_changes_for_more_than_a_round_trip_alone(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A round trip costs 1.52 USD: 7 bps a day on one leg are 1.40 USD between the sides, 9 bps 1.80."""
    faults = Faults(
        incident=(
            *staged("-0.0001", "0", for_ms=60_000),
            *staged("0.0007", "0", at_ms=60_001, for_ms=120_000),
            *staged("0.0009", "0", at_ms=180_002, for_ms=600_000),
        )
    )
    settings = msgspec.structs.replace(PAIR, cycles=3, pause=Ms(110_000), max_wait=Ms(3_600_000))
    async with bench(tmp_path, settings, faults=faults) as ready:
        await ready.run(within_s=600)
        entered = [plan for plan in funded_plans(ready) if plan.purpose == "enter"]
        assert [(plan.because, plan.eth.amount > 0) for plan in entered] == [
            ("FUNDING_MORE", True),
            ("FUNDING_KEPT", True),
            ("FUNDING_MORE", False),
        ]
        assert "not more than a round trip costs, 1.5" in proposals(ready)[2]


async def test_an_entry_waits_for_its_funding_without_a_skip(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    faults = Faults(incident=staged("0", "0.0003", at_ms=70_000))
    settings = msgspec.structs.replace(
        PAIR, direction="long-eth", hold_for_funding=Ms(0), enter_when=EnterWhen(funding_over=Bps(2 * ONE))
    )
    async with bench(tmp_path, settings, faults=faults) as ready:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ready.run)
            await trio.sleep(30)
            waiting, held = ready.machine.channels.waiting.value, ready.machine.channels.held.value
            assert isinstance(waiting, Waiting)
            line = doing(Seen(settings, held, quoted=True, waiting=waiting), START_NS // 1_000_000)
            assert line == "WAITING: ENTER_WHEN_FUNDING long ETH 0.00 <= 2.00 bps/day"
            await trio.sleep(150)
            nursery.cancel_scope.cancel()
        assert [plan.purpose for plan in funded_plans(ready)] == ["enter", "exit"]
        assert not [said for said in ready.said if isinstance(said, Skipped)]
