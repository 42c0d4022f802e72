"""WebSockets to and from Nado: trio-websocket with permessage-deflate, bounded in every direction.

Nado answers 403 to an upgrade that does not offer permessage-deflate, and trio-websocket has no parameter for it. It does take any
`wsproto.WSConnection`, so `_Deflating` adds the extension to the two events that negotiate it, on either side. Only one private name of
trio-websocket is used, `_reader_task`, which every connection needs somebody to run; `tests/venue/nado/test_socket.py` fails when it goes away.

What a `Socket` promises: `send` and `receive` raise `Unreachable` and nothing else; a ping leaves every 30 s; silence of 60 s ends the
connection; the handshake, the closing and the size of a message are bounded. Whoever reads must read promptly: a full queue also delays the pongs.
"""

import json
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Protocol
from urllib.parse import urlsplit

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection, WebSocketRequest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Event, Request
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import ProtocolError

from venue.nado.gate import Gate, Withheld
from venue.nado.reasons import reason
from venue.nado.tls import trusted
from venue.protocol import Unreachable

HANDSHAKE_S = 5.0
"""Dialling, TLS and the upgrade together."""
CLOSE_S = 1.0
"""How long the other side may take to answer a close frame."""
PING_EVERY_S = 30.0
"""Required by the venue on both of its sockets."""
SILENCE_S = 60.0
"""Nothing received, pongs included, for this long: the connection is dead."""
UNANSWERED_PINGS_MAX = 4
MESSAGE_BYTES_MAX = 4 * 2**20
"""A book batch is a few kB; whatever is larger than this is no message."""
TOO_BIG = 1009
"""The close code for a message beyond the limit; we send it."""
QUEUE_SIZE = 256
RECEIVE_BYTES = 64 * 1024

NO_DEFLATE = {"reason": "Invalid compression headers: 'Sec-WebSocket-Extensions' must include 'permessage-deflate'", "block": True}
"""The venue's 403 body for an upgrade without the extension."""


