"""RESOLVE: what became of an order that nobody answered for.

*Present* is believed from any source at once, as far as it fits what was signed (`fits`). *Absent* is
believed only when the order's receive window and a margin have passed by the engine's clock, and two readings
2 s apart by that clock say so while the archive, which has had its time, knows of nothing: until then the
order may still arrive, and a reading carries no time of its own. The quantity is the engine's position minus
what the ledger held before (one plan is in flight, so the difference is this order's); price and fee come
from the archive, which lags. Nothing is ever sent again in here, and every doubt ends: at the latest with the
second reading, whatever the two say.

An order that rests (`Doubt.rests_until_ms`) may trade after every answer, so before its last possible trade
only its record in the archive ends it, if all of it has traded. After that a reading counts whose open
orders, asked for first, do not have it: one that has it, or that could not be read in full, says nothing.
"""

from collections.abc import Callable
from contextlib import suppress

import trio

from messages.execution import AccountSnapshot, Doubt, Resolved
from messages.units import Base, Quote
from venue.order_consistency import (
    APART_MS,
    RepeatedReading,
    SignedTerms,
    answer_mismatch,
    estimate,
    implausible,
    reading_mismatch,
)
from venue.protocol import ArchivedOrder, Reads, VenueError

POLL_S = 0.1
"""How often the venue is asked (design: the barrier)."""
ENGINE_EVERY_S = 2.0
"""How often the engine's position is read in between, beside the first time and the moment at which it can
prove an absence. A reading weighs 17 of the 400 that the venue allows in 10 s; a question to the archive
weighs 3 of another budget.
"""
FAILED_S = 0.5
"""How long after a reading that failed the next one is tried: a venue that is down would else eat what
closing needs when it is back.
"""
EAGER_S = 5.0
"""So long after the first question an answer may come at any moment. An exit that was signed in advance can
arrive for 90 s: whatever stays unknown for longer is asked for seldom, until its window is about to end.
"""
SELDOM_S = (0.5, 5.0)
"""How often the archive and the engine are asked then: four orders in doubt take 24 and 14 of the weight that
each of them allows in a second, where the eager pace would leave nothing for closing.
"""
WINDOW_MARGIN_MS = 500
"""Beyond the receive window an order cannot arrive; this much later we believe it."""
ARCHIVE_PATIENCE_MS = 3_000
"""Beyond the receive window, how long a provisional price waits for the archive before it stands."""


async def resolve(doubt: Doubt, reads: Reads, report: Callable[[Resolved], None]) -> None:
    """Ask until the order has an ending, and report it; a provisional ending is reported first when the
    archive is late.

    Ends when a final answer was reported, or a provisional one has outwaited the archive. A venue that does
    not answer is asked for ever: the caller bounds the wait.
    """
    reported: Resolved | None = None
    asked = _Asked(doubt, reads, report)
    while True:
        try:
            answer = await asked.again()
        except VenueError:
            answer = None
        if answer is not None and answer != reported:
            report(answer)
            reported = answer
        if reported and (not reported.provisional or asked.at_ms > doubt.last_trade_ms + ARCHIVE_PATIENCE_MS):
            return
        await trio.sleep(SELDOM_S[0] if asked.seldom() else POLL_S)


