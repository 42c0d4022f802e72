"""The budgets for being unhedged, each a time x the larger leg (USD x seconds).

`legging_known` is for a repair under way: everybody knows what is held. `legging_unknown` is for doubt: an
order nobody answered for is waited for, at most its receive window, because trading against it could double
it. `legging_quote` is for cycles whose orders may rest (`[execution]`): what of one has traded waits for its
hedge, or for being large enough to be hedged. One doubtful order puts the whole cycle into the larger class.

A cycle over its budget is not repaired any further but closed, and when it is flat the run halts
(LEGGING_BUDGET): something is wrong that a person should look at before the next pair is entered. What counts
as unhedged: `actors/ledger/exposure.py`.
"""

from typing import Literal

from messages.lifecycle import Held, Legging
from messages.settings import Settings
from messages.units import Ms, Quote

BudgetClass = Literal["legging_known", "legging_unknown", "legging_quote"]


def spent(held: Held, now_ms: int) -> Quote:
    """USD x seconds used up by this cycle until venue time `now_ms`."""
    legging = held.legging
    return Quote(legging.usd_s + legging.naked * max(0, now_ms - legging.since_ms) // 1000)


def allowed(leg: Quote, class_ms: Ms) -> Quote:
    """A time x the larger leg, in USD x seconds: 500 for 0.5 s at 1,000 USD."""
    return Quote(leg * class_ms // 1000)


def budget_class(legging: Legging, settings: Settings) -> tuple[BudgetClass, Ms]:
    """The key by which this cycle is judged, and its time."""
    rests = settings.execution.rests
    if legging.doubted and not (rests and settings.legging_quote > settings.legging_unknown):
        return "legging_unknown", settings.legging_unknown
    if rests:
        return "legging_quote", settings.legging_quote
    return "legging_known", settings.legging_known


def budget(legging: Legging, settings: Settings) -> Quote:
    """USD x seconds that this cycle may use up."""
    return allowed(legging.leg, budget_class(legging, settings)[1])


def over_budget(held: Held, settings: Settings, now_ms: int) -> bool:
    """Has this cycle been unhedged for too long? Not asked of an adopted one: nobody was there."""
    return not held.adopted and spent(held, now_ms) > budget(held.legging, settings)
