"""One order of ours, as its own events tell it. Any of them may come late, twice or out of order.

    how an order ends                                   what it then did
    -------------------------------------------------   --------------------------------------------
    its amount is 0                                      nothing; there never was an order
    Outcome refused or none, and no fill is known        nothing
    its fills add up to all of it                        its fills
    cancelled, and its fills add up to what had traded   its fills (an update must say how much that was)
    Resolved                                             what RESOLVE says, in place of the fills

An acknowledgement ends nothing (lesson O1), neither does silence (O2), and neither does a cancellation alone, whatever the order's kind (O7). A fill
is a fact: it counts whenever it comes, except for an order that RESOLVE has answered for, because then it is already in the answer (O4).
(order digest, remaining) identifies a fill (O5).
"""

from typing import Literal

import msgspec

from messages.execution import Doubt, Fill, LegFill, OrderUpdate, Outcome, Resolved
from messages.sizing import Leg, LegOrder, SizingPlan
from messages.units import ONE, Base, Price, Quote, notional
from venue.closing import LASTING


class Sums(msgspec.Struct, frozen=True):
    """Amount (signed), notional (unsigned, before fees) and fee (> 0 = paid) of some fills."""

    filled: int = 0
    quote: int = 0
    fee: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.filled + other.filled, self.quote + other.quote, self.fee + other.fee)

    @property
    def vwap(self) -> Price:
        """Average price; 0 when nothing was filled."""
        return Price(self.quote * ONE // abs(self.filled) if self.filled else 0)

    @property
    def cash(self) -> int:
        """What the trades brought in before fees: > 0 for a sale."""
        return -self.quote if self.filled > 0 else self.quote


NOTHING = Sums()
TOO_SMALL = 2094
"""The venue: an order below the minimum notional."""


class Move(msgspec.Struct, frozen=True):
    """A piece of an order, at the venue's time."""

    at_ns: int
    leg: Leg
    amount: int
    price: int


class OurOrder(msgspec.Struct, eq=False):
    """One leg's order of one plan."""

    leg: Leg
    plan: SizingPlan
    digest: str
    before: int
    """What was held in this product when the plan was sealed."""
    pieces: dict[int, Fill] = msgspec.field(default_factory=dict)
    """By what was left after it."""
    left: int | None = None
    """The least that an update has named as left after a fill."""
    cancelled: bool = False
    outcome: Outcome | None = None
    resolved: Resolved | None = None
    resolved_at_ns: int = 0
    ended: bool = False

    def __post_init__(self) -> None:
        self.ended = self.ended or self.order.amount == 0

    @property
    def order(self) -> LegOrder:
        """What the plan says."""
        return self.plan.leg(self.leg)

    @property
    def answer(self) -> Literal["accepted", "refused", "unknown", "none"]:
        """What the leg has heard; `unknown` while it has heard nothing, unless the order traded; `none` where there is nothing to send."""
        if self.order.amount == 0:
            return "none"
        if self.outcome is not None and self.outcome.kind != "unknown":
            return self.outcome.kind
        return "accepted" if self.total.filled else "unknown"

    @property
    def refused_as_too_small(self) -> bool:
        """Was it a close that the venue refused as smaller than its minimum?"""
        return self.order.reduce_only and self.answer == "refused" and self.outcome is not None and self.outcome.code == TOO_SMALL

    @property
    def refused_for_good(self) -> bool:
        """Was it a close that the venue refused for a reason that does not pass by itself?"""
        said = self.outcome is not None and self.outcome.kind in {"refused", "unknown"} and self.outcome.code in LASTING
        return self.order.reduce_only and self.order.amount != 0 and said and not self.total.filled

    @property
    def sent(self) -> bool:
        """Is it certain that bytes of this order left?"""
        answered = self.outcome is not None and self.outcome.kind != "none" and self.order.amount != 0
        return answered or bool(self.pieces) or (self.resolved is not None and self.resolved.filled != 0)

    @property
    def doubted(self) -> bool:
        """Did RESOLVE have to find out, or must it still?"""
        silent = self.outcome is None or self.outcome.kind == "unknown"
        return self.order.amount != 0 and (self.resolved is not None or (silent and not self.ended))

    # -- what happened to it ---------------------------------------------------------------------------------------------------------------------

    def take_outcome(self, outcome: Outcome) -> None:
        """The leg's answer. The first definite one stands."""
        if self.outcome is None or self.outcome.kind == "unknown":
            self.outcome = outcome
        self._judge()

    def take_fill(self, fill: Fill) -> None:
        """A piece traded; a duplicate changes nothing."""
        self.pieces.setdefault(int(fill.remaining), fill)
        self._judge()

    def take_update(self, update: OrderUpdate) -> None:
        """Remaining 0 alone says nothing: the reason does."""
        if update.reason == "filled":
            self.left = int(update.remaining) if self.left is None else min(self.left, int(update.remaining))
        self.cancelled = self.cancelled or update.reason == "cancelled"
        self._judge()

    def take_resolved(self, answer: Resolved, at_ns: int) -> None:
        """RESOLVE's word on the whole order.

        It replaces what was pieced together and never adds to it. It does not touch an ending that fills or a refusal have proven (it may have been
        asked before, and the position it was derived from may since have moved), and an absence never takes back a presence.
        """
        provisional_stands = self.resolved is not None and self.resolved.provisional
        if (self.ended and not provisional_stands) or not self._can_be(answer):
            return
        if provisional_stands and (answer.provisional or answer.filled == 0):
            return
        if abs(answer.filled) >= abs(self._pieced().filled):
            self.resolved, self.resolved_at_ns = answer, at_ns
            self.ended = True
        else:
            self.ended = not answer.provisional

    def _can_be(self, answer: Resolved) -> bool:
        """Is the answer a possible total of this order: its sign, and no more than it asked for?"""
        return answer.filled == 0 or ((answer.filled > 0) == (self.order.amount > 0) and abs(answer.filled) <= abs(self.order.amount))

    def _judge(self) -> None:
        traded = abs(self._pieced().filled)
        whole = abs(self.order.amount)
        never = self.answer in {"refused", "none"} and not self.pieces
        all_told = self.cancelled and self.left is not None and traded == whole - self.left
        self.ended = self.ended or never or traded == whole or all_told

    # -- what it comes to ------------------------------------------------------------------------------------------------------------------------

    @property
    def total(self) -> Sums:
        """What this order has done, as well as it is known."""
        if self._answered_for and self.resolved is not None:
            return Sums(int(self.resolved.filled), int(self.resolved.quote), int(self.resolved.fee))
        return self._pieced()

    @property
    def provisional(self) -> bool:
        """Are price and fee still RESOLVE's estimate, because neither the fills nor the archive's word have been heard?"""
        return self._answered_for and self.resolved is not None and self.resolved.provisional

    @property
    def _answered_for(self) -> bool:
        """Does RESOLVE's word stand? A provisional one gives way to fills that complete it exactly: their prices and fees are the real ones."""
        if self.resolved is None:
            return False
        return not (self.resolved.provisional and self.pieces and self._pieced().filled == self.resolved.filled)

    def _pieced(self) -> Sums:
        total = NOTHING
        for fill in self.pieces.values():
            total += Sums(int(fill.amount), int(notional(fill.price, fill.amount)), int(fill.fee))
        return total

    def moves(self) -> list[Move]:
        """Its trades by the venue's clock; one at the time of the answer where only RESOLVE knows them."""
        if self._answered_for:
            total = self.total
            return [Move(self.resolved_at_ns, self.leg, total.filled, int(total.vwap))] if total.filled else []
        return [Move(int(fill.at_ns), self.leg, int(fill.amount), int(fill.price)) for fill in self.pieces.values()]

    @property
    def source(self) -> str:
        """Where its numbers come from: its fills, or what RESOLVE went by."""
        return self.resolved.source if self._answered_for and self.resolved is not None else "fills"

    @property
    def spread(self) -> int:
        """USD paid against the mid at the decision, x18; < 0 = better than the mid."""
        total, mid = self.total, self.order.mid
        if not total.filled or not mid:
            return 0
        against = total.quote - int(notional(mid, total.filled))
        return against if total.filled > 0 else -against

    def doubt(self) -> Doubt:
        """What RESOLVE needs to know of it."""
        order, plan = self.order, self.plan
        return Doubt(
            self.leg, plan.epoch, plan.seq, self.digest, order.product_id, order.amount, order.limit, plan.recv_time_ms, before=Base(self.before)
        )

    def leg_fill(self, *, aborted: bool) -> LegFill:
        """Its line in PlanClosed; an aborted plan has sent nothing."""
        total = self.total
        code = self.outcome.code if self.outcome else None
        ordered, filled = self.order.amount, Base(total.filled)
        answer = "none" if aborted else self.answer
        return LegFill(self.order.product_id, self.digest, ordered, filled, total.vwap, Quote(total.fee), answer, code)
