"""ESCAPE while orders of ours rest: cancelled before anything is read, and never flat while one may trade."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from messages.execution import CancelAnswer, CancelAsked, Doubt, EscapeRound
from messages.lifecycle import Held, WorkingOrder
from messages.sizing import QuoteTerms, SizingPlan
from messages.units import Base, Bps, Ms, Price
from messages.wire import digest
from tests.actors.fakes import held, leg_order
from tests.venue.test_escape import SETTINGS, Accidents, Trial, trade, trial
from venue.escape import ARRIVED_MS, EscapeContext, escape
from venue.own_position import ClosingTask, OwnPosition
from venue.protocol import Unreachable
from venue.stored_escape import signed_escape

ETH = 4
BID, ASK = "2756.8", "2756.9"
RECV_MS, REST_MS = 2_000, 15_000


def working(it: Trial, amount: str, *, seq: int = 7, price: str = "") -> tuple[WorkingOrder, Any]:
    """An ETH order that is to rest, at the touch unless `price` says where, and the same signed."""
    now_ms, price = it.ready.world.clock.now_ms(), price or (ASK if amount[0] == "-" else BID)
    eth = msgspec.structs.replace(leg_order(ETH, amount, price), kind="post_only")
    terms = QuoteTerms("eth", True, eth.amount, Base.of("-1"), Price.of("115"), Ms(REST_MS), Ms(now_ms + 9))
    times = now_ms, Ms(now_ms + RECV_MS), Ms(0), Ms(0), Ms(0)
    plan = SizingPlan(1, seq, 1, 0, "quote", *times, Bps(0), eth, leg_order(8, "0", "115"), quote=terms)
    build = it.ready.world.venue.order_builder
    signed = build.sign(build.order_of(plan, digest(plan), "eth"))
    rests_ms = Ms(plan.last_trade_ms)
    doubt = Doubt(
        "eth",
        1,
        seq,
        signed.digest,
        ETH,
        eth.amount,
        eth.limit,
        plan.recv_time_ms,
        Base(0),
        True,
        None,
        rests_ms,
    )
    return WorkingOrder(doubt, terms, Ms(now_ms)), signed


async def rests(it: Trial, amount: str, *, price: str = "") -> WorkingOrder:
    """One that was placed and taken."""
    order, signed = working(it, amount, price=price)
    async with it.ready.world.venue.order_wire("quoting") as wire:
        while not wire.connected:  # noqa: ASYNC110 - a wire has no event for it
            await trio.sleep(0.01)
        assert (await wire.place(signed)).kind == "accepted"
    return order


def trades(it: Trial, amount: str, *, buys: bool = False, at: str = "") -> None:
    """Somebody trades so much through the touch, or down to `at`: what rests there is filled first."""
    exchange, price = it.ready.venue.exchange, Price.of(at or ("2757.0" if buys else "2756.7"))
    exchange.market_trade(ETH, price, Base.of(amount), it.ready.venue.now_ns(), is_taker_buyer=buys)
    it.ready.venue.publish()


def left_open(order: WorkingOrder, *, eth: str = "0", filled: str = "0") -> Held:
    done = msgspec.structs.replace(order, filled=Base.of(filled))
    return held(phase="working", eth=Base.of(eth), working=(done,))


class NoCancels(Accidents):
    """A venue at which no cancellation is answered."""

    async def cancel(self, product_id: int, order: str) -> Base | None:
        await super().cancel(ETH, "0x" + "ab" * 32)  # it never reaches the order
        raise Unreachable("no answer")


class NoKey(Accidents):
    """A venue whose client has no key."""

    async def cancel(self, product_id: int, order: str) -> Base | None:
        raise ValueError("there is no key to sign with")


def last_trade_s(it: Trial, order: WorkingOrder) -> float:
    return (order.doubt.last_trade_ms + ARRIVED_MS - it.ready.world.clock.now_ms()) / 1000


def test_all_that_rests_may_come_to_is_ours() -> None:
    terms = QuoteTerms("eth", True, Base(4), Base(-1), Price(1), Ms(1), Ms(1))
    bid = Doubt("eth", 1, 1, "0xb", ETH, Base(4), Price(1), Ms(1), Base(0), rests_until_ms=Ms(9))
    offer = Doubt("sol", 1, 2, "0xa", 8, Base(-50), Price(1), Ms(1), Base(0), rests_until_ms=Ms(9))
    orders = (
        WorkingOrder(bid, terms, Ms(0), filled=Base(1)),
        WorkingOrder(offer, terms, Ms(0), filled=Base(-20)),
    )
    task = ClosingTask.of(held(eth=Base(1), sol=Base(-20), working=orders))
    assert (task.eth, task.sol) == (OwnPosition(1, 4), OwnPosition(-50, -20))
    assert task.doubts == (bid, offer)


@pytest.mark.parametrize("amount", ["0.4", "-0.4"])
async def test_an_order_that_rests_is_cancelled_before_anything_is_read_and_then_not_waited_for(
    amount: str, autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with trial(tmp_path, "0", "0") as it:
        order = await rests(it, amount)
        read: list[int] = []
        account = it.accidents.account
        it.accidents.account = lambda: (read.append(len(it.accidents.cancelled)), account())[1]  # type: ignore[method-assign]
        waits_s, began_s = last_trade_s(it, order), trio.current_time()
        assert (await it.escape(ClosingTask.of(left_open(order)))).flat
        assert trio.current_time() - began_s < waits_s
        assert read[0] == 1
        assert it.accidents.cancelled == [(ETH, order.doubt.order_digest)]
        asked, answer = it.written[:2]
        assert isinstance(asked, CancelAsked)
        assert isinstance(answer, CancelAnswer)
        assert (answer.unfilled, answer.gone) == (Base.of("0.4"), False)
        assert (await it.ready.world.venue.reads.account()).open_orders == ()


@pytest.mark.parametrize("amount", ["0.4", "-0.4"])
async def test_what_it_has_traded_is_closed_and_nothing_of_a_strangers_beside_it(
    amount: str, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Somebody holds 0.2 in the same direction: what the order has not traded explains none of it."""
    minus = amount.strip("0.4")
    async with trial(tmp_path, "0", "0") as it:
        order = await rests(it, amount)
        trades(it, "0.1", buys=bool(minus))
        await trade(it.ready, f"{minus}0.2", "0")
        assert it.open_now()[0] == Base.of(f"{minus}0.3")
        assert (await it.escape(ClosingTask.of(left_open(order)))).flat
        assert it.open_now() == (Base.of(f"{minus}0.2"), 0)


