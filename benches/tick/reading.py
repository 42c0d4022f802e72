"""The bytes that a tap has seen, read back by wsproto into messages with the time of the call that completed
each; and from those, what an entry took.
"""

import marshal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage
from wsproto.extensions import PerMessageDeflate

from benches.tick.tap import Call

HEAD_END = b"\r\n\r\n"
DEFLATE = "permessage-deflate"


class Gate(NamedTuple):
    """How the frame that makes an entry possible is recognised."""

    product_id: int
    """ETH-PERP's."""
    narrow_ask: str
    """The price, x18, that is among the asks only while an entry is possible."""


class Passed(NamedTuple):
    """One text message, whole."""

    at_ns: int
    """When the call returned that received or sent its last byte."""
    path: str
    sent: bool
    text: str


class Entry(NamedTuple):
    """One entry, all in `perf_counter_ns` of the client's process."""

    quote_ns: int
    eth_ns: int
    sol_ns: int

    @property
    def began_ns(self) -> int:
        """When the quote's bytes were there."""
        return self.quote_ns

    @property
    def ended_ns(self) -> int:
        """When the second order had left."""
        return max(self.eth_ns, self.sol_ns)

    @property
    def tick_us(self) -> float:
        """From the quote's bytes to the second order."""
        return (self.ended_ns - self.quote_ns) / 1000

    @property
    def skew_us(self) -> float:
        """Between the two orders."""
        return abs(self.eth_ns - self.sol_ns) / 1000


class Entries(NamedTuple):
    """What one block's tap comes to."""

    entries: list[Entry]
    missed: int
    """Times between the first entry and the last that one was possible and none was sent before the spread
    was wide again.
    """


class _Direction:
    """One direction of one connection: its upgrade, then its frames."""

    def __init__(self, sent: bool) -> None:
        self.head = b""
        self._sent = sent
        self._rest = b""
        self._frames: Connection | None = None
        self._text: list[str] = []

    def take(self, data: bytes, deflate: str | None) -> Iterator[str]:
        """The messages that `data` completes. `deflate`: what the handshake agreed on; None before it."""
        if not self.head:
            head, found, rest = (self._rest + data).partition(HEAD_END)
            self._rest = rest if found else head
            if not found:
                return
            self.head, data, self._rest = head, b"", rest
        self._rest += data
        if deflate is None or not self._rest:
            return
        if self._frames is None:
            self._frames = _frames(self._sent, deflate)
        data, self._rest = self._rest, b""
        self._frames.receive_data(data)
        for event in self._frames.events():
            if isinstance(event, TextMessage):
                self._text.append(event.data)
                if event.message_finished:
                    yield "".join(self._text)
                    self._text.clear()


def _frames(sent: bool, deflate: str) -> Connection:
    """Reads frames as the side that they were sent to."""
    extension = PerMessageDeflate()
    if sent:
        extension.accept(deflate)
    else:
        extension.finalize(deflate)
    side = ConnectionType.SERVER if sent else ConnectionType.CLIENT
    return Connection(side, [extension] if deflate else [])


def messages(calls: list[Call]) -> Iterator[Passed]:
    """Every WebSocket message of every connection, in the order of completion."""
    open_now: dict[int, tuple[_Direction, _Direction]] = {}
    for at_ns, descriptor, sent, data in calls:
        if sent and data.startswith(b"GET /v1/") and b"websocket" in data[:400].lower():
            open_now[descriptor] = _Direction(sent=True), _Direction(sent=False)
        elif sent and data.startswith((b"GET ", b"POST ")):
            open_now.pop(descriptor, None)  # a descriptor is used again, here for plain HTTP
        if descriptor not in open_now:
            continue
        asked, answered = open_now[descriptor]
        if not sent and not answered.head and not data.startswith(b"HTTP/1.1 101") and not answered._rest:
            open_now.pop(descriptor)
            continue
        for text in (asked if sent else answered).take(data, _agreed(answered.head)):
            yield Passed(at_ns, asked.head.split(b" ", 2)[1].decode(), sent, text)


def _agreed(head: bytes) -> str | None:
    """The extension as the server accepted it; None before it answered."""
    if not head:
        return None
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"sec-websocket-extensions":
            return value.decode().strip()
    return DEFLATE


def entries(calls: list[Call], gate: Gate) -> Entries:
    """For each frame that made an entry possible, the first two entering orders before the spread was wide
    again. Nothing is left out for having taken long.
    """
    found: list[Entry] = []
    missed, missed_since, opened_ns, narrow = 0, 0, 0, False
    orders: dict[int, int] = {}
    for passed in messages(calls):
        if passed.sent:
            if opened_ns and (order := entering(passed.text)) is not None:
                orders.setdefault(order, passed.at_ns)
                if len(orders) == 2:
                    eth_ns = orders.pop(gate.product_id)
                    if found:
                        missed += missed_since
                    found.append(Entry(opened_ns, eth_ns, *orders.values()))
                    missed_since, opened_ns, orders = 0, 0, {}
            continue
        now_narrow = _narrow(passed.text, gate, before=narrow)
        if now_narrow and not narrow:
            opened_ns, orders = passed.at_ns, {}
        elif narrow and not now_narrow and opened_ns:
            missed_since, opened_ns, orders = missed_since + 1, 0, {}
        narrow = now_narrow
    return Entries(found, missed)


def _narrow(text: str, gate: Gate, *, before: bool) -> bool:
    """Is the narrow ask in the book after this message?"""
    if '"book_depth"' not in text:
        return before
    batch: dict[str, Any] = msgspec.json.decode(text)
    if batch.get("type") != "book_depth" or int(batch["product_id"]) != gate.product_id:
        return before
    amounts = [int(amount) for price, amount in batch["asks"] if price == gate.narrow_ask]
    return amounts[-1] > 0 if amounts else before


def entering(text: str) -> int | None:
    """The product of an order that opens the pair (ETH bought, SOL sold); None for anything else."""
    if not text.startswith('{"place_order"'):
        return None
    asked = msgspec.json.decode(text)["place_order"]
    appendix = int(asked["order"]["appendix"])
    return None if appendix >> 11 & 1 else int(asked["product_id"])


def read(path: Path) -> list[Call]:
    """What a tap has written."""
    calls: list[Call] = marshal.loads(path.read_bytes())  # noqa: S302 - written by our own tap
    return calls
