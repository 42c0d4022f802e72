"""The exact search for the pair of quantities, and an honest answer when there is none.

Quantities come in lots, so the pairs (m ETH lots, n SOL lots) form a lattice. Rounding each leg alone is off
by 5 % at 100 USD; this looks at the legs together. All pairs count whose book-walk notionals E(m) and S(n)
both lie within the allowed deviation of the target T and at or above the venue's minimum x 1.05 (so that a
small fall does not make the exit unsendable). |E - S| / max(E, S) is their imbalance. Of the pairs within the
planning goal the one of least |E + S - 2T| is taken; if no pair reaches the goal, the one of least imbalance;
ties go to less imbalance, then to the smaller pair.

With a hedge ratio r = p / q all of this is about E and S / r instead of E and S. Nothing is divided for it:
whatever is compared is p E and q S, so every cost and every target in here is *weighted* (`hedge_weights`),
and the search itself knows of no ratio. With r = 1 both weights are 1.

How it stays cheap without giving up exactness:

1. For one count of the coarser leg, costing C, the admissible costs of the finer leg form the interval

       max(deviation, minimum, C (1 - goal))  ..  min(deviation, C / (1 - goal))

   and the best of them is the one nearest 2T - C: one division. The counts are looked at outward from the
   target, and that ends when even the near end of the interval would be farther from 2T than the best pair
   found.
2. Within one level of each book costs are straight lines, and small integers once the common divisor of
   both lots' costs and the target is taken out. A pair within reach D of 2T and within the goal has both legs
   close to T, so that as a rule one level of each book is all that is looked at.
3. Where the goal leaves room for several lots of the finer leg (from some 10,000 USD on) the interval does
   not bind: the distance from 2T is then what is left over by a division, and the least of all left-overs is
   found before anything else. A million dollars per leg has 35,000 counts of SOL; 65 left-overs and two or
   three counts are looked at.

Costs are compared undivided (USD x36, weighted, or that over the common divisor) and by cross-multiplication:
no ratio is ever rounded before it has been decided upon.
"""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import msgspec

from actors.market_data.cost_curve import BASIS, SQUARE, LotCurve
from actors.sizing.closest import Question, closest_points
from actors.sizing.verdict_words import LegBounds, elsewhere, nothing_fits, unbalanced
from messages.amounts import legs_words, round_usd
from messages.market import Level
from messages.sizing import Leg, Verdict
from messages.units import DOLLAR_NEUTRAL, ONE, Base, Bps, Quote, Rate, apart, hedge_weights

REACH = 100
"""How many times the target `smallest_target` and `always_from` look ahead."""

COUNTS_MAX = 20_000
"""Lot counts looked at for the advice of one verdict, some hundred milliseconds at worst (ordinary advice
needs a few hundred counts and 0.1 ms). Only a promise or a deviation of practically zero gets there, and what
is not certain by then is "not known".
"""

MINIMUM_PERCENT = 105
"""Of the venue's minimum, what each leg is planned to be at least: a small fall must not make the exit
unsendable.
"""
NEAR_LOTS = 4
"""How far from twice the target is looked first, in lots of the coarser leg: mostly it ends there."""
CENT = SQUARE // 100
"""Advised targets are rounded up to whole cents: people type them."""


class TakenSide(msgspec.Struct, frozen=True):
    """The side of one leg's book that would be taken (best level first), and the venue's rules for its
    quantities.
    """

    levels: tuple[Level, ...]
    step: Base
    min_notional: Quote


