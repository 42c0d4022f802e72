"""How far a replay is, how fast it goes and how long it still takes: one line that a terminal shows in place.

It is for people only: it reads the stopwatch, and nothing that is replayed knows of it.
"""

import sys
from collections.abc import Iterator
from typing import TextIO

from commands.output.words import span
from commands.screen.terminal import CLEAR_LINE
from runtime.clock import stopwatch_ns
from venue.simulated.markets import BookChange, PriceSource

LOOK_EVERY = 64
"""Moves between two looks at the stopwatch."""
SHOW_NS = 250_000_000
BAR = 24
"""Characters of the bar."""


class ReplayProgress:
    """A market that is counted while it is replayed, and shown on `stream` where that is a terminal."""

    def __init__(self, market: PriceSource, stream: TextIO | None = None) -> None:
        self._market = market
        self._stream = stream
        self._began_ns = self._shown_ns = stopwatch_ns()
        self._moves = 0
        self.replayed_ns = 0
        """Time of the newest move since the market's start."""

    @property
    def ticks(self) -> int:
        """Rows of a recording, or moves of a market that has none."""
        rows: int = getattr(self._market, "ticks", 0)
        return rows or self._moves

    @property
    def elapsed_ns(self) -> int:
        """By the stopwatch."""
        return stopwatch_ns() - self._began_ns

    def moves(self) -> Iterator[BookChange]:
        """The market's moves, counted."""
        for move in self._market.moves():
            self._moves += 1
            self.replayed_ns = move.at_ns
            if self._stream is not None and self._moves % LOOK_EVERY == 0:
                self._look(self._stream)
            yield move

    def _look(self, stream: TextIO) -> None:
        now_ns = stopwatch_ns()
        if now_ns >= self._shown_ns + SHOW_NS:
            self._shown_ns = now_ns
            stream.write(CLEAR_LINE + self.line())
            stream.flush()

    def line(self) -> str:
        """`[######------] 41 % · 6,259 ticks/s · 9 min 27 s replayed · 3 s left`."""
        elapsed_ns, share = max(1, self.elapsed_ns), getattr(self._market, "share", None)
        parts = [f"{rate(self.ticks, elapsed_ns)} ticks/s", f"{span(self.replayed_ns // 10**6)} replayed"]
        if share:
            full = min(BAR, int(BAR * share))
            parts.insert(0, f"[{'#' * full}{'-' * (BAR - full)}] {100 * share:.0f} %")
            parts.append(f"{span(int(elapsed_ns * (1 - share) / share) // 10**6)} left")
        return " · ".join(parts)

    def clear(self) -> None:
        """Take the line away: the summary follows."""
        if self._stream is not None:
            self._stream.write(CLEAR_LINE)
            self._stream.flush()


def rate(ticks: int, elapsed_ns: int) -> str:
    """Ticks a second, in groups of three digits."""
    return f"{ticks * 10**9 // max(1, elapsed_ns):,}"


def shown_on(*, quiet: bool) -> TextIO | None:
    """Standard error where that is a terminal and somebody wants to see it; else None."""
    return sys.stderr if not quiet and sys.stderr.isatty() else None
