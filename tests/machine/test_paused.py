"""A run that a person pauses: what is open is held and exits as planned, nothing is entered until it is
resumed, and waiting for that is neither a fault nor a reason to give up.
"""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.run_ending import Ending, Pause, Stop
from messages.lifecycle import PAUSED, Alarm, Denied, Waiting
from messages.settings import Limits, Settings
from messages.units import Ms
from runtime.retry import until
from tests.machine.bench import Bench, bench

pytestmark = pytest.mark.trio
TWO = Settings(cycles=2, hold=Ms(2_000), max_wait=Ms(10_000), limits=Limits(alarm_after_denying=Ms(5_000)))


async def started_run(ready: Bench, endings: list[Ending]) -> None:
    endings.append(await ready.run(within_s=600))


def phase(ready: Bench) -> str:
    held = ready.machine.channels.held.value
    return held.phase if held is not None else ""


async def test_the_pair_exits_as_planned_and_the_next_waits_for_as_long_as_it_takes(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    endings: list[Ending] = []
    async with bench(tmp_path, TWO) as ready, trio.open_nursery() as nursery:
        nursery.start_soon(started_run, ready, endings)
        await until(lambda: phase(ready) == "open", 0.05)
        ready.machine.channels.inbox.post(Pause(True, "dinner"))
        # longer than `max_wait`, and than an alarm would take
        await trio.sleep(60)
        held = ready.machine.channels.held.value
        assert held is not None
        assert (held.phase, held.totals.completed, held.totals.entered) == ("flat", 1, 1)
        assert endings == []
        assert Waiting("enter", PAUSED, "dinner") in ready.said
        ready.machine.channels.inbox.post(Pause(False, "back"))
        await until(lambda: bool(endings), 0.05)
        assert endings[0].by == "done"
        assert ready.totals().completed == 2
        assert not [each for each in ready.said if isinstance(each, Alarm | Denied)]


async def test_a_run_that_ends_is_not_brought_back_by_a_resume(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A mutant that resumes whatever was asked before enters again after the stop."""
    endings: list[Ending] = []
    async with bench(tmp_path, TWO) as ready, trio.open_nursery() as nursery:
        nursery.start_soon(started_run, ready, endings)
        await until(lambda: phase(ready) == "open", 0.05)
        for message in (Pause(True, "x"), Stop("SIGINT", 2), Pause(False, "y")):
            ready.machine.channels.inbox.post(message)
        await until(lambda: bool(endings), 0.05)
        assert endings[0].by == "signal"
        assert ready.totals().entered == 1
        directive = ready.machine.channels.directive.value
        assert directive is not None
        assert directive.leave_now
