"""ESCAPE against the simulated venue, on virtual time: whatever goes wrong, what is ours is closed,
nothing else is, and unknown is never flat.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from messages.execution import AccountSnapshot, Doubt, EscapeRound, Outcome, Position, Resolved
from messages.lifecycle import Note
from messages.settings import Settings
from messages.sizing import Leg, SizingPlan
from messages.units import ONE, Base, Bps, Ms, Price, Quote
from messages.wire import digest
from tests.actors.fakes import held, leg_order
from tests.determinism import seed_trio
from tests.machine.audit import net
from tests.machine.bench import Bench, bench
from venue.escape import EscapeContext, Escaped, escape
from venue.own_position import WHOLE_POSITION, ClosingTask, OwnPosition
from venue.protocol import OrderWire, Reads, Tradable, Unreachable, Venue, VenueRules
from venue.simulated.faults.incidents import ClockSkew
from venue.simulated.faults.order_faults import Cut, DisturbReply, Faults, LoseAck, Refuse, Thin
from venue.stored_escape import StoredEscape, signed_escape

SETTINGS = Settings(target=Quote(100 * ONE), venue_patience=Ms(60_000))
PAIR = ClosingTask(OwnPosition(0, int(Base.of("0.042"))), OwnPosition(int(Base.of("-1")), 0))


def exactly_closed(eth: str, sol: str) -> ClosingTask:
    return ClosingTask(
        *(OwnPosition(min(0, int(Base.of(each))), max(0, int(Base.of(each)))) for each in (eth, sol))
    )


async def trade(ready: Bench, eth: str, sol: str) -> None:
    """Open a position, whoever's: two orders that are nobody's business."""
    now_ms = ready.world.clock.now_ms()
    orders = (
        leg_order(4, eth, "2800" if eth[0] != "-" else "2700"),
        leg_order(8, sol, "120" if sol[0] != "-" else "110"),
    )
    plan = SizingPlan(9, 9, 1, 0, "enter", now_ms, Ms(now_ms + 2000), Ms(0), Ms(0), Ms(0), Bps(0), *orders)
    order_builder = ready.world.venue.order_builder
    async with ready.world.venue.order_wire("stranger") as wire:
        while not wire.connected:  # noqa: ASYNC110 - a wire has no event for it
            await trio.sleep(0.01)
        for leg in ("eth", "sol"):
            if plan.leg(leg).amount:
                reply = await wire.place(order_builder.sign(order_builder.order_of(plan, digest(plan), leg)))
                assert reply.kind == "accepted", reply


class Accidents:
    """A venue with something between it and us."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.down_for = 0
        """Readings that fail."""
        self.no_wires = 0
        """Connections that cannot be opened."""
        self.isolated = Base(0)
        self.status_of_sol = "live"
        self.cancelled: list[object] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.venue, name)

    @property
    def reads(self) -> Reads:
        return self  # type: ignore[return-value]

    def order_wire(self, name: str) -> AbstractAsyncContextManager[OrderWire]:
        return self._wire(name)

    @asynccontextmanager
    async def _wire(self, name: str) -> AsyncIterator[OrderWire]:
        if self.no_wires:
            self.no_wires -= 1
            raise Unreachable("no route to host")
        async with self.venue.order_wire(name) as wire:
            yield wire

    async def account(self) -> AccountSnapshot:
        if self.down_for:
            self.down_for -= 1
            raise Unreachable("HTTP 503")
        known = await self.venue.reads.account()
        eth = known.position(4)
        apart = Position(4, eth.cross, self.isolated, eth.v_quote)
        return msgspec.structs.replace(known, positions=(apart, known.position(8)))

    async def tradable(self, within_s: float = 0.3) -> Tradable:
        said = await self.venue.reads.tradable(within_s)
        return msgspec.structs.replace(said, sol=self.status_of_sol)

    async def rules_now(self) -> VenueRules:
        known = await self.venue.reads.rules_now()
        return msgspec.structs.replace(
            known, sol=msgspec.structs.replace(known.sol, status=self.status_of_sol)
        )

    async def status(self) -> str:
        return await self.venue.reads.status()

    async def time_ms(self) -> Ms:
        return await self.venue.reads.time_ms()

    async def book(self, product_id: int, depth: int = 100) -> Any:
        return await self.venue.reads.book(product_id, depth)

    async def archived(self, digests: Sequence[str]) -> Any:
        return await self.venue.reads.archived(digests)

    async def cancel(self, product_id: int, order: str) -> Base | None:
        self.cancelled.append((product_id, order))
        return await self.venue.cancel(product_id, order)

    async def cancel_all(self, product_ids: Sequence[int]) -> None:
        self.cancelled.append(tuple(product_ids))
        await self.venue.cancel_all(product_ids)


