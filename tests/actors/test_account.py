"""account on a fake venue: every event, in order, and the truth about the stream."""

import msgspec
import trio

from actors import account
from messages.execution import OrderUpdate
from messages.lifecycle import AccountStream
from messages.units import Base, Ns
from tests.actors.fakes import FakeVenue


def update(number: int) -> OrderUpdate:
    return OrderUpdate(f"0x{number}", 4, Base(0), "cancelled", Ns(number))


async def started(nursery: trio.Nursery) -> tuple[FakeVenue, list[msgspec.Struct], list[msgspec.Struct]]:
    venue = FakeVenue()
    to_ledger: list[msgspec.Struct] = []
    posted: list[msgspec.Struct] = []

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        await account.run(venue, to_ledger.append, posted.append, task_status=task_status)  # type: ignore[arg-type]

    await nursery.start(run)
    await trio.sleep(0.01)
    return venue, to_ledger, posted


async def test_events_reach_the_ledger_in_order(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    venue, to_ledger, posted = await started(nursery)
    for number in range(100):
        venue.send(update(number))
    await trio.sleep(0.01)
    assert to_ledger == [AccountStream(True, ""), *(update(number) for number in range(100))]
    assert posted == [AccountStream(True, "")]


async def test_a_lost_stream_is_said_to_be_stale_and_said_again_when_it_is_back(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    venue, to_ledger, posted = await started(nursery)
    venue.cut()
    await trio.sleep(1)
    assert [view.live for view in posted if isinstance(view, AccountStream)] == [True, False, True]
    assert to_ledger == posted


async def test_an_unreachable_venue_is_tried_for_ever_with_growing_pauses(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    venue, _, _ = await started(nursery)
    venue.down = True
    venue.cut()
    await trio.sleep(60)
    assert 10 <= venue.connections <= 25
    venue.down = False
    await trio.sleep(6)
    venue.send(update(1))


async def test_a_ledger_that_is_stuck_is_a_crash_and_not_a_wait(autojump_clock: trio.testing.MockClock) -> None:
    """R14: an exception in an actor is a restart, visible and counted."""
    venue = FakeVenue()

    def full(message: msgspec.Struct) -> None:
        raise OverflowError(message)

    crashed = False
    try:
        await account.run(venue, full, lambda message: None)  # type: ignore[arg-type]
    except OverflowError:
        crashed = True
    assert crashed
