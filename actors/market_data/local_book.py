"""A book kept from a snapshot and a chain of changes; pure.

Nado's `book_depth` is a delta feed without a snapshot: a book built from deltas alone once showed a 108 bp
phantom spread (lesson R8). So: take a snapshot, apply what is newer, and check that every batch names the one
before it. The chain is checked from the last batch *received*, dropped ones included.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Literal, cast

from messages.market import BookDelta, BookSnapshot, Level
from messages.units import Base, Ms, Ns, Price

LEVELS_SHOWN = 40
"""Levels of each side that a quote carries; a snapshot has at most 100."""

LEVELS_KEPT = 400
"""Levels of each side remembered; the far ones go first, so that a long run does not grow (lesson R16)."""


class _Side:
    """One side of a book: what stands at each price, and the prices in order.

    The order is kept and not made anew for every quote, and a `Level` is made when it is first shown, so that
    what is shown costs as much as it has changed.
    """

    def __init__(self, levels: Iterable[Level], *, dearest_first: bool) -> None:
        self._dearest_first = dearest_first
        self._at: dict[int, Level | int] = {int(level.price): level for level in levels if level.amount}
        """By price (x18): the level, or the amount (x18) of one that nobody has seen yet."""
        self._prices = sorted(self._at)
        """Cheapest first, on both sides."""
        self._shown: tuple[Level, ...] | None = None
        """What `shown` answered last; None once something has changed."""

    def __len__(self) -> int:
        return len(self._prices)

    @property
    def best(self) -> int:
        """The best price, x18. Raises `IndexError` for a side without levels."""
        return self._prices[-1 if self._dearest_first else 0]

    def change(self, changes: Iterable[tuple[int, int]]) -> None:
        """Set the amount at each price; 0 deletes the level. Of too many levels the far half goes."""
        for price, amount in changes:
            if amount == 0:
                if self._at.pop(price, None) is not None:
                    del self._prices[bisect_left(self._prices, price)]
            else:
                if price not in self._at:
                    insort(self._prices, price)
                self._at[price] = amount
            self._shown = None
        if len(self._prices) > LEVELS_KEPT:
            kept = LEVELS_KEPT // 2
            self._prices = self._prices[-kept:] if self._dearest_first else self._prices[:kept]
            self._at = {price: self._at[price] for price in self._prices}

    def shown(self) -> tuple[Level, ...]:
        """Best first, `LEVELS_SHOWN` at most; the very same tuple until something changes."""
        if self._shown is None:
            prices = (
                self._prices[: -LEVELS_SHOWN - 1 : -1] if self._dearest_first else self._prices[:LEVELS_SHOWN]
            )
            levels = [self._at[price] for price in prices]
            for index, level in enumerate(levels):
                if isinstance(level, int):
                    price = prices[index]
                    levels[index] = self._at[price] = Level(Price(price), Base(level))
            self._shown = cast("tuple[Level, ...]", tuple(levels))
        return self._shown


class LocalBook:
    """One product's book. Not usable before the first snapshot, after a gap, or while crossed."""

    def __init__(self, product_id: int) -> None:
        self.product_id = product_id
        self._bids, self._asks = _Side((), dearest_first=True), _Side((), dearest_first=False)
        self._snapshot_ns = 0
        self._chain_ns: int | None = None
        self._usable = False
        self.proven_ns = Ns(0)
        """Venue time at which the book was last proven right."""
        self.asked_ns = 0
        """Steady time of this machine at which the snapshot was asked for that the book began from."""
        self.heard_ms = Ms(0)
        """Venue time at which the newest batch was received, applied or not."""
        self.behind_ms = Ms(0)
        """How old it was then; 0 once a silent feed's book was found to be right, or lost."""

    @property
    def usable(self) -> bool:
        """May somebody trade on this book: loaded, unbroken, with two sides that do not cross?"""
        return self._usable and len(self._bids) > 0 < len(self._asks) and self._bids.best < self._asks.best

    @property
    def proven_ms(self) -> Ms:
        """`proven_ns` in milliseconds, rounded down: a book is never younger than it is."""
        return Ms(self.proven_ns // 1_000_000)

    def lost(self) -> None:
        """The stream ended: nothing more is known, and the next batch starts a new chain."""
        self._usable = False
        self._chain_ns = None
        self.behind_ms = Ms(0)

    def load(self, snapshot: BookSnapshot, asked_ns: int = 0) -> None:
        """Start over from a snapshot that was asked for at steady time `asked_ns`."""
        self.asked_ns = asked_ns
        self._bids = _Side(snapshot.bids, dearest_first=True)
        self._asks = _Side(snapshot.asks, dearest_first=False)
        self._snapshot_ns = snapshot.at_ns
        self.proven_ns = snapshot.at_ns
        self._usable = True

    def apply(self, delta: BookDelta) -> Literal["applied", "old", "gap"]:
        """Take one batch. "old": the snapshot already has it. "gap": a batch is missing and the book is
        unusable until `load`.
        """
        broken = self._chain_ns is not None and delta.last_max_ns != self._chain_ns
        self._chain_ns = delta.max_ns
        if broken:
            self._usable = False
            return "gap"
        if not self._usable or delta.max_ns <= self._snapshot_ns:
            return "old"
        self._bids.change(delta.bids)
        self._asks.change(delta.asks)
        # not the later of two: a batch from before an equal snapshot makes the book one of before it
        self.proven_ns = delta.max_ns
        return "applied"

    def heard(self, delta: BookDelta, now_ms: int) -> None:
        """Note that `delta`, the newest batch, was received at venue time `now_ms`."""
        self.heard_ms = Ms(now_ms)
        self.behind_ms = Ms(max(0, now_ms - delta.max_ns // 1_000_000))

    def agrees(self, snapshot: BookSnapshot) -> bool:
        """Is this book what the snapshot shows, as far down as both reach?"""
        bids, asks = self.levels()
        return _same(bids, snapshot.bids) and _same(asks, snapshot.asks)

    def proven_by(self, snapshot: BookSnapshot) -> None:
        """An equal snapshot of a silent feed: the age restarts at its timestamp."""
        self.proven_ns = Ns(max(self.proven_ns, snapshot.at_ns))
        self.behind_ms = Ms(0)

    def levels(self) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Bids and asks, best first, `LEVELS_SHOWN` of each at most; the very same tuples until that side
        changes.
        """
        return self._bids.shown(), self._asks.shown()


def _same(ours: tuple[Level, ...], theirs: tuple[Level, ...]) -> bool:
    reach = min(len(ours), len(theirs))
    return reach > 0 and ours[:reach] == theirs[:reach]
