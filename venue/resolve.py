"""RESOLVE: what became of an order that nobody answered for.

*Present* is believed from any source at once. *Absent* is believed only after the engine has answered with a timestamp later than the order's
receive window plus a margin: until then the order may still arrive. The quantity is the engine's position minus what the ledger held before (one
plan is in flight, so the difference is this order's); price and fee come from the archive, which lags. Nothing is ever sent again in here.
"""

from collections.abc import Callable

import trio

from messages.execution import AccountSnapshot, Doubt, Resolved
from messages.units import Base, Quote, notional
from venue.protocol import ArchivedOrder, Reads, VenueError

POLL_S = 0.1
"""How often the venue is asked (design: the barrier)."""
WINDOW_MARGIN_MS = 500
"""Beyond the receive window an order cannot arrive; this much later we believe it."""
ARCHIVE_PATIENCE_MS = 3_000
"""Beyond the receive window, how long a provisional price waits for the archive before it stands."""


async def resolve(doubt: Doubt, reads: Reads, report: Callable[[Resolved], None]) -> None:
    """Ask until the order has an ending, and report it; a provisional ending is reported first when the archive is late.

    Ends when a final answer was reported, or a provisional one has outwaited the archive. A venue that does not answer is asked for ever: the caller
    bounds the wait.
    """
    told: Resolved | None = None
    while True:
        try:
            answer, at_ms = await _ask(doubt, reads)
        except VenueError:
            answer, at_ms = None, 0
        if answer is not None and answer != told:
            report(answer)
            told = answer
        if told and (not told.provisional or at_ms > doubt.recv_time_ms + ARCHIVE_PATIENCE_MS):
            return
        await trio.sleep(POLL_S)


async def _ask(doubt: Doubt, reads: Reads) -> tuple[Resolved | None, int]:
    archived = await reads.archived([doubt.order_digest])
    if archived and abs(archived[0].filled) == abs(doubt.amount):
        return _from_archive(doubt, archived[0]), 0
    snapshot = await reads.account()
    return judge(doubt, snapshot, archived[0] if archived else None), snapshot.at_ms


def judge(doubt: Doubt, snapshot: AccountSnapshot, archived: ArchivedOrder | None) -> Resolved | None:
    """What the engine's position says about the order; None = not known yet. Pure.

    A difference outside [0, order] is not this order's: then only the archive's word on the digest counts, and the ledger will name the rest as
    foreign when it compares positions.
    """
    moved = snapshot.position(doubt.product_id).total - doubt.before
    ours = moved != 0 and (moved > 0) == (doubt.amount > 0) and abs(moved) <= abs(doubt.amount)
    if archived is not None and archived.filled != 0 and (archived.filled == moved or not ours):
        return _from_archive(doubt, archived)
    if ours:
        worst = notional(doubt.limit, moved)
        return Resolved(doubt.order_digest, doubt.product_id, Base(moved), worst, Quote(0), provisional=True, source="engine position")
    if snapshot.at_ms > doubt.recv_time_ms + WINDOW_MARGIN_MS:
        return Resolved(
            doubt.order_digest, doubt.product_id, Base(0), Quote(0), Quote(0), provisional=False, source="engine, after the receive window"
        )
    return None


def _from_archive(doubt: Doubt, archived: ArchivedOrder) -> Resolved:
    return Resolved(doubt.order_digest, doubt.product_id, archived.filled, archived.quote, archived.fee, provisional=False, source="archive")
