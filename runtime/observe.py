"""Being watched. Actors tell the log and the screen what they do; nobody waits for a watcher, and a
watcher cannot answer.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

from messages.lifecycle import Note
from runtime.clock import Clock

Observe = Callable[[msgspec.Struct], None]
"""Called with messages (`Hop`, `Note`, `Sealed`, `Fill`, ...). Must return at once and never raise (lesson
R11).
"""


class Notes(msgspec.Struct, frozen=True):
    """What one `source` has to say to a person, in the log and on the screen, at this machine's time."""

    observe: Observe
    clock: Clock
    source: str

    def __call__(self, level: Literal["debug", "info", "warning", "error"], text: str) -> None:
        """Tell whoever watches, at once; `level` as in logging. Never waits."""
        self.observe(Note(self.clock.utc_ns(), level, self.source, text))
