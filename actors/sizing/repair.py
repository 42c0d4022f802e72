"""The cheapest repair of an uneven pair: complete the lagging leg, trim the leading one, both, or flatten.

`leading` is the leg of which more was paid for, `lagging` the other. Four ways are looked at:

    complete   order of the lagging leg what the entry asked for and did not get; only while the leading leg
               is whole
    trim       close of the leading leg what the lagging one has no counterpart for, reduce-only
    adjust     search the lattice of what can still be reached for another balanced pair: some of the leading
               leg is trimmed, some of what the lagging leg misses is completed
    flatten    close what is held

A way's cost is what it takes from here to the pair that the entry wanted, in USD: for each of its orders, and
for each quantity that it leaves to be opened again, the distance of the book-walk VWAP from the mid plus the
taker fee. Without the second part giving up would always look cheap: it pays one fee now, and leaves the user
without the hedge that the cycle was for. Fees already paid are the same for all and not counted.

Only plans are compared of which every order can be sent, is within `max_slippage`, and by itself lowers the
exposure at the mids of now; and among those that keep a pair, only such as keep the promise at the prices
paid and expected. Flattening is always possible (it is tried at worse and worse prices), so there is always
an answer.

Which leg leads, what is balanced and what is exposed goes by the hedge ratio of the pair: dollars are
compared `weighted` (`hedge_weights`). What an order costs, and whether it can be sent, is about its own.

A pair that is held as wanted may still miss the promise at the prices paid, because prices moved between the
two legs' fills. It is settled (`settling`): as little as possible of both legs is closed.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from actors.market_data.cost_curve import depth_within, walk
from actors.sizing.closest import Question
from actors.sizing.lattice import MINIMUM_PERCENT, Lattice, Pair, TakenSide, Window
from messages.lifecycle import Held
from messages.market import LegQuote, Level, PairQuote
from messages.settings import Settings
from messages.sizing import LEGS, Leg
from messages.units import DOLLAR_NEUTRAL, ONE, Base, Bps, Price, Quote, hedge_weights, imbalance, notional
from venue.protocol import PairTerms, ProductTerms

Name = Literal["complete", "trim", "adjust", "settle", "flatten"]


class Way(msgspec.Struct, frozen=True):
    """One repair: signed amounts to order (0 = nothing), and its cost in USD."""

    name: Name
    eth: Base
    sol: Base
    cost: Quote


class LegPosition(msgspec.Struct, frozen=True):
    """One leg as it stands: signed amounts x18, the average price paid (the mid when it is not known), its
    book and rules.
    """

    held: int
    wanted: int
    paid: Price
    book: LegQuote
    rules: ProductTerms
    weight: int
    """What its dollars are taken times, where they are compared with the other leg's."""

    @property
    def within_wanted(self) -> bool:
        """Is what is held a part (perhaps none, perhaps all) of what the entry wanted? Anything else can
        only be closed.
        """
        return self.wanted != 0 and self.held * self.wanted >= 0 and abs(self.held) <= abs(self.wanted)

    @property
    def undivided(self) -> int:
        """What was paid for what is held, by the average price paid, weighted: to the last digit what the
        search takes it to have cost (`_kept`).
        """
        return self.paid * abs(self.held) * self.weight

    @property
    def weighted(self) -> int:
        """What was paid, weighted, in USD x18, rounded down."""
        return self.undivided // ONE

    def spent(self, amount: int) -> int:
        """USD that an order takes, book walk; what the book does not hold is reckoned at its last price."""
        levels = self.book.side(amount)
        exact = walk(levels, amount)
        if exact is not None:
            return exact
        there = sum(level.amount for level in levels)
        return sum(notional(level.price, level.amount) for level in levels) + notional(
            levels[-1].price, abs(amount) - there
        )

    def cost(self, amount: int) -> int:
        """USD lost by an order of `amount`: distance from the mid, and the taker fee, which is charged on
        at least the venue's minimum.
        """
        if amount == 0:
            return 0
        spent = self.spent(amount)
        charged = max(spent, self.rules.min_notional)
        return abs(spent - notional(self.book.mid, amount)) + charged * self.rules.taker_fee // ONE

    def sendable(self, amount: int, slippage: Bps, *, increases: bool) -> bool:
        """Does the book hold it within `slippage`, and is it no smaller than the venue takes? (A closing
        order may be: the venue decides.)
        """
        spent = self.spent(amount)
        deep = spent <= depth_within(self.book.side(amount), slippage)
        return deep and (not increases or spent >= self.rules.min_notional)


