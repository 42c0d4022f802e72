"""The run's events on their way to whoever reads them: `run --events`, and `status --watch --json` at the
run's control socket.

It is one of the recorder's `people`: told after the orders have left. A line is made once for all readers,
and none while there is none. Each reader has a thread of its own (`spool.py`), which may be held by a pipe
that nobody reads; then the oldest lines are dropped, and one says how many.
"""

import os
from collections.abc import Callable
from typing import Any

import msgspec

from commands.output.event_memory import EventMemory
from commands.output.events import BeginEvent, LostEvent, RunEvent, StandingEvent
from commands.output.published import PUBLISHED, event_of
from commands.output.said import SaidLine
from commands.output.spool import Spool
from commands.output.streams import write_all
from commands.output.words import iso_micros
from messages.lifecycle import Held, Hop, Note
from messages.units import Ns
from runtime.clock import WallClock

READERS_MAX = 8
WAITING_MAX = 4 * 2**20
"""Characters of lines that may wait for a slow reader: some 10,000 events."""
GATHER_S = 0.05
JOINED = 8_192
"""How long lines are gathered, and how many characters of them are written at once, at most."""


class _Seq(msgspec.Struct, frozen=True):
    seq: int


class EventReader:
    """Lines for one descriptor, written by a thread of their own."""

    def __init__(self, descriptor: int, begin: BeginEvent) -> None:
        """`begin` is the first line, which is never dropped."""
        self.gone = False
        """Nobody will ever read again."""
        self._descriptor = descriptor
        self._begin: BeginEvent | None = begin
        self._last = begin.seq
        """That was written."""
        self._spool = Spool(
            f"writes events to {descriptor}",
            self._written,
            self._lost,
            WAITING_MAX,
            gather_s=GATHER_S,
            join_max=JOINED,
        )
        self._spool.put("")
        self._spool.hurry()

    def put(self, line: str) -> None:
        """Let it be written in its turn. Never waits, never raises."""
        if not self.gone:
            self._spool.put(line)

    def finish(self, within_s: float) -> bool:
        """Wait until all is written, at most so long; False when it was not. Not for the loop that trades."""
        return self._spool.finish(within_s)

    def close(self) -> None:
        """Close the descriptor as soon as the thread does not use it any more. Never waits."""
        self.gone = True
        self._spool.close(lambda: os.close(self._descriptor))

    def _lost(self, count: int) -> str:
        # What asked for the first line waited like an event, and is dropped like one.
        count -= self._begin is not None
        self._last += count
        lost = LostEvent(seq=self._last, at=iso_micros(WallClock().utc_ns()), count=count)
        return line_of(lost) if count else ""

    def _written(self, text: str) -> None:
        if self._begin is not None:
            text, self._begin = line_of(self._begin) + text, None
        try:
            write_all(self._descriptor, text.encode())
        except OSError:
            self.gone = True
            raise
        self._last = msgspec.json.decode(text.splitlines()[-1], type=_Seq).seq


class EventFeed:
    """An observer: call it with what the actors say."""

    def __init__(
        self,
        begin: Callable[[int, Ns], BeginEvent],
        utc_ns: Callable[[], Ns],
        standing: Callable[[], dict[str, Any]] | None = None,
        *,
        remembers: bool = False,
    ) -> None:
        """`begin(seq, at_ns)` makes the first line of a reader; `utc_ns` tells when what is observed was
        said; `standing` how the run stands now. `remembers`: a reader that comes late can be told how things
        have come to stand.
        """
        self._begin, self._utc_ns, self._standing = begin, utc_ns, standing
        self._seq = 0
        self._readers: tuple[EventReader, ...] = ()
        self._stood: dict[str, Any] = {}
        self._memory = EventMemory() if remembers else None

    def __call__(self, message: msgspec.Struct) -> None:
        """Count it, and hand its line to whoever reads. Never waits."""
        if type(message) is Held:
            self.stands()
        if type(message) not in PUBLISHED:
            return
        self._seq += 1
        if self.heard:
            at_ns = (
                message.at_ns
                if isinstance(message, Note | Hop)
                else Ns(message.at_ms * 1_000_000)
                if isinstance(message, SaidLine)
                else self._utc_ns()
            )
            self._tell(event_of(message, self._seq, at_ns))

    def stands(self) -> None:
        """Tell how the run stands, if that has changed. Never waits."""
        if self._standing is None or not self.heard:
            return
        facts = self._standing()
        if facts != self._stood:
            self._stood = facts
            self._seq += 1
            self._tell(StandingEvent(seq=self._seq, at=iso_micros(self._utc_ns()), **facts))

    @property
    def heard(self) -> bool:
        """Does anybody read, or will somebody who has to be told what was before?"""
        self._readers = tuple(reader for reader in self._readers if not reader.gone)
        return bool(self._readers) or self._memory is not None

    def _tell(self, event: RunEvent) -> None:
        line = line_of(event)
        if self._memory is not None:
            self._memory.keep(event, line)
        for reader in self._readers:
            reader.put(line)

    def attach(self, descriptor: int, *, remembered: bool = False) -> EventReader | None:
        """A reader of what happens from here on; None when there are `READERS_MAX` already. `remembered`: it
        is told first by which lines things have come to stand as they do.
        """
        self._readers = tuple(reader for reader in self._readers if not reader.gone)
        if len(self._readers) >= READERS_MAX:
            return None
        again = remembered and self._memory is not None
        reader = EventReader(descriptor, self._begin(0 if again else self._seq, self._utc_ns()))
        if again and self._memory is not None:
            for line in self._memory.lines():
                reader.put(line)
        self._readers += (reader,)
        return reader


def line_of(event: RunEvent) -> str:
    """The event on a line of its own."""
    return msgspec.json.encode(event).decode() + "\n"
