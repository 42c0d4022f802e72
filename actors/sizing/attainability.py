"""Can this target be traded at these prices, which targets can, and where does each bound come from?

The one answer behind a run's skips, `doctor` and `plan`. Pure: books and rules in, verdict, bounds and
reasons out.

A run that alternates takes the asks of one book and the bids of the other in one cycle, and the other way
round in the next; a target is attainable when every direction that will be traded meets it. The bounds are
therefore common ones: `smallest` is the first target that all directions meet, `always` the one from which on
all do. Neither is the largest of the directions' own bounds: the next target that one of them meets need not
be met by the other, so the search goes up in turns until nothing moves.

A bound comes from what forbids a target one cent below it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from actors.market_data.cost_curve import BASIS
from actors.sizing.lattice import CENT, HedgeAccuracy, Obstacle, Search, Source, TakenSide
from actors.sizing.verdict_words import too_far_apart
from messages.sizing import Leg, Verdict
from messages.units import ONE, Bps, Quote, Rate

__all__ = ["Attainability", "Bound", "RatioRoom", "attainable", "ratio_room"]


class Bound(NamedTuple):
    """A target in USD per leg (x18), and what forbids one cent less. `source` is None where nothing does:
    the search began there.
    """

    target: Quote
    source: Source | None
    leg: Leg | None
    """Whose rule it is; None: that of both legs together."""
    reason: str
    """Why one cent less is not met, with the bounds that it fails; "" where nothing forbids it."""


class Attainability(NamedTuple):
    """The answer for one target at one moment's books."""

    met: bool
    """In every direction."""
    verdict: Verdict
    """Of the first direction that does not meet the target, else of the first. `smallest_target` and
    `always_from` are common to all directions.
    """
    obstacle: Obstacle | None
    """Why that direction does not meet it."""
    smallest: Bound | None
    """The smallest target that is met in every direction; None when there is none up to 100 times the
    target, or it would take too long to find.
    """
    always: Bound | None
    """From this target up to 100 times the one asked for, every target is met in every direction; None
    when not known.
    """


def attainable(
    target: Quote,
    directions: Sequence[tuple[TakenSide, TakenSide]],
    accuracy: HedgeAccuracy,
    lowest: Quote | None = None,
) -> Attainability:
    """`directions`: per direction the sides of ETH's and SOL's book that it takes. Bounds are looked for from
    `lowest` on, from the target if None.

    Raises `ValueError` as `size_pair` does, and for no direction.
    """
    if not directions:
        raise ValueError("no direction to trade in")
    searches = [Search.of(target, eth, sol, accuracy) for eth, sol in directions]
    ask = searches[0].ask  # but for the floors, every direction's is the same
    judged = [search.judged() for search in searches]
    at = next((index for index, each in enumerate(judged) if not each.met), 0)
    met = judged[at].met
    smallest = always = None
    if target > 0:
        start = ask.cost_of(target if lowest is None else max(lowest, CENT // ONE))
        smallest = _bound(_common_smallest(searches, start), start, searches)
        found = [search.always(start) for search in searches]
        common = None if None in found else max(each for each in found if each is not None)
        always = _bound(common, start, searches)
    nearest = (
        smallest
        if smallest is None or smallest.target >= target
        else _bound(_common_smallest(searches, ask.target), ask.target, searches)
    )
    advised = (
        (None if nearest is None else nearest.target),
        (None if always is None else Quote(max(always.target, target))),
    )
    return Attainability(
        met, searches[at].verdict(judged[at], *advised), searches[at].obstacle(judged[at]), smallest, always
    )


class RatioRoom(NamedTuple):
    """How far ETH's price may move against SOL's, of what it is, while a pair stays within a promise: basis
    points x18, rounded down. Below 0: it is not within it, and the move must be the other way.
    """

    up: Bps | None
    """None: without end, as only a promise of 100 % allows."""
    down: Bps


def ratio_room(eth: Quote, sol: Quote, promise: Bps, hedge_ratio: Rate) -> RatioRoom:
    """The room of a pair whose legs are worth `eth` and `sol` USD (unsigned, x18) until |E - S| / max(E, S)
    is more than `promise`, S over the hedge ratio.

    With f times the prices' ratio it holds while f E (1 - promise) <= S and S (1 - promise) <= f E. Raises
    `ValueError` for a leg that is worth nothing.
    """
    if eth <= 0 or sol <= 0:
        raise ValueError("a leg that is worth nothing has no ratio to the other one")
    within = BASIS - promise
    one, other = eth * hedge_ratio, sol * ONE
    up = Bps((other * BASIS - one * within) * BASIS // (one * within)) if within > 0 else None
    return RatioRoom(up, Bps((one * BASIS - other * within) // one))


def _common_smallest(searches: Sequence[Search], lowest: int) -> int | None:
    """Ends: each turn goes up, and looks at one lot count at least, of which there are `counts_left`."""
    reached = lowest
    while True:
        found = [search.smallest(reached) for search in searches]
        if None in found:
            return None
        highest = max(each for each in found if each is not None)
        if highest == reached:
            return reached
        reached = highest


def _bound(target: int | None, start: int, searches: Sequence[Search]) -> Bound | None:
    if target is None:
        return None
    ask = searches[0].ask
    found = ask.usd_of(target)
    if target == start:
        return Bound(found, None, None, "")
    # The search has shown that a cent less is not met: where each leg of each direction has a quantity, it is
    # the balance that is missing.
    obstacles = (search.nothing_fits(max(start, target - ask.cent)) for search in searches)
    below = next((each for each in obstacles if each is not None), None)
    below = below or Obstacle("imbalance", None, too_far_apart(Bps(ask.promise), ask.hedge_ratio))
    return Bound(found, *below)