@dataclass
class Trial:
    """A venue with a position, and an ESCAPE from it."""

    ready: Bench
    accidents: Accidents
    written: list[msgspec.Struct] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    async def escape(self, task: ClosingTask = PAIR, settings: Settings = SETTINGS) -> Escaped:
        world = self.ready.world
        context = EscapeContext(
            self.accidents, world.rules, world.clock, settings, self._write, self._observe, epoch=3
        )  # type: ignore[arg-type]
        return await escape(context, task)

    def _write(self, *messages: msgspec.Struct) -> None:
        self.written += messages

    def _observe(self, message: msgspec.Struct) -> None:
        if isinstance(message, Note):
            self.notes.append(message.text)

    def of(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.written if type(message) is kind]

    def open_now(self) -> tuple[int, int]:
        known = net(self.ready.venue.exchange.order_log)
        return known.get(4, 0), known.get(8, 0)


@asynccontextmanager
async def trial(
    folder: Path, eth: str = "0.042", sol: str = "-1", faults: Faults | None = None
) -> AsyncIterator[Trial]:
    seed_trio(5)
    async with bench(folder, SETTINGS) as ready:
        await trade(ready, eth, sol)
        if faults is not None:
            ready.venue.faults = faults
        yield Trial(ready, Accidents(ready.world.venue))


def closing(kind: Callable[..., Any], *numbers: int, **more: Any) -> tuple[Any, ...]:
    return tuple(kind(nth=number, increasing=False, **more) for number in numbers)


