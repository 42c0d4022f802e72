"""How long a plan takes from hop to hop, over the newest plans: by the report's own ruler, from the hops as
they are told instead of as they are logged.
"""

from datetime import datetime

from commands.output.events import HopEvent
from commands.report.figures import Delay
from commands.report.hops import STEPS, steps_between

PLANS_KEPT = 256
"""The newest plans: what the figures stand on."""


class Latency:
    """What each step of an order's way took, in a table, from the hops that the run tells."""

    def __init__(self) -> None:
        self._points: dict[tuple[str, str], dict[str, int]] = {}
        self._proposed = 0

    def take(self, hop: HopEvent) -> None:
        """One plan has passed one point; the first time counts."""
        moment = datetime.fromisoformat(hop.at)
        at_us = int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond
        if hop.plan is None:
            self._proposed = at_us
            return
        known = self._points.setdefault((hop.plan, hop.digest), {})
        known.setdefault(hop.hop, at_us)
        if hop.hop == "supervisor seals" and self._proposed:
            known["sizing proposes"], self._proposed = self._proposed, 0
        if len(self._points) > PLANS_KEPT:
            del self._points[next(iter(self._points))]

    def shown(self) -> list[dict[str, str | int | None]]:
        """A row for each step: how many, median, 99th percentile and most, in microseconds."""
        values: dict[str, list[int]] = {step: [] for step in STEPS}
        for known in self._points.values():
            for step, took in steps_between(known):
                values[step].append(took)
        return [
            {"step": step, "count": of.count, "median": of.median, "p99": of.p99, "most": of.most}
            for step, of in ((step, Delay.of(each)) for step, each in values.items())
        ]
