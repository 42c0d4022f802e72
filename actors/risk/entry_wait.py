"""For how long nothing could be entered, and for want of what: after `max_wait` of it a run ends, flat,
naming the commonest reason.

Pure: the supervisor reports what it sees in every turn of its loop. Time that a person has asked for does not
count (a window of `no_entry_utc`, hours outside of `enter_when.hours_utc`, the pause after a cycle), nor time
in which this process did not run.
"""

from typing import NamedTuple

from actors.risk.denial_alarm import EXPECTED
from messages.lifecycle import Held, Waiting

TURN_S_MAX = 1.0
"""More than this between two looks was a frozen process or a sleeping machine, and no wait."""
REASONS_MAX = 64
"""Codes that are told apart; there are fewer."""
UNKNOWN = Waiting("enter", "NOT_READY", "the account and both books were not ready")


class Reason(NamedTuple):
    """How long it was heard, and in which words last."""

    for_s: float
    last: Waiting


class EntryWait:
    """Adds up, for one run, how long each reason was heard (seconds of Trio's time)."""

    def __init__(self, max_wait_s: float) -> None:
        self._max_wait_s = max_wait_s
        self._seen_s: float | None = None
        self._cycles = 0
        self.waited_s = 0.0
        """How long nothing was entered and could have been."""
        self._reasons: dict[str, Reason] = {}
        self._skip: Waiting | None = None

    def skipped(self, code: str, detail: str) -> None:
        """An attempt was given up: until another reason is heard it is this one."""
        self._skip = Waiting("enter", code, detail)

    def look(self, now_s: float, held: Held | None, waiting: Waiting, *, resting: bool) -> None:
        """One turn of the loop at Trio's time `now_s`. `resting`: the pause after a cycle or an attempt is
        not over.
        """
        before, self._seen_s = self._seen_s, now_s
        turn_s = 0.0 if before is None else min(now_s - before, TURN_S_MAX)
        if held is not None and (
            held.eth.amount or held.sol.amount or held.completed + held.failed != self._cycles
        ):
            self._cycles = held.completed + held.failed
            self.waited_s, self._skip = 0.0, None
            self._reasons.clear()
            return
        if waiting.code:
            self._skip = None
        reason = waiting if waiting.code else self._skip or UNKNOWN
        if reason.code in EXPECTED or (resting and reason is UNKNOWN):
            return
        self.waited_s += turn_s
        if reason.code in self._reasons or len(self._reasons) < REASONS_MAX:
            before_s = self._reasons.get(reason.code, Reason(0.0, reason)).for_s
            self._reasons[reason.code] = Reason(before_s + turn_s, reason)

    @property
    def over(self) -> bool:
        """Has nothing been entered for `max_wait`, so that the run gives up?"""
        return self.waited_s >= self._max_wait_s

    @property
    def commonest(self) -> Reason:
        """What stood in the way for the longest time."""
        return max(self._reasons.values(), key=lambda reason: reason.for_s, default=Reason(0.0, UNKNOWN))