def _positions(held: Held, quote: PairQuote, rules: PairTerms) -> dict[Leg, LegPosition]:
    weights = hedge_weights(held.hedge_ratio)
    return {
        leg: LegPosition(part.amount, part.wanted, part.vwap or book.mid, book, rules.product(leg), weight)
        for leg, book, weight in zip(LEGS, (quote.eth, quote.sol), weights, strict=True)
        for part in [held.leg(leg)]
    }


def settling(held: Held, quote: PairQuote, settings: Settings, rules: PairTerms) -> Way | None:
    """How a hedged pair comes within the promise at the prices paid, by closing as little as possible of one
    leg or of both; None when no such orders can be sent. Each is worth the exchange's minimum, and so is what
    it leaves: that can be sent whether or not the minimum binds those who take.
    """
    legs = _positions(held, quote, rules)
    least = {name: _least(leg) for name, leg in legs.items()}
    whole = {name: Window(leg.undivided, leg.undivided) for name, leg in legs.items()}
    less = {
        name: Window(
            least[name] * leg.paid * leg.weight, (abs(leg.held) - least[name]) * leg.paid * leg.weight
        )
        for name, leg in legs.items()
    }
    if any(window.high < window.low for window in less.values()):
        return None
    eth, sol = (TakenSide(_kept(leg), leg.rules.size_step, Quote(0)) for leg in legs.values())
    lattice = Lattice(eth, sol, (legs["eth"].weight, legs["sol"].weight))
    twice = sum(leg.undivided for leg in legs.values())
    question = Question.of(twice, settings.max_imbalance)
    windows = ((less["eth"], whole["sol"]), (whole["eth"], less["sol"]), (less["eth"], less["sol"]))
    found = [pair for each in windows if (pair := lattice.closest(each, question)) is not None]
    ways = []
    for pair in sorted(found, key=lambda each: twice - each.eth - each.sol):
        final = tuple(
            lots * leg.rules.size_step * (1 if leg.held > 0 else -1)
            for lots, leg in zip((pair.eth_lots, pair.sol_lots), legs.values(), strict=True)
        )
        way = _way(legs, "settle", (final[0], final[1]))
        orders = zip(legs.values(), (way.eth, way.sol), strict=True)
        if all(
            leg.sendable(amount, settings.max_slippage, increases=False) for leg, amount in orders if amount
        ):
            ways.append(way)
    return ways[0] if ways else None


