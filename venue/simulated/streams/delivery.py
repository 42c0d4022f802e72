"""Carries what the venue sends: events to the subscribers, answers to whoever asked. On the way they are
lost, doubled, held back or overtaken, when staged.

Nothing that is carried changes what has happened: the engine, its order log and the archive know nothing of
all this.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush

import trio

from venue.simulated.faults.order_faults import (
    ConnectionCut,
    DisturbEvent,
    DisturbReply,
    Faults,
    RecurrenceCounter,
)
from venue.simulated.streams.subscribers import Subscribers, Topic, TruncatedFrame

REORDER_MS = 500
"""An event that nothing overtakes comes this late."""


@dataclass(slots=True)
class _Late:
    """Something held back, delivered once: when it is due or when it is overtaken, whichever comes first."""

    deliver: Callable[[], None]
    delivered: bool = False

    def __call__(self) -> None:
        if not self.delivered:
            self.delivered = True
            self.deliver()


class Delivery:
    """Everything that leaves the venue goes through here. What is held back is delivered by `run`."""

    def __init__(self, subscribers: Subscribers, symbols: Mapping[int, str], faults: Faults) -> None:
        """`symbols`: the products' names by id, for faults that name a product."""
        self._subscribers = subscribers
        self._symbols = symbols
        self._late: list[tuple[float, int, _Late]] = []
        self._added = trio.Event()
        self._overtaken: dict[str, list[_Late]] = {}
        self._number = 0
        self.stage(faults)

    def stage(self, faults: Faults) -> None:
        """Disturb events and replies as `faults` says, counting from now; what was held back still comes."""
        self._events: RecurrenceCounter[DisturbEvent] = RecurrenceCounter(faults.event, faults.seed)
        self._replies: RecurrenceCounter[DisturbReply] = RecurrenceCounter(faults.reply, faults.seed)

    async def run(self) -> None:
        """Deliver what was held back, when it is due."""
        while True:
            with trio.move_on_at(self._late[0][0] if self._late else math.inf):
                await self._added.wait()
            self._added = trio.Event()
            while self._late and self._late[0][0] <= trio.current_time():
                heappop(self._late)[2]()

    def _hold(self, deliver: Callable[[], None], delay_ms: int) -> _Late:
        self._number += 1
        late = _Late(deliver)
        heappush(self._late, (trio.current_time() + delay_ms / 1000, self._number, late))
        self._added.set()
        return late

    # -- events ----------------------------------------------------------------------------------------------

    def hears(self, stream: str) -> bool:
        """Does anybody listen to `stream`, of any product?"""
        return self._subscribers.hears(stream)

    def publish(self, topics: Sequence[Topic], text: Callable[[], str], event: object = None) -> None:
        """Post one event to all listeners of `topics`. A topic's first part is the stream, its last the
        product; None = on all products. `event`: for whoever reads no text.
        """
        if not self._subscribers.has_any(topics):
            return
        stream, symbol = str(topics[0][0]), self._symbols.get(int(topics[0][-1] or 0), "")
        fault = self._events.due(lambda fault: fault.stream in {"", stream} and fault.product in {"", symbol})
        held = self._overtaken.pop(stream, [])
        deliver = partial(self._subscribers.publish, topics, text, event)
        match fault.how if fault else "":
            case "cut":
                self._subscribers.publish(topics, lambda: TruncatedFrame(text()))
            case "delay" if fault:
                self._hold(deliver, fault.delay_ms)
            case "reorder":
                self._overtaken.setdefault(stream, []).append(self._hold(deliver, REORDER_MS))
            case "duplicate":
                deliver()
                deliver()
            case "":
                deliver()
        for late in held:
            late()

    # -- answers ---------------------------------------------------------------------------------------------

    async def brings_answer(self, request: str) -> bool:
        """Wait for as long as the answer to `request` is held back; False when it is lost. Raises
        `ConnectionCut`.
        """
        fault = self._reply_fault(request)
        if fault is not None and fault.how == "cut":
            raise ConnectionCut
        if fault is not None and fault.how == "delay":
            await trio.sleep(fault.delay_ms / 1000)
        return fault is None or fault.how != "lose"

    def answer(self, request: str, deliver: Callable[[], None], cut: Callable[[], None]) -> None:
        """Deliver the answer to a request of a stream's socket, now or later or not at all: nothing behind
        it waits. `cut` ends the connection.
        """
        fault = self._reply_fault(request)
        if fault is None:
            deliver()
        elif fault.how == "cut":
            cut()
        elif fault.how == "delay":
            self._hold(deliver, fault.delay_ms)

    def _reply_fault(self, request: str) -> DisturbReply | None:
        return self._replies.due(lambda fault: fault.request in {"", request})
