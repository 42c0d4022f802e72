"""One thing that happened, in words: what the screen shows, what plain lines show, and what readers of the
run's events are told.
"""

from typing import Literal

import msgspec

from messages.units import Ms

About = Literal["plan", "order", "cycle", "market", "actor", "limit", "fault", "note", "run"]
"""By what a person looks for a line: plans and votes; orders and fills; cycles; books and rules; who died and
came back; what denies, alarms and halts; staged faults; the log's own notes; the run itself.
"""


class SaidLine(msgspec.Struct, frozen=True):
    """A line. `number` counts from 1; `notable` = the screen shows it too, not only plain lines."""

    number: int
    at_ms: Ms
    cycle: int
    text: str
    notable: bool
    about: About

    @property
    def line(self) -> str:
        """What plain lines and the screen show behind the time."""
        return f"cycle {self.cycle}  {self.text}" if self.cycle else self.text
