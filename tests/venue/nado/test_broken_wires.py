"""Whatever the far side of a socket sends: the connection is usable, or it is `Unreachable`; nothing else,
and never much memory.

The cases here are named; `tests/fuzz/wire` makes up a million others.
"""

import base64
import hashlib
import re
import struct
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable, Iterator

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.venue.nado.wires import MemoryDialer
from venue.nado import socket as sockets
from venue.nado.counts import TroubleTally
from venue.nado.deflate import BoundedDeflate
from venue.nado.socket import (
    BATCH_TEXT,
    FRAGMENTS_MAX,
    MESSAGE_BYTES_MAX,
    QUEUE_TEXT_MAX,
    Socket,
    TcpDialer,
    open_socket,
)
from venue.nado.streams import subscribed
from venue.nado.tracked_streams import TrackedStreams
from venue.protocol import Unreachable

URL = "ws://venue/v1/ws"
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"


async def accept_of(stream: trio.abc.Stream) -> bytes:
    """Reads the upgrade request; the token that answers it."""
    request = bytes(await stream.receive_some())
    key = re.search(rb"(?i)sec-websocket-key: *([^\r]+)", request)
    assert key is not None
    return base64.b64encode(hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # noqa: S324 - RFC 6455's


def head(more: bytes = DEFLATE, *, status: bytes = b"HTTP/1.1 101 Switching Protocols") -> bytes:
    return (
        status
        + b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"
        + more
        + b"\r\n"
    )


def frame(first: int, payload: bytes = b"", *, length: bytes | None = None) -> bytes:
    if length is None:
        size = len(payload)
        length = (
            bytes([size])
            if size < 126
            else b"\x7e" + struct.pack("!H", size)
            if size < 2**16
            else b"\x7f" + struct.pack("!Q", size)
        )
    return bytes([first]) + length + payload


def deflated(text: bytes) -> bytes:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (squeeze.compress(text) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]


def sends(*pieces: bytes, then: str = "silence") -> Callable[[trio.abc.Stream], Awaitable[None]]:
    """A far side that answers the upgrade with exactly this."""

    async def serve(stream: trio.abc.Stream) -> None:
        token = await accept_of(stream)
        try:
            for piece in pieces:
                await stream.send_all(piece.replace(b"ACCEPT", token))
            if then == "end":
                await stream.aclose()
            await trio.sleep_forever()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client has gone

    return serve


async def read_all(socket: Socket) -> None:
    while True:
        await socket.receive()


HANDSHAKES: dict[str, bytes] = {
    "client window of 8 bits": head(
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=8\r\n"
    ),
    "server window of 8 bits": head(
        b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8\r\n"
    ),
    "window of 99 bits": head(b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99\r\n"),
    "window of abc bits": head(
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=abc\r\n"
    ),
    "window without bits": head(b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"),
    "unknown parameter": head(b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bitsy=9\r\n"),
    "parameter twice": head(
        b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9;"
        b" server_max_window_bits=15\r\n"
    ),
    "deflate twice": head(b"Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate\r\n"),
    "header that is not ASCII": head(b"Sec-WebSocket-Extensions: permessage-deflate; \xff\xfe\r\n"),
    "connection that is not ASCII": head().replace(b"Connection: Upgrade", b"Connection: Upgr\xe4de"),
    "subprotocol that is not ASCII": head(DEFLATE + b"Sec-WebSocket-Protocol: \xe9\r\n"),
    "subprotocol nobody asked for": head(DEFLATE + b"Sec-WebSocket-Protocol: mqtt\r\n"),
    "unknown extension": head(b"Sec-WebSocket-Extensions: permessage-bzip2\r\n"),
    "200 kB header": head(DEFLATE + b"X-Long: " + b"x" * 200_000 + b"\r\n"),
    "wrong accept": head().replace(b"ACCEPT", b"AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    "no accept": head().replace(b"Sec-WebSocket-Accept: ACCEPT\r\n", b""),
    "no upgrade": head().replace(b"Upgrade: websocket\r\n", b""),
    "bad status line": head(status=b"HTTP/1.1 abc Switching"),
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: http://[::1/\r\nContent-Length: 0\r\n\r\n",
    "broken chunks on a 403": (
        b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n"
    ),
    "two lengths on a 403": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "TLS alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n",
    "header without a colon": head(DEFLATE + b"nonsense\r\n"),
    "header with a NUL": head(DEFLATE + b"X: a\x00b\r\n"),
    "nothing": b"\x00",
}


@pytest.mark.parametrize("then", ["silence", "end"])
@pytest.mark.parametrize("name", HANDSHAKES)
async def test_an_odd_answer_to_the_upgrade_is_unreachable(
    name: str, then: str, autojump_clock: MockClock
) -> None:
    async with MemoryDialer(raw=sends(HANDSHAKES[name], then=then)) as dialer:
        with pytest.raises(Unreachable):
            async with open_socket(URL, dialer):
                raise AssertionError("it opened")
        assert trio.current_time() <= 7


FRAMES: dict[str, bytes] = {
    "reserved opcode": frame(0x83, b"{}"),
    "reserved control opcode": frame(0x8B),
    "second reserved bit": frame(0xA1, b"{}"),
    "third reserved bit": frame(0x91, b"{}"),
    "compressed ping": frame(0xC9, b"x"),
    "compressed continuation": frame(0x41, deflated(b"{}")) + frame(0xC0, b""),
    "continuation without a start": frame(0x80, b"{}"),
    "start within a message": frame(0x01, b"{") + frame(0x81, b"}"),
    "fragmented ping": frame(0x09),
    "masked by a server": b"\x81\x82abcd{}",
    "huge control frame": frame(0x89, b"x" * 126),
    "length in too many bytes": frame(0x81, b"{}", length=b"\x7e\x00\x02"),
    "length of 2**63": frame(0x81, length=b"\x7f\x80" + b"\x00" * 7),
    "text that is not utf-8": frame(0x81, b"\xff\xfe"),
    "half a character": frame(0x81, b"\xe2\x82"),
    "broken deflate": frame(0xC1, b"\xff\xff\xff\xff\xff"),
    "deflate that is not utf-8": frame(0xC1, deflated(b"\xff")),
    "final deflate block": frame(0xC1, zlib.compressobj(9, zlib.DEFLATED, -15).flush(zlib.Z_FINISH)),
    "close with one byte": frame(0x88, b"\x03"),
    "close with code 0": frame(0x88, b"\x00\x00"),
    "close with code 1005": frame(0x88, struct.pack("!H", 1005)),
    "close with code 65535": frame(0x88, b"\xff\xff"),
    "close with a reason that is no text": frame(0x88, b"\x03\xe8\xff"),
    "close": frame(0x88, struct.pack("!H", 1011) + b"oops"),
    "close without a code": frame(0x88),
    "HTTP again": head(),
}


@pytest.mark.parametrize("then", ["silence", "end"])
@pytest.mark.parametrize("name", FRAMES)
async def test_an_odd_frame_ends_the_connection_and_it_is_unreachable(
    name: str, then: str, autojump_clock: MockClock
) -> None:
    async with (
        MemoryDialer(raw=sends(head() + frame(0x81, b"{}") + FRAMES[name], then=then)) as dialer,
        open_socket(URL, dialer) as socket,
    ):
        assert await socket.receive() == "{}"
        began = trio.current_time()
        with pytest.raises(Unreachable):
            await socket.receive()
        assert trio.current_time() - began <= 2, "it did not notice"
        with pytest.raises(Unreachable):
            await socket.send("{}")


async def test_a_frame_longer_than_any_is_waited_for_no_longer_than_a_silent_peer(
    autojump_clock: MockClock,
) -> None:
    async with (
        MemoryDialer(raw=sends(head() + frame(0x81, length=b"\x7f" + struct.pack("!Q", 2**62)))) as dialer,
        open_socket(URL, dialer) as socket,
    ):
        with pytest.raises(Unreachable, match="nothing received for 60 s"):
            await socket.receive()


async def test_a_ping_between_two_fragments_of_a_compressed_message_leaves_it_readable(
    autojump_clock: MockClock,
) -> None:
    text = b'{"price":"1"}' * 20
    squeezed = deflated(text)
    parts = frame(0x41, squeezed[:9]) + frame(0x89, b"ping") + frame(0x80, squeezed[9:])
    async with (
        MemoryDialer(raw=sends(head() + parts + frame(0x81, b"next"))) as dialer,
        open_socket(URL, dialer) as socket,
    ):
        assert [await socket.receive(), await socket.receive()] == [text.decode(), "next"]


async def test_a_message_may_inflate_to_its_limit_and_not_one_byte_further(autojump_clock: MockClock) -> None:
    whole, more = (frame(0xC1, deflated(b"0" * size)) for size in (MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX + 1))
    async with MemoryDialer(raw=sends(head() + whole, more)) as dialer, open_socket(URL, dialer) as socket:
        assert len(await socket.receive()) == MESSAGE_BYTES_MAX
        with pytest.raises(Unreachable, match="1009"):
            await socket.receive()
        assert socket.oversized


async def test_a_bomb_is_inflated_no_further_than_the_limit_and_says_1009_to_whoever_sent_it(
    autojump_clock: MockClock,
) -> None:
    """64 MB of zeros in 64 kB, in one read."""
    bomb, heard = frame(0xC1, deflated(b"0" * (60 * 2**20))), bytearray()

    async def serve(stream: trio.abc.Stream) -> None:
        await stream.send_all((head() + bomb).replace(b"ACCEPT", await accept_of(stream)))
        async for data in stream:
            heard.extend(data)

    assert len(bomb) < sockets.RECEIVE_BYTES
    async with MemoryDialer(raw=serve) as dialer, open_socket(URL, dialer) as socket:
        with pytest.raises(Unreachable, match="1009"):
            await socket.receive()
        assert socket._wire.deflate.inflated == MESSAGE_BYTES_MAX + 1
        await trio.testing.wait_all_tasks_blocked()
    assert heard[0] == 0x88
    assert struct.unpack("!H", bytes(a ^ b for a, b in zip(heard[6:8], heard[2:4], strict=True)))[0] == 1009


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """Bytes that Python held at most since the beginning of the test."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


async def test_messages_that_nobody_reads_are_kept_up_to_a_total_size(
    autojump_clock: MockClock, peak: Callable[[], int]
) -> None:
    """Each is just within its limit; together they would be 1 GB."""
    one = frame(0xC1, deflated(b"0" * (MESSAGE_BYTES_MAX - 1)))
    async with MemoryDialer(raw=sends(head(), *[one] * 200)) as dialer, open_socket(URL, dialer) as socket:
        await trio.sleep(5)
        assert not socket.open
        assert socket._wire.waiting <= QUEUE_TEXT_MAX + MESSAGE_BYTES_MAX
        with pytest.raises(Unreachable, match="wait to be read"):
            await read_all(socket)
    assert peak() < 64 * 2**20


async def test_a_message_of_endless_empty_fragments_ends_the_connection(autojump_clock: MockClock) -> None:
    pieces = [frame(0x01), *[frame(0x00) * 100] * (FRAGMENTS_MAX // 100 + 1)]
    async with MemoryDialer(raw=sends(head(), *pieces)) as dialer, open_socket(URL, dialer) as socket:
        with pytest.raises(Unreachable, match="fragments"):
            await socket.receive()


async def test_ten_thousand_pings_in_one_read_end_the_connection(autojump_clock: MockClock) -> None:
    async with (
        MemoryDialer(raw=sends(head() + frame(0x8A) * 10_000)) as dialer,
        open_socket(URL, dialer) as socket,
    ):
        with pytest.raises(Unreachable, match="frames at once"):
            await socket.receive()


async def test_a_refusal_with_an_endless_body_is_read_no_further_than_its_limit(
    autojump_clock: MockClock,
) -> None:
    sent = 0

    async def serve(stream: trio.abc.Stream) -> None:
        nonlocal sent
        await accept_of(stream)
        await stream.send_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 999999999\r\n\r\n")
        try:
            while True:
                await stream.send_all(b"x" * 10_000)
                sent += 10_000
                await trio.lowlevel.checkpoint()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async with MemoryDialer(raw=serve) as dialer:
        with pytest.raises(Unreachable, match="refused with more than"):
            async with open_socket(URL, dialer):
                raise AssertionError("it opened")
    assert sent < 2**20


async def test_events_that_nobody_takes_are_kept_up_to_a_total_size(autojump_clock: MockClock) -> None:
    """1,000 batches of 100 kB each, within the number of events that may wait."""
    level = '["1000000000000000000","1000000000000000000"]'
    levels = ",".join([level] * 2_000)
    batch = (
        f'{{"type":"book_depth","product_id":4,"min_timestamp":"1","max_timestamp":"1","last_max_timestamp":"1","bids":[{levels}],"asks":[]}}'
    ).encode()
    acknowledged = frame(0x81, b'{"id":1,"result":null}')
    async with MemoryDialer(
        raw=sends(head() + acknowledged, *[frame(0xC1, deflated(batch))] * 1_000)
    ) as dialer:
        tally = TroubleTally()
        streams: list[dict[str, object]] = [{"type": "book_depth", "product_id": 4}]
        async with subscribed("ws://venue/v1/subscribe", dialer, streams, tally) as events:
            await trio.sleep(30)
            # those that came with the acknowledgement are decoded
            assert events.backlog <= (QUEUE_TEXT_MAX + BATCH_TEXT) // len(batch) + 1
            with pytest.raises(Unreachable, match="characters wait to be read"):
                async for _ in events:
                    pass


@pytest.mark.parametrize(
    "error",
    [
        ValueError("label too long"),
        UnicodeError("idna"),
        OverflowError("port"),
        ExceptionGroup("both", [OSError("4"), OSError("6")]),
    ],
)
async def test_a_dialer_that_fails_in_any_way_is_unreachable(error: Exception) -> None:
    class Failing:
        async def dial(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
            raise error

    with pytest.raises(Unreachable):
        async with open_socket(URL, Failing()):
            raise AssertionError("it opened")


@pytest.mark.parametrize(
    "url",
    [
        "ws://[::1/v1/ws",
        "ws://venue:99999/v1/ws",
        "ws://" + "a" * 70 + ".example/v1/ws",
        "ws://\u0660/v1/ws",
        "ws:///v1/ws",
    ],
)
async def test_an_address_that_is_none_is_unreachable(url: str) -> None:
    with pytest.raises(Unreachable):
        async with open_socket(url, TcpDialer()):
            raise AssertionError("it opened")


async def test_a_stream_that_cannot_be_closed_keeps_no_other_from_being_given_up(
    autojump_clock: MockClock,
) -> None:
    class Stubborn(trio.abc.Stream):
        def __init__(self) -> None:
            self.closings = 0

        async def send_all(self, data: object) -> None:
            raise NotImplementedError

        async def wait_send_all_might_not_block(self) -> None:
            raise NotImplementedError

        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            raise NotImplementedError

        async def aclose(self) -> None:
            self.closings += 1
            raise RuntimeError("not now")

    streams: list[Stubborn] = []

    class Dialer:
        async def dial(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
            streams.append(Stubborn())
            return streams[-1]

    lines = TrackedStreams(Dialer())
    for _ in range(3):
        await lines.dial("venue", 80, tls=False)
    await lines.cut()
    assert [stream.closings for stream in streams] == [1, 1, 1]


def test_deflate_accepts_the_answers_that_rfc_7692_knows() -> None:
    for answer in (
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_max_window_bits=9",
        "permessage-deflate;server_max_window_bits = 15",
    ):
        deflate = BoundedDeflate(10)
        deflate.finalize(answer)
        assert deflate.enabled()
