"""What the connections of one client have seen, counted for as long as the client lives, over every
reconnect.

Nothing here decides anything: a frame that cannot be read is dropped by whoever read it, and who misses it
notices elsewhere (the book's chain of timestamps, the sum of an order's fills). It is counted so that a
person can see it, and reported at once the first time and once a minute after that: a venue that has changed
its wire must not fill the disk.
"""

from collections.abc import Callable
from typing import Literal

import msgspec
import trio

TELL_EVERY_S = 60.0
_QUOTED = 300
"""Characters of a venue's text that are kept."""

Trouble = Literal["lost", "unknown", "unreadable", "out_of_range", "oversized", "refused", "limited"]

WORDS: dict[Trouble, str] = {
    "lost": "no connection",
    "unknown": "an unexpected message",
    "unreadable": "an unreadable frame",
    "out_of_range": "a number out of range",
    "oversized": "a message above the size limit",
    "refused": "an error answer from the exchange",
    "limited": "the exchange reports that its rate limit is exceeded",
}


class WireCounts(msgspec.Struct):
    """The counts of one connection and its successors; for the log, `doctor` and `status`."""

    name: str
    attempts: int = 0
    connections: int = 0
    """Attempts that succeeded: the connection is open and, for a stream, subscribed."""
    events: int = 0
    """Answers, for HTTP."""
    controls: int = 0
    lost: int = 0
    unknown: int = 0
    unreadable: int = 0
    out_of_range: int = 0
    oversized: int = 0
    refused: int = 0
    limited: int = 0
    last_problem: str = ""

    @property
    def troubles(self) -> int:
        """Frames and answers that were dropped because they could not be read or believed."""
        return self.unreadable + self.out_of_range + self.oversized

    def line(self) -> str:
        """All counts that are not 0, in one line."""
        parts = [
            f"{value} {name}"
            for name, value in msgspec.structs.asdict(self).items()
            if isinstance(value, int) and value
        ]
        return ", ".join(parts) or "nothing yet"


class TroubleTally:
    """Counts, and where troubles are reported: `report` gets one line at the first trouble of a kind, and
    then at most one a minute.
    """

    def __init__(self, name: str = "", report: Callable[[str], None] | None = None) -> None:
        self.counts = WireCounts(name)
        self._report = report
        self._reported: dict[Trouble, tuple[float, int]] = {}

    def trouble(self, kind: Trouble, why: str) -> None:
        """Count one more of `kind` and report it, unless one was reported within a minute. `why`: the venue's
        text, of which the beginning is kept.
        """
        count = getattr(self.counts, kind) + 1
        setattr(self.counts, kind, count)
        self.counts.last_problem = why[:_QUOTED]
        if self._report is None:
            return
        now_s = trio.current_time()
        due_s, reported = self._reported.get(kind, (now_s, 0))
        if now_s >= due_s:
            self._reported[kind] = now_s + TELL_EVERY_S, count
            more = f" ({count - reported} times in a minute)" if count - reported > 1 else ""
            self._report(f"{WORDS[kind]}{more}: {self.counts.last_problem}")
