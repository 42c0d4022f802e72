"""Acts at moments of Trio's clock: by a task that keeps them, and by a clock that does."""

import pytest
import trio

from runtime.timetable import Timetable
from runtime.virtual_clock import VirtualClock


def kept_by_clock() -> tuple[Timetable, VirtualClock]:
    timetable = Timetable()
    return timetable, VirtualClock(timetable)


def test_a_clock_does_each_act_at_its_moment_and_wakes_whoever_it_concerns() -> None:
    timetable, clock = kept_by_clock()
    done = list[tuple[str, float]]()

    async def main() -> None:
        heard = trio.Event()

        def tell() -> None:
            done.append(("told", trio.current_time()))
            heard.set()
            timetable.woken = True

        timetable.at(2.0, tell)
        timetable.at(1.0, lambda: done.append(("first", trio.current_time())))
        timetable.at(2.0, lambda: done.append(("of the same moment", trio.current_time())))
        timetable.at(2.5, lambda: done.append(("later", trio.current_time())))
        await heard.wait()
        done.append(("heard", trio.current_time()))
        await trio.sleep(1)

    trio.run(main, clock=clock)
    names = ["first", "told", "of the same moment", "heard", "later"]
    assert done == list(zip(names, (1.0, 2.0, 2.0, 2.0, 2.5), strict=True))


def test_what_recurs_recurs_between_the_deadlines_of_tasks() -> None:
    timetable, clock = kept_by_clock()

    async def main() -> list[float]:
        at = list[float]()
        timetable.every(0.25, lambda: at.append(trio.current_time()))
        await trio.sleep(1.1)
        return list(at)

    assert trio.run(main, clock=clock) == [0.25, 0.5, 0.75, 1.0]


async def test_a_task_keeps_it_as_well(autojump_clock: object) -> None:
    timetable, at = Timetable(), list[float]()
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(timetable.keep)
        timetable.at(began + 5, lambda: at.append(trio.current_time() - began))
        await trio.sleep(1)
        timetable.at(began + 2, lambda: at.append(trio.current_time() - began))
        await timetable.pause(7)
        nursery.cancel_scope.cancel()
    assert at == [pytest.approx(2), pytest.approx(5)]


def test_a_pause_ends_at_its_moment_and_can_be_cancelled() -> None:
    timetable, clock = kept_by_clock()

    async def main() -> list[float]:
        seen = []
        await timetable.pause(0.5)
        seen.append(trio.current_time())
        with trio.move_on_after(1):
            await timetable.pause(10)
        seen.append(trio.current_time())
        await trio.sleep(20)
        seen.append(trio.current_time())
        return seen

    assert trio.run(main, clock=clock) == [0.5, 1.5, 21.5]


@pytest.mark.parametrize("by_clock", [True, False])
def test_what_an_act_raises_is_raised_by_whoever_keeps_it(by_clock: bool) -> None:
    """Inside Trio's clock it would be an internal error of Trio, and the rest of the run would hang."""
    timetable = Timetable()

    async def main() -> None:
        timetable.at(1.0, [].pop)
        await (timetable.watch() if by_clock else timetable.keep())

    with pytest.raises(IndexError):
        trio.run(main, clock=VirtualClock(timetable if by_clock else None))
