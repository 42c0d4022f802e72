"""One invocation in numbers: counts and sums that begin again with every process. What is held does not
live here.
"""

from typing import Literal

import msgspec

from actors.ledger.cycles import Cycle
from actors.ledger.orders import OurOrder
from messages.lifecycle import Legging, Totals
from messages.money import Statement
from messages.sizing import LegOrder
from messages.units import ONE, Bps, Quote

Ending = Literal["completed", "skipped", "failed"]
KEPT = 4_096
"""How many cycles' imbalances are kept, newest last; a run without end must not grow without end (lesson
R16). The worst of all is never dropped.
"""


GRAIN = 10**9
"""Marks are cut to nine decimals, x18: their product with an amount on the size step is a whole number of
10**-18 USD.
"""


def grained(price: int) -> int:
    """A mark: the price, cut to nine decimals."""
    return int(price) // GRAIN * GRAIN


def worth(amount: int, mark: int) -> int:
    """USD x18; exact for a mark and an amount on the size step."""
    return amount * mark // ONE


def reference(order: LegOrder) -> int:
    """The mark that an order's costs are counted from: the mid at the decision; without one what was
    planned, or the limit.
    """
    return grained(order.mid or order.vwap or order.limit)


class OrderTotals(msgspec.Struct, frozen=True):
    """What one order adds to the sums; taken before and after an event, so that late news corrects and
    never adds twice.
    """

    filled: int = 0
    fees: int = 0
    spread: int = 0
    traded: int = 0
    cash: int = 0
    sent: int = 0
    closed: int = 0
    at_mid: int = 0
    """What was filled, signed, at the mid of the decision."""
    at_plan: int = 0
    """The same at the average price that was planned."""

    @classmethod
    def of(cls, order: OurOrder) -> "OrderTotals":
        """The order's part of every sum by what is known of it now, amounts and dollars x18."""
        total, mid = order.total, reference(order.order)
        planned = grained(order.order.vwap) or mid
        return cls(
            total.filled,
            total.fee,
            order.spread,
            total.quote,
            total.cash,
            int(order.sent),
            int(order.sent and order.ended),
            worth(total.filled, mid),
            worth(total.filled, planned),
        )


def _keep(kept: list[Bps], value: Bps) -> None:
    """Append; of the two oldest the better one makes room, so that the worst of all cycles stays known."""
    kept.append(value)
    if len(kept) > KEPT:
        del kept[kept[0] > kept[1]]


class Tally(msgspec.Struct):
    """Counts and sums since the row `Started`; USD x18."""

    completed: int = 0
    skipped: int = 0
    failed: int = 0
    legs_ordered: int = 0
    legs_filled_first: int = 0
    orders_sent: int = 0
    orders_closed: int = 0
    restarts: int = 0
    fees: int = 0
    spread: int = 0
    traded: int = 0
    cash: int = 0
    filled_imbalances: list[Bps] = msgspec.field(default_factory=list)
    exit_imbalances: list[Bps] = msgspec.field(default_factory=list)
    entered: int = 0
    together: int = 0
    """Cycles that have ended: those that opened something, and those of them that were entered and exited
    together.
    """
    adopted: int = 0
    """Cycles of an earlier invocation, or that a person booked, that ended in this one."""
    unhedged_worst: int = 0
    longest: Legging = Legging()
    """Of the cycle that was unhedged for most USD x seconds."""
    halted: str = ""
    exits: dict[str, int] = msgspec.field(default_factory=dict)
    """Exits that were placed, by the rule of each."""

    def left(self, rule: str) -> None:
        """An exit was placed, by this rule; one of a ledger from before rules had names has none."""
        if rule:
            self.exits[rule] = self.exits.get(rule, 0) + 1

    def add(self, before: OrderTotals, after: OrderTotals) -> None:
        """Put an order's totals of now in the place of those `before` an event."""
        self.fees += after.fees - before.fees
        self.spread += after.spread - before.spread
        self.traded += after.traded - before.traded
        self.cash += after.cash - before.cash
        self.orders_sent += after.sent - before.sent
        self.orders_closed += after.closed - before.closed

    def cycle_ended(self, ending: Ending, cycle: Cycle) -> None:
        """Count an ending, and keep the numbers of a cycle that traded. One that was adopted is not this
        invocation's but for having ended in it.
        """
        if cycle.adopted:
            self.adopted += 1
            return
        setattr(self, ending, getattr(self, ending) + 1)
        self.entered += cycle.entered
        self.together += cycle.together
        for imbalances, value in (
            (self.filled_imbalances, cycle.filled_imbalance),
            (self.exit_imbalances, cycle.exit_imbalance),
        ):
            if value is not None:
                _keep(imbalances, value)
        self.unhedged_worst, self.longest = self._unhedged(cycle)

    def _unhedged(self, cycle: Cycle) -> tuple[int, Legging]:
        if cycle.adopted:
            return self.unhedged_worst, self.longest
        legging = cycle.legging
        return max(self.unhedged_worst, legging.worst), max(
            self.longest, legging, key=lambda each: each.usd_s
        )

    def totals(self, rows: int, cycle: Cycle, money: Statement, *, current: bool) -> Totals:
        """The numbers now. `cycle` = the one under way; `current`: the account was read after everything
        we did.
        """
        worst, longest = self._unhedged(cycle)
        own = not (cycle.adopted or cycle.over)
        return Totals(
            cycles=self.completed + self.skipped + self.failed,
            completed=self.completed,
            skipped=self.skipped,
            failed=self.failed,
            legs_ordered=self.legs_ordered,
            legs_filled_first=self.legs_filled_first,
            orders_sent=self.orders_sent,
            orders_closed=self.orders_closed,
            restarts=self.restarts,
            rows=rows,
            filled_imbalances=tuple(self.filled_imbalances),
            exit_imbalances=tuple(self.exit_imbalances),
            fees=Quote(self.fees),
            spread=Quote(self.spread),
            traded=Quote(self.traded),
            pnl=money.net if current else None,
            funding=None if money.state == "unread" else money.funding,
            unhedged_worst=Quote(worst),
            unhedged_usd_s=longest.usd_s,
            halted=self.halted,
            entered=self.entered + (own and cycle.entered),
            together=self.together,
            unfinished=int(own and cycle.sent),
            adopted=self.adopted,
            longest=longest,
            exits=tuple(sorted(self.exits.items(), key=lambda each: (-each[1], each[0]))),
            money=money,
        )
