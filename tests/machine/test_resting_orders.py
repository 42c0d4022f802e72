"""Whole machines while an order of theirs rests, on virtual time: whatever happens to it, what it trades is
hedged or closed, it is cancelled, and nothing is said to be flat before.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors.run_ending import Pause
from commands.setup.escaping import close_ours
from messages.execution import CancelAnswer, CancelAsked, Fill, PlanClosed
from messages.execution_settings import Execution
from messages.lifecycle import CycleEnded, Note
from messages.settings import Settings
from messages.sizing import REST_MAX_MS, Place, SizingPlan
from messages.units import ONE, Base, Ms, Price, Quote
from tests.determinism import seed_trio
from tests.machine.audit import net
from tests.machine.bench import Bench, bench
from tests.machine.test_escape_and_recovery import messages_of, next_start
from venue.order_consistency import CLOCK_MS
from venue.protocol import Unreachable
from venue.simulated.engine.rules import VenueOptions
from venue.simulated.faults.order_faults import NO_FAULTS, Cut, Faults, Forget, Late, LoseAck, Refuse
from venue.stored_escape import EscapeFile, StoredEscape

ETH = 4
QUOTING = Settings(
    target=Quote(1_000 * ONE),
    cycles=1,
    hold=Ms(500),
    execution=Execution(entry="maker-taker", quote_when="always"),
)


class Sellers:
    """Everybody else: sells into what of ours rests, `piece` by `piece`, every `every_s`."""

    def __init__(self, ready: Bench, pieces: tuple[str, ...], every_s: float = 0.5) -> None:
        self.ready, self.pieces, self.every_s = ready, list(pieces), every_s

    def resting(self) -> list[Any]:
        """Our orders in the exchange's ETH book."""
        book = self.ready.venue.exchange.markets[ETH].book
        return [
            order
            for is_bid in (True, False)
            for queue in book.side(is_bid).orders.values()
            for order in queue
        ]

    def sell(self, amount: str) -> None:
        """Somebody trades so much through the price at which ours rests."""
        ours = self.resting()[0]
        through = Price(ours.order.price + (-1 if ours.is_bid else 1) * Price.of("0.1"))
        self.ready.venue.exchange.market_trade(
            ETH, through, Base.of(amount), self.ready.venue.now_ns(), is_taker_buyer=not ours.is_bid
        )
        self.ready.venue.publish()

    async def run(self) -> None:
        """Until the pieces are sold."""
        while self.pieces:
            await trio.sleep(self.every_s)
            if self.resting():
                self.sell(self.pieces.pop(0))


@asynccontextmanager
async def quoting(
    folder: Path, *pieces: str, every_s: float = 0.5, faults: Faults = NO_FAULTS, settings: Settings = QUOTING
) -> AsyncIterator[tuple[Bench, Sellers]]:
    """A machine that quotes, and what others sell into it."""
    seed_trio(16)
    async with bench(folder, settings, faults=faults) as ready, trio.open_nursery() as nursery:
        sellers = Sellers(ready, pieces, every_s)
        nursery.start_soon(sellers.run)
        yield ready, sellers
        nursery.cancel_scope.cancel()


def ledger_rows_of(ready: Bench, kind: type[Any]) -> list[Any]:
    return [each for each in messages_of(ready.world.ledger) if type(each) is kind]


def nothing_is_open(ready: Bench, sellers: Sellers) -> bool:
    """By the engine's own order log, with nothing of ours left in its book, and no order sent twice."""
    log = ready.venue.exchange.order_log
    once = max(Counter(order.digest for order in log).values(), default=0) == 1
    return once and not sellers.resting() and set(net(log).values()) <= {0}


def when_said(ready: Bench, marks: Callable[[msgspec.Struct], bool], act: Callable[[], object]) -> None:
    """Do `act` the first time that something is said which `marks`."""
    done: list[bool] = []

    def watch(said: msgspec.Struct) -> None:
        if not done and marks(said):
            done.append(True)
            act()

    ready.watchers.append(watch)


def purpose_placed(ready: Bench, purpose: str) -> Callable[[msgspec.Struct], bool]:
    """Marks the first order of this purpose on its way."""

    def marks(said: msgspec.Struct) -> bool:
        plan = ready.machine.barrier.sealed
        return isinstance(said, Place) and plan is not None and plan.plan.purpose == purpose

    return marks


def cancelling(said: msgspec.Struct) -> bool:
    return isinstance(said, Note) and said.text.startswith("cancelling ETH")


def why_cancelled(ready: Bench) -> str:
    """Why the first cancellation left."""
    return str(ledger_rows_of(ready, CancelAsked)[0].why)


async def after_while(for_s: float, act: Callable[[], object]) -> None:
    await trio.sleep(for_s)
    act()


