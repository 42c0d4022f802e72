"""sizing: looks at the newest quote, holdings and directive, and posts what the pure step decides
(`actors/sizing/sizer.py`) to the supervisor.
"""

from collections.abc import Callable

import msgspec
import trio

from actors.risk.funding import FUNDING_WAIT
from actors.sizing.quote_hedging import NOT_SETTLED
from actors.sizing.sizer import Look, Memory, Sizer
from messages.lifecycle import Denial, Denied, Directive, Held, Hop, Note, Waiting
from messages.market import PairQuote
from messages.sizing import PairSettled, SizingPlan
from messages.units import Ms
from runtime.clock import VenueClock
from runtime.mailbox import Latest, any_newer
from runtime.observe import Observe
from runtime.pulse import Pulse
from venue.protocol import VenueRules

TICK_S = 0.1
"""How long sizing sleeps at most: holds and pauses end between two quotes."""


class Slots(msgspec.Struct, frozen=True):
    """The conflating slots that sizing reads, newest wins, and the one that it writes; and how often it looks
    at them without news.
    """

    quotes: Latest[PairQuote]
    held: Latest[Held]
    directives: Latest[Directive]
    rules: Latest[VenueRules] = msgspec.field(default_factory=Latest)
    """The venue's: each look goes by those of its moment."""
    doubted: Latest[Ms] = msgspec.field(default_factory=Latest)
    """See `Look.doubted_ms`."""
    waiting: Latest[Waiting] = msgspec.field(default_factory=Latest)
    """Written: why no entry is proposed just now."""
    slack: int = 1
    """How many times rarer than `TICK_S` (`World.slack`)."""


async def run(
    slots: Slots,
    post: Callable[[msgspec.Struct], None],
    sizer: Sizer,
    clock: VenueClock,
    observe: Observe,
    *,
    pulse: Pulse | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Look whenever quotes, holdings or the directive change, and at least every `TICK_S` (`slots.slack`
    times rarer); post each decision to the supervisor.
    """
    looks = _Looks(slots, post, sizer, clock, observe)
    watched = (slots.quotes, slots.held, slots.directives)
    seen = (-1, -1, -1)
    pulse, tick_s = pulse or Pulse(), TICK_S * slots.slack
    task_status.started()
    while True:
        # One scope for as long as news keeps coming, and not one for each look: a scope costs as much.
        with trio.CancelScope() as waits:
            while True:
                pulse.expect("its next look", tick_s)
                waits.deadline = trio.current_time() + tick_s
                await any_newer(watched, seen)
                seen = (slots.quotes.version, slots.held.version, slots.directives.version)
                looks.look()
        seen = (slots.quotes.version, slots.held.version, slots.directives.version)
        looks.look()


class _Looks(msgspec.Struct):
    """The step with its surroundings: what it looks at, and who hears of what it decides."""

    slots: Slots
    post: Callable[[msgspec.Struct], None]
    sizer: Sizer
    clock: VenueClock
    observe: Observe
    memory: Memory = Memory()
    barred: Denial | None = None

    def look(self) -> None:
        """One look at everything; nothing before it is known what is held and what is allowed."""
        slots, clock = self.slots, self.clock
        if slots.held.value is None or slots.directives.value is None:
            return
        if slots.rules.value is not None and slots.rules.value is not self.sizer.rules:
            self.sizer = msgspec.structs.replace(self.sizer, rules=slots.rules.value)
        sizer = self.sizer
        look = Look(
            slots.quotes.value,
            slots.held.value,
            slots.directives.value,
            clock.now_ms(),
            slots.doubted.value or Ms(0),
        )
        self.memory, decision = sizer.step(self.memory, look)
        self._show_wait(sizer.waiting(self.memory, look))
        before, self.barred = self.barred, sizer.barred(look)
        if self.barred and (before is None or before.code != self.barred.code):
            self.post(Denied(self.barred.code, self.barred.detail))
        elif before and not self.barred:
            self.observe(Note(clock.utc_ns(), "info", "sizing", "entering is possible again"))
        if isinstance(decision, SizingPlan):
            note = _proposed(decision, sizer, look)
            eth, sol = decision.eth.amount, decision.sol.amount
            self.observe(Hop(clock.utc_ns(), "sizing proposes", 0, 0, "", eth, sol, note))
        if isinstance(decision, PairSettled) and decision.detail.startswith(NOT_SETTLED):
            self.observe(Note(clock.utc_ns(), "warning", "sizing", decision.detail))
        if decision is not None:
            self.post(decision)

    def _show_wait(self, waiting: Waiting) -> None:
        """Put what is waited for where it is seen; what a pair is kept for is a line of the log as well."""
        told = self.slots.waiting.value
        if waiting == told:
            return
        self.slots.waiting.put(waiting)
        again = told is not None and (told.code, told.until_ms) == (waiting.code, waiting.until_ms)
        if waiting.code == FUNDING_WAIT and not again:
            text = f"{FUNDING_WAIT}: {waiting.detail}"
            self.observe(Note(self.clock.utc_ns(), "info", "sizing", text))


def _proposed(plan: SizingPlan, sizer: Sizer, look: Look) -> str:
    """The purpose, and the rule by which a pair leaves or by which its side was chosen."""
    if not plan.because or look.quote is None:
        return plan.purpose
    if plan.enters:
        side = sizer.side(look.held, look.quote, plan.cycle, look.now_ms)
        return f"{plan.purpose}, {side.rule}: {side.detail}"
    rule = sizer.exit_rule(look, look.quote)
    return f"{plan.purpose}, {rule.text}" if rule else plan.purpose
