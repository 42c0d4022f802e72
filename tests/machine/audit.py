"""Judging a run by the simulated engine's own order log, never by our ledger alone."""

from collections import Counter
from collections.abc import Iterable

from venue.simulated.order_log import LoggedOrder


def net(log: Iterable[LoggedOrder]) -> dict[int, int]:
    """What is open per product, by the engine's fills."""
    open_now: Counter[int] = Counter()
    for order in log:
        open_now[order.product_id] += order.filled
    return dict(open_now)


def faults(log: list[LoggedOrder], *, largest: dict[int, int]) -> list[str]:
    """Everything wrong with how a machine traded. `largest`: product -> the largest |position| that one pair may have.

    No order twice; no position larger than one pair (a second increasing order for the same plan would show here); no closing order that turned a
    position round; flat at the end.
    """
    found = [f"digest {digest[:10]} arrived {times} times" for digest, times in Counter(order.digest for order in log).items() if times > 1]
    position: Counter[int] = Counter()
    for at_ns, product_id, amount in sorted((fill.at_ns, order.product_id, fill.amount) for order in log for fill in order.fills):
        before = position[product_id]
        position[product_id] += amount
        if abs(position[product_id]) > largest[product_id]:
            found.append(f"product {product_id} reached {position[product_id]} at {at_ns}")
        if before * position[product_id] < 0:
            found.append(f"product {product_id} was turned round at {at_ns}")
    found += [f"product {product_id} ends with {amount}" for product_id, amount in position.items() if amount]
    return found
