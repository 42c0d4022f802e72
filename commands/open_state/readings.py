"""What the venue says of our account, asked by commands whose exit code, bookings or guard hang on it.

What is open is believed at once. That no Evenkeel positions are open is believed at once only where something
else says so too (our own fills, or two readings that ESCAPE has made); else it takes a second reading,
`QUIET_MS` or more later, because `subaccount_info` carries no time and may be older than it looks
(`venue/order_consistency.py`); ESCAPE waits as long where it has sent nothing. Readings of which a part
could not be read are asked for again. Nothing here waits beyond `by_s`, a time of Trio's clock.
"""

from collections.abc import Awaitable, Callable

import msgspec
import trio

from commands.open_state.decision import decide
from commands.open_state.evidence import Evidence, VenueEvidence
from messages.execution import AccountSnapshot
from venue.order_consistency import APART_MS, QUIET_MS, RepeatedReading
from venue.protocol import VenueError, VenueRules

AGAIN_S = 0.5
"""Between two readings. A reading is four questions, and a guard of ours may need what the venue lets this
machine ask.
"""
Account = Callable[[], Awaitable[AccountSnapshot]]


async def venue_said(
    account: Account,
    rules: VenueRules,
    by_s: float,
    files: Evidence,
    *,
    expected_flat: bool = False,
    apart_ms: int = QUIET_MS,
    waits: trio.CancelScope | None = None,
) -> VenueEvidence:
    """The exchange's reading as far as it can be believed; its `trouble` says why there is none. Never raises
    `VenueError`.

    `files`: what this machine knows, which says what of a reading is ours. `expected_flat`: something beside
    the files says that nothing is open. `apart_ms`: between two readings that say flat against the files;
    `APART_MS` is for who has just sent what closes. `waits`: the scope of the waiting, for who may want to
    end it before `by_s` and keep what was heard until then.
    """
    files = msgspec.structs.replace(files, venue=VenueEvidence(), runner=None)
    expected_flat = expected_flat or decide(files).flat
    readings = _Readings(account, rules, apart_ms)
    found = VenueEvidence(rules=rules, trouble="the venue did not answer")
    waits = waits or trio.CancelScope()
    waits.deadline = min(waits.deadline, by_s)
    with waits:
        while True:
            snapshot = await readings.next()
            if snapshot is None:
                found = VenueEvidence(rules=rules, trouble=readings.trouble)
                continue
            found = VenueEvidence(snapshot, rules)
            if snapshot.unread:
                continue
            if expected_flat or not decide(msgspec.structs.replace(files, venue=found)).flat:
                return found
            if readings.twice:
                return found
            trouble = (
                f"the venue has not said for {apart_ms / 1000:g} s that nothing is open, and our own fills do"
                " not say so"
            )
            found = VenueEvidence(rules=rules, trouble=trouble)
    return found


async def settled(account: Account, rules: VenueRules, by_s: float) -> AccountSnapshot | None:
    """What two readings, `APART_MS` or more apart, and every one between them say of both positions; None
    when there were no two by then.
    """
    readings = _Readings(account, rules, APART_MS)
    with trio.move_on_at(by_s):
        while True:
            snapshot = await readings.next()
            if readings.twice:
                return snapshot
    return None


class _Readings:
    """One reading after the other, and whether they agree."""

    def __init__(self, account: Account, rules: VenueRules, apart_ms: int) -> None:
        self._account, self._rules, self._apart_ms = account, rules, apart_ms
        self._same = RepeatedReading()
        self._amounts: tuple[int, ...] = ()
        self._first = True
        self.twice = False
        """Did the last reading say what one of `apart_ms` before, and all since, have said?"""
        self.trouble = ""

    async def next(self) -> AccountSnapshot | None:
        """The account; None when the venue did not answer. After a pause, but for the first."""
        if not self._first:
            await trio.sleep(AGAIN_S)
        self._first = False
        try:
            snapshot = await self._account()
        except VenueError as error:
            self.trouble = f"the venue did not answer ({error})"
            return None
        amounts = tuple(
            int(snapshot.position(product.product_id).total) for product in (self._rules.eth, self._rules.sol)
        )
        if amounts != self._amounts or snapshot.unread:
            self._same.forget()
        self._amounts = amounts
        self.twice = not snapshot.unread and self._same.confirms(int(snapshot.at_ms), 0, self._apart_ms)
        return snapshot
