"""A plan in flight: two orders and what became of both."""

import msgspec

from actors.ledger.orders import OurOrder
from messages.execution import PlanClosed
from messages.sizing import Sealed, SizingPlan


class Flight(msgspec.Struct):
    """A sealed plan that the ledger has said yes to, and its two orders, ETH first."""

    sealed: Sealed
    orders: tuple[OurOrder, OurOrder]
    placed: bool = False
    uncertain: bool = False
    """Sealed before a restart and never heard of again: it may have been placed."""
    aborted: bool = False
    adopted: bool = False
    """Sealed by an earlier invocation."""
    overtaken: bool = False
    """Has a later epoch, a guard or an escape begun since, so that no answer need come any more?"""

    @property
    def plan(self) -> SizingPlan:
        """The plan as it was sealed; three voters have its digest."""
        return self.sealed.plan

    def is_plan(self, epoch: int, seq: int) -> bool:
        """Is it the plan of this number? News of another plan says nothing about it."""
        return (self.plan.epoch, self.plan.seq) == (epoch, seq)

    def abort(self) -> None:
        """Nothing of it was sent. That is an ending of both orders: a RESOLVE that was asked before must
        not give them what a later plan trades.
        """
        self.aborted = True
        for order in self.orders:
            order.ended = True

    @property
    def asked(self) -> list[OurOrder]:
        """The orders that have an amount: one of both may have nothing to do."""
        return [order for order in self.orders if order.order.amount]

    @property
    def rests(self) -> bool:
        """Is it a quote that was answered for, or that nobody will answer for, and has its order no ending?
        Then the plan is over, and its order is working.
        """
        answered = any(order.answered for order in self.asked)
        return self.plan.quote is not None and not self.ended and (answered or self.overtaken)

    @property
    def ended(self) -> bool:
        """Has it been aborted, or has every order an ending?"""
        return self.aborted or all(order.ended for order in self.orders)

    @property
    def in_doubt(self) -> list[OurOrder]:
        """Orders that may be on the wire, have no ending, and trade at their arrival or never."""
        away = (self.placed or self.uncertain) and self.plan.quote is None
        return [order for order in self.orders if not order.ended] if away else []

    @property
    def refusals(self) -> int:
        """How many orders were refused or not sent; all of them when it was aborted."""
        return sum(self.aborted or order.answer in {"refused", "none"} for order in self.asked)

    @property
    def whole(self) -> int:
        """How many orders were filled in full, to the last lot."""
        return sum(order.total.filled == order.order.amount for order in self.asked)

    @property
    def led(self) -> bool:
        """Did it close one leg alone, and all that it wanted of it?"""
        return (
            self.plan.purpose in {"exit", "flatten"}
            and not self.aborted
            and len(self.asked) == 1 == self.whole
        )

    @property
    def trimmed(self) -> bool:
        """Was it a repair that took from what is held, and took all it wanted? Then what is left is the
        pair.
        """
        takes = any(order.order.reduce_only for order in self.asked)
        return self.plan.purpose == "repair" and takes and self.whole == len(self.asked)

    @property
    def last_trade_ns(self) -> int:
        """Venue time of its last trade; 0 without one."""
        return max((move.at_ns for order in self.orders for move in order.moves()), default=0)

    def closed(self) -> PlanClosed:
        """The message that says how it ended, with what each leg filled."""
        eth, sol = (order.leg_fill(aborted=self.aborted) for order in self.orders)
        return PlanClosed(self.plan.epoch, self.plan.seq, self.aborted, eth, sol)
