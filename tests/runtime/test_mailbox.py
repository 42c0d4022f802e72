"""One slot, the newest value wins: who waits for one of several is woken by the first, and leaves nothing
behind.
"""

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from runtime.mailbox import Latest, any_newer


async def test_whoever_waits_for_several_slots_is_woken_by_the_first_that_changes(
    autojump_clock: MockClock,
) -> None:
    slots: tuple[Latest[int], ...] = (Latest(), Latest(1), Latest(2))
    for position in range(3):
        woken: list[int] = []

        async def wait(woken: list[int]) -> None:
            await any_newer(slots, [slot.version for slot in slots])
            woken.append(1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, woken)
            await wait_all_tasks_blocked()
            assert woken == []
            slots[position].put(5)


async def test_a_newer_value_is_returned_at_once_and_an_emptied_slot_has_none(
    autojump_clock: MockClock,
) -> None:
    full: Latest[int] = Latest(7)
    await any_newer((full,), (0,))
    full.clear()
    with trio.move_on_after(1) as waited:
        await any_newer((full,), (0,))
    assert waited.cancelled_caught


async def test_a_wait_that_is_over_or_given_up_leaves_nothing_in_a_slot_that_never_changes(
    autojump_clock: MockClock,
) -> None:
    """R16: sizing waits for quotes twenty times a second beside a directive that stays for days."""
    busy: Latest[int] = Latest()
    still: Latest[int] = Latest(1)
    for _ in range(50):
        with trio.move_on_after(0.25):
            await any_newer((busy, still), (busy.version, still.version))
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(any_newer, (busy, still), (busy.version, still.version))
        await wait_all_tasks_blocked()
        busy.put(1)
    assert busy._waiters == still._waiters == []
