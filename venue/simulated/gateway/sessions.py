"""Connections of the venue: `/v1/ws` answers in order, `/ws/v2` as answers come; `/v1/subscribe` is in
`subscriptions`.

Sessions are functions over a small frame interface: whoever owns a real socket adapts it to `Frames`. A
session returns when its connection is over or is to be cut; closing the socket is the owner's business. All
of them run under `serve_session`, which disconnects a client that has gone silent.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

import trio

from venue.nado.socket import background
from venue.simulated.faults.order_faults import AnswerLost, ConnectionCut
from venue.simulated.gateway.answers import answer
from venue.simulated.venue import AnswerTruncated, SimulatedVenue

CONCURRENT_MAX = 64
"""Requests of one `/ws/v2` connection that are worked on at a time; more of them wait."""


class Closed(Exception):
    """The client is gone, or has sent a frame that ends the connection."""


class Frames(Protocol):
    """Text frames of one connection. All methods raise `Closed`."""

    @property
    def address(self) -> str:
        """Where the client is, for the rate limits."""
        ...

    @property
    def heard_at(self) -> float:
        """Trio's time of the last byte from the client, pings included."""
        ...

    async def receive(self) -> str:
        """The next text frame, as soon as it is complete."""
        ...

    async def send(self, text: str) -> None:
        """Send one text frame; waits while the client does not read."""
        ...

    async def send_truncated(self, text: str) -> None:
        """Staged: send the first half of a frame. The connection is of no use afterwards."""
        ...


def truncated_frame(text: str) -> bytes:
    """The first half of a server's text frame: its header promises more than comes."""
    payload = text.encode()
    size = len(payload)
    length = (
        bytes([size])
        if size < 126
        else b"\x7e" + size.to_bytes(2, "big")
        if size < 2**16
        else b"\x7f" + size.to_bytes(8, "big")
    )
    return b"\x81" + length + payload[: size // 2]


Session = Callable[[Frames, SimulatedVenue], Awaitable[None]]


async def serve_session(session: Session, frames: Frames, venue: SimulatedVenue) -> None:
    """Run a session until it ends, the client is silent for too long, or the host goes down."""
    timeout_s = venue.exchange.options.ping_timeout_s

    async def close_when_silent() -> None:
        due = frames.heard_at + timeout_s
        while trio.current_time() < due:
            await trio.sleep_until(due)
            due = frames.heard_at + timeout_s  # later, if something came in meanwhile
        nursery.cancel_scope.cancel()

    async with background() as nursery:
        with venue.admission.connected(nursery.cancel_scope, frames.address):
            nursery.start_soon(close_when_silent)
            await session(frames, venue)


async def gateway_session(frames: Frames, venue: SimulatedVenue) -> None:
    """`/v1/ws`: strictly one after the other; an order at the speed bump delays everything behind it on
    this connection.
    """
    with suppress(Closed, ConnectionCut):
        while True:
            await _reply(frames, venue, await frames.receive())


async def concurrent_session(frames: Frames, venue: SimulatedVenue) -> None:
    """`/ws/v2`: every request on its own; answers come in the order in which they are ready."""
    room = trio.Semaphore(CONCURRENT_MAX)

    async def reply(text: str) -> None:
        try:
            await _reply(frames, venue, text)
        except (Closed, ConnectionCut):
            nursery.cancel_scope.cancel()
        finally:
            room.release()

    async with trio.open_nursery() as nursery:
        with suppress(Closed):
            while True:
                text = await frames.receive()
                await room.acquire()
                nursery.start_soon(reply, text)


async def _reply(frames: Frames, venue: SimulatedVenue, text: str) -> None:
    try:
        with suppress(AnswerLost):
            await frames.send((await answer(venue, text, frames.address)).text)
    except AnswerTruncated as cut:
        await frames.send_truncated(cut.text)
        raise
