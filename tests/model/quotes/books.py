"""The real code in the loop. A ledger is the real fold as the bytes of its own snapshot, so a state that has
one has all of it, and nothing that the model was not told.

    Fold.apply, Fold.held     what becomes of a row, and what is working, in doubt, flat or open
    ledger.vote               how the ledger votes
    QuoteTerms.matched        what hedges what is held
    resolve.judge             what a reading of the account says of an order
    why_cancel                which orders are cancelled at once

Only what no row of this model is judged by is set back to the same at each step: how many rows there were,
the money, the counts, the view of the account.
"""

import pickle
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import msgspec

from actors.ledger import Fold
from actors.ledger.day import Day
from actors.ledger.money import Money
from actors.ledger.orders import OurOrder
from actors.ledger.quotes import QuoteCheck
from actors.ledger.record import TrackRecord
from actors.ledger.snapshots import snapshot_of
from actors.ledger.tally import Tally
from actors.ledger.view import AccountView
from actors.ledger.vote import vote
from actors.working_orders import RestingFacts, why_cancel
from messages.execution import (
    AccountSnapshot,
    CancelAnswer,
    CancelAsked,
    Doubt,
    Fill,
    OrderUpdate,
    Outcome,
    PlanClosed,
    Position,
    Resolved,
)
from messages.lifecycle import Directive, Held, Restarted, Started
from messages.settings import Settings
from messages.sizing import Abort, PairSettled, Place, QuoteTerms, Ready, Sealed
from messages.units import ONE, Base, Ms, Ns, Price, Quote
from tests.actors.fakes import RULES, quote
from tests.model import real
from tests.model.quotes.state import QuotePlan, Terms
from tests.model.real import ORDER_BUILDER, PRODUCTS, SIGN
from tests.model.state import LEGS, Message
from venue.protocol import ArchivedOrder
from venue.resolve import WINDOW_MARGIN_MS, judge

LAST_MS = real.RECV_TIME_MS + real.REST_MS
ANSWERED = {"window": 100, "rest": real.RECV_TIME_MS + 1_000, "past": LAST_MS + 1_000}
"""When something that is said of a plan is said, after its seal."""
READ = {
    "window": real.RECV_TIME_MS - 1,
    "rest": real.RECV_TIME_MS + 1_000 + WINDOW_MARGIN_MS + 1,
    "past": LAST_MS + 1_000 + WINDOW_MARGIN_MS + 1,
}
"""The moment of a reading: later than whatever was answered in the same stretch, and by the margin."""

_FOLDS: list[bytes] = []
"""Pickled: three times as quick as out of a snapshot, and never from anywhere but this process."""
_NUMBERS: dict[bytes, int] = {}
"""By the snapshot's bytes: two folds that a start would read alike are the same."""


class WorkingView(NamedTuple):
    """A working order as the ledger tells it."""

    plan: QuotePlan
    leg: str
    filled: int
    acknowledged: bool
    resolving: bool
    doubt: Doubt


class View(NamedTuple):
    """What a fold says. `ended`: what orders with an ending came to, by (plan, leg). `doubts`: orders that
    may be on the wire and trade at once or never.
    """

    seq: int
    eth: int
    sol: int
    phase: str
    flying: QuotePlan | None
    working: tuple[WorkingView, ...]
    doubts: tuple[tuple[QuotePlan, str, Doubt], ...]
    ended: tuple[tuple[tuple[QuotePlan, str], int], ...]
    over: frozenset[tuple[QuotePlan, str]]
    """The keys of `ended`."""
    entered: bool
    """Has the cycle traded?"""
    held: Held

    def lots(self, leg: str) -> int:
        return self.eth if leg == "eth" else self.sol


# -- folds ---------------------------------------------------------------------------------------------------


def _number(fold: Fold) -> int:
    fold.rows = fold.last_change_ms = fold.last_refusals = 0
    fold.tally, fold.money, fold.day = Tally(), Money(), Day()
    fold.record, fold.quotes, fold.view, fold.started = TrackRecord(), QuoteCheck(), AccountView(), None
    fold.epoch, fold.misfit, fold.last_purpose = 0, "", None
    fold.last_flight = None if fold.last_flight is not None and fold.last_flight.ended else fold.last_flight
    for known in (fold.unpriced, fold.suspects, fold.absent, fold.lacking, fold.unsure):
        known.clear()
    for digest in [*fold.orders]:
        order = fold.order(digest)
        if order is not None and order.ended:
            _forget(order)
    raw = bytes(snapshot_of(fold, (-1, -1)).state)
    if raw not in _NUMBERS:
        _NUMBERS[raw] = len(_FOLDS)
        _FOLDS.append(pickle.dumps(fold))
    return _NUMBERS[raw]


