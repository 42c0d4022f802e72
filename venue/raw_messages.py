"""What was said about our own orders, word for word, as it went over the wire: for the certificate of the
cycle that they belong to.

Each text is kept by reference as it came or left, so that keeping one costs a look-up and nothing is copied
or hashed while anything trades. A certificate takes its orders' texts away. Whatever is beyond the limits is
dropped and counted, the oldest order's first; nobody waits for anything here.

No key is in any of it: an order as sent has its signature, which the exchange publishes nowhere and which
proves the order and nothing else.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from messages.execution import Fill, OrderUpdate

ORDERS_KEPT = 256
MESSAGES_KEPT = 64
"""Of one order: an order in many pieces has two for each."""
TEXT_KEPT_MAX = 4 * 2**20
"""Characters of all that is kept."""

RawKind = Literal["order", "answer", "order_update", "fill", "archive"]
"""`order` is what we sent; the others are what the exchange said, `archive` its archive when it was asked."""


class RawMessage(NamedTuple):
    """One text, as it was sent or received."""

    kind: RawKind
    text: str


class RawMessages:
    """The texts by order. `dropped` counts those that were not kept."""

    def __init__(self) -> None:
        self._kept: dict[str, list[RawMessage]] = {}
        self._characters = 0
        self.dropped = 0

    def keep(self, digest: str, kind: RawKind, text: str) -> None:
        """A text about the order with this digest. Never raises."""
        kept = self._kept.setdefault(digest, [])
        if len(kept) >= MESSAGES_KEPT or len(text) > TEXT_KEPT_MAX:
            self.dropped += 1
            return
        kept.append(RawMessage(kind, text))
        self._characters += len(text)
        while len(self._kept) > ORDERS_KEPT or self._characters > TEXT_KEPT_MAX:
            self.dropped += len(self._forget(next(iter(self._kept))))

    def heard(self, event: object, text: str) -> None:
        """An event of the account's stream, and the text that it was read from."""
        if isinstance(event, Fill):
            self.keep(event.order_digest, "fill", text)
        elif isinstance(event, OrderUpdate):
            self.keep(event.order_digest, "order_update", text)

    def take(self, digests: Iterable[str]) -> dict[str, list[RawMessage]]:
        """What is kept of these orders, each in the order of its coming; kept no longer."""
        return {digest: self._forget(digest) for digest in digests if digest in self._kept}

    def _forget(self, digest: str) -> list[RawMessage]:
        gone = self._kept.pop(digest)
        self._characters -= sum(len(message.text) for message in gone)
        return gone
