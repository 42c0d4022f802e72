"""What is held and what happened: a pure fold over the ledger's rows. The same rows give the same answer,
today and after a crash.

    Sealed + Ready(ledger)     an intent: two orders, by digest; in flight from here on
    Place                      both may be on the wire
    Abort                      nothing was sent; the plan is closed
    Outcome, Fill, OrderUpdate, Resolved   tell an order what it did (`orders.py` has the table of endings)
    the last order ends        -> PlanClosed
    a quote is answered for    -> PlanClosed; its order is working (decision 046), until its ending ->
                               QuoteEnded
    CancelAsked, CancelAnswer  what became of the cancellation of a working order
    PairSettled                what is held is the pair from now on
    AccountSnapshot            compares; when it finds both products flat after a pair was entered ->
                               CycleEnded
    Skipped                    -> CycleEnded
    EscapeRound                two orders more, outside of any plan (`strays`): in doubt until each has an
                               ending
    Adopted                    what a person says is ours: the one row besides fills that moves a position
    FoldSnapshot               what all rows before it come to; here it only shrinks orders that ended long
                               ago

Only fills (and RESOLVE's word where fills are missing, and a person's) move a position; nothing ever sets one
(lesson R3). Consequences are written down too, for readers of the ledger; folding them again changes nothing.

What the venue says is counted as far as it fits what was signed (`venue/order_consistency.py`). The rest is
named in `misfit`; its order is suspect, and nothing is entered until the archive has confirmed the
true numbers or the order is known to have done nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Any

import msgspec

from actors.ledger.cycles import Cycle
from actors.ledger.day import Day
from actors.ledger.flight import Flight
from actors.ledger.money import Money
from actors.ledger.orders import LATE, OurOrder, Shrunk
from actors.ledger.quotes import QuoteCheck
from actors.ledger.record import TrackRecord
from actors.ledger.tally import Ending, OrderTotals, Tally
from actors.ledger.view import AccountView, Ours
from messages.execution import (
    AccountSnapshot,
    CancelAnswer,
    CancelAsked,
    Doubt,
    EscapeRound,
    Fill,
    OrderUpdate,
    Outcome,
    PlanClosed,
    PositionChange,
    QuoteEnded,
    Resolved,
)
from messages.lifecycle import (
    AccountStream,
    Adopted,
    Alarm,
    CycleEnded,
    Denial,
    FoldSnapshot,
    GuardActed,
    HaltCleared,
    Halted,
    Held,
    HeldLeg,
    Opened,
    Phase,
    Restarted,
    Started,
    Totals,
    WorkingOrder,
)
from messages.market import RulesRead
from messages.money import MoneyEvent, MoneyRead, Statement
from messages.sizing import (
    LEGS,
    Abort,
    Leg,
    PairSettled,
    Place,
    Purpose,
    Ready,
    Sealed,
    SizingPlan,
    Skipped,
)
from messages.units import ONE, Base, Ms, Price, Quote, Rate, net_exposure, notional
from venue.order_consistency import (
    APART_MS,
    QUIET_MS,
    Charges,
    Mismatch,
    RepeatedReading,
    answer_mismatch,
    reading_mismatch,
    update_mismatch,
)

ASKED_MS = 10_000
"""For so long after the first reading that differs, the archive is asked about our own orders that could
explain the difference; then it is named.
"""
REMEMBERED = 4_096
"""Orders whose late fills are still recognised as ours; two a plan, so thousands of plans back."""
THIRD_PARTY_SEEN = 256
"""Fills of other people's orders that are recognised when they are told twice."""


def _whole(plan: SizingPlan) -> tuple[int, int]:
    """The pair that it enters, signed: what it orders, or by the terms of a quote."""
    quote = plan.quote
    return (int(quote.eth), int(quote.sol)) if quote else (int(plan.eth.amount), int(plan.sol.amount))


def _price(plan: SizingPlan, leg: Leg) -> Price:
    """About what a unit of `leg` costs, as its plan has it: of the leg that hedges a quote only the mid is
    known, or the worst price.
    """
    order = plan.leg(leg)
    return order.vwap or order.mid or (plan.quote.worst if plan.quote is not None else Price(0))


USDT0, MATCHED = 0, "match_orders"
"""The product whose position is the USDT0 balance, and the reason of a position's change that fills tell
too.
"""
Came = CycleEnded | Sequence[CycleEnded | Resolved | Alarm | msgspec.Struct] | None
"""What follows from a row."""


