"""One order of ours, as its own events tell it. Any of them may come late, twice or out of order.

    how an order ends                                   what it then did
    -------------------------------------------------   --------------------------------------------
    its amount is 0                                      nothing; there never was an order
    Outcome refused or none, and no fill is known        nothing
    its fills add up to all of it                        its fills
    cancelled, and its fills add up to what had traded   its fills (an update must say how much that was)
    Resolved                                             what RESOLVE says, in place of the fills

An order that rests (`plan.quote`) ends in fewer ways (decision 046): it is refused, its fills add up to all
of it, the answer to its cancellation names what had not traded and its fills come to the rest, or RESOLVE has
looked after it could trade last. That it was cancelled, or is gone, only says that RESOLVE has to look.

An acknowledgement ends nothing (lesson O1), neither does silence (O2), and neither does a cancellation alone,
whatever the order's kind (O7). A fill is a fact: it counts whenever it comes, except for an order that
RESOLVE has answered for, because then it is already in the answer (O4). (order digest, remaining) identifies
a fill (O5).

Facts are what fits the order that was signed (`venue/order_consistency.py`). What does not fit makes the
order `suspect`: it is not counted, and it takes the archive's answer to clear that. Of two answers the
larger one stands: a presence replaces an absence and never the other way round.

An ending says that nothing more is waited for, not that all is known: the stream may tell a cancellation
before the last piece, and a piece may die with the ledger that had it in hand. Until all of an order has
traded or the archive has named its total, it may lack something (`lacks`), and the archive's record of its
digest, if larger, still replaces what is booked.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Literal

import msgspec

from messages.execution import CancelAnswer, Doubt, Fill, LegFill, OrderUpdate, Outcome, Resolved
from messages.sizing import Leg, LegOrder, SizingPlan
from messages.units import ONE, Base, Ms, Price, Quote, notional
from venue.closing import LASTING
from venue.order_consistency import (
    Charges,
    Mismatch,
    SignedTerms,
    answer_mismatch,
    exact_fee,
    fill_mismatch,
    nearly_equal,
    usual_fee,
)

Shrunk = msgspec.Raw
"""An order as bytes (`remembered_orders.py`, imported when one is met: most processes never do)."""


class Sums(msgspec.Struct, frozen=True):
    """Amount (signed), notional (unsigned, before fees) and fee (> 0 = paid) of some fills."""

    filled: int = 0
    quote: int = 0
    fee: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.filled + other.filled, self.quote + other.quote, self.fee + other.fee)

    @property
    def vwap(self) -> Price:
        """Average price of the fills, before fees, x18; 0 when nothing was filled."""
        return Price(self.quote * ONE // abs(self.filled) if self.filled else 0)

    @property
    def cash(self) -> int:
        """What the trades brought in before fees: > 0 for a sale."""
        return -self.quote if self.filled > 0 else self.quote


NOTHING = Sums()
TOO_SMALL = 2094
"""The venue: an order below the minimum notional."""
LATE = "engine position, late"
"""Source of an answer that the ledger itself draws from a reading, by what it holds at that moment."""
ASIDE = 16
"""How many fills that do not fit are kept of one order."""


class OrderPiece(msgspec.Struct, frozen=True):
    """A piece of an order, at the venue's time."""

    at_ns: int
    leg: Leg
    amount: int
    price: int


