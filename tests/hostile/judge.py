"""What was claimed, against what the venue's own log says. Our ledger and our words are what is judged,
never what judges.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from messages.units import Base
from tests.kills.audit import ending_faults
from tests.kills.venue import Truth
from tests.machine import audit
from venue.simulated.engine.order_log import LoggedOrder

FLAT_CODES = frozenset({0, 3, 70, 130, 143})
"""Exit codes that say that nothing of ours is open."""
OPEN = 4
ETH, SOL = 4, 8
NAMES = {ETH: "ETH-PERP", SOL: "SOL-PERP"}
GRACE_NS = 300_000_000
"""What is under way already may arrive."""
TRACEBACK = "Traceback (most recent call last)"


class Claim(msgspec.Struct, frozen=True):
    """What a command said as it ended at `at_ns` (the venue's clock is this machine's)."""

    who: str
    code: int
    at_ns: int
    words: str
    told: dict[str, object] = {}


def held_at(log: Sequence[LoggedOrder], at_ns: int) -> dict[int, int]:
    """What is open per product by the fills up to a moment; nothing for what is flat."""
    open_then: Counter[int] = Counter()
    for order in log:
        open_then[order.product_id] += sum(fill.amount for fill in order.fills if fill.at_ns <= at_ns)
    return {product: amount for product, amount in open_then.items() if amount}


def words_of(held: dict[int, int]) -> str:
    """As a person reads it."""
    return (
        ", ".join(f"{NAMES.get(product, product)} {Base(amount).text()}" for product, amount in held.items())
        or "nothing"
    )


def false_claims(claims: Sequence[Claim], log: Sequence[LoggedOrder]) -> Iterator[str]:
    """Whoever says flat while something stands, or names less than stands; and whoever ends in a
    traceback.
    """
    for claim in claims:
        stands = held_at(log, claim.at_ns)
        if stands and claim.code in FLAT_CODES:
            yield (
                f"{claim.who} ended with {claim.code} while the venue held {words_of(stands)}:"
                f" {_last(claim.words)}"
            )
        if stands and claim.code not in {*FLAT_CODES, OPEN}:
            yield (
                f"{claim.who} ended with {claim.code} and not 4 while the venue held {words_of(stands)}:"
                f" {_last(claim.words)}"
            )
        if stands and claim.code == OPEN and _says_nothing(claim):
            yield (
                f"{claim.who} ended with 4 and says open_eth 0 and open_sol 0 while the venue held"
                f" {words_of(stands)}"
            )
        if TRACEBACK in claim.words:
            yield f"{claim.who} ended in a traceback: {_last(claim.words)}"


def _says_nothing(claim: Claim) -> bool:
    return claim.told.get("open_eth") == "0" and claim.told.get("open_sol") == "0"


def _last(words: str) -> str:
    return " | ".join(words.strip().splitlines()[-2:])[-400:]


def unlawful(log: Sequence[LoggedOrder]) -> list[str]:
    """Sent twice, grown beyond one pair, turned round, left open: by the order log alone.

    A way out that was signed in advance may be sent again: it can only close, and its digest is the venue's
    protection against it.
    """
    once = list(_once(log))
    largest = {
        product: max((abs(order.amount) for order in once if _enters(order, product)), default=0)
        for product in NAMES
    }
    return audit.faults(once, largest=largest)


def _enters(order: LoggedOrder, product: int) -> bool:
    return order.increasing and order.product_id == product


def _once(log: Sequence[LoggedOrder]) -> Iterator[LoggedOrder]:
    seen: set[str] = set()
    for order in log:
        if not (order.reduce_only and order.digest in seen and not order.fills):
            yield order
        seen.add(order.digest)


def disagreements(truth: Truth, ledger: Path) -> list[str]:
    """What the ledger says otherwise than the venue, once all is over."""
    once = msgspec.structs.replace(truth, orders=list(_once(truth.orders)))
    try:
        return ending_faults(once, ledger)
    except Exception as error:  # noqa: BLE001 - a ledger that cannot be read is what is to be found
        return [f"the ledger cannot be read: {error!r}"]


def uneven_s(log: Sequence[LoggedOrder], until_ns: int) -> float:
    """The longest time for which one leg stood without the other, in seconds."""
    longest, since_ns, open_now = 0, None, Counter[int]()
    fills = sorted((fill.at_ns, order.product_id, fill.amount) for order in log for fill in order.fills)
    for at_ns, product, amount in [*fills, (until_ns, 0, Base(0))]:
        if since_ns is not None:
            longest = max(longest, at_ns - since_ns)
        open_now[product] += amount
        since_ns = at_ns if bool(open_now[ETH]) != bool(open_now[SOL]) else None
    return longest / 1e9


def entered_after(log: Sequence[LoggedOrder], at_ns: int) -> list[str]:
    """Orders that may increase, sent when nothing may be entered any more."""
    late = [order for order in log if order.increasing and order.arrived_ns > at_ns + GRACE_NS]
    return [
        f"order {order.digest[:10]} entered {(order.arrived_ns - at_ns) / 1e9:.1f} s after the ledger was not"
        " ours any more"
        for order in late[:2]
    ]
