"""What a cycle costs by cause, entered and exited at the books of one moment.

    fees       taker fee x what both orders of a leg trade, in and out
    spread     amount x (best ask - best bid): half of it is paid at entry, half at exit
    slippage   what the orders pay beyond the best price, because they take more than stands there

So spread and slippage of a leg together are what buying and selling its amount in these books loses. The
summary of a run names the first two the same; its `slippage` is what fills were worse than planned, of which
nobody knows anything yet.
"""

import msgspec

from actors.market_data.cost_curve import BASIS, walk
from messages.market import PairQuote
from messages.sizing import LEGS, SizingPlan
from messages.units import ONE, Bps, Quote
from venue.protocol import PairTerms


class CycleCost(msgspec.Struct, frozen=True):
    """USD x18, > 0 = paid; `traded` is the notional of all four orders."""

    fees: Quote
    spread: Quote
    slippage: Quote
    traded: Quote

    @property
    def total(self) -> Quote:
        """What entry and exit cost together by all three causes."""
        return Quote(self.fees + self.spread + self.slippage)

    def bps(self, part: Quote) -> Bps:
        """One of them in basis points of what is traded, rounded down: a fee is as the exchange quotes it."""
        return Bps(part * BASIS // self.traded)


def cycle_cost(plan: SizingPlan, quote: PairQuote, terms: PairTerms) -> CycleCost | None:
    """The cost of this entry and of its exit at the same books; None where a side is too thin for it."""
    fees = spread = slippage = traded = 0
    for leg, book in zip(LEGS, (quote.eth, quote.sol), strict=True):
        amount = abs(plan.leg(leg).amount)
        paid, received = walk(book.asks, amount), walk(book.bids, amount)
        if paid is None or received is None:
            return None
        apart = (book.asks[0].price - book.bids[0].price) * amount // ONE
        fees += (paid + received) * terms.product(leg).taker_fee // ONE
        spread += apart
        slippage += paid - received - apart
        traded += paid + received
    return CycleCost(Quote(fees), Quote(spread), Quote(slippage), Quote(traded))
