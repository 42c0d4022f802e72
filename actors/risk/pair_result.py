"""What an open pair comes to if it is closed at the books of one moment: the figure that `take_profit` and
`stop_loss` are held against. Pure.

    what its orders have brought in so far      sales - purchases - their fees, of every order of the cycle
    + what closing brings                       each leg through the side that its exit would take, level by
                                                level, never at a mid
    - the fees of that                          the taker fee of the rules of now
    + funding                                   received since the pair was entered

So the result of a pair that has just been entered is what a round trip costs, with a minus sign. Basis points
are of what both legs together were worth when entered: 2,000 USD for a target of 1,000 USD per leg. All of it
is about real dollars, whatever the hedge ratio is.
"""

import msgspec

from actors.market_data.cost_curve import BASIS, curve_of, walk
from messages.lifecycle import Held, HeldLeg
from messages.market import LegQuote, PairQuote
from messages.units import ONE, Base, Bps, Price, Quote, notional
from venue.protocol import PairTerms, VenueRules


class PairResult(msgspec.Struct, frozen=True):
    """What an open pair would come to if it were closed at these books, in USD x18."""

    entered: Quote
    """What both legs were worth when entered, in sum."""
    net: Quote
    """> 0 = gained, after all costs: those of closing are in it as they are expected to be."""
    closing: Quote
    """What closing is expected to cost against the mids: half of the spreads, the walk, the fees."""
    whole: bool
    """Do both books hold all that closing takes? Where one does not, what is beyond its last level is valued
    at that level, and `net` is the most that closing can come to.
    """

    def bps(self, part: Quote) -> Bps:
        """One of its figures in basis points of `entered`, rounded down."""
        return Bps(part * BASIS // self.entered)


def pair_result(held: Held, quote: PairQuote, rules: VenueRules) -> PairResult | None:
    """The result of the pair that `held` has open; None where nobody can say it: a person has booked the
    pair, so that nothing is known of what it has cost, or the exchange's rules name no taker fee.
    """
    fees = rules.eth.taker_fee, rules.sol.taker_fee
    return _result((held.eth, held.sol), quote, fees, held.funding)


def result_at_once(
    worth: tuple[Quote, Quote], quote: PairQuote, terms: PairTerms, sign: int
) -> PairResult | None:
    """What a pair whose legs are `worth` so many USD, ETH's and SOL's, would come to if it were entered at
    these books (long ETH for a `sign` of +1) and closed at them again. None where a size step is worth more
    than that.
    """
    fees, legs = (terms.eth.taker_fee, terms.sol.taker_fee), []
    steps = terms.eth.size_step, terms.sol.size_step
    books, sides = (quote.eth, quote.sol), (sign, -sign)
    for book, fee, step, side, usd in zip(books, fees, steps, sides, worth, strict=True):
        amount = side * (usd * ONE // book.mid // step * step)
        if not amount:
            return None
        paid, _ = _traded_for(book, amount)
        cash = (-paid if amount > 0 else paid) - paid * fee // ONE
        legs.append(HeldLeg(Base(amount), Base(amount), Price(paid * ONE // abs(amount)), Quote(cash)))
    return _result((legs[0], legs[1]), quote, fees, Quote(0))


def _result(
    legs: tuple[HeldLeg, HeldLeg], quote: PairQuote, fees: tuple[int | None, int | None], funding: Quote
) -> PairResult | None:
    net, closing, entered, whole = int(funding), 0, 0, True
    for leg, book, rate in zip(legs, (quote.eth, quote.sol), fees, strict=True):
        if leg.cash is None or rate is None or not leg.vwap:
            return None
        worth, all_of_it = _traded_for(book, -leg.amount)
        fee = worth * rate // ONE
        brings = (worth if leg.amount > 0 else -worth) - fee
        net += leg.cash + brings
        closing += leg.amount * book.mid // ONE - brings
        entered += notional(leg.vwap, leg.amount)
        whole = whole and all_of_it
    return PairResult(Quote(entered), Quote(net), Quote(closing), whole) if entered else None


def _traded_for(book: LegQuote, amount: int) -> tuple[int, bool]:
    """USD (x18, unsigned) that an order of `amount` (signed) trades for, and whether the book holds all of
    it.
    """
    levels = book.side(amount)
    taken = walk(levels, amount)
    if taken is not None:
        return taken, True
    there = curve_of(levels).total()
    return (walk(levels, there) or 0) + notional(levels[-1].price, abs(amount) - there), False
