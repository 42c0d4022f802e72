"""A quote that enters is judged as an entry by a leg and at the seal; what hedges it never waits for it."""

import random

import msgspec
import pytest
import trio

from actors.leg import LegState, on_sealed
from actors.risk.aborts import Aborts
from actors.seal_gate import SealGate
from messages.sizing import Abort, Declined, Leg, Sealed, SizingPlan
from messages.units import Rate
from messages.wire import digest
from tests.actors.fakes import ORDER_BUILDER, held
from tests.actors.sizing.quoting_looks import NOW, fresh, one_step, resting


def entering_quote(**changes: object) -> Sealed:
    plan = one_step(held(), resting(), fresh())[1]
    assert isinstance(plan, SizingPlan)
    plan = msgspec.structs.replace(plan, epoch=1, seq=1, recv_time_ms=NOW + 2_000, **changes)
    return Sealed(plan, digest(plan))


@pytest.mark.parametrize("leg", ["eth", "sol"])
def test_a_leg_asks_of_a_quote_what_it_asks_of_an_entry(leg: Leg) -> None:
    other_ratio = entering_quote(hedge_ratio=Rate.of("0.8"))
    vote = on_sealed(LegState(leg, 1), other_ratio, ORDER_BUILDER, resting(), connected=True)[1]
    assert isinstance(vote, Declined)
    assert vote.code == "HEDGE_RATIO"


async def test_the_pause_after_a_quote_that_was_aborted_is_of_entries(autojump_clock: trio.abc.Clock) -> None:
    gate, aborts = SealGate.__new__(SealGate), Aborts(random.Random(1))
    gate._aborts = aborts
    gate.decided(entering_quote())
    gate.decided(Abort(1, 1, "VOTES_LATE", "late"))
    now_s = trio.current_time()
    assert aborts.denial("enter", now_s) is not None
    assert aborts.denial("hedge", now_s) is None
