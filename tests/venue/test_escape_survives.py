"""ESCAPE outlives whatever it calls: an exception of any kind, at any call, and it still ends flat as long
as the venue answers in the end.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from messages.lifecycle import Note
from messages.settings import Settings
from messages.sizing import Leg
from messages.units import ONE, Base, Ms, Quote
from tests.determinism import seed_trio
from tests.machine.audit import net
from tests.machine.bench import Bench, bench
from tests.venue.test_escape import PAIR, trade
from venue.escape import PAUSE_S, EscapeContext, Escaped, escape
from venue.protocol import Unreachable, VenueRules

SETTINGS = Settings(target=Quote(100 * ONE), venue_patience=Ms(60_000))


class Unspeakable(Exception):
    """Not even its words can be had."""

    def __str__(self) -> str:
        raise ValueError("no words")


FAILURES: tuple[Callable[[], BaseException], ...] = (
    lambda: ValueError("invalid literal for int() with base 10: 'abc'"),
    lambda: IndexError("list index out of range"),
    lambda: UnicodeDecodeError("ascii", b"\xff", 0, 1, "ordinal not in range(128)"),
    lambda: BaseExceptionGroup("a connection", [ExceptionGroup("inside", [LookupError("x")]), SystemExit(3)]),
    lambda: sqlite3.IntegrityError("UNIQUE constraint failed: events.seq"),
    lambda: OSError(28, "No space left on device"),
    lambda: SystemExit(0),
    KeyboardInterrupt,
    MemoryError,
    lambda: RecursionError("maximum recursion depth exceeded"),
    lambda: Unreachable("HTTP 503"),
    Unspeakable,
    StopAsyncIteration,
)


class Breaking:
    """Between ESCAPE and everything it calls: the calls in `strikes` raise `failure` instead of, or
    `after`, being carried out.
    """

    def __init__(
        self, strikes: Callable[[int], bool], failure: Callable[[], BaseException], *, after: bool = False
    ) -> None:
        self._strikes, self._failure, self._after = strikes, failure, after
        self.calls = 0
        self.names: list[str] = []

    def around(self, thing: Any, name: str = "") -> Any:
        """`thing`, every call and property of which is counted, those of what it returns too."""
        return _Proxy(self, thing, name)

    def call(self, name: str, call: Callable[[], Any]) -> Any:
        self.calls += 1
        self.names.append(name)
        due = self._strikes(self.calls)
        if due and not self._after:
            raise self._failure()
        result = call()
        if due:
            raise self._failure()
        return result

    async def wait(self, name: str, call: Callable[[], Any]) -> Any:
        self.calls += 1
        self.names.append(name)
        due = self._strikes(self.calls)
        if due and not self._after:
            await trio.lowlevel.checkpoint()
            raise self._failure()
        result = await call()
        if due:
            raise self._failure()
        return result


ASYNC = {
    "account",
    "status",
    "rules",
    "rules_now",
    "tradable",
    "time_ms",
    "book",
    "archived",
    "fills_since",
    "place",
    "cancel",
    "cancel_all",
}
PLAIN = {"reads", "order_builder"}


class _Proxy:
    def __init__(self, breaking: Breaking, thing: Any, name: str) -> None:
        self._breaking, self._thing, self._name = breaking, thing, name

    def __call__(self, *given: Any) -> Any:
        return self._breaking.call(self._name, lambda: self._thing(*given))

    def __getattr__(self, name: str) -> Any:
        breaking, thing = self._breaking, self._thing
        if name in PLAIN:
            return _Proxy(breaking, getattr(thing, name), name)
        if name == "connected":
            return breaking.call(name, lambda: thing.connected)
        if name == "order_wire":
            return self._wire
        if name in ASYNC:
            method = getattr(thing, name)
            return lambda *given, **more: breaking.wait(name, lambda: method(*given, **more))
        return _Proxy(breaking, getattr(thing, name), name)

    @asynccontextmanager
    async def _wire(self, leg: str) -> AsyncIterator[Any]:
        async with self._thing.order_wire(leg) as wire:
            self._breaking.call("order_wire", lambda: None)
            yield _Proxy(self._breaking, wire, leg)


async def escape_survived(ready: Bench, breaking: Breaking, settings: Settings = SETTINGS) -> Escaped:
    world = ready.world
    venue, clock = breaking.around(world.venue), breaking.around(world.clock)
    write, observe = breaking.around(lambda *_: None, "write"), breaking.around(lambda _: None, "observe")
    return await escape(EscapeContext(venue, world.rules, clock, settings, write, observe, epoch=3), PAIR)


async def pair(ready: Bench) -> None:
    """Bring the account to the pair that `PAIR` explains, whatever is there."""
    known = net(ready.venue.exchange.order_log)
    eth, sol = (
        Base(int(Base.of(wanted)) - known.get(product, 0)) for wanted, product in (("0.042", 4), ("-1", 8))
    )
    await trade(ready, eth.text(), sol.text())


def open_now(ready: Bench) -> tuple[int, int]:
    known = net(ready.venue.exchange.order_log)
    return known.get(4, 0), known.get(8, 0)


@pytest.mark.parametrize("after", [False, True], ids=["instead of the call", "after the call"])
async def test_any_failure_at_any_call_and_it_ends_flat(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, after: bool
) -> None:
    """Every call, and with each the next of the kinds."""
    seed_trio(5)
    async with bench(tmp_path, SETTINGS) as ready:
        for nth in count(1):
            await pair(ready)
            breaking = Breaking(lambda call, nth=nth: call == nth, FAILURES[nth % len(FAILURES)], after=after)  # type: ignore[misc]
            left = await escape_survived(ready, breaking)
            what = f"call {nth} ({breaking.names[nth - 1 : nth]}) raised {FAILURES[nth % len(FAILURES)]()!r}"
            assert (left.flat, open_now(ready)) == (True, (0, 0)), what
            if breaking.calls < nth:
                break
        assert nth > 25, "the calls were not counted"


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure()).__name__)
async def test_everything_fails_for_ten_seconds_and_it_ends_flat(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, failure: Callable[[], BaseException]
) -> None:
    """An odd answer to an upgrade once ended ESCAPE after one attempt per leg, in spite of its patience."""
    seed_trio(5)
    async with bench(tmp_path, SETTINGS) as ready:
        await pair(ready)
        until = trio.current_time() + 10
        breaking = Breaking(lambda _call: trio.current_time() < until, failure)
        left = await escape_survived(ready, breaking)
        assert (left.flat, open_now(ready)) == (True, (0, 0))
        assert breaking.calls < 10 * 10 / PAUSE_S[0], "a hot loop"


@pytest.mark.parametrize("leg", ["eth", "sol"])
@pytest.mark.parametrize("failing", ["order_wire", "place", "sign", "book"])
async def test_a_leg_that_cannot_leave_does_not_keep_the_other_open(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, leg: Leg, failing: str
) -> None:
    seed_trio(5)
    async with bench(tmp_path, SETTINGS) as ready:
        await pair(ready)
        world, notes = ready.world, []
        product = world.rules.product(leg).product_id

        class Broken:
            """One leg's wire, signature or price."""

            reads = order_builder = property(lambda self: self)

            def __getattr__(self, name: str) -> Any:
                return next(
                    getattr(it, name)
                    for it in (world.venue, world.venue.reads, world.venue.order_builder)
                    if hasattr(it, name)
                )

            @asynccontextmanager
            async def order_wire(self, name: str) -> AsyncIterator[Any]:
                async with world.venue.order_wire(name) as wire:
                    if name.endswith(leg) and failing == "order_wire":
                        raise ExceptionGroup("the connection", [IndexError("pop from an empty deque")])
                    yield _Unplaceable(wire) if name.endswith(leg) and failing == "place" else wire

            def sign(self, order: Any) -> Any:
                if failing == "sign" and order.product_id == product:
                    raise KeyError(order.nonce)
                return world.venue.order_builder.sign(order)

            async def book(self, product_id: int, depth: int = 100) -> Any:
                if failing == "book" and product_id == product and depth > 1:
                    raise ZeroDivisionError
                return await world.venue.reads.book(product_id, depth)

        patience = msgspec.structs.replace(SETTINGS, venue_patience=Ms(8_000))
        context = EscapeContext(
            Broken(), world.rules, world.clock, patience, lambda *_: None, notes.append, epoch=3
        )  # type: ignore[arg-type]
        left = await escape(context, PAIR)
        other = (0, Base.of("-1")) if leg == "sol" else (Base.of("0.042"), 0)
        assert (left.eth, left.sol) == open_now(ready) == other, notes
        assert any(isinstance(note, Note) for note in notes)


