"""Which targets can be balanced at which share of prices: `--sweep`.

The books of the plan are moved, level by level and tick by tick, to a grid of price pairs around where they
are; a target counts at a pair of prices when sizing meets it there in every direction.
"""

from collections.abc import Iterator, Sequence
from statistics import median_high
from typing import NamedTuple

import msgspec

from actors.market_data.cost_curve import BASIS
from actors.sizing.lattice import Search
from actors.sizing.sizer import Sizer
from commands.plan.basis import Basis
from messages.market import LegQuote, Level, PairQuote
from messages.settings import Settings
from messages.units import ONE, Bps, Price, Quote

STEPS = 10
"""Prices on either side of the one there is: 21 for each leg, 441 pairs."""
SERIES = (10, 15, 20, 30, 50, 70)
"""Targets of each decade, in tenths of its beginning."""
BELOW, ABOVE = 5, 20
"""The targets looked at reach from a fifth of the one asked for to 20 times it."""


class SweepRow(NamedTuple):
    """What becomes of one target at every pair of prices that the sweep tries."""

    target: Quote
    met: int
    """Pairs of prices at which every direction meets it."""
    unsized: int
    """Pairs of prices at which a direction has no quantities at all."""
    median: Bps | None
    """Of the imbalances of the best quantities, the worse direction at each pair of prices; None: there are
    none anywhere.
    """
    worst: Bps | None


class Sweep(NamedTuple):
    """The table, and the prices that it is made at."""

    rows: tuple[SweepRow, ...]
    pairs: int
    eth: tuple[Price, Price]
    """ETH's lowest and highest mid."""
    sol: tuple[Price, Price]

    @property
    def always(self) -> Quote | None:
        """The first target from which on every one of the table is met at all of these prices."""
        found = None
        for row in reversed(self.rows):
            if row.met < self.pairs:
                break
            found = row.target
        return found


def swept(settings: Settings, basis: Basis, span: Bps) -> Sweep:
    """Every target of the table at the prices up to `span` below and above those of `basis`. Raises
    `Incomplete`.
    """
    quotes = list(_moved(basis, span))
    middles = [[quote.eth.mid for quote in quotes], [quote.sol.mid for quote in quotes]]
    eth, sol = ((min(each), max(each)) for each in middles)
    rows = tuple(_row(target, settings, basis, quotes) for target in targets(settings.target))
    return Sweep(rows, len(quotes), eth, sol)


def targets(asked: Quote) -> Sequence[Quote]:
    """Round targets around the one asked for, and that one; USD x18."""
    decade, found = ONE // 100, {asked}
    while decade <= asked * ABOVE:
        found |= {
            Quote(decade * tenths // 10)
            for tenths in SERIES
            if asked <= BELOW * (decade * tenths // 10) and decade * tenths // 10 <= ABOVE * asked
        }
        decade *= 10
    return sorted(found)


def _moved(basis: Basis, span: Bps) -> Iterator[PairQuote]:
    eth, sol = (
        [_at(leg, tick, span, step) for step in range(-STEPS, STEPS + 1)]
        for leg, tick in (
            (basis.quote.eth, basis.rules.eth.price_tick),
            (basis.quote.sol, basis.rules.sol.price_tick),
        )
    )
    for one in eth:
        for other in sol:
            yield msgspec.structs.replace(basis.quote, eth=one, sol=other)


def _at(leg: LegQuote, tick: Price, span: Bps, step: int) -> LegQuote:
    """The same book, all of it so many whole ticks away; a level that would cost nothing is gone."""
    by = leg.mid * span * step // (BASIS * STEPS) // tick * tick
    bids, asks = (
        tuple(Level(Price(level.price + by), level.amount) for level in side if level.price + by > 0)
        for side in (leg.bids, leg.asks)
    )
    return msgspec.structs.replace(leg, bids=bids, asks=asks)


def _row(target: Quote, settings: Settings, basis: Basis, quotes: Sequence[PairQuote]) -> SweepRow:
    sizer = Sizer(settings, basis.rules)
    signs, met, unsized, found = sizer.signs(1), 0, 0, []
    for quote in quotes:
        judged = [Search.of(target, *sizer.sides(quote, sign), sizer.accuracy).judged() for sign in signs]
        met += all(each.met for each in judged)
        pairs = [each.pair for each in judged if each.pair is not None]
        if len(pairs) < len(judged):
            unsized += 1
        else:
            found.append(max(pair.imbalance for pair in pairs))
    return SweepRow(
        target, met, unsized, median_high(found) if found else None, max(found) if found else None
    )
