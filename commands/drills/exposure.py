"""How much was unhedged for how long, by the venue's own account of what traded and of what it took over.

Only which pairs were agreed is asked of the run's ledger: a venue does not know what was wanted.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec

from actors.ledger import Fold, LedgerError, Store
from actors.ledger.exposure import FLAT, Pair, exposure
from actors.ledger.orders import OrderPiece
from messages.units import ONE, Base, Ms, Quote, net_exposure
from venue.simulated.engine.events import Liquidated
from venue.simulated.engine.order_log import LoggedOrder
from venue.throwaway import THROWAWAY_SENDER


class Change(NamedTuple):
    """A position changed by `amount` (signed) at a price."""

    at_ns: int
    product_id: int
    amount: int
    price: int


class Unhedged(msgspec.Struct, frozen=True):
    """What was unhedged at worst. `leg` is the larger leg of the cycle with the largest integral, USD, SOL's
    over the hedge ratio.
    """

    worst: Quote = Quote(0)
    usd_s: Quote = Quote(0)
    leg: Quote = Quote(0)
    left: tuple[tuple[int, Base], ...] = ()
    """Products that are still open, with their positions."""


def changes_of(orders: Iterable[LoggedOrder], takeovers: Iterable[Liquidated]) -> list[Change]:
    """Everything that changed the practice account's positions, oldest first."""
    traded = [
        Change(fill.at_ns, order.product_id, fill.amount, fill.price)
        for order in orders
        if order.sender == THROWAWAY_SENDER
        for fill in order.fills
    ]
    taken = [
        Change(each.at_ns, each.product_id, -each.amount, each.price)
        for each in takeovers
        if each.liquidatee == THROWAWAY_SENDER
    ]
    return sorted(traded + taken)


def positions_of(changes: Iterable[Change]) -> dict[int, int]:
    """Product -> position, signed, after all of these changes; 0 where it was closed."""
    held: dict[int, int] = {}
    for change in changes:
        held[change.product_id] = held.get(change.product_id, 0) + change.amount
    return held


def agreed_pairs(ledger: Path) -> tuple[Pair, ...]:
    """Every pair that counts as hedged, by the ledger of the run; none where it cannot be read, so that
    then nothing counts as hedged.
    """
    pairs: dict[Pair, None] = {}
    fold = Fold()
    try:
        with closing(Store.reading(ledger)) as store:
            for _, at_ns, message in store.events():
                fold.apply(message, at_ns)
                pairs.update(dict.fromkeys(fold.cycle.agreed))
    except (sqlite3.Error, LedgerError, OSError, msgspec.DecodeError):
        pass
    return tuple(pairs)


def unhedged(
    changes: Sequence[Change], eth_product: int, until_ms: Ms, agreed: Collection[Pair], hedge_ratio: int
) -> Unhedged:
    """The worst of all cycles; each ends when nothing is held. What is still open counts until `until_ms`
    (venue time).
    """
    found: list[Unhedged] = []
    for cycle in _cycles(changes, eth_product):
        sizes, largest = {"eth": 0, "sol": 0}, 0
        for piece in cycle:  # at the prices paid
            sizes[piece.leg] += piece.price * piece.amount // ONE
            largest = max(largest, abs(sizes["eth"]), net_exposure(0, sizes["sol"], hedge_ratio))
        until_ns = 0 if _flat(cycle) else until_ms * 1_000_000
        worst, usd_s, *_ = exposure(cycle, agreed, hedge_ratio, until_ns=until_ns)
        found.append(Unhedged(Quote(worst), Quote(usd_s), Quote(largest)))
    longest = max(found, key=lambda each: each.usd_s, default=Unhedged())
    left = tuple((product_id, Base(amount)) for product_id, amount in positions_of(changes).items() if amount)
    leg = longest.leg or max((each.leg for each in found), default=Quote(0))
    return Unhedged(max((each.worst for each in found), default=Quote(0)), longest.usd_s, leg, left)


def _cycles(changes: Sequence[Change], eth_product: int) -> Iterator[list[OrderPiece]]:
    cycle: list[OrderPiece] = []
    for change in changes:
        cycle.append(
            OrderPiece(
                change.at_ns,
                "eth" if change.product_id == eth_product else "sol",
                change.amount,
                change.price,
            )
        )
        if _flat(cycle):
            yield cycle
            cycle = []
    if cycle:
        yield cycle


def _flat(cycle: Iterable[OrderPiece]) -> bool:
    held = {"eth": 0, "sol": 0}
    for piece in cycle:
        held[piece.leg] += piece.amount
    return (held["eth"], held["sol"]) == FLAT
