"""Event streams from `/v1/subscribe`: one connection, entered when every subscription is acknowledged, ended
by the first loss.

There is no replay: whoever loses a stream subscribes anew and reads the state again. So nothing here
reconnects or repairs; it says `Unreachable`.

Frames are decoded by whoever takes the events, a batch at a time: a defect in there is that actor's, and a
flood costs a turn of the scheduler per batch. Who takes nothing for a while lets frames wait in the socket's
queue, and then in the network's; the connection's silence (`venue/nado/socket.py`) ends that.
"""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import trio

from venue.nado import codec
from venue.nado.counts import TroubleTally
from venue.nado.events import StreamEvent, decode
from venue.nado.socket import Dialer, Socket, open_socket
from venue.protocol import Refused, Unreachable
from venue.raw_messages import RawMessages

BUFFER_SIZE = 4096
"""Events that may come before the last acknowledgement. At 20 batches a second and product this is over a
minute and a half.
"""
BUFFER_TEXT_MAX = 4 * 2**20
"""Characters of the frames that these events were read from; an event takes up to twenty times as much
memory.
"""
ACK_S = 5.0
"""How long the venue may take to acknowledge one step of subscribing."""

Stream = dict[str, object]


class Subscription:
    """The events of one connection, in the order of their arrival. Raises `Unreachable` when it is over
    and everything that came is taken.
    """

    def __init__(
        self,
        socket: Socket,
        wanted: frozenset[str],
        sender: str,
        tally: TroubleTally,
        raw: RawMessages | None = None,
    ) -> None:
        """`raw` is given the text of each event of our own orders."""
        self._socket = socket
        self._wanted = wanted
        self._sender = sender
        self._tally = tally
        self._raw = raw
        self._events: deque[StreamEvent] = deque()
        self.waiting = 0
        """Characters of the frames that were decoded since nothing waited to be taken."""
        self._refusal: codec.ControlFrameReply | None = None
        self._asked: set[int] = set()
        """Ids of the control frames that are not acknowledged yet."""
        self._last_id = 0

    @property
    def backlog(self) -> int:
        """Events that have arrived and were not taken yet; frames that nobody has looked at count as one."""
        return len(self._events) + self._socket.unread

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self

    async def __anext__(self) -> StreamEvent:
        while not self._events:
            await self._read()
        return self._events.popleft()

    async def batch(self) -> Sequence[StreamEvent]:
        """Everything that arrived together with the next event; one at least, the oldest first."""
        while not self._events:
            await self._read()
        taken, self._events = self._events, deque()
        return taken

    async def _read(self) -> None:
        """Take what the socket has: events to be taken from here, answers to where `ask` looks for them.

        Raises `Unreachable`: the connection is over, or more waits to be taken than may.
        """
        if len(self._events) > BUFFER_SIZE or self.waiting > BUFFER_TEXT_MAX:
            self._socket.abandon(f"fell behind: {self.backlog} events were not read")
        try:
            texts = await self._socket.receive_batch()
        except Unreachable as error:
            self._tally.counts.lost += 1
            if self._socket.oversized:
                self._tally.trouble("oversized", str(error))
            raise
        self.waiting = (self.waiting if self._events else 0) + sum(map(len, texts))
        for text in texts:
            read = decode(text, self._wanted, self._sender, self._tally)
            if isinstance(read, codec.ControlFrameReply):
                self._answered(read)
            elif read is not None:
                self._events.append(read)
                if self._raw is not None:
                    self._raw.heard(read, text)

    def _answered(self, reply: codec.ControlFrameReply) -> None:
        if reply.refusal is not None:
            self._tally.trouble("refused", reply.refusal)
            self._refusal = reply if self._asked else None
        elif reply.id is not None:
            self._asked.discard(int(reply.id))

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
            # What has arrived is read although nothing more can be sent: it may say why.
            with suppress(Unreachable):
                for frame in frames.values():
                    await self._socket.send(frame)
            while self._asked:
                if self._refusal is not None:
                    code = self._refusal.error_code
                    raise Refused(None if code is None else int(code), self._refusal.refusal or "")
                await self._read()
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
    raw: RawMessages | None = None,
) -> AsyncIterator[Subscription]:
    """The events of `streams` for one connection's life. Entered = all acknowledged; raises `Refused` or
    `Unreachable` instead.

    `authentication`: (expiration in venue ms, signature) of `sender`, for streams that need it. It is
    acknowledged before anything is subscribed. `raw`: see `Subscription`.
    """
    tally.counts.attempts += 1
    async with open_socket(url, dialer) as socket:
        wanted = frozenset(str(stream["type"]) for stream in streams)
        events = Subscription(socket, wanted, sender, tally, raw)
        if authentication is not None:
            request_id = events.next_id()
            await events.ask({request_id: codec.authenticate(request_id, sender, *authentication)})
        numbered = [(events.next_id(), stream) for stream in streams]
        await events.ask({number: codec.subscribe(number, stream) for number, stream in numbered})
        tally.counts.connections += 1
        yield events
