"""What this cycle's `hold`, `pause` and `target` are, where the configuration gives a range: drawn from the
run's seed and the cycle's number, and written into the plan that enters. A pair that is adopted after a crash
keeps what its plan says.
"""

import msgspec

from messages.lifecycle import Held
from messages.ranges import drawn, is_range
from messages.settings import Settings
from messages.sizing import SizingPlan
from messages.units import Ms, Quote


def target_of(settings: Settings, seed: int, cycle: int) -> Quote:
    """What each leg of this cycle is to be worth, USD x18."""
    return drawn(settings.target, "target", seed, cycle)


def hold_of(settings: Settings, held: Held) -> Ms:
    """How long the pair that is held stays: as its plan says, else as the configuration does, whose range is
    its upper end.
    """
    return Ms(int(settings.hold)) if held.hold is None else held.hold


def pause_of(settings: Settings, held: Held, seed: int) -> Ms:
    """How long it is waited after the last cycle: as its plan says, or as is drawn for an attempt that was
    skipped.
    """
    return drawn(settings.pause, "pause", seed, held.cycle) if held.pause is None else held.pause


def with_drawn(plan: SizingPlan, settings: Settings, seed: int) -> SizingPlan:
    """The plan that enters with what was drawn for its cycle; the plan itself where nothing is."""
    if not (is_range(settings.hold) or is_range(settings.pause) or is_range(settings.target)):
        return plan
    return msgspec.structs.replace(
        plan,
        hold=drawn(settings.hold, "hold", seed, plan.cycle) if is_range(settings.hold) else None,
        pause=drawn(settings.pause, "pause", seed, plan.cycle) if is_range(settings.pause) else None,
        target=target_of(settings, seed, plan.cycle) if is_range(settings.target) else None,
    )
