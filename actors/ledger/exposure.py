"""How much is unhedged, and for how long: the one calculation behind LEGGING_BUDGET, the screen, `--json`,
the drills and the audits.

Exposure is the net notional |ETH + SOL / hedge ratio| in USD (of ETH), each leg marked at its last trade,
while what is held is neither flat nor an agreed pair. The rest of the time it is 0: an agreed pair is
what the plan chose (or what a completed repair left), and how far its legs are apart in USD is its imbalance,
which has figures and limits of its own. Nothing else counts as hedged, however little is missing. Trades
of one instant leave nothing between them.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from actors.ledger.orders import OrderPiece
from messages.sizing import LEGS, Leg
from messages.units import ONE, net_exposure

Pair = tuple[int, int]
"""Signed amounts of ETH and SOL."""
FLAT: Pair = (0, 0)
NS = 1_000_000_000


class Exposure(NamedTuple):
    """What some trades come to, by the venue's timestamps. USD x18."""

    worst: int = 0
    """The largest exposure that lasted, or that lasts since the last trade."""
    usd_s: int = 0
    """Its integral over time, USD x seconds."""
    lasted_ns: int = 0
    """For how long there was any."""
    now: int = 0
    """The exposure since the last trade."""
    since_ns: int = 0
    """Venue time of the last trade, or the time until which it was asked."""
    priced: bool = True
    """Has every leg that is held a price? Not one that was held from the start and never traded: its part
    of `now` is unknown.
    """


def exposure(
    moves: Iterable[OrderPiece],
    agreed: Collection[Pair],
    hedge_ratio: int,
    *,
    until_ns: int = 0,
    start: Pair = FLAT,
) -> Exposure:
    """The exposure that `moves`, in any order, make of `start`. `agreed`: every pair that counts as hedged.

    What is exposed after the last trade is counted on to `until_ns` (venue time). A leg that was held from
    the start is marked at its first trade until then.
    """
    ordered = sorted(moves, key=lambda move: (move.at_ns, move.leg, move.price))
    held: dict[Leg, int] = {"eth": start[0], "sol": start[1]}
    price = {move.leg: move.price for move in reversed(ordered)}
    since_ns = ordered[0].at_ns if ordered else until_ns
    worst = area = lasted_ns = 0
    now = _net(held, price, agreed, hedge_ratio)
    for move in [*ordered, OrderPiece(max(since_ns, until_ns), "eth", 0, 0)]:
        passed_ns = max(0, move.at_ns - since_ns)
        if passed_ns and now:
            worst, area, lasted_ns = max(worst, now), area + now * passed_ns, lasted_ns + passed_ns
        since_ns = max(since_ns, move.at_ns)
        if move.amount:
            held[move.leg], price[move.leg] = held[move.leg] + move.amount, move.price
            now = _net(held, price, agreed, hedge_ratio)
    return Exposure(
        max(worst, now), area // NS, lasted_ns, now, since_ns, all(leg in price for leg in held if held[leg])
    )


def _net(held: dict[Leg, int], price: dict[Leg, int], agreed: Collection[Pair], hedge_ratio: int) -> int:
    pair = held["eth"], held["sol"]
    if pair == FLAT or pair in agreed:
        return 0
    eth, sol = (held[leg] * price.get(leg, 0) for leg in LEGS)
    return net_exposure(eth, sol, hedge_ratio) // ONE
