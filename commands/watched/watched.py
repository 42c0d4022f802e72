"""A watched run, as its watcher sees it: how it stands, its last events, and for how long it was silent.

It only takes what comes. A line that cannot be read is counted and skipped.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
import trio

from commands.output.events import (
    BeginEvent,
    BooksEvent,
    EndedEvent,
    GaugesEvent,
    LostEvent,
    RunEvent,
    StandingEvent,
)
from commands.output.published import KINDS
from commands.watched.told import WatcherBrief
from runtime.outlive import outlive_call

EVENTS_KEPT = 2_000
LINE_MAX = 1_000_000
"""Bytes of a line: one that is longer is skipped."""
PIECE = 65_536
_KIND: Any = KINDS[0]
for _each in KINDS[1:]:
    _KIND = _KIND | _each
_EVENTS = msgspec.json.Decoder(_KIND)


class Watched:
    """What a watcher has heard of its run. `now_s` is Trio's time."""

    def __init__(self, brief: WatcherBrief) -> None:
        self.brief = brief
        self.begun: BeginEvent | None = None
        self.standing: StandingEvent | None = None
        self.books: BooksEvent | None = None
        self.gauges: GaugesEvent | None = None
        """The newest of each kind."""
        self.events: deque[RunEvent] = deque(maxlen=EVENTS_KEPT)
        self.ended: EndedEvent | None = None
        """How the run ended, by its own account."""
        self.gone = trio.Event()
        """Set when nothing more can come: the run has ended, or its process is gone."""
        self.lost = 0
        """Events that this watcher was too slow for."""
        self.unread = 0
        """Lines that could not be read."""
        self.hearers: list[Callable[[RunEvent], None]] = []
        """Told each event at once. Must return quickly."""
        self._heard_s = trio.current_time()

    @property
    def silent_s(self) -> float:
        """For how many seconds nothing has come."""
        return trio.current_time() - self._heard_s

    def take(self, line: bytes) -> None:
        """Take one line of the run; one that is no event counts as `unread`. Never raises."""
        self._heard_s = trio.current_time()
        try:
            event: RunEvent = _EVENTS.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.unread += 1
            return
        self.events.append(event)
        match event:
            case BeginEvent():
                self.begun = event
            case StandingEvent():
                self.standing = event
            case BooksEvent():
                self.books = event
            case GaugesEvent():
                self.gauges = event
            case LostEvent():
                self.lost += event.count
            case EndedEvent():
                self.ended = event
        for hear in self.hearers:
            outlive_call(lambda hear=hear: hear(event))  # type: ignore[misc]

    async def read(self, stream: trio.abc.ReceiveStream, rest: bytes = b"") -> None:
        """Take every line, `rest` and what follows it, until the run closes its end."""
        try:
            while True:
                *lines, rest = rest.split(b"\n")
                for line in lines:
                    self.take(line)
                if len(rest) > LINE_MAX:
                    rest, self.unread = b"", self.unread + 1
                piece = await stream.receive_some(PIECE)
                if not piece:
                    break
                rest += piece
        except trio.BrokenResourceError:
            pass
        finally:
            self.gone.set()
