"""The sentences of a verdict: why a target cannot be balanced here, with the numbers, and which target can.

Dollars are shown to the cent; what is computed with is never these texts.
"""

from typing import NamedTuple

from messages.amounts import percent_above, round_usd, short_percent
from messages.units import DOLLAR_NEUTRAL, Base, Bps, Quote, Rate


def unbalanced(wanted: str, promise: Bps, found: Bps, eth: Base, sol: Base) -> str:
    """The best pair there is does not keep the promise. `wanted`: what the legs are to be worth."""
    best = f"best {percent_above(found, promise)} ({eth.text()} ETH / {sol.text()} SOL)"
    return f"{wanted} cannot be balanced to {short_percent(promise)} here: {best}."


class LegBounds(NamedTuple):
    """What one leg's quantity may cost, in USD, and what its book has."""

    leg: str
    step: Base
    share: Rate
    """Of the target, what this leg is to be worth: 1, or the hedge ratio."""
    holds: Quote
    low: Quote
    high: Quote
    floor: Quote
    """The venue's minimum with its reserve."""


def nothing_fits(source: str, bounds: LegBounds, deviation: Bps) -> str:
    """Why not one quantity of this leg is allowed, and where each bound comes from."""
    leg, step, share, holds, low, high, floor = bounds
    apart = short_percent(deviation)
    target = "target" if share == DOLLAR_NEUTRAL else f"{share.text()} x target"
    most = f"{round_usd(high)} USD ({target} + max_deviation of {apart})"
    if source == "min_notional":
        return f"the venue's minimum for {leg}, {round_usd(floor)} USD with 5 % in reserve, is above {most}."
    bound = "minimum of the venue + 5 %" if low == floor else f"{target} - max_deviation of {apart}"
    least = f"{round_usd(low)} USD ({bound})"
    if source == "book_depth":
        return f"the visible {leg} book is too thin: it holds {round_usd(holds)} USD, {least} are needed."
    return f"no whole number of {leg} lots of {step.text()} costs between {least} and {most}."


def too_far_apart(promise: Bps, hedge_ratio: Rate) -> str:
    """Each leg has quantities, and no two of them are balanced."""
    if hedge_ratio == DOLLAR_NEUTRAL:
        return f"no two quantities of ETH and SOL cost the same to {short_percent(promise)}."
    share = hedge_ratio.text()
    return f"no two quantities of ETH and SOL cost 1 : {share} to {short_percent(promise)}."


def elsewhere(smallest: Quote | None, always: Quote | None, too_thin: bool) -> str:
    """Which target can be balanced, as far as known."""
    if smallest is None:
        return (
            " The visible book is too thin for a target that can."
            if too_thin
            else " No target up to 100 times this one is known to be."
        )
    sure = "" if always is None else f"; from {round_usd(always)} USD on always"
    return f" Smallest that can: {round_usd(smallest)} USD{sure}."
