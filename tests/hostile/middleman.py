"""A TCP proxy in a thread of its own, between a client and the simulated venue, that can spoil what it
carries.

HTTP is passed on request by request. A WebSocket ends here on both sides, so that single messages can be
seen, dropped, changed and invented; the client's frames are looked at only to know what is going on (an order
that may increase is an entry, one that may only reduce is an exit).
"""

import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Literal

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from tests.hostile.mode import CLOSE, HANG, RESET, Answer, Asked, Chance, Mode, Script, Spoken
from tests.venue.nado.appendices import unpack

Moment = Literal["", "entering", "leaving"]
"""When a mode begins by itself: with the first order that may increase, or the first that may only reduce;
"": when it is told to.
"""
HEAD_BYTES_MAX = 64 * 1024
RECEIVE_BYTES = 64 * 1024
LINGER_OFF = b"\1\0\0\0\0\0\0\0"
GONE = (trio.BrokenResourceError, trio.ClosedResourceError, OSError, LocalProtocolError, RemoteProtocolError)


class ConnectionOver(Exception):
    """A connection is over."""


class Middleman:
    """Use it in `with`; `url` is what the client is given. `begin` and `end` may be called from any
    thread.
    """

    def __init__(self, upstream: str, mode: Mode, moment: Moment, seed: int) -> None:
        self.url = ""
        self.began_s: float | None = None
        """When the mode began, on the steady clock; None: not yet."""
        self.ended_s: float | None = None
        self.entered = self.left = 0
        """Orders seen: entries, exits."""
        self.troubles: list[str] = []
        """What went wrong with the tool itself."""
        self._mode = mode
        self._moment = moment
        self._chance = Chance(seed)
        host, _, port = upstream.removeprefix("http://").partition(":")
        self._upstream = host, int(port)
        self._open: set[trio.SocketStream] = set()
        self._up = threading.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()
        self._thread = threading.Thread(target=trio.run, args=(self._serve,), daemon=True)

    def __enter__(self) -> "Middleman":
        self._thread.start()
        if not self._up.wait(10):
            raise RuntimeError("the middleman did not come up")
        return self

    def __exit__(self, *_details: object) -> None:
        self._soon(self._scope.cancel)
        self._thread.join(10)

    def begin(self) -> None:
        """From now on the wire is bad."""
        self._soon(self._begin)

    def end(self) -> None:
        """From now on it is good."""
        self.ended_s = self.ended_s or time.monotonic()

    def _soon(self, call: Callable[[], object]) -> None:
        assert self._token is not None
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(call)

    @property
    def bad(self) -> Mode | None:
        """The mode, while it lasts."""
        return self._mode if self.began_s is not None and self.ended_s is None else None

    def _begin(self) -> None:
        if self.began_s is not None:
            return
        self.began_s = time.monotonic()
        if self._mode.cuts:
            for stream in tuple(self._open):
                _reset(stream)

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        with self._scope:
            async with trio.open_nursery() as nursery:
                self._up.set()
                await trio.serve_listeners(self._client, [listener], handler_nursery=nursery)

    async def _client(self, down: trio.SocketStream) -> None:
        """One connection of the client's, whatever happens on it."""
        self._open.add(down)
        try:
            if (bad := self.bad) and bad.refuses:
                _reset(down)
                return
            async with await trio.open_tcp_stream(*self._upstream) as up:
                await self._carry(Pipe(down), Pipe(up))
        except* (ConnectionOver, *GONE):
            pass  # one side went away, which is what connections do here
        except* Exception as group:  # noqa: BLE001 - the other connections go on; the cell is told that its tool has failed
            self.troubles.append(repr(group.exceptions))
        finally:
            self._open.discard(down)
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(down)

    async def _carry(self, down: "Pipe", up: "Pipe") -> None:
        while True:
            head = await down.head()
            if b"upgrade: websocket" in head.lower():
                await self._websocket(down, up, head)
                return
            await self._request(down, up, head)

    async def _request(self, down: "Pipe", up: "Pipe", head: bytes) -> None:
        first, headers = parsed(head)
        body = await down.exactly(int(headers.get(b"content-length", b"0")))
        await up.send(head + body)
        status, answered = parsed(await up.head())
        content = await up.exactly(int(answered.get(b"content-length", b"0")))
        _, number, reason = status.split(b" ", 2)
        kept = tuple((name, value) for name, value in answered.items())
        answer = Answer(int(number), kept, content, reason)
        asked = Asked(first.split(b" ")[1].decode(), kind_of(body), body)
        if self._mode.sees:
            self._mode.sees(asked, answer, self._chance)
        bad = self.bad
        script = bad.http(asked, answer, self._chance) if bad and bad.http else None
        await self._play(down, (answer.raw(),) if script is None else script)

    async def _play(self, down: "Pipe", script: Script) -> None:
        """Send, wait and end as the script says, whole before anything else is said. Raises `ConnectionOver`
        at an end.
        """
        async with down.saying:
            await self._steps(down, script)

    async def _steps(self, down: "Pipe", script: Script) -> None:
        for step in script:
            if step == CLOSE:
                await down.stream.send_eof()
                raise ConnectionOver
            if step == RESET:
                _reset(down.stream)
                raise ConnectionOver
            if step == HANG:
                await down.dead()
            elif isinstance(step, float):
                await trio.sleep(step)
            elif isinstance(step, bytes):
                bad = self.bad
                await down.send(bad.raw(step, self._chance) if bad and bad.raw else step)

    async def _websocket(self, down: "Pipe", up: "Pipe", head: bytes) -> None:
        client, venue = WSConnection(ConnectionType.SERVER), WSConnection(ConnectionType.CLIENT)
        client.receive_data(head)
        asked = next(event for event in client.events() if isinstance(event, Request))
        offer = Request(
            host=f"{self._upstream[0]}:{self._upstream[1]}",
            target=asked.target,
            extensions=[PerMessageDeflate()],
        )
        await up.send(venue.send(offer))
        if refusal := await _refused(up, venue):
            await self._play(down, (refusal, CLOSE))
        accepted = client.send(AcceptConnection(extensions=[PerMessageDeflate()]))
        bad = self.bad
        await self._play(down, bad.upgrade(accepted, self._chance) if bad and bad.upgrade else (accepted,))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hear, down, up, client, venue)
            await self._speak(down, up, client, venue, asked.target)

    async def _hear(self, down: "Pipe", up: "Pipe", client: WSConnection, venue: WSConnection) -> None:
        """From the client to the venue."""
        whole: list[str] = []
        while True:
            for event in client.events():
                if isinstance(event, TextMessage):
                    whole.append(event.data)
                    if event.message_finished:
                        await self._asked("".join(whole), up, venue)
                        whole.clear()
                elif isinstance(event, Ping):
                    if self.bad is None and not down.saying.locked():
                        async with down.saying:
                            await down.send(client.send(event.response()))
                elif isinstance(event, CloseConnection):
                    if not down.saying.locked():
                        async with down.saying:
                            with suppress(*GONE):
                                await down.send(client.send(event.response()))
                    raise ConnectionOver
            client.receive_data(await down.some())

    async def _asked(self, text: str, up: "Pipe", venue: WSConnection) -> None:
        purpose = purpose_of(text)
        self.entered += purpose == "entering"
        self.left += purpose == "leaving"
        begins = bool(purpose) and purpose == self._moment and self.began_s is None
        # The order that the bad time begins with is already part of it; none after its end is.
        if not (self._mode.drops_orders and (begins or self.bad is not None)):
            await up.send(venue.send(TextMessage(text)))
        if begins:
            self._begin()

    async def _speak(
        self, down: "Pipe", up: "Pipe", client: WSConnection, venue: WSConnection, path: str
    ) -> None:
        """From the venue to the client."""
        whole: list[str] = []
        while True:
            for event in venue.events():
                if isinstance(event, TextMessage):
                    whole.append(event.data)
                    if event.message_finished:
                        await self._told(
                            Spoken(path, "".join(whole), lambda text: client.send(TextMessage(text))), down
                        )
                        whole.clear()
                elif isinstance(event, Ping):
                    await up.send(venue.send(event.response()))
                elif isinstance(event, CloseConnection):
                    async with down.saying:
                        await down.send(client.send(CloseConnection(event.code, event.reason)))
                    raise ConnectionOver
            venue.receive_data(await up.some())

    async def _told(self, spoken: Spoken, down: "Pipe") -> None:
        bad = self.bad
        script = bad.spoken(spoken, self._chance) if bad and bad.spoken else None
        await self._play(down, (spoken.speak(spoken.text),) if script is None else script)