def _fold(book: int) -> Fold:
    fold: Fold = pickle.loads(_FOLDS[book])  # noqa: S301 - written by this process
    return fold


def _forget(order: OurOrder) -> None:
    """Of an order with an ending, only what it came to matters: whatever is told later was dropped."""
    traded, whole, unit = order.total.filled, abs(order.order.amount), int(order.order.product_id)
    fill = Fill(
        order.digest, unit, Base(traded), Price(1), Quote(0), Base(whole - abs(traded)), Base(whole),
        order.plan.quote is None, 1, Ns(0),
    )  # fmt: skip
    blank = OurOrder(order.leg, order.plan, order.digest, order.before)
    for name in order.__struct_fields__:
        setattr(order, name, getattr(blank, name))
    order.__dict__.clear()
    order.pieces, order.ended = {int(fill.remaining): fill} if traded else {}, True


EMPTY = _number(Fold())


@cache
def view(book: int) -> View:
    """What the ledger says."""
    fold = _fold(book)
    held, flight = fold.held(0), fold.flight
    known = [order for order in map(fold.order, [*fold.orders]) if order is not None]
    ended = {(QuotePlan.of(one.plan), one.leg): abs(one.total.filled) for one in known if one.ended}
    keys = {one.digest: QuotePlan.of(one.plan) for one in known}
    working = (
        WorkingView(
            keys[one.doubt.order_digest],
            one.doubt.leg,
            abs(one.filled),
            one.acknowledged,
            one.resolving,
            one.doubt,
        )
        for one in held.working
    )
    return View(
        fold.seq,
        fold.position["eth"] * SIGN["eth"],
        fold.position["sol"] * SIGN["sol"],
        held.phase,
        QuotePlan.of(flight.plan) if flight is not None else None,
        tuple(working),
        tuple((keys[doubt.order_digest], doubt.leg, doubt) for doubt in held.doubts),
        tuple(sorted(ended.items())),
        frozenset(ended),
        any(order.total.filled for order in fold.cycle.orders),
        held,
    )


@cache
def told(book: int, row: Message) -> tuple[int, tuple[Message, ...]]:
    """The fold after a row, and what the ledger then says to the supervisor."""
    return told_with(book, row, lambda *_: None)


def told_with(
    book: int, row: Message, change: Callable[[Fold, Message], None]
) -> tuple[int, tuple[Message, ...]]:
    """The same of a ledger whose fold is changed after the row."""
    fold = _fold(book)
    said: list[Message] = []
    for message, at_ms in _rows(fold, row):
        for came in fold.apply(message, at_ms * 1_000_000):
            if isinstance(came, PlanClosed):
                assert fold.last_flight is not None
                said.append(("closed", QuotePlan.of(fold.last_flight.plan), came.aborted))
    change(fold, row)
    return _number(fold), tuple(said)


def _rows(fold: Fold, row: Message) -> Iterator[tuple[msgspec.Struct, int]]:
    match row:
        case ("sealed", plan):
            sealed = real.sealed_message(plan, "same")
            yield sealed, 0
            orders = (digest_of(plan, leg) if plan.lots(leg) else "" for leg in LEGS)
            yield Ready("ledger", plan.epoch, plan.seq, sealed.digest, *orders), 0
        case ("place", plan):
            yield Place(plan.epoch, plan.seq, "", "", ""), 0
        case ("abort", plan):
            yield Abort(plan.epoch, plan.seq, "", ""), 0
        case ("reopened",):
            fold.reopened()
        case ("restarted", epoch):
            yield Restarted("eth_leg", "", Ms(0), epoch), 0
        case ("started", epoch):
            yield Started(0, Ns(0)), 0
            yield Restarted("process", "", Ms(0), epoch), 0
        case ("settled", eth, sol):
            yield PairSettled(1, Base(eth * SIGN["eth"]), Base(sol * SIGN["sol"]), ""), 0
        case (_, plan, leg, *_):
            yield _of_order(row, digest_of(plan, leg), plan, leg)


def _of_order(row: Message, digest: str, plan: QuotePlan, leg: str) -> tuple[msgspec.Struct, int]:
    product, unit = PRODUCTS[leg], SIGN[leg] * (1 if plan.increases else -1)
    whole, begun = plan.lots(leg), real.sealed_ms(plan.seq)
    match row:
        case ("outcome", _, _, kind):
            return Outcome(leg, plan.epoch, plan.seq, digest, kind, None, "", Ms(0), Ms(0)), begun  # type: ignore[arg-type]
        case ("fill", _, _, left, lots):
            piece = Fill(
                digest, product, Base(lots * unit), Price(1), Quote(0), Base(left), Base(whole),
                plan.purpose != "quote", 1, Ns(0),
            )  # fmt: skip
            return piece, begun
        case ("update", _, _, reason, left):
            return OrderUpdate(digest, product, Base(left), reason, Ns(0)), begun
        case ("asked", _, _):
            return CancelAsked(digest, product, "", Ms(begun)), begun
        case ("answer", _, _, unfilled, gone, at):
            left = None if unfilled is None else Base(unfilled)
            at_ms = answered_ms(plan, at)
            return CancelAnswer(digest, product, left, gone, "", Ms(at_ms)), at_ms
        case ("resolved", _, _, lots, final, at):
            answer = Resolved(digest, product, Base(lots * unit), Quote(0), Quote(0), not final, "")
            return answer, begun + READ[at]
    raise AssertionError(row)


