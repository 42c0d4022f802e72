"""Connections: answers out of order on /ws/v2, silence, the sixth authenticated socket, and frames cut in
the middle.
"""

from contextlib import AsyncExitStack
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from messages.units import Base
from tests.venue.simulated.desk import ETH, ME, floor, order
from tests.venue.simulated.streams.test_subscribe import auth_frame
from venue.protocol import Unreachable
from venue.simulated.engine.rules import AUTHENTICATED_MAX, VenueOptions
from venue.simulated.faults.incidents import Down
from venue.simulated.faults.order_faults import Cut, DisturbEvent, DisturbReply, Faults
from venue.simulated.gateway.sessions import truncated_frame

FILLS: dict[str, Any] = {"type": "fill", "subaccount": ME, "product_id": ETH}


async def test_the_second_gateway_answers_in_the_order_in_which_answers_are_ready(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place, place.socket("/ws/v2") as line:
        began = trio.current_time()
        for number, (wanted, kind) in enumerate(
            (("2756.9", "ioc"), ("2750", "post_only"), ("2756.9", "ioc"))
        ):
            await line.send(place.frame(order("0.042", wanted, kind), order_id=number))  # type: ignore[arg-type]
            await trio.sleep(0.001)
        assert [(await line.read())["id"] for _ in range(3)] == [1, 0, 2]
        assert trio.current_time() - began == pytest.approx(0.032, abs=1e-6)
        assert (await line.ask({"type": "status"}))["data"] == "active"


async def test_an_order_on_the_second_gateway_is_processed_although_its_connection_dies(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place:
        async with place.socket("/ws/v2") as line:
            await line.send(place.frame(order("0.042", "2756.9")))
            await trio.sleep(0.01)
        await trio.sleep(1)
        assert place.venue.exchange.order_log[-1].filled == Base.of("0.042")


async def test_a_client_that_neither_sends_nor_pings_is_hung_up_on_and_one_that_pings_is_not(
    autojump_clock: MockClock,
) -> None:
    async with (
        floor(faults=Faults(venue=VenueOptions(ping_timeout_s=45.0))) as place,
        place.socket("/v1/subscribe") as line,
    ):
        await trio.sleep(600)
        assert (await line.ask({"method": "list", "id": 1}))["id"] == 1
    async with (
        floor(faults=Faults(venue=VenueOptions(ping_timeout_s=25.0))) as place,
        place.socket("/v1/subscribe") as line,
    ):
        await line.subscribe(FILLS)
        with pytest.raises(Unreachable):
            await line.read()
        assert trio.current_time() == pytest.approx(625, abs=1)
        assert place.venue.subscribers._topics == {}


@pytest.mark.parametrize(("excess", "gone"), [("newest", AUTHENTICATED_MAX), ("oldest", 0)])
async def test_a_wallet_has_five_authenticated_sockets_and_the_excess_one_goes(
    excess: Any, gone: int, autojump_clock: MockClock
) -> None:
    async with (
        floor(faults=Faults(venue=VenueOptions(excess_socket=excess))) as place,
        AsyncExitStack() as stack,
    ):
        lines = [
            await stack.enter_async_context(place.socket("/v1/subscribe"))
            for _ in range(AUTHENTICATED_MAX + 1)
        ]
        for line in lines[:-1]:
            assert (await line.ask(auth_frame(place)))["result"] is None
        await lines[-1].send(auth_frame(place))
        if excess == "oldest":
            assert (await lines[-1].read())["result"] is None
        with pytest.raises(Unreachable):
            await lines[gone].read()
        left = [line for number, line in enumerate(lines) if number not in {gone, AUTHENTICATED_MAX}]
        for line in left:
            assert (await line.ask({"method": "list", "id": 3}))["id"] == 3


async def test_an_address_has_so_many_sockets_and_no_more(autojump_clock: MockClock) -> None:
    async with floor(faults=Faults(venue=VenueOptions(sockets_per_address=2))) as place:
        async with place.socket("/v1/ws") as first, place.socket("/v1/ws") as second:
            async with place.socket("/v1/ws") as third:
                with pytest.raises(Unreachable):
                    await third.read()
            for line in (first, second):
                assert (await line.ask({"type": "status"}))["data"] == "active"
        await trio.sleep(1)
        async with place.socket("/v1/ws") as again:
            assert (await again.ask({"type": "status"}))["data"] == "active"


async def test_an_answer_can_be_cut_in_the_middle_of_its_frame_and_the_order_stands(
    autojump_clock: MockClock,
) -> None:
    async with (
        floor(faults=Faults(cut=(Cut(nth=1, when="during"),))) as place,
        place.socket("/v1/ws") as line,
    ):
        with pytest.raises(Unreachable):
            await line.ask(place.frame(order("0.042", "2756.9")))
        assert place.venue.exchange.order_log[-1].filled == Base.of("0.042")
    text = "x" * 300
    assert truncated_frame(text) == b"\x81\x7e" + (300).to_bytes(2, "big") + b"x" * 150


async def test_a_stream_can_be_cut_in_the_middle_of_an_event(autojump_clock: MockClock) -> None:
    cut = Faults(event=(DisturbEvent(stream="fill", nth=2, how="cut"),))
    async with (
        floor(faults=cut) as place,
        place.socket("/v1/subscribe") as line,
        place.socket("/v1/ws") as gateway,
    ):
        await line.subscribe(FILLS)
        for _ in range(2):
            assert (await gateway.ask(place.frame(order("0.042", "2756.9"))))["status"] == "success"
        assert (await line.read())["filled_qty"] == "42000000000000000"
        with pytest.raises(Unreachable):
            await line.read()


async def test_the_answer_to_a_subscription_can_be_a_cut(autojump_clock: MockClock) -> None:
    cut = Faults(reply=(DisturbReply(request="subscribe", nth=1, how="cut"),))
    async with floor(faults=cut) as place, place.socket("/v1/subscribe") as line:
        with pytest.raises(Unreachable):
            await line.ask({"method": "subscribe", "stream": FILLS, "id": 1})


async def test_a_host_that_is_down_cuts_every_socket_and_refuses_connections_until_it_is_back(
    autojump_clock: MockClock,
) -> None:
    async with floor() as place, place.socket("/v1/ws") as gateway, place.socket("/v1/subscribe") as stream:
        place.venue.faults = Faults(incident=(Down(at_ms=1000, for_ms=2000),))
        await trio.sleep(0.9)
        assert (await gateway.ask({"type": "status"}))["data"] == "active"
        await trio.sleep(0.2)
        for line in (gateway, stream):
            with pytest.raises(Unreachable):
                await line.read()
        with pytest.raises(Unreachable):
            async with place.socket("/v1/ws"):
                raise AssertionError("it opened")
        assert (await place.http.get("http://venue/v1/time")).status_code == 502
        await trio.sleep(2)
        async with place.socket("/v1/ws") as again:
            assert (await again.ask({"type": "status"}))["data"] == "active"
