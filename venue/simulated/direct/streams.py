"""Events of the exchange as the actors know them, straight from the engine's: no text in between.

Each conversion says what `venue/nado/events.py` reads out of the same event's text; a test holds both
together.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Generic, TypeVar

import trio

from messages.execution import Fill, OrderUpdate, PositionChange
from messages.market import BookDelta
from messages.units import Base
from runtime.timetable import Timetable
from venue.protocol import AccountEvent, MarketEvent, Unreachable
from venue.simulated.engine.events import BookBatch, Filled, OrderUpdated, PositionChanged
from venue.simulated.streams.subscribers import Said, Subscribers, Topic

BUFFER = 4_096
"""Events that may wait: as many as the client on the wire keeps (`venue/nado/streams.py`)."""

E = TypeVar("E")


class DirectStream(Generic[E]):
    """One subscription: what is published for it waits here, once it has been `latency_s` on its way."""

    def __init__(self, convert: Callable[[object], E], latency_s: float, timetable: Timetable) -> None:
        self._convert = convert
        self._latency_s = latency_s
        self._timetable = timetable
        self._in, self._out = trio.open_memory_channel[E](BUFFER)
        self._lost = ""
        """Why the connection is gone; "" while it holds."""

    @property
    def backlog(self) -> int:
        """Events that have arrived and were not taken yet."""
        return self._out.statistics().current_buffer_used

    def hear(self, said: Said) -> None:
        """Take one event. One that is cut in mid-frame, or one too many, ends the connection."""
        if not self._latency_s:
            self._arrive(said.event)
        else:
            self._timetable.at(trio.current_time() + self._latency_s, partial(self._arrive, said.event))

    def _arrive(self, event: object) -> None:
        if event is None:
            self.lose("cut in mid-frame")
            return
        try:
            self._in.send_nowait(self._convert(event))
            self._timetable.woken = True
        except trio.ClosedResourceError:
            return
        except trio.WouldBlock:
            self.lose(f"fell behind: {self.backlog} events were not read")

    def lose(self, why: str) -> None:
        """The connection ends here; the reader hears of it after what had arrived before."""
        self._lost = self._lost or why
        self._in.close()
        self._timetable.woken = True

    def __aiter__(self) -> AsyncIterator[E]:
        return self

    async def __anext__(self) -> E:
        try:
            return await self._out.receive()
        except trio.EndOfChannel:
            raise Unreachable(self._lost) from None

    async def batch(self) -> Sequence[E]:
        """All that has arrived by the time the next event has. Raises `Unreachable`."""
        events = [await self.__anext__()]
        while self.backlog:
            events.append(self._out.receive_nowait())
        return events


@contextmanager
def listening(subscribers: Subscribers, topics: Sequence[Topic], stream: DirectStream[E]) -> Iterator[None]:
    """`stream` hears what is published under `topics` while the context is open."""
    for topic in topics:
        subscribers.add(topic, stream)
    try:
        yield
    finally:
        for topic in topics:
            subscribers.remove(topic, stream)


def market_event(event: object) -> MarketEvent:
    """A batch of book changes. Raises `TypeError` for anything else."""
    if not isinstance(event, BookBatch):
        raise TypeError(f"{type(event).__name__} is no event of a market")
    return BookDelta(event.product_id, event.min_ns, event.max_ns, event.last_max_ns, event.bids, event.asks)


def account_event(event: object) -> AccountEvent:
    """A fill, an order's change or a position's. Raises `TypeError` for anything else."""
    if isinstance(event, Filled):
        return fill_of(event)
    if isinstance(event, OrderUpdated):
        remaining = Base(abs(event.amount))
        return OrderUpdate(event.digest, event.product_id, remaining, event.reason, event.at_ns)
    if isinstance(event, PositionChanged):
        return PositionChange(
            event.product_id, event.isolated, event.amount, event.v_quote, event.reason, event.at_ns
        )
    raise TypeError(f"{type(event).__name__} is no event of an account")


def fill_of(event: Filled) -> Fill:
    """One piece of an order of ours, as the ledger books it."""
    return Fill(
        order_digest=event.digest,
        product_id=event.product_id,
        amount=event.filled if event.is_bid else Base(-event.filled),
        price=event.price,
        fee=event.fee,
        remaining=event.remaining,
        original=event.original,
        is_taker=event.is_taker,
        submission_idx=event.submission_idx,
        at_ns=event.at_ns,
        isolated=event.isolated,
    )
