"""What may be sealed while an order of ours rests, and for how many orders the rate limits must have room."""

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
import trio

from actors.run_ending import RunEnding
from actors.seal_gate import HEDGES, SealGate
from actors.tree import Channels
from messages.sizing import SizingPlan
from messages.units import Ms
from runtime.clock import RunClock, VenueClock
from tests.actors.fakes import RULES, SETTINGS, START_MS, fake_plan, held, leg_order, resting_bid


class GateDesk:
    """A `SealGate` at a venue that counts the orders it is asked room for, while an ETH order rests."""

    def __init__(self) -> None:
        self.room_for: list[tuple[int, int]] = []
        channels = Channels(halted=False, rules=msgspec.structs.replace(RULES, read_ms=Ms(START_MS)))
        channels.held.put(held(phase="working", working=(resting_bid(),)))
        venue = SimpleNamespace(rate_obstacle=self._obstacle, unconnected=frozenset)
        world = cast(
            Any,
            SimpleNamespace(
                settings=SETTINGS,
                rules=RULES,
                clock=VenueClock(RunClock(START_MS * 1_000_000)),
                observe=lambda _message: None,
                state=SimpleNamespace(halted=None, beaten=False),
                venue=venue,
                seed=1,
            ),
        )
        tree = cast(Any, SimpleNamespace(legs_up=lambda: True))
        recovery = cast(Any, SimpleNamespace(known_ms=Ms(0)))
        endings = RunEnding(world, channels)
        self.gate = SealGate(world, channels, tree, endings, recovery, lambda: ("", 0.0))

    def _obstacle(self, orders: int, _steps: int, _legs: int = 2, *, rests: int = 0) -> str:
        self.room_for.append((orders, rests))
        return ""


def hedging_plan() -> SizingPlan:
    """Sells what of the ETH order has traded, in SOL."""
    nothing, sol = leg_order(4, "0", "2756.8"), leg_order(8, "-2.4", "115.7")
    sol = msgspec.structs.replace(sol, kind="ioc")
    return fake_plan(purpose="hedge", eth=nothing, sol=sol)


async def test_a_hedge_is_sealed_while_the_other_leg_rests(autojump_clock: trio.testing.MockClock) -> None:
    assert GateDesk().gate.denial(hedging_plan(), "idle") is None


@pytest.mark.parametrize("opens", [True, False], ids=["enters", "exits"])
async def test_room_for_its_hedges_is_asked_for_before_an_order_rests(
    opens: bool, autojump_clock: trio.testing.MockClock
) -> None:
    desk, terms = GateDesk(), msgspec.structs.replace(resting_bid().terms, opens=opens)
    eth = msgspec.structs.replace(leg_order(4, "0.4", "2756.8"), kind="post_only")
    quoting = fake_plan(purpose="quote", quote=terms, eth=eth, sol=leg_order(8, "0", "115.7"))
    desk.gate.denial(quoting, "idle")
    desk.gate.denial(hedging_plan(), "idle")
    assert desk.room_for == [(1 + HEDGES, 1), (2, 0)]