async def test_a_pair_is_closed_in_one_round_and_written_down_before_and_after(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with trial(tmp_path) as it:
        left = await it.escape()
        assert (left.flat, left.rounds, it.open_now()) == (True, 1, (0, 0))
        assert [type(message) for message in it.written[:1]] == [EscapeRound]
        escaping = it.of(EscapeRound)[0]
        sent = {order.digest for order in list(it.ready.venue.exchange.order_log)[2:]}
        assert sent == {escaping.eth_order, escaping.sol_order}
        assert escaping.plan.eth.reduce_only
        assert escaping.plan.sol.reduce_only
        assert [outcome.kind for outcome in it.of(Outcome)] == ["accepted", "accepted"]
        assert {(each.order_digest, each.source) for each in it.of(Resolved)} == {
            (each, "archive") for each in sent
        }
        assert isinstance(it.written[-1], AccountSnapshot)


ACCIDENTS = {
    "an answer is lost": Faults(lose_ack=closing(LoseAck, 1)),
    "both answers are lost": Faults(lose_ack=closing(LoseAck, 1, 2)),
    "a connection is cut before": Faults(cut=closing(Cut, 1, when="before")),
    "a connection is cut after": Faults(cut=closing(Cut, 2, when="after")),
    "one leg finds a thin book": Faults(thin=closing(Thin, 1, product="ETH-PERP", lots=5)),
    "one leg is refused": Faults(refuse=closing(Refuse, 1, 2, 3, product="SOL-PERP", code=2056)),
    "both legs are refused for a while": Faults(refuse=closing(Refuse, *range(1, 13), code=2006)),
    "the venue is in trouble": Faults(refuse=closing(Refuse, *range(1, 7), code=5000)),
    "answers of readings are lost": Faults(
        reply=(DisturbReply(request="subaccount_info", one_in=2, how="lose"),), seed=3
    ),
}


@pytest.mark.parametrize("faults", ACCIDENTS.values(), ids=ACCIDENTS)
async def test_whatever_happens_to_its_orders_it_ends_flat(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, faults: Faults
) -> None:
    """O2, O6, O8, R2: and no position is ever turned round, whatever was sent twice."""
    async with trial(tmp_path, faults=faults) as it:
        left = await it.escape()
        assert (left.flat, it.open_now()) == (True, (0, 0)), it.notes
        assert all(order.reduce_only for order in list(it.ready.venue.exchange.order_log)[2:])


@pytest.mark.parametrize("skew_ms", [3_000, -100_000])
async def test_a_venue_whose_clock_has_jumped_is_asked_for_its_time(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, skew_ms: int
) -> None:
    """It once sent orders that were too late, or too early, until its patience was over."""
    async with trial(
        tmp_path, faults=Faults(incident=(ClockSkew(at_ms=0, for_ms=600_000, skew_ms=skew_ms),))
    ) as it:
        await trio.sleep(0.1)
        left = await it.escape()
        assert (left.flat, it.open_now()) == (True, (0, 0)), it.notes
        assert [order.code for order in it.ready.venue.exchange.order_log if order.code] == [
            2011 if skew_ms > 0 else 2012
        ] * 2


async def test_prices_get_worse_from_round_to_round(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with trial(tmp_path, faults=Faults(refuse=closing(Refuse, *range(1, 9), code=2056))) as it:
        await it.escape()
        limits = [each.plan.eth.limit for each in it.of(EscapeRound)]
        assert limits[:5] == sorted(limits[:5], reverse=True)
        assert len(set(limits[:5])) == 5


async def test_readings_that_fail_are_not_flat_and_are_tried_again(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """R2: HTTP 503 on the position query was read as flat."""
    async with trial(tmp_path) as it:
        it.accidents.down_for = 10
        assert (await it.escape()).flat
        assert it.open_now() == (0, 0)


async def test_connections_that_cannot_be_opened_are_tried_again(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with trial(tmp_path) as it:
        it.accidents.no_wires = 7
        it.ready.dialer.refusing = True
        async with trio.open_nursery() as nursery:

            async def back_later() -> None:
                await trio.sleep(20)
                it.ready.dialer.refusing = False

            nursery.start_soon(back_later)
            assert (await it.escape()).flat
        assert it.open_now() == (0, 0)


async def test_a_venue_that_never_answers_is_unknown_after_its_patience(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """R2, O15: bounded, and what nobody said is not 0."""
    async with trial(tmp_path) as it:
        it.accidents.down_for = 10**9
        began = trio.current_time()
        left = await it.escape()
        assert (left.eth, left.sol, left.flat) == (None, None, False)
        assert trio.current_time() - began < SETTINGS.venue_patience / 1000 + 10


async def test_a_venue_that_refuses_for_ever_leaves_what_it_says_is_open(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with trial(tmp_path, faults=Faults(refuse=closing(Refuse, *range(1, 500), code=2006))) as it:
        left = await it.escape()
        assert (left.eth, left.sol) == (Base.of("0.042"), Base.of("-1"))


async def test_what_is_not_ours_stays_to_the_last_lot(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """Somebody holds 5 SOL and 0.1 ETH more in the same direction: round after round, only ours goes."""
    faults = Faults(
        thin=closing(Thin, 1, product="ETH-PERP", lots=5) + closing(Thin, 2, product="SOL-PERP", lots=3)
    )
    async with trial(tmp_path, "0.142", "-6", faults=faults) as it:
        left = await it.escape()
        assert left.flat
        assert it.open_now() == (Base.of("0.1"), Base.of("-5"))


@pytest.mark.parametrize("lost", [LoseAck, Cut])
async def test_an_order_in_doubt_is_waited_for_where_a_second_one_could_close_a_strangers(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, lost: Any
) -> None:
    faults = (
        Faults(lose_ack=closing(LoseAck, 1, 2))
        if lost is LoseAck
        else Faults(cut=closing(Cut, 1, 2, when="after"))
    )
    async with trial(tmp_path, "0.142", "-6", faults=faults) as it:
        left = await it.escape()
        assert left.flat
        assert it.open_now() == (Base.of("0.1"), Base.of("-5"))


async def test_a_leg_that_somebody_closed_or_turned_round_is_left_alone(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with trial(tmp_path, "-0.05", "0") as it:
        left = await it.escape()
        assert (left.flat, left.rounds) == (True, 0)
        assert it.open_now() == (Base.of("-0.05"), 0)


async def test_an_isolated_position_neither_hides_a_cross_one_nor_is_touched(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """R1: 0.042 cross and -0.042 isolated are not 0."""
    async with trial(tmp_path) as it:
        it.accidents.isolated = Base.of("-0.042")
        assert (await it.escape()).flat
        assert it.open_now() == (0, 0)


async def test_an_order_in_doubt_from_before_is_closed_when_it_arrives_late(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """It looks flat, and it is not over: the last order can still arrive until its receive window has
    passed at the venue.
    """
    async with trial(tmp_path, "0", "-1") as it:
        world = it.ready.world
        doubt = Doubt(
            "eth",
            1,
            1,
            "0x" + "ab" * 32,
            4,
            Base.of("0.042"),
            Price.of("2760"),
            Ms(world.clock.now_ms() + 2000),
            Base(0),
        )
        task = ClosingTask(OwnPosition(0, int(doubt.amount)), OwnPosition(int(Base.of("-1")), 0), (doubt,))
        async with trio.open_nursery() as nursery:

            async def arrives() -> None:
                await trio.sleep(1.9)
                await trade(it.ready, "0.042", "0")

            nursery.start_soon(arrives)
            left = await it.escape(task)
        assert left.flat
        assert it.open_now() == (0, 0)
        assert left.at_ms > doubt.recv_time_ms + 500


async def test_a_hedged_pair_of_which_one_leg_cannot_be_traded_is_kept(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """An exit sends both legs or neither: closing the other one would make exposure out of nothing."""
    async with trial(tmp_path) as it:
        it.accidents.status_of_sol = "not_tradable"
        left = await it.escape(settings=msgspec.structs.replace(SETTINGS, venue_patience=Ms(10_000)))
        assert (left.eth, left.sol, left.rounds) == (Base.of("0.042"), Base.of("-1"), 0)
        assert any("hedged, and kept" in note for note in it.notes)


async def test_a_lone_leg_is_closed_whatever_the_other_products_status(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with trial(tmp_path, "0.042", "0") as it:
        it.accidents.status_of_sol = "not_tradable"
        assert (await it.escape()).flat
        assert it.open_now() == (0, 0)


async def test_everything_is_everything_on_both_products(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with trial(tmp_path, "-0.2", "7") as it:
        left = await it.escape(ClosingTask(WHOLE_POSITION, WHOLE_POSITION, everything=True))
        assert (left.flat, it.open_now()) == (True, (0, 0))


@pytest.mark.parametrize(
    ("low", "high", "position", "ours"),
    [(0, 10, 15, 10), (0, 10, 4, 4), (0, 10, -4, 0), (-10, 0, -15, -10), (-3, 5, -9, -3)],
)
def test_of_a_position_only_what_intents_explain_is_ours(
    low: int, high: int, position: int, ours: int
) -> None:
    assert OwnPosition(low, high).part_of(position) == ours


def test_an_exit_in_doubt_may_have_closed_everything_or_nothing() -> None:
    """The sum of what is held and what is in doubt would be 0, and the pair a stranger's."""
    from tests.actors.fakes import held

    legs: tuple[tuple[Leg, str], ...] = (("eth", "-0.042"), ("sol", "1"))
    doubts = tuple(
        Doubt(leg, 1, 2, leg, 4, Base.of(amount), Price(0), Ms(0), Base(0)) for leg, amount in legs
    )
    task = ClosingTask.of(held(eth=Base.of("0.042"), sol=Base.of("-1"), doubts=doubts))
    assert (task.eth.part_of(Base.of("0.042")), task.sol.part_of(Base.of("-1"))) == (
        Base.of("0.042"),
        Base.of("-1"),
    )


def stored_for(ready: Bench, eth: str, sol: str) -> StoredEscape:
    world = ready.world
    holding = held(phase="open", eth=Base.of(eth), sol=Base.of(sol))
    prices = (world.rules.eth.oracle, world.rules.sol.oracle)
    return signed_escape(
        holding, prices, world.rules, world.venue.order_builder, SETTINGS, world.clock.now_ms(), 1
    )


async def with_stored(ready: Bench, task: ClosingTask, stored: StoredEscape, *, signs: bool) -> Escaped:
    world = ready.world
    context = EscapeContext(
        world.venue, world.rules, world.clock, SETTINGS, lambda *_: None, lambda _: None, epoch=1
    )
    return await escape(context, task, stored=stored, signs=signs)


async def test_what_was_signed_in_advance_closes_without_any_key(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, SETTINGS) as ready:
        await trade(ready, "0.042", "-1")
        stored = stored_for(ready, "0.042", "-1")
        escaped = await with_stored(ready, PAIR, stored, signs=False)
        assert escaped.flat
        assert escaped.rounds == 1
        sent = {order.digest for order in ready.venue.exchange.order_log}
        assert {order.digest for order in stored.orders} <= sent
        assert set(net(ready.venue.exchange.order_log).values()) == {0}


async def test_what_was_signed_for_another_amount_is_not_sent_and_the_key_signs_anew(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, SETTINGS) as ready:
        await trade(ready, "0.042", "-1")
        stored = stored_for(ready, "0.084", "-1")
        assert not (await with_stored(ready, PAIR, stored_for(ready, "0.084", "-1"), signs=False)).flat
        assert (await with_stored(ready, PAIR, stored, signs=True)).flat
        sent = {order.digest for order in ready.venue.exchange.order_log}
        assert sent.isdisjoint(order.digest for order in stored.orders)


async def test_what_was_signed_in_advance_is_not_sent_where_a_stranger_could_be_closed_by_it(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """An answer that never comes would leave it on its way for a minute."""
    async with bench(tmp_path, SETTINGS) as ready:
        await trade(ready, "0.050", "-1")
        stored = stored_for(ready, "0.042", "-1")
        assert (await with_stored(ready, PAIR, stored, signs=True)).flat
        assert {order.digest for order in ready.venue.exchange.order_log}.isdisjoint(
            order.digest for order in stored.orders
        )
        assert net(ready.venue.exchange.order_log) == {4: Base.of("0.008"), 8: 0}


async def test_an_answer_to_it_that_is_lost_is_not_waited_for_until_its_window_ends(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, SETTINGS, faults=Faults(lose_ack=(LoseAck(nth=3), LoseAck(nth=4)))) as ready:
        await trade(ready, "0.042", "-1")
        began = trio.current_time()
        assert (await with_stored(ready, PAIR, stored_for(ready, "0.042", "-1"), signs=False)).flat
        assert trio.current_time() - began < 10
