"""A book kept from a snapshot and a chain of changes; pure.

Nado's `book_depth` is a delta feed without a snapshot: a book built from deltas alone once showed a 108 bp
phantom spread (lesson R8). So: take a snapshot, apply what is newer, and check that every batch names the one
before it. The chain is checked from the last batch *received*, dropped ones included.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from messages.market import BookDelta, BookSnapshot, Level
from messages.units import Base, Ms, Ns, Price

LEVELS_SHOWN = 40
"""Levels of each side that a quote carries; a snapshot has at most 100."""

LEVELS_KEPT = 400
"""Levels of each side remembered; the far ones go first, so that a long run does not grow (lesson R16)."""


class LocalBook:
    """One product's book. Not usable before the first snapshot, after a gap, or while crossed."""

    def __init__(self, product_id: int) -> None:
        self.product_id = product_id
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        self._snapshot_ns = 0
        self._chain_ns: int | None = None
        self._usable = False
        self.proven_ns = Ns(0)
        """Venue time at which the book was last proven right."""
        self.asked_ns = 0
        """Steady time of this machine at which the snapshot was asked for that the book began from."""

    @property
    def usable(self) -> bool:
        """May somebody trade on this book: loaded, unbroken, with two sides that do not cross?"""
        return self._usable and bool(self._bids) and bool(self._asks) and max(self._bids) < min(self._asks)

    @property
    def proven_ms(self) -> Ms:
        """`proven_ns` in milliseconds, rounded down: a book is never younger than it is."""
        return Ms(self.proven_ns // 1_000_000)

    def lost(self) -> None:
        """The stream ended: nothing more is known, and the next batch starts a new chain."""
        self._usable = False
        self._chain_ns = None

    def load(self, snapshot: BookSnapshot, asked_ns: int = 0) -> None:
        """Start over from a snapshot that was asked for at steady time `asked_ns`."""
        self.asked_ns = asked_ns
        self._bids = {int(level.price): int(level.amount) for level in snapshot.bids}
        self._asks = {int(level.price): int(level.amount) for level in snapshot.asks}
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
        _change(self._bids, delta.bids)
        _change(self._asks, delta.asks)
        self.proven_ns = Ns(max(self.proven_ns, delta.max_ns))
        return "applied"

    def agrees(self, snapshot: BookSnapshot) -> bool:
        """Is this book what the snapshot shows, as far down as both reach?"""
        bids, asks = self.levels()
        return _same(bids, snapshot.bids) and _same(asks, snapshot.asks)

    def proven_by(self, snapshot: BookSnapshot) -> None:
        """An equal snapshot: the age restarts at its timestamp."""
        self.proven_ns = Ns(max(self.proven_ns, snapshot.at_ns))

    def levels(self) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Bids and asks, best first, `LEVELS_SHOWN` of each at most."""
        self._bids = _trimmed(self._bids, dearest_first=True)
        self._asks = _trimmed(self._asks, dearest_first=False)
        return _best(self._bids, dearest_first=True), _best(self._asks, dearest_first=False)


def _change(side: dict[int, int], levels: Iterable[Level]) -> None:
    for level in levels:
        if level.amount == 0:
            side.pop(int(level.price), None)
        else:
            side[int(level.price)] = int(level.amount)


def _trimmed(side: dict[int, int], *, dearest_first: bool) -> dict[int, int]:
    if len(side) <= LEVELS_KEPT:
        return side
    return {price: side[price] for price in sorted(side, reverse=dearest_first)[: LEVELS_KEPT // 2]}


def _best(side: Mapping[int, int], *, dearest_first: bool) -> tuple[Level, ...]:
    prices = sorted(side, reverse=dearest_first)[:LEVELS_SHOWN]
    return tuple(Level(Price(price), Base(side[price])) for price in prices)


def _same(ours: tuple[Level, ...], theirs: tuple[Level, ...]) -> bool:
    reach = min(len(ours), len(theirs))
    return reach > 0 and ours[:reach] == theirs[:reach]
