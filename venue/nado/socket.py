"""WebSockets to and from Nado: trio-websocket with permessage-deflate, bounded in every direction.

Nado answers 403 to an upgrade that does not offer permessage-deflate, and trio-websocket has no parameter for
it. It does take any `wsproto.WSConnection`, so `_Deflating` adds the extension to the two events that
negotiate it, on either side. Only one private name of trio-websocket is used, `_reader_task`, which every
connection needs somebody to run; `tests/venue/nado/test_socket.py` fails when it goes away.

What a `Socket` promises: opening it, `send` and `receive` raise `Unreachable` and nothing else; a ping leaves
every 30 s; silence of 60 s ends the connection; the handshake, the closing, the size of a message *inflated*,
its fragments, and what waits to be read are bounded. Whoever reads must read promptly: a full queue also
delays the pongs.

Messages are handed over in batches: those that one read of the stream has brought, `BATCH_MESSAGES` at most.
Only one empty message per batch passes through trio-websocket's queue, in the batch's place in the order of
things: it wakes the reader, ends a batch before the closing that follows it, and holds up the reading while
the queue is full. So a flood costs a scheduler's turn per batch and not two per message, and everybody else
has a turn after each.

Whatever the far side sends, and whatever a library makes of it, is `Unreachable`, and `broken_by` is the one
place that says so: the peer's bytes reach h11, wsproto, zlib and trio-websocket, none of which has ever had a
complete list of what it raises.
"""

import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection, WebSocketRequest
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import AcceptConnection, CloseConnection, Event, Message, RejectData, Request, TextMessage
from wsproto.utilities import ProtocolError

from venue.nado.deflate import BoundedDeflate
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
PROTOCOL_ERROR, POLICY = 1002, 1008
_QUOTED = 200
BATCH_MESSAGES = 32
"""Messages that are handed over at once, at most: a millisecond's work or two for whoever reads them, so that
an order under way, which takes some ten turns of the scheduler, does not wait for a flood.
"""
BATCH_TEXT = 256 * 1024
"""Characters after which a batch is handed over, however few its messages are."""
QUEUE_BATCHES = 64
QUEUE_TEXT_MAX = 2 * MESSAGE_BYTES_MAX
"""Characters of the messages that wait to be read. Reading stops at `QUEUE_BATCHES`, which are far fewer
unless the messages are large.
"""
FRAGMENTS_MAX = 4_096
"""Of one message; a fragment may be empty, so its size does not bound their number."""
EMPTY_HANDED_MAX = 512
"""Frames of one read that end no message: pings, pongs, fragments. Nothing else runs while they are worked
through.
"""
REFUSAL_BYTES_MAX = 64 * 1024
"""Of the body that comes with a refused upgrade."""
RECEIVE_BYTES = 64 * 1024

NO_DEFLATE = {
    "reason": "Invalid compression headers: 'Sec-WebSocket-Extensions' must include 'permessage-deflate'",
    "block": True,
}
"""The venue's 403 body for an upgrade without the extension."""