class OurOrder(msgspec.Struct, eq=False, dict=True):
    """One leg's order of one plan. `dict` is for what its pieces add up to, which is asked for at every look
    at what is held, and is no part of it.
    """

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
    v_quote: int | None = None
    """The product's `v_quote` at the venue when the plan was sealed; None when nobody knew."""
    suspect: str = ""
    """What was said of it that does not fit, in words; "" again once the archive has confirmed its
    numbers.
    """
    confirmed: bool = False
    """Has the archive named what it comes to?"""
    unsure: bool = False
    """Has it an ending by fills whose fees are not what the account's own rate comes to? The archive's
    numbers then replace theirs.
    """
    fees: dict[int, Quote] = msgspec.field(default_factory=dict)
    """By what was left after a piece: the fee that is booked in place of one that does not fit."""
    aside: list[Fill] = msgspec.field(default_factory=list)
    """Fills whose price or time does not fit: they count if the archive says the same."""
    seen: bool = False
    """Of an order that rests: has the account's stream told that it arrived?"""
    cancel_asked_ms: int = 0
    """Venue time at which its cancellation was last sent."""
    unfilled: int | None = None
    """What of it (unsigned) had not traded when it was cancelled, as the answer to that named it."""
    gone_ms: int = 0
    """Venue time at which the venue said that it does not rest, of an order that it had taken: it cannot
    trade later. 0: it never said so.
    """
    missed: bool = False
    """Did the venue say that it does not rest while nobody knew that it had arrived? It may still arrive."""

    def __post_init__(self) -> None:
        self.ended = self.ended or self.order.amount == 0

    @property
    def order(self) -> LegOrder:
        """What the plan asks of this leg; its amount is 0 where there is nothing to do."""
        return self.plan.leg(self.leg)

    @property
    def opens(self) -> bool:
        """Does it open the pair, or complete it? An order that rests is never reduce-only (2067): its terms
        say so.
        """
        quote = self.plan.quote
        return self.order.increases and (quote is None or quote.opens)

    @property
    def rests(self) -> bool:
        """Is it an order that rests until it is filled, cancelled or expires?"""
        return self.plan.quote is not None and self.order.amount != 0

    @property
    def answered(self) -> bool:
        """Has its leg answered for it, or has a piece of it traded?"""
        answered = self.outcome is not None and self.outcome.kind in {"accepted", "unknown"}
        return answered or self.total.filled != 0

    @property
    def acknowledged(self) -> bool:
        """Has the venue said that it took it, or has a piece of it traded?"""
        return self.answer == "accepted" or self.seen or self.left is not None or self.cancelled

    @property
    def resolving(self) -> bool:
        """Of an order that rested: is it known that it does not rest, and not what it did?"""
        lost = self.gone_ms or self.cancelled or (self.missed and not self.acknowledged)
        return self.rests and not self.ended and bool(lost)

    @property
    def last_trade_ms(self) -> int:
        """Venue time after which it cannot trade any more."""
        return self.gone_ms or int(self.plan.last_trade_ms)

    @property
    def answer(self) -> Literal["accepted", "refused", "unknown", "none"]:
        """What the leg has heard; `unknown` while it has heard nothing, unless the order traded; `none`
        where there is nothing to send.
        """
        if self.order.amount == 0:
            return "none"
        if self.outcome is not None and self.outcome.kind != "unknown":
            return self.outcome.kind
        return "accepted" if self.total.filled else "unknown"

    @property
    def refused_as_too_small(self) -> bool:
        """Was it a close that the venue refused as smaller than its minimum?"""
        return (
            self.order.reduce_only
            and self.answer == "refused"
            and self.outcome is not None
            and self.outcome.code == TOO_SMALL
        )

    @property
    def refused_for_good(self) -> bool:
        """Was it a close that the venue refused for a reason that does not pass by itself?"""
        said = (
            self.outcome is not None
            and self.outcome.kind in {"refused", "unknown"}
            and self.outcome.code in LASTING
        )
        return self.order.reduce_only and self.order.amount != 0 and said and not self.total.filled

    @property
    def sent(self) -> bool:
        """Is it certain that bytes of this order left?"""
        answered = self.outcome is not None and self.outcome.kind != "none" and self.order.amount != 0
        told = bool(self.pieces) or (self.resolved is not None and self.resolved.filled != 0)
        return answered or told or (self.rests and self.acknowledged)

    @property
    def doubted(self) -> bool:
        """Did RESOLVE have to find out, or must it still?"""
        silent = self.outcome is None or self.outcome.kind == "unknown"
        return self.order.amount != 0 and (
            self.resolved is not None or bool(self.suspect) or (silent and not self.ended)
        )

    def terms(self, charges: Charges | None = None) -> SignedTerms:
        """What was signed, and how the account is charged."""
        return SignedTerms.of_plan(self.plan, self.leg, charges)

    @property
    def by_position(self) -> bool:
        """Is what it did known from readings of the account alone?"""
        return (
            self._answered_for
            and self.resolved is not None
            and (self.resolved.by_absence or self.resolved.provisional)
        )

    @property
    def absent(self) -> bool:
        """Is all that is known of it that positions did not show it?"""
        return self.resolved is not None and self.resolved.by_absence and not self.total.filled

    @property
    def lacks(self) -> int:
        """How much of it (unsigned) may have traded without being booked: what is missing of it, unless
        nothing was sent or the archive has named its total.
        """
        if self.confirmed or self.answer == "none":
            return 0
        return max(0, abs(self.order.amount) - abs(self.total.filled))

    @property
    def traded_more(self) -> bool:
        """Has it an ending, and did an update say that more of it has traded than is booked?"""
        told = 0 if self.left is None else abs(self.order.amount) - self.left
        return self.ended and bool(self.lacks) and told > abs(self.total.filled)

    # -- what happened to it ---------------------------------------------------------------------------------

    def take_outcome(self, outcome: Outcome) -> None:
        """The leg's answer. The first definite one stands."""
        if self.outcome is None or self.outcome.kind == "unknown":
            self.outcome = outcome
        self._judge()

    def misfit(self, fill: Fill, charges: Charges | None = None) -> Mismatch | None:
        """What about a fill with this order's digest does not fit it and what is known of it; None = nothing.

        A piece whose fee did not fit may be told again with another.
        """
        known = (
            piece
            for left, piece in self.pieces.items()
            if left not in self.fees
            or (piece.remaining, piece.amount, piece.product_id)
            != (fill.remaining, fill.amount, fill.product_id)
            or not nearly_equal(piece.price, fill.price)
        )
        return fill_mismatch(self.terms(charges), known, fill)

    def suspected(self, why: str, fill: Fill | None = None) -> None:
        """Something was said of it that does not fit. `fill`: it fits but for its price or time."""
        self.suspect = self.suspect or why
        if fill is not None and len(self.aside) < ASIDE:
            self.aside.append(fill)

    def take_fill(self, fill: Fill) -> None:
        """A piece traded; a duplicate changes nothing, unless it has a fee that fits where the first had
        none.
        """
        left = int(fill.remaining)
        if self.fees.pop(left, None) is not None:
            self.pieces[left] = fill
        self.pieces.setdefault(left, fill)
        self._count_again()
        self._judge()

    def take_fill_without_fee(self, fill: Fill, charges: Charges | None, why: str) -> None:
        """A piece traded, and its fee is none that can be: all else counts, with the usual fee until the
        archive has named the true one.
        """
        left, before = int(fill.remaining), abs(self.order.amount) - fill.remaining - abs(fill.amount)
        if left not in self.pieces:
            self.fees[left] = usual_fee(
                self.terms(charges), int(notional(fill.price, fill.amount)), first=not before
            )
            self.pieces[left] = fill
        self._count_again()
        self.suspected(why)
        self._judge()

    def judge_fee(self, charges: Charges | None) -> None:
        """Are the fees of its fills what the account's own rate comes to? Where they are not, the archive
        is asked.
        """
        total = self._pieced
        by_fills = self.ended and bool(total.filled) and not self._answered_for and not self.confirmed
        self.unsure = by_fills and not exact_fee(self.terms(charges), total.quote, total.fee)

    def take_update(self, update: OrderUpdate) -> None:
        """Remaining 0 alone says nothing: the reason does."""
        self.seen = self.seen or self.rests
        if update.reason == "filled":
            self.left = int(update.remaining) if self.left is None else min(self.left, int(update.remaining))
        self.cancelled = self.cancelled or update.reason == "cancelled"
        self._judge()

    def take_cancel(self, answer: CancelAnswer) -> None:
        """What the venue said to its cancellation. Its `unfilled` fits the order and its fills."""
        if answer.unfilled is not None:
            self.seen = True
            self.unfilled = int(answer.unfilled) if self.unfilled is None else self.unfilled
        elif answer.gone and not self.acknowledged:
            self.missed = True
        if self.acknowledged and (answer.gone or answer.unfilled is not None):
            self.gone_ms = self.gone_ms or int(answer.at_ms)
        self._judge()

    def take_resolved(self, answer: Resolved, at_ns: int) -> None:
        """RESOLVE's word on the whole order.

        It replaces what was pieced together and never adds to it. What a position says does not touch an
        ending (it may have been asked before, and the position may since have moved); the archive's record of
        the digest does, as far as it names more. An absence never takes back a presence.
        """
        asked = self.order.amount
        may_trade = self.rests and not self.ended and at_ns // 1_000_000 <= self.last_trade_ms
        if may_trade and abs(answer.filled) < abs(asked):
            return
        if answer.filled and ((answer.filled > 0) != (asked > 0) or abs(answer.filled) > abs(asked)):
            return  # no possible total of this order
        of_record = answer.filled != 0 and not answer.provisional
        more = of_record and abs(answer.filled) > abs(self.total.filled)
        self.confirmed = self.confirmed or (of_record and abs(answer.filled) >= abs(self._pieced.filled))
        estimated = self.resolved is not None and self.resolved.provisional
        corrected = (
            of_record and self.unsure and answer.filled == self.total.filled and not self._heard_as(answer)
        )
        if self.ended and not (estimated or self.suspect or self.absent or more or corrected):
            return
        if self.ended and (
            answer.filled == 0 or (answer.provisional and not (self.absent and answer.source == LATE))
        ):
            return  # RESOLVE may have been asked before a later plan moved the position
        outweighs = abs(answer.filled) >= abs(self._pieced.filled)
        if outweighs or (self.suspect and answer.filled and not self.ended):
            self.resolved, self.resolved_at_ns = answer, at_ns
            self.ended = True
            self.suspect = self.suspect if answer.provisional or not answer.filled else ""
        else:
            self.ended = self.ended or not answer.provisional

    def confirmed_by(self, answer: Resolved, charges: Charges | None = None) -> Resolved:
        """An archive's record as it may be booked: where its price or fee does not fit, they are an
        estimate, unless a fill has said the same.
        """
        terms = self.terms(charges)
        if answer.provisional and not answer.fee:  # a position says nothing of fees; one there is
            return msgspec.structs.replace(
                answer, fee=usual_fee(terms, answer.quote) if answer.filled else Quote(0)
            )
        misfit = answer_mismatch(terms, answer)
        if misfit is None or not misfit.of_money or answer.provisional or self._heard_as(answer):
            return answer
        quote = answer.quote if misfit.name == "fee" else notional(self.order.limit, answer.filled)
        return msgspec.structs.replace(answer, quote=quote, fee=usual_fee(terms, quote), provisional=True)

    def _heard_as(self, answer: Resolved) -> bool:
        """Do the fills that were heard, those put aside included, come to the same as the answer?"""
        heard = self._sum([*self.pieces.values(), *self.aside])
        return (
            heard.filled == answer.filled
            and nearly_equal(heard.quote, answer.quote)
            and nearly_equal(heard.fee + ONE, answer.fee + ONE)
        )

    def _judge(self) -> None:
        traded = abs(self._pieced.filled)
        whole = abs(self.order.amount)
        never = self.answer in {"refused", "none"} and not self.pieces
        left = self.unfilled if self.rests else self.left if self.cancelled else None
        all_told = left is not None and traded == whole - left
        self.ended = self.ended or never or traded == whole or all_told

    # -- what it comes to ------------------------------------------------------------------------------------

    @property
    def total(self) -> Sums:
        """What this order has done, as well as it is known."""
        if self._answered_for and self.resolved is not None:
            return Sums(int(self.resolved.filled), int(self.resolved.quote), int(self.resolved.fee))
        return self._pieced

    @property
    def provisional(self) -> bool:
        """Are price and fee an estimate, because neither fills that fit nor the archive's answer have
        arrived?
        """
        return self._answered_for and self.resolved is not None and self.resolved.provisional

    @property
    def _answered_for(self) -> bool:
        """Does RESOLVE's word stand? A provisional one gives way to fills that complete it exactly: their
        prices and fees are the real ones.

        Any gives way to fills that come to more: it was said when less was known.
        """
        if self.resolved is None:
            return False
        pieced = abs(self._pieced.filled)
        if pieced > abs(self.resolved.filled):
            return False
        return not (self.resolved.provisional and self.pieces and pieced == abs(self.resolved.filled))

    def _count_again(self) -> None:
        """Forget the sum of the pieces: one of them, or a fee, has changed."""
        self.__dict__.pop("_pieced", None)

    @cached_property
    def _pieced(self) -> Sums:
        told = self._sum(self.pieces.values())
        return told + Sums(0, 0, sum(fee - self.pieces[left].fee for left, fee in self.fees.items()))

    @staticmethod
    def _sum(fills: Iterable[Fill]) -> Sums:
        total = NOTHING
        for fill in fills:
            total += Sums(int(fill.amount), int(notional(fill.price, fill.amount)), int(fill.fee))
        return total

    def moves(self) -> list[OrderPiece]:
        """Its trades by the venue's clock; one at the time of the answer where only RESOLVE knows them."""
        total = self.total
        if self._answered_for and total.filled != self._pieced.filled:
            return (
                [OrderPiece(self.resolved_at_ns, self.leg, total.filled, int(total.vwap))]
                if total.filled
                else []
            )
        return [
            OrderPiece(int(fill.at_ns), self.leg, int(fill.amount), int(fill.price))
            for fill in self.pieces.values()
        ]

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
        """The question that RESOLVE must answer: which order, how late it may trade, what was held before."""
        order, plan = self.order, self.plan
        until_ms = min(int(plan.recv_time_ms), self.last_trade_ms)
        return Doubt(
            self.leg,
            plan.epoch,
            plan.seq,
            self.digest,
            order.product_id,
            order.amount,
            order.limit,
            Ms(until_ms),
            before=Base(self.before),
            v_quote=None if self.v_quote is None else Quote(self.v_quote),
            rests_until_ms=Ms(self.last_trade_ms if self.rests else 0),
        )

    def leg_fill(self, *, aborted: bool) -> LegFill:
        """Its line in PlanClosed; an aborted plan has sent nothing."""
        total = self.total
        code = self.outcome.code if self.outcome else None
        ordered, filled = self.order.amount, Base(total.filled)
        answer = "none" if aborted else self.answer
        return LegFill(
            self.order.product_id, self.digest, ordered, filled, total.vwap, Quote(total.fee), answer, code
        )