class Dialer(Protocol):
    """Opens byte streams. Live: TCP. Tests: in-memory pairs."""

    async def dial(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        """A connected stream. Raises `OSError` or `trio.BrokenResourceError`."""
        ...


class TcpDialer:
    """TCP, with TLS where asked for. Trio's `SocketStream` sets TCP_NODELAY by itself."""

    async def dial(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        """Connect, and finish the TLS handshake if there is one."""
        if not tls:
            return await trio.open_tcp_stream(host, port)
        stream = await trio.open_ssl_over_tcp_stream(host, port, ssl_context=trusted(), https_compatible=True)
        try:
            await stream.do_handshake()
        except BaseException:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)
            raise
        return stream


class _Deflating(WSConnection):
    """A connection that offers and accepts permessage-deflate, and remembers what the handshake said."""

    def __init__(self, side: ConnectionType) -> None:
        super().__init__(side)
        self.deflate = PerMessageDeflate()
        self.decided = trio.Event()
        self.request: Request | None = None
        self.accepted = False

    def send(self, event: Event) -> bytes:
        """As wsproto's, with the extension added to the events that negotiate it."""
        if isinstance(event, Request | AcceptConnection):
            event = replace(event, extensions=[self.deflate])
        return super().send(event)

    def events(self) -> Generator[Event, None, None]:
        """As wsproto's, noticing the handshake on its way."""
        for event in super().events():
            if isinstance(event, Request):
                self.request = event
                self.decided.set()
            elif isinstance(event, AcceptConnection):
                self.accepted = True
                self.decided.set()
            yield event


class Socket:
    """One open WebSocket, of either side. Made by `open_socket` and `accept_socket`."""

    def __init__(self, name: str, stream: Gate, wire: _Deflating, connection: WebSocketConnection) -> None:
        self.name = name
        self.path = ""
        self._stream = stream
        self._wire = wire
        self._connection = connection
        self._reading = trio.CancelScope()
        self._over = ""
        self._heard_at = trio.current_time()
        self._unanswered = 0
        self.ended = trio.Event()
        """Set when no more bytes will come or go."""

    @property
    def compressed(self) -> bool:
        """Was permessage-deflate agreed on?"""
        return bool(self._wire.deflate.enabled())

    @property
    def open(self) -> bool:
        """May bytes be handed to it? False as soon as either side began to close."""
        return not self._over and self._connection.closed is None and not self.ended.is_set()

    @property
    def oversized(self) -> bool:
        """Did it end because the other side sent a message larger than `MESSAGE_BYTES_MAX`?"""
        closed = self._connection.closed
        return closed is not None and closed.code == TOO_BIG

    async def send(self, text: str, may: Callable[[], bool] | None = None) -> None:
        """Send one text message. Raises `Unreachable`; then, as after a cancellation, some, all or none of it may have gone out.

        `may` is asked by the statement before the first byte. When it says no, nothing has left and `Withheld` is raised.
        """
        if self._over:
            raise self.lost()
        self._stream.ask(may)
        try:
            await self._connection.send_message(text)
        except (ConnectionClosed, ProtocolError):
            raise (Withheld(f"{self.name}: too late to be sent") if self._stream.withheld else self.lost()) from None
        finally:
            self._stream.ask(None)

    async def receive(self) -> str:
        """The next message. Raises `Unreachable` once the connection is over and everything that had arrived is read."""
        try:
            message = await self._connection.get_message()
        except ConnectionClosed:
            raise self.lost() from None
        self._heard_at = trio.current_time()
        return message if isinstance(message, str) else message.decode("utf-8", "replace")

    def abandon(self, why: str) -> None:
        """Give the connection up now, without a closing handshake. Nothing is sent on it from here on."""
        self._over = self._over or why
        self._reading.cancel()

    def lost(self) -> Unreachable:
        """The error that says why this connection is over."""
        closed = self._connection.closed
        self._over = self._over or (f"closed: {closed.code} {closed.reason or closed.name}" if closed else "the connection was lost")
        return Unreachable(f"{self.name}: {self._over}")

    async def read_bytes(self) -> None:
        """Move bytes in until the connection ends; then close the stream."""
        try:
            with self._reading:
                await self._connection._reader_task()
        except ConnectionRejected as refused:
            body = (refused.body or b"").decode("utf-8", "replace")[:200]
            self._over = f"the upgrade was refused: HTTP {refused.status_code} {body}".strip()
        except ConnectionClosed:
            pass  # the peer went away while we answered it: `lost` says so
        except ProtocolError as error:
            self._over = self._over or f"the peer broke the protocol: {error}"
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(self._stream)
            self.ended.set()
            self._wire.decided.set()

    async def keep_alive(self, nursery: trio.Nursery) -> None:
        """Ping every 30 s, and give up on a silent peer. A ping is never cut: half a frame would spoil the connection."""
        count = 0
        while self.open:
            await trio.sleep(PING_EVERY_S)
            count += 1
            nursery.start_soon(self._ping, count)
            if trio.current_time() - self._heard_at >= SILENCE_S:
                self.abandon(f"nothing received for {SILENCE_S:g} s")
            elif self._unanswered > UNANSWERED_PINGS_MAX:
                self.abandon("pings are not answered")

    async def _ping(self, count: int) -> None:
        self._unanswered += 1
        try:
            await self._connection.ping(count.to_bytes(8, "big"))
        except (ConnectionClosed, ProtocolError):
            return
        self._unanswered = 0
        self._heard_at = trio.current_time()

    async def close(self) -> None:
        """Close with the handshake, as long as the other side takes part in it within a second."""
        with trio.move_on_after(CLOSE_S), suppress(ProtocolError):
            await self._connection.aclose()
        self.abandon("closed by us")


@asynccontextmanager
async def open_socket(url: str, dialer: Dialer, *, deadline_s: float = HANDSHAKE_S) -> AsyncIterator[Socket]:
    """A client connection to `url` (ws, wss, http or https). Raises `Unreachable` naming the HTTP status and body of a refusal."""
    parts = urlsplit(url)
    tls = parts.scheme in {"wss", "https"}
    host, port = parts.hostname or "", parts.port or (443 if tls else 80)
    deadline = trio.current_time() + deadline_s
    stream = Gate(await _dial(dialer, host, port, tls=tls, url=url, deadline=deadline))
    wire = _Deflating(ConnectionType.CLIENT)
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    socket = Socket(url, stream, wire, _connection(stream, wire, host=parts.netloc, path=resource))
    socket.path = resource
    async with _running(socket) as nursery:
        await _decided(socket, wire, deadline)
        if not wire.accepted:
            raise socket.lost()
        nursery.start_soon(socket.keep_alive, nursery)
        yield socket


def _connection(stream: trio.abc.Stream, wire: _Deflating, host: str | None = None, path: str | None = None) -> WebSocketConnection:
    return WebSocketConnection(
        stream,
        wire,
        host=host,
        path=path,
        message_queue_size=QUEUE_SIZE,
        max_message_size=MESSAGE_BYTES_MAX,
        receive_buffer_size=RECEIVE_BYTES,
    )


async def _dial(dialer: Dialer, host: str, port: int, *, tls: bool, url: str, deadline: float) -> trio.abc.Stream:
    with trio.move_on_at(deadline):
        try:
            return await dialer.dial(host, port, tls=tls)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Unreachable(f"{url}: {reason(error)}") from None
    raise Unreachable(f"{url}: no connection in time")


@asynccontextmanager
async def accept_socket(stream: trio.abc.Stream, *, deadline_s: float = HANDSHAKE_S) -> AsyncIterator[Socket]:
    """The server's end of one connection; `path` says what the client asked for.

    Answers 403 with the venue's body to a client that does not offer permessage-deflate, and raises `Unreachable`, as for one that never asks.
    """
    wire = _Deflating(ConnectionType.SERVER)
    gate = Gate(stream)
    connection = _connection(gate, wire)
    socket = Socket("client", gate, wire, connection)
    async with _running(socket):
        await _decided(socket, wire, trio.current_time() + deadline_s)
        if wire.request is None:
            raise socket.lost()
        request = WebSocketRequest(connection, wire.request)
        try:
            if not offers_deflate([(b"sec-websocket-extensions", _text(extension).encode()) for extension in wire.request.extensions]):
                await request.reject(403, extra_headers=[(b"content-type", b"application/json")], body=json.dumps(NO_DEFLATE).encode())
                raise Unreachable("client: offered no permessage-deflate")
            await request.accept()
        except ConnectionClosed:
            raise socket.lost() from None
        socket.path = request.path
        yield socket


def offers_deflate(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Does an upgrade request offer permessage-deflate? Header names in any case; parameters after a semicolon do not matter."""
    offered = b",".join(value for name, value in headers if name.lower() == b"sec-websocket-extensions")
    return any(part.split(b";")[0].strip().lower() == b"permessage-deflate" for part in offered.split(b","))


def _text(extension: object) -> str:
    return extension if isinstance(extension, str) else ""


async def _decided(socket: Socket, wire: _Deflating, deadline: float) -> None:
    with trio.move_on_at(deadline):
        await wire.decided.wait()
        return
    socket.abandon("no WebSocket handshake in time")
    raise socket.lost()


@asynccontextmanager
async def _running(socket: Socket) -> AsyncIterator[trio.Nursery]:
    async with background() as nursery:
        nursery.start_soon(socket.read_bytes)
        try:
            yield nursery
        finally:
            await socket.close()


@asynccontextmanager
async def background() -> AsyncIterator[trio.Nursery]:
    """A nursery for the life of a `with` block: cancelled at its end, and the block's own exception comes out bare instead of in a group."""
    alone: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        alone = _only_failure(group)
        if alone is None:
            raise
    if alone is not None:
        raise alone


def _only_failure(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """The one exception in `group` that is no cancellation; None when there are none or several."""
    failures = group.split(trio.Cancelled)[1]
    if failures is None or len(failures.exceptions) != 1:
        return None
    only = failures.exceptions[0]
    return _only_failure(only) if isinstance(only, BaseExceptionGroup) else only
