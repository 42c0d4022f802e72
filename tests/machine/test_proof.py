"""A pair that was left is flat by the exchange's word within moments, also by a clock that is a little ahead
of the exchange's; and an exchange whose time stays behind is not asked more often for that.
"""

from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors.reconciliation import RECONCILE_S
from messages.execution import PlanClosed
from messages.lifecycle import CycleEnded
from messages.units import Ms
from tests.machine.bench import bench
from tests.machine.test_killed import HUNDRED
from venue.nado.http import HttpReads
from venue.protocol import AccountSnapshot
from venue.simulated.faults.incidents import ClockSkew
from venue.simulated.faults.order_faults import Faults

AHEAD_MS = 60
"""By so much our clock is ahead: half the difference between the ways of a measurement."""
SECONDS = 8.0


async def proofs(folder: Path, behind_ms: int, monkeypatch: pytest.MonkeyPatch) -> tuple[float, list[float]]:
    """Seconds from the exit's last fill to the end of the cycle, at an exchange whose clock falls behind ours
    by `behind_ms` while the pair is held; and when the account was read after that fill.
    """
    settings = msgspec.structs.replace(HUNDRED, cycles=1, hold=Ms(500))
    closed_at: list[float] = []
    ended_at: list[float] = []
    read_at: list[float] = []
    real = HttpReads.account

    async def account(reads: HttpReads) -> AccountSnapshot:
        read_at.append(trio.current_time())
        return await real(reads)

    monkeypatch.setattr(HttpReads, "account", account)
    async with bench(folder, settings) as ready:

        def watch(message: msgspec.Struct) -> None:
            if isinstance(message, PlanClosed):
                closed_at.append(trio.current_time())
                skew = ClockSkew(at_ms=0, for_ms=600_000, skew_ms=-behind_ms)
                ready.venue.faults = Faults(incident=(skew,))
            elif isinstance(message, CycleEnded):
                ended_at.append(trio.current_time())

        ready.watchers.append(watch)
        with trio.move_on_after(SECONDS):
            await ready.run(within_s=60)
    assert len(closed_at) == 2
    after = [each for each in read_at if each >= closed_at[1]]
    return (ended_at[0] if ended_at else float("inf")) - closed_at[1], after


async def test_a_clock_that_is_a_little_ahead_costs_that_and_no_pause(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """235 ms from the last fill to the end of a cycle: the first reading was from before it by our clock."""
    took_s, _ = await proofs(tmp_path, AHEAD_MS, monkeypatch)
    assert AHEAD_MS / 1000 < took_s < RECONCILE_S[0]


async def test_an_exchange_whose_time_stays_behind_is_asked_no_more_often(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reading weighs 17 of 400 in 10 s: a proof that does not come must not eat what closing needs."""
    took_s, read_at = await proofs(tmp_path, 60_000, monkeypatch)
    assert took_s == float("inf")
    assert 3 <= len(read_at) <= 8