class Pair(NamedTuple):
    """A point of the lattice: lots and their undivided, weighted costs."""

    eth_lots: int
    sol_lots: int
    eth: int
    sol: int

    @property
    def imbalance(self) -> Bps:
        """Of the weighted costs: what the legs are apart by the hedge ratio of the search."""
        return apart(self.eth, self.sol)

    def within(self, promise: int) -> bool:
        """Is the imbalance at most `promise` (Bps x18)?"""
        return abs(self.eth - self.sol) * BASIS <= promise * max(self.eth, self.sol)

    def beats(self, other: "Pair | None", twice: int | None) -> bool:
        """Is this the better pair: nearer to `twice` the target (None: no matter), then less imbalanced,
        then smaller?
        """
        if other is None:
            return True
        if twice is not None:
            mine, theirs = abs(self.eth + self.sol - twice), abs(other.eth + other.sol - twice)
            if mine != theirs:
                return mine < theirs
        mine = abs(self.eth - self.sol) * max(other.eth, other.sol)
        theirs = abs(other.eth - other.sol) * max(self.eth, self.sol)
        return (mine, self.eth + self.sol, self.eth_lots) < (theirs, other.eth + other.sol, other.eth_lots)


class Window(NamedTuple):
    """Undivided, weighted costs allowed for one leg, both ends included."""

    low: int
    high: int


class Lattice:
    """Both legs' cost curves. The coarser leg (dearer lots) is scanned, the finer one is solved for."""

    def __init__(self, eth: TakenSide, sol: TakenSide, weights: tuple[int, int]) -> None:
        """`weights` of ETH's and SOL's costs: see `hedge_weights`."""
        self.eth = LotCurve(eth.levels, eth.step, weights[0])
        self.sol = LotCurve(sol.levels, sol.step, weights[1])
        self._eth_scanned = self.eth.lot_cost > self.sol.lot_cost
        self._scanned, self._solved = (self.eth, self.sol) if self._eth_scanned else (self.sol, self.eth)
        self.counts_left = COUNTS_MAX
        """How many counts advice may still look at."""

    def closest(self, windows: tuple[Window, Window], question: Question) -> Pair | None:
        """The best pair within the goal; None when there is none. `windows` are ETH's and SOL's."""
        if question.kept > question.whole:  # a goal below 0 %
            return None
        scanned, solved = self._roles(windows)
        reach = NEAR_LOTS * self._scanned.lot_cost
        best = self._closest_within(reach, question, scanned, solved)
        if best is not None and (distance := abs(best.eth + best.sol - question.twice)) <= reach:
            return best
        # Nothing lies that near. The best pair found, if any, says how far the rest must be looked at.
        farthest = scanned.high + solved.high + question.twice if best is None else distance
        return self._closest_within(farthest, question, scanned, solved)

    def _closest_within(self, reach: int, question: Question, scanned: Window, solved: Window) -> Pair | None:
        """The best of all pairs that are no farther than `reach` from twice the target."""
        low, high = question.legs_within(reach)
        best: Pair | None = None
        others = list(self._solved.pieces(max(low, solved.low), min(high, solved.high)))
        for piece in self._scanned.pieces(max(low, scanned.low), min(high, scanned.high)):
            for other in others:
                reach, points = closest_points(piece, other, question, reach)
                for count, lots in points:
                    pair = self._pair(
                        count, piece.base + count * piece.lot, lots, other.base + lots * other.lot
                    )
                    best = pair if pair.beats(best, question.twice) else best
        return best

    def least_imbalanced(self, windows: tuple[Window, Window]) -> Pair | None:
        """The pair of least imbalance; None when no pair is admissible. Looks at every count: needed only
        where lots are coarse.
        """
        best: Pair | None = None
        apart, larger = 1, 0  # of the best pair: |E - S| and max(E, S); at first worse than any
        for count, cost, others in self._neighbours(*self._roles(windows)):
            for lots, other in others:
                if abs(cost - other) * larger <= apart * max(cost, other):
                    pair = self._pair(count, cost, lots, other)
                    if pair.beats(best, None):
                        best, apart, larger = pair, abs(cost - other), max(cost, other)
            if apart == 0:
                break
        return best

    def first_within(
        self, windows: tuple[Window, Window], promise: int, fits: Callable[[Pair], bool]
    ) -> Pair | None:
        """The pair within `promise` and `fits` whose larger leg is smallest; None when there is none or
        `counts_left` ends before it is certain.

        Of one count only the two costs next to its own can be it.
        """
        scanned, solved = self._roles(windows)
        low = max(scanned.low, _over(solved.low * (BASIS - promise), BASIS))
        best: Pair | None = None
        for count, cost, others in self._neighbours(Window(low, scanned.high), solved):
            if best is not None and cost >= max(best.eth, best.sol):
                break
            if self.counts_left == 0:
                return None
            self.counts_left -= 1
            for lots, other in others:
                larger = max(cost, other)
                if abs(cost - other) * BASIS <= promise * larger:
                    pair = self._pair(count, cost, lots, other)
                    if fits(pair) and (best is None or larger < max(best.eth, best.sol)):
                        best = pair
        return best

    def _neighbours(
        self, scanned: Window, solved: Window
    ) -> Iterator[tuple[int, int, tuple[tuple[int, int], ...]]]:
        """Every count of the scanned leg in its window, what it costs, and the lots of the solved leg in its
        window that cost next below (or as much) and next above, as far as there are any: (lots, cost).
        """
        pieces = self._solved.pieces(*solved)
        piece, following = next(pieces, None), next(pieces, None)
        for first_count, last_count, base, lot in self._scanned.pieces(*scanned):
            for count in range(first_count, last_count + 1):
                cost = base + count * lot
                while following is not None and following.base + following.first * following.lot <= cost:
                    piece, following = following, next(pieces, None)
                if piece is None:
                    yield count, cost, ()
                    continue
                first, last, other_base, other_lot = piece
                lots = (cost - other_base) // other_lot
                if lots < first:
                    yield count, cost, ((first, other_base + first * other_lot),)
                    continue
                if lots < last:
                    below = other_base + lots * other_lot
                    yield count, cost, ((lots, below), (lots + 1, below + other_lot))
                    continue
                end = (last, other_base + last * other_lot)
                if following is None:
                    yield count, cost, (end,)
                else:
                    first = following.first
                    yield count, cost, (end, (first, following.base + first * following.lot))

    def _pair(self, count: int, cost: int, lots: int, other: int) -> Pair:
        return Pair(count, lots, cost, other) if self._eth_scanned else Pair(lots, count, other, cost)

    def _roles(self, windows: tuple[Window, Window]) -> tuple[Window, Window]:
        return windows if self._eth_scanned else (windows[1], windows[0])


