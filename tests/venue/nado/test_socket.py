"""Both ends of the socket over in-memory streams, on virtual time; and once over real TCP."""

import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
import trio_websocket
from trio.testing import MockClock

from tests.venue.nado.wires import MemoryDialer
from venue.nado.socket import (
    NO_DEFLATE,
    PING_EVERY_S,
    RECEIVE_BYTES,
    SILENCE_S,
    Socket,
    TcpDialer,
    accept_socket,
    background,
    offers_deflate,
    open_socket,
)
from venue.protocol import Unreachable

URL = "ws://venue/v1/ws"


async def echo(socket: Socket) -> None:
    while True:
        await socket.send(await socket.receive())


async def drain(socket: Socket) -> None:
    while True:
        assert isinstance(await socket.receive(), str)


def test_trio_websocket_still_has_the_one_private_name_that_is_used() -> None:
    assert callable(trio_websocket.WebSocketConnection._reader_task)


async def test_both_sides_agree_on_deflate_and_texts_cross_unchanged(autojump_clock: MockClock) -> None:
    sides: list[bool] = []

    async def session(socket: Socket) -> None:
        sides.append(socket.compressed)
        assert socket.path == "/v1/ws"
        await echo(socket)

    async with MemoryDialer(session) as dialer, open_socket(URL, dialer) as socket:
        for text in ("", "{}", "0" * 100_000, "\N{GREEK SMALL LETTER ALPHA}"):
            await socket.send(text)
            assert await socket.receive() == text
        assert sides == [socket.compressed] == [True]


async def test_while_a_flood_of_one_read_is_worked_through_everybody_else_has_turns(
    autojump_clock: MockClock,
) -> None:
    """An order takes some ten turns of the scheduler from its plan to its bytes."""
    count, turns = 3_000, 0
    one_read = b"\x81\x02{}" * count

    async def others() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with MemoryDialer(drain) as dialer, open_socket(URL, dialer) as socket, background() as nursery:
        assert len(one_read) < RECEIVE_BYTES
        await dialer.inject(one_read)
        nursery.start_soon(others)
        read = 0
        while read < count:
            batch = await socket.receive_batch()
            assert 0 < len(batch) <= 50
            read += len(batch)
        assert turns >= count // 50


async def test_messages_before_a_closing_are_read_one_by_one_or_together_and_then_it_is_over(
    autojump_clock: MockClock,
) -> None:
    closing = b"\x81\x02{}" * 40 + b"\x88\x02\x03\xe8"
    async with MemoryDialer(drain) as dialer, open_socket(URL, dialer) as socket:
        await dialer.inject(closing)
        read = [await socket.receive()]
        while len(read) < 40:
            read += await socket.receive_batch()
        assert read == ["{}"] * 40
        with pytest.raises(Unreachable, match="closed: 1000"):
            await socket.receive_batch()


async def test_compressed_bytes_are_fewer_than_the_text(autojump_clock: MockClock) -> None:
    async with MemoryDialer(echo) as dialer, open_socket(URL, dialer) as socket:
        before = dialer.sent
        await socket.send("0" * 100_000)
        await socket.receive()
        assert dialer.sent - before < 1_000


async def test_an_upgrade_without_deflate_is_refused_with_403_and_the_venues_body(
    autojump_clock: MockClock,
) -> None:
    async with MemoryDialer(echo) as dialer, trio.open_nursery() as nursery:
        stream: Any = await dialer.dial("venue", 80, tls=False)
        with pytest.raises(BaseExceptionGroup) as caught:
            async with trio.open_nursery() as inner:
                await trio_websocket.wrap_client_stream(inner, stream, "venue", "/v1/ws")
        refused = caught.value.exceptions[0]
        assert isinstance(refused, trio_websocket.ConnectionRejected)
        assert refused.status_code == 403
        assert refused.body is not None
        assert str(NO_DEFLATE["reason"]).encode() in refused.body
        nursery.cancel_scope.cancel()


