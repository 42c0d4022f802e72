"""The exact search for the pair of quantities, and an honest answer when there is none.

Quantities come in lots, so the pairs (m ETH lots, n SOL lots) form a lattice. Rounding each leg alone is off by 5 % at 100 USD; this looks at the
legs together. All pairs count whose book-walk notionals E(m) and S(n) both lie within the allowed deviation of the target T and at or above the
venue's minimum x 1.05 (so that a small fall does not make the exit unsendable). |E - S| / max(E, S) is their imbalance. Of the pairs within the
planning goal the one of least |E + S - 2T| is taken; if no pair reaches the goal, the one of least imbalance; ties go to less imbalance, then to
the smaller pair.

How it stays cheap without giving up exactness: for one count of the coarser leg, costing C, the admissible costs of the finer leg form the interval

    max(deviation, minimum, C (1 - goal))  ..  min(deviation, C / (1 - goal))

and the best of them is the one nearest 2T - C: one bisection. The counts are scanned outward from the target, and a scan ends when even the near
end of that interval would be farther from 2T than the best pair found. A million dollars per leg has 35,000 counts of SOL; some 60 are looked at.

Costs are compared undivided (USD x36) and by cross-multiplication: no ratio is ever rounded before it has been decided upon.
"""

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import msgspec

from actors.ladder import BASIS, SQUARE, CostCurve, depth_within, vwap, walk
from actors.verdict_words import elsewhere, nothing_fits, unbalanced
from messages.market import Level
from messages.sizing import Verdict
from messages.units import ONE, Base, Bps, Quote, imbalance

__all__ = ["COUNTS_MAX", "REACH", "Side", "depth_within", "size_pair", "vwap", "walk"]

REACH = 100
"""How many times the target `smallest_target` and `always_from` look ahead."""

COUNTS_MAX = 20_000
"""Lot counts looked at for the advice of one verdict, some hundred milliseconds at worst (ordinary advice needs a few hundred counts and 0.1 ms).
Only a promise or a deviation of practically zero gets there, and what is not certain by then is "not known"."""

MINIMUM_PERCENT = 105
"""Of the venue's minimum, what each leg is planned to be at least: a small fall must not make the exit unsendable."""
CENT = SQUARE // 100
"""Advised targets are rounded up to whole cents: people type them."""


class Side(msgspec.Struct, frozen=True):
    """The side of one leg's book that would be taken (best level first), and the venue's rules for its quantities."""

    ladder: tuple[Level, ...]
    step: Base
    min_notional: Quote


