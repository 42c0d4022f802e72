"""How far the market went against what had just traded: the mids of a recording at and after each fill.

The ledger knows mids at decisions only. A recording has them all, as the exchange showed them: the one that
was replayed, or the one that `record` made while a run traded, in a process of its own. It is read once, for
the moments that are asked about, so that memory does not grow with it.

An order's adverse move is that of its leg's mid from the decision to so long after the fill, in the direction
that costs: down for what was bought. At the fill itself it says what it took to be filled; the difference to
a later one is what followed. It goes by the same mids as spread and slippage, so the sum of the three is how
far from the later mid an order has traded.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from actors.ledger.tally import worth
from commands.report.block_bootstrap import Estimate, ratios
from commands.report.cycle_execution import OrderFill
from messages.sizing import LEGS, Leg
from messages.units import ONE
from venue.simulated.markets import PriceSource

AFTER_S = (0, 1, 10, 60)
"""How many seconds after a fill."""
NS = 1_000_000_000
MILLION = 1_000_000
Mids = Mapping[tuple[Leg, int], int]
"""By leg and moment (ns since the Unix epoch), x18."""


class AdverseMoves(msgspec.Struct, frozen=True):
    """After so many seconds, USD per 1,000,000 USD traded, > 0 = against us."""

    known: tuple[int, ...] = ()
    """Of how many fills, for each of `AFTER_S`."""
    per_million: tuple[Estimate, ...] = ()


def mids_after(market: PriceSource, began_ns: int, fills: Iterable[OrderFill]) -> Mids:
    """The mids that `market`, whose start is at `began_ns`, shows at the moments of `AFTER_S` after `fills`.
    A moment before its start or after its last move has none. Raises what the market raises.
    """
    wanted: dict[Leg, list[int]] = {leg: [] for leg in LEGS}
    for fill in fills:
        wanted[fill.leg] += (fill.at_ns + after * NS for after in AFTER_S)
    moments = {leg: sorted(set(each)) for leg, each in wanted.items()}
    found: dict[tuple[Leg, int], int] = {}
    shown: dict[Leg, int] = {}
    next_of = dict.fromkeys(LEGS, 0)
    for move in market.moves():
        at_ns = began_ns + move.at_ns
        for leg in LEGS:
            known, due = shown.get(leg), bisect_right(moments[leg], at_ns - 1)
            if known is not None:
                found.update({(leg, each): known for each in moments[leg][next_of[leg] : due]})
            next_of[leg] = due
        shown[move.product] = (move.bids[0].price + move.asks[0].price) // 2
        if all(next_of[leg] == len(moments[leg]) for leg in LEGS):
            break
    return found


def adverse_moves(cycles: Sequence[Sequence[OrderFill]], mids: Mids) -> AdverseMoves:
    """Of the fills of each of `cycles`, those whose mids are known, with the report's errors over cycles."""
    known, found = [], []
    for after in AFTER_S:
        moves = [
            some
            for fills in cycles
            if (some := [_moved(fill, mid) for fill in fills if (mid := _mid(fill, after, mids))])
        ]
        known.append(sum(map(len, moves)))
        lost = [sum(move for move, _ in each) for each in moves]
        traded = [sum(usd for _, usd in each) for each in moves]
        found.append(ratios({"": lost}, traded, MILLION * ONE)[""])
    return AdverseMoves(tuple(known), tuple(found))


def _mid(fill: OrderFill, after: int, mids: Mids) -> int:
    """0 where it, or the one at the decision, is not known."""
    return mids.get((fill.leg, fill.at_ns + after * NS), 0) if fill.mid else 0


def _moved(fill: OrderFill, mid: int) -> tuple[int, int]:
    return worth(fill.amount, fill.mid - mid), fill.traded
