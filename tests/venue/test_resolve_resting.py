"""RESOLVE of an order that rests (decision 046): it trades until its last possible moment, so nothing but the
archive's record of all of it, or a reading after that moment that does not list it, says what it did.
"""

from collections.abc import Sequence

import msgspec
import pytest
import trio

from messages.execution import AccountSnapshot, Doubt, Position, Resolved
from messages.units import Base, Ms, Price, Quote
from tests.actors.fakes import START_MS, FakeVenue
from venue.protocol import ArchivedOrder
from venue.resolve import ARCHIVE_PATIENCE_MS, WINDOW_MARGIN_MS, judge, resolve

DIGEST = "0xabc"
LAST = START_MS + 17_000
DOUBT = Doubt(
    "sol",
    1,
    1,
    DIGEST,
    8,
    Base.of("-8.5"),
    Price.of("115.75"),
    Ms(START_MS + 2000),
    Base.of("0"),
    rests_until_ms=Ms(LAST),
)
LATE = LAST + WINDOW_MARGIN_MS + 1


def read_at(at_ms: int, sol: str, *resting: str, unread: Sequence[str] = ()) -> AccountSnapshot:
    position = Position(8, Base.of(sol), Base(0), Quote(0))
    return AccountSnapshot(
        Ms(at_ms), True, Quote(0), Quote(0), Quote(0), Quote(0), (position,), resting, tuple(unread)
    )


