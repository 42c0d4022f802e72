"""How large the last cycle of a run is that has a volume or a cost to come to: as much as is left, where less
than a whole cycle is. So a run passes its goal by less than one cycle, and mostly by much less.

    a cycle of target T    trades 4 T: both legs, in and out
                           costs 2 T (ETH's + SOL's taker fee) + T (ETH's + SOL's spread): half of a spread is
                           paid at entry and half at exit
"""

from typing import NamedTuple

from actors.risk.goals import spent
from messages.lifecycle import Held
from messages.market import PairQuote
from messages.settings import Settings
from messages.units import ONE, Quote
from venue.protocol import PairTerms, VenueRules

ORDERS = 4
"""Of a cycle: two in, two out."""


class CyclePrice(NamedTuple):
    """What a cycle is expected to cost at the books of one moment, USD x18."""

    fees: Quote
    spread: Quote


def cycle_price(target: Quote, terms: PairTerms, quote: PairQuote) -> CyclePrice:
    """The cost of one cycle of `target` USD per leg, before its quantities are known."""
    fees = ORDERS // 2 * target * (terms.eth.taker_fee + terms.sol.taker_fee) // ONE
    spread = sum(
        target * (leg.asks[0].price - leg.bids[0].price) // leg.mid for leg in (quote.eth, quote.sol)
    )
    return CyclePrice(Quote(fees), Quote(spread))


def last_target(
    whole: Quote, settings: Settings, held: Held, rules: VenueRules, quote: PairQuote
) -> Quote | None:
    """The target of a cycle that is to be the last one, USD x18 per leg, at least the larger of both minimum
    notionals; None while a cycle of the `whole` target is left. Raises `Incomplete`.
    """
    if settings.until_volume is None and settings.until_cost is None:
        return None
    terms, wanted = rules.terms(), []
    if settings.until_volume is not None:
        left = settings.until_volume - held.totals.traded
        wanted.append(-(-left // ORDERS))
    if settings.until_cost is not None and (lost := spent(held)) is not None:
        left, cost = settings.until_cost - lost, sum(cycle_price(whole, terms, quote))
        wanted.append(whole * left // max(cost, 1))
    least = max(terms.eth.min_notional, terms.sol.min_notional)
    smallest = min(wanted, default=whole)
    return Quote(max(smallest, least)) if smallest < whole else None
