"""When an order that rests is cancelled, and how its cancellation is sent. Virtual time, a venue that answers
as told.
"""

from collections.abc import Awaitable, Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors.tree import Channels
from actors.working_orders import (
    AGAIN_S,
    ANSWER_S,
    HEDGED_MS,
    UNHEDGED_MS,
    RestingFacts,
    WorkingOrders,
    why_cancel,
)
from messages.execution import CancelAnswer, CancelAsked, Doubt
from messages.lifecycle import Denial, Directive, Legging, Record, WorkingOrder
from messages.settings import Settings
from messages.units import ONE, Base, Ms, Price, Quote
from runtime.clock import RunClock, VenueClock
from tests.actors.fakes import RECV_MS, REST_MS, RULES, START_MS, held, quote, resting_bid
from venue.protocol import Refused, Unreachable
from venue.resolve import WINDOW_MARGIN_MS

SETTINGS = Settings(target=Quote(1_000 * ONE), recv_time=Ms(RECV_MS))


def resting_facts(now_ms: int = START_MS + 1, **changes: Any) -> RestingFacts:
    """Everything is well."""
    return RestingFacts(
        **{
            "held": held(phase="working", working=(resting_bid(),)),
            "settings": SETTINGS,
            "rules": RULES,
            "now_ms": Ms(now_ms),
            "epoch": 3,
            "directive": Directive(enter=True, leave_now=False, reason=""),
            "quote": quote(now_ms),
            "stream_live": True,
            "down": (),
            "known_ms": Ms(0),
            "guard_missing": "",
            **changes,
        }
    )


def late_hedge(age_ms: int) -> Doubt:
    """A hedge sealed `age_ms` ago, without an ending."""
    recv = Ms(START_MS + 1 - age_ms + RECV_MS)
    return Doubt("sol", 3, 8, "0xh", 8, Base.of("-4"), Price.of("115.7"), recv, Base(0))


def unhedged_for(usd: int, for_ms: int) -> Legging:
    """Within any budget."""
    return Legging(naked=Quote(usd * ONE), since_ms=Ms(START_MS + 1 - for_ms), leg=Quote(10**6 * ONE))


FROZEN = quote(START_MS + 1, age_ms=SETTINGS.max_quote_age + 1)
STILL_FRESH = quote(START_MS + 1, age_ms=SETTINGS.max_quote_age)
HALF = msgspec.structs.replace(quote(START_MS + 1), venue_active=False)
NOT_LIVE = msgspec.structs.replace(
    quote(START_MS + 1), sol=msgspec.structs.replace(quote().sol, status="reduce_only", proven_ms=START_MS)
)


def test_an_order_rests_while_nothing_speaks_against_it() -> None:
    assert why_cancel(resting_bid(), resting_facts()) == ""