async def test_a_refused_upgrade_names_status_and_body(autojump_clock: MockClock) -> None:
    async def refuse(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        body = b'{"reason":"ip_query_only","blocked":true}'
        await stream.send_all(
            b"HTTP/1.1 403 Forbidden\r\ncontent-length: " + str(len(body)).encode() + b"\r\n\r\n" + body
        )

    async with MemoryDialer(raw=refuse) as dialer:
        with pytest.raises(Unreachable, match=r"403 .*ip_query_only"):
            async with open_socket(URL, dialer):
                raise AssertionError("it opened")


async def test_a_venue_that_never_answers_the_upgrade_is_unreachable_in_time(
    autojump_clock: MockClock,
) -> None:
    async def say_nothing(_stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    async with MemoryDialer(raw=say_nothing) as dialer:
        with pytest.raises(Unreachable, match="handshake"):
            async with open_socket(URL, dialer, deadline_s=2):
                raise AssertionError("it opened")
        assert trio.current_time() == pytest.approx(2, abs=0.1)


async def test_a_venue_that_refuses_the_connection_is_unreachable() -> None:
    class Nobody:
        async def dial(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
            raise OSError(f"nobody at {host}:{port}, tls {tls}")

    with pytest.raises(Unreachable, match="nobody at venue:443, tls True"):
        async with open_socket("wss://venue/v1/ws", Nobody()):
            raise AssertionError("it opened")


async def test_a_dial_that_hangs_is_unreachable_in_time(autojump_clock: MockClock) -> None:
    class Slow:
        async def dial(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
            await trio.sleep_forever()
            raise AssertionError

    with pytest.raises(Unreachable, match="in time"):
        async with open_socket(URL, Slow()):
            raise AssertionError("it opened")


async def test_what_arrived_before_the_end_is_read_and_then_the_socket_says_why(
    autojump_clock: MockClock,
) -> None:
    async def session(socket: Socket) -> None:
        await socket.send("one")
        await socket.send("two")

    async with MemoryDialer(session) as dialer, open_socket(URL, dialer) as socket:
        assert [await socket.receive(), await socket.receive()] == ["one", "two"]
        with pytest.raises(Unreachable, match="closed: 1000"):
            await socket.receive()
        assert not socket.open
        with pytest.raises(Unreachable):
            await socket.send("three")


async def test_a_cut_stream_is_unreachable_for_both_ends(autojump_clock: MockClock) -> None:
    ends: list[str] = []

    async def session(socket: Socket) -> None:
        try:
            await socket.receive()
        except Unreachable as error:
            ends.append(str(error))
            raise

    async with MemoryDialer(session) as dialer, open_socket(URL, dialer) as socket:
        await dialer.cut()
        with pytest.raises(Unreachable):
            await socket.receive()
        await trio.testing.wait_all_tasks_blocked()
        assert len(ends) == 1


async def test_an_abandoned_socket_sends_nothing_more(autojump_clock: MockClock) -> None:
    async with MemoryDialer(echo) as dialer, open_socket(URL, dialer) as socket:
        await socket.send("one")
        await socket.receive()
        before = dialer.sent
        socket.abandon("out of step")
        with pytest.raises(Unreachable, match="out of step"):
            await socket.send("two")
        await socket.ended.wait()
        with pytest.raises(Unreachable, match="out of step"):
            await socket.receive()
        assert dialer.sent == before


async def test_a_ping_leaves_every_thirty_seconds_and_a_live_peer_keeps_the_socket_open(
    autojump_clock: MockClock,
) -> None:
    async with MemoryDialer(echo) as dialer, open_socket(URL, dialer) as socket:
        before = dialer.sent
        await trio.sleep(10 * PING_EVERY_S + 1)
        assert socket.open
        assert dialer.sent - before == 10 * (2 + 4 + 8)  # ten masked ping frames of eight bytes


async def test_a_silent_peer_is_given_up_after_a_minute(autojump_clock: MockClock) -> None:
    async with MemoryDialer(echo) as dialer, open_socket(URL, dialer) as socket:
        dialer.mute = True
        with pytest.raises(Unreachable, match="nothing received for 60 s"):
            await socket.receive()
        assert trio.current_time() == pytest.approx(SILENCE_S, abs=1)


async def test_closing_waits_a_second_at_most_for_a_peer_that_does_not_answer(
    autojump_clock: MockClock,
) -> None:
    async with MemoryDialer(echo) as dialer:
        async with open_socket(URL, dialer):
            dialer.mute = True
            began = trio.current_time()
        assert trio.current_time() - began <= 1.01


async def test_a_message_beyond_the_limit_ends_the_connection(autojump_clock: MockClock) -> None:
    async def session(socket: Socket) -> None:
        await socket.send("0" * (4 * 2**20 + 1))
        await trio.sleep_forever()

    async with MemoryDialer(session) as dialer, open_socket(URL, dialer) as socket:
        with pytest.raises(Unreachable, match="1009"):
            await socket.receive()


async def test_bytes_that_are_no_frames_end_the_connection_and_nothing_else(
    autojump_clock: MockClock,
) -> None:
    """Reproduce a failure with the seed in its message."""
    for seed in range(20):
        noise = random.Random(seed).randbytes(200)

        def session(noise: bytes) -> Callable[[Socket], Awaitable[None]]:
            async def send_noise(_socket: Socket) -> None:
                await dialer.inject(noise)
                await dialer.cut()

            return send_noise

        async with MemoryDialer(session(noise)) as dialer, open_socket(URL, dialer) as socket:
            with pytest.raises(Unreachable):
                await drain(socket)
            assert not socket.open, f"seed {seed}"


async def test_a_cancelled_user_leaves_at_once(autojump_clock: MockClock) -> None:
    async with MemoryDialer(echo) as dialer:
        with trio.move_on_after(3) as scope:
            async with open_socket(URL, dialer) as socket:
                await socket.receive()
        assert scope.cancelled_caught
        assert trio.current_time() == pytest.approx(3)


async def test_the_users_own_exception_comes_out_bare(autojump_clock: MockClock) -> None:
    async with MemoryDialer(echo) as dialer:
        with pytest.raises(ZeroDivisionError):
            async with open_socket(URL, dialer):
                raise ZeroDivisionError


async def test_two_failures_in_the_background_stay_a_group() -> None:
    async def fail(error: Exception) -> None:
        raise error

    async def both() -> None:
        async with background() as nursery:
            nursery.start_soon(fail, KeyError())
            nursery.start_soon(fail, ValueError())

    with pytest.raises(BaseExceptionGroup) as caught:
        await both()
    assert len(caught.value.exceptions) == 2


async def test_over_real_tcp_the_same_code_connects_without_delay() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        try:
            async with accept_socket(stream) as socket:
                await echo(socket)
        except Unreachable:
            pass

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        port = listeners[0].socket.getsockname()[1]
        stream = await TcpDialer().dial("127.0.0.1", port, tls=False)
        assert isinstance(stream, trio.SocketStream)
        assert stream.getsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY)
        await stream.aclose()
        async with open_socket(f"http://127.0.0.1:{port}/v1/ws", TcpDialer()) as socket:
            await socket.send("hello")
            assert await socket.receive() == "hello"
            assert socket.compressed
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("value", "offers"),
    [
        (b"permessage-deflate", True),
        (b"x-other, Permessage-Deflate; client_max_window_bits", True),
        (b"permessage-deflate-not", False),
        (b"", False),
    ],
)
def test_the_offer_of_deflate_is_found_among_others(value: bytes, offers: bool) -> None:
    assert offers_deflate([(b"host", b"x"), (b"Sec-WebSocket-Extensions", value)]) is offers
    assert not offers_deflate([(b"host", value)])