async def test_while_no_cancellation_is_answered_all_that_it_trades_until_it_expires_is_closed(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with trial(tmp_path, "0", "0") as it:
        it.accidents = NoCancels(it.ready.world.venue)
        order = await rests(it, "0.4")
        waits_s, began_s = last_trade_s(it, order), trio.current_time()
        # open orders do not list it: else it would be cancelled by what the exchange says
        account = it.accidents.account

        async def unlisted() -> Any:
            return msgspec.structs.replace(await account(), open_orders=())

        it.accidents.account = unlisted  # type: ignore[method-assign]
        async with trio.open_nursery() as nursery:

            async def fills() -> None:
                await trio.sleep(13)
                trades(it, "0.3")

            nursery.start_soon(fills)
            left = await it.escape(ClosingTask.of(left_open(order)))
        assert (left.flat, it.open_now()) == (True, (0, 0)), it.notes
        assert trio.current_time() - began_s >= waits_s
        assert len(it.of(EscapeRound)) == 1
        assert all(not each.gone and each.unfilled is None for each in it.of(CancelAnswer))


@pytest.mark.parametrize("archive", ["answers", "is silent"])
async def test_what_it_trades_while_a_part_is_closed_does_not_hide_how_much_was_closed(
    archive: str, autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Nobody answers the first cancellations, and as much of it trades as is being closed; then somebody else
    buys. All of ours is closed, and what the archive tells in time keeps the stranger's whole.
    """
    async with trial(tmp_path, "0", "0") as it:
        order = await rests(it, "0.4", price="2740")  # where no closing order meets it
        trades(it, "0.1", at="2739")
        account, cancel, archived = it.accidents.account, it.accidents.cancel, it.accidents.archived
        readings, unanswered = [0], [2]

        async def beside() -> Any:
            readings[0] += 1
            if readings[0] == 2:  # the one after the first closing order
                trades(it, "0.1", at="2739")
            elif readings[0] == 3:
                await trade(it.ready, "0.2", "0")
            return await account()

        async def lost(product_id: int, digest: str) -> Any:
            unanswered[0] -= 1
            if unanswered[0] >= 0:
                raise Unreachable("no answer")
            return await cancel(product_id, digest)

        async def silent(digests: Any) -> Any:
            return await archived(digests) if archive == "answers" else ()

        it.accidents.account, it.accidents.cancel = beside, lost  # type: ignore[method-assign]
        it.accidents.archived = silent  # type: ignore[method-assign]
        assert (await it.escape(ClosingTask.of(left_open(order)))).flat, it.notes
        theirs = "0.2" if archive == "answers" else "0.1"
        assert it.open_now() == (Base.of(theirs), 0), it.notes


async def test_one_that_has_not_arrived_yet_is_cancelled_again(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The exchange says that no such order rests, and it arrives a second later."""
    async with trial(tmp_path, "0", "0") as it:
        order, signed = working(it, "0.4")
        async with trio.open_nursery() as nursery, it.ready.world.venue.order_wire("quoting") as wire:

            async def arrives() -> None:
                await trio.sleep(1)
                assert (await wire.place(signed)).kind == "accepted"

            nursery.start_soon(arrives)
            assert (await it.escape(ClosingTask.of(left_open(order)))).flat
        assert it.of(CancelAnswer)[0].gone
        assert it.of(CancelAnswer)[-1].unfilled == Base.of("0.4")
        assert (await it.ready.world.venue.reads.account()).open_orders == ()


async def test_one_that_is_gone_after_its_window_has_ended_and_is_waited_for_no_longer(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with trial(tmp_path, "0", "0") as it:
        order, _never_sent = working(it, "0.4")
        waits_s, began_s = last_trade_s(it, order), trio.current_time()
        assert (await it.escape(ClosingTask.of(left_open(order)))).flat
        took_s = trio.current_time() - began_s
        assert (RECV_MS + ARRIVED_MS) / 1000 <= took_s < waits_s - 5


async def test_nothing_is_flat_when_patience_ends_before_its_last_possible_trade(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with trial(tmp_path, "0", "0") as it:
        it.accidents = NoCancels(it.ready.world.venue)
        order = await rests(it, "0.4")
        hurried = msgspec.structs.replace(SETTINGS, venue_patience=Ms(5_000))
        left = await it.escape(ClosingTask.of(left_open(order)), hurried)
        assert (left.eth, left.sol, left.settled, left.flat) == (0, 0, False, False)


@pytest.mark.parametrize("filled", ["", "0.1", "0.4"])
async def test_without_a_key_what_was_signed_before_it_left_cancels_and_closes(
    filled: str, autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with trial(tmp_path, "0", "0") as it:
        order = await rests(it, "0.4")
        world, until_s = it.ready.world, last_trade_s(it, order)
        prices = Price.of(BID), Price.of("115.86")
        most = held(phase="open", eth=Base.of("0.4"))
        now_ms, build = world.clock.now_ms(), world.venue.order_builder
        signed = signed_escape(most, prices, world.rules, build, SETTINGS, now_ms, 1)
        cancel = world.venue.sign_cancel(ETH, order.doubt.order_digest, signed.plan.recv_time_ms)
        stored = msgspec.structs.replace(signed, resting=(order.doubt,), cancels=(cancel,))
        if filled:
            trades(it, filled)
        context = EscapeContext(
            NoKey(world.venue), world.rules, world.clock, SETTINGS, it._write, it._observe, 3
        )
        began_s = trio.current_time()
        left = await escape(context, ClosingTask.of(left_open(order)), stored=stored, signs=False)
        assert (left.flat, it.open_now()) == (True, (0, 0)), it.notes
        assert trio.current_time() - began_s < until_s
        assert it.of(CancelAnswer)[0].gone is (filled == "0.4")
