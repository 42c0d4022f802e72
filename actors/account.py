"""account: the only reader of the account's streams; hands every event, in order, to the ledger.

It interprets nothing. When its socket is lost the account view is stale, which it says; the supervisor
reconciles positions and orders when it is back. Streams have no replay, so what traded while it was away is
asked of the archive, from the last submission index seen on; a fill that comes both ways is one fill to the
ledger (lesson O5). Nothing else restarts.
"""

import random
from collections.abc import Callable

import msgspec
import trio

from messages.execution import Fill, OrderUpdate, PositionChange
from messages.lifecycle import AccountStream
from runtime.backoff import RECONNECT, Streak
from runtime.observe import Notes
from runtime.pulse import Pulse
from venue.protocol import Malformed, Refused, Venue, VenueError

CONNECT_S = 18.0
"""What connecting and subscribing may take at most: the upgrade, the authentication and the subscriptions 5 s
each, the closing 1 s. A venue that uses up each of these bounds is slow, and no actor is stuck because of it.
"""
AccountMessage = Fill | OrderUpdate | PositionChange | AccountStream
ARCHIVE_LAG_S = 0.5
"""After a reconnect, how long until the archive knows all that happened before it; it lags the engine by
100 to 200 ms.
"""


class Missed:
    """Finds what traded while the stream was away."""

    def __init__(
        self,
        venue: Venue,
        to_ledger: Callable[[AccountMessage], None],
        note: Notes,
        rng: random.Random,
    ) -> None:
        self._venue = venue
        self._to_ledger = to_ledger
        self._note = note
        self._streak = Streak(RECONNECT, rng)
        self._newest: int | None = None
        """Highest submission index seen, -1 where the archive has none; None while nobody knows."""
        self._since: int | None = None
        self._wanted = trio.Event()

    def seen(self, fill: Fill) -> None:
        """A fill went to the ledger: the archive need not be asked for it again."""
        self._newest = fill.submission_idx if self._newest is None else max(self._newest, fill.submission_idx)

    def reconnected(self) -> None:
        """The stream is live: what came after the last fill *before* this moment is to be asked for,
        whatever the stream brings in the meantime.
        """
        if not self._wanted.is_set():
            self._since = self._newest
            self._wanted.set()

    async def run(self) -> None:
        """Ask the archive for what traded meanwhile after each reconnect, until cancelled."""
        while True:
            await self._wanted.wait()
            await trio.sleep(ARCHIVE_LAG_S)
            try:
                fills = await self._venue.reads.fills_since(self._since)
            except Malformed as error:
                self._note(
                    "warning",
                    f"the archive's answer about the time without a stream cannot be read: {error}",
                )
                fills = ()
            except VenueError as error:
                self._note(
                    "warning",
                    f"the archive did not answer which orders traded while there was no stream: {error}",
                )
                await trio.sleep(self._streak.pause_s(trio.current_time()))
                continue
            self._wanted = trio.Event()
            self._take(fills)

    def _take(self, fills: tuple[Fill, ...]) -> None:
        """The first answer of all only says where history stands: what is older, the account's snapshot
        tells.
        """
        for fill in fills:
            self.seen(fill)
            if self._since is not None:
                self._to_ledger(fill)
        self._newest = -1 if self._newest is None else self._newest


async def run(
    venue: Venue,
    to_ledger: Callable[[AccountMessage], None],
    post: Callable[[msgspec.Struct], None],
    note: Notes,
    rng: random.Random,
    *,
    pulse: Pulse | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Forward the account's events until cancelled. `post` reports to the supervisor when the view comes and
    goes, so that it reconciles.

    `rng` spreads the attempts to connect.
    """
    missed, pulse = Missed(venue, to_ledger, note, rng), pulse or Pulse()
    streak, reported = Streak(RECONNECT, rng), ""

    def show(view: AccountStream) -> None:
        to_ledger(view)
        post(view)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(missed.run)
        task_status.started()
        while True:
            detail, code = "the stream ended", None
            pulse.expect("a connection", CONNECT_S)
            try:
                async with venue.account_events() as events:
                    pulse.done("a connection")
                    pulse.inbox = events
                    streak.up(trio.current_time())
                    reported = ""
                    show(AccountStream(live=True, detail=""))
                    missed.reconnected()
                    while True:
                        # A fill, its order's change and the position's come together: to the ledger, too,
                        # which writes them in one transaction.
                        for event in await events.batch():
                            if isinstance(event, Fill):
                                missed.seen(event)
                            to_ledger(event)
                        pulse.done()
            except VenueError as error:
                detail = str(error)
                code = error.code if isinstance(error, Refused) else None
            pulse.inbox = None
            pulse.done()
            if detail != reported:  # an outage is one event, however often it is knocked
                reported = detail
                show(AccountStream(live=False, detail=detail, refused=code))
            pause_s = streak.pause_s(trio.current_time())
            pulse.expect("a connection", pause_s)
            await trio.sleep(pause_s)