class _Unplaceable:
    connected = True

    def __init__(self, wire: Any) -> None:
        self._wire = wire

    async def place(self, _order: Any) -> Any:
        raise AttributeError("'NoneType' object has no attribute 'send'")


async def test_a_call_that_never_ends_is_given_up_and_the_next_round_closes(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    seed_trio(5)
    async with bench(tmp_path, SETTINGS) as ready:
        await pair(ready)
        world, hung = ready.world, []

        class Hanging:
            reads = property(lambda self: self)

            def __getattr__(self, name: str) -> Any:
                return (
                    getattr(world.venue, name)
                    if hasattr(world.venue, name)
                    else getattr(world.venue.reads, name)
                )

            async def rules_now(self) -> VenueRules:
                if not hung:
                    hung.append(True)
                    await trio.sleep_forever()
                return await world.venue.reads.rules_now()

        patience = msgspec.structs.replace(SETTINGS, venue_patience=Ms(120_000))
        context = EscapeContext(
            Hanging(), world.rules, world.clock, patience, lambda *_: None, lambda _: None
        )  # type: ignore[arg-type]
        left = await escape(context, PAIR)
        assert (left.flat, open_now(ready), hung) == (True, (0, 0), [True])


async def test_a_cancellation_ends_it_at_once_whatever_fails_at_the_same_time(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """A guard that stands down for a newer epoch sends nothing more."""
    seed_trio(5)
    async with bench(tmp_path, SETTINGS) as ready:
        await pair(ready)
        breaking = Breaking(lambda _call: True, FAILURES[3])
        began = trio.current_time()
        with trio.move_on_after(5) as scope:
            await escape_survived(ready, breaking)
        assert (scope.cancelled_caught, trio.current_time() - began) == (True, 5)
