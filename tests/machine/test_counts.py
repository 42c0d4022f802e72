"""What is counted and said after real sequences: the machine on virtual time, its ledger read again, and
one report of it.
"""

from pathlib import Path

import msgspec
import trio
from trio.testing import MockClock

from commands.output.ending import Report
from commands.output.run_json import run_json
from commands.output.run_report import RunReport
from commands.output.summary import text
from messages.lifecycle import Hop
from messages.units import Base
from supervisor import Ending
from tests.machine.bench import Bench, bench
from tests.machine.test_escape_and_recovery import (
    FLAT,
    HOURS,
    SHORT,
    interrupted,
    killed,
    next_start,
    opened,
    until_open,
)
from tests.machine.test_third_party import ETH, SOL, by_hand, reported
from venue.simulated.faults.incidents import LiquidateNow
from venue.simulated.faults.order_faults import Faults, Refuse


def said_alike(ready: Bench, report: Report) -> None:
    """Screen, summary and object speak of the same rows: what the run showed last is what its file says."""
    shown = ready.machine.channels.held.value
    assert shown is not None
    assert report.totals is not None
    live, read = (msgspec.structs.replace(each, rows=0) for each in (shown.totals, report.totals))
    assert live.money is not None
    assert read.money is not None
    # Shares of single cycles are for reports alone; what is held goes without them.
    assert live == msgspec.structs.replace(read, money=msgspec.structs.replace(read.money, cycles=()))
    assert live.money.cycles == ()
    assert RunReport.of(report.settings, shown).cycle_words == report.run.cycle_words
    told = run_json(report)
    assert (told["orders_sent"], told["entered"], told["together"]) == (
        read.orders_sent,
        read.entered,
        read.together,
    )


def headline(report: Report) -> str:
    return text(report)[0].replace(" in 0.0 s", "").replace(" (simulated, seed 7)", "")


async def test_a_staged_refusal_that_was_repaired_was_not_entered_together(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    once = Faults(refuse=(Refuse(product="SOL-PERP", nth=1, code=2031),))
    async with bench(tmp_path, SHORT, faults=once) as ready:
        report = await reported(ready, await ready.run(within_s=60))
        assert headline(report) == "FLAT. 1 of 1 pairs entered and exited, 0 together."
        said_alike(ready, report)


async def test_a_run_that_is_not_waited_for_says_what_it_traded(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A second Ctrl-C while both legs are being closed: once "Nothing was traded", beside its orders and
    fees.
    """
    async with bench(tmp_path, HOURS) as ready:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ready.run)
            await until_open(ready)
            ready.watchers.append(
                lambda said: (
                    nursery.cancel_scope.cancel()
                    if isinstance(said, Hop) and said.hop == "ledger fill"
                    else None
                )
            )
            ready.machine.stop("SIGINT", 2)
        assert opened(ready) == FLAT
        report = await reported(ready, Ending("signal", "SIGINT", "", signal=2))
        assert headline(report).startswith("FLAT. 0 of 1 pairs entered and exited together.")
        assert report.totals is not None
        assert (report.totals.entered, report.totals.unfinished) == (1, 1)
        assert any(
            line.startswith(" cycles    0 completed") and line.endswith("1 without an end")
            for line in text(report)
        )


async def test_a_pair_that_was_closed_by_hand_was_traded(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with bench(tmp_path, HOURS) as ready:

        async def hand(ready: Bench) -> None:
            held = ready.machine.channels.held.value
            assert held is not None
            for product, amount, (buys_at, sells_at) in (
                (ETH, held.eth.amount, ("2900", "2700")),
                (SOL, held.sol.amount, ("120", "110")),
            ):
                by_hand(ready, Base(-amount).text(), buys_at if amount < 0 else sells_at, product)

        report = await reported(ready, await interrupted(ready, hand))
        assert "1 pairs entered and exited" in headline(report)
        assert "Nothing was traded" not in headline(report)
        assert report.totals is not None
        assert report.totals.entered == 1


async def test_a_pair_of_which_the_exchange_took_a_leg_over_was_traded(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    taken = Faults(incident=(LiquidateNow(at_ms=3_000, product="SOL-PERP"),))
    async with bench(tmp_path, HOURS, faults=taken) as ready:
        report = await reported(ready, await ready.run(within_s=600))
        assert "Nothing was traded" not in text(report)[0]
        assert report.totals is not None
        assert report.totals.entered == 1


async def test_after_kill_9_the_next_start_closes_the_pair_counts_its_own_cycle_from_one_and_says_so(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """It was once "cycle 2 of 1"."""
    async with bench(tmp_path, HOURS) as ready:
        await killed(ready)
        async with next_start(tmp_path, ready) as again:
            shown: set[str] = set()
            again.watchers.append(
                lambda _said: shown.add(RunReport.of(SHORT, again.machine.channels.held.value).cycle_words)
            )
            report = await reported(again, await again.run(within_s=600))
            assert shown == {"an earlier run's pair", "cycle 1 of 1"}
            assert (
                headline(report)
                == "FLAT. 1 of 1 pairs entered and exited together. A pair of an earlier run was closed."
            )
            said_alike(again, report)
