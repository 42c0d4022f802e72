"""The pauses before another attempt, of a restart or of a connection: growing, bounded, apart from each
other, and short again after a quiet time.
"""

import math
import random
from collections.abc import Iterator

import msgspec


class Backoff(msgspec.Struct, frozen=True):
    """Pause before an attempt: `first_s`, then times `factor` up to `cap_s`, each shortened by up to `jitter`
    (0 to below 1) of itself.

    What has been up for `reset_after_s` when it fails begins with `first_s` again.
    """

    first_s: float
    factor: float
    cap_s: float
    jitter: float
    reset_after_s: float

    def objections(self) -> Iterator[str]:
        """Why it cannot work, each beginning with the field at fault."""
        if not 0 < self.first_s < math.inf:
            yield f"backoff.first_s: {self.first_s} is not a positive, finite time"
        if not 1 <= self.factor < math.inf:
            yield f"backoff.factor: {self.factor} must be at least 1"
        if not self.first_s <= self.cap_s < math.inf:
            yield f"backoff.cap_s: {self.cap_s} must be finite and at least first_s"
        if not 0 <= self.jitter < 1:
            yield f"backoff.jitter: {self.jitter} is not in [0, 1)"
        if not self.reset_after_s >= 0:
            yield f"backoff.reset_after_s: {self.reset_after_s} is not a time"


RECONNECT = Backoff(0.1, 2, 5.0, 0.5, 5.0)
"""Connections to the venue. One that is accepted and dropped at once has not held: its pauses go on
growing.
"""


class Streak:
    """The pauses of one child, or of one connection and its successors. Without a `Backoff` they are all
    0. Times are Trio's, in seconds.
    """

    def __init__(self, backoff: Backoff | None, rng: random.Random) -> None:
        self._backoff = backoff
        self._rng = rng
        self._next_s = backoff.first_s if backoff else 0.0
        self._up_since_s = math.inf

    def up(self, now_s: float) -> None:
        """It has started at `now_s`: if it lasts, the next pause is short again."""
        self._up_since_s = now_s

    def pause_s(self, now_s: float) -> float:
        """It has failed: how long to wait now."""
        backoff = self._backoff
        if backoff is None:
            return 0.0
        if now_s - self._up_since_s >= backoff.reset_after_s:
            self._next_s = backoff.first_s
        self._up_since_s = math.inf
        pause_s, self._next_s = self._next_s, min(backoff.cap_s, self._next_s * backoff.factor)
        return pause_s * self._rng.uniform(1 - backoff.jitter, 1)
