"""Plans that are sealed and aborted, again and again: each costs rows and changes nothing, so the next
waits longer.
"""

import random

from messages.lifecycle import Denial
from messages.sizing import Abort, Purpose
from runtime.backoff import Backoff, Streak

ENTERING = Backoff(0.25, 2, 60.0, 0.2, 60.0)
"""Up to a minute: nobody is waiting for an entry."""
CLOSING = Backoff(0.05, 2, 1.0, 0.2, 60.0)
"""Up to a second: something is open, and whatever was in the way may have gone."""


REPEATED = 3
"""From so many in a row on it is a fault: one or two are a quote that grew old, or a vote that came late."""


class Aborts:
    """How many in a row, and until when (Trio's time) nothing of the same kind is sealed. `rng` spreads
    the pauses.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._enters = False
        """Was the plan that was sealed last one to enter?"""
        self._last = ""
        self.placed()

    def sealed(self, purpose: Purpose) -> None:
        """The next abort is of a plan that is judged as this (`SizingPlan.judged_as`)."""
        self._enters = purpose == "enter"

    def aborted(self, abort: Abort, now_s: float) -> None:
        """Count one more at Trio's time `now_s`; the next of its kind waits longer."""
        self._count += 1
        self._until_s[self._enters] = now_s + self._streaks[self._enters].pause_s(now_s)
        self._last = f"{abort.code}: {abort.detail}"

    def placed(self) -> None:
        """A plan was carried out: whatever it was has passed."""
        self._count = 0
        self._until_s = {True: 0.0, False: 0.0}
        self._streaks = {True: Streak(ENTERING, self._rng), False: Streak(CLOSING, self._rng)}

    def denial(self, purpose: Purpose, now_s: float) -> Denial | None:
        """Why a plan that is judged as this may not be sealed yet at Trio's time `now_s`; the same until the
        next abort.
        """
        if now_s >= self._until_s[purpose == "enter"]:
            return None
        code = "ABORTED" if self._count >= REPEATED else "NOT_SEALED"
        return Denial(code, f"{self._count} in a row were aborted, the last for {self._last}")
