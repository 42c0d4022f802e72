"""`status --watch` on a terminal: the run's own screen, until the run does not answer any more."""

import os
import re
from pathlib import Path

import pytest
import trio

from commands.control import RunControl, controlled
from commands.screen import attached as attached_module
from commands.screen.attached import attached
from commands.screen.drawing import draw
from messages.settings import Settings
from tests.actors.fakes import START_MS, held, quote
from tests.commands.screen.test_screen import Terminal
from tests.commands.screen.test_view import view_of

NAME = "0123456789abcdef01234567"
SEQUENCES = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")


@pytest.fixture(autouse=True)
def own_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(attached_module, "LOOK_S", 0.02)


async def test_it_is_the_screen_of_the_run_in_the_size_of_this_terminal_until_the_run_is_gone() -> None:
    view, sizes = view_of([quote()]), [(80, 24)]
    control = RunControl(lambda _message: None, held, Settings())
    control.screen = lambda columns, rows: draw(view, START_MS, columns, rows, attached=True)
    terminal = Terminal()
    async with trio.open_nursery() as nursery, controlled(control, NAME, lambda _note: None):
        nursery.start_soon(lambda: attached(NAME, terminal, lambda: sizes[-1], colour=False))
        await trio.sleep(0.2)
        sizes.append((120, 30))
        await trio.sleep(0.2)
    text = terminal.getvalue()
    pictures = [picture for picture in SEQUENCES.sub("\r", text).split("\r") if picture.strip()]
    assert pictures[0].splitlines() == draw(view, START_MS, 80, 24, attached=True)
    assert pictures[-1].splitlines() == draw(view, START_MS, 120, 30, attached=True)
    assert "leave, the run goes on" in pictures[0]
    assert text.startswith("\x1b[?25l")
    assert text.endswith("\n\x1b[?25h"), "the cursor is back, and the last picture stays"


async def test_where_no_run_answers_nothing_is_shown() -> None:
    terminal = Terminal()
    assert await attached(NAME, terminal, lambda: (80, 24), colour=True) is None
    assert terminal.getvalue() == ""


async def test_a_run_that_has_no_screen_is_looked_at_by_its_words() -> None:
    """An older one: it answers as to `status`, or closes the connection."""
    control, terminal = RunControl(lambda _message: None, held, Settings()), Terminal()
    async with controlled(control, NAME, lambda _note: None):
        answer = await attached(NAME, terminal, lambda: (80, 24), colour=True)
    assert answer is not None
    assert (answer.pid, terminal.getvalue()) == (os.getpid(), "")
