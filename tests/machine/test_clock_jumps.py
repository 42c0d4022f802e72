"""The machine sleeps, or its clock is set, in every phase: nothing sealed before is accepted after it, and
the run still ends flat.

The jump is injected; everything else is the whole machine. Judged by the engine's own order log.
"""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import msgspec
import pytest
import trio

from actors.barrier import WINDOW_LEFT_MS
from messages.lifecycle import Note
from messages.sizing import Abort, Ready, Sealed
from messages.units import Ms
from runtime.clock import LOOK_EVERY_S, ClockShift
from tests.clocks import Clocks
from tests.determinism import seed_trio
from tests.machine.audit import faults
from tests.machine.bench import Bench, bench
from tests.machine.test_killed import HUNDRED, PAIR, PHASES, strike_in
from tests.thinned import thinned
from venue.nado.signing import recv_time_of

TWICE = msgspec.structs.replace(HUNDRED, cycles=2, legging_unknown=Ms(60_000))
"""A lone leg outlives a sleep, and its budget with it; that this ends in a halt is another test."""
"""So that there is an entry after every phase of the first cycle."""
ASLEEP_S = TWICE.recv_time / 1000 + 3
JUMPS: dict[str, Callable[[Clocks], None]] = {
    "asleep": lambda clocks: clocks.sleep(ASLEEP_S),
    "set forward": lambda clocks: clocks.set(3600),
    "set back": lambda clocks: clocks.set(-3600),
}


def sealed_after(said: list[msgspec.Struct]) -> list[Sealed]:
    """Plans sealed after the jump was noticed."""
    noticed = next(at for at, message in enumerate(said) if isinstance(message, ClockShift))
    return [message for message in said[noticed:] if isinstance(message, Sealed)]


def read_anew(said: list[msgspec.Struct]) -> int:
    """Where it stands that everything has been read anew."""
    return next(
        at
        for at, message in enumerate(said)
        if isinstance(message, Note) and "have been read again" in message.text
    )


def accepted_too_late(ready: Bench, jumped_ns: int) -> list[str]:
    """Orders that the engine accepted after the jump although they were sealed before it."""
    return [
        order.digest
        for order in ready.venue.exchange.order_log
        if order.arrived_ns > jumped_ns
        and order.result == "accepted"
        and recv_time_of(order.nonce) - TWICE.recv_time <= jumped_ns // 1_000_000
    ]


@pytest.mark.parametrize(("jump", "phase"), thinned(product(JUMPS, PHASES), 3))
async def test_jump(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, nursery: trio.Nursery, jump: str, phase: str
) -> None:
    """Interface, laptop sleep: quotes dropped, sockets closed, doubts resolved, and both books read anew
    before the next seal.
    """
    seed_trio(11)
    clocks, jumped_ns = Clocks(), []
    async with bench(tmp_path, TWICE, clocks=(clocks.venue, clocks.machine)) as ready:

        def strike() -> None:
            JUMPS[jump](clocks)
            jumped_ns.append(clocks.venue.utc_ns())

        strike_in(ready, nursery, phase, strike)
        ending = await ready.run(within_s=120)
        assert len(jumped_ns) == 1, "the jump never came"
        assert ending.by == "done", ending
        assert faults(ready.venue.exchange.order_log, largest=PAIR) == []
        if jump == "asleep":
            assert accepted_too_late(ready, jumped_ns[0]) == []
        later = sealed_after(ready.said)[0]
        assert ready.said.index(later) > read_anew(ready.said)
        assert later.plan.decided_ms > jumped_ns[0] // 1_000_000
        snapshot = await ready.account()
        assert [position.total for position in snapshot.positions if position.total] == []


async def test_a_jump_while_votes_are_out_aborts_the_plan_and_nothing_of_it_is_sent(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    """One vote is lost on its way, so that the clocks are looked at while the plan waits for it."""
    seed_trio(11)
    clocks = Clocks()
    settings = msgspec.structs.replace(TWICE, ready_deadline=Ms(TWICE.recv_time - WINDOW_LEFT_MS))
    async with bench(tmp_path, settings, clocks=(clocks.venue, clocks.machine)) as ready:
        inbox = ready.machine.channels.inbox
        post = inbox.post

        def losing(message: msgspec.Struct) -> None:
            if not (isinstance(message, Ready) and (message.who, message.seq) == ("sol", 1)):
                post(message)

        inbox.post = losing  # type: ignore[method-assign]
        strike_in(ready, nursery, "seal to ready", lambda: clocks.set(3600))
        ending = await ready.run(within_s=120)
        aborts = [message for message in ready.said if isinstance(message, Abort)]
        first = next(message for message in ready.said if isinstance(message, Sealed))
        assert (aborts[0].code, aborts[0].seq) == ("CLOCK_JUMPED", first.plan.seq)
        arrived = [recv_time_of(order.nonce) for order in ready.venue.exchange.order_log]
        assert first.plan.recv_time_ms not in arrived
        assert ending.by == "done"


async def test_every_connection_is_made_anew_after_a_jump(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    """Two legs, the market stream and the account stream: a socket that slept may be dead without a sign."""
    seed_trio(11)
    clocks = Clocks()
    async with bench(tmp_path, TWICE, clocks=(clocks.venue, clocks.machine)) as ready:
        dials: list[int] = []
        strike_in(ready, nursery, "hold", lambda: [dials.append(ready.dialer.dials), clocks.sleep(60)])  # type: ignore[arg-type, return-value]
        await ready.run(within_s=120)
        assert ready.dialer.dials == dials[0] + 4 == 8


async def test_a_small_step_of_the_clock_measures_the_venues_time_again_and_drops_nothing(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    seed_trio(11)
    clocks = Clocks()
    async with bench(tmp_path, TWICE, clocks=(clocks.venue, clocks.machine)) as ready:
        measured: list[float] = []
        take = ready.world.clock.measured

        def counted(asked_ns: int, venue_ms: int, answered_ns: int) -> bool:
            measured.append(trio.current_time())
            return take(asked_ns, venue_ms, answered_ns)

        ready.world.clock.measured = counted  # type: ignore[method-assign]
        struck: list[float] = []
        strike_in(ready, nursery, "hold", lambda: [struck.append(trio.current_time()), clocks.set(0.5)])  # type: ignore[arg-type, return-value]
        await ready.run(within_s=120)
        assert len([at for at in measured if struck[0] < at <= struck[0] + LOOK_EVERY_S + 0.1]) == 1
        assert [message.set_ms for message in ready.said if isinstance(message, ClockShift)] == [500]
        assert any(isinstance(message, Note) and "measured again" in message.text for message in ready.said)
        assert ready.dialer.dials == 4
