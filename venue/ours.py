"""What of a position is ours: what our intents explain, orders in doubt counted both ways. All amounts are
signed, x18.
"""

import msgspec

from messages.execution import Doubt
from messages.lifecycle import Held
from messages.sizing import Leg
from messages.units import Base


class Ours(msgspec.Struct, frozen=True):
    """What our intents explain of one leg: every amount between `low` and `high` (signed) can be ours,
    orders in doubt included.
    """

    low: int = 0
    high: int = 0

    def part_of(self, position: int) -> Base:
        """How much of `position` is ours to close."""
        return Base(min(position, max(self.high, 0)) if position > 0 else max(position, min(self.low, 0)))

    def without(self, closed: int) -> "Ours":
        """What is left when `closed` (signed as the position was) has been closed."""
        return (
            Ours(min(0, self.low - closed), self.high)
            if closed < 0
            else Ours(self.low, max(0, self.high - closed))
        )


EVERYTHING = Ours(-(2**127), 2**127)
"""Whatever the venue holds: `flatten --everything`, a person's decision."""


class Task(msgspec.Struct, frozen=True):
    """What is to be closed, and our orders that may still trade."""

    eth: Ours
    sol: Ours
    doubts: tuple[Doubt, ...] = ()
    everything: bool = False
    """Cancel every order on both products, too, and not only ours."""
    refused: tuple[Leg, ...] = ()
    """Legs whose last close the venue refused for a reason that does not pass by itself."""

    @classmethod
    def of(cls, held: Held) -> "Task":
        """What is held, and each order in doubt as if it had filled and as if it had not."""
        return cls(
            _hull(held.eth, "eth", held.doubts),
            _hull(held.sol, "sol", held.doubts),
            held.doubts,
            refused=held.refused,
        )


def _hull(held: int, leg: Leg, doubts: tuple[Doubt, ...]) -> Ours:
    amounts = [doubt.amount for doubt in doubts if doubt.leg == leg]
    return Ours(
        held + sum(amount for amount in amounts if amount < 0),
        held + sum(amount for amount in amounts if amount > 0),
    )
