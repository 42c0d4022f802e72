"""RESOLVE on a fake venue: presence is believed at once, absence only when the order can no longer arrive."""

from collections.abc import Sequence

import msgspec
import pytest
import trio

from messages.execution import AccountSnapshot, Doubt, Position, Resolved
from messages.units import Base, Ms, Price, Quote
from tests.actors.fakes import START_MS, FakeVenue
from venue.protocol import ArchivedOrder, Unreachable
from venue.resolve import ARCHIVE_PATIENCE_MS, WINDOW_MARGIN_MS, judge, resolve

DIGEST = "0xabc"
RECV = START_MS + 2000
DOUBT = Doubt("sol", 1, 1, DIGEST, 8, Base.of("-8.5"), Price.of("115.75"), Ms(RECV), Base.of("0"))


def snapshot(at_ms: int, sol: str) -> AccountSnapshot:
    position = Position(8, Base.of(sol), Base(0), Quote(0))
    return AccountSnapshot(Ms(at_ms), True, Quote(0), Quote(0), Quote(0), Quote(0), (position,), ())


def archived(filled: str) -> ArchivedOrder:
    return ArchivedOrder(DIGEST, 8, Base.of(filled), Quote.of("984.81"), Quote.of("0.34"), 7)


def test_absence_is_not_believed_while_the_order_may_still_arrive() -> None:
    """O2: an order the API could not find was once taken as filled; nor may it be taken as dead."""
    assert judge(DOUBT, snapshot(RECV + WINDOW_MARGIN_MS, "0"), None) is None


def test_absence_is_believed_when_the_engine_has_passed_the_receive_window() -> None:
    answer = judge(DOUBT, snapshot(RECV + WINDOW_MARGIN_MS + 1, "0"), None)
    assert answer is not None
    assert (answer.filled, answer.provisional) == (0, False)


def test_presence_is_believed_at_once_and_its_price_is_provisional_while_the_archive_is_late() -> None:
    answer = judge(DOUBT, snapshot(START_MS, "-8.5"), None)
    assert answer is not None
    assert (answer.filled, answer.provisional) == (Base.of("-8.5"), True)


def test_a_partial_position_is_the_part_that_traded() -> None:
    answer = judge(DOUBT, snapshot(START_MS, "-3"), None)
    assert answer is not None
    assert answer.filled == Base.of("-3")


@pytest.mark.parametrize("sol", ["-8.6", "0.1", "85"])
def test_a_position_that_this_order_cannot_explain_is_not_booked_as_its_fill(sol: str) -> None:
    """R3: nobody sets a position to make numbers agree."""
    assert judge(DOUBT, snapshot(START_MS, sol), None) is None
    late = judge(DOUBT, snapshot(RECV + 501, sol), None)
    assert late is not None
    assert late.filled == 0


def test_the_archive_decides_when_the_position_is_not_this_orders_alone() -> None:
    answer = judge(DOUBT, snapshot(RECV + 501, "-9.5"), archived("-8.5"))
    assert answer is not None
    assert (answer.filled, answer.quote, answer.source) == (Base.of("-8.5"), Quote.of("984.81"), "archive")


class TimedVenue(FakeVenue):
    """A venue whose engine clock follows virtual time."""

    def __init__(self) -> None:
        super().__init__()
        self.sol = "0"

    async def account(self) -> AccountSnapshot:
        await self._answer()
        return snapshot(START_MS + round(trio.current_time() * 1000), self.sol)


async def resolved(venue: TimedVenue, *, within_s: float) -> list[Resolved]:
    told: list[Resolved] = []
    with trio.move_on_after(within_s):
        await resolve(DOUBT, venue, told.append)
    return told


async def test_a_lost_order_is_waited_for_and_then_declared_absent(
    autojump_clock: trio.testing.MockClock,
) -> None:
    began = trio.current_time()
    told = await resolved(TimedVenue(), within_s=60)
    assert [answer.filled for answer in told] == [0]
    # the window, a margin, and a second reading 2 s after the first
    assert 4.5 < trio.current_time() - began < 4.8


async def test_a_filled_order_is_reported_provisionally_and_then_exactly(
    autojump_clock: trio.testing.MockClock,
) -> None:
    venue = TimedVenue()
    venue.sol = "-8.5"
    told: list[Resolved] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(resolve, DOUBT, venue, told.append)
        await trio.sleep(0.35)
        venue.archive[DIGEST] = archived("-8.5")
    assert [(answer.filled, answer.provisional) for answer in told] == [
        (Base.of("-8.5"), True),
        (Base.of("-8.5"), False),
    ]


async def test_a_provisional_answer_stands_when_the_archive_never_comes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """O15: every wait has an ending."""
    venue = TimedVenue()
    venue.sol = "-8.5"
    told = await resolved(venue, within_s=60)
    assert [answer.provisional for answer in told] == [True]
    assert trio.current_time() < (2000 + ARCHIVE_PATIENCE_MS) / 1000 + 0.5


async def test_a_venue_that_does_not_answer_proves_nothing(autojump_clock: trio.testing.MockClock) -> None:
    """R2: a 503 on the position query was once read as flat."""
    venue = TimedVenue()
    venue.down = True
    assert await resolved(venue, within_s=60) == []


async def test_the_engine_is_asked_although_the_archive_does_not_answer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """O15: the archive is another host; while it was down nothing was ever resolved."""

    class NoArchive(TimedVenue):
        async def archived(self, digests: Sequence[str]) -> tuple[ArchivedOrder, ...]:
            await trio.sleep(2)
            raise Unreachable("HTTP 504")

    there, absent = NoArchive(), NoArchive()
    there.sol = "-8.5"
    assert [(answer.filled, answer.provisional) for answer in await resolved(there, within_s=60)] == [
        (Base.of("-8.5"), True)
    ]
    assert [(answer.filled, answer.provisional) for answer in await resolved(absent, within_s=60)] == [
        (Base(0), False)
    ]


async def test_an_order_that_may_arrive_for_long_is_asked_about_seldom_and_is_absent_as_soon_as_any_other(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Seen: four exits signed in advance, in doubt after a takeover, used up the venue's rate limit for a
    minute.
    """

    class Counting(TimedVenue):
        """Counts what it is asked."""

        archive_asked = engine_asked = 0

        async def archived(self, digests: Sequence[str]) -> tuple[ArchivedOrder, ...]:
            self.archive_asked += 1
            return await super().archived(digests)

        async def account(self) -> AccountSnapshot:
            self.engine_asked += 1
            return await super().account()

    venue, told = Counting(), list[Resolved]()
    long = msgspec.structs.replace(DOUBT, recv_time_ms=Ms(START_MS + 90_000))
    began = trio.current_time()
    await resolve(long, venue, told.append)
    assert [answer.filled for answer in told] == [0]
    assert 92.5 < trio.current_time() - began < 92.9
    assert venue.archive_asked < 300
    assert venue.engine_asked < 30


async def test_a_fill_that_comes_late_in_a_long_window_is_found_within_half_a_second(
    autojump_clock: trio.testing.MockClock,
) -> None:
    venue, told = TimedVenue(), list[Resolved]()
    long = msgspec.structs.replace(DOUBT, recv_time_ms=Ms(START_MS + 90_000))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(resolve, long, venue, told.append)
        await trio.sleep(40.1)
        venue.sol, venue.archive[DIGEST] = "-8.5", archived("-8.5")
        await trio.sleep(0.6)
        assert [(answer.filled, answer.provisional) for answer in told] == [(Base.of("-8.5"), False)]
