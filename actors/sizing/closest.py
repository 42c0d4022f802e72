"""Two legs, each along one price of its book: which lots come closest to the target and are balanced?

The scanned leg costs S(n) = s + b n, the solved one E(m) = e + a m. Of all points within the goal those of
least |S + E - 2T| are wanted. Pure integers; whatever divides both lots' costs, both bases and 2T is divided
out of them first, and what is left fits a machine word, which is several times as quick as USD x36.
"""

from math import gcd
from typing import NamedTuple

from actors.market_data.cost_curve import BASIS, Piece


class Question(NamedTuple):
    """Twice the target (undivided), and how small the smaller leg may be beside the larger: `kept` of
    `whole`. Nothing is balanced where that is more than all.
    """

    twice: int
    whole: int
    kept: int

    @classmethod
    def of(cls, twice: int, goal: int) -> "Question":
        """`goal` is the largest imbalance allowed, Bps x18: below 0 nothing is balanced, from 100 % on
        everything.
        """
        common = gcd(goal, BASIS)
        return cls(twice, BASIS // common, max(0, BASIS - goal) // common)

    def legs_within(self, reach: int) -> tuple[int, int]:
        """Between which costs both legs of every balanced pair lie that is no farther than `reach` from
        `twice`.

        The smaller leg is at least kept / (whole + kept) of both, the larger at most whole / (whole + kept).
        """
        both = self.whole + self.kept
        return (self.twice - reach) * self.kept // both, -(-(self.twice + reach) * self.whole // both)


class _Lines(NamedTuple):
    """Both pieces and the question, over their common divisor: S(n) = s + b n, and E(m) = e + a m for m
    between these ends.
    """

    s: int
    b: int
    m_low: int
    m_high: int
    e: int
    a: int
    twice: int
    whole: int
    kept: int


Found = tuple[int, list[tuple[int, int]]]
"""A distance from `twice`, and the points (n, m) that have it."""


def closest_points(scanned: Piece, solved: Piece, question: Question, limit: int) -> Found:
    """The least distance of a balanced point from `twice`, undivided, and the points that have it.

    Nothing farther than `limit` is looked at: then it is `limit`, without a point. Of points that are equally
    far, at least those of least imbalance are there.
    """
    n_low, n_high, s, b = scanned
    m_low, m_high, e, a = solved
    twice, whole, kept = question
    unit = gcd(b, a, s, e, twice)
    if unit > 1:
        s, b, e, a, twice = s // unit, b // unit, e // unit, a // unit, twice // unit
    e_low, e_high = e + a * m_low, e + a * m_high
    # No other counts have anything balanced in the solved piece.
    first = -((s * whole - e_low * kept) // (b * whole))
    last = (e_high * whole - s * kept) // (b * kept) if kept else n_high
    # Conditional expressions, here and below: a call of min() or max() takes as long as three of them.
    n_low, n_high = first if first > n_low else n_low, last if last < n_high else n_high
    if n_low > n_high:
        return limit, []
    lines = _Lines(s, b, m_low, m_high, e, a, twice, whole, kept)
    # Of the counts from here to there the lots on both sides of 2T - S are certainly balanced and in the
    # piece: for these only what a division leaves over counts.
    both = whole + kept
    s_low, in_piece = -(-(twice + a) * kept // both), twice + a - e_high
    s_low = s_low if s_low > in_piece else in_piece
    s_high, in_piece = (twice - a) * whole // both, twice - e_low
    s_high = s_high if s_high < in_piece else in_piece
    first, last = -((s - s_low) // b), (s_high - s) // b
    free_low, free_high = first if first > n_low else n_low, last if last < n_high else n_high
    best = limit // unit
    points: list[tuple[int, int]] = []
    if free_low <= free_high:
        best, points = _by_left_over(lines, free_low, free_high, best)
        upward, downward = free_high + 1, free_low - 1
    else:
        upward = min(max((twice // 2 - s) // b + 1, n_low), n_high + 1)
        downward = upward - 1
    best, points = _outward(lines, range(upward, n_high + 1), best, points)
    best, points = _outward(lines, range(downward, n_low - 1, -1), best, points)
    return (best * unit if points else limit), points


def _by_left_over(lines: _Lines, first: int, last: int, best: int) -> Found:
    """The closest points of the counts `first`..`last`, none of which is bound by goal or piece."""
    s, b, _, _, e, a, twice, _, _ = lines
    rest = twice - s - e  # what b n + a m should come to
    # From one period on the left-overs repeat.
    period = a // gcd(a, b)
    begin, looked_at = rest - b * first, min(last - first + 1, period)
    left_over = [missing % a for missing in range(begin, begin - b * looked_at, -b)]
    below, above = min(left_over), max(left_over)
    least = min(below, a - above)
    points: list[tuple[int, int]] = []
    if least > best:
        return best, points
    # The lots below 2T - S leave something over, those above it lack something.
    for left, lacking in ((below, below), (above, above - a)):
        if abs(lacking) != least:
            continue
        # All points with this left-over cost the same together: the best is where the legs are most even.
        together = rest - lacking
        nearest = first + left_over.index(left)
        farthest = nearest + (last - nearest) // period * period
        counts = {nearest}
        if farthest > nearest:
            even = nearest + ((together + e - s) // (2 * b) - nearest) // period * period
            counts = {min(max(count, nearest), farthest) for count in (even, even + period)}
        points += [(count, (together - b * count) // a) for count in counts]
    return least, points


def _outward(lines: _Lines, counts: range, best: int, points: list[tuple[int, int]]) -> Found:
    """The closest points of these counts and of those found before: away from the target, and only as long
    as there can be closer ones.
    """
    s, b, m_low, m_high, e, a, twice, whole, kept = lines
    upward = counts.step > 0
    for n in counts:
        cost = s + b * n
        wanted = twice - cost - e
        least_m = -((e * whole - cost * kept) // (a * whole))
        most_m = (cost * whole - e * kept) // (a * kept) if kept else m_high
        least_m = least_m if least_m > m_low else m_low
        most_m = most_m if most_m < m_high else m_high
        # The near end of what is allowed gets farther with each count: then so does all that follows.
        if (a * least_m - wanted if upward else wanted - a * most_m) > best:
            break
        if least_m > most_m:
            continue
        # The lots on both sides of what is wanted, or the allowed one that is next to it.
        m = wanted // a
        for lots in (m, m + 1) if least_m <= m < most_m else (least_m if m < least_m else most_m,):
            distance = abs(a * lots - wanted)
            if distance < best:
                best, points = distance, [(n, lots)]
            elif distance == best:
                points.append((n, lots))
    return best, points