class Fold(msgspec.Struct):
    """The state. `apply` one row after the other; `held` and `totals` at any time."""

    rows: int = 0
    seq: int = 0
    position: dict[Leg, int] = msgspec.field(default_factory=lambda: {"eth": 0, "sol": 0})
    products: dict[Leg, int] = msgspec.field(default_factory=dict)
    flight: Flight | None = None
    last_flight: Flight | None = None
    """The plan that closed last."""
    working: dict[Leg, Flight] = msgspec.field(default_factory=dict)
    """Plans that have closed while their order rested, by the leg that rests: it has no ending yet."""
    strays: list[OurOrder] = msgspec.field(default_factory=list)
    """ESCAPE's orders that have no ending yet."""
    cycle: Cycle = msgspec.field(default_factory=Cycle)
    orders: dict[str, OurOrder | Shrunk] = msgspec.field(default_factory=dict)
    """Ours by digest, the oldest first; `order` makes one whole again that a snapshot has shrunk."""
    unpriced: dict[str, OurOrder] = msgspec.field(default_factory=dict)
    """Those whose price and fee are still an estimate."""
    view: AccountView = msgspec.field(default_factory=AccountView)
    tally: Tally = msgspec.field(default_factory=Tally)
    money: Money = msgspec.field(default_factory=Money)
    day: Day = msgspec.field(default_factory=Day)
    record: TrackRecord = msgspec.field(default_factory=TrackRecord)
    last_change_ms: int = 0
    last_purpose: Purpose | None = None
    last_refusals: int = 0
    started: Started | None = None
    """The last start of a run."""
    latched: tuple[str, str] | None = None
    """Code and detail of a halt that no person has cleared."""
    grounded: bool = False
    """Has it ever known what the venue holds? By an intent of ours, or by a reading of the account that
    agreed with it.
    """
    third_party: dict[Leg, int] = msgspec.field(default_factory=lambda: {"eth": 0, "sol": 0})
    """What fills of orders that are not ours came to, signed."""
    third_seen: list[tuple[str, int]] = msgspec.field(default_factory=list)
    """The newest of them, by order and what was left of it."""
    epoch: int = 0
    """The latest epoch that a row has named."""
    opened: Opened | None = None
    """Row 0: whose ledger it is."""
    misfit: str = ""
    """What the venue said last that does not fit what was signed, or itself; "" = nothing ever."""
    suspects: dict[str, None] = msgspec.field(default_factory=dict)
    """Orders of which something was said that does not fit, by digest, until their numbers are confirmed."""
    absent: dict[str, None] = msgspec.field(default_factory=dict)
    """Orders that only positions say never traded, by digest, while nothing may be entered upon it."""
    lacking: dict[str, None] = msgspec.field(default_factory=dict)
    """Orders that have an ending and may have traded more than is booked, by digest: the archive is asked
    about them until a reading agrees.
    """
    differs_since_ms: int = 0
    """The first reading since when positions differ by what our own orders could explain; 0 = they do not."""
    unsure: dict[str, None] = msgspec.field(default_factory=dict)
    """Orders whose fees are not exactly what the account's own rate comes to, by digest, until the archive
    has confirmed them.
    """
    charges: dict[Leg, Charges] = msgspec.field(default_factory=dict)
    """How the account is charged, by the newest rules; what is not in it is not known."""
    quotes: QuoteCheck = msgspec.field(default_factory=QuoteCheck)
    """What the venue's own account of our trades must say."""
    steps: dict[Leg, int] = msgspec.field(default_factory=dict)
    """Size steps (x18), by the newest rules."""
    unexplained: dict[Leg, None] = msgspec.field(default_factory=dict)
    """Legs of which the venue told a position that our fills, and all that could still trade, do not
    explain.
    """
    flat_twice: RepeatedReading = msgspec.field(default_factory=RepeatedReading)
    """The readings that say flat after a cycle of which an order was ever in doubt."""
    _sealed: Sealed | None = None

    def apply(self, message: msgspec.Struct, at_ns: int) -> list[msgspec.Struct]:
        """Take one row, written at venue time `at_ns`; what follows from it, to be written and sent."""
        self.rows += 1
        self.day.at(at_ns, flat=self.phase == "flat")
        if isinstance(message, Sealed | EscapeRound):
            self.epoch = max(self.epoch, message.plan.epoch)
        elif isinstance(message, Restarted | GuardActed):
            self.epoch = max(self.epoch, message.epoch)
            if self.flight is not None and self.flight.plan.epoch < self.epoch:
                self.flight.overtaken = True
        handler = _HANDLERS.get(type(message))
        came: Came = None
        if handler is not None:
            came = handler(self, message, at_ns)
        elif not self._note(message, at_ns):
            return []
        closed, ended = self._close_plan(at_ns), self._end_quotes(at_ns)
        self.strays = [order for order in self.strays if not order.ended]
        if not self.busy and self.cycle.holds_pair(self._pair):
            self.cycle.was_open = True
        if self.phase == "flat":
            self.day.rests()
        found: list[msgspec.Struct] = [came] if isinstance(came, CycleEnded) else list(came or ())
        return [*([closed] if closed is not None else []), *ended, *found]

    def _note(self, message: msgspec.Struct, at_ns: int) -> bool:
        """Take a row that only sets what it says; False when it says nothing that is folded."""
        match message:
            case Sealed():
                self.seq, self._sealed = message.plan.seq, message
            case MoneyRead():
                self._count_funding(self.money.read(message))
            case AccountStream():
                self.view.stream(message.live, at_ns // 1_000_000)
            case FoldSnapshot():
                self.shrink()
            case Opened():
                self.opened = message
            case RulesRead():
                self.charges = {
                    leg: Charges(
                        int(read.taker_fee),
                        int(read.min_notional),
                        int(read.maker_fee)
                        if read.maker_fee is not None and abs(read.maker_fee) < ONE
                        else None,
                    )
                    for leg, read in zip(LEGS, (message.eth, message.sol), strict=True)
                    if read.taker_fee is not None
                    and read.min_notional is not None
                    and 0 <= read.taker_fee < ONE
                }
                self.steps = {"eth": int(message.eth.size_step), "sol": int(message.sol.size_step)}
            case Restarted():
                self.tally.restarts += 1
                self._events_lost(at_ns)
            case GuardActed():
                pass
            case Halted():
                self.tally.halted = message.code
                self.latched = self.latched or (message.code, message.detail)
            case _:
                return False
        return True

    def reopened(self) -> None:
        """Rows were read back by a new incarnation: what it was about to hear about a sealed plan may be
        lost, so that plan is in doubt, and the order of a quote may rest.
        """
        if self.flight is not None and not (self.flight.placed and self.flight.plan.quote is None):
            self.flight.uncertain = True

    def shrink(self) -> None:
        """Shrink every order that has ended and that nothing points to any more: not the plan under way,
        the last one, the cycle or an open price.
        """
        from actors.ledger.remembered_orders import shrunk  # noqa: PLC0415 - starting is quicker without

        flights = (self.flight, self.last_flight, *self.working.values())
        pointed_at = (
            *chain.from_iterable(flight.orders for flight in flights if flight is not None),
            *self.strays,
            *self.cycle.orders,
            *self.unpriced.values(),
        )
        needed = {id(order) for order in pointed_at}
        for digest, order in self.orders.items():
            if isinstance(order, OurOrder) and order.ended and id(order) not in needed:
                self.orders[digest] = shrunk(order)

    def order(self, digest: str) -> OurOrder | None:
        """The order of ours with this digest, whole; None when it is not ours or too long ago."""
        known = self.orders.get(digest)
        if known is None or isinstance(known, OurOrder):
            return known
        from actors.ledger.remembered_orders import revived  # noqa: PLC0415 - as above

        whole = revived(digest, known)
        self.orders[digest] = whole
        return whole

    @property
    def busy(self) -> bool:
        """Has an order of ours no ending yet, so that nobody may decide anything?"""
        return self.flight is not None or bool(self.strays) or bool(self.working)

    @property
    def calm(self) -> bool:
        """Is nothing under way, awaited or in doubt, so that a reading of the account which says the same
        again decides nothing?
        """
        return (
            not (
                self.busy
                or self.awaiting_proof
                or self.unpriced
                or self.suspects
                or self.absent
                or self.lacking
            )
            and self.view.ok
            and self.view.current
        )

    # -- the life of a plan ----------------------------------------------------------------------------------

    def _on_ready(self, vote: Ready, _at_ns: int) -> None:
        sealed = self._sealed
        if (
            vote.who != "ledger"
            or sealed is None
            or (vote.epoch, vote.seq) != (sealed.plan.epoch, sealed.plan.seq)
        ):
            return
        self._sealed = None
        self.grounded = True
        plan = sealed.plan
        self.products = {"eth": plan.eth.product_id, "sol": plan.sol.product_id}
        eth = OurOrder("eth", plan, vote.eth_order or "", self.position["eth"], v_quote=self._v_quote("eth"))
        sol = OurOrder("sol", plan, vote.sol_order or "", self.position["sol"], v_quote=self._v_quote("sol"))
        self.flight = Flight(sealed, (eth, sol))
        self._remember(eth, sol)
        self.cycle.repairs += plan.purpose == "repair"
        self.cycle.flattens += plan.purpose in {"exit", "flatten"}

    def _v_quote(self, leg: Leg) -> int | None:
        """What the venue's account of this product stands at, if a reading has just agreed with what is
        held.
        """
        snapshot = self.view.snapshot
        if snapshot is None or not self.view.agreed or not self.view.current or leg not in self.products:
            return None
        return int(snapshot.position(self.products[leg]).v_quote)

    def _remember(self, *orders: OurOrder) -> None:
        self.orders.update({order.digest: order for order in orders if order.digest})
        while len(self.orders) > REMEMBERED:
            forgotten = next(iter(self.orders))
            del self.orders[forgotten]
            for known in (self.suspects, self.absent, self.lacking, self.unsure):
                known.pop(forgotten, None)

    def _on_decision(self, decision: Place | Abort, _at_ns: int) -> None:
        flight = self._begun(decision.epoch, decision.seq)
        if flight is None:
            return
        if isinstance(decision, Place):
            self._placed(flight)
        elif not flight.placed:
            flight.abort()

    def _begun(self, epoch: int, seq: int) -> Flight | None:
        """The plan of this number, if it is under way or its order works."""
        begun = (flight for flight in (self.flight, *self.working.values()) if flight is not None)
        return next((flight for flight in begun if flight.is_plan(epoch, seq)), None)

    def _placed(self, flight: Flight) -> None:
        """The plan's orders may be on the wire: by a Place, or because one of them was heard of."""
        if flight.placed:
            return
        flight.placed = True
        self.money.placed(flight.plan, paired=self._paired)
        if flight.plan.enters:
            self._enters(flight)
        elif flight.plan.purpose == "exit":
            self.tally.left(flight.plan.because)
        self.cycle.top_ups += flight.plan.purpose == "top_up"
        self.cycle.restores += flight.plan.purpose == "repair" and self.cycle.flattens > 0
        self.cycle.orders.extend(order for order in flight.orders if order.order.amount)

    def _enters(self, flight: Flight) -> None:
        plan, quote = flight.plan, flight.plan.quote
        if self.cycle.over or self.cycle.number != plan.cycle:
            self.cycle = Cycle(plan.cycle, over=False)
        if quote is None and self._first_to_take(flight):
            self.tally.legs_ordered += len(flight.orders)
        self.cycle.adopted = flight.adopted
        self.cycle.enters += 1
        self.cycle.wanted = _whole(plan)
        if quote is not None and not self.cycle.entered:
            self.cycle.agreed.clear()  # what an earlier quote wanted, untraded, was never a pair
        self.cycle.agree(self.cycle.wanted)
        self.cycle.entered_ms = plan.decided_ms
        self.cycle.hold, self.cycle.pause = plan.hold, plan.pause
        self.cycle.hedge_ratio = int(plan.ratio)
        eth, sol = (
            notional(_price(plan, leg), amount) for leg, amount in zip(LEGS, _whole(plan), strict=True)
        )
        self.cycle.leg = max(int(eth), net_exposure(0, sol, plan.ratio))

    def _close_plan(self, at_ns: int) -> PlanClosed | None:
        flight = self.flight
        if flight is None or not (flight.ended or flight.rests):
            return None
        self.flight, self.last_flight = None, flight
        self.last_change_ms = at_ns // 1_000_000
        self.last_purpose = flight.plan.purpose
        self.last_refusals = flight.refusals
        if flight.aborted:
            return flight.closed()
        if flight.rests:
            self.working[flight.asked[0].leg] = flight
            return flight.closed()
        # both orders have endings: only a snapshot after their last trade knows of them
        self.view.moved(max(self.last_change_ms, flight.last_trade_ns // 1_000_000))
        if flight.plan.purpose == "enter" and self._first_to_take(flight):
            self.tally.legs_filled_first += flight.whole
            self.cycle.filled_first = flight.whole
        self.cycle.judge_sizes(flight.orders)
        repaired = flight.plan.purpose == "repair" and flight.whole == len(flight.asked)
        if flight.trimmed or (repaired and self.cycle.flattens > 0):
            self.cycle.agree(self._pair)
        return flight.closed()

    def _end_quotes(self, at_ns: int) -> list[QuoteEnded]:
        """Orders that worked and have their ending now."""
        found = []
        for leg, flight in [*self.working.items()]:
            if flight.ended:
                del self.working[leg]
                self.last_change_ms = at_ns // 1_000_000
                self.view.moved(max(self.last_change_ms, flight.last_trade_ns // 1_000_000))
                self.cycle.judge_sizes(flight.orders)
                plan, (order,) = flight.plan, flight.asked
                filled = order.leg_fill(aborted=flight.aborted)
                found.append(QuoteEnded(plan.epoch, plan.seq, leg, filled))
        return found

    def _first_to_take(self, flight: Flight) -> bool:
        """Is it the first plan of its cycle whose entering orders do not rest?"""
        return all(order in flight.orders for order in self.cycle.orders if order.plan.purpose == "enter")

    @property
    def _pair(self) -> tuple[int, int]:
        return self.position["eth"], self.position["sol"]

    @property
    def _paired(self) -> bool:
        return self.cycle.holds_pair(self._pair)

    def _on_escape(self, escaping: EscapeRound, _at_ns: int) -> None:
        plan = escaping.plan
        if self.flight is not None:
            self.flight.overtaken = True
        self.products = {"eth": plan.eth.product_id, "sol": plan.sol.product_id}
        for leg, digest in zip(LEGS, (escaping.eth_order, escaping.sol_order), strict=True):
            if digest and digest not in self.orders:
                order = OurOrder(leg, plan, digest, self.position[leg])
                self._remember(order)
                self.strays.append(order)
                self.cycle.orders.append(order)
        self.money.placed(plan, paired=self._paired)

    def _on_adopted(self, adopted: Adopted, at_ns: int) -> None:
        self.products = {"eth": adopted.eth_product, "sol": adopted.sol_product}
        self.quotes = QuoteCheck()
        self.position["eth"] += adopted.eth
        self.position["sol"] += adopted.sol
        self.money.adopted(self.position)
        self.day.strange = True
        self.view.moved(adopted.at_ms)
        self.view.foreign_fill = self.view.disagreement = ""
        self.cycle = Cycle.booked_at(
            self.cycle.number + 1, self._pair, at_ns // 1_000_000, int(adopted.hedge_ratio or ONE)
        )

    # -- what orders did -------------------------------------------------------------------------------------

    def _change(self, order: OurOrder, take: Callable[[], None]) -> None:
        """Let an order take an event, and move position and sums by the difference it made."""
        before = OrderTotals.of(order)
        take()
        order.judge_fee(self.charges.get(order.leg))
        after = OrderTotals.of(order)
        if after.sent:
            for flight in (self.flight, *self.working.values()):
                if flight is not None and order in flight.orders:
                    self._placed(flight)
        self.position[order.leg] += after.filled - before.filled
        self.tally.add(before, after)
        self.money.traded(order.leg, order.order.product_id, order.plan, before, after)
        self.quotes.note(order, before, after)
        kept: tuple[tuple[dict[str, Any], Any, bool], ...] = (
            (self.unpriced, order, order.provisional),
            (self.suspects, None, bool(order.suspect)),
            (self.absent, None, order.absent),
            (self.unsure, None, order.unsure),
        )
        for known, value, is_so in kept:
            if is_so:
                known[order.digest] = value
            else:
                known.pop(order.digest, None)
        if order.traded_more:
            self.lacking[order.digest] = None
        elif not order.lacks:
            self.lacking.pop(order.digest, None)
        self.day.traded(after.cash - before.cash, after.fees - before.fees)

    def _on_outcome(self, outcome: Outcome, _at_ns: int) -> None:
        stray = next((order for order in self.strays if order.digest == outcome.order_digest), None)
        if stray is not None:
            self._change(stray, partial(stray.take_outcome, outcome))
            return
        begun, last = self._begun(outcome.epoch, outcome.seq), self.last_flight
        flight = last if begun is None and last and last.is_plan(outcome.epoch, outcome.seq) else begun
        if flight is None or flight.aborted:
            return
        self._placed(flight)
        order = flight.orders[LEGS.index(outcome.leg)]
        self._change(order, partial(order.take_outcome, outcome))

    def _on_fill(self, fill: Fill, at_ns: int) -> None:
        order = self.order(fill.order_digest)
        if order is None:
            what = (
                f"{fill.amount.text()} of product {fill.product_id} at {fill.price.text()}, order"
                f" {fill.order_digest}"
            )
            self.view.foreign_fill = f"a fill of an order that is not ours: {what}"
            self._count_third_party(fill)
            return
        charges = self.charges.get(order.leg)
        misfit = order.misfit(fill, charges)
        if misfit is None:
            self._change(order, partial(order.take_fill, fill))
        elif misfit.name == "fee":
            self._change(
                order,
                partial(order.take_fill_without_fee, fill, charges, self._name(order, misfit, "a fill")),
            )
        else:
            why = self._name(order, misfit, "a fill")
            self._change(order, partial(order.suspected, why, fill if misfit.of_money else None))
            # it may be the first word of what we believe did nothing
            if order.ended and not order.total.filled:
                self._quiet(at_ns)

    def _name(self, order: OurOrder, misfit: Mismatch, what: str) -> str:
        """Put what does not fit into words, for a person."""
        self.misfit = (
            f"{what} of {order.leg.upper()} order {order.digest[:10]} does not fit it ({misfit.name}):"
            f" {misfit.words}"
        )
        return self.misfit

    def _count_third_party(self, fill: Fill) -> None:
        """Once each: what somebody else traded explains a position, and a duplicate would explain one that
        is not there.
        """
        identity = (fill.order_digest, int(fill.remaining))
        if identity in self.third_seen:
            return
        if not fill.isolated:
            self.money.third_party(fill)
        self.third_seen = [*self.third_seen[1 - THIRD_PARTY_SEEN :], identity]
        for leg, product_id in self.products.items():
            self.third_party[leg] += int(fill.amount) if product_id == fill.product_id else 0

    def _on_update(self, update: OrderUpdate, _at_ns: int) -> None:
        order = self.order(update.order_digest)
        if order is None:
            return
        misfit = update_mismatch(order.terms(), update)
        if misfit is None:
            self._change(order, partial(order.take_update, update))
        else:
            self._name(order, misfit, "an update")

    def _on_cancel_asked(self, asked: CancelAsked, _at_ns: int) -> None:
        order = self.order(asked.order_digest)
        if order is not None and not order.ended:
            order.cancel_asked_ms = int(asked.at_ms)

    def _on_cancel_answer(self, answer: CancelAnswer, _at_ns: int) -> None:
        order = self.order(answer.order_digest)
        if order is None or order.ended or not order.rests:
            return
        traded, unfilled = abs(order.total.filled), answer.unfilled
        if unfilled is not None and not 0 <= unfilled <= abs(order.order.amount) - traded:
            words = f"{unfilled.text()} had not traded, and {Base(traded).text()} of it had"
            self._name(order, Mismatch("remaining", words), "the answer to the cancellation")
            answer = msgspec.structs.replace(answer, unfilled=None, gone=True)
        self._change(order, partial(order.take_cancel, answer))

    def _on_resolved(self, answer: Resolved, at_ns: int) -> None:
        order = self.order(answer.order_digest)
        if order is None:
            return None
        charges = self.charges.get(order.leg)
        misfit = answer_mismatch(order.terms(charges), answer)
        if misfit is not None and not answer.provisional:
            why = self._name(order, misfit, f"the {answer.source}'s word")
            if not misfit.of_money:
                return self._change(order, partial(order.suspected, why))
        self._change(order, partial(order.take_resolved, order.confirmed_by(answer, charges), at_ns))
        if order.absent:
            self._quiet(at_ns)
        return None

    def _quiet(self, at_ns: int) -> None:
        """Enter nothing until a reading some time after this still says what we say."""
        self.view.enter_after_ms = max(self.view.enter_after_ms, at_ns // 1_000_000 + QUIET_MS)

    # -- what the venue says about the account ---------------------------------------------------------------

    def _ours(self) -> Ours:
        return {
            product: (f"{leg.upper()}-PERP", self.position[leg]) for leg, product in self.products.items()
        }

    def doubts_position(self, change: PositionChange) -> bool:
        """Does it say something else than our fills, while none of our orders is in flight?"""
        ours = self._ours().get(change.product_id, ("", 0))[1]
        return not self.busy and change.amount != (0 if change.isolated else ours)

    def _explains(self, change: PositionChange) -> bool:
        """Can our fills, and all that our orders of this product could still trade, make its position what
        the venue says? It may say what was so some fills ago.
        """
        leg = next((leg for leg, product in self.products.items() if product == change.product_id), None)
        if leg is None or change.isolated:
            return leg is None or not change.amount
        flights = (self.flight, self.last_flight, *self.working.values())
        planned = chain.from_iterable(flight.orders for flight in flights if flight is not None)
        orders = {id(order): order for order in (*planned, *self.strays) if order.leg == leg}.values()
        low = high = self.position[leg]
        for order in orders:
            filled, whole = order.total.filled, int(order.order.amount)
            low, high = low - max(filled, filled - whole, 0), high + max(-filled, whole - filled, 0)
        return low <= change.amount <= high

    def _on_position(self, change: PositionChange, _at_ns: int) -> None:
        for leg, product in self.products.items():
            if product == change.product_id and not self._explains(change):
                self.unexplained[leg] = None
            elif product == change.product_id:
                self.unexplained.pop(leg, None)
        self.money.hinted = self.money.hinted or change.product_id == USDT0 or change.reason != MATCHED
        if self.doubts_position(change):
            self.view.doubt(change.at_ns // 1_000_000)

    def _count_funding(self, booked: Iterable[MoneyEvent]) -> None:
        """What the open pair has received; the archive tells a payment by its second."""
        if self.cycle.live:
            self.cycle.funding += sum(
                int(event.quote)
                for event in booked
                if event.kind == "funding"
                and event.product_id in self.products.values()
                and event.at_ns // 1_000_000 + 999 >= self.cycle.entered_ms
            )

    def judged(self, snapshot: AccountSnapshot) -> AccountSnapshot:
        """The reading as the limits judge it: without money that was moved in or out of the account."""
        return msgspec.structs.replace(
            snapshot, value=Quote(value) if (value := self.money.adjusted(snapshot)) is not None else None
        )

    def _on_snapshot(self, snapshot: AccountSnapshot, at_ns: int) -> Came:
        odd = self.contradiction(snapshot)
        if odd:
            self.misfit = f"a reading of the account contradicts itself: {odd}"
            self.view.doubt(int(snapshot.at_ms))
            return None
        judged = self.judged(snapshot)
        self.day.seen(judged)
        self.record.seen(judged)
        if self.busy:
            self.view.snapshot = snapshot
            return None
        late = self._come_to_light(snapshot)
        if late:
            self.view.doubt(int(snapshot.at_ms))
            return late
        current = self.view.compare(snapshot, self._ours(), self._explained(snapshot))
        # the archive is still being asked about prices and fees of our orders
        asking = bool(self.unpriced or self.suspects or self.lacking or self.unsure)
        alarm = self.money.seen(snapshot, asking=asking) if current else None
        agreed = current and self.view.agreed
        self.grounded = self.grounded or agreed
        if agreed:
            self.lacking.clear()
            self.unexplained.clear()
            self.differs_since_ms = 0
            self._check_quotes(snapshot)
        if agreed and not self.view.quiet:
            # long after, the account still says what we say: who was believed absent is, and what was said
            # of an order that did nothing was nothing
            self.absent.clear()
            for order in self._known(self.suspects):
                if order.ended and not order.total.filled:
                    order.suspect = ""
                    del self.suspects[order.digest]
        found: list[msgspec.Struct] = [alarm] if alarm is not None else []
        if not (agreed and self.awaiting_proof):
            return found
        # where only positions told what an order of the cycle did, a second reading has to agree
        inferred = any(order.by_position for order in self.cycle.orders)
        if inferred and not self.flat_twice.confirms(int(snapshot.at_ms), self.last_change_ms, APART_MS):
            return found
        ending: Ending = "completed" if self.cycle.was_open else "failed"
        return [*found, self._end_cycle(ending, "flat, confirmed by the exchange", at_ns)]

    def _check_quotes(self, snapshot: AccountSnapshot) -> None:
        """Orders whose prices and fees the change of `v_quote` contradicts are suspect: the archive is
        asked.
        """
        complete = not (self.unpriced or self.suspects)
        for digest, words in self.quotes.differing(snapshot, self.products, complete=complete).items():
            order = self.order(digest)
            if order is not None:
                self.misfit = (
                    f"what was booked for {order.leg.upper()} order {digest[:10]} is not what the exchange's"
                    f" account shows: {words}"
                )
                self._change(order, partial(order.suspected, self.misfit))

    def contradiction(self, snapshot: AccountSnapshot) -> str:
        """What in a reading of the account contradicts itself, in words; "" = nothing."""
        return reading_mismatch(snapshot, self._prices())

    def _prices(self) -> dict[int, int]:
        """About what our products cost: the mids of the last plan that asked for some."""
        flight = self.flight or self.last_flight
        return (
            {order.order.product_id: int(order.order.mid) for order in flight.orders}
            if flight is not None
            else {}
        )

    def _come_to_light(self, snapshot: AccountSnapshot) -> list[Resolved]:
        """Orders that were believed absent, and that the position now shows after all. Nothing else may be
        behind it: nothing was entered since.
        """
        if snapshot.at_ms <= self.view.proves_after_ms:
            return []
        found: list[Resolved] = []
        for leg, product in self.products.items():
            position = snapshot.position(product)
            moved = int(position.cross) - self.position[leg]
            waiting = (order.doubt() for order in self._known(self.absent) if order.leg == leg)
            doubt = next(
                (
                    one
                    for one in waiting
                    if moved and (moved > 0) == (one.amount > 0) and abs(moved) <= abs(one.amount)
                ),
                None,
            )
            if doubt is not None:
                quote = notional(doubt.limit, moved)
                found.append(
                    Resolved(
                        doubt.order_digest,
                        product,
                        Base(moved),
                        quote,
                        Quote(0),
                        provisional=True,
                        source=LATE,
                    )
                )
        return found

    def _explained(self, snapshot: AccountSnapshot) -> set[int]:
        """Products whose position differs by what orders of ours could have traded beyond what is booked. The
        archive is asked about those orders, and for `ASKED_MS` the difference is ours to explain; after that
        it is somebody else's.
        """
        if snapshot.at_ms <= self.view.proves_after_ms:
            return set()
        found = set()
        for leg, product in self.products.items():
            position = snapshot.position(product)
            moved = int(position.cross) - self.position[leg]
            could = [
                order
                for order in self._recent()
                if order.leg == leg and (order.order.amount > 0) == (moved > 0)
            ]
            if moved and abs(moved) <= sum(order.lacks for order in could):
                self.lacking.update(dict.fromkeys(order.digest for order in could if order.lacks))
                found |= set() if position.isolated else {product}
        if found and not self.differs_since_ms:
            self.differs_since_ms = int(snapshot.at_ms)
        return found if snapshot.at_ms < self.differs_since_ms + ASKED_MS else set()

    def _recent(self) -> list[OurOrder]:
        """Orders that have left and have an ending: of the cycle, and of the plan that closed last."""
        last = () if self.last_flight is None or self.last_flight.aborted else self.last_flight.orders
        both = {order.digest: order for order in (*self.cycle.orders, *last) if order.digest and order.ended}
        return list(both.values())

    def _events_lost(self, at_ns: int) -> None:
        """Whoever had our events in hand is gone, perhaps with a piece of an order that has an ending: the
        archive is asked, and nothing is entered until a reading of the account agrees.
        """
        lacking = [order.digest for order in self._recent() if order.lacks]
        if lacking:
            self.lacking.update(dict.fromkeys(lacking))
            self.view.doubt(at_ns // 1_000_000)

    def _known(self, digests: Iterable[str]) -> list[OurOrder]:
        """The orders of these digests, but for those too long ago to be remembered."""
        return [order for order in map(self.order, digests) if order is not None]

    # -- cycles ----------------------------------------------------------------------------------------------

    @property
    def awaiting_proof(self) -> bool:
        """Flat by fills after something was opened, and the venue has not yet said so."""
        return not self.busy and self._pair == (0, 0) and self.cycle.live

    def _on_skipped(self, skipped: Skipped, at_ns: int) -> CycleEnded | None:
        stale = skipped.cycle <= self.cycle.number and self.cycle.over
        if stale or self.busy or self.cycle.live:
            return None
        if self.cycle.number != skipped.cycle:
            self.cycle = Cycle(skipped.cycle, over=False)
        return self._end_cycle(
            "failed" if self.cycle.tried else "skipped", f"{skipped.code}: {skipped.detail}", at_ns
        )

    def _on_settled(self, settled: PairSettled, _at_ns: int) -> None:
        """What is held counts as the pair, if it is what is held and a pair."""
        pair, cycle = (int(settled.eth), int(settled.sol)), self.cycle
        ours = settled.cycle == cycle.number and cycle.live and not self.busy
        if ours and pair == self._pair and 0 not in pair:
            cycle.agree(pair)

    def _end_cycle(self, ending: Ending, detail: str, at_ns: int) -> CycleEnded:
        cycle = self.cycle
        self.tally.cycle_ended(ending, cycle)
        cycle.over = True
        cycle.enters = cycle.repairs = cycle.flattens = 0
        self.last_change_ms = at_ns // 1_000_000
        self.money.cycle_ended(cycle.number, self.last_change_ms)
        smallest = max((charges.least for charges in self.charges.values()), default=0)
        if (cycle.tried or cycle.entered) and not cycle.given_up(smallest):
            self.record.cycle_ended(cycle, completed=ending == "completed")
        told = f"adopted; {detail}" if cycle.adopted else detail
        return CycleEnded(cycle.number, ending, told, cycle.legging.usd_s)

    # -- the process -----------------------------------------------------------------------------------------

    def _on_started(self, started: Started, at_ns: int) -> None:
        self.started = started
        flights = (self.flight, *self.working.values())
        planned = chain.from_iterable(flight.orders for flight in flights if flight is not None)
        waiting = (*planned, *self.strays)
        self.tally = Tally(orders_sent=sum(order.sent and not order.ended for order in waiting))
        self.money.started()
        self.view.began()
        # a difference is only a reason to ask, and was one for the invocation before
        for order in self._known(self.quotes.asked):
            order.suspect = ""
            self.suspects.pop(order.digest, None)
        self.quotes = QuoteCheck()
        self.cycle.adopted = True
        self.unexplained.clear()
        for flight in self.working.values():
            flight.adopted = True
        if self.flight is not None:
            self.flight.adopted = self.flight.uncertain = self.flight.overtaken = True
        elif not (self.cycle.live or self.working):
            self.cycle.over = True
            self.cycle.enters = self.cycle.repairs = self.cycle.flattens = 0
        self._events_lost(at_ns)

    def _on_cleared(self, _cleared: HaltCleared, _at_ns: int) -> None:
        self.record.clear()
        self.latched = None
        for order in self._known(self.suspects):
            order.suspect = ""
        self.suspects.clear()

    # -- what comes of it ------------------------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        """Is something in flight, and if not, what is open?"""
        if self.flight is not None or self.strays:
            return "in_flight"
        if self.working:
            return "working"
        if self._pair == (0, 0):
            return "flat"
        return "open" if self.cycle.holds_pair(self._pair) else "uneven"

    @property
    def too_small(self) -> tuple[Leg, ...]:
        """Legs that are held and that the venue refused to close for being too small."""
        return tuple(leg for leg in LEGS if self.position[leg] and leg in self.cycle.too_small)

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """Orders that may be on the wire and have no ending; of those that rest `working_orders` tells."""
        planned = self.flight.in_doubt if self.flight is not None else []
        alone = not self.strays
        return tuple(
            msgspec.structs.replace(self._doubt(order), alone=alone and order.leg not in self.working)
            for order in (*planned, *self.strays)
        )

    @property
    def working_orders(self) -> tuple[WorkingOrder, ...]:
        """Orders that rest, or may: also that of a quote under way of which nothing more was heard before
        these rows ended.
        """
        flight = self.flight if self.flight is not None and self.flight.uncertain else None
        flights = [*self.working.values(), *([flight] if flight is not None else [])]
        orders = [order for each in flights if each.plan.quote is not None for order in each.asked]
        return tuple(self._working(order) for order in orders if not order.ended)

    def _working(self, order: OurOrder) -> WorkingOrder:
        plan, flying = order.plan, self.flight.orders if self.flight is not None else ()
        assert plan.quote is not None  # noqa: S101 - only what rests is working
        alone = not self.strays and not any(
            other.leg == order.leg and other is not order and not other.ended for other in flying
        )
        return WorkingOrder(
            msgspec.structs.replace(self._doubt(order), alone=alone),
            plan.quote,
            plan.decided_ms,
            Base(order.total.filled),
            order.acknowledged,
            Ms(order.cancel_asked_ms),
            order.resolving,
        )

    def _doubt(self, order: OurOrder) -> Doubt:
        """What RESOLVE needs to know of it: what is held without it now, not when it was sealed. A guard or
        ESCAPE may have closed in between with orders of their own, which the engine's position shows as well.
        """
        doubt, before = order.doubt(), self.position[order.leg] - order.total.filled
        if before == doubt.before:
            return doubt
        return msgspec.structs.replace(doubt, before=Base(before), v_quote=None)

    @property
    def unfit(self) -> str:
        """Why nothing may be entered although everything else is well: the numbers of an order are not
        confirmed. "" when they are.
        """
        return next((order.suspect for order in self._known(self.suspects)), "")

    def held(self, epoch: int, no_entry: Denial | None = None, newest: AccountSnapshot | None = None) -> Held:
        """Everything sizing and the supervisor need to know, for the incarnation of `epoch`. `no_entry`: see
        `Held`; this process knows it, no row says it. `newest`: a reading of the account that is no row, at
        whose prices the money is told.
        """
        cycle, snapshot = self.cycle, self.view.snapshot
        return Held(
            rows=self.rows,
            epoch=epoch,
            seq=self.seq,
            phase=self.phase,
            cycle=cycle.number,
            direction=cycle.direction,
            eth=self._leg("eth"),
            sol=self._leg("sol"),
            entered_ms=Ms(cycle.entered_ms if self._pair != (0, 0) else 0),
            last_change_ms=Ms(self.last_change_ms),
            last_purpose=self.last_purpose,
            last_refusals=self.last_refusals,
            enters=cycle.enters,
            repairs=cycle.repairs,
            flattens=cycle.flattens,
            too_small=self.too_small,
            top_ups=cycle.top_ups,
            refused=tuple(leg for leg in LEGS if self.position[leg] and leg in cycle.refused),
            restores=cycle.restores,
            led=self.last_flight is not None and self.last_flight.led,
            last_rules=self.last_flight.plan.rules_version if self.last_flight is not None else 0,
            filled_imbalance=cycle.filled_imbalance,
            legging=cycle.legging,
            adopted=cycle.adopted,
            completed=self.tally.completed,
            skipped=self.tally.skipped,
            failed=self.tally.failed,
            doubts=self.doubts,
            unpriced=tuple(order.doubt() for order in self.unpriced.values()),
            foreign=self.view.foreign,
            no_entry=no_entry,
            account_ok=self.view.ok,
            awaiting_proof=self.awaiting_proof,
            initial_health=snapshot.initial_health if snapshot else Quote(0),
            maintenance_health=snapshot.maintenance_health if snapshot else Quote(0),
            record=self.record.told(),
            value=snapshot.value if snapshot else Quote(0),
            day_loss=self.day.loss,
            unfit=self.unfit,
            absent=tuple(
                msgspec.structs.replace(order.doubt(), alone=False)
                for order in self._known({**self.absent, **self.suspects})
                if order.ended and order.digest not in self.unpriced  # those are asked for anyway
            ),
            unconfirmed=tuple(
                msgspec.structs.replace(order.doubt(), alone=False)
                for order in self._known({**self.lacking, **self.unsure})
            ),
            totals=self.totals(newest or snapshot, cycles=False),
            money_ask=self.money.ask,
            hold=cycle.hold,
            pause=cycle.pause,
            funding=Quote(cycle.funding + sum(self.money.provisional.values())) if cycle.live else Quote(0),
            hedge_ratio=Rate(cycle.hedge_ratio),
            working=self.working_orders,
            unexplained=bool(self.unexplained),
        )

    def _leg(self, leg: Leg) -> HeldLeg:
        wanted, opened = self.cycle.wanted[LEGS.index(leg)], self.cycle.opened(leg)
        cash = self.cycle.cash(leg)
        return HeldLeg(
            amount=Base(self.position[leg]),
            wanted=Base(wanted),
            vwap=opened.vwap,
            cash=None if cash is None else Quote(cash),
        )

    def totals(self, snapshot: AccountSnapshot | None = None, *, cycles: bool = True) -> Totals:
        """The invocation in numbers, at the prices of `snapshot`, or of the last reading that is a row.
        `cycles`: with the last cycles' shares of the money, which reports want and no decision does.
        """
        current = not self.busy and self.view.current
        money = self.statement(snapshot or self.view.snapshot, cycles=cycles)
        return self.tally.totals(self.rows, self.cycle, money, current=current)

    def statement(self, snapshot: AccountSnapshot | None, *, cycles: bool = True) -> Statement:
        """The invocation's money, at the oracle prices of `snapshot`: the one calculation behind every
        figure (docs/money.md).
        """
        positions = (
            {leg: snapshot.position(product) for leg, product in self.products.items()}
            if snapshot is not None
            else {}
        )
        prices = {leg: int(position.oracle) for leg, position in positions.items() if position.oracle}
        return self.money.statement(prices, paired=self._paired, complete=not self.unpriced, cycles=cycles)


_HANDLERS: dict[type, Callable[[Fold, Any, int], Came]] = {
    Ready: Fold._on_ready,
    Place: Fold._on_decision,
    Abort: Fold._on_decision,
    Outcome: Fold._on_outcome,
    Fill: Fold._on_fill,
    OrderUpdate: Fold._on_update,
    AccountSnapshot: Fold._on_snapshot,
    PositionChange: Fold._on_position,
    Resolved: Fold._on_resolved,
    Skipped: Fold._on_skipped,
    Started: Fold._on_started,
    EscapeRound: Fold._on_escape,
    Adopted: Fold._on_adopted,
    HaltCleared: Fold._on_cleared,
    CancelAsked: Fold._on_cancel_asked,
    CancelAnswer: Fold._on_cancel_answer,
    PairSettled: Fold._on_settled,
}
"""What takes the rows that follow a rule; the others are `Fold._note`'s."""
