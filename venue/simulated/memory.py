"""The simulated venue without a network: sockets over in-memory streams, for tests on virtual time. The bytes are the real WebSocket wire."""

import trio
from trio.testing import memory_stream_pair

from venue.nado.socket import Socket, accept_socket
from venue.protocol import Unreachable
from venue.simulated.sessions import Closed, gateway_session, subscribe_session
from venue.simulated.venue import SimulatedVenue

SESSIONS = {"/v1/ws": gateway_session, "/v1/subscribe": subscribe_session}


class SocketFrames:
    """`sessions.Frames` on a server-side WebSocket."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    async def receive(self) -> str:
        """The next frame. Raises `Closed`."""
        try:
            return await self._socket.receive()
        except Unreachable as error:
            raise Closed from error

    async def send(self, text: str) -> None:
        """Send one frame. Raises `Closed`."""
        try:
            await self._socket.send(text)
        except Unreachable as error:
            raise Closed from error


async def serve_stream(stream: trio.abc.Stream, venue: SimulatedVenue) -> None:
    """Serve one connection until either side ends it."""
    try:
        async with accept_socket(stream) as socket:
            session = SESSIONS.get(socket.path.split("?")[0])
            if session is not None:
                await session(SocketFrames(socket), venue)
    except Unreachable:
        pass  # no handshake, or refused: `accept_socket` has answered


class MemoryDialer:
    """A `venue.nado.socket.Dialer` that reaches `venue` whatever the host; connections are served in `nursery`."""

    def __init__(self, venue: SimulatedVenue, nursery: trio.Nursery) -> None:
        self.venue = venue
        self.refusing = False
        """Set to let every dial fail, as when the host is down."""
        self.dials = 0
        """Streams handed out so far."""
        self._nursery = nursery

    async def dial(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        """A stream whose other end is being served. Raises `OSError` while `refusing`. There is no TLS in memory."""
        await trio.lowlevel.checkpoint()
        if self.refusing:
            raise ConnectionRefusedError(f"nobody listens on {host}:{port} (tls: {tls})")
        self.dials += 1
        ours, theirs = memory_stream_pair()
        self._nursery.start_soon(serve_stream, theirs, self.venue)
        return ours
