"""How long how much stood alone: the integral of |ETH + SOL| over time, from the venue's first fill, by the venue's timestamps."""

from dataclasses import dataclass, field

from messages.sizing import Leg
from messages.units import ONE, Quote

NOTHING = Quote(0)
TOLERATED = 50
"""A pair is never equal to the last dollar: up to one part in 50 of its larger leg it counts as hedged."""


@dataclass(frozen=True)
class Exposure:
    """Some time with one leg: the largest amount, for how long, and the integral in USD x ms (x18)."""

    worst: Quote = NOTHING
    lasted_ms: int = 0
    usd_ms: int = 0

    @property
    def usd_s(self) -> Quote:
        """The integral in USD x seconds."""
        return Quote(self.usd_ms // 1000)


@dataclass
class Unhedged:
    """The fold over one cycle's fills, and the worst cycle so far."""

    worst: Exposure = Exposure()
    cycle: Exposure = Exposure()
    now: Quote = NOTHING
    _legs: dict[Leg, int] = field(default_factory=lambda: {"eth": 0, "sol": 0})
    _peak: int = 0
    _since_ms: int = 0

    def new_cycle(self) -> None:
        """Nothing is held; the next fill opens something."""
        self.cycle, self.now = Exposure(), NOTHING
        self._legs, self._peak = {"eth": 0, "sol": 0}, 0

    def take(self, leg: Leg, signed_notional: int, at_ms: int) -> None:
        """One fill: what stood alone until now is counted, then the fill changes it. `signed_notional` is USD x18, + bought."""
        before, alone = self.cycle, self.now
        waited = max(0, at_ms - self._since_ms) if alone else 0
        self._legs[leg] += signed_notional
        self._peak = max(self._peak, *(abs(size) for size in self._legs.values()))
        net = abs(sum(self._legs.values()))
        self.now = Quote(net if net * TOLERATED > self._peak else 0)
        self.cycle = Exposure(max(before.worst, self.now), before.lasted_ms + waited, before.usd_ms + alone * waited)
        self._since_ms = at_ms
        if (self.cycle.usd_ms, self.cycle.worst) > (self.worst.usd_ms, self.worst.worst):
            self.worst = self.cycle


def allowed(target: Quote, budget_ms: int) -> Quote:
    """A time times the larger leg, in USD x seconds: 500 for 0.5 s at 1,000 USD."""
    return Quote(target * budget_ms // 1000 // ONE * ONE)