class Dialer(Protocol):
    """Opens byte streams. Live: TCP. Tests: in-memory pairs."""

    async def dial(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        """A connected stream, TLS included. Raises `OSError` or `trio.BrokenResourceError`."""
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


class Broken(ProtocolError):
    """The far side sent what cannot be. `code` is the close code that says so to it."""

    def __init__(self, why: str, code: int = PROTOCOL_ERROR) -> None:
        super().__init__(why)
        self.code = code


@contextmanager
def broken_by(subject: str = "the peer broke the protocol") -> Iterator[None]:
    """What leaves this block is `Broken`, `Unreachable`, or a cancellation."""
    try:
        yield
    except (Unreachable, Broken):
        raise
    # whatever a library raises over the far side's bytes is about those bytes, and no defect of a caller
    except Exception as error:
        raise Broken(f"{subject}: {reason(error)[:_QUOTED]}") from error


class _Deflating(WSConnection):
    """A connection that offers and accepts permessage-deflate, remembers what the handshake said, and ends
    at the first thing that cannot be.
    """

    def __init__(self, side: ConnectionType) -> None:
        super().__init__(side)
        self.deflate = BoundedDeflate(MESSAGE_BYTES_MAX)
        self.decided = trio.Event()
        self.request: Request | None = None
        self.accepted = False
        self.broken: Broken | None = None
        """Why nothing more is read from this connection."""
        self.waiting = 0
        """Characters of the messages that nobody has taken yet."""
        self.arrived: deque[str] = deque()
        """These messages, the oldest first."""
        self._unsaid = self._unsaid_text = 0
        """How many of them no empty message stands for yet, and their characters."""
        self._refusal_bytes = 0
        self._fragments: list[str | bytes] = []
        """What has come of the message that is under way."""
        self._fragment_sizes = 0

    def send(self, event: Event) -> bytes:
        """As wsproto's, with the extension added to the events that negotiate it."""
        if isinstance(event, Request | AcceptConnection):
            event = replace(event, extensions=[self.deflate])
        return super().send(event)

    def receive_data(self, data: bytes | None) -> None:
        """As wsproto's. Raises `Broken` for bytes that cannot be read."""
        with self._noted():
            super().receive_data(data)

    def events(self) -> Generator[Event, None, None]:
        """As wsproto's, noticing the handshake on its way, with one empty message in place of a batch of
        them. Raises `Broken` at what cannot be, and at what is too much.
        """
        try:
            with self._noted():
                for event in self._checked():
                    control = not isinstance(event, Message)
                    if self._unsaid and (
                        control or self._unsaid >= BATCH_MESSAGES or self._unsaid_text >= BATCH_TEXT
                    ):
                        yield self._said()
                    if control:
                        yield event
        except Broken:
            # what had arrived before is still read
            if self._unsaid:
                yield self._said()
            raise
        if self._unsaid:
            yield self._said()

    def _checked(self) -> Generator[Event, None, None]:
        """Each of wsproto's events, noted before it is passed on."""
        empty_handed = 0
        for event in super().events():
            if isinstance(event, Message):
                empty_handed += not event.message_finished
                self._collect(event)
            else:
                empty_handed += 1
                self._notice(event)
            if empty_handed > EMPTY_HANDED_MAX:
                raise Broken(f"more than {EMPTY_HANDED_MAX} frames at once without a message", POLICY)
            yield event
            # wsproto reports what it cannot parse as a closing, and then reads nothing more; trio-websocket
            # would go on collecting.
            if isinstance(event, CloseConnection) and self.state is ConnectionState.OPEN:
                raise Broken(event.reason or "an invalid frame", event.code)

    def taken(self) -> list[str]:
        """The oldest messages, a batch at most. To be asked for once per empty message; none are left for one
        when those before it have taken them.
        """
        batch: list[str] = []
        text = 0
        while self.arrived and len(batch) < BATCH_MESSAGES and text < BATCH_TEXT:
            batch.append(self.arrived.popleft())
            text += len(batch[-1])
        self.waiting -= text
        return batch

    def _said(self) -> TextMessage:
        self._unsaid = self._unsaid_text = 0
        return TextMessage("")

    def _collect(self, event: Message[Any]) -> None:
        """Add it to the message that is under way, and to the batch once that is whole."""
        self._fragments.append(event.data)
        self._fragment_sizes += len(event.data)
        if self._fragment_sizes > MESSAGE_BYTES_MAX:
            raise Broken(f"a message of more than {MESSAGE_BYTES_MAX} bytes", TOO_BIG)
        if len(self._fragments) > FRAGMENTS_MAX:
            raise Broken(f"a message of more than {FRAGMENTS_MAX} fragments", TOO_BIG)
        if not event.message_finished:
            return
        text = (
            "".join(cast("list[str]", self._fragments))
            if isinstance(event, TextMessage)
            else b"".join(cast("list[bytes]", self._fragments)).decode("utf-8", "replace")
        )
        self._fragments.clear()
        self._fragment_sizes = 0
        self.arrived.append(text)
        self.waiting += len(text)
        self._unsaid += 1
        self._unsaid_text += len(text)
        if self.waiting > QUEUE_TEXT_MAX:
            raise Broken(f"more than {QUEUE_TEXT_MAX} characters wait to be read", POLICY)

    def _notice(self, event: Event) -> None:
        """What the handshake says."""
        if isinstance(event, Request):
            self.request = event
            self.decided.set()
        elif isinstance(event, AcceptConnection):
            self.accepted = True
            self.decided.set()
        elif isinstance(event, RejectData):
            self._refusal_bytes += len(event.data)
            if self._refusal_bytes > REFUSAL_BYTES_MAX:
                raise Broken(f"the upgrade was refused with more than {REFUSAL_BYTES_MAX} bytes")

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Known before anybody is woken: the reason must be there when the reader's queue ends."""
        try:
            with broken_by():
                yield
        except Broken as error:
            self.broken = self.broken or error
            raise


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
        self._read: deque[str] = deque()
        """The rest of a batch, for whoever takes one message at a time."""
        self.ended = trio.Event()
        """Set when no more bytes will come or go."""

    @property
    def compressed(self) -> bool:
        """Did the handshake agree on permessage-deflate? Nado refuses to talk without."""
        return bool(self._wire.deflate.enabled())

    @property
    def open(self) -> bool:
        """May bytes be handed to it? False as soon as either side began to close."""
        return not self._over and self._connection.closed is None and not self.ended.is_set()

    @property
    def oversized(self) -> bool:
        """Did it end because the other side sent a message larger than `MESSAGE_BYTES_MAX`?"""
        closed, broken = self._connection.closed, self._wire.broken
        return (closed is not None and closed.code == TOO_BIG) or (
            broken is not None and broken.code == TOO_BIG
        )

    async def send(self, text: str, may: Callable[[], bool] | None = None) -> None:
        """Send one text message. Raises `Unreachable`; then, as after a cancellation, some, all or none of it
        may have gone out.

        `may` is asked by the statement before the first byte. When it says no, nothing has left and
        `Withheld` is raised.
        """
        if self._over:
            raise self.lost()
        self._stream.ask(may)
        try:
            with broken_by():
                await self._connection.send_message(text)
        except Broken as error:
            raise (
                Withheld(f"{self.name}: too late to be sent") if self._stream.withheld else self.lost(error)
            ) from None
        finally:
            self._stream.ask(None)

    async def receive(self) -> str:
        """The next message. Raises `Unreachable` once the connection is over and everything that had
        arrived is read.
        """
        if not self._read:
            self._read.extend(await self.receive_batch())
        return self._read.popleft()

    async def receive_batch(self) -> list[str]:
        """The messages that arrived together with the next one, which nobody has taken yet: between one and
        `BATCH_MESSAGES`. Raises as `receive` does.
        """
        batch = list(self._read)
        self._read.clear()
        try:
            with broken_by():
                while not batch:
                    await self._connection.get_message()
                    batch = self._wire.taken()
        except Broken as error:
            raise self.lost(error) from None
        self._heard_at = trio.current_time()
        return batch

    @property
    def unread(self) -> int:
        """How many messages have arrived and were not taken yet."""
        return len(self._wire.arrived) + len(self._read)

    def abandon(self, why: str) -> None:
        """Give the connection up now, without a closing handshake. Nothing is sent on it from here on."""
        self._over = self._over or why
        self._reading.cancel()

    def lost(self, error: Broken | None = None) -> Unreachable:
        """The error that says why this connection is over; `error` is the last to know."""
        closed = self._connection.closed
        if self._wire.broken is not None:
            self._over = self._over or f"closed: {self._wire.broken.code} {self._wire.broken}"
        elif closed is not None:
            self._over = self._over or f"closed: {closed.code} {closed.reason or closed.name}"
        unknown = error is None or isinstance(error.__cause__, ConnectionClosed)
        self._over = self._over or ("the connection was lost" if unknown else str(error))
        return Unreachable(f"{self.name}: {self._over}")

    async def read_bytes(self) -> None:
        """Move bytes in until the connection ends; then close the stream. Raises nothing: `lost` says why
        it ended.
        """
        try:
            with self._reading, broken_by():
                await self._connection._reader_task()
        except Broken as error:
            refused, broken = error.__cause__, self._wire.broken
            if isinstance(refused, ConnectionRejected):
                body = (refused.body or b"").decode("utf-8", "replace")[:_QUOTED]
                self._over = f"the upgrade was refused: HTTP {refused.status_code} {body}".strip()
            elif broken is None and not isinstance(refused, ConnectionClosed):
                self._over = self._over or str(error)
            if broken is not None and self._wire.state is ConnectionState.OPEN:
                # A close frame with the reason's code: a courtesy that nothing waits for. The connection may
                # be dead, or somebody may be writing on it.
                with trio.move_on_after(CLOSE_S), suppress(Exception):
                    await self._stream.send_all(self._wire.send(CloseConnection(code=error.code)))
        finally:
            await drop(self._stream)
            self.ended.set()
            self._wire.decided.set()

    async def keep_alive(self, nursery: trio.Nursery) -> None:
        """Ping every 30 s, and give up on a silent peer. A ping is never cut: half a frame would spoil the
        connection.
        """
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
            with broken_by():
                await self._connection.ping(count.to_bytes(8, "big"))
        except Broken:
            return
        self._unanswered = 0
        self._heard_at = trio.current_time()

    async def close(self) -> None:
        """Close with the handshake, as long as the other side takes part in it within a second."""
        with trio.move_on_after(CLOSE_S), suppress(Broken), broken_by():
            await self._connection.aclose()
        self.abandon("closed by us")


@asynccontextmanager
async def open_socket(url: str, dialer: Dialer, *, deadline_s: float = HANDSHAKE_S) -> AsyncIterator[Socket]:
    """A client connection to `url` (ws, wss, http or https). Raises `Unreachable` naming the HTTP status
    and body of a refusal.
    """
    deadline = trio.current_time() + deadline_s
    stream: Gate | None = None
    try:
        # a name that is none, a certificate, a port: there are as many errors here as there are layers
        with trio.move_on_at(deadline), broken_by("no connection"):
            parts = urlsplit(url)
            tls = parts.scheme in {"wss", "https"}
            port = parts.port or (443 if tls else 80)
            stream = Gate(await dialer.dial(parts.hostname or "", port, tls=tls))
    except Broken as error:
        raise Unreachable(f"{url}: {error}") from None
    if stream is None:
        raise Unreachable(f"{url}: no connection in time")
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


def _connection(
    stream: trio.abc.Stream, wire: _Deflating, host: str | None = None, path: str | None = None
) -> WebSocketConnection:
    return WebSocketConnection(
        stream,
        wire,
        host=host,
        path=path,
        message_queue_size=QUEUE_BATCHES,
        max_message_size=MESSAGE_BYTES_MAX,
        receive_buffer_size=RECEIVE_BYTES,
    )


async def drop(stream: trio.abc.Stream) -> None:
    """Close a stream without a closing handshake. Raises nothing but a cancellation."""
    # a stream that cannot even be closed is as lost as one that was
    with trio.CancelScope(shield=True), suppress(Exception):
        await trio.aclose_forcefully(stream)


@asynccontextmanager
async def accept_socket(stream: trio.abc.Stream, *, deadline_s: float = HANDSHAKE_S) -> AsyncIterator[Socket]:
    """The server's end of one connection; `path` says what the client asked for.

    Answers 403 with the venue's body to a client that does not offer permessage-deflate, and raises
    `Unreachable`, as for one that never asks.
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
            offered = (each.encode() for each in wire.request.extensions if isinstance(each, str))
            if not offers_deflate([(b"sec-websocket-extensions", value) for value in offered]):
                await request.reject(
                    403,
                    extra_headers=[(b"content-type", b"application/json")],
                    body=json.dumps(NO_DEFLATE).encode(),
                )
                raise Unreachable("client: offered no permessage-deflate")
            with broken_by():
                await request.accept()
        except (ConnectionClosed, Broken):
            raise socket.lost() from None
        socket.path = request.path
        yield socket


def offers_deflate(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Does an upgrade request offer permessage-deflate? Header names in any case; parameters after a
    semicolon do not matter.
    """
    offered = b",".join(value for name, value in headers if name.lower() == b"sec-websocket-extensions")
    return any(part.split(b";")[0].strip().lower() == b"permessage-deflate" for part in offered.split(b","))


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
    """A nursery for the life of a `with` block: cancelled at its end, and the block's own exception comes
    out bare instead of in a group.
    """
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        failure = _only_failure(group)
        if failure is None:
            raise
    if failure is not None:
        raise failure


def _only_failure(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """The one exception in `group` that is no cancellation; None when there are none or several."""
    failures = group.split(trio.Cancelled)[1]
    if failures is None or len(failures.exceptions) != 1:
        return None
    only = failures.exceptions[0]
    return _only_failure(only) if isinstance(only, BaseExceptionGroup) else only
