"""When a run may end while an order of ours rests, and which close is overdue. Virtual time."""

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors.run_ending import Leave, RunEnding, open_legs
from actors.tree import Channels
from messages.lifecycle import Held, WorkingOrder
from messages.settings import Settings
from messages.units import ONE, Base, Ms, Quote
from runtime.clock import RunClock, VenueClock
from tests.actors.fakes import RECV_MS, REST_MS, RULES, START_MS, held, resting_bid

PATIENCE_MS = 5_000
SETTINGS = Settings(target=Quote(1_000 * ONE), venue_patience=Ms(PATIENCE_MS))


class EndingDesk:
    """`RunEnding` beside what is held, without a machine."""

    def __init__(self) -> None:
        self.channels = Channels(halted=False, rules=RULES)
        self.clock = VenueClock(RunClock(START_MS * 1_000_000))
        state = SimpleNamespace(halted=None, beaten=False, halt=lambda _code, _detail: None)
        world = SimpleNamespace(
            settings=SETTINGS, rules=RULES, clock=self.clock, observe=lambda _message: None, state=state
        )
        self.endings = RunEnding(cast(Any, world), self.channels)

    def code(self, now: Held, *, idle: bool = True) -> str | None:
        """The code of the ending that is due by `now`; None while there is none."""
        self.channels.held.put(now)
        ending = self.endings.now(settled=True, idle=idle)
        return None if ending is None else ending.code

    async def code_after(self, now: Held, for_s: float) -> str | None:
        """The same, looked at for so long."""
        code, end = self.code(now), trio.current_time() + for_s
        while code is None and trio.current_time() < end:
            await trio.sleep(0.05)
            code = self.code(now)
        return code


def working(*orders: WorkingOrder, **changes: Any) -> Held:
    return held(phase="working", working=orders or (resting_bid(),), **changes)


async def test_a_run_that_is_to_end_does_not_end_while_an_order_rests(autojump_clock: MockClock) -> None:
    desk = EndingDesk()
    desk.endings.leave(Leave("FLATTENED", "asked", latch=False))
    assert desk.code(working()) is None
    # not even where everything else says flat
    assert desk.code(held(phase="flat", working=(resting_bid(),))) is None
    assert desk.code(held()) == "FLATTENED"


async def test_an_entry_that_rests_is_no_close_that_is_overdue(autojump_clock: MockClock) -> None:
    desk = EndingDesk()
    assert await desk.code_after(working(), (RECV_MS + REST_MS) / 1000) is None


async def test_one_order_after_the_other_is_none_either(autojump_clock: MockClock) -> None:
    """What rests may trade until it expires: the patience begins afterwards."""
    desk = EndingDesk()
    for each in range(4):
        order = resting_bid()
        recv = Ms(desk.clock.now_ms() + RECV_MS)
        doubt = msgspec.structs.replace(order.doubt, recv_time_ms=recv, rests_until_ms=Ms(recv + REST_MS))
        now = working(msgspec.structs.replace(order, doubt=doubt), eth=Base.of("0.1"))
        assert await desk.code_after(now, 4) is None, each


async def test_an_order_whose_ending_is_not_told_is_overdue_once_it_cannot_trade_any_more(
    autojump_clock: MockClock,
) -> None:
    desk, began_s = EndingDesk(), trio.current_time()
    assert await desk.code_after(working(), 60) == "CLOSE_OVERDUE"
    waited_ms = 1000 * (trio.current_time() - began_s)
    assert waited_ms == pytest.approx(RECV_MS + REST_MS + PATIENCE_MS, abs=200)


async def test_a_leg_that_is_left_beside_nothing_that_rests_is_overdue_as_ever(
    autojump_clock: MockClock,
) -> None:
    desk, began_s = EndingDesk(), trio.current_time()
    assert await desk.code_after(held(phase="uneven", eth=Base.of("0.1")), 60) == "CLOSE_OVERDUE"
    assert 1000 * (trio.current_time() - began_s) == pytest.approx(PATIENCE_MS, abs=200)


def test_what_rests_is_open() -> None:
    assert open_legs(working()) == "eth order 0xq rests"
    assert open_legs(working(eth=Base.of("0.1"))) == "ETH-PERP 0.1, eth order 0xq rests"
