"""A leg's own connection for orders: one order at a time, sent once, answered or in doubt.

`/v1/ws` answers strictly in order, so an answer belongs to the oldest request without one; with one order at
a time that is the order in flight. The echoed id is checked when the venue sends it. Whenever the connection
may be out of step (no answer in time, an answer that cannot be read or names something else, a frame nobody
asked for) it is closed: a late answer must never be taken for the next order's. The order stays `unknown` and
is resolved elsewhere by its digest. **Nothing is ever sent again from here.**

This file holds the only shielded wait of the program: from the bytes handed to the socket until the answer or
the deadline. A cancellation in between would leave an order on its way that nobody waits for. It ends 500 ms
after the receive window, and the connection lives as long.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio

from runtime.backoff import RECONNECT, Streak
from runtime.clock import VenueClock
from venue.nado.codec import RATE_LIMITED, place_order, reply_to
from venue.nado.gate import Withheld
from venue.nado.socket import Dialer, Socket, background, open_socket
from venue.nado.weights import Metering
from venue.protocol import ANSWER_AFTER_RECV_MS, Reply, SignedOrder, Unreachable
from venue.raw_messages import RawMessages

LATEST_BEFORE_RECV_MS = 200
"""An order leaves no later than this before its receive window closes: what arrives later is refused, and
we would have to wait to learn it.
"""


class _Answer:
    """Where the reader puts what came back for the order in flight."""

    def __init__(self) -> None:
        self.arrived = trio.Event()
        self.text: str | None = None
        """None when the connection was lost instead."""

    def put(self, text: str | None) -> None:
        self.text = text
        self.arrived.set()


class NadoOrderWire:
    """`venue.protocol.OrderWire` on Nado's `/v1/ws`. Use `order_wire`, which keeps it connected."""

    def __init__(
        self,
        name: str,
        url: str,
        dialer: Dialer,
        clock: VenueClock,
        source: random.Random,
        metering: Metering,
    ) -> None:
        self._name = name
        self._url = url
        self._dialer = dialer
        self._clock = clock
        self._streak = Streak(RECONNECT, source)
        self._tally, self._weights = metering
        self._socket: Socket | None = None
        self._waiting: _Answer | None = None
        self._last_id = 0
        self.raw = RawMessages()
        """Is given each order as it was sent, and its answer."""

    @property
    def connected(self) -> bool:
        """May an order be handed to the socket now? False from the moment either side began to close."""
        return self._socket is not None and self._socket.open

    async def place(self, signed: SignedOrder) -> Reply:
        """Send one order and wait for its answer, or until recv_time + 500 ms of venue time. Never raises
        `VenueError`: doubt is `unknown`.

        It is carried out even when the caller has been cancelled already: nothing between its first statement
        and the first byte can be interrupted, so a leg that was told to stop while it held a Place still
        sends, and no leg sends half an order.
        """
        socket = self._socket
        if socket is None or not socket.open:
            return Reply("not_sent", None, f"{self._name} is not connected")
        if self._waiting is not None:
            return Reply("not_sent", None, f"{self._name} has another order in flight")
        self._last_id += 1
        frame = place_order(signed, self._last_id)
        answer = self._waiting = _Answer()
        try:
            left_ms = max(0, signed.recv_time_ms + ANSWER_AFTER_RECV_MS - self._clock.now_ms())
            with trio.CancelScope(shield=True, deadline=trio.current_time() + left_ms / 1000):
                if not self._in_time(signed):
                    return self._too_late(signed)
                self._weights.place()
                await socket.send(frame, may=partial(self._in_time, signed))
                await answer.arrived.wait()
        except Withheld:
            return self._too_late(signed)
        except Unreachable as error:
            self.raw.keep(signed.digest, "order", frame)
            return self._in_doubt(socket, str(error))
        finally:
            self._waiting = None
        # after the answer: nothing is done for the records while the other leg's order may wait for its turn
        self.raw.keep(signed.digest, "order", frame)
        if answer.text is not None:
            self.raw.keep(signed.digest, "answer", answer.text)
        return self._judge(socket, answer, signed.digest)

    def _in_time(self, signed: SignedOrder) -> bool:
        return self._clock.now_ms() <= signed.recv_time_ms - LATEST_BEFORE_RECV_MS

    def _too_late(self, signed: SignedOrder) -> Reply:
        left_ms = signed.recv_time_ms - self._clock.now_ms()
        return Reply(
            "not_sent",
            None,
            f"too late: {left_ms} ms of the receive window were left, {LATEST_BEFORE_RECV_MS} are needed",
        )

    def _judge(self, socket: Socket, answer: _Answer, digest: str) -> Reply:
        if answer.text is None:
            lost = answer.arrived.is_set()
            why = "the connection was lost before the answer" if lost else "no answer in time"
            return self._in_doubt(socket, why)
        reply = reply_to(answer.text, self._last_id, digest)
        if reply.kind == "unknown" and reply.code is None:  # not certainly this order's: out of step
            self._tally.trouble("unreadable", reply.text)
            return self._in_doubt(socket, reply.text)
        self._tally.counts.events += 1
        if reply.code in RATE_LIMITED:
            self._tally.trouble("limited", f"{reply.code}: {reply.text}")
            self._weights.limited_executes()
        return reply

    def _in_doubt(self, socket: Socket, why: str) -> Reply:
        socket.abandon(why)
        return Reply("unknown", None, why)

    async def keep_connected(self) -> None:
        """Connect, read, and connect again after a growing pause, until cancelled."""
        while True:
            self._tally.counts.attempts += 1
            self._weights.connect()
            try:
                async with open_socket(self._url, self._dialer) as socket:
                    await self._read(socket)
            except Unreachable as error:
                self._tally.trouble("lost", str(error))
            await trio.sleep(self._streak.pause_s(trio.current_time()))

    async def _read(self, socket: Socket) -> None:
        self._socket = socket
        self._tally.counts.connections += 1
        self._streak.up(trio.current_time())
        try:
            while True:
                text = await socket.receive()
                if not self._give(text):
                    self._tally.trouble("unknown", text)
                    socket.abandon("an unexpected answer")
        finally:
            self._socket = None
            self._give(None)
            if socket.oversized:
                self._tally.trouble("oversized", str(socket.lost()))

    def _give(self, text: str | None) -> bool:
        answer = self._waiting
        if answer is None or answer.arrived.is_set():
            return False
        answer.put(text)
        return True


@asynccontextmanager
async def order_wire(
    name: str,
    url: str,
    dialer: Dialer,
    clock: VenueClock,
    source: random.Random,
    metering: Metering,
    raw: RawMessages | None = None,
) -> AsyncIterator[NadoOrderWire]:
    """An order wire that connects in the background while the context is open. `url` is the gateway's
    `/v1/ws`.

    It comes up unconnected: a leg without a connection says so when it is asked to vote. The connection
    outlives a cancellation until the body of the context has ended: a leg that is stopped with an order under
    way needs it to hear the answer. `raw` is given each order as it was sent, and its answer.
    """
    wire = NadoOrderWire(name, url, dialer, clock, source, metering)
    wire.raw = raw or wire.raw
    life = trio.CancelScope(shield=True)

    async def keep_connected() -> None:
        with life:
            await wire.keep_connected()

    async with background() as nursery:
        nursery.start_soon(keep_connected)
        try:
            yield wire
        finally:
            life.cancel()
