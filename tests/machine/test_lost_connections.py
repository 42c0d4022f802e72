"""Connections go away while the machine trades: what comes after each is the same as at the start, and what
was missed is found out.

Lesson R7: a bot before this one came back without its subaccount, never noticed, and traded on a frozen
quote.
"""

import random
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from messages.execution import Fill, Resolved
from messages.lifecycle import LEG_SENDS, AccountStream, Hop
from messages.market import PairQuote
from messages.settings import Settings
from messages.sizing import Sealed
from messages.units import ONE, Ms, Quote
from tests.determinism import seed_trio
from tests.machine.audit import faults
from tests.machine.bench import Bench, bench
from tests.machine.test_killed import HUNDRED, PAIR
from tests.venue.test_escape import trade
from venue.throwaway import THROWAWAY_SENDER

PATIENT = msgspec.structs.replace(HUNDRED, legging_unknown=Ms(60_000))
ACCOUNT, MARKET = "fill", "book_depth"
"""A topic by which each stream's connection is known at the venue."""


def cut(ready: Bench, topic: str) -> None:
    """The venue ends every connection that listens to such a topic."""
    listeners = [
        listener
        for name, each in ready.venue.subscribers._topics.items()
        if name[0] == topic
        for listener in each
    ]
    assert listeners
    for listener in listeners:
        listener.scope.cancel()


async def away(ready: Bench, topic: str, seconds: float) -> None:
    """The same, and nobody gets a new connection for a while."""
    ready.dialer.refusing = True
    cut(ready, topic)
    await trio.sleep(seconds)
    ready.dialer.refusing = False


def once(
    ready: Bench, nursery: trio.Nursery, marks: Callable[[msgspec.Struct], bool], accident: Callable[[], Any]
) -> None:
    """Start `accident` when something is said for the first time."""
    came: list[msgspec.Struct] = []

    def watch(said: msgspec.Struct) -> None:
        if not came and marks(said):
            came.append(said)
            nursery.start_soon(accident)

    ready.watchers.append(watch)


def sends_order(said: msgspec.Struct) -> bool:
    return isinstance(said, Hop) and said.hop in LEG_SENDS.values()


async def test_fills_that_a_lost_stream_did_not_bring_are_found_out_and_the_stream_comes_back_with_its_subaccount(  # noqa: E501
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    async with bench(tmp_path, msgspec.structs.replace(PATIENT, hold=Ms(6_000))) as ready:
        once(ready, nursery, sends_order, lambda: away(ready, ACCOUNT, 1.0))
        ending = await ready.run(within_s=60)
        log = ready.venue.exchange.order_log
        assert (ending.by, faults(log, largest=PAIR)) == ("done", [])
        views = [
            live for live, _ in groupby(said.live for said in ready.said if isinstance(said, AccountStream))
        ]
        assert views[:3] == [True, False, True]
        told = [said.order_digest for said in ready.said if isinstance(said, Fill | Resolved)]
        assert {order.digest for order in log if order.fills} <= set(told)
        assert {
            name[1]
            for name in ready.venue.subscribers._topics
            if name[0] in {"fill", "order_update", "position_change"}
        } <= {THROWAWAY_SENDER}
        totals = ready.totals()
        assert (totals.orders_sent, totals.orders_closed, totals.completed) == (4, 4, 1)
        assert totals.fees == sum(fill.fee for order in log for fill in order.fills)


async def test_a_lost_market_is_no_quote_and_both_books_are_read_anew_before_the_next_plan(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    settings = msgspec.structs.replace(PATIENT, cycles=3, target=Quote(1000 * ONE))
    async with bench(tmp_path, settings, market="synthetic") as ready:
        lost: list[float] = []
        quotes: list[tuple[float, PairQuote]] = []
        put = ready.machine.channels.quotes.put
        ready.machine.channels.quotes.put = lambda quote: (
            quotes.append((trio.current_time(), quote)),
            put(quote),
        )[1]  # type: ignore[method-assign,func-returns-value]

        async def accident() -> None:
            lost.append(trio.current_time())
            await away(ready, MARKET, 4.0)

        once(ready, nursery, lambda said: isinstance(said, Sealed), accident)
        ending = await ready.run(within_s=120)
        assert (ending.by, ready.totals().completed) == ("done", 3)
        (began,) = lost
        assert not [at for at, _ in quotes if began + 0.01 < at < began + 4.0]
        entered = [
            said.plan.decided_ms
            for said in ready.said
            if isinstance(said, Sealed) and said.plan.purpose == "enter"
        ]
        start_ms = ready.world.clock.now_ms() - round(trio.current_time() * 1000)
        stale = (start_ms + (began + settings.max_quote_age / 1000) * 1000, start_ms + (began + 4.0) * 1000)
        assert not [at for at in entered if stale[0] < at < stale[1]]


async def test_somebody_elses_round_trip_while_the_stream_was_away_is_found_in_the_archive(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    """Positions agree again, so that only the fills can tell that another program trades here."""
    settings = Settings(target=Quote(100 * ONE), cycles=2, hold=Ms(6_000))

    async def accident() -> None:
        await trio.sleep(1)
        cut(ready, ACCOUNT)
        await trade(ready, "0.05", "0")
        await trade(ready, "-0.05", "0")

    async with bench(tmp_path, settings) as ready:
        once(ready, nursery, lambda said: isinstance(said, Sealed), accident)
        ready.dialer.refusing = False
        ending = await ready.run(within_s=60)
        assert (ending.by, ending.code, ending.open_legs) == ("halt", "FOREIGN_FILL", "")


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_connection_is_lost_at_whatever_moment_the_run_ends_flat(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery, seed: int
) -> None:
    """Reproduce one with: pytest tests/machine/test_lost_connections.py -k 'whatever and SEED'."""
    seed_trio(seed)
    chance = random.Random(f"lost connections {seed}")

    async def accidents() -> None:
        while True:
            await trio.sleep(chance.uniform(0.02, 0.7))
            ready.dialer.refusing = chance.random() < 0.5
            how = chance.choice((ACCOUNT, MARKET, "all"))
            if how == "all":
                await ready.world.venue.disconnect()
            elif any(name[0] == how for name in ready.venue.subscribers._topics):
                cut(ready, how)
            await trio.sleep(chance.uniform(0.01, 1.2))
            ready.dialer.refusing = False

    async with (
        bench(tmp_path, msgspec.structs.replace(PATIENT, cycles=2), seed=seed) as ready,
        trio.open_nursery() as outside,
    ):
        outside.start_soon(accidents)
        ending = await ready.run(within_s=300)
        outside.cancel_scope.cancel()
        ready.dialer.refusing = False
    assert faults(ready.venue.exchange.order_log, largest=PAIR) == [], f"seed {seed}: {ending}"
    assert ending.open_legs == "", f"seed {seed}: {ending}"
    assert ending.by in {"done", "halt"}, f"seed {seed}: {ending}"
