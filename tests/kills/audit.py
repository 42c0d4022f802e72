"""Is what came of it what should have? Judged by the venue's own order log, archive and account; the
ledger is held against them, never trusted.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from actors.ledger.orders import OurOrder
from messages.units import ONE
from tests.kills.venue import Truth
from tests.kills.watch import folded
from tests.machine import audit
from venue.nado.signing import recv_time_of
from venue.simulated.engine.order_log import LoggedOrder

Plan = tuple[int, int]
ALONE_S = 40
"""An order that rests has expired, its receive window included, a guard or a start has waited for that, and
has closed, all with some patience for a machine that is busy with other rounds.
"""


def ending_faults(truth: Truth, ledger: Path) -> list[str]:
    """Everything wrong with how a subaccount was traded, once it should be flat and its ledger complete."""
    fold, plans = folded(ledger)
    found = audit.faults(truth.orders, largest=audit.largest_pair(plans))
    found += audit.outlived(truth.orders, audit.Written.read(ledger))
    found += _alone(truth.orders)
    found += [
        f"the venue holds {position.total.text()} of product {position.product_id}"
        for position in truth.account.positions
        if position.total
    ]
    found += [f"order {digest[:10]} is still open" for digest in truth.account.open_orders]
    ours = {digest: order for digest in fold.orders if (order := fold.order(digest)) is not None}
    found += list(_unexplained(truth, ours))
    found += list(_more_than_one(truth, ours))
    found += [fault for digest, order in ours.items() for fault in _other_numbers(order, digest, truth)]
    if (fold.phase, fold.doubts) != ("flat", ()):
        found.append(f"the ledger says {fold.phase} with {len(fold.doubts)} doubts")
    return found


def _alone(orders: Iterable[LoggedOrder]) -> Iterator[str]:
    """More than the venue makes anybody wait for was unhedged for longer than it takes until an order that
    rests has expired and a dead run's pair is closed.
    """
    moves = sorted(
        (fill.at_ns, order.product_id, fill.amount, fill.price) for order in orders for fill in order.fills
    )
    held, worth, since_ns = Counter[int](), Counter[int](), 0
    for at_ns, product_id, amount, price in moves:
        if since_ns and at_ns - since_ns > ALONE_S * 10**9:
            yield f"{sum(worth.values()) / ONE:.0f} USD were unhedged for {(at_ns - since_ns) / 10**9:.1f} s"
        held[product_id] += amount
        worth[product_id] = held[product_id] * price // ONE
        since_ns = (since_ns or at_ns) if abs(sum(worth.values())) > audit.CHUNK else 0


def _unexplained(truth: Truth, ours: dict[str, OurOrder]) -> Iterator[str]:
    """I4: no order without a journalled intent, whatever the venue said to it."""
    for order in truth.orders:
        if order.digest not in ours:
            yield (
                f"order {order.digest[:10]} of product {order.product_id} arrived without an intent in the"
                " ledger"
            )


def _more_than_one(truth: Truth, ours: dict[str, OurOrder]) -> Iterator[str]:
    """I2: at most one accepted increasing order per (plan, leg); I8: plans arrive in the order of their
    (epoch, seq).
    """
    accepted = [order for order in truth.orders if order.increasing and order.result == "accepted"]
    known = [ours[order.digest] for order in accepted if order.digest in ours]
    legs = Counter((order.plan.epoch, order.plan.seq, order.leg) for order in known)
    yield from (
        f"{times} accepted increasing orders of plan {epoch}.{seq} {leg}"
        for (epoch, seq, leg), times in legs.items()
        if times > 1
    )
    places = [(order.plan.epoch, order.plan.seq) for order in known]
    if places != sorted(places):
        yield f"increasing orders arrived out of the order of their plans: {places}"


def _other_numbers(order: OurOrder, digest: str, truth: Truth) -> Iterator[str]:
    """I6: what the ledger says of an order is what the engine logged and the archive shows, to the last
    digit.
    """
    logged = next((one for one in truth.orders if one.digest == digest), None)
    ours = order.total.filled, order.total.quote, order.total.fee
    engine = audit.sums_of(logged) if logged else (0, 0, 0)
    if ours != engine:
        yield (
            f"order {digest[:10]}: filled, notional, fee are {ours} by the ledger ({order.source}) and"
            f" {engine} by the engine"
        )
    archived = truth.archived.get(digest)
    shown = (int(archived.filled), int(archived.quote), int(archived.fee)) if archived else (0, 0, 0)
    if shown != engine:
        yield f"order {digest[:10]}: {shown} by the archive and {engine} by the engine"


def sealed_before(truth: Truth, stopped_ms: int, continued_ms: int, recv_time_ms: int) -> list[str]:
    """Orders that the venue accepted after a process was continued although they were sealed before it was
    stopped. Venue time.
    """
    return [
        f"order {order.digest[:10]} was sealed before the process was stopped and accepted"
        f" {order.arrived_ns // 1_000_000 - continued_ms} ms after"
        for order in truth.orders
        if order.result == "accepted"
        and order.arrived_ns // 1_000_000 >= continued_ms
        and recv_time_of(order.nonce) - recv_time_ms <= stopped_ms
    ]