async def test_fills_in_pieces_are_hedged_each_and_the_pair_leaves_whole(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with quoting(tmp_path, "0.1", "0.05", "0.12", "0.2") as (ready, sellers):
        ending = await ready.run(within_s=120)
        assert (ending.by, nothing_is_open(ready, sellers)) == ("done", True)
        plans = [each.purpose for each in ready.said if isinstance(each, SizingPlan)]
        assert plans[0] == "quote"
        assert plans.count("hedge") == 4
        assert [each.ending for each in ledger_rows_of(ready, CycleEnded)] == ["completed"]
        # it traded all of itself: nobody cancelled it
        assert ledger_rows_of(ready, CancelAsked) == []


async def test_a_stop_cancels_what_rests_and_does_not_wait_for_it_to_expire(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    async with quoting(tmp_path) as (ready, sellers):
        when_said(ready, purpose_placed(ready, "quote"), lambda: nursery.start_soon(after_while, 0.5, stop))
        stopped_s: list[float] = []

        def stop() -> None:
            assert sellers.resting()
            stopped_s.append(trio.current_time())
            ready.machine.stop("SIGINT", 2)

        ending = await ready.run(within_s=60)
        assert (ending.by, ending.open_legs, nothing_is_open(ready, sellers)) == ("signal", "", True)
        assert "SIGINT" in why_cancelled(ready)
        assert ledger_rows_of(ready, CancelAnswer)[0].unfilled == Base.of("0.357")
        assert trio.current_time() - stopped_s[0] < REST_MAX_MS / 1000 / 2


async def test_a_stop_beside_a_part_that_has_traded_closes_both_legs(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    async with quoting(tmp_path, "0.1") as (ready, sellers):
        when_said(
            ready,
            purpose_placed(ready, "hedge"),
            lambda: nursery.start_soon(after_while, 0.3, lambda: ready.machine.stop("SIGINT", 2)),
        )
        ending = await ready.run(within_s=60)
        assert (ending.by, ending.open_legs, nothing_is_open(ready, sellers)) == ("signal", "", True)


async def test_a_cancellation_that_lost_the_race_ends_in_a_hedged_pair(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    """All of it trades while its cancellation is on its way."""
    async with quoting(tmp_path, "0.1") as (ready, sellers):
        pause = Pause(on=True, reason="a person")
        when_said(
            ready,
            purpose_placed(ready, "hedge"),
            lambda: nursery.start_soon(after_while, 0.3, lambda: ready.machine.channels.inbox.post(pause)),
        )
        when_said(ready, cancelling, lambda: sellers.sell("0.257"))
        ending = await ready.run(within_s=120)
        assert (ending.by, nothing_is_open(ready, sellers)) == ("done", True)
        assert "PAUSED_BY_HAND" in why_cancelled(ready)
        assert ledger_rows_of(ready, CancelAnswer)[0].unfilled in {None, Base(0)}
        assert [each.ending for each in ledger_rows_of(ready, CycleEnded)] == ["completed"]


async def test_a_hedge_that_is_refused_cancels_what_it_was_to_hedge(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    refused = Refuse(nth=1, product="SOL-PERP", increasing=True, code=2000)
    async with quoting(tmp_path, "0.1", faults=Faults(refuse=(refused,))) as (ready, sellers):
        ending = await ready.run(within_s=120)
        assert nothing_is_open(ready, sellers), ending
        assert "its hedge was refused" in why_cancelled(ready)


DOUBTS = {
    "late": Faults(late=(Late(nth=1, product="SOL-PERP", increasing=True, delay_ms=1_500),)),
    "its answer is lost": Faults(lose_ack=(LoseAck(nth=1, product="SOL-PERP", increasing=True),)),
    "acknowledged and never heard of": Faults(forget=(Forget(nth=1, product="SOL-PERP", increasing=True),)),
    "its connection is cut": Faults(cut=(Cut(nth=1, product="SOL-PERP", increasing=True, when="before"),)),
}


@pytest.mark.parametrize("doubt", DOUBTS)
async def test_what_trades_while_a_hedge_is_in_doubt_is_hedged_or_closed(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery, doubt: str
) -> None:
    """And it cannot trade for long: a hedge without an ending cancels within moments."""
    async with quoting(tmp_path, "0.1", faults=DOUBTS[doubt]) as (ready, sellers):
        at_s: list[float] = []
        when_said(ready, purpose_placed(ready, "hedge"), lambda: at_s.append(trio.current_time()))
        when_said(ready, cancelling, lambda: at_s.append(trio.current_time()))

        def sell() -> None:
            if sellers.resting():
                sellers.sell("0.05")

        when_said(ready, purpose_placed(ready, "hedge"), lambda: nursery.start_soon(after_while, 0.1, sell))
        nursery.start_soon(after_while, 60, lambda: ready.machine.stop("SIGINT", 2))
        ending = await ready.run(within_s=120)
        assert (ending.open_legs, nothing_is_open(ready, sellers)) == ("", True), ending
        if doubt != "its answer is lost":  # its fill is told all the same
            assert at_s[1] - at_s[0] < 0.5, why_cancelled(ready)


async def test_a_feed_that_freezes_cancels(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    async with quoting(tmp_path) as (ready, sellers):

        def freeze() -> None:
            ready.machine.channels.quotes.put = lambda _quote: None  # type: ignore[method-assign]

        when_said(ready, purpose_placed(ready, "quote"), lambda: nursery.start_soon(after_while, 0.2, freeze))
        when_said(
            ready,
            cancelling,
            lambda: nursery.start_soon(after_while, 1, lambda: ready.machine.stop("SIGINT", 2)),
        )
        ending = await ready.run(within_s=60)
        assert (ending.by, nothing_is_open(ready, sellers)) == ("signal", True)
        assert "last confirmed" in why_cancelled(ready)


@pytest.mark.parametrize("actor", ["account", "eth_leg", "sol_leg", "ledger", "sizing", "market_data"])
@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((), marks=pytest.mark.long),
        ("0.1",),
        pytest.param(("0.1", "0.2"), marks=pytest.mark.long),
    ],
    ids=["untraded", "a part", "twice"],
)
async def test_an_actor_that_dies_while_an_order_rests(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery, actor: str, pieces: tuple[str, ...]
) -> None:
    """What it traded is hedged, in another incarnation too; nothing is left behind."""
    async with quoting(tmp_path, *pieces) as (ready, sellers):
        crash = ready.machine.tree.targets[actor].crash
        when_said(
            ready,
            purpose_placed(ready, "hedge" if pieces else "quote"),
            lambda: nursery.start_soon(after_while, 0.2, crash),
        )
        nursery.start_soon(after_while, 60, lambda: ready.machine.stop("SIGINT", 2))
        ending = await ready.run(within_s=120)
        assert (ending.by in {"done", "signal"}, ending.open_legs) == (True, ""), ending
        assert nothing_is_open(ready, sellers)
        if actor in {"eth_leg", "sol_leg", "ledger"}:
            assert "epoch" in why_cancelled(ready) or "could not send" in why_cancelled(ready)


async def killed_while_quoting(ready: Bench, for_s: float) -> None:
    """Run until something rests and `for_s` longer, then be gone, as after `kill -9`."""
    quoted = trio.Event()
    when_said(ready, purpose_placed(ready, "quote"), quoted.set)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ready.machine.run)
        await quoted.wait()
        await trio.sleep(for_s)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("pieces", [(), ("0.1",), ("0.1", "0.1")], ids=["untraded", "a part", "twice"])
async def test_what_a_kill_leaves_resting_the_next_start_cancels_and_closes(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery, pieces: tuple[str, ...]
) -> None:
    """Also what trades between the kill and the start."""
    async with quoting(tmp_path, *pieces[:1]) as (ready, sellers):
        await killed_while_quoting(ready, 1.0)
        assert sellers.resting()
        if pieces[1:]:
            sellers.sell(pieces[1])
        async with next_start(tmp_path, ready, QUOTING) as again:
            nursery.start_soon(after_while, 30, lambda: again.machine.stop("SIGINT", 2))
            ending = await again.run(within_s=120)
            assert (ending.by in {"done", "signal"}, ending.open_legs) == (True, ""), ending
            assert nothing_is_open(again, sellers)
            assert ledger_rows_of(again, CancelAsked)


@pytest.mark.parametrize("pieces", [(), ("0.1",), ("0.1", "0.1")], ids=["untraded", "a part", "twice"])
async def test_what_a_kill_leaves_resting_the_guard_cancels_and_closes(
    autojump_clock: MockClock, tmp_path: Path, pieces: tuple[str, ...]
) -> None:
    """By ESCAPE, as `flatten` and the guard do it: also where nothing had traded at the kill."""
    async with quoting(tmp_path, *pieces[:1]) as (ready, sellers):
        await killed_while_quoting(ready, 1.0)
        if pieces[1:]:
            sellers.sell(pieces[1])
        left = await close_ours(ready.world, None)
        assert (left.flat, nothing_is_open(ready, sellers)) == (True, True)


async def test_before_it_leaves_its_cancellation_and_the_closes_of_all_that_it_can_come_to_are_kept(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    async with quoting(tmp_path) as (ready, _sellers):
        kept: list[StoredEscape | None] = []

        def look() -> None:
            kept.append(EscapeFile(ready.world.state.beside(".escape"), durable=False).read())

        when_said(ready, lambda said: isinstance(said, Place), look)
        nursery.start_soon(after_while, 3.0, look)
        nursery.start_soon(after_while, 3.1, lambda: ready.machine.stop("SIGINT", 2))
        assert (await ready.run(within_s=60)).open_legs == ""
        look()
        before, while_resting, after = kept
        assert before is not None
        assert before == while_resting
        (doubt,), (cancel,) = before.resting, before.cancels
        asked = ledger_rows_of(ready, CancelAsked)[0]
        assert doubt.order_digest == cancel.digest == asked.order_digest
        assert (before.plan.eth.amount, before.plan.sol.amount) == (Base.of("-0.357"), Base.of("8.5"))
        assert after is None


ENTERED, CLOSED = ("0.1", "0.05", "0.12", "0.087"), ("0.2", "0.157")
BOTH_WAYS = msgspec.structs.replace(
    QUOTING, execution=Execution(entry="maker-taker", exit="maker-taker", quote_when="always")
)


class Instants:
    """Trio's time of what happens to quotes and hedges."""

    def __init__(self, ready: Bench) -> None:
        self.heard: list[float] = []
        """Fills of what rested, as the account tells of them."""
        self.placed: list[float] = []
        """Hedges."""
        self.closed: list[float] = []
        """Endings of plans."""
        self._ready = ready
        ready.watchers.append(self._watch)

    def _watch(self, said: msgspec.Struct) -> None:
        sealed, now_s = self._ready.machine.barrier.sealed, trio.current_time()
        if isinstance(said, Fill) and said.product_id == ETH and not said.is_taker:
            self.heard.append(now_s)
        elif isinstance(said, PlanClosed):
            self.closed.append(now_s)
        elif isinstance(said, Place) and sealed is not None and sealed.plan.purpose == "hedge":
            self.placed.append(now_s)


@pytest.mark.parametrize("every_s", [0.31, 0.5])
async def test_each_fill_is_hedged_in_the_instant_in_which_it_is_heard_of(
    autojump_clock: MockClock, tmp_path: Path, every_s: float
) -> None:
    """By events alone: nothing on the way waits for somebody to look around."""
    async with quoting(tmp_path, *ENTERED, *CLOSED, every_s=every_s, settings=BOTH_WAYS) as (ready, sellers):
        at = Instants(ready)
        ending = await ready.run(within_s=120)
        assert (ending.by, nothing_is_open(ready, sellers)) == ("done", True)
        assert len(at.heard) == len(ENTERED) + len(CLOSED)
        assert at.placed == at.heard


async def test_what_trades_beside_a_hedge_is_hedged_in_the_instant_in_which_that_one_ends(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A hedge takes 30 ms at the exchange, and another piece trades every 10 ms."""
    async with quoting(tmp_path, *ENTERED, *CLOSED, every_s=0.0101, settings=BOTH_WAYS) as (ready, sellers):
        at = Instants(ready)
        ending = await ready.run(within_s=120)
        assert (ending.by, nothing_is_open(ready, sellers)) == ("done", True)
        assert at.placed[0] == at.heard[0]
        assert len(at.placed) < len(at.heard)
        assert [each for each in at.placed if each not in at.heard and each not in at.closed] == []


async def test_a_fill_after_its_expiration_is_doubted_and_the_pair_ends_hedged_or_flat(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    """An exchange that withdraws what has expired half a minute late, and answers no cancellation: what
    trades then fits no time that was signed.
    """
    late = Faults(venue=VenueOptions(expiry_every_s=30.0))
    async with quoting(tmp_path, faults=late) as (ready, sellers):
        rested: list[tuple[int, str]] = []

        async def lost(_product_id: int, _digest: str) -> None:
            raise Unreachable("no answer")

        async def later() -> None:
            await trio.sleep(0.5)
            ready.world.venue.cancel = lost  # type: ignore[method-assign, assignment]
            held = ready.machine.channels.held.value
            assert held is not None
            late_ms = held.working[0].doubt.last_trade_ms + 2 * CLOCK_MS - ready.world.clock.now_ms()
            await trio.sleep(late_ms / 1000)
            # it still rests there, so it has no ending here, and nothing is said to be flat
            held = ready.machine.channels.held.value
            assert held is not None
            rested.append((len(sellers.resting()), held.phase))
            sellers.sell("0.1")

        when_said(ready, purpose_placed(ready, "quote"), lambda: nursery.start_soon(later))
        nursery.start_soon(after_while, 90, lambda: ready.machine.stop("SIGINT", 2))
        ending = await ready.run(within_s=200)
        assert (ending.by in {"done", "signal"}, ending.open_legs) == (True, ""), ending
        assert rested == [(1, "working")]
        assert nothing_is_open(ready, sellers)
        named = [each.text for each in ready.said if isinstance(each, Note) and "(time)" in each.text]
        assert len(named) == 1
        assert len(ledger_rows_of(ready, CycleEnded)) == 1
