"""Legs that cannot connect: nothing is sealed for them to decline, it is said once, and a lone leg does
not wait for them for long.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from unittest import mock

import msgspec
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.leg_connections import LegConnections
from actors.risk import may_enter
from actors.tree import World
from messages.execution import Outcome
from messages.lifecycle import Alarm, Denial, Denied, Halted, Held, HeldLeg, Legging, Note, Waiting
from messages.sizing import Abort, Declined, Place, Sealed, SizingPlan
from messages.units import ONE, Base, Ms, Quote
from runtime.specs import Restarting
from tests.actors.fakes import held
from tests.machine.bench import Bench, bench
from tests.machine.test_killed import HUNDRED
from tests.venue.nado.test_broken_wires import sends
from venue.nado.orders import NadoOrderWire
from venue.nado.socket import Socket
from venue.protocol import Unreachable

ODD = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept:"
    b" ACCEPT\r\n" + b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99\r\n\r\n"
)
ALARMED = msgspec.structs.replace(
    HUNDRED, limits=msgspec.structs.replace(HUNDRED.limits, alarm_after_denying=Ms(20_000))
)


class Legs:
    """The legs' connections: each of those in `gone` is dropped as soon as it is made."""

    def __init__(self, ready: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ready = ready
        self.gone: set[str] = set()
        read = NadoOrderWire._read

        async def dropped(wire: NadoOrderWire, socket: Socket) -> None:
            if wire._name in self.gone:
                raise Unreachable("staged")
            await read(wire, socket)

        monkeypatch.setattr(NadoOrderWire, "_read", dropped)

    def cut(self, *names: str) -> None:
        """These are lost now, and do not come back."""
        self.gone |= set(names)
        for name in names:
            wire = self._ready.world.venue._wires.get(name)  # type: ignore[attr-defined]
            if wire is not None and wire._socket is not None:
                wire._socket.abandon("staged")


def answers_oddly(ready: Bench, nursery: trio.Nursery) -> list[float]:
    """From now on every new connection is answered with what cannot be. The moments of those connections."""
    dials: list[float] = []

    async def dial(_host: str, _port: int, *, tls: bool) -> trio.abc.Stream:
        dials.append(trio.current_time())
        ours, theirs = trio.testing.memory_stream_pair()
        nursery.start_soon(sends(ODD), theirs)
        return ours

    ready.dialer.dial = dial  # type: ignore[method-assign]
    return dials


def of_kind(ready: Bench, kind: type[msgspec.Struct]) -> list[msgspec.Struct]:
    return [said for said in ready.said if isinstance(said, kind)]


async def test_a_minute_of_odd_answers_to_every_upgrade_restarts_nobody_and_seals_nothing(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    """On 76ac2a0: 40 restarts in 2 s, then GAVE_UP."""
    async with bench(tmp_path, ALARMED) as ready:
        dials = answers_oddly(ready, nursery)
        with trio.move_on_after(60):
            await ready.machine.run()
        assert [said for said in ready.said if isinstance(said, Restarting | Halted)] == []
        assert of_kind(ready, Sealed) == []
        assert 4 * 12 <= len(dials) < 4 * 40, (
            "every connection is tried at least every 5 s and not much more often"
        )
        nursery.cancel_scope.cancel()


async def test_when_only_the_legs_cannot_connect_nothing_is_sealed_one_line_says_why_and_an_alarm_is_raised(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On 76ac2a0: 368 plans sealed and aborted in 60 s, and no alarm."""
    async with bench(tmp_path, ALARMED) as ready:
        Legs(ready, monkeypatch).cut("eth_leg", "sol_leg")
        with trio.move_on_after(60):
            await ready.machine.run()
        assert of_kind(ready, SizingPlan), "sizing proposes"
        assert of_kind(ready, Sealed) == of_kind(ready, Abort) == []
        both = "eth_leg and sol_leg have no connection to send an order on"
        assert of_kind(ready, Denied) == [Denied("NOT_CONNECTED", f"enter: {both}")]
        alarms = [said for said in ready.said if isinstance(said, Alarm)]
        assert [alarm.code for alarm in alarms] == ["NOT_CONNECTED"] * 2
        assert sum(isinstance(said, Note) and both in said.text for said in ready.said) == 1
        assert Waiting("enter", "NOT_CONNECTED", both) in of_kind(ready, Waiting)


async def test_a_lone_leg_without_a_connection_is_waited_for_ten_seconds_and_then_the_run_halts_for_escape(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(tmp_path, msgspec.structs.replace(HUNDRED, legging_known=Ms(60_000))) as ready:
        legs, lost = Legs(ready, monkeypatch), list[float]()

        def watch(said: msgspec.Struct) -> None:
            if isinstance(said, Place):
                legs.cut("eth_leg")  # its order never leaves
            elif isinstance(said, Outcome) and said.leg == "sol" and said.kind == "accepted":
                lost.append(trio.current_time())
                legs.cut("sol_leg")

        ready.watchers.append(watch)
        ending = await ready.run(within_s=60)
        assert (ending.by, ending.code, ending.open_legs) == ("halt", "LEG_UNREACHABLE", "SOL-PERP -1")
        assert (
            ending.detail
            == "eth_leg and sol_leg without a connection for 10 s while ETH 0 and SOL -1 are held, which is"
            " not a hedged pair"
        )
        assert trio.current_time() - lost[0] == pytest.approx(10, abs=0.7)
        assert ready.world.state.halted == ("LEG_UNREACHABLE", ending.detail)
        assert len(of_kind(ready, Sealed)) == 1, "nothing is sealed that nobody can send"


async def test_a_hedged_pair_whose_legs_lose_their_connections_stays_and_leaves_when_they_are_back(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        bench(tmp_path, msgspec.structs.replace(HUNDRED, hold=Ms(5_000))) as ready,
        trio.open_nursery() as outside,
    ):
        legs = Legs(ready, monkeypatch)

        async def away() -> None:
            await trio.sleep(3)
            legs.cut("eth_leg", "sol_leg")
            await trio.sleep(30)
            legs.gone.clear()

        outside.start_soon(away)
        ending = await ready.run(within_s=60)
        assert (ending.by, ending.open_legs, ready.totals().completed) == ("done", "", 1)
        assert [said.plan.purpose for said in ready.said if isinstance(said, Sealed)] == ["enter", "exit"]
        assert 33 < trio.current_time() < 42


async def test_a_pair_that_must_leave_and_cannot_connect_for_venue_patience_halts_as_before(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        bench(tmp_path, msgspec.structs.replace(HUNDRED, hold=Ms(3_000), venue_patience=Ms(20_000))) as ready,
        trio.open_nursery() as outside,
    ):
        legs = Legs(ready, monkeypatch)

        async def away() -> None:
            await trio.sleep(2)
            legs.cut("eth_leg", "sol_leg")

        outside.start_soon(away)
        ending = await ready.run(within_s=60)
        assert (ending.by, ending.code, ending.open_legs) == (
            "halt",
            "CLOSE_OVERDUE",
            "ETH-PERP 0.042, SOL-PERP -1",
        )


async def test_a_venue_that_is_slow_at_each_step_of_subscribing_restarts_no_actor(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    """Upgrade, authentication and subscription may take 5 s each, and the closing another."""
    async with bench(tmp_path, HUNDRED) as ready:
        dial = ready.dialer.dial

        class Late(trio.abc.Stream):
            def __init__(self, stream: trio.abc.Stream) -> None:
                self._stream = stream
                self.said = 0

            async def send_all(self, data: bytes | bytearray | memoryview) -> None:
                await self._stream.send_all(data)

            async def wait_send_all_might_not_block(self) -> None:
                await self._stream.wait_send_all_might_not_block()

            async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
                data = await self._stream.receive_some(max_bytes)
                self.said += 1
                await trio.sleep(4.9 if self.said < 3 else 600)
                return data

            async def aclose(self) -> None:
                await self._stream.aclose()

        async def late(host: str, port: int, *, tls: bool) -> trio.abc.Stream:
            return Late(await dial(host, port, tls=tls))

        monkeypatch.setattr(ready.dialer, "dial", late)
        with trio.move_on_after(120):
            await ready.machine.run()
        assert of_kind(ready, Restarting) == []
        nursery.cancel_scope.cancel()


def held_legs(phase: str) -> Held:
    return cast("Held", SimpleNamespace(phase=phase, eth=HeldLeg(Base.of("0.042")), sol=HeldLeg()))


def test_connections_that_come_and_go_at_once_do_not_begin_the_ten_seconds_anew() -> None:
    gone = {"eth_leg"}
    world = cast("World", SimpleNamespace(venue=SimpleNamespace(unconnected=lambda: frozenset(gone))))
    watch = LegConnections(world)
    for tenth in range(100):
        # half a second up, half a second down
        gone.symmetric_difference_update({"eth_leg"} if tenth % 5 == 0 else ())
        assert watch.overdue(held_legs("uneven"), tenth / 10) == ""
    gone.add("eth_leg")
    assert "eth_leg without a connection for 10 s" in watch.overdue(held_legs("uneven"), 10.6)
    assert watch.overdue(held_legs("open"), 10.7) == ""
    assert watch.overdue(held_legs("uneven"), 10.8) == "", "another lone leg, another ten seconds"
    gone.clear()
    assert watch.overdue(held_legs("uneven"), 30.0) == watch.overdue(held_legs("uneven"), 31.0) == ""
    gone.add("eth_leg")
    assert watch.overdue(held_legs("uneven"), 32.0) == "", "it had been back for a second"


def test_what_an_order_that_rests_has_traded_waits_no_longer_for_a_connection_than_a_lone_leg() -> None:
    world = cast("World", SimpleNamespace(venue=SimpleNamespace(unconnected=lambda: frozenset({"sol_leg"}))))
    watch, resting = LegConnections(world), held(phase="working")
    assert watch.overdue(resting, 0.0) == watch.overdue(resting, 20.0) == "", "nothing has traded"
    traded = msgspec.structs.replace(resting, legging=Legging(naked=Quote(100 * ONE)))
    assert watch.overdue(traded, 21.0) == ""
    assert "sol_leg without a connection for 10 s" in watch.overdue(traded, 31.0)


@pytest.mark.long
async def test_plans_that_are_declined_again_and_again_are_sealed_more_and_more_rarely_and_raise_an_alarm(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    """A leg that has a connection and votes no for another reason: nobody can know before."""
    async with bench(tmp_path, ALARMED) as ready:
        refuse = Denial("MAX_LEG_NOTIONAL", "staged")
        leg_stage = replace(
            may_enter.LEG,
            conditions=tuple(each._replace(rule=lambda _: refuse) for each in may_enter.LEG.conditions),
        )
        with mock.patch("actors.leg.LEG", leg_stage), trio.move_on_after(300):
            await ready.machine.run()
        sealed = of_kind(ready, Sealed)
        assert 8 <= len(sealed) == len(of_kind(ready, Abort)) <= 16, "doubling up to a minute"
        assert Counter(said.code for said in ready.said if isinstance(said, Declined)).keys() == {
            "MAX_LEG_NOTIONAL"
        }
        assert {said.code for said in ready.said if isinstance(said, Alarm)} == {"ABORTED"}
        nursery.cancel_scope.cancel()
