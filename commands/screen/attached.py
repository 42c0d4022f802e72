"""The screen of a run, in the terminal of another process: `status --watch`. The run draws it for the size
of this terminal and answers with its lines; here they are only put on the terminal.
"""

from collections.abc import Callable
from typing import TextIO

import trio

from commands.control import ControlReply, ControlRequest, ask
from commands.output.streams import stalled
from commands.screen.drawing import COLUMNS, ROWS
from commands.screen.terminal import InPlace, Size

LOOK_S = 0.5
"""Between two pictures."""
ASK_S = 5.0
"""How long a run may take to answer."""


async def attached(
    name: str, stream: TextIO, size: Callable[[], Size], *, colour: bool
) -> ControlReply | None:
    """Show the screen of the run `name` until it does not answer any more, or has none to show; its last
    answer. None: nobody has answered.
    """
    last: ControlReply | None = None
    with InPlace(stream, colour=colour) as place:
        while True:
            columns, rows = size()
            answer = await ask(name, ControlRequest("screen", columns=columns, rows=rows), ASK_S)
            if answer is None or not answer.screen:
                return answer or last
            last = answer
            if not stalled(stream):
                place.show(answer.screen[:rows])
            await trio.sleep(LOOK_S)


async def has_screen(name: str) -> bool:
    """Does a run `name` answer that has a screen to show?"""
    answer = await ask(name, ControlRequest("screen", columns=COLUMNS, rows=ROWS), ASK_S)
    return answer is not None and bool(answer.screen)
