"""An open pair's exit, signed in advance, is on disk while it is open, and not while it is being closed."""

import os
from pathlib import Path

import msgspec
import pytest
import trio

from actors.presigned_exit import PresignedExit
from messages.lifecycle import Hop
from messages.settings import Settings
from messages.sizing import LEGS
from messages.units import ONE, Base, Ms, Price, Quote
from tests.actors.fakes import held, resting_bid
from tests.machine.bench import Bench, bench
from venue.stored_escape import RENEW_S, WINDOW_MS, EscapeFile, StoredEscape, signed_escape

HUNDRED = Settings(target=Quote(100 * ONE), cycles=1, hold=Ms(70_000))


def stored(ready: Bench) -> StoredEscape | None:
    return EscapeFile(ready.world.state.beside(".escape"), durable=False).read()


async def test_it_is_signed_when_the_pair_stands_renewed_and_gone_before_the_exit_is_sealed(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    async with bench(tmp_path, HUNDRED) as ready:
        at_seals: dict[str, StoredEscape | None] = {}

        def watch(said: msgspec.Struct) -> None:
            if isinstance(said, Hop) and said.hop == "supervisor seals":
                at_seals[said.note] = stored(ready)

        ready.watchers.append(watch)
        nursery.start_soon(ready.run)
        await trio.sleep(10)
        first = stored(ready)
        assert first is not None
        assert (first.plan.eth.amount, first.plan.sol.amount) == (Base.of("-0.042"), Base.of("1"))
        await trio.sleep(RENEW_S)
        second = stored(ready)
        assert second is not None
        assert second.generation == first.generation + 1
        assert second.plan.recv_time_ms - ready.world.clock.now_ms() > WINDOW_MS - RENEW_S * 1000
        while "exit" not in at_seals:  # noqa: ASYNC110 - there is no event for it
            await trio.sleep(1)
        assert at_seals == {"enter": None, "exit": None}
        assert stored(ready) is None
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("blocked", [True, False])
async def test_a_disk_that_cannot_keep_it_stops_no_trading(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, blocked: bool
) -> None:
    """R11."""
    async with bench(tmp_path, msgspec.structs.replace(HUNDRED, hold=Ms(500))) as ready:
        if blocked:
            ready.world.state.beside(f".escape.tmp-{os.getpid()}").mkdir()
        ending = await ready.run(within_s=60)
        assert (ending.by, ready.totals().completed) == ("done", 1)
        warned = any(
            "the presigned exit orders could not be stored" in getattr(said, "text", "")
            for said in ready.said
        )
        assert warned is blocked


async def test_what_cancels_an_order_that_rests_is_kept_while_the_other_leg_is_closed(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """A kill then must find what cancels it, and no order that could close a later pair."""
    async with bench(tmp_path, HUNDRED) as ready:
        world, channels = ready.world, ready.machine.channels
        file, build = EscapeFile(world.state.beside(".escape"), durable=False), world.venue.order_builder
        resting, now_ms = resting_bid("0x" + "ab" * 32), world.clock.now_ms()
        pair = held(phase="working", eth=Base.of("0.2"), sol=Base.of("-5"), working=(resting,))
        prices = Price.of("2756.8"), Price.of("115.86")
        most = signed_escape(pair, prices, world.rules, build, HUNDRED, now_ms, 1)
        cancel = world.venue.sign_cancel(4, resting.doubt.order_digest, most.plan.recv_time_ms)
        file.replace(msgspec.structs.replace(most, resting=(resting.doubt,), cancels=(cancel,)))
        channels.held.put(pair)
        kept_exit = PresignedExit(world, channels)
        for _ in range(2):  # of an earlier process, or by this one: whatever is sealed, and however often
            kept_exit.drop()
            left = stored(ready)
            assert left is not None
            assert (left.cancel(cancel.digest, now_ms), left.orders) == (cancel, ())
            assert not any(left.plan.leg(leg).amount for leg in LEGS)
        channels.held.put(held())
        kept_exit.drop()
        assert stored(ready) is None