def recorded(filled: str) -> ArchivedOrder:
    quote = Quote(abs(Base.of(filled)) * Price.of("115.75") // 10**18)
    return ArchivedOrder(DIGEST, 8, Base.of(filled), quote, Quote.of("0.1"), 7)


@pytest.mark.parametrize("sol", ["0", "-3", "-8.5"])
@pytest.mark.parametrize("resting", [(), (DIGEST,)])
@pytest.mark.parametrize("at_ms", [START_MS + 2600, LATE - 1])
def test_no_reading_ends_it_while_it_may_trade(at_ms: int, resting: tuple[str, ...], sol: str) -> None:
    assert judge(DOUBT, read_at(at_ms, sol, *resting), None) is None


@pytest.mark.parametrize("filled", ["-3", "-8.4"])
def test_what_the_archive_knows_of_a_part_is_no_ending_while_it_may_trade(filled: str) -> None:
    assert judge(DOUBT, read_at(LATE - 1, filled), recorded(filled)) is None


def test_the_archives_record_of_all_of_it_ends_it_at_any_time_and_ahead_of_the_stream() -> None:
    answer = judge(DOUBT, read_at(START_MS + 100, "0", DIGEST), recorded("-8.5"))
    assert answer is not None
    assert (answer.filled, answer.provisional, answer.source) == (Base.of("-8.5"), False, "archive")


@pytest.mark.parametrize("sol", ["0", "-3"])
def test_a_reading_that_lists_it_or_cannot_list_all_says_nothing_however_late(sol: str) -> None:
    """Filled between the two questions: its orders were read first, and still had it."""
    assert judge(DOUBT, read_at(LATE + 60_000, sol, DIGEST), None) is None
    assert judge(DOUBT, read_at(LATE + 60_000, sol, unread=("orders of product 8",)), None) is None
    assert judge(DOUBT, read_at(LATE + 60_000, sol, "0xother"), None) is not None


def test_after_it_has_expired_with_the_archive_silent_the_position_says_what_it_traded() -> None:
    answer = judge(DOUBT, read_at(LATE, "-3"), None)
    assert answer is not None
    assert (answer.filled, answer.provisional, answer.by_absence) == (Base.of("-3"), True, False)
    assert answer.quote == Quote.of("347.25"), "at its limit: it rested"
    nothing = judge(DOUBT, read_at(LATE, "0"), None)
    assert nothing is not None
    assert (nothing.filled, nothing.by_absence) == (0, True)


def test_a_lagging_archive_is_waited_for_where_the_position_is_not_its_own() -> None:
    assert judge(DOUBT, read_at(LATE, "5"), recorded("-3")) is None, "it may know of one piece of two"
    answer = judge(DOUBT, read_at(LAST + ARCHIVE_PATIENCE_MS + 1, "5"), recorded("-3"))
    assert answer is not None
    assert (answer.filled, answer.provisional) == (Base.of("-3"), False)
    agreed = judge(DOUBT, read_at(LATE, "-3"), recorded("-3"))
    assert agreed is not None
    assert not agreed.provisional


def test_an_order_that_trades_at_its_arrival_is_judged_as_ever() -> None:
    ioc = msgspec.structs.replace(DOUBT, rests_until_ms=Ms(0))
    assert judge(ioc, read_at(START_MS, "-3", DIGEST), None) is not None
    assert judge(ioc, read_at(int(ioc.recv_time_ms) + WINDOW_MARGIN_MS + 1, "0"), None) is not None


class RestingVenue(FakeVenue):
    """An engine whose clock is virtual time; its order trades or ends at moments that a test names."""

    def __init__(self, *, trades: Sequence[tuple[float, str]] = (), gone_s: float = 17.0) -> None:
        super().__init__()
        self.trades = trades
        self.gone_s = gone_s
        self.readings = 0

    async def account(self) -> AccountSnapshot:
        await self._answer()
        self.readings += 1
        now_s = trio.current_time()
        sol = sum(Base.of(amount) for at_s, amount in self.trades if at_s <= now_s)
        resting = (DIGEST,) if now_s < self.gone_s else ()
        return read_at(START_MS + round(now_s * 1000), Base(sol).text(), *resting)


async def told_by(venue: RestingVenue, doubt: Doubt = DOUBT) -> list[tuple[float, Resolved]]:
    told: list[tuple[float, Resolved]] = []
    with trio.move_on_after(120):
        await resolve(doubt, venue, lambda answer: told.append((trio.current_time(), answer)))
    return told


async def test_nothing_is_told_before_the_end_and_the_archive_has_its_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    venue = RestingVenue(trades=((1.0, "-3"), (9.0, "-2")))
    ((at_s, answer),) = await told_by(venue)
    assert at_s > 17.5
    assert (answer.filled, answer.provisional) == (Base.of("-5"), True)
    assert venue.readings < 8, "until it cannot trade any more a reading proves nothing, and weighs 17"


async def test_nothing_is_believed_of_nothing_until_two_readings_say_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ((at_s, answer),) = await told_by(RestingVenue())
    assert (answer.filled, answer.by_absence) == (0, True)
    assert at_s > 19.5, "2 s after the first reading that counts"


async def test_an_engine_that_expires_it_late_is_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    venue = RestingVenue(trades=((20.0, "-1"),), gone_s=24.0)
    ((at_s, answer),) = await told_by(venue)
    assert at_s > 24
    assert answer.filled == Base.of("-1")


async def test_an_answer_that_it_is_gone_brings_its_end_forward_and_late_pieces_are_in_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The ledger shrinks an acknowledged order's doubt to that answer; the stream may still be behind."""
    gone = msgspec.structs.replace(
        DOUBT, recv_time_ms=Ms(START_MS + 1000), rests_until_ms=Ms(START_MS + 1000)
    )
    venue = RestingVenue(trades=((0.9, "-3"),), gone_s=1.0)
    ((at_s, answer), *_) = await told_by(venue, gone)
    assert 1.5 < at_s < 4
    assert answer.filled == Base.of("-3")


def test_beside_another_order_in_doubt_nothing_is_believed_before_the_archive_had_its_time() -> None:
    beside = msgspec.structs.replace(DOUBT, alone=False)
    assert judge(beside, read_at(LATE, "0"), None) is None
    assert judge(beside, read_at(LAST + ARCHIVE_PATIENCE_MS + 1, "0"), None) is not None


async def test_an_archive_that_is_late_still_names_price_and_fee(
    autojump_clock: trio.testing.MockClock,
) -> None:
    venue = RestingVenue(trades=((1.0, "-3"),))
    told: list[Resolved] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(resolve, DOUBT, venue, told.append)
        await trio.sleep(18.5)
        venue.archive[DIGEST] = recorded("-3")
    assert [answer.provisional for answer in told] == [True, False]
