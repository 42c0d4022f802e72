"""How large the last cycle of a run is that has a volume or a cost to come to: as much as is left, where less
than a whole cycle is. So a run passes its goal by less than one cycle, and mostly by much less.

    a cycle of target T    trades 4 T: both legs, in and out
                           costs 2 T (ETH's + SOL's taker fee) + T (ETH's + SOL's spread): half of a spread is
                           paid at entry and half at exit

With a hedge ratio r SOL's T is r T.
"""

from typing import NamedTuple

from actors.risk.goals import spent
from messages.lifecycle import Held
from messages.market import PairQuote
from messages.settings import Settings
from messages.units import ONE, Quote, Rate, legs_of
from venue.protocol import PairTerms, VenueRules

ORDERS = 4
"""Of a cycle: two in, two out."""


class CyclePrice(NamedTuple):
    """What a cycle is expected to cost at the books of one moment, USD x18."""

    fees: Quote
    spread: Quote


def cycle_price(target: Quote, hedge_ratio: Rate, terms: PairTerms, quote: PairQuote) -> CyclePrice:
    """The cost of one cycle of `target` USD of ETH and `hedge_ratio` times as many of SOL, before its
    quantities are known.
    """
    eth, sol = legs_of(target, hedge_ratio)
    fees = ORDERS // 2 * (eth * terms.eth.taker_fee + sol * terms.sol.taker_fee) // ONE
    spread = sum(
        worth * (leg.asks[0].price - leg.bids[0].price) // leg.mid
        for worth, leg in ((eth, quote.eth), (sol, quote.sol))
    )
    return CyclePrice(Quote(fees), Quote(spread))


def least_target(hedge_ratio: Rate, terms: PairTerms) -> Quote:
    """The target (USD x18) at which each leg is worth the exchange's minimum, rounded up."""
    return Quote(max(terms.eth.min_notional, -(-terms.sol.min_notional * ONE // hedge_ratio)))


def last_target(
    whole: Quote, settings: Settings, held: Held, rules: VenueRules, quote: PairQuote
) -> Quote | None:
    """The target of a cycle that is to be the last one, USD x18 of ETH, at least `least_target`; None while a
    cycle of the `whole` target is left. Raises `Incomplete`.
    """
    if settings.until_volume is None and settings.until_cost is None:
        return None
    terms, ratio, wanted = rules.terms(), settings.hedge_ratio, []
    if settings.until_volume is not None:
        left = settings.until_volume - held.totals.traded
        wanted.append(-(-left * ONE // (ORDERS // 2 * (ONE + ratio))))
    if settings.until_cost is not None and (lost := spent(held)) is not None:
        left, cost = settings.until_cost - lost, sum(cycle_price(whole, ratio, terms, quote))
        wanted.append(whole * left // max(cost, 1))
    smallest = min(wanted, default=whole)
    return Quote(max(smallest, least_target(ratio, terms))) if smallest < whole else None
