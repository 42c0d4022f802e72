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
ENGINE_EVERY_S = 2.0
"""How often the engine's position is read in between, beside the first time and the moment at which it can prove an absence. A reading weighs 17 of
the 400 that the venue allows in 10 s; a question to the archive weighs 3 of another budget."""
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
    asked = _Asked(doubt, reads)
    while True:
        try:
            answer = await asked.again()
        except VenueError:
            answer = None
        if answer is not None and answer != told:
            report(answer)
            told = answer
        if told and (not told.provisional or asked.at_ms > doubt.recv_time_ms + ARCHIVE_PATIENCE_MS):
            return
        await trio.sleep(POLL_S)


class _Asked:
    """The archive at every turn, the engine when it may know more; `at_ms` is the engine's time of its last answer."""

    def __init__(self, doubt: Doubt, reads: Reads) -> None:
        self._doubt = doubt
        self._reads = reads
        self._engine_due_s = trio.current_time()
        self._archived: ArchivedOrder | None = None
        self.at_ms = 0

    async def again(self) -> Resolved | None:
        """One turn. Raises `VenueError`."""
        before, self._archived = self._archived, await self._archive()
        if self._archived and abs(self._archived.filled) == abs(self._doubt.amount):
            return _from_archive(self._doubt, self._archived)
        if self._archived == before and trio.current_time() < self._engine_due_s:
            return None
        snapshot = await self._reads.account()
        self.at_ms = snapshot.at_ms
        self._engine_due_s = trio.current_time() + self._pause_ms() / 1000
        return judge(self._doubt, snapshot, self._archived)

    async def _archive(self) -> ArchivedOrder | None:
        """What the archive knows, or knew when it last answered: it is another host, and the engine is asked whether it answers or not."""
        try:
            found = await self._reads.archived([self._doubt.order_digest])
        except VenueError:
            return self._archived
        return found[0] if found else None

    def _pause_ms(self) -> float:
        """Until the next moment at which the engine's answer means more than this one."""
        window = self._doubt.recv_time_ms
        moments = (window + WINDOW_MARGIN_MS + 1, window + ARCHIVE_PATIENCE_MS + 1)
        return min([ENGINE_EVERY_S * 1000, *(moment - self.at_ms for moment in moments if moment > self.at_ms)])


def judge(doubt: Doubt, snapshot: AccountSnapshot, archived: ArchivedOrder | None) -> Resolved | None:
    """What the engine's position says about the order; None = not known yet. Pure.

    A difference outside [0, order] is not this order's, and one of a product with other orders in doubt may not be: then only the archive's word on
    the digest counts, and the ledger will name the rest as foreign when it compares positions.
    """
    moved = snapshot.position(doubt.product_id).cross - doubt.before  # all our orders are cross; what stands isolated is not ours
    ours = doubt.alone and moved != 0 and (moved > 0) == (doubt.amount > 0) and abs(moved) <= abs(doubt.amount)
    if archived is not None and archived.filled != 0 and (archived.filled == moved or not ours):
        return _from_archive(doubt, archived)
    if ours:
        worst = notional(doubt.limit, moved)
        return Resolved(doubt.order_digest, doubt.product_id, Base(moved), worst, Quote(0), provisional=True, source="engine position")
    patience_ms = WINDOW_MARGIN_MS if doubt.alone else ARCHIVE_PATIENCE_MS
    if snapshot.at_ms > doubt.recv_time_ms + patience_ms:
        return Resolved(
            doubt.order_digest, doubt.product_id, Base(0), Quote(0), Quote(0), provisional=False, source="engine, after the receive window"
        )
    return None


def _from_archive(doubt: Doubt, archived: ArchivedOrder) -> Resolved:
    return Resolved(doubt.order_digest, doubt.product_id, archived.filled, archived.quote, archived.fee, provisional=False, source="archive")
