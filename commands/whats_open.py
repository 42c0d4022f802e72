"""What of ours is open, in words: the venue's word on how much, the ledger's on whose."""

from actors.endings import open_legs
from actors.ledger import Fold
from messages.execution import AccountSnapshot
from messages.lifecycle import Held
from messages.units import Base, notional
from venue.ours import Task
from venue.protocol import ProductRules, VenueRules
from venue.resolve import WINDOW_MARGIN_MS


def open_words(rules: VenueRules, snapshot: AccountSnapshot | None, held: Held | None) -> str:
    """Nothing when nothing of ours is open; else each leg with its size in USD, and each order that may still trade.

    `held` None: there is no ledger to say whose it is, so everything that is open is named.
    """
    if snapshot is None:
        return f"unknown, the venue did not answer; by our fills: {open_legs(held) or 'nothing'}"
    parts = [amount_words(product, amount) for product, amount in legs_open(rules, snapshot, held) if amount]
    if held is None and parts:
        parts.append("and no ledger says whose it is")
    waiting = [doubt for doubt in (held.doubts if held else ()) if snapshot.at_ms <= doubt.recv_time_ms + WINDOW_MARGIN_MS]
    return ", ".join(parts + [f"{doubt.leg} order {doubt.order_digest[:10]} unknown" for doubt in waiting])


def legs_open(rules: VenueRules, snapshot: AccountSnapshot, held: Held | None) -> tuple[tuple[ProductRules, Base], tuple[ProductRules, Base]]:
    """How much of each leg is open and ours."""
    task = Task.of(held) if held else None
    eth, sol = (snapshot.position(product.product_id) for product in (rules.eth, rules.sol))
    return (rules.eth, task.eth.part_of(eth.cross) if task else eth.total), (rules.sol, task.sol.part_of(sol.cross) if task else sol.total)


def strangers_words(rules: VenueRules, snapshot: AccountSnapshot, held: Held | None, ours: Fold | None = None) -> str:
    """What else stands on the two products: somebody else's amounts and orders, left alone."""
    parts = []
    for product, amount in legs_open(rules, snapshot, held) if held else ():
        position = snapshot.position(product.product_id)
        parts += [amount_words(product, Base(rest)) for rest in [position.cross - amount] if rest]
        parts += [f"{amount_words(product, position.isolated)} on isolated margin"] if position.isolated else []
    known = ours.orders if ours else {}
    orders = [digest for digest in snapshot.open_orders if digest not in known]
    return ", ".join(parts + ([f"{len(orders)} orders"] if orders else []))


def amount_words(product: ProductRules, amount: Base) -> str:
    """`SOL-PERP -8.5 (985 USD)`, at the oracle's price."""
    return f"{product.symbol} {amount.text()} ({notional(product.oracle, amount).decimal():.0f} USD)"
