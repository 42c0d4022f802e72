"""What of a position is ours: what our intents explain, orders in doubt counted both ways. All amounts are
signed, x18.
"""

import msgspec

from messages.execution import Doubt
from messages.lifecycle import Held
from messages.sizing import Leg
from messages.units import Base


class OwnPosition(msgspec.Struct, frozen=True):
    """What our intents explain of one leg: every amount between `low` and `high` (signed) can be ours,
    orders in doubt included.
    """

    low: int = 0
    high: int = 0

    def part_of(self, position: int) -> Base:
        """How much of `position` is ours to close."""
        return Base(min(position, max(self.high, 0)) if position > 0 else max(position, min(self.low, 0)))

    def without(self, closed: int) -> "OwnPosition":
        """What is left when `closed` (signed as the position was) has been closed, or is known never to have
        traded.
        """
        return (
            OwnPosition(min(0, self.low - closed), self.high)
            if closed < 0
            else OwnPosition(self.low, max(0, self.high - closed))
        )


WHOLE_POSITION = OwnPosition(-(2**127), 2**127)
"""Whatever the venue holds: `flatten --everything`, a person's decision."""


class ClosingTask(msgspec.Struct, frozen=True):
    """What is to be closed, and our orders that may still trade."""

    eth: OwnPosition
    sol: OwnPosition
    doubts: tuple[Doubt, ...] = ()
    everything: bool = False
    """Cancel every order on both products, too, and not only ours."""
    refused: tuple[Leg, ...] = ()
    """Legs whose last close the venue refused for a reason that does not pass by itself."""

    @classmethod
    def of(cls, held: Held) -> "ClosingTask":
        """What is held, and each order in doubt, or what is left of one that rests, as if it had filled and
        as if it had not.
        """
        resting = tuple(order.doubt for order in held.working)
        open_still = [(doubt.leg, int(doubt.amount)) for doubt in held.doubts]
        open_still += [(order.doubt.leg, order.doubt.amount - order.filled) for order in held.working]
        eth, sol = (
            OwnPosition(
                amount + sum(min(more, 0) for which, more in open_still if which == leg),
                amount + sum(max(more, 0) for which, more in open_still if which == leg),
            )
            for leg, amount in (("eth", held.eth.amount), ("sol", held.sol.amount))
        )
        return cls(eth, sol, (*held.doubts, *resting), refused=held.refused)
