"""Time that jumps: whoever waits sees the moment that was waited for, and an hour takes no time."""

import math
import random

import pytest
import trio

from runtime.virtual_clock import VirtualClock, ordered


def test_a_wait_of_hours_ends_at_its_very_moment() -> None:
    async def wait() -> list[float]:
        seen = []
        for seconds in (0.05, 3600.0, 86_400.25):
            await trio.sleep(seconds)
            seen.append(trio.current_time())
        return seen

    assert trio.run(wait, clock=VirtualClock()) == [0.05, 3600.05, 90_000.3]


def test_whoever_is_due_first_runs_first_and_nobody_is_overtaken() -> None:
    order: list[tuple[str, float]] = []

    async def every(name: str, seconds: float, times: int) -> None:
        for _ in range(times):
            await trio.sleep(seconds)
            order.append((name, round(trio.current_time(), 9)))

    async def both() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(every, "slow", 0.3, 2)
            nursery.start_soon(every, "quick", 0.2, 4)

    trio.run(both, clock=VirtualClock())
    assert [name for name, _ in order] == ["quick", "slow", "quick", "slow", "quick", "quick"] or [
        name for name, _ in order
    ] == ["quick", "slow", "quick", "quick", "slow", "quick"]
    assert [at for _, at in order] == sorted(at for _, at in order) == [0.2, 0.3, 0.4, 0.6, 0.6, 0.8]


def test_time_stands_still_while_somebody_can_run() -> None:
    async def work() -> float:
        with trio.move_on_after(1):
            for _ in range(1_000):
                await trio.lowlevel.checkpoint()
        return trio.current_time()

    assert trio.run(work, clock=VirtualClock()) == 0.0


def test_without_any_deadline_it_does_not_jump() -> None:
    assert VirtualClock().deadline_to_sleep_time(math.inf) == math.inf


def scheduled(seed: int) -> list[int]:
    """The order in which Trio ran forty tasks that were runnable together, ten times."""
    order: list[int] = []

    async def note(number: int) -> None:
        for _ in range(10):
            order.append(number)
            await trio.lowlevel.checkpoint()

    async def all_at_once() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(40):
                nursery.start_soon(note, number)

    with ordered(seed):
        trio.run(all_at_once, clock=VirtualClock())
    return order


def test_the_order_of_tasks_is_a_function_of_the_seed() -> None:
    assert scheduled(7) == scheduled(7)
    assert scheduled(7) != scheduled(8)


def test_trio_chooses_by_itself_again_afterwards() -> None:
    core = trio._core._run
    before = core._r, core._ALLOW_DETERMINISTIC_SCHEDULING
    with pytest.raises(ZeroDivisionError), ordered(7):
        1 / 0  # noqa: B018 - any error
    assert (core._r, core._ALLOW_DETERMINISTIC_SCHEDULING) == before
    assert isinstance(core._r, random.Random)
