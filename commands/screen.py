"""Showing a run while it runs: an in-place screen on a terminal that can, one line per event everywhere else.

`drawing.draw` decides every character; here is only where they go. A screen never stops a run: it polls the view and writes into a queue
(`streams.Queued`), nothing waits for it, and while a terminal takes nothing (Ctrl-S, a dropped connection) no picture is drawn for it. A reader that
has gone away (a closed pipe) ends the screen and nothing else.
"""

import os
from collections.abc import Callable, Mapping
from typing import TextIO

import trio

from commands.drawing import COLUMNS, ROWS, draw
from commands.streams import stalled
from commands.view import RunView
from commands.words import clock_time, say

__all__ = ["draw", "fits_a_screen", "new_lines", "run_screen", "size_of"]

REDRAW_S = 0.25
"""At most four times a second."""
POLL_S = 0.05
"""How often plain-line mode looks for news."""
STYLES = {"STAGED": "yellow", "READY": "green", "filled": "green", "HALTED": "bold red", "UNEVEN": "bold red", "STALE": "red", "DOWN": "red"}


def fits_a_screen(stream: TextIO, environment: Mapping[str, str], size: tuple[int, int]) -> bool:
    """Can `stream` show the in-place screen? `size` is columns and rows. Otherwise: plain lines."""
    return stream.isatty() and environment.get("TERM", "") not in {"", "dumb"} and size[0] >= COLUMNS and size[1] >= ROWS


def size_of(stream: TextIO) -> tuple[int, int]:
    """Columns and rows of the terminal behind `stream`; (0, 0) when there is none."""
    try:
        return os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return 0, 0


async def run_screen(view: RunView, stream: TextIO, now_ms: Callable[[], int], *, live: bool | None = None, colour: bool = True) -> None:
    """Show `view` on `stream` until cancelled; what has happened by then is still shown. `now_ms` is venue time.

    `live`: the in-place screen (True), plain lines (False), or whatever the stream can show (None). `colour` only matters in place;
    `rich` obeys NO_COLOR as well.
    """
    if live is None:
        live = fits_a_screen(stream, os.environ, size_of(stream))
    try:
        await (_live(view, stream, now_ms, colour=colour) if live else _lines(view, stream))
    except (BrokenPipeError, ConnectionResetError):
        return


async def _lines(view: RunView, stream: TextIO) -> None:
    seen = 0
    try:
        while True:
            seen = _write_new(view, stream, seen)
            await trio.sleep(POLL_S)
    finally:
        _write_new(view, stream, seen)


def _write_new(view: RunView, stream: TextIO, seen: int) -> int:
    lines, seen = new_lines(view, seen)
    if lines and not say(stream, lines):
        raise BrokenPipeError
    return seen


def new_lines(view: RunView, seen: int) -> tuple[list[str], int]:
    """The events after number `seen`, one line each with its UTC time, and the last number now."""
    fresh = [event for event in view.events if event.number > seen]
    lines = [f"{clock_time(event.at_ms)} {' '.join(event.line.split())}" for event in fresh]
    if fresh and fresh[0].number > seen + 1:
        lines.insert(0, f"({fresh[0].number - seen - 1} events not shown, they are in the log)")
    return lines, fresh[-1].number if fresh else seen


async def _live(view: RunView, stream: TextIO, now_ms: Callable[[], int], *, colour: bool) -> None:
    """The in-place screen. Its last picture stays in the scrollback."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    def picture() -> Text:
        text = Text("\n".join(draw(view, now_ms())), no_wrap=True, overflow="crop")
        for word, style in STYLES.items():
            text.highlight_words([word], style)
        return text

    console = Console(file=stream, no_color=True if not colour else None, highlight=False, width=COLUMNS)
    with Live(picture(), console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as screen:
        try:
            while True:
                await trio.sleep(REDRAW_S)
                if not stalled(stream):
                    screen.update(picture(), refresh=True)
        finally:
            screen.update(picture())