@pytest.mark.parametrize(
    ("order", "changes", "why"),
    [
        ({"acknowledged": False}, {}, "not said that it rests"),
        ({}, {"epoch": 4}, "epoch 3"),
        ({}, {"now_ms": Ms(START_MS + 10_000), "quote": quote(START_MS + 10_000)}, "time is over"),
        ({}, {"known_ms": None}, "clocks have jumped"),
        ({}, {"known_ms": Ms(START_MS)}, "clocks have jumped"),
        ({}, {"directive": Directive(enter=False, leave_now=True, reason="SIGINT")}, "SIGINT"),
        ({}, {"directive": Directive(enter=False, leave_now=False, reason="PAUSED_BY_HAND")}, "PAUSED_BY"),
        ({}, {"down": ("sol_leg",)}, "sol_leg"),
        ({}, {"stream_live": False}, "stream is lost"),
        ({}, {"guard_missing": "the guard is not alive"}, "guard"),
        ({}, {"quote": None}, "no books"),
        ({}, {"quote": FROZEN}, "last confirmed"),
        ({}, {"quote": HALF}, "not active"),
        ({}, {"quote": NOT_LIVE}, "not live"),
        ({}, {"held": held(doubts=(late_hedge(HEDGED_MS + 1),))}, f"no ending for {HEDGED_MS} ms"),
        ({}, {"held": held(last_purpose="hedge", last_refusals=1)}, "refused or not sent"),
        ({}, {"held": held(legging=unhedged_for(201, UNHEDGED_MS + 1))}, "201 USD"),
        ({}, {"held": held(unexplained=True)}, "do not explain"),
        ({}, {"held": held(foreign="SOL -3 is not ours")}, "not ours"),
        ({}, {"held": held(unfit="a fill does not fit")}, "does not fit"),
        ({}, {"held": held(initial_health=Quote(-1))}, "initial margin"),
        ({}, {"held": held(eth=Base.of("0.4"), maintenance_health=Quote(ONE))}, "liquidation"),
        ({}, {"held": held(legging=Legging(usd_s=Quote(10 * ONE), leg=Quote(ONE)))}, "budget"),
        ({}, {"held": held(no_entry=Denial("LOW_DISK", "1 MB is left"))}, "LOW_DISK"),
        ({}, {"held": held(day_loss=Quote(10**6 * ONE))}, "MAX_DAILY_LOSS"),
        ({}, {"held": held(record=Record(failed_in_row=99))}, "FAILED_CYCLES"),
    ],
)
def test_what_speaks_against_it(order: dict[str, Any], changes: dict[str, Any], why: str) -> None:
    assert why in why_cancel(resting_bid(**order), resting_facts(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"quote": STILL_FRESH},
        {"held": held(doubts=(late_hedge(HEDGED_MS),))},
        {"held": held(last_purpose="hedge", last_refusals=0)},
        {"held": held(last_purpose="quote", last_refusals=1)},
        {"held": held(legging=unhedged_for(200, UNHEDGED_MS + 1))},
        {"held": held(legging=unhedged_for(201, UNHEDGED_MS))},
        {"held": held(initial_health=Quote(0))},
        {"known_ms": Ms(START_MS - 1)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_limit_passes_when_it_is_met_exactly(changes: dict[str, Any]) -> None:
    assert why_cancel(resting_bid(), resting_facts(**changes)) == ""


@pytest.mark.parametrize(
    "order", [resting_bid(opens=False), resting_bid(hedges=True)], ids=["closes", "hedges"]
)
@pytest.mark.parametrize(
    "changes",
    [
        {"directive": Directive(enter=False, leave_now=False, reason="PAUSED_BY_HAND")},
        {"held": held(no_entry=Denial("LOW_DISK", "1 MB is left"))},
        {"held": held(day_loss=Quote(10**6 * ONE))},
        {"held": held(record=Record(failed_in_row=99))},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_closes_or_hedges_goes_on_where_only_entering_is_barred(
    order: WorkingOrder, changes: dict[str, Any]
) -> None:
    assert why_cancel(order, resting_facts(**changes)) == ""


def test_exposure_that_the_other_legs_own_order_answers_is_meant() -> None:
    both = held(
        working=(resting_bid(), resting_bid("0xs", hedges=True)), legging=unhedged_for(2_000, UNHEDGED_MS + 1)
    )
    assert why_cancel(resting_bid(), resting_facts(held=both)) == ""


# -- sending -------------------------------------------------------------------------------------------------

Answer = Callable[[], Awaitable[Base | None]]


class CancelDesk:
    """`WorkingOrders` with a venue that answers as told, and what came of it."""

    def __init__(self, *orders: WorkingOrder, answers: list[Answer]) -> None:
        self.channels = Channels(halted=False, rules=RULES)
        self.clock = VenueClock(RunClock(START_MS * 1_000_000))
        self.asked: list[tuple[float, int, str]] = []
        self.under_way = self.most = 0
        self.answers = answers
        self.guard = ""
        self.channels.held.put(held(phase="working", working=orders))
        world = SimpleNamespace(
            settings=SETTINGS, rules=RULES, clock=self.clock, observe=lambda _message: None, venue=self
        )
        self.desk = WorkingOrders(
            cast(Any, world),
            self.channels,
            cast(Any, SimpleNamespace(legs_up=lambda: True)),
            cast(Any, SimpleNamespace(known_ms=Ms(0))),
            lambda: (self.guard, 1.0),
        )

    def unconnected(self) -> frozenset[str]:
        return frozenset()

    async def cancel(self, product_id: int, digest: str) -> Base | None:
        self.asked.append((trio.current_time(), product_id, digest))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            return await answer()
        finally:
            self.under_way -= 1

    async def look(self, for_s: float, *, live: bool = True) -> None:
        """Look as the supervisor does, every 50 ms, at fresh books."""
        end = trio.current_time() + for_s
        async with trio.open_nursery() as nursery:
            while trio.current_time() < end:
                self.channels.quotes.put(quote(self.clock.now_ms()))
                self.desk.look(nursery, 3, stream_live=live)
                await trio.sleep(0.05)

    @property
    def told(self) -> list[CancelAsked | CancelAnswer]:
        """What the ledger has been told."""
        return cast(Any, self.channels.to_ledger.drain())


def venue_says(answer: Base | Exception | None, after_s: float = 0.01) -> Answer:
    async def said() -> Base | None:
        await trio.sleep(after_s)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return said


async def test_nothing_is_sent_while_it_may_rest(autojump_clock: MockClock) -> None:
    desk = CancelDesk(resting_bid(), answers=[venue_says(None)])
    await desk.look(5)
    assert (desk.asked, desk.told) == ([], [])


async def test_sizings_wish_is_sent_and_both_are_told_to_the_ledger(autojump_clock: MockClock) -> None:
    desk = CancelDesk(resting_bid(), resting_bid("0xs"), answers=[venue_says(Base.of("0.3"))])
    desk.desk.wish(CancelAsked("0xq", 4, "the price is no longer wanted", Ms(START_MS)))
    await desk.look(5)
    assert [(product, digest) for _, product, digest in desk.asked] == [(4, "0xq")]
    asked, answer = desk.told
    assert isinstance(asked, CancelAsked)
    assert (asked.order_digest, asked.why) == ("0xq", "the price is no longer wanted")
    assert isinstance(answer, CancelAnswer)
    assert (answer.unfilled, answer.gone) == (Base.of("0.3"), False)
    assert asked.at_ms < answer.at_ms


async def test_a_wish_about_an_order_that_does_not_work_is_nothing(autojump_clock: MockClock) -> None:
    desk = CancelDesk(resting_bid(), answers=[venue_says(None)])
    desk.desk.wish(CancelAsked("0xother", 4, "gone", Ms(START_MS)))
    await desk.look(5)
    assert desk.asked == []


@pytest.mark.parametrize("error", [Unreachable("no answer"), Refused(2010, "nonce"), ValueError("a defect")])
async def test_a_cancellation_that_fails_is_sent_again_with_doubling_pauses_until_nothing_can_trade(
    error: Exception, autojump_clock: MockClock
) -> None:
    desk = CancelDesk(resting_bid(), answers=[venue_says(error)])
    await desk.look(40, live=False)
    at_s = [at - desk.asked[0][0] for at, *_ in desk.asked]
    pauses = [later - earlier for earlier, later in pairwise(at_s)]
    assert [round(pause / AGAIN_S) for pause in pauses] == [1, 2, 4, 8]
    assert at_s[-1] <= (RECV_MS + REST_MS + WINDOW_MARGIN_MS) / 1000
    answers = [each for each in desk.told if isinstance(each, CancelAnswer)]
    assert len(answers) == 5
    assert all((each.unfilled, each.gone) == (None, False) and each.detail for each in answers)


async def test_one_at_a_time_and_an_answer_that_never_comes_has_a_limit(autojump_clock: MockClock) -> None:
    desk = CancelDesk(resting_bid(), answers=[venue_says(None, 1e6)])
    await desk.look(20, live=False)
    assert desk.most == 1
    assert 2 <= len(desk.asked) <= 5
    failed = [each for each in desk.told if isinstance(each, CancelAnswer)]
    assert f"no answer within {ANSWER_S:g} s" in failed[0].detail


async def test_an_answer_that_names_what_had_not_traded_is_the_last_one(autojump_clock: MockClock) -> None:
    desk = CancelDesk(resting_bid(), answers=[venue_says(Base.of("0.1"))])
    await desk.look(30, live=False)
    assert len(desk.asked) == 1


async def test_an_order_that_nobody_acknowledged_may_arrive_after_2020(autojump_clock: MockClock) -> None:
    """So it is cancelled again; one that was known to rest is not."""
    late, known = (
        CancelDesk(resting_bid(acknowledged=False), answers=[venue_says(None)]),
        CancelDesk(resting_bid(), answers=[venue_says(None)]),
    )
    await late.look(5)
    await known.look(5, live=False)
    assert len(late.asked) == 3
    assert len(known.asked) == 1
    (_, answer) = known.told
    assert isinstance(answer, CancelAnswer)
    assert (answer.unfilled, answer.gone) == (None, True)


async def test_a_reason_that_has_passed_does_not_let_it_rest_again(autojump_clock: MockClock) -> None:
    desk = CancelDesk(
        resting_bid(), answers=[venue_says(Unreachable("no answer")), venue_says(Base.of("0.4"))]
    )
    await desk.look(0.2, live=False)
    await desk.look(5)
    assert len(desk.asked) == 2


async def test_a_guard_that_is_gone_cancels_at_once(autojump_clock: MockClock) -> None:
    desk = CancelDesk(resting_bid(), answers=[venue_says(Base.of("0.4"))])
    await desk.look(1)
    desk.guard = "the guard is not alive"
    await desk.look(1)
    assert len(desk.asked) == 1