def answered_ms(plan: QuotePlan, at: str) -> int:
    """When a cancellation was answered, in this stretch of the plan's time."""
    return real.sealed_ms(plan.seq) + ANSWERED[at]


@cache
def digest_of(plan: QuotePlan, leg: str) -> str:
    """The order's digest: it follows from the plan."""
    sealed = real.sealed_message(plan, "same")
    return ORDER_BUILDER.digest_of(ORDER_BUILDER.order_of(sealed.plan, sealed.digest, leg))


# -- votes ---------------------------------------------------------------------------------------------------


def _vote(fold: Fold, sealed: Sealed, epoch: int) -> msgspec.Struct:
    fold.view.live = fold.view.agreed = True
    fold.view.snapshot = AccountSnapshot(Ms(1), True, Quote(0), Quote(0), Quote(0), Quote(0), (), ())
    fold.steps = {"eth": 1, "sol": 1}
    return vote(fold, sealed, epoch, ORDER_BUILDER)


@cache
def agrees(book: int, plan: QuotePlan, epoch: int) -> str:
    """ "" when the ledger says yes to a plan, else the code of its no."""
    answer = _vote(_fold(book), real.sealed_message(plan, "same"), epoch)
    return "" if isinstance(answer, Ready) else answer.code  # type: ignore[attr-defined]


# -- pure rules ----------------------------------------------------------------------------------------------


@cache
def matched(terms: Terms, held: int) -> int:
    """Lots of the other leg that hedge `held` lots of the one that rests."""
    whole = Base(terms.eth * SIGN["eth"]), Base(terms.sol * SIGN["sol"])
    real_terms = QuoteTerms(terms.leg, terms.opens, *whole, Price(1), Ms(0), Ms(0))  # type: ignore[arg-type]
    other = "sol" if terms.leg == "eth" else "eth"
    return real_terms.matched(held * SIGN[terms.leg], 1) * SIGN[other]


@cache
def believes(probe_plan: QuotePlan, doubt: Doubt, at: str, rests: bool, lots: int, archived: int) -> (
    tuple[int, bool] | None
):  # fmt: skip
    """What the real `judge` says of an order: (lots, final), or None for "not known yet". `lots`: the
    position of its leg. `archived`: what the archive names of it, 0 while it lags.
    """
    here = Position(doubt.product_id, Base(lots * SIGN[doubt.leg]), Base(0), Quote(0))
    at_ms = Ms(real.sealed_ms(probe_plan.seq) + READ[at])
    resting = (doubt.order_digest,) if rests else ()
    snapshot = AccountSnapshot(at_ms, True, Quote(0), Quote(0), Quote(0), Quote(0), (here,), resting)
    unit = 1 if doubt.amount > 0 else -1
    known = (
        ArchivedOrder(doubt.order_digest, doubt.product_id, Base(archived * unit), Quote(0), Quote(0), 1)
        if archived
        else None
    )
    answer = judge(doubt, snapshot, known)
    return None if answer is None else (abs(answer.filled), not answer.provisional)


def at_arrival(doubt: Doubt) -> Doubt:
    """The same of an order that trades at its arrival or never."""
    return msgspec.structs.replace(doubt, rests_until_ms=Ms(0))


@cache
def why_cancelled(book: int, plan: QuotePlan, at: str, epoch: int) -> str:
    """Why a working order may not rest, "" when it may. Everything beside the order itself is well."""
    held = msgspec.structs.replace(view(book).held, maintenance_health=Quote(ONE))
    order = next(one for one in held.working if one.doubt.order_digest == digest_of(plan, one.doubt.leg))
    now_ms = Ms(answered_ms(plan, at))
    facts = RestingFacts(
        held=held,
        settings=Settings(),
        rules=RULES,
        now_ms=now_ms,
        epoch=epoch,
        directive=Directive(enter=True, leave_now=False, reason=""),
        quote=quote(now_ms),
        stream_live=True,
        down=(),
        known_ms=Ms(-1),
        guard_missing="",
    )
    return why_cancel(order, facts)
