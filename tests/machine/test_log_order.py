"""The log of a whole run at a venue whose clock is not ours: one clock, and lines in the order in which
things happened.
"""

from pathlib import Path

from trio.testing import MockClock

from commands.run.logfile import line_of
from messages.units import Ns
from runtime.clock import RunClock
from tests.machine.bench import START_NS, bench
from tests.machine.test_whole_machine import HUNDRED

AHEAD_MS = 240
"""The venue's clock before ours; `max_clock_skew` allows 250."""


async def test_lines_are_in_time_order_whatever_the_venues_clock_says(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """ "ledger intent" carried venue time and read 27 ms after the sends that it precedes."""
    clocks = RunClock(Ns(START_NS + AHEAD_MS * 1_000_000)), RunClock(START_NS)
    lines: list[str] = []
    async with bench(tmp_path, HUNDRED, clocks=clocks) as ready:

        def written(message: object) -> None:
            told = line_of(message, ready.world.clock)  # type: ignore[arg-type]
            lines.extend([told[1]] if told else [])

        ready.watchers.append(written)
        await ready.run(within_s=60)
    hops = [
        line for line in lines if "ledger intent" in line or "_leg sends" in line or "fill of product" in line
    ]
    assert len(hops) >= 10
    times = [line.partition(" ")[0] for line in lines]
    assert times == sorted(times)
