"""account on a fake venue: every event, in order, and the truth about the stream."""

import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors import account
from messages.execution import Fill, OrderUpdate
from messages.lifecycle import AccountStream
from messages.units import Base, Ns, Price, Quote
from runtime.observe import Notes
from tests.actors.fakes import FakeVenue, seeded, venue_clock


def update(number: int) -> OrderUpdate:
    return OrderUpdate(f"0x{number}", 4, Base(0), "cancelled", Ns(number))


def account_fill(idx: int) -> Fill:
    return Fill(f"0x{idx}", 4, Base(1), Price(1), Quote(0), Base(0), Base(1), True, idx, Ns(idx))


def fills(messages: list[msgspec.Struct]) -> list[int]:
    return [message.submission_idx for message in messages if isinstance(message, Fill)]


async def account_started(
    nursery: trio.Nursery,
) -> tuple[FakeVenue, list[msgspec.Struct], list[msgspec.Struct]]:
    venue = FakeVenue()
    to_ledger: list[msgspec.Struct] = []
    posted: list[msgspec.Struct] = []

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        await account.run(
            venue,
            to_ledger.append,
            posted.append,
            Notes(lambda note: None, venue_clock(), "account"),
            seeded(1),
            task_status=task_status,
        )  # type: ignore[arg-type]

    await nursery.start(run)
    await trio.sleep(0.01)
    return venue, to_ledger, posted


async def test_events_reach_the_ledger_in_order(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    venue, to_ledger, posted = await account_started(nursery)
    for number in range(100):
        venue.send(update(number))
    await trio.sleep(0.01)
    assert to_ledger == [AccountStream(True, ""), *(update(number) for number in range(100))]
    assert posted == [AccountStream(True, "")]


async def test_a_lost_stream_is_said_to_be_stale_and_said_again_when_it_is_back(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    venue, to_ledger, posted = await account_started(nursery)
    venue.cut()
    await trio.sleep(1)
    assert [view.live for view in posted if isinstance(view, AccountStream)] == [True, False, True]
    assert to_ledger == posted


async def test_an_unreachable_venue_is_tried_for_ever_with_growing_pauses(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    venue, _, posted = await account_started(nursery)
    venue.down = True
    venue.cut()
    await trio.sleep(60)
    assert 10 <= venue.connections <= 25
    assert [view.detail for view in posted if isinstance(view, AccountStream)] == ["", "cut", "refused"]
    venue.down = False
    await trio.sleep(6)
    venue.send(update(1))


async def test_a_ledger_that_is_stuck_is_a_crash_and_not_a_wait(autojump_clock: MockClock) -> None:
    """R14: an exception in an actor is a restart, visible and counted."""
    venue = FakeVenue()

    def full(message: msgspec.Struct) -> None:
        raise OverflowError(message)

    with pytest.RaisesGroup(OverflowError):
        note = Notes(lambda note: None, venue_clock(), "account")
        await account.run(venue, full, lambda message: None, note, seeded(1))  # type: ignore[arg-type]


async def test_what_traded_before_the_first_connection_is_history_and_not_handed_on(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    venue, to_ledger, _ = await account_started(nursery)
    venue.traded = [account_fill(10), account_fill(11)]
    await trio.sleep(1)
    assert venue.since == [None]
    assert fills(to_ledger) == []


async def test_what_traded_while_the_stream_was_away_is_asked_for_from_the_last_fill_seen(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """R7: a stream has no replay."""
    venue, to_ledger, _ = await account_started(nursery)
    await trio.sleep(1)
    venue.send(account_fill(12))
    await trio.sleep(0.1)
    venue.cut()
    venue.traded = [account_fill(11), account_fill(12), account_fill(13), account_fill(14)]
    await trio.sleep(2)
    assert venue.since == [None, 12]
    assert fills(to_ledger) == [12, 13, 14]


async def test_a_fill_that_comes_right_after_the_reconnect_does_not_hide_the_one_before_it(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    venue, to_ledger, _ = await account_started(nursery)
    venue.traded = [account_fill(12)]
    await trio.sleep(1)
    venue.cut()
    await trio.sleep(0.15)
    assert venue.connections == 2
    venue.send(account_fill(14))
    venue.traded = [account_fill(12), account_fill(13), account_fill(14)]
    await trio.sleep(2)
    assert venue.since == [None, 12]
    assert fills(to_ledger) == [14, 13, 14]  # the ledger knows the second 14 by its digest


async def test_an_archive_that_does_not_answer_is_asked_again_until_it_does(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """R2: no answer is not "nothing traded"."""
    venue, to_ledger, _ = await account_started(nursery)
    venue.traded = [account_fill(12)]
    await trio.sleep(1)
    venue.cut()
    await trio.sleep(0.15)
    venue.down = True
    venue.traded.append(account_fill(13))
    await trio.sleep(20)
    assert fills(to_ledger) == []
    assert len(venue.since) > 3
    venue.down = False
    await trio.sleep(6)
    assert fills(to_ledger) == [13]
    asked = len(venue.since)
    await trio.sleep(60)
    assert len(venue.since) == asked
