"""`run --faults crashes`: every actor that trades dies once, each at the moment at which that is worst.
Nothing here is known to the actors.

Cycles are counted from the first one that this run enters, whatever its ledger has before.

cycle 1   eth_leg     has just sent its order: nobody hears the venue's answer
cycle 2   ledger      the first leg has answered, the other has not
cycle 3   the rest    one by one, while the pair is held
"""

from collections.abc import Callable
from typing import Literal

import msgspec

from messages.execution import Outcome, PlanClosed
from messages.lifecycle import LEG_SENDS, Hop, Staged
from messages.sizing import Sealed

Moment = Literal["sent", "answered", "held"]
_WORDS: dict[Moment, str] = {"sent": "on its way", "answered": "half answered", "held": "held"}


class Crash(msgspec.Struct, frozen=True):
    """One actor dies when the entry of a cycle gets this far."""

    cycle: int
    moment: Moment
    actor: str


CRASHES = (
    Crash(1, "sent", "eth_leg"),
    Crash(2, "answered", "ledger"),
    Crash(3, "held", "sizing"),
    Crash(3, "held", "account"),
    Crash(3, "held", "market_data"),
)
CYCLES = max(crash.cycle for crash in CRASHES)
"""How many cycles it takes until all have died."""


class Crashes:
    """Watches everything that happens, and kills. `kill` is the one that a supervisor has for everybody."""

    def __init__(self, kill: Callable[[str], bool], tell: Callable[[Staged], None]) -> None:
        self._kill = kill
        self._tell = tell
        self._left = list(CRASHES)
        self._entry: Sealed | None = None
        self._first_cycle: int | None = None
        """Of this run, by the ledger's count."""

    def watch(self, message: msgspec.Struct) -> None:
        """One message that somebody observed: kills when an entry has got as far as a crash wants it."""
        if isinstance(message, Sealed):
            self._entry = message if message.plan.purpose == "enter" else None
            if self._entry is not None and self._first_cycle is None:
                self._first_cycle = message.plan.cycle
        elif self._entry is not None:
            moment: Moment | None = None
            if isinstance(message, Hop) and message.hop == LEG_SENDS["eth"]:
                moment = "sent"
            elif isinstance(message, Outcome):
                moment = "answered"
            elif isinstance(message, PlanClosed) and not message.aborted:
                moment = "held"
            cycle = self._entry.plan.cycle
            nth = cycle - (self._first_cycle or cycle) + 1
            for crash in [crash for crash in self._left if (crash.cycle, crash.moment) == (nth, moment)]:
                if self._kill(crash.actor):
                    self._left.remove(crash)
                    self._tell(Staged(cycle, f"{crash.actor} killed, the pair {_WORDS[crash.moment]}"))
