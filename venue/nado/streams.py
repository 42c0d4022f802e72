"""Event streams from `/v1/subscribe`: one connection, entered when every subscription is acknowledged, ended
by the first loss.

There is no replay: whoever loses a stream subscribes anew and reads the state again. So nothing here
reconnects or repairs; it says `Unreachable`. The socket is drained by a task of its own into a bounded
buffer, because a stalled reader stops answering pings and the venue would cut it off. A reader that falls
behind by a whole buffer loses the connection.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio

from venue.nado import codec
from venue.nado.counts import TroubleTally
from venue.nado.events import StreamEvent, decode
from venue.nado.socket import Dialer, Socket, background, open_socket
from venue.protocol import Refused, Unreachable

BUFFER_SIZE = 4096
"""Events. At 20 batches a second and product this is over a minute and a half."""
BUFFER_TEXT_MAX = 4 * 2**20
"""Characters of the frames that these events were read from; an event takes up to twenty times as much
memory.
"""
ACK_S = 5.0
"""How long the venue may take to acknowledge one step of subscribing."""

Stream = dict[str, object]


class Subscription:
    """The events of one connection, in the order of their arrival. Raises `Unreachable` when it is over
    and everything that came is read.
    """

    def __init__(self, socket: Socket, wanted: frozenset[str], sender: str, tally: TroubleTally) -> None:
        self._socket = socket
        self._wanted = wanted
        self._sender = sender
        self._tally = tally
        self._send, self._receive = trio.open_memory_channel[tuple[StreamEvent, int]](BUFFER_SIZE)
        self.waiting = 0
        """Characters of the frames whose events nobody has taken yet."""
        self._progress = trio.Event()
        self._refusal: codec.ControlFrameReply | None = None
        self._asked: set[int] = set()
        """Ids of the control frames that are not acknowledged yet."""
        self._last_id = 0

    @property
    def backlog(self) -> int:
        """Events that have arrived and were not taken yet."""
        return self._receive.statistics().current_buffer_used

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self

    async def __anext__(self) -> StreamEvent:
        try:
            event, size = await self._receive.receive()
        except trio.EndOfChannel:
            raise self._socket.lost() from None
        self.waiting -= size
        return event

    async def drain(self) -> None:
        """Read the socket until it ends: events into the buffer, answers to where `ask` waits for them."""
        try:
            with self._send:
                while True:
                    text = await self._socket.receive()
                    self._take(decode(text, self._wanted, self._sender, self._tally), len(text))
        except Unreachable as error:
            # the reader hears of it from `__anext__`, after what had arrived before
            self._tally.counts.lost += 1
            if self._socket.oversized:
                self._tally.trouble("oversized", str(error))
        except trio.WouldBlock:
            self._tally.counts.lost += 1
            self._socket.abandon(f"fell behind: {self.backlog} events were not read")
        finally:
            self._notify()

    def _take(self, read: StreamEvent | codec.ControlFrameReply | None, size: int) -> None:
        """An event into the buffer, an answer to where `ask` waits for it. Raises `trio.WouldBlock` when more
        waits than may.
        """
        if isinstance(read, codec.ControlFrameReply):
            if read.refusal is not None:
                self._tally.trouble("refused", read.refusal)
                self._refusal = read if self._asked else None
            elif read.id is not None:
                self._asked.discard(int(read.id))
            self._notify()
        elif read is not None:
            self.waiting += size
            if self.waiting > BUFFER_TEXT_MAX:
                raise trio.WouldBlock
            self._send.send_nowait((read, size))

    def _notify(self) -> None:
        progress, self._progress = self._progress, trio.Event()
        progress.set()

    def next_id(self) -> int:
        """A request id that this connection has not used yet; the venue echoes it."""
        self._last_id += 1
        return self._last_id

    async def ask(self, frames: dict[int, str]) -> None:
        """Send control frames by their ids and wait until all are acknowledged. Events may come before the
        acknowledgements: they are kept.

        Raises `Refused` when the venue says no to one, `Unreachable` when it does not answer in time.
        """
        self._asked = set(frames)
        with trio.move_on_after(ACK_S):
            for frame in frames.values():
                await self._socket.send(frame)
            while self._asked:
                if self._refusal is not None:
                    code = self._refusal.error_code
                    raise Refused(None if code is None else int(code), self._refusal.refusal or "")
                if not self._socket.open:
                    raise self._socket.lost()
                await self._progress.wait()
            return
        raise Unreachable(f"{self._socket.name}: no acknowledgement in {ACK_S:g} s")


@asynccontextmanager
async def subscribed(
    url: str,
    dialer: Dialer,
    streams: Sequence[Stream],
    tally: TroubleTally,
    sender: str = "",
    authentication: tuple[int, str] | None = None,
) -> AsyncIterator[Subscription]:
    """The events of `streams` for one connection's life. Entered = all acknowledged; raises `Refused` or
    `Unreachable` instead.

    `authentication`: (expiration in venue ms, signature) of `sender`, for streams that need it. It is
    acknowledged before anything is subscribed.
    """
    tally.counts.attempts += 1
    async with open_socket(url, dialer) as socket, background() as nursery:
        events = Subscription(socket, frozenset(str(stream["type"]) for stream in streams), sender, tally)
        nursery.start_soon(events.drain)
        if authentication is not None:
            request_id = events.next_id()
            await events.ask({request_id: codec.authenticate(request_id, sender, *authentication)})
        numbered = [(events.next_id(), stream) for stream in streams]
        await events.ask({number: codec.subscribe(number, stream) for number, stream in numbered})
        tally.counts.connections += 1
        yield events
