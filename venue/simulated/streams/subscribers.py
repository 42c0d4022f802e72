"""Who has subscribed to what. Texts go into each subscriber's bounded queue; a connection that does not keep
up is cut, never waited for.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

import trio

QUEUE_MAX = 1024
"""Messages a listener may be behind: about ten seconds of two busy books."""


class TruncatedFrame(str):
    """Staged: a text of which only half is sent before the connection is cut."""


Topic = tuple[str | int | None, ...]
"""A stream's type and parameters, e.g. ("book_depth", 4) or ("fill", subaccount, None) = on all products."""


class Said:
    """One message on its way to everybody who listens: what the engine reported, and its text, which is
    written once, when the first of them wants text.
    """

    __slots__ = ("_text", "_write", "event")

    def __init__(self, write: Callable[[], str], event: object = None) -> None:
        """`write` makes the text when the first listener reads it; `event` is None for who knows only the
        text.
        """
        self.event = event
        self._write = write
        self._text: str | None = None

    @property
    def text(self) -> str:
        """The JSON of this message as the wire has it, written once for all who hear it."""
        if self._text is None:
            self._text = self._write()
        return self._text


class Hearing(Protocol):
    """Whoever has subscribed: a connection, or a client in this process."""

    def hear(self, said: Said) -> None:
        """Take one message at once, without waiting."""
        ...


class Listener:
    """One subscribing connection: its queue, and the scope that ends with it."""

    def __init__(self, queue_max: int = QUEUE_MAX) -> None:
        self._in, self.queue = trio.open_memory_channel[str](queue_max)
        self.scope = trio.CancelScope()

    def hear(self, said: Said) -> None:
        """Queue a message's text."""
        self.post(said.text)

    def post(self, text: str) -> None:
        """Queue a text; a full queue ends the connection."""
        try:
            self._in.send_nowait(text)
        except trio.WouldBlock:
            self.scope.cancel()


class Subscribers:
    """Topics and their listeners, in order of subscription (sets would make runs differ)."""

    def __init__(self) -> None:
        self._topics: dict[Topic, dict[Hearing, None]] = {}

    def add(self, topic: Topic, listener: Hearing) -> None:
        """Subscribe, or do nothing where that is subscribed already."""
        self._topics.setdefault(topic, {})[listener] = None

    def remove(self, topic: Topic, listener: Hearing) -> None:
        """Unsubscribe, or do nothing where that was never subscribed."""
        listeners = self._topics.get(topic, {})
        listeners.pop(listener, None)
        if not listeners:
            self._topics.pop(topic, None)

    def hears(self, stream: str) -> bool:
        """Has anybody subscribed to `stream`, whatever of it?"""
        return any(topic[0] == stream for topic in self._topics)

    def has_any(self, topics: Iterable[Topic]) -> bool:
        """Has anybody subscribed to one of `topics`? Only then is an event counted and its text made."""
        return any(topic in self._topics for topic in topics)

    def publish(self, topics: Iterable[Topic], text: Callable[[], str], event: object = None) -> None:
        """Post one message to all listeners of `topics`; its text is only made when somebody wants it."""
        listeners = [listener for topic in topics for listener in self._topics.get(topic, ())]
        if listeners:
            said = Said(text, event)
            for listener in listeners:
                listener.hear(said)