class Pipe:
    """A stream that can be read by heads and lengths."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.saying = trio.Lock()
        """Held by whoever speaks on it."""
        self._kept = b""

    async def send(self, data: bytes) -> None:
        """All of it."""
        await self.stream.send_all(data)

    async def some(self) -> bytes:
        """Whatever comes next. Raises `ConnectionOver` at the end."""
        kept, self._kept = self._kept, b""
        if not kept:
            kept = await self.stream.receive_some(RECEIVE_BYTES)
            if not kept:
                raise ConnectionOver
        return bytes(kept)

    async def head(self) -> bytes:
        """Up to and with the empty line that ends an HTTP head."""
        taken = b""
        while b"\r\n\r\n" not in taken:
            if len(taken) > HEAD_BYTES_MAX:
                raise ConnectionOver
            taken += await self.some()
        head, _, self._kept = taken.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n"

    async def exactly(self, count: int) -> bytes:
        """So many bytes."""
        taken = b""
        while len(taken) < count:
            taken += await self.some()
        self._kept = taken[count:]
        return taken[:count]

    async def dead(self) -> None:
        """Until the other side gives up. Raises `ConnectionOver`, here or where the stream is already
        read.
        """
        try:
            while True:
                await self.some()
        except trio.BusyResourceError:
            await trio.sleep_forever()


def _reset(stream: trio.SocketStream) -> None:
    with suppress(OSError):
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_OFF)
    stream.socket.close()


async def _refused(up: Pipe, venue: WSConnection) -> bytes | None:
    """The venue's own refusal of an upgrade as bytes; None once it has accepted."""
    status, headers, body = 0, list[tuple[bytes, bytes]](), b""
    while True:
        for event in _until(venue.events()):
            if isinstance(event, AcceptConnection):
                return None
            if isinstance(event, RejectConnection):
                status, headers = event.status_code, list(event.headers)
            if isinstance(event, RejectData):
                body += event.data
            if status and (isinstance(event, RejectData) and event.body_finished):
                return (
                    Answer(status, tuple(headers), body, b"No")
                    .without(b"transfer-encoding")
                    .saying(body)
                    .raw()
                )
        venue.receive_data(await up.some())


