"""The four clocks, and what is told when they do something else than run."""

import pytest
import trio
from trio.testing import MockClock

from messages.units import Ms
from runtime.clock import LOOK_EVERY_S, ClockShift, ClockWatch, VenueClock, WallClock
from tests.clocks import Clocks

SECOND_NS = 1_000_000_000


async def test_before_the_first_measurement_venue_time_is_utc(autojump_clock: MockClock) -> None:
    clocks = Clocks()
    assert VenueClock(clocks.machine).now_ms() == clocks.machine.utc_ns() // 1_000_000


async def test_venue_time_is_the_middle_of_the_round_trip_and_then_runs_by_itself(
    autojump_clock: MockClock,
) -> None:
    clocks = Clocks()
    clock = VenueClock(clocks.machine)
    asked_ns = clock.steady_ns()
    assert clock.measured(asked_ns, 5_000, asked_ns + 40_000_000)
    assert (clock.now_ms(), clock.round_trip_ms) == (4_980, 40)
    await trio.sleep(3)
    assert clock.now_ms() == 7_980
    assert clock.now_ns() // 1_000_000 == clock.now_ms()


@pytest.mark.parametrize("by_s", [3600, -3600, 1])
async def test_a_wall_clock_that_is_set_does_not_move_venue_time(
    autojump_clock: MockClock, by_s: int
) -> None:
    """Had it moved, a pause or a retry that began in the wrong hour would have lasted that hour: a lone
    leg would have waited with it.
    """
    clocks = Clocks()
    clock = VenueClock(clocks.machine)
    clock.measured(clock.steady_ns(), 1_000_000, clock.steady_ns())
    clocks.set(by_s)
    assert clock.now_ms() == 1_000_000


async def test_venue_time_goes_on_while_the_machine_sleeps(autojump_clock: MockClock) -> None:
    clocks = Clocks()
    clock = VenueClock(clocks.machine)
    clock.measured(clock.steady_ns(), 1_000_000, clock.steady_ns())
    clocks.sleep(60)
    assert clock.now_ms() == 1_060_000


async def test_a_measurement_that_froze_half_way_is_not_taken(autojump_clock: MockClock) -> None:
    """Stopped for 3 s with the answer under way, half of that would have been our error for the next 30 s."""
    clocks = Clocks()
    clock = VenueClock(clocks.machine)
    now_ns = clock.steady_ns()
    assert clock.measured(now_ns, 1_000_000, now_ns)
    assert not clock.measured(now_ns, 1_000_000, now_ns + 3 * SECOND_NS)
    assert clock.now_ms() == 1_000_000
    assert clock.measured(now_ns, 1_000_000, now_ns + SECOND_NS), "exactly the limit still passes"


async def told_within(clocks: Clocks, seconds: float) -> list[ClockShift]:
    told: list[ClockShift] = []
    with trio.move_on_after(seconds):
        await ClockWatch(clocks.machine).look_for_ever(told.append)
    return told


async def shifts_of(clocks: Clocks, change: object, by_s: float, nursery: trio.Nursery) -> list[ClockShift]:
    async def later() -> None:
        await trio.sleep(1.1)
        change(by_s)  # type: ignore[operator]

    nursery.start_soon(later)
    return await told_within(clocks, 3)


async def test_clocks_that_run_are_not_worth_a_word(autojump_clock: MockClock) -> None:
    assert await told_within(Clocks(), 60) == []


@pytest.mark.parametrize(
    ("by_s", "jumped"),
    [(0.5, False), (1.0, False), (1.001, True), (3600, True), (-0.5, False), (-3600, True)],
)
async def test_a_clock_that_is_set_is_told_once_and_is_a_jump_beyond_a_second(
    autojump_clock: MockClock, nursery: trio.Nursery, by_s: float, jumped: bool
) -> None:
    clocks = Clocks()
    (shift,) = await shifts_of(clocks, clocks.set, by_s, nursery)
    assert (shift, shift.jumped) == (ClockShift(Ms(0), Ms(round(by_s * 1000))), jumped)
    assert shift.text() == f"the wall clock was set {'forward' if by_s > 0 else 'back'} by {abs(by_s):.1f} s"


@pytest.mark.parametrize(("by_s", "jumped"), [(0.5, False), (1.5, True), (28_800, True)])
async def test_sleep_is_told_once_and_is_a_jump_beyond_a_second(
    autojump_clock: MockClock, nursery: trio.Nursery, by_s: float, jumped: bool
) -> None:
    clocks = Clocks()
    (shift,) = await shifts_of(clocks, clocks.sleep, by_s, nursery)
    assert (shift, shift.jumped) == (ClockShift(Ms(round(by_s * 1000)), Ms(0)), jumped)
    assert shift.text() == f"the machine slept for {by_s:.1f} s"


@pytest.mark.parametrize("by_s", [0.05, -0.1])
async def test_less_than_a_tenth_of_a_second_is_left_to_the_next_measurement(
    autojump_clock: MockClock, nursery: trio.Nursery, by_s: float
) -> None:
    clocks = Clocks()
    assert await shifts_of(clocks, clocks.set, by_s, nursery) == []


def test_the_machines_own_clocks_agree_on_how_long_something_takes() -> None:
    """The real ones, read once: what nobody injects."""
    clock = WallClock()
    before = clock.steady_ns(), clock.utc_ns()
    after = clock.steady_ns(), clock.utc_ns()
    assert 0 <= after[0] - before[0] < SECOND_NS
    assert 0 < LOOK_EVERY_S <= 0.25
