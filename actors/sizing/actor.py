"""sizing: looks at the newest quote, holdings and directive, and posts what the pure step decides
(`actors/sizing/sizer.py`) to the supervisor.
"""

from collections.abc import Callable

import msgspec
import trio

from actors.sizing.sizer import Look, Memory, Sizer
from messages.lifecycle import Denial, Denied, Directive, Held, Hop, Note, Waiting
from messages.market import PairQuote
from messages.sizing import SizingPlan
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
    memory = Memory()
    barred: Denial | None = None
    watched = (slots.quotes, slots.held, slots.directives)
    seen = (-1, -1, -1)
    pulse = pulse or Pulse()
    task_status.started()
    while True:
        pulse.expect("its next look", TICK_S * slots.slack)
        with trio.move_on_after(TICK_S * slots.slack):
            await any_newer(watched, seen)
        seen = (slots.quotes.version, slots.held.version, slots.directives.version)
        if slots.held.value is None or slots.directives.value is None:
            continue
        if slots.rules.value is not None and slots.rules.value is not sizer.rules:
            sizer = msgspec.structs.replace(sizer, rules=slots.rules.value)
        look = Look(
            slots.quotes.value,
            slots.held.value,
            slots.directives.value,
            clock.now_ms(),
            slots.doubted.value or Ms(0),
        )
        memory, decision = sizer.step(memory, look)
        if (waiting := sizer.waiting(memory, look)) != slots.waiting.value:
            slots.waiting.put(waiting)
        before, barred = barred, sizer.barred(look)
        if barred and (before is None or before.code != barred.code):
            post(Denied(barred.code, barred.detail))
        elif before and not barred:
            observe(Note(clock.utc_ns(), "info", "sizing", "entering is possible again"))
        if isinstance(decision, SizingPlan):
            note: str = decision.purpose
            if decision.purpose == "exit" and look.quote is not None:
                rule = sizer.exit_rule(look, look.quote)
                note = f"exit, {rule.text}" if rule else note
            eth, sol = decision.eth.amount, decision.sol.amount
            observe(Hop(clock.utc_ns(), "sizing proposes", 0, 0, "", eth, sol, note))
        if decision is not None:
            post(decision)