class Pair(NamedTuple):
    """A point of the lattice: lots and their undivided costs."""

    eth_lots: int
    sol_lots: int
    eth: int
    sol: int

    def within(self, promise: int) -> bool:
        """Is the imbalance at most `promise` (Bps x18)?"""
        return abs(self.eth - self.sol) * BASIS <= promise * max(self.eth, self.sol)

    def beats(self, other: "Pair | None", twice: int | None) -> bool:
        """Is this the better pair: nearer to `twice` the target (None: no matter), then less imbalanced, then smaller?"""
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
    """Undivided costs allowed for one leg."""

    low: int
    high: int

    def narrowed(self, cost: int, promise: int) -> "Window":
        """What of this window is balanced to within `promise` against a leg that costs `cost`."""
        low = max(self.low, _over(cost * (BASIS - promise), BASIS))
        return Window(low, min(self.high, cost * BASIS // (BASIS - promise)) if promise < BASIS else self.high)


class Lattice:
    """Both legs' cost curves. The coarser leg (dearer lots) is scanned, the finer one is solved for."""

    def __init__(self, eth: Side, sol: Side) -> None:
        self.eth = CostCurve(eth.ladder, eth.step)
        self.sol = CostCurve(sol.ladder, sol.step)
        self._eth_scanned = self.eth.lot_cost > self.sol.lot_cost
        self._scanned, self._solved = (self.eth, self.sol) if self._eth_scanned else (self.sol, self.eth)
        self.counts_left = COUNTS_MAX
        """How many counts advice may still look at."""

    def closest(self, windows: tuple[Window, Window], target: int, goal: int) -> Pair | None:
        """The best pair within `goal`; None when there is none. `windows` are ETH's and SOL's, `target` is undivided."""
        scanned, solved = self._roles(windows)
        twice, best = 2 * target, None
        counts = self._counts(scanned)
        middle = min(max(self._scanned.lots_for(target) + 1, counts.start), counts.stop)
        for upward, half in ((True, range(middle, counts.stop)), (False, range(middle - 1, counts.start - 1, -1))):
            for count in half:
                cost = self._scanned.cost(count)
                window = solved.narrowed(cost, goal)
                nearest = cost + window.low - twice if upward else twice - cost - window.high
                if best is not None and nearest > abs(best.eth + best.sol - twice):
                    break
                for pair in self._pairs(count, cost, twice - cost, window):
                    best = pair if pair.beats(best, twice) else best
        return best

    def least_imbalanced(self, windows: tuple[Window, Window]) -> Pair | None:
        """The pair of least imbalance; None when no pair is admissible. Looks at every count: needed only where lots are coarse."""
        scanned, solved = self._roles(windows)
        best: Pair | None = None
        for count in self._counts(scanned):
            cost = self._scanned.cost(count)
            for pair in self._pairs(count, cost, cost, solved):
                best = pair if pair.beats(best, None) else best
            if best is not None and best.eth == best.sol:
                break
        return best

    def first_within(self, windows: tuple[Window, Window], promise: int, fits: Callable[[Pair], bool]) -> Pair | None:
        """The pair within `promise` and `fits` whose larger leg is smallest; None when there is none or `counts_left` ends before it is certain.

        Of one count only the two costs next to its own can be it.
        """
        scanned, solved = self._roles(windows)
        low = max(scanned.low, _over(solved.low * (BASIS - promise), BASIS))
        best: Pair | None = None
        for count in self._counts(Window(low, scanned.high)):
            cost = self._scanned.cost(count)
            if best is not None and cost >= max(best.eth, best.sol):
                break
            if self.counts_left == 0:
                return None
            self.counts_left -= 1
            for pair in self._pairs(count, cost, cost, solved.narrowed(cost, promise)):
                if fits(pair) and (best is None or max(pair.eth, pair.sol) < max(best.eth, best.sol)):
                    best = pair
        return best

    def _roles(self, windows: tuple[Window, Window]) -> tuple[Window, Window]:
        return windows if self._eth_scanned else (windows[1], windows[0])

    def _counts(self, window: Window) -> range:
        return range(self._scanned.lots_for(window.low - 1) + 1, self._scanned.lots_for(window.high) + 1)

    def _pairs(self, count: int, cost: int, wanted: int, window: Window) -> Iterable[Pair]:
        for lots, other in self._solved.around(wanted, window.low, window.high):
            yield Pair(count, lots, cost, other) if self._eth_scanned else Pair(lots, count, other, cost)


class Ask(NamedTuple):
    """What is asked, undivided: the target, the deviation and the promise (Bps x18), the two floors from the venue's minimum notionals."""

    target: int
    deviation: int
    promise: int
    floors: tuple[int, int]

    def windows(self, low: int, high: int) -> tuple[Window, Window]:
        """The costs allowed to ETH and SOL when the smallest target is `low` and the largest `high`."""
        least, most = _over(low * (BASIS - self.deviation), BASIS), high * (BASIS + self.deviation) // BASIS
        eth, sol = self.floors
        return Window(max(least, eth), most), Window(max(least, sol), most)

    def target_of(self, pair: Pair) -> int:
        """The smallest target in whole cents that may be this large."""
        return _over(max(pair.eth, pair.sol) * BASIS, (BASIS + self.deviation) * CENT) * CENT

    def admits(self, pair: Pair) -> bool:
        """Is there such a target in whole cents that may also be this small?"""
        target = self.target_of(pair)
        return target <= REACH * self.target and min(pair.eth, pair.sol) * BASIS >= target * (BASIS - self.deviation)


def _floor(side: Side) -> int:
    return _over(side.min_notional * ONE * MINIMUM_PERCENT, 100)


def size_pair(
    target: Quote,
    eth: Side,
    sol: Side,
    *,
    max_imbalance: Bps,
    planning_margin: Bps,
    max_deviation: Bps,
    advise: bool = False,
) -> Verdict:
    """The best pair of quantities (unsigned, on the steps) for `target` USD per leg, judged against `max_imbalance`.

    A verdict that is not `met` always carries the smallest target that would be; `always_from` only when `advise`. A target of 0 or less is
    `impossible`. Raises `ValueError` for an empty ladder and for a price, amount or step that is not positive.
    """
    lattice = Lattice(eth, sol)
    floors = _floor(eth), _floor(sol)
    ask = Ask(target * ONE, max_deviation, max_imbalance, floors)
    windows = ask.windows(ask.target, ask.target)
    goal = max_imbalance - planning_margin
    pair = (lattice.closest(windows, ask.target, goal) or lattice.least_imbalanced(windows)) if target > 0 else None
    if pair is not None and pair.within(max_imbalance):
        return _verdict("met", not pair.within(goal), pair, (eth, sol), "", target, _always(lattice, ask) if advise else None)
    smallest, always = _smallest(lattice, ask), _always(lattice, ask) if advise else None
    if pair is None:
        reason = _nothing(lattice, ask, windows) + _elsewhere(lattice, ask, smallest, always)
        return Verdict("impossible", False, Base(0), Base(0), Quote(0), Quote(0), Bps(0), reason, smallest, always)
    found = imbalance(pair.eth, pair.sol)
    reason = unbalanced(target, max_imbalance, found, Base(pair.eth_lots * eth.step), Base(pair.sol_lots * sol.step))
    return _verdict("best_effort", False, pair, (eth, sol), reason + _elsewhere(lattice, ask, smallest, always), smallest, always)


def possible_near(target: Quote, largest: Quote, sides: tuple[Side, Side], *, max_imbalance: Bps, max_deviation: Bps, near: Bps) -> bool:
    """Is there a pair within the promise for a target from `target` to `largest`, at any two prices within `near` of the best ones of now?

    How deep the books are is not asked: that changes from moment to moment. Where more than `COUNTS_MAX` pairs would have to be looked at, the answer
    is yes, because lots that are so fine can be balanced.
    """
    if target <= 0:
        return False
    windows = Ask(target * ONE, max_deviation, max_imbalance, (_floor(sides[0]), _floor(sides[1]))).windows(target * ONE, largest * ONE)
    lots = [side.step * side.ladder[0].price for side in sides]
    counts = [
        range(_over(window.low * BASIS, lot * (BASIS + near)), window.high * BASIS // (lot * (BASIS - near)) + 1)
        for window, lot in zip(windows, lots, strict=True)
    ]
    if len(counts[0]) * len(counts[1]) > COUNTS_MAX:
        return True
    spans = [[_span(count * lot, window, near) for count in each] for each, lot, window in zip(counts, lots, windows, strict=True)]
    return any(_meet(eth, sol, max_imbalance) for eth in spans[0] for sol in spans[1])


def _span(cost: int, window: Window, near: Bps) -> Window:
    """What a quantity that costs `cost` now may cost at prices within `near`, as far as `window` allows it."""
    return Window(max(window.low, _over(cost * (BASIS - near), BASIS)), min(window.high, cost * (BASIS + near) // BASIS))


def _meet(one: Window, other: Window, promise: Bps) -> bool:
    """Is there a cost in each that is within `promise` of the other?"""
    if one.low > one.high or other.low > other.high:
        return False
    gap, larger = max((one.low - other.high, one.low), (other.low - one.high, other.low))
    return gap <= 0 or gap * BASIS <= promise * larger


def _verdict(
    kind: Literal["met", "best_effort"], thin: bool, pair: Pair, sides: tuple[Side, Side], reason: str, smallest: Quote | None, always: Quote | None
) -> Verdict:
    eth, sol = Base(pair.eth_lots * sides[0].step), Base(pair.sol_lots * sides[1].step)
    notionals = Quote(pair.eth // ONE), Quote(pair.sol // ONE)
    return Verdict(kind, thin, eth, sol, *notionals, imbalance(pair.eth, pair.sol), reason, smallest, always)


def _nothing(lattice: Lattice, ask: Ask, windows: tuple[Window, Window]) -> str:
    """Why no pair is admissible: the first leg of which no quantity is."""
    if ask.target <= 0:
        return "a target must be above 0 USD per leg."
    legs = ("ETH", "SOL"), (lattice.eth, lattice.sol), windows, ask.floors
    for name, curve, window, floor in zip(*legs, strict=True):
        if not curve.around(window.low, window.low, window.high):
            holds, low, high, least = (Quote(cost // ONE) for cost in (curve.cost_all, window.low, window.high, floor))
            return nothing_fits(name, Base(curve.step), holds, low, high, least)
    raise AssertionError("both legs have admissible quantities, and yet no pair was found")


def _elsewhere(lattice: Lattice, ask: Ask, smallest: Quote | None, always: Quote | None) -> str:
    too_thin = min(lattice.eth.cost_all, lattice.sol.cost_all) < REACH * ask.target
    return elsewhere(smallest, always, too_thin) if ask.target > 0 else ""


def _smallest(lattice: Lattice, ask: Ask) -> Quote | None:
    """The smallest target in whole cents, from one that is not met up to `REACH` times it, that is."""
    if ask.target <= 0:
        return None
    pair = lattice.first_within(ask.windows(ask.target, REACH * ask.target), ask.promise, ask.admits)
    return None if pair is None else Quote(ask.target_of(pair) // ONE)


def _always(lattice: Lattice, ask: Ask) -> Quote | None:
    """From where on every target up to `REACH` times this one is met.

    A pair serves the targets from its larger leg / (1 + deviation) to its smaller leg / (1 - deviation). Coming down from the far end, the pair
    that serves the lowest target reached so far and reaches lowest itself is taken, until none reaches lower.
    """
    if ask.target <= 0:
        return None
    far = REACH * ask.target
    reached = far * (BASIS + ask.deviation)  # the lowest target reached x (1 + deviation) x BASIS
    served = False
    while reached > ask.target * (BASIS + ask.deviation):
        low = _over(reached * (BASIS - ask.deviation), BASIS * (BASIS + ask.deviation))
        windows = Window(max(low, ask.floors[0]), reached // BASIS), Window(max(low, ask.floors[1]), reached // BASIS)
        pair = lattice.first_within(windows, ask.promise, lambda _: True)
        if pair is None or (served and max(pair.eth, pair.sol) * BASIS >= reached):
            break
        served, reached = True, max(pair.eth, pair.sol) * BASIS
    if not served or lattice.counts_left == 0:
        return None
    if reached <= ask.target * (BASIS + ask.deviation):
        return Quote(ask.target // ONE)
    lowest = _over(reached, (BASIS + ask.deviation) * CENT) * CENT
    return Quote(lowest // ONE) if lowest <= far else None


def _over(dividend: int, divisor: int) -> int:
    """The quotient, rounded up."""
    return -(-dividend // divisor)