class _Asked:
    """The archive at every turn, the engine when it may know more; `at_ms` is the engine's time of its
    last answer.
    """

    def __init__(self, doubt: Doubt, reads: Reads, report: Callable[[Resolved], None]) -> None:
        self._doubt = doubt
        self._reads = reads
        self._report = report
        self._began_s = self._engine_due_s = trio.current_time()
        self._archived: ArchivedOrder | None = None
        self._twice = RepeatedReading()
        self._proving_since_ms: int | None = None
        """The first reading that could have proven an absence."""
        self.at_ms = 0
        self._mismatched = False

    async def again(self) -> Resolved | None:
        """Ask once; what is known of the order now, None while that is nothing. Raises `VenueError`."""
        before, self._archived = self._archived, await self._archive()
        if self._archived == before and trio.current_time() < self._engine_due_s:
            return None
        self._engine_due_s = trio.current_time() + FAILED_S  # a reading that fails has cost its weight too
        snapshot = await self._reads.account()
        self.at_ms = snapshot.at_ms
        answer = judge(self._doubt, snapshot, self._archived)
        believed = self._believed(answer, snapshot)
        self._engine_due_s = trio.current_time() + self._pause_ms() / 1000
        return answer if believed else None

    def seldom(self) -> bool:
        """Has it been asked about for a while, and is its last possible trade still far?"""
        left_ms = self._doubt.last_trade_ms + WINDOW_MARGIN_MS - self.at_ms
        return trio.current_time() - self._began_s > EAGER_S and left_ms > SELDOM_S[1] * 1000

    def _believed(self, answer: Resolved | None, snapshot: AccountSnapshot) -> bool:
        """A presence at once, unless the reading contradicts itself, what it said before the order, or an
        archive that knows of more; that, and an absence, only when a second reading says the same.
        """
        if answer is None:
            self._twice.forget()
            return False
        doubt, position = self._doubt, snapshot.position(self._doubt.product_id)
        moved = position.cross - doubt.before
        contradicted = answer.provisional and (
            (self._archived is not None and abs(self._archived.filled) > abs(moved))
            or implausible(doubt, moved, position.v_quote)
            or reading_mismatch(snapshot, {doubt.product_id: doubt.limit}) != ""
        )
        if answer.filled and not contradicted:
            return True
        if self._proving_since_ms is None and snapshot.at_ms > doubt.last_trade_ms + WINDOW_MARGIN_MS:
            self._proving_since_ms = int(snapshot.at_ms)
        overdue = (
            self._proving_since_ms is not None and snapshot.at_ms >= self._proving_since_ms + 2 * APART_MS
        )
        return self._twice.confirms(int(snapshot.at_ms), int(answer.filled), APART_MS) or overdue

    async def _archive(self) -> ArchivedOrder | None:
        """What the archive knows, or knew when it last answered: it is another host, and the engine is
        asked whether it answers or not.
        """
        found: tuple[ArchivedOrder, ...] = ()
        with suppress(VenueError):
            found = await self._reads.archived([self._doubt.order_digest])
        if not found:
            return self._archived
        answer = _from_archive(self._doubt, found[0])
        mismatch = answer_mismatch(SignedTerms.of_doubt(self._doubt), answer)
        if mismatch is None or mismatch.of_money:
            return found[0]
        if not self._mismatched:  # it cannot be this order's: reported once, for the ledger to name
            self._mismatched = True
            self._report(answer)
        return self._archived

    def _pause_ms(self) -> float:
        """Until the next moment at which the engine's answer means more than this one. One that comes soon
        is waited for: a reading weighs 17.
        """
        window = self._doubt.last_trade_ms
        if self._doubt.rests_until_ms and self.at_ms <= window + WINDOW_MARGIN_MS:
            return window + WINDOW_MARGIN_MS + 1 - self.at_ms  # until then no reading ends it
        moments = [window + WINDOW_MARGIN_MS + 1, window + ARCHIVE_PATIENCE_MS + 1]
        if self._twice.since_ms is not None:
            moments.append(self._twice.since_ms + APART_MS)
        waits = [moment - self.at_ms for moment in moments if moment > self.at_ms]
        usual_ms = 1000 * (SELDOM_S[1] if self.seldom() else ENGINE_EVERY_S)
        return min(waits) if waits and min(waits) < 1.5 * ENGINE_EVERY_S * 1000 else usual_ms


def judge(doubt: Doubt, snapshot: AccountSnapshot, archived: ArchivedOrder | None) -> Resolved | None:
    """What the engine's position says about the order; None = not known yet. Pure.

    A difference outside [0, order] is not this order's, and one of a product with other orders in doubt may
    not be: then only the archive's answer on the digest counts, and the ledger will name the rest as foreign
    when it compares positions.
    """
    if doubt.rests_until_ms and not _cannot_trade(doubt, snapshot):
        whole = archived is not None and archived.filled == doubt.amount
        return _from_archive(doubt, archived) if archived is not None and whole else None
    position = snapshot.position(doubt.product_id)
    moved = position.cross - doubt.before  # all our orders are cross; what stands isolated is not ours
    ours = (
        doubt.alone and moved != 0 and (moved > 0) == (doubt.amount > 0) and abs(moved) <= abs(doubt.amount)
    )
    if (
        archived is not None
        and archived.filled != 0
        and (archived.filled in {moved, doubt.amount} or not ours)
    ):
        final = archived.filled in {moved, doubt.amount} or _is_told_in_full(doubt, snapshot)
        return _from_archive(doubt, archived) if final else None
    if ours:
        quote = estimate(doubt, moved, position.v_quote)
        return Resolved(
            doubt.order_digest,
            doubt.product_id,
            Base(moved),
            quote,
            Quote(0),
            provisional=True,
            source="engine position",
        )
    patience_ms = WINDOW_MARGIN_MS if doubt.alone else ARCHIVE_PATIENCE_MS
    if snapshot.at_ms > doubt.last_trade_ms + patience_ms:
        return Resolved(
            doubt.order_digest, doubt.product_id, Base(0), Quote(0), Quote(0), provisional=False,
            source="engine, after the receive window", by_absence=True,
        )  # fmt: skip
    return None


def _cannot_trade(doubt: Doubt, snapshot: AccountSnapshot) -> bool:
    """Was the account read after the last possible trade of an order that rests, and does it not rest?"""
    late = snapshot.at_ms > doubt.last_trade_ms + WINDOW_MARGIN_MS
    return late and not snapshot.unread and doubt.order_digest not in snapshot.open_orders


def _is_told_in_full(doubt: Doubt, snapshot: AccountSnapshot) -> bool:
    """Has the archive had its time? One that lags may know of some pieces of an order that rested, and of
    none or all of one that traded at its arrival.
    """
    return not doubt.rests_until_ms or snapshot.at_ms > doubt.last_trade_ms + ARCHIVE_PATIENCE_MS


async def look_up(doubt: Doubt, reads: Reads, report: Callable[[Resolved], None]) -> None:
    """Ask the archive, once, about an order that has its ending; report what it knows. A venue that does
    not answer is asked another time.
    """
    try:
        found = await reads.archived([doubt.order_digest])
    except VenueError:
        return
    for known in found:
        if known.filled:
            report(_from_archive(doubt, known))


def _from_archive(doubt: Doubt, archived: ArchivedOrder) -> Resolved:
    return Resolved(
        doubt.order_digest,
        archived.product_id,
        archived.filled,
        archived.quote,
        archived.fee,
        provisional=False,
        source="archive",
    )
