"""The venue's clock jumps and stays there: an order refused for its time is the proof, and the time is
measured at once, not half a minute later.
"""

from pathlib import Path

import msgspec
import pytest
import trio

from messages.execution import PlanClosed
from messages.units import Ms
from tests.machine.audit import faults
from tests.machine.bench import bench
from tests.machine.test_killed import HUNDRED, PAIR
from venue.simulated.faults.incidents import ClockSkew
from venue.simulated.faults.order_faults import Faults

SKEW_MS = 3_000
WITHIN_S = 5.0
"""The venue is asked for its time every 30 s anyway: nobody may have to wait for that."""


@pytest.mark.parametrize("hold_ms", [100, 2_000])
async def test_a_pair_is_left_although_the_venues_clock_is_suddenly_ahead(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, hold_ms: int
) -> None:
    """Found by the drill clock-skew: every order out of the pair was refused with 2011 until the next
    measurement.
    """
    settings = msgspec.structs.replace(HUNDRED, cycles=1, hold=Ms(hold_ms))
    held_at: list[float] = []
    async with bench(tmp_path, settings) as ready:

        def jump(message: msgspec.Struct) -> None:
            if isinstance(message, PlanClosed) and not held_at:
                held_at.append(trio.current_time())
                ready.venue.faults = Faults(incident=(ClockSkew(at_ms=0, for_ms=600_000, skew_ms=SKEW_MS),))

        ready.watchers.append(jump)
        ending = await ready.run(within_s=120)
        assert ending.by == "done", ending
        log = ready.venue.exchange.order_log
        assert faults(log, largest=PAIR) == []
        assert [position.total for position in (await ready.account()).positions if position.total] == []
        refused = [order for order in log if order.code == 2011]
        assert refused, "the clock never jumped"
        assert len(refused) == 2, "each leg learns of it once"
        assert trio.current_time() - held_at[0] < hold_ms / 1000 + WITHIN_S
