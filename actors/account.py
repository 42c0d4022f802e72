"""account: the only reader of the account's streams; hands every event, in order, to the ledger.

It interprets nothing. When its socket is lost the account view is stale, which it says; the supervisor reconciles when it is back. Nothing else
restarts.
"""

from collections.abc import Callable

import msgspec
import trio

from messages.execution import Fill, OrderUpdate, PositionChange
from messages.lifecycle import AccountStream
from venue.protocol import Venue, VenueError

AccountMessage = Fill | OrderUpdate | PositionChange | AccountStream
RECONNECT_S = (0.1, 5.0)
"""First and longest pause between two attempts to connect."""


async def run(
    venue: Venue,
    to_ledger: Callable[[AccountMessage], None],
    post: Callable[[msgspec.Struct], None],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Forward the account's events until cancelled. `post` tells the supervisor when the view comes and goes, so that it reconciles."""
    task_status.started()
    pause = RECONNECT_S[0]
    while True:
        detail = "the stream ended"
        try:
            async with venue.account_events() as events:
                pause = RECONNECT_S[0]
                _both(to_ledger, post, AccountStream(live=True, detail=""))
                async for event in events:
                    to_ledger(event)
        except VenueError as error:
            detail = str(error)
        _both(to_ledger, post, AccountStream(live=False, detail=detail))
        await trio.sleep(pause)
        pause = min(pause * 2, RECONNECT_S[1])


def _both(to_ledger: Callable[[AccountMessage], None], post: Callable[[msgspec.Struct], None], view: AccountStream) -> None:
    to_ledger(view)
    post(view)
