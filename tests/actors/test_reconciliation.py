"""What the venue is asked while an order of ours rests. Virtual time; the venue remembers its questions."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import trio
from trio.testing import MockClock

from actors.reconciliation import RECONCILE_S, Reconciliation
from actors.tree import Channels
from messages.execution import AccountSnapshot, Resolved
from messages.lifecycle import Held
from messages.units import Ms
from runtime.clock import RunClock, VenueClock
from tests.actors.fakes import RECV_MS, REST_MS, RULES, START_MS, held, resting_bid
from venue.order_consistency import APART_MS
from venue.protocol import ArchivedOrder, Unreachable
from venue.resolve import POLL_S, WINDOW_MARGIN_MS


class QuestionedVenue:
    """Reads of an account that is empty; the archive knows nothing. `resting`: digests in open orders."""

    def __init__(self) -> None:
        self.channels = Channels(halted=False, rules=RULES)
        self.clock = VenueClock(RunClock(START_MS * 1_000_000))
        self.read_s: list[float] = []
        self.asked: list[tuple[float, str]] = []
        self.answered_s: list[float] = []
        """When each answer was told to the ledger."""
        world = SimpleNamespace(
            rules=RULES,
            clock=self.clock,
            observe=self.hear,
            slack=1,
            venue=SimpleNamespace(reads=self),
        )
        self.reconciliation = Reconciliation(cast(Any, world), self.channels)

    def hear(self, said: msgspec.Struct) -> None:
        if isinstance(said, Resolved):
            self.answered_s.append(trio.current_time())

    async def account(self) -> AccountSnapshot:
        self.read_s.append(trio.current_time())
        return AccountSnapshot(self.clock.now_ms(), True, None, None, None, None, (), ())

    async def archived(self, digests: list[str]) -> tuple[ArchivedOrder, ...]:
        self.asked += [(trio.current_time(), digest) for digest in digests]
        raise Unreachable("it does not answer")

    async def for_a_while(self, for_s: float, look: Callable[[trio.Nursery], None]) -> None:
        end = trio.current_time() + for_s
        async with trio.open_nursery() as nursery:
            while trio.current_time() < end:
                look(nursery)
                await trio.sleep(0.05)
            nursery.cancel_scope.cancel()


def resting_now(**changes: Any) -> Held:
    return held(phase="working", working=(resting_bid(**changes),))


async def test_an_order_that_rests_is_not_asked_about(autojump_clock: MockClock) -> None:
    venue = QuestionedVenue()
    venue.channels.held.put(resting_now())
    await venue.for_a_while((RECV_MS + REST_MS) / 1000 - 0.1, venue.reconciliation.resolve_working)
    assert (venue.asked, venue.read_s) == ([], [])
    assert venue.reconciliation.settled


async def test_it_is_asked_about_once_it_cannot_trade_any_more(autojump_clock: MockClock) -> None:
    venue, began_s = QuestionedVenue(), trio.current_time()
    venue.channels.held.put(resting_now())
    await venue.for_a_while(30, venue.reconciliation.resolve_working)
    assert venue.asked
    assert {digest for _, digest in venue.asked} == {"0xq"}
    assert venue.asked[0][0] - began_s >= (RECV_MS + REST_MS) / 1000


async def test_it_is_asked_about_at_once_where_the_ledger_says_so(autojump_clock: MockClock) -> None:
    venue, began_s = QuestionedVenue(), trio.current_time()
    venue.channels.held.put(resting_now(resolving=True))
    await venue.for_a_while(0.3, venue.reconciliation.resolve_working)
    assert venue.asked[0][0] == began_s
    # one question at a time, however often the supervisor looks
    assert len(venue.asked) <= 4


async def test_a_question_learns_that_its_order_has_traded_last_sooner_than_it_knew(
    autojump_clock: MockClock,
) -> None:
    """It had begun before the cancellation was answered: no such order rests."""
    venue, began_s = QuestionedVenue(), trio.current_time()
    resting = resting_bid(resolving=True)
    venue.channels.held.put(held(phase="working", working=(resting,)))

    def look(nursery: trio.Nursery) -> None:
        if trio.current_time() - began_s >= 0.5:
            gone_ms = Ms(START_MS + 500)
            gone = msgspec.structs.replace(resting.doubt, recv_time_ms=gone_ms, rests_until_ms=gone_ms)
            venue.channels.held.put(resting_now(resolving=True, doubt=gone))
        venue.reconciliation.resolve_working(nursery)

    await venue.for_a_while(4, look)
    # two readings later than the margin, apart by as much as an absence has to be
    after_s = 0.5 + (WINDOW_MARGIN_MS + APART_MS) / 1000
    assert [after_s <= at_s - began_s < after_s + 0.5 for at_s in venue.answered_s[:1]] == [True]
    # and it begins anew once, not with every look: what it hears is asked at the usual pace
    assert len(venue.asked) <= 4 / POLL_S + 2


async def test_readings_that_nobody_compares_are_left_out_until_it_has_ended(
    autojump_clock: MockClock,
) -> None:
    venue = QuestionedVenue()
    venue.channels.held.put(resting_now())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(venue.reconciliation.reconcile_for_ever)
        for _ in range(100):  # ten seconds of plans that hedge it
            venue.reconciliation.reconcile_soon()
            await trio.sleep(0.1)
        while_resting = len(venue.read_s)
        assert while_resting <= 10 / RECONCILE_S[1] + 1
        ended_s = trio.current_time()
        venue.channels.held.put(held())
        await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    assert venue.read_s[while_resting] - ended_s < 0.05