def _least(leg: LegPosition) -> int:
    """The least amount on the step that is safely worth the exchange's minimum."""
    step = leg.rules.size_step
    usd = leg.rules.min_notional * MINIMUM_PERCENT // 100
    return max(-(-usd * ONE // (leg.book.mid * step)), 1) * step


def cheapest(held: Held, quote: PairQuote, settings: Settings, rules: PairTerms) -> Way:
    """The way of least cost. Ties go to the one that keeps more of the pair."""
    legs = _positions(held, quote, rules)
    part_of_it = all(leg.within_wanted for leg in legs.values())
    finals = _finals(legs, settings) if part_of_it else ()
    ways = [_way(legs, name, final) for name, final in finals if _allowed(legs, final, settings)]
    return min([*ways, _way(legs, "flatten", (0, 0))], key=lambda way: way.cost)


def _way(legs: dict[Leg, LegPosition], name: Name, final: tuple[int, int]) -> Way:
    orders = [leg.cost(after - leg.held) for leg, after in zip(legs.values(), final, strict=True)]
    again = [leg.cost(leg.wanted - after) for leg, after in zip(legs.values(), final, strict=True)]
    eth, sol = (Base(after - leg.held) for leg, after in zip(legs.values(), final, strict=True))
    return Way(name, eth, sol, Quote(sum(orders) + sum(again)))


def _finals(legs: dict[Leg, LegPosition], settings: Settings) -> Iterator[tuple[Name, tuple[int, int]]]:
    """Balanced pairs that may be within reach, by the signed amounts held afterwards."""
    eth, sol = legs["eth"], legs["sol"]
    if (eth.held == eth.wanted) != (sol.held == sol.wanted):
        # Does the completed pair keep the promise, at the prices paid and the one expected?
        one, other = (
            leg.weighted + (leg.spent(leg.wanted - leg.held) * leg.weight if leg.wanted != leg.held else 0)
            for leg in legs.values()
        )
        if imbalance(one, other, DOLLAR_NEUTRAL) <= settings.max_imbalance:
            yield "complete", (eth.wanted, sol.wanted)
    order: tuple[Leg, Leg] = ("eth", "sol") if eth.weighted >= sol.weighted else ("sol", "eth")
    for name, window in _windows(legs[order[0]], legs[order[1]]).items():
        pair = _reachable(legs, order, window, settings)
        if pair is not None:
            yield (
                name,
                (
                    _signed(pair.eth_lots * eth.rules.size_step, eth),
                    _signed(pair.sol_lots * sol.rules.size_step, sol),
                ),
            )


def _windows(leading: LegPosition, lagging: LegPosition) -> dict[Name, Window]:
    """Per way, what the lagging leg may have cost in the end (undivided, weighted): what it has, or at least
    the smallest order more.
    """
    paid, least = lagging.undivided, lagging.rules.min_notional * lagging.weight * ONE
    return {"trim": Window(paid, paid), "adjust": Window(paid + least, 2 * leading.undivided)}


def _signed(amount: int, leg: LegPosition) -> int:
    return amount if leg.wanted > 0 else -amount


def _reachable(
    legs: dict[Leg, LegPosition], order: tuple[Leg, Leg], window: Window, settings: Settings
) -> Pair | None:
    """The pair within the promise, its lagging leg within `window`, that keeps most of the leading leg;
    None when there is none.
    """
    leading, lagging = order
    sides = {leading: _kept(legs[leading]), lagging: _kept(legs[lagging]) + _completing(legs[lagging])}
    if not all(sides.values()):
        return None
    eth, sol = (TakenSide(sides[name], leg.rules.size_step, Quote(0)) for name, leg in legs.items())
    target = legs[leading].undivided
    windows = {leading: Window(1, target), lagging: window}
    return Lattice(eth, sol, (legs["eth"].weight, legs["sol"].weight)).closest(
        (windows["eth"], windows["sol"]), Question.of(2 * target, settings.max_imbalance)
    )


def _kept(leg: LegPosition) -> tuple[Level, ...]:
    """What is held, as a level of a book at the price that was paid for it."""
    return (Level(leg.paid, Base(abs(leg.held))),) if leg.held else ()


def _completing(leg: LegPosition) -> tuple[Level, ...]:
    """The levels that what is missing would take."""
    left = abs(leg.wanted) - abs(leg.held)
    levels = []
    for level in leg.book.side(leg.wanted):
        if left <= 0:
            break
        levels.append(Level(level.price, Base(min(left, level.amount))))
        left -= level.amount
    return tuple(levels)


def _allowed(legs: dict[Leg, LegPosition], final: tuple[int, int], settings: Settings) -> bool:
    """Is there an order at all, can each be sent, and does each by itself lower the exposure?"""
    exposed = sum(leg.held * leg.book.mid * leg.weight for leg in legs.values())
    orders = [
        (leg, after - leg.held) for leg, after in zip(legs.values(), final, strict=True) if after != leg.held
    ]
    return bool(orders) and all(
        leg.sendable(amount, settings.max_slippage, increases=amount * leg.wanted > 0)
        and abs(exposed + amount * leg.book.mid * leg.weight) < abs(exposed)
        for leg, amount in orders
    )
