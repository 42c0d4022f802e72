"""Why a pair that stands is left: one rule, by its name, for the plan, the log and every report.

    the code of a stop     somebody or something ends the run: SIGINT, HALTED, FOREIGN, UNTIL_UTC, ...
    MAX_HOLD, MARGIN_CALL, MARKED_IMBALANCE
                           a limit ends the pair before its time (`limits.py`)
    HOLD                   it has been held for as long as it was to be

They are asked in this order, so the one that is named is the strictest that holds at this quote.
"""

from actors.risk.drawn_values import hold_of
from actors.risk.limits import pair_over
from messages.lifecycle import Denial, Directive, Held
from messages.market import PairQuote
from messages.settings import Settings


def exit_rule(
    held: Held, quote: PairQuote, settings: Settings, directive: Directive, now_ms: int
) -> Denial | None:
    """The rule by which the open pair leaves at venue time `now_ms`; None while it stays."""
    if directive.leave_now:
        return Denial(directive.reason or "LEAVE", "the run ends")
    early = pair_over(held, quote, settings, now_ms)
    if early is not None:
        return early
    hold_ms, for_ms = hold_of(settings, held), now_ms - held.entered_ms
    return Denial("HOLD", f"held for {for_ms} ms, hold = {hold_ms} ms") if for_ms >= hold_ms else None
