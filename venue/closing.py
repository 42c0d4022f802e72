"""What of a position can be closed now, by the venue's rules of now. Pure; sizing, ESCAPE and the presigned
exit all ask here.

Closing needs least: an id, a tick, a step, and what is held. The amount that is held is the ledger's, or the
venue's, and stays the truth; the order is its floor on the size step, and the rest is named. Of a hedged pair
(two legs of opposite sign) one leg must not be left unhedged, so

    a leg that the venue says cannot be traded     holds both back, unless liquidation is nearer than the
                                                   limit
    a step that does not fit                       closes both in matched proportion, so that what remains is
                                                   hedged too
    a leg that the venue may refuse                goes first and alone: refused, nothing has happened;
                                                   filled, the other one follows at once

Anything else, unhedged exposure above all, is closed as far as it goes: a refusal costs nothing.
"""

from collections.abc import Collection

import msgspec

from messages.execution import AccountSnapshot
from messages.sizing import LEGS, Leg
from messages.units import ONE, Base, Rate, notional
from venue.protocol import VenueRules

REREAD_AFTER = frozenset({2000, 2001, 2069, 2073, 2094, 2122})
"""Refusals after which the rules that an order was made by are old: tick, step, trading status,
self-match, minimum, isolated margin only.
"""
MINIMUM_PERCENT = 105
"""An order that tops up is planned at so much of the minimum (`actors/sizing/lattice.py`)."""
LASTING = REREAD_AFTER
"""Refusals of a closing order that do not pass by themselves: a better price or another second does not
help.
"""


class Closing(msgspec.Struct, frozen=True):
    """What to close now of each leg, signed as it is held; both 0 = nothing can be, or nothing should."""

    eth: Base
    sol: Base
    kept: str = ""
    """Why something of it stays, in words; "" when all of it goes."""

    def part(self, leg: Leg) -> Base:
        """What to close of `leg`, signed as it is held."""
        return self.eth if leg == "eth" else self.sol


def hedged(eth: int, sol: int) -> bool:
    """Are both legs held, and one against the other?"""
    return eth * sol < 0


def closing(
    eth: int,
    sol: int,
    rules: VenueRules,
    *,
    refused: Collection[Leg] = (),
    urgent: bool = False,
    tops_up: int = 0,
) -> Closing:
    """What to close now of `eth` and `sol` (signed, as held).

    `refused`: legs whose last close the venue refused for a reason that does not pass. `urgent`: liquidation
    is near, so a leg that can be closed goes even if the other cannot. `tops_up`: USD (x18) up to which a leg
    under the minimum can be made larger, to close it then (`actors/sizing/min_notional.py`).
    """
    # Near liquidation one closed leg is better than two that wait for each other.
    pair = hedged(eth, sol) and not urgent
    untradable = [rules.product(leg) for leg in LEGS if rules.product(leg).untradable]
    if pair and untradable:
        return Closing(
            Base(0),
            Base(0),
            "hedged, and kept:"
            f" {', '.join(f'{product.symbol} is {product.status}' for product in untradable)}",
        )
    fits = on_the_steps(eth, sol, rules, pair=pair)
    doubtful = [  # what the venue says leaves it open whether it takes this leg's closing order
        leg
        for leg in LEGS
        for product in [rules.product(leg)]
        if leg in refused
        or product.unsure
        or (
            product.min_notional is not None
            and product.oracle is not None
            and notional(product.oracle, fits.part(leg)) < product.min_notional
            and product.min_notional * MINIMUM_PERCENT > tops_up * 100
        )
    ]
    if not (pair and hedged(fits.eth, fits.sol) and len(doubtful) == 1):
        return fits
    kept = f"{rules.product(doubtful[0]).symbol} is closed first: the exchange may refuse to close it"
    return Closing(fits.eth, Base(0), kept) if doubtful[0] == "eth" else Closing(Base(0), fits.sol, kept)


def on_the_steps(eth: int, sol: int, rules: VenueRules, *, pair: bool = True) -> Closing:
    """What the size steps let close, whatever else the venue says. `pair`: of a hedged pair in matched
    proportion, else of each leg as it comes.
    """
    held = (eth, sol)
    parts: dict[Leg, int] = {}
    for leg, amount in zip(LEGS, held, strict=True):
        step = rules.product(leg).size_step
        parts[leg] = abs(amount) // step * (step if amount > 0 else -step)  # toward zero
    if pair and hedged(eth, sol):
        parts = _matched(held, parts, rules)
    kept = ", ".join(
        f"{product.symbol} {Base(amount - parts[leg]).text()} of {Base(amount).text()} remains: the size step"
        f" is {product.size_step.text()}"
        for leg, amount in zip(LEGS, held, strict=True)
        if amount != parts[leg]
        for product in [rules.product(leg)]
    )
    return Closing(Base(parts["eth"]), Base(parts["sol"]), kept)


def _matched(held: tuple[int, int], parts: dict[Leg, int], rules: VenueRules) -> dict[Leg, int]:
    """Both parts in the proportion of the leg of which least can be closed; neither where one would be
    left unhedged.
    """
    totals = dict(zip(LEGS, held, strict=True))
    least: Leg = min(LEGS, key=lambda leg: abs(parts[leg]) * ONE // abs(totals[leg]))
    if parts[least] == totals[least]:
        return parts
    other: Leg = "sol" if least == "eth" else "eth"
    step = rules.product(other).size_step
    nearest = (
        (2 * abs(totals[other]) * abs(parts[least]) + abs(totals[least]) * step)
        // (2 * abs(totals[least]) * step)
        * step
    )
    amount = min(nearest, abs(parts[other]))
    matched = {least: parts[least], other: amount if totals[other] > 0 else -amount}
    return matched if all(matched.values()) else dict.fromkeys(LEGS, 0)


def liquidation_near(eth: int, sol: int, maintenance: int | None, rules: VenueRules, limit: Rate) -> bool:
    """May one leg's price move by less than `limit` until the account's maintenance health (USD x18) is
    used up? Not known = no.
    """
    slopes = []  # USD (x18) of maintenance health that a move of the whole price would cost, leg by leg
    for leg, amount in zip(LEGS, (eth, sol), strict=True):
        product = rules.product(leg)
        weight = product.long_weight_maintenance if amount > 0 else product.short_weight_maintenance
        if amount:
            if weight is None or product.oracle is None:
                return False
            slopes.append(notional(product.oracle, amount) * weight // ONE)
    return maintenance is not None and bool(slopes) and max(0, maintenance) * ONE < limit * max(slopes)


def near_liquidation(snapshot: AccountSnapshot, rules: VenueRules, limit: Rate) -> bool:
    """The same of an account as it was read."""
    eth, sol = (int(snapshot.position(rules.product(leg).product_id).cross) for leg in LEGS)
    return liquidation_near(eth, sol, snapshot.maintenance_health, rules, limit)
