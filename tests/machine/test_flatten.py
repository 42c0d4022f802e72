"""flatten, halt and clear-halt where nobody else trades, and the control socket's wishes inside a live
machine; on virtual time.
"""

from pathlib import Path

import msgspec
import pytest
import trio

from actors.run_ending import Ending, Leave
from commands.access.venue import Access
from commands.account.closing import FlattenRequest, closed
from commands.account.outcome import CommandOutcome
from commands.account.target_account import TargetAccount
from commands.checks.answered_venue import AnsweredVenue
from commands.open_state.evidence import ledger_evidence
from messages.lifecycle import Halted
from messages.units import Base
from tests.machine.bench import URL, Bench, bench
from tests.machine.test_escape_and_recovery import (
    FLAT,
    HOURS,
    interrupted,
    killed,
    messages_of,
    next_start,
    opened,
)
from tests.venue.test_escape import trade
from venue.nado.signing import Signer
from venue.simulated.faults.order_faults import Faults, Refuse
from venue.throwaway import THROWAWAY_ADDRESS, THROWAWAY_KEY, THROWAWAY_SENDER

ACCESS = Access("test", False, URL, None, None, THROWAWAY_ADDRESS, THROWAWAY_SENDER, Signer(THROWAWAY_KEY))


async def flatten(ready: Bench, folder: Path, order: FlattenRequest) -> CommandOutcome:
    """What `flatten` does once it holds the lock and the venue answers."""
    world = ready.world
    there = AnsweredVenue(
        HOURS, ACCESS, world.venue, world.venue.reads, ready.dialer, world.rules, world.clock
    )  # type: ignore[arg-type]
    who = TargetAccount(HOURS, ACCESS, folder, THROWAWAY_ADDRESS)
    return await closed(who, order, world.state, there, trio.current_time() + order.timeout_s)


async def test_what_a_killed_run_left_is_closed_and_is_no_strangers_at_the_next_start(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, HOURS) as ready:
        await killed(ready)
        async with next_start(tmp_path, ready) as second:
            epoch = second.world.state.epoch
            outcome = await flatten(second, tmp_path, FlattenRequest("flatten", 60))
            assert (outcome.exit_code, outcome.facts["open"], outcome.facts["open_eth"]) == (0, "", "0")
            assert opened(ready) == FLAT
            assert second.world.state.epoch > epoch
            async with next_start(tmp_path, second) as third:
                assert (await third.run(within_s=60)).by == "done"


async def test_what_is_not_ours_is_named_and_stays_unless_everything_is_meant(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, HOURS) as ready:
        await killed(ready)
        async with next_start(tmp_path, ready) as second:
            await trade(second, "0.2", "-3")
            outcome = await flatten(second, tmp_path, FlattenRequest("flatten", 60))
            assert outcome.exit_code == 0
            assert outcome.facts["not_ours"] == "ETH-PERP 0.2 (551 USD), SOL-PERP -3 (348 USD)"
            assert opened(ready) == {4: Base.of("0.2"), 8: Base.of("-3")}
            assert (
                await flatten(second, tmp_path, FlattenRequest("flatten", 60, everything=True))
            ).exit_code == 0
            assert opened(ready) == FLAT


async def test_a_venue_that_refuses_leaves_code_4_and_what_remains(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, HOURS) as ready:
        await killed(ready)
        ready.venue.faults = Faults(
            refuse=tuple(Refuse(nth=number, increasing=False, code=2006) for number in range(1, 300))
        )
        async with next_start(tmp_path, ready) as second:
            outcome = await flatten(second, tmp_path, FlattenRequest("flatten", 20))
            assert outcome.exit_code == 4
            assert outcome.facts["open"] == "ETH-PERP 0.042 (116 USD), SOL-PERP -1 (116 USD)"
            assert outcome.error is not None
            assert outcome.error.sentence.startswith("NOT FLAT: ETH-PERP 0.042")


async def test_halt_latches_with_its_reason_in_the_ledger(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, HOURS) as ready:
        await killed(ready)
        async with next_start(tmp_path, ready) as second:
            second.world.state.halt("HALTED_BY_HAND", "going away")
            outcome = await flatten(second, tmp_path, FlattenRequest("halt", 60, halt="going away"))
            assert outcome.exit_code == 0
            kept = dict(outcome.lines)["halted"]
            assert kept.startswith("going away: nothing is entered until python supervisor.py clear-halt")
            assert (outcome.facts["halted"], outcome.facts["halt_detail"]) == (True, "going away")
            assert opened(ready) == FLAT
            assert [row for row in messages_of(second.world.ledger) if isinstance(row, Halted)] == [
                Halted("HALTED_BY_HAND", "going away")
            ]
            async with next_start(tmp_path, second) as third:
                word = ledger_evidence(third.world.ledger, None, None)
                # as a start does: the halt stands in the ledger, too
                third.world.state.recover(word.epoch, word.halted)
                assert third.world.state.halted == ("HALTED_BY_HAND", "going away")


@pytest.mark.parametrize(("latch", "by"), [(False, "refused"), (True, "halt")])
async def test_a_live_machine_that_is_asked_to_leave_closes_both_legs_and_ends(
    autojump_clock: trio.testing.MockClock,
    tmp_path: Path,
    latch: bool,
    by: str,
) -> None:
    async with bench(tmp_path, msgspec.structs.replace(HOURS, cycles=None)) as ready:

        async def asked(_ready: Bench) -> None:
            ready.machine.channels.inbox.post(Leave("FLATTENED", "asked by flatten", latch))

        ending: Ending = await interrupted(ready, asked)
        assert (ending.by, ending.code, ending.detail) == (by, "FLATTENED", "asked by flatten")
        assert opened(ready) == FLAT
        assert (ready.world.state.halted is not None) == latch
        assert ready.totals().completed == 1
