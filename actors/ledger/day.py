"""What the UTC day has cost so far, from the ledger's rows alone: a restart forgets none of it.

Two figures, and the worse one counts:

    value     the account's value at the venue, now against the first reading of the day: sees fees, funding,
              drift, liquidation, everything; money moved in hides a loss from it, money moved out looks like
              one
    trades    what our own fills of the day came to, fees taken out, each time we were flat again: cannot see
              funding, and no deposit hides anything from it. Of a position that was not bought today by us
              (held over midnight, adopted) the closing fills say nothing by themselves, so everything up to
              the next flat moment is left out
"""

import msgspec

from messages.execution import AccountSnapshot
from messages.units import Quote

DAY_NS = 86_400_000_000_000


class Day(msgspec.Struct):
    """The day that the last row belongs to, by venue time."""

    number: int = -1
    """Days since the epoch."""
    first: int | None = None
    last: int | None = None
    """The account's value at the first and the last reading of the day."""
    trades: int = 0
    """Up to the last flat moment."""
    moving: int = 0
    """Since then."""
    strange: bool = False
    """Is a part of what is held not bought today by us?"""

    def at(self, at_ns: int, *, flat: bool) -> None:
        """A row of venue time `at_ns` begins: at midnight everything starts anew. A row dated back starts
        nothing.
        """
        number = at_ns // DAY_NS
        if number > self.number:
            self.number, self.first, self.last, self.trades, self.moving, self.strange = (
                number,
                None,
                None,
                0,
                0,
                not flat,
            )

    def rests(self) -> None:
        """We are flat and nothing is under way."""
        self.trades += 0 if self.strange else self.moving
        self.moving, self.strange = 0, False

    def seen(self, snapshot: AccountSnapshot) -> None:
        """Take a reading of the account: its value, as the limits judge it."""
        if snapshot.exists and snapshot.value is not None:
            self.last = snapshot.value
            self.first = self.last if self.first is None else self.first

    def traded(self, cash: int, fees: int) -> None:
        """Fills brought in `cash` (signed) and cost `fees`."""
        self.moving += cash - fees

    @property
    def loss(self) -> Quote:
        """USD lost today; 0 when it is a gain."""
        by_value = self.first - self.last if self.first is not None and self.last is not None else 0
        return Quote(max(0, by_value, -self.trades))
