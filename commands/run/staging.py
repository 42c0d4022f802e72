"""The demo's faults: one that we stage (an actor is killed after its vote) and one that the simulated venue
stages (a refused order).

Both are labelled as staged wherever they show, and what is said about them is measured in this run. Nothing
here is known to the actors: the kill is the one that a supervisor has for everybody.
"""

from collections.abc import Callable

import msgspec

from messages.execution import Fill, Outcome, PlanClosed
from messages.lifecycle import LEG_SENDS, Hop, Staged
from messages.sizing import Ready, Sealed
from messages.units import ONE, notional
from runtime.specs import ChildStarted

KILLED_IN_CYCLE = 3
VICTIM = "eth_leg"


class Staging:
    """Watches everything that happens, kills once, and reports the effect of both faults through `tell`."""

    def __init__(
        self, kill: Callable[[str], bool], now_ms: Callable[[], int], tell: Callable[[Staged], None]
    ) -> None:
        self._kill = kill
        self._now_ms = now_ms
        self._tell = tell
        self._plan: Sealed | None = None
        self._killed: Sealed | None = None
        self._killed_ms = 0
        self._sent = 0
        self._refused_cycle = 0
        self._fills: list[Fill] = []

    def watch(self, message: msgspec.Struct) -> None:
        """One message that somebody observed: kills after the vote, and tells what both faults have done."""
        if isinstance(message, Sealed):
            self._plan = message
            if message.plan.purpose == "enter":
                self._fills = []
        elif isinstance(message, Ready):
            self._voted(message)
        elif isinstance(message, Hop) and message.hop in LEG_SENDS.values() and self._killed:
            self._sent += (message.epoch, message.seq) == (self._killed.plan.epoch, self._killed.plan.seq)
        elif isinstance(message, ChildStarted) and message.child == VICTIM and self._killed_ms:
            after_ms, self._killed_ms = self._now_ms() - self._killed_ms, 0
            words = f"{VICTIM} killed after READY: {self._sent} orders sent, back in {after_ms} ms"
            self._tell(Staged(KILLED_IN_CYCLE, words))
        elif isinstance(message, Fill):
            self._fills.append(message)
        elif isinstance(message, Outcome):
            if message.kind == "refused" and "staged" in message.detail and self._plan:
                self._refused_cycle = self._plan.plan.cycle
        elif isinstance(message, PlanClosed):
            self._closed()

    def _voted(self, vote: Ready) -> None:
        plan = self._plan
        if (
            plan is not None
            and plan.plan.purpose == "enter"
            and plan.plan.cycle == KILLED_IN_CYCLE
            and self._killed is None
            and vote.who == "eth"
        ):
            self._killed, self._killed_ms = plan, self._now_ms()
            self._kill(VICTIM)

    def _closed(self) -> None:
        plan = self._plan
        if plan is None or not self._refused_cycle or plan.plan.purpose == "enter":
            return
        cycle, self._refused_cycle = self._refused_cycle, 0
        fills, times = self._fills, [fill.at_ns for fill in self._fills]
        repaired = plan.plan.purpose == "repair" and len({fill.product_id for fill in fills}) == 2
        first = [fill for fill in fills if fill.product_id == fills[0].product_id]
        unhedged = sum(notional(fill.price, fill.amount) for fill in first) // ONE
        for_ms = (max(times) - min(times)) // 1_000_000 if times else 0
        then = "repaired" if repaired else "flattened"
        self._tell(Staged(cycle, f"SOL refused once: {unhedged} USD unhedged for {for_ms} ms, then {then}"))
