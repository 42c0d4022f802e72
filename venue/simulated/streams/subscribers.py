"""Who has subscribed to what. Texts go into each subscriber's bounded queue; a connection that does not keep
up is cut, never waited for.
"""

from collections.abc import Callable, Iterable

import trio

QUEUE_MAX = 1024
"""Messages a listener may be behind: about ten seconds of two busy books."""


class TruncatedFrame(str):
    """Staged: a text of which only half is sent before the connection is cut."""


Topic = tuple[str | int | None, ...]
"""A stream's type and parameters, e.g. ("book_depth", 4) or ("fill", subaccount, None) = on all products."""


class Listener:
    """One subscribing connection: its queue, and the scope that ends with it."""

    def __init__(self, queue_max: int = QUEUE_MAX) -> None:
        self._in, self.queue = trio.open_memory_channel[str](queue_max)
        self.scope = trio.CancelScope()

    def post(self, text: str) -> None:
        """Queue a text; a full queue ends the connection."""
        try:
            self._in.send_nowait(text)
        except trio.WouldBlock:
            self.scope.cancel()


class Subscribers:
    """Topics and their listeners, in order of subscription (sets would make runs differ)."""

    def __init__(self) -> None:
        self._topics: dict[Topic, dict[Listener, None]] = {}

    def add(self, topic: Topic, listener: Listener) -> None:
        """Subscribe, or do nothing where that is subscribed already."""
        self._topics.setdefault(topic, {})[listener] = None

    def remove(self, topic: Topic, listener: Listener) -> None:
        """Unsubscribe, or do nothing where that was never subscribed."""
        listeners = self._topics.get(topic, {})
        listeners.pop(listener, None)
        if not listeners:
            self._topics.pop(topic, None)

    def has_any(self, topics: Iterable[Topic]) -> bool:
        """Has anybody subscribed to one of `topics`? Only then is an event counted and its text made."""
        return any(topic in self._topics for topic in topics)

    def publish(self, topics: Iterable[Topic], text: Callable[[], str]) -> None:
        """Post one text to all listeners of `topics`; it is only made when somebody listens."""
        listeners = [listener for topic in topics for listener in self._topics.get(topic, ())]
        if listeners:
            made = text()
            for listener in listeners:
                listener.post(made)