class HedgeAccuracy(NamedTuple):
    """How exactly two quantities must hedge each other to be a pair."""

    max_imbalance: Bps
    """The promise: |E - S| / max(E, S) of what is filled, S over the hedge ratio."""
    planning_margin: Bps
    """By how much less a plan is to be imbalanced, so that fills at other prices still keep the promise."""
    max_deviation: Bps
    """Of each leg's notional from its target."""
    hedge_ratio: Rate = DOLLAR_NEUTRAL
    """USD of SOL for each USD of ETH."""


class SizingRequest(NamedTuple):
    """What is asked, undivided and weighted: the target, the deviation and the promise (Bps x18), the two
    floors from the venue's minimum notionals; and what the search begins with, which follows from these.
    """

    target: int
    deviation: int
    promise: int
    floors: tuple[int, int]
    question: Question
    at_target: tuple[Window, Window]
    """The costs allowed to ETH and SOL for the target itself."""
    hedge_ratio: Rate
    weights: tuple[int, int]
    """Of ETH's and SOL's costs, by the hedge ratio."""
    units: tuple[int, int]
    """What 10**-18 USD of ETH and of SOL cost."""

    @classmethod
    def of(
        cls,
        target: Quote,
        minimums: tuple[Quote, Quote],
        accuracy: HedgeAccuracy,
    ) -> "SizingRequest":
        """`target` USD of ETH and the hedge ratio times as many of SOL, and the venue's minimum notionals of
        both.
        """
        max_imbalance, planning_margin, max_deviation, hedge_ratio = accuracy
        weights = hedge_weights(hedge_ratio)
        eth, sol = (
            _over(minimum * ONE * MINIMUM_PERCENT, 100) * weight
            for minimum, weight in zip(minimums, weights, strict=True)
        )
        wanted = target * ONE * weights[0]
        question = Question.of(2 * wanted, max_imbalance - planning_margin)
        at_target = _windows(wanted, wanted, max_deviation, (eth, sol))
        units = ONE * weights[0], ONE * weights[1]
        return cls(
            wanted, max_deviation, max_imbalance, (eth, sol), question, at_target, hedge_ratio, weights, units
        )

    def cost_of(self, usd: int) -> int:
        """USD of ETH (x18) as the search has them, undivided and weighted."""
        return usd * self.units[0]

    def usd_of(self, cost: int) -> Quote:
        """USD of ETH (x18) that a cost of the search, undivided and weighted, is; rounded down."""
        return Quote(cost // self.units[0])

    @property
    def cent(self) -> int:
        """One cent of ETH as the search has it: undivided and weighted."""
        return CENT * self.weights[0]

    def windows(self, low: int, high: int) -> tuple[Window, Window]:
        """The costs allowed to ETH and SOL when the smallest target is `low` and the largest `high`."""
        return _windows(low, high, self.deviation, self.floors)

    @property
    def far(self) -> int:
        """The largest target that advice looks at, undivided: `REACH` times the one asked for."""
        return REACH * self.target

    def target_of(self, pair: Pair, lowest: int) -> int:
        """The smallest target that may be this large: `lowest`, or one above it in whole cents."""
        cent = self.cent
        return max(lowest, _over(max(pair.eth, pair.sol) * BASIS, (BASIS + self.deviation) * cent) * cent)

    def admits(self, pair: Pair, lowest: int) -> bool:
        """May `target_of` this pair also be as small as its smaller leg, and is it within `far`?"""
        target = self.target_of(pair, lowest)
        return target <= self.far and min(pair.eth, pair.sol) * BASIS >= target * (BASIS - self.deviation)


Source = Literal["no_target", "min_notional", "book_depth", "lot_step", "imbalance"]
"""What keeps a target from being met: it is not above 0; the venue's minimum notional is above what the
deviation allows; the visible book is too thin; no whole number of lots lies within the deviation; or pairs
do, and none of them is balanced.
"""


class Obstacle(NamedTuple):
    """Why a target is not met, and by which leg's rule (None: by both legs together)."""

    source: Source
    leg: Leg | None
    reason: str


class Judged(NamedTuple):
    """What the search found for one target: the pair, if there is one, and whether it keeps the promise and
    the planning goal (`thin`: only the promise).
    """

    pair: Pair | None
    met: bool
    thin: bool


class Search:
    """One target's question at two books, and the searches that answer it. `counts_left` of its lattice is
    shared by all of its advice.
    """

    def __init__(self, ask: SizingRequest, eth: TakenSide, sol: TakenSide) -> None:
        """Raises `ValueError` for an empty side, for a step that is not positive, and as soon as a level is
        reached whose price or amount is not.
        """
        self.sides = eth, sol
        self.lattice = Lattice(eth, sol, ask.weights)
        self.ask = ask

    @classmethod
    def of(
        cls,
        target: Quote,
        eth: TakenSide,
        sol: TakenSide,
        accuracy: HedgeAccuracy,
    ) -> "Search":
        """For one target alone; who asks at every quote keeps the request. Raises as the constructor."""
        return cls(SizingRequest.of(target, (eth.min_notional, sol.min_notional), accuracy), eth, sol)

    def judged(self) -> Judged:
        """The best pair for the target itself, the exact one that advice begins from."""
        ask, lattice = self.ask, self.lattice
        if ask.target <= 0:
            return Judged(None, met=False, thin=False)
        pair = lattice.closest(ask.at_target, ask.question)
        if pair is not None:
            return Judged(pair, met=True, thin=False)
        pair = lattice.least_imbalanced(ask.at_target)
        kept = pair is not None and pair.within(ask.promise)
        return Judged(pair, met=kept, thin=kept)

    def amounts(self, judged: Judged) -> tuple[Base, Base]:
        """Of ETH and SOL, unsigned; 0 when there is no pair."""
        pair, (eth, sol) = judged.pair, self.sides
        return (
            (Base(0), Base(0))
            if pair is None
            else (Base(pair.eth_lots * eth.step), Base(pair.sol_lots * sol.step))
        )

    def obstacle(self, judged: Judged) -> Obstacle | None:
        """Why the target is not met; None when it is."""
        if judged.met:
            return None
        pair, ask = judged.pair, self.ask
        if pair is None:
            obstacle = self.nothing_fits(ask.target)
            if obstacle is None:
                raise AssertionError("both legs have admissible quantities, and yet no pair was found")
            return obstacle
        wanted = legs_words(ask.usd_of(ask.target), ask.hedge_ratio, round_usd)
        words = unbalanced(wanted, Bps(ask.promise), pair.imbalance, *self.amounts(judged))
        return Obstacle("imbalance", None, words)

    def answer(self, judged: Judged, *, advise: bool = False) -> Verdict:
        """What was found, with the advice of `size_pair`."""
        ask, target = self.ask, self.ask.target
        smallest = target if judged.met else self.smallest(target) if target > 0 else None
        always = self.always(target) if advise and target > 0 else None
        return self.verdict(
            judged,
            None if smallest is None else ask.usd_of(smallest),
            None if always is None else ask.usd_of(always),
        )

    def verdict(self, judged: Judged, smallest: Quote | None, always: Quote | None) -> Verdict:
        """What was found, with this advice, in the words that people read."""
        pair, reason = judged.pair, ""
        if (obstacle := self.obstacle(judged)) is not None:
            reason = obstacle.reason
            if self.ask.target > 0:
                too_thin = min(self.lattice.eth.cost_all, self.lattice.sol.cost_all) < self.ask.far
                reason += elsewhere(smallest, always, too_thin)
        if pair is None:
            return Verdict(
                "impossible", False, Base(0), Base(0), Quote(0), Quote(0), Bps(0), reason, smallest, always
            )
        return Verdict(
            "met" if judged.met else "best_effort",
            judged.thin,
            *self.amounts(judged),
            Quote(pair.eth // self.ask.units[0]),
            Quote(pair.sol // self.ask.units[1]),
            pair.imbalance,
            reason,
            smallest,
            always,
        )

    def nothing_fits(self, target: int) -> Obstacle | None:
        """Why no pair is admissible at `target` (undivided): the first leg of which no quantity is. None
        when each leg has one.
        """
        if target <= 0:
            return Obstacle("no_target", None, "a target must be above 0 USD per leg.")
        lattice, ask = self.lattice, self.ask
        legs: tuple[tuple[Leg, LotCurve], ...] = (("eth", lattice.eth), ("sol", lattice.sol))
        shares = (DOLLAR_NEUTRAL, ask.hedge_ratio)
        for (leg, curve), window, floor, share in zip(
            legs, ask.windows(target, target), ask.floors, shares, strict=True
        ):
            if curve.around(window.low, window.low, window.high):
                continue
            source: Source = (
                "min_notional"
                if floor > window.high
                else "book_depth"
                if curve.cost_all < window.low
                else "lot_step"
            )
            costs = (curve.cost_all, window.low, window.high, floor)
            usd = (Quote(cost // (ONE * curve.weight)) for cost in costs)
            bounds = LegBounds(leg.upper(), Base(curve.step), share, *usd)
            return Obstacle(source, leg, nothing_fits(source, bounds, Bps(ask.deviation)))
        return None

    def smallest(self, lowest: int) -> int | None:
        """The smallest target that is met, from `lowest` (undivided, above 0) up to `REACH` times the one
        asked for: `lowest`, or whole cents.

        None when there is none, or `counts_left` ends before it is certain.
        """
        ask = self.ask
        pair = self.lattice.first_within(
            ask.windows(lowest, ask.far), ask.promise, lambda found: ask.admits(found, lowest)
        )
        return None if pair is None else ask.target_of(pair, lowest)

    def always(self, lowest: int) -> int | None:
        """From where on every target up to `REACH` times the one asked for is met; at least `lowest`. None
        when not known.

        A pair serves the targets from its larger leg / (1 + deviation) to its smaller leg / (1 - deviation).
        Coming down from the far end, the pair that serves the lowest target reached so far and reaches lowest
        itself is taken, until none reaches lower.
        """
        ask, lattice = self.ask, self.lattice
        reached = ask.far * (BASIS + ask.deviation)  # the lowest target reached x (1 + deviation) x BASIS
        served = False
        while reached > lowest * (BASIS + ask.deviation):
            low = _over(reached * (BASIS - ask.deviation), BASIS * (BASIS + ask.deviation))
            windows = (
                Window(max(low, ask.floors[0]), reached // BASIS),
                Window(max(low, ask.floors[1]), reached // BASIS),
            )
            pair = lattice.first_within(windows, ask.promise, lambda _: True)
            if pair is None or (served and max(pair.eth, pair.sol) * BASIS >= reached):
                break
            served, reached = True, max(pair.eth, pair.sol) * BASIS
        if not served or lattice.counts_left == 0:
            return None
        if reached <= lowest * (BASIS + ask.deviation):
            return lowest
        found = _over(reached, (BASIS + ask.deviation) * ask.cent) * ask.cent
        return found if found <= ask.far else None


def size_pair(
    target: Quote,
    sides: tuple[TakenSide, TakenSide],
    accuracy: HedgeAccuracy,
    *,
    advise: bool = False,
) -> Verdict:
    """The best pair of quantities (unsigned, on the steps) for `target` USD of ETH and the hedge ratio times
    as many of SOL, judged against the promise. `sides` are ETH's and SOL's.

    A verdict that is not `met` always carries the smallest target that would be; `always_from` only when
    `advise`. A target of 0 or less is `impossible`. Raises `ValueError` for an empty side and for a price,
    amount or step that is not positive.
    """
    search = Search.of(target, *sides, accuracy)
    return search.answer(search.judged(), advise=advise)


def possible_near(
    target: Quote,
    largest: Quote,
    sides: tuple[TakenSide, TakenSide],
    accuracy: HedgeAccuracy,
    near: Bps,
) -> bool:
    """Is there a pair within the promise for a target from `target` to `largest`, at any two prices within
    `near` of the best ones of now? The planning margin is not asked.

    How deep the books are is not asked: that changes from moment to moment. Where more than `COUNTS_MAX`
    pairs would have to be looked at, the answer is yes, because lots that are so fine can be balanced.
    """
    if target <= 0:
        return False
    ask = SizingRequest.of(target, (sides[0].min_notional, sides[1].min_notional), accuracy)
    windows = ask.windows(ask.target, ask.cost_of(largest))
    lots = [
        side.step * side.levels[0].price * weight for side, weight in zip(sides, ask.weights, strict=True)
    ]
    counts = [
        range(
            _over(window.low * BASIS, lot * (BASIS + near)), window.high * BASIS // (lot * (BASIS - near)) + 1
        )
        for window, lot in zip(windows, lots, strict=True)
    ]
    if len(counts[0]) * len(counts[1]) > COUNTS_MAX:
        return True
    # What each count may cost at prices within `near`, as far as its window allows it.
    spans = [
        [
            Window(
                max(window.low, _over(count * lot * (BASIS - near), BASIS)),
                min(window.high, count * lot * (BASIS + near) // BASIS),
            )
            for count in each
        ]
        for each, lot, window in zip(counts, lots, windows, strict=True)
    ]
    return any(_meet(eth, sol, accuracy.max_imbalance) for eth in spans[0] for sol in spans[1])


def _meet(one: Window, other: Window, promise: Bps) -> bool:
    """Is there a cost in each that is within `promise` of the other?"""
    if one.low > one.high or other.low > other.high:
        return False
    gap, larger = max((one.low - other.high, one.low), (other.low - one.high, other.low))
    return gap <= 0 or gap * BASIS <= promise * larger


def _windows(low: int, high: int, deviation: int, floors: tuple[int, int]) -> tuple[Window, Window]:
    least, most = _over(low * (BASIS - deviation), BASIS), high * (BASIS + deviation) // BASIS
    return Window(max(least, floors[0]), most), Window(max(least, floors[1]), most)


def _over(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)
