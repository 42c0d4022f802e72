"""The sentences of a verdict: why a target cannot be balanced here, with the numbers, and which target can.

Dollars are shown to the cent; what is computed with is never these texts.
"""

from decimal import Decimal, localcontext

from messages.units import ONE, Base, Bps, Quote


def unbalanced(target: Quote, promise: Bps, found: Bps, eth: Base, sol: Base) -> str:
    """The best pair there is does not keep the promise."""
    best = f"best {_percent_above(found, promise)} ({eth.text()} ETH / {sol.text()} SOL)"
    return f"{usd(target)} USD per leg cannot be balanced to {_percent(promise)} here: {best}."


def nothing_fits(
    source: str, leg: str, step: Base, holds: Quote, low: Quote, high: Quote, floor: Quote, deviation: Bps
) -> str:
    """Why not one quantity of this leg is allowed, and where each bound comes from. `floor` is the venue's
    minimum with its reserve.
    """
    most = f"{usd(high)} USD (target + max_deviation of {_percent(deviation)})"
    if source == "min_notional":
        return f"the venue's minimum for {leg}, {usd(floor)} USD with 5 % in reserve, is above {most}."
    bound = (
        "minimum of the venue + 5 %" if low == floor else f"target - max_deviation of {_percent(deviation)}"
    )
    least = f"{usd(low)} USD ({bound})"
    if source == "book_depth":
        return f"the visible {leg} book is too thin: it holds {usd(holds)} USD, {least} are needed."
    return f"no whole number of {leg} lots of {step.text()} costs between {least} and {most}."


def too_far_apart(promise: Bps) -> str:
    """Each leg has quantities, and no two of them are balanced."""
    return f"no two quantities of ETH and SOL cost the same to {_percent(promise)}."


def elsewhere(smallest: Quote | None, always: Quote | None, too_thin: bool) -> str:
    """Which target can be balanced, as far as known."""
    if smallest is None:
        return (
            " The visible book is too thin for a target that can."
            if too_thin
            else " No target up to 100 times this one is known to be."
        )
    sure = "" if always is None else f"; from {usd(always)} USD on always"
    return f" Smallest that can: {usd(smallest)} USD{sure}."


def usd(amount: int) -> str:
    """Dollars to the cent, whole dollars without cents."""
    with localcontext() as wide:
        wide.prec = 80
        cents = (Decimal(amount) / ONE).quantize(Decimal("0.01"))
    return f"{cents:f}".removesuffix(".00")


def _percent(bps: Bps) -> str:
    return f"{Bps(bps).text()} bps" if bps % 100 else f"{Bps(bps // 100).text()} %"


def _percent_above(bps: Bps, limit: int) -> str:
    """In per cent with two decimals, more where fewer would look like the limit that was missed."""
    with localcontext() as wide:
        wide.prec = 80
        exact, bound = bps.decimal() / 100, Decimal(int(limit)).scaleb(-20)
        shown = next((short for places in range(2, 20) if (short := round(exact, places)) > bound), exact)
    return f"{shown.normalize():f} %"
