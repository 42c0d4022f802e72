"""The simulated venue without a network: sockets over in-memory streams, for tests on virtual time. The
bytes are the real WebSocket wire.
"""

import trio
from trio.testing import memory_stream_pair

from venue.nado.socket import Socket, accept_socket
from venue.protocol import Unreachable
from venue.simulated.gateway.sessions import (
    Closed,
    Session,
    concurrent_session,
    gateway_session,
    serve_session,
    truncated_frame,
)
from venue.simulated.gateway.subscriptions import subscribe_session
from venue.simulated.venue import SimulatedVenue

SESSIONS: dict[str, Session] = {
    "/v1/ws": gateway_session,
    "/ws/v2": concurrent_session,
    "/v1/subscribe": subscribe_session,
}
LOOPBACK = "127.0.0.1"


class HeardStream(trio.abc.Stream):
    """A stream that remembers when something came in; everything else is the inner stream's."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.heard_at = trio.current_time()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """The next bytes, as the stream brings them; `heard_at` is their time on Trio's clock."""
        received = await self._stream.receive_some(max_bytes)
        self.heard_at = trio.current_time()
        return received

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`; waits while the other end does not read."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the other end reads; what `trio.abc.SendStream` demands."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close both directions; the other end reads an end of file."""
        await self._stream.aclose()


class SocketFrames:
    """`sessions.Frames` on a server-side WebSocket over a stream in memory."""

    address = LOOPBACK

    def __init__(self, socket: Socket, stream: HeardStream) -> None:
        self._socket = socket
        self._stream = stream

    @property
    def heard_at(self) -> float:
        """Trio's time of the last byte, pings included."""
        return self._stream.heard_at

    async def receive(self) -> str:
        """The next text frame. Raises `Closed` when the client is gone."""
        try:
            return await self._socket.receive()
        except Unreachable as error:
            raise Closed from error

    async def send(self, text: str) -> None:
        """Send one text frame. Raises `Closed` when the client is gone."""
        try:
            await self._socket.send(text)
        except Unreachable as error:
            raise Closed from error

    async def send_truncated(self, text: str) -> None:
        """Staged: send the first half of a frame and end the connection without a closing handshake."""
        await self._stream.send_all(truncated_frame(text))
        self._socket.abandon("staged: cut in mid-frame")


async def serve_stream(stream: trio.abc.Stream, venue: SimulatedVenue) -> None:
    """Serve one connection until either side ends it."""
    heard = HeardStream(stream)
    try:
        async with accept_socket(heard) as socket:
            session = SESSIONS.get(socket.path.split("?")[0])
            if session is not None:
                await serve_session(session, SocketFrames(socket, heard), venue)
    except Unreachable:
        pass  # no handshake, or refused: `accept_socket` has answered


class MemoryDialer:
    """A `venue.nado.socket.Dialer` that reaches `venue` whatever the host; connections are served in
    `nursery`.
    """

    def __init__(self, venue: SimulatedVenue, nursery: trio.Nursery) -> None:
        self.venue = venue
        self.refusing = False
        """Set to let every dial fail, as when the host is down."""
        self.dials = 0
        """Streams handed out so far."""
        self._nursery = nursery

    async def dial(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        """A stream whose other end is being served. Raises `OSError` while `refusing`. There is no TLS in
        memory.
        """
        await trio.lowlevel.checkpoint()
        if self.refusing or self.venue.incidents.down:
            raise ConnectionRefusedError(f"nobody listens on {host}:{port} (tls: {tls})")
        self.dials += 1
        ours, theirs = memory_stream_pair()
        self._nursery.start_soon(serve_stream, theirs, self.venue)
        return ours
