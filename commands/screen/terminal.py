"""Showing a run while it runs: an in-place screen on a terminal that can, one line per event everywhere else.

`drawing.draw` decides every character, for the size that the terminal has; here is only where they go. A
screen never stops a run: it polls the view and writes into a queue (`streams.Queued`), nothing waits for it,
and while a terminal takes nothing (Ctrl-S, a dropped link) no picture is drawn for it. A reader that has gone
away (a closed pipe) ends the screen and nothing else.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Self, TextIO

import trio

from commands.output.doing import same
from commands.output.streams import stalled
from commands.output.words import NARROWEST, clock_time, fitted_to, say
from commands.screen.drawing import COLUMNS, ROWS, draw
from commands.screen.view import RunView

__all__ = ["InPlace", "draw", "fits_a_screen", "new_lines", "run_screen", "size_of"]

REDRAW_S = 0.25
"""At most four times a second."""
POLL_S = 0.05
"""How often plain-line mode looks for news."""
DOING_S = 0.5
"""For how long a run has to do one thing before plain lines say so: what passes in a moment is an event,
if anything.
"""
DOING_AGAIN_S = 30.0
"""How often plain lines say again what goes on."""
Size = tuple[int, int]
"""Columns and rows; 0: no limit is known."""
GREEN, YELLOW, RED, BOLD_RED = "32", "33", "31", "1;31"
COLOURS = {
    "WAITING": YELLOW,
    "STAGED": YELLOW,
    "READY": GREEN,
    "filled": GREEN,
    "HOLDING": GREEN,
    "HALTED": BOLD_RED,
    "REPAIRING": BOLD_RED,
    "CLOSING": BOLD_RED,
    "STALE": RED,
    "DOWN": RED,
}
COLOURED = re.compile("|".join(COLOURS))
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
CLEAR_LINE, UP_AND_CLEAR = "\r\x1b[2K", "\x1b[1A\x1b[2K"
"""ECMA-48 control sequences, which every terminal with a TERM other than `dumb` has had since the VT100."""


def fits_a_screen(stream: TextIO, environment: Mapping[str, str], size: tuple[int, int]) -> bool:
    """Can `stream` show the in-place screen? `size` is columns and rows. Otherwise: plain lines."""
    return (
        stream.isatty()
        and environment.get("TERM", "") not in {"", "dumb"}
        and size[0] >= COLUMNS
        and size[1] >= ROWS
    )


def size_of(stream: TextIO) -> tuple[int, int]:
    """Columns and rows of the terminal behind `stream`; (0, 0) when there is none."""
    try:
        return os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return 0, 0


async def run_screen(
    view: RunView,
    stream: TextIO,
    now_ms: Callable[[], int],
    *,
    live: bool | None = None,
    colour: bool | None = None,
    size: Callable[[], Size] | None = None,
) -> None:
    """Show `view` on `stream` until cancelled; what has happened by then is still shown. `now_ms` is venue
    time.

    `live`: the in-place screen (True), plain lines (False), or whatever the stream can show (None). `colour`
    only matters in place; None: unless NO_COLOR is set. `size`: of the terminal now; asked again for every
    picture, because people resize it.
    """
    size = size or partial(size_of, stream)
    if live is None:
        live = fits_a_screen(stream, os.environ, size())
    colour = "NO_COLOR" not in os.environ if colour is None else colour
    try:
        await (
            _live(view, stream, now_ms, size, colour=colour) if live else _lines(view, stream, now_ms, size)
        )
    except (BrokenPipeError, ConnectionResetError):
        return


async def _lines(view: RunView, stream: TextIO, now_ms: Callable[[], int], size: Callable[[], Size]) -> None:
    seen, doing = 0, Doing()
    try:
        while True:
            before, seen = seen, _write_new(view, stream, seen, size())
            if seen > before:
                doing.overtaken(trio.current_time())
            if line := doing.due(view.doing(now_ms()), trio.current_time()):
                _write([f"{clock_time(now_ms())} {line}"], stream, size())
            await trio.sleep(POLL_S)
    finally:
        _write_new(view, stream, seen, size())


class Doing:
    """Which of the lines that say what the run is doing are worth one of their own: a new one that lasts,
    and a lasting one from time to time.
    """

    def __init__(self) -> None:
        self._line, self._since_s = "", 0.0
        self._said, self._said_s = "", 0.0

    def overtaken(self, now_s: float) -> None:
        """Events were written below what was said: what lasts is said again, and stands last."""
        self._said, self._since_s = "", now_s

    def due(self, line: str, now_s: float) -> str:
        """`line` when it is to be said now; else ""."""
        if not same(line, self._line):
            self._since_s = now_s
        self._line = line
        lasts, again = now_s >= self._since_s + DOING_S, now_s >= self._said_s + DOING_AGAIN_S
        if not lasts or (same(line, self._said) and not again):
            return ""
        self._said, self._said_s = line, now_s
        return line


def _write_new(view: RunView, stream: TextIO, seen: int, size: Size) -> int:
    lines, seen = new_lines(view, seen)
    _write(lines, stream, size)
    return seen


def _write(lines: list[str], stream: TextIO, size: Size) -> None:
    """One line each; on a terminal broken between words, in a pipe or a file as long as they are."""
    shown = fitted_to(stream, lines, size[0], indent=9)
    if shown and not say(stream, shown):
        raise BrokenPipeError


def new_lines(view: RunView, seen: int) -> tuple[list[str], int]:
    """The events after number `seen`, one line each with its UTC time, and the last number now."""
    fresh = [event for event in view.events if event.number > seen]
    lines = [f"{clock_time(event.at_ms)} {' '.join(event.line.split())}" for event in fresh]
    if fresh and fresh[0].number > seen + 1:
        lines.insert(0, f"({fresh[0].number - seen - 1} events not shown, they are in the log)")
    return lines, fresh[-1].number if fresh else seen


async def _live(
    view: RunView, stream: TextIO, now_ms: Callable[[], int], size: Callable[[], Size], *, colour: bool
) -> None:
    """The in-place screen. Its last picture stays in the scrollback."""
    with InPlace(stream, colour=colour) as place:

        def picture() -> None:
            columns, rows = size()
            known = (columns, rows) if columns > NARROWEST and rows else (COLUMNS, ROWS)
            place.show(draw(view, now_ms(), *known))

        picture()
        try:
            while True:
                await trio.sleep(REDRAW_S)
                if not stalled(stream):
                    picture()
        finally:
            picture()


class InPlace:
    """Pictures on a terminal, each where the one before was. Use it in `with`."""

    def __init__(self, stream: TextIO, *, colour: bool) -> None:
        self._stream, self._colour = stream, colour
        self._shown = 0

    def __enter__(self) -> Self:
        return self

    def show(self, lines: Sequence[str]) -> None:
        """One write: up to where the last picture began, clearing line by line, so that whatever else the
        terminal shows stays as it is. Raises what the stream raises.
        """
        text = "\n".join(lines)
        if self._colour:
            text = COLOURED.sub(lambda found: f"\x1b[{COLOURS[found[0]]}m{found[0]}\x1b[0m", text)
        before = CLEAR_LINE + UP_AND_CLEAR * (self._shown - 1) if self._shown else HIDE_CURSOR
        self._stream.write(before + text)
        self._stream.flush()
        self._shown = len(lines)

    def __exit__(self, *_details: object) -> None:
        if self._shown:
            self._stream.write(f"\n{SHOW_CURSOR}")
            self._stream.flush()
