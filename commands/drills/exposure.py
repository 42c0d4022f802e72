"""How much stood alone for how long, by the venue's own account of what traded and of what it took over."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from commands.unhedged import Unhedged
from messages.sizing import Leg
from messages.units import ONE, Base, Ms, Quote
from venue.simulated.events import Liquidated
from venue.simulated.order_log import LoggedOrder
from venue.throwaway import THROWAWAY_SENDER


class Change(NamedTuple):
    """A position changed by `amount` (signed) at a price."""

    at_ns: int
    product_id: int
    amount: int
    price: int


class Alone(msgspec.Struct, frozen=True):
    """What stood alone at worst. `leg` is the larger leg of the cycle with the largest integral, USD."""

    worst: Quote = Quote(0)
    usd_s: Quote = Quote(0)
    leg: Quote = Quote(0)
    left: tuple[tuple[int, Base], ...] = ()
    """Products that are still open, with their positions."""


def changes_of(orders: Iterable[LoggedOrder], takeovers: Iterable[Liquidated]) -> list[Change]:
    """Everything that changed the practice account's positions, oldest first."""
    traded = [
        Change(fill.at_ns, order.product_id, fill.amount, fill.price) for order in orders if order.sender == THROWAWAY_SENDER for fill in order.fills
    ]
    taken = [Change(each.at_ns, each.product_id, -each.amount, each.price) for each in takeovers if each.liquidatee == THROWAWAY_SENDER]
    return sorted(traded + taken)


def positions_of(changes: Iterable[Change]) -> dict[int, int]:
    """Product -> position."""
    held: dict[int, int] = {}
    for change in changes:
        held[change.product_id] = held.get(change.product_id, 0) + change.amount
    return held


def alone(changes: Sequence[Change], eth_product: int, until_ms: Ms) -> Alone:
    """The worst of all cycles; each ends when nothing is held. What is still open counts until `until_ms` (venue time)."""
    fold, sizes = Unhedged(), {"eth": 0, "sol": 0}
    held: dict[int, int] = {}
    found: list[Alone] = []
    leg_max = 0
    for change in changes:
        leg: Leg = "eth" if change.product_id == eth_product else "sol"
        held[change.product_id] = held.get(change.product_id, 0) + change.amount
        worth = change.price * change.amount // ONE
        sizes[leg] += worth
        leg_max = max(leg_max, abs(sizes[leg]))
        fold.take(leg, worth, change.at_ns // 1_000_000)
        if not any(held.values()):
            found.append(Alone(fold.cycle.worst, fold.cycle.usd_s, Quote(leg_max)))
            fold.new_cycle()
            sizes, leg_max = {"eth": 0, "sol": 0}, 0
    fold.take("eth", 0, until_ms)
    found.append(Alone(fold.cycle.worst, fold.cycle.usd_s, Quote(leg_max)))
    longest = max(found, key=lambda each: each.usd_s)
    left = tuple((product_id, Base(amount)) for product_id, amount in held.items() if amount)
    return Alone(max(each.worst for each in found), longest.usd_s, longest.leg or max(each.leg for each in found), left)
