"""What the UTC day has cost so far, from the ledger's rows alone: a restart forgets none of it.

Two figures, and the worse one counts:

    value     the account's value at the venue, now against the first reading of the day: sees fees, funding, drift, liquidation, everything;
              money moved in hides a loss from it, money moved out looks like one
    trades    what our own fills of the day came to, fees taken out, when flat: cannot see funding, and no deposit hides anything from it
"""

from dataclasses import dataclass

from messages.execution import AccountSnapshot
from messages.units import Quote

DAY_NS = 86_400_000_000_000


@dataclass(slots=True)
class Day:
    """The day that the last row belongs to, by venue time."""

    number: int = -1
    """Days since the epoch."""
    first: int | None = None
    last: int | None = None
    """The account's value at the first and the last reading of the day."""
    trades: int = 0

    def at(self, at_ns: int) -> None:
        """A row of venue time `at_ns` begins: at midnight everything starts anew. A row dated back starts nothing."""
        number = at_ns // DAY_NS
        if number > self.number:
            self.number, self.first, self.last, self.trades = number, None, None, 0

    def seen(self, snapshot: AccountSnapshot) -> None:
        """A reading of the account."""
        if snapshot.exists:
            self.last = snapshot.value
            self.first = self.last if self.first is None else self.first

    def traded(self, cash: int, fees: int) -> None:
        """Fills brought in `cash` (signed) and cost `fees`."""
        self.trades += cash - fees

    def loss(self, *, flat: bool) -> Quote:
        """USD lost today; 0 when it is a gain. While something is open its fills alone say nothing: then only the account's value is asked."""
        by_value = self.first - self.last if self.first is not None and self.last is not None else 0
        by_trades = -self.trades if flat else 0
        return Quote(max(0, by_value, by_trades))