def _until(events: Iterable[Event]) -> Iterable[Event]:
    """Not past the acceptance: what came with it is for `_speak`."""
    for event in events:
        yield event
        if isinstance(event, AcceptConnection):
            return


def parsed(head: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """The first line, and headers by their names in lower case."""
    first, *lines = head.rstrip(b"\r\n").split(b"\r\n")
    pairs = (line.partition(b":") for line in lines)
    return first, {name.strip().lower(): value.strip() for name, _, value in pairs}


def kind_of(body: bytes) -> str:
    """What is asked: a query's `type`, or the one key of an archive's question or an execute."""
    try:
        asked = json.loads(body) if body else {}
    except ValueError:
        return ""
    return str(asked.get("type") or next(iter(asked), "")) if isinstance(asked, dict) else ""


def purpose_of(text: str) -> Moment:
    """`entering` for an order that may increase, `leaving` for one that may only reduce, "" for everything
    else.
    """
    if '"place_order"' not in text:
        return ""
    order = json.loads(text)["place_order"]["order"]
    return "leaving" if unpack(int(order["appendix"])).reduce_only else "entering"


def plain(answer: Answer) -> bytes:
    """The body, inflated."""
    zipped = any(name == b"content-encoding" and value == b"gzip" for name, value in answer.headers)
    return zlib.decompress(answer.body, zlib.MAX_WBITS | 16) if zipped else answer.body
