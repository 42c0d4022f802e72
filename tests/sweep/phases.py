"""Where in a cycle a crash struck."""

import msgspec

from messages.lifecycle import LEG_ANSWERED, LEG_SENDS, Hop
from messages.sizing import Sealed
from runtime.specs import ChildStarted
from supervisor import Machine

PHASES = (
    "boot",
    "idle",
    "seal to ready",
    "ready to place",
    "between the sends",
    "send to ack",
    "ack to fill",
    "hold",
    "repair",
    "exit",
    "recover",
)

RESTING_PHASES = ("boot", "idle", "quote", "at rest", "hedge", "hold", "repair", "exit", "recover")
"""Where orders rest: a quote is under way, or works with no plan beside it; what hedges it is under way."""

LAST_UP = "trading"
"""The last child to come up; `sizing`, below it, is the last actor."""


class PhaseWatch:
    """An observer that knows the phase at any time, from the barrier and from what the legs have said
    about the plan in flight.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._sends = 0
        self._answers = 0
        self._booted = False

    def __call__(self, said: msgspec.Struct) -> None:
        if isinstance(said, Sealed):
            self._sends = self._answers = 0
        elif isinstance(said, ChildStarted):
            self._booted = self._booted or said.child == LAST_UP
        elif isinstance(said, Hop):
            self._sends += said.hop in LEG_SENDS.values()
            self._answers += said.hop in LEG_ANSWERED.values()

    def now(self) -> str:
        """The phase's name; what repairs and what closes have one name each."""
        if not self._booted:
            return "boot"
        barrier, held = self._machine.barrier, self._machine.channels.held.value
        if barrier.phase == "recovering" and (held is None or held.seq):
            return "recover"
        if barrier.phase in {"idle", "recovering"} or barrier.sealed is None:
            return (
                "idle"
                if held is None or held.phase == "flat"
                else "at rest"
                if held.phase == "working"
                else "hold"
                if held.phase == "open"
                else "repair"
            )
        if barrier.sealed.plan.purpose in {"quote", "hedge"}:
            return barrier.sealed.plan.purpose
        if barrier.sealed.plan.purpose != "enter":
            return "repair" if barrier.sealed.plan.purpose == "repair" else "exit"
        if barrier.phase == "voting":
            return "ready to place" if barrier.ready else "seal to ready"
        return (
            ("ready to place", "between the sends")[self._sends]
            if self._sends < 2
            else "ack to fill"
            if self._answers
            else "send to ack"
        )
