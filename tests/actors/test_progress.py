"""What each actor owes, and until when: bounded waits are nobody's business, unbounded ones are noticed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio.testing import MockClock

from actors import account, leg
from actors.leg import Tools
from actors.market_data import actor as market_data
from actors.market_data.actor import ROUND_S, Feed, MarketState
from actors.sizing import actor as sizing
from actors.sizing.actor import Slots
from actors.sizing.sizer import Sizer
from messages.settings import Settings
from runtime.mailbox import Latest, Mailbox
from runtime.observe import Notes
from runtime.pulse import STALL_S, Pulse, Watch
from tests.actors.fakes import (
    FREE,
    ORDER_BUILDER,
    RULES,
    SETTINGS,
    FakeVenue,
    FakeWire,
    book_snapshot,
    held,
    sealed,
    seeded,
    venue_clock,
)
from tests.actors.test_leg import place_for
from tests.runtime.kit import noticed


async def a_leg(nursery: trio.Nursery, pulse: Pulse, box: Mailbox[Any], wire: FakeWire) -> None:
    tools = Tools(lambda message: None, ORDER_BUILDER, venue_clock(), SETTINGS, lambda message: None, pulse)

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        await leg.run("eth", 1, box.reader(), wire.opened, tools, task_status=task_status)

    await nursery.start(run)


async def test_a_leg_that_waits_for_its_answer_is_left_alone_until_that_wait_must_be_over(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """The answer may take until recv_time + 500 ms: 2.5 s from here. The abort that comes meanwhile waits
    in the mailbox and is part of that.
    """
    watch, box, wire = Watch(), Mailbox[Any]("eth_leg", 16), FakeWire()
    wire.delay_s = 3600
    await a_leg(nursery, watch.fresh("eth_leg", box), box, wire)
    message = sealed(now_ms=venue_clock().now_ms())
    for each in (message, place_for(message), message):
        box.post(each)
    at_s = await noticed(watch, 60)
    assert len(wire.sent) == 1
    assert at_s is not None
    assert 2.5 + STALL_S - 0.1 <= at_s <= 2.5 + STALL_S + 0.3
    nursery.cancel_scope.cancel()


async def test_a_leg_whose_answer_comes_in_time_owes_nothing(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    watch, box, wire = Watch(), Mailbox[Any]("eth_leg", 16), FakeWire()
    wire.delay_s = 2.4
    await a_leg(nursery, watch.fresh("eth_leg", box), box, wire)
    message = sealed(now_ms=venue_clock().now_ms())
    for each in (message, place_for(message)):
        box.post(each)
    assert await noticed(watch, 60) is None
    nursery.cancel_scope.cancel()


class Unanswering(FakeVenue):
    """Takes every connection and every question and never answers."""

    @asynccontextmanager
    async def market_events(self, product_ids: object) -> AsyncIterator[Any]:
        await trio.sleep_forever()
        yield None

    async def _answer(self) -> None:
        await trio.sleep_forever()


def feeds(nursery: trio.Nursery, venue: FakeVenue) -> Watch:
    watch, clock = Watch(), venue_clock()

    async def books() -> None:
        pulse = watch.fresh("market_data")
        state, note = MarketState.of(RULES), Notes(lambda note: None, clock, "market_data")
        await market_data.run(Feed(venue, state, Latest(), clock, Settings(), note, seeded(1), pulse))  # type: ignore[arg-type]

    async def events() -> None:
        pulse = watch.fresh("account")
        note = Notes(lambda note: None, clock, "account")
        await account.run(venue, lambda m: None, lambda m: None, note, seeded(1), pulse=pulse)  # type: ignore[arg-type]

    nursery.start_soon(books)
    nursery.start_soon(events)
    return watch


async def test_a_venue_that_refuses_every_connection_is_not_the_actors_fault(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    venue = FakeVenue()
    venue.down = True
    assert await noticed(feeds(nursery, venue), 120) is None
    nursery.cancel_scope.cancel()


async def test_feeds_that_wait_longer_than_any_deadline_allows_are_noticed(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """The real client bounds every step. Should one of its bounds fail, the actor that waits for it is the
    one to be ended.
    """
    watch = feeds(nursery, Unanswering())
    first_s = await noticed(watch, 120)
    assert first_s is not None
    assert account.CONNECT_S + STALL_S <= first_s <= account.CONNECT_S + STALL_S + 0.5
    watch.fresh("account")
    then_s = await noticed(watch, 120)
    assert then_s is not None
    assert abs(first_s + then_s - (ROUND_S + STALL_S)) <= 0.5
    nursery.cancel_scope.cancel()


async def test_one_round_of_questions_that_never_ends_is_noticed_though_the_books_go_on(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    class NoRules(FakeVenue):
        async def status(self) -> str:
            await trio.sleep_forever()
            raise AssertionError

    venue = NoRules()
    at_ms = venue_clock().now_ms()
    venue.books = {
        4: book_snapshot(4, at_ms, [("2756.8", "9")], [("2756.9", "9")]),
        8: book_snapshot(8, at_ms, [("115.85", "9")], [("115.86", "9")]),
    }
    at_s = await noticed(feeds(nursery, venue), 120)
    assert at_s is not None
    assert ROUND_S + STALL_S <= at_s <= ROUND_S + STALL_S + 0.5
    nursery.cancel_scope.cancel()


async def test_sizing_looks_ten_times_a_second_though_nothing_changes(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    watch = Watch()
    pulse = watch.fresh("sizing")

    async def run() -> None:
        await sizing.run(
            Slots(Latest(), Latest(held()), Latest(FREE)),
            lambda m: None,
            Sizer(SETTINGS, RULES),
            venue_clock(),
            lambda m: None,
            pulse=pulse,
        )

    nursery.start_soon(run)
    assert await noticed(watch, 30) is None
    nursery.cancel_scope.cancel()
