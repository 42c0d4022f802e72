"""Entering that is denied again and again: a fault, not patience. Knows nothing of the reasons, counts
only for how long nothing else was heard.
"""

import msgspec

from messages.lifecycle import PAUSED, Alarm
from messages.units import Ms

EXPECTED = frozenset({"NO_ENTRY_WINDOW", "ENTER_WHEN_HOURS", PAUSED})
"""Denials that a person has asked for: they pass by the clock alone, or when that person says so."""


class DenialAlarm(msgspec.Struct):
    """Since when, and why last. `patience_ms`: after this long an alarm is due, and again each time it has
    passed once more.
    """

    patience_ms: int
    code: str = ""
    detail: str = ""
    since_ms: int = 0
    alarmed_ms: int = 0

    def denied(self, code: str, detail: str, now_ms: int) -> bool:
        """Entering was denied at venue time `now_ms`. True when the reason is another than before."""
        new = code != self.code
        if not self.code and code not in EXPECTED:
            self.since_ms = self.alarmed_ms = now_ms
        self.code, self.detail = ("", "") if code in EXPECTED else (code, detail)
        return new

    def entered(self) -> None:
        """Something was entered: whatever denied it has passed."""
        self.code = self.detail = ""

    def due(self, now_ms: int) -> Alarm | None:
        """The alarm to raise at venue time `now_ms`; None while it is not due."""
        if not self.code or now_ms < self.alarmed_ms + self.patience_ms:
            return None
        self.alarmed_ms = now_ms
        minutes = (now_ms - self.since_ms) // 60_000
        return Alarm(self.code, f"nothing was entered for {minutes} min: {self.detail}", Ms(self.since_ms))
