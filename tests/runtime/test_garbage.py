"""Reference cycles are looked for between plans, and in a run that never comes to rest as well."""

import gc
import weakref

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from runtime import garbage
from runtime.mailbox import Latest


class Knot:
    """An object that only the collector frees."""

    def __init__(self) -> None:
        self.itself = self


def knot() -> "weakref.ref[Knot]":
    return weakref.ref(Knot())


def test_what_is_there_at_the_start_is_set_aside_and_given_back_at_the_end() -> None:
    before = gc.get_threshold()
    with garbage.set_aside():
        assert gc.get_freeze_count() > 1_000
        assert gc.isenabled()
    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, before)


def test_memory_is_bounded_in_a_run_in_which_nothing_ever_ends() -> None:
    """R16: nobody asks the collector to look, and it does."""
    with garbage.set_aside():
        left = [knot() for _ in range(garbage.THRESHOLDS[0] * 3)]
        assert sum(each() is not None for each in left) <= 2 * garbage.THRESHOLDS[0]


async def test_it_looks_after_a_change_when_nothing_is_under_way(autojump_clock: MockClock) -> None:
    changes: Latest[int] = Latest()
    quiet = [True]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(garbage.collect_between, changes, lambda: quiet[0])
        await wait_all_tasks_blocked()
        for quiet[0], stays in ((True, False), (False, True), (True, False)):
            gc.disable()
            try:
                left = knot()
                changes.put(1)
                await trio.sleep(2 * garbage.QUIET_S)
                assert (left() is not None) == stays
            finally:
                gc.enable()
        nursery.cancel_scope.cancel()
