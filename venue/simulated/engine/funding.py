"""Funding: once an hour, longs pay shorts for the mark having been above the index, or the other way round.
Pure, integers x18.

    payment per unit = clamp(time-weighted average of mark - index, +-2 % of the index) x seconds / 86400
    (contracts: PerpEngine, docs: funding)

The mark is the middle of the book, the index the oracle price. While either is missing the time does not
count. A market that stands in for another exchange, or for a recording of one, charges that one's rate
instead (`quoted`).
"""

from dataclasses import dataclass

from messages.units import ONE
from venue.simulated.engine.accounts import divided_toward_zero

PERIOD_S = 3600
DAY_S = 86_400
CAP_PERCENT = 2
"""Of the index, per day."""


@dataclass(slots=True)
class Premium:
    """The time-weighted average of mark - index since the last payment."""

    weighted: int = 0
    """Sum of premium x18 x nanoseconds."""
    covered_ns: int = 0
    now: int | None = None
    """The premium at the moment, None while mark or index is missing."""
    since_ns: int = 0

    def note(self, premium: int | None, now_ns: int) -> None:
        """Mark - index is `premium` (x18) from `now_ns` on; None while one of the two is missing."""
        if self.now is not None:
            self.weighted += self.now * (now_ns - self.since_ns)
            self.covered_ns += now_ns - self.since_ns
        self.now, self.since_ns = premium, now_ns

    def average(self, now_ns: int) -> int:
        """The average until `now_ns`, x18; 0 when mark and index never were there together."""
        self.note(self.now, now_ns)
        return divided_toward_zero(self.weighted, self.covered_ns) if self.covered_ns else 0

    def restart(self) -> None:
        """Forget what has been averaged: a payment was made."""
        self.weighted = self.covered_ns = 0


@dataclass(slots=True)
class Funding:
    """One product's funding: the premium of the running hour, and what all hours before it added up to."""

    premium: Premium
    cumulative: int = 0
    """Paid per unit since the beginning, x18; the same for longs and shorts here (they differ after
    socialised losses only).
    """
    quoted: int | None = None
    """A rate per 24 hours, x18, that counts in place of the premium; None: the premium counts."""

    def per_day(self, index: int, now_ns: int) -> int:
        """The average premium, or what is quoted, capped: what a unit would pay in 24 hours."""
        cap, wanted = index * CAP_PERCENT // 100, self.premium.average(now_ns)
        if self.quoted is not None:
            wanted = divided_toward_zero(index * self.quoted, ONE)
        return max(-cap, min(cap, wanted))

    def rate(self, index: int, now_ns: int) -> int:
        """The rate per 24 hours, x18, a share of the index: what the stream `funding_rate` shows. 0 without
        an index.
        """
        if self.quoted is not None:
            cap = ONE * CAP_PERCENT // 100
            return max(-cap, min(cap, self.quoted))
        return divided_toward_zero(self.per_day(index, now_ns) * ONE, index) if index else 0

    def pay(self, index: int, now_ns: int, seconds: int = PERIOD_S) -> int:
        """Charge `seconds` of funding and begin a new average; the payment per unit of base, x18, positive
        when longs pay.
        """
        payment = divided_toward_zero(self.per_day(index, now_ns) * seconds, DAY_S)
        self.premium.restart()
        self.cumulative += payment
        return payment
