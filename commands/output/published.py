"""What an actor says -> what is told of it: the facts of each event, and the schema of them all."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from commands.output.ending import Report, code_of, problem_of
from commands.output.events import (
    AbortedEvent,
    AccountStreamEvent,
    ActorEndedEvent,
    ActorStartedEvent,
    AlarmEvent,
    AnswerEvent,
    BeginEvent,
    BookLine,
    BooksEvent,
    ClockEvent,
    ClosedEvent,
    CycleEvent,
    DeniedEvent,
    EndedEvent,
    FillEvent,
    GaugesEvent,
    GivingUpEvent,
    HaltedEvent,
    HopEvent,
    LegLine,
    LostEvent,
    NoteEvent,
    OrderLine,
    PlacedEvent,
    QuoteEndedEvent,
    QuoteLine,
    ResolvedEvent,
    RulesEvent,
    RunEvent,
    SaidEvent,
    SealedEvent,
    SkippedEvent,
    StagedEvent,
    StandingEvent,
    StoppingEvent,
    VoteEvent,
    WaitingEvent,
)
from commands.output.gauges import RunGauges
from commands.output.said import SaidLine
from commands.output.sentences import spread_bps
from commands.output.summary import text
from commands.output.words import iso_micros, iso_of_ms
from messages.execution import Fill, LegFill, Outcome, PlanClosed, QuoteEnded, Resolved
from messages.lifecycle import (
    AccountStream,
    Alarm,
    CycleEnded,
    Denied,
    Halted,
    Hop,
    Note,
    Staged,
    Stopping,
    Waiting,
)
from messages.market import LegQuote, PairQuote, RulesRead
from messages.sizing import Abort, Declined, LegOrder, Place, Ready, Sealed, SizingPlan, Skipped
from messages.units import Ns, text_of
from runtime import specs
from runtime.clock import ClockShift


def _plan(message: Any) -> str:
    return f"{message.epoch}.{message.seq}"


def _order(order: LegOrder) -> OrderLine:
    return OrderLine(
        order.amount.text(), order.limit.text(), order.kind, order.reduce_only, order.vwap.text()
    )


def _quote(plan: SizingPlan) -> QuoteLine | None:
    terms = plan.quote
    if terms is None:
        return None
    times = iso_of_ms(terms.give_up_ms), iso_of_ms(plan.last_trade_ms)
    return QuoteLine(terms.leg, terms.opens, terms.hedges, terms.worst.text(), *times)


def _leg(leg: LegFill) -> LegLine:
    vwap = leg.vwap.text() if leg.filled else None
    return LegLine(leg.ordered.text(), leg.filled.text(), vwap, leg.fee.text(), leg.outcome)


def _code(message: Any) -> dict[str, str]:
    return {"code": message.code, "detail": message.detail}


def _sealed(sealed: Sealed) -> dict[str, Any]:
    plan = sealed.plan
    return {
        "plan": _plan(plan),
        "cycle": plan.cycle,
        "purpose": plan.purpose,
        "digest": sealed.digest,
        "planned_imbalance_bps": plan.planned_imbalance.text(),
        "eth": _order(plan.eth),
        "sol": _order(plan.sol),
        "rule": plan.because or None,
        "hold_ms": plan.hold,
        "hedge_ratio": text_of(plan.hedge_ratio),
        "quote": _quote(plan),
    }


def _fill(fill: Fill) -> dict[str, Any]:
    return {
        "order": fill.order_digest,
        "product_id": fill.product_id,
        "amount": fill.amount.text(),
        "price": fill.price.text(),
        "fee_usd": fill.fee.text(),
        "remaining": fill.remaining.text(),
        "traded_at": iso_micros(fill.at_ns),
        "maker": not fill.is_taker,
    }


def _answer(outcome: Outcome) -> dict[str, Any]:
    return {
        "leg": outcome.leg,
        "plan": _plan(outcome),
        "order": outcome.order_digest,
        "kind": outcome.kind,
        "code": outcome.code,
        "detail": outcome.detail,
        "waited_ms": outcome.answered_ms - outcome.sent_ms,
    }


def _hop(hop: Hop) -> dict[str, Any]:
    return {
        "hop": hop.hop,
        "plan": _plan(hop) if hop.digest else None,
        "digest": hop.digest,
        "eth": hop.eth.text(),
        "sol": hop.sol.text(),
        "note": hop.note,
    }


def _resolved(found: Resolved) -> dict[str, Any]:
    return {
        "order": found.order_digest,
        "product_id": found.product_id,
        "filled": found.filled.text(),
        "quote_usd": found.quote.text(),
        "source": found.source,
        "provisional": found.provisional,
    }


def _actor(message: specs.ChildStarted | specs.Exited) -> dict[str, Any]:
    return {"actor": message.child, "incarnation": message.incarnation, "supervisor": message.supervisor}


def _books(quote: PairQuote) -> dict[str, Any]:
    return {
        "eth": _book(quote.eth),
        "sol": _book(quote.sol),
        "skew_ms": quote.skew_ms,
        "venue_active": quote.venue_active,
    }


def _book(leg: LegQuote) -> BookLine:
    bid, ask = leg.bids[0], leg.asks[0]
    return BookLine(
        bid.price.text(),
        bid.amount.text(),
        ask.price.text(),
        ask.amount.text(),
        spread_bps(leg).text(),
        iso_micros(leg.proven_ms * 1_000_000),
        leg.status,
    )


def _ended(report: Report) -> dict[str, Any]:
    problem = problem_of(report)
    return {
        "exit_code": code_of(report),
        "ended_by": report.ended_by,
        "code": report.code or None,
        "text": problem.sentence if problem else text(report)[0],
        "open": report.open_legs or None,
        "unknown": report.unknown,
    }


def _gauges(read: RunGauges) -> dict[str, Any]:
    return {
        "queues": read.queues,
        "budgets": read.budgets,
        "exposure_usd": text_of(read.exposure),
        "marked_imbalance_bps": text_of(read.marked_imbalance),
        "planned_imbalance_bps": text_of(read.planned_imbalance),
        "account_value_usd": text_of(read.value),
        "day_loss_usd": text_of(read.day_loss),
        "residual_usd": text_of(read.residual),
        "orders_sent": read.orders_sent,
        "orders_resolved": read.orders_resolved,
        "orders_twice": read.orders_twice,
    }


Facts = Callable[[Any], dict[str, Any]]
PUBLISHED: Mapping[type, tuple[type[RunEvent], Facts]] = {
    Note: (NoteEvent, lambda m: {"level": m.level, "source": m.source, "text": m.text}),
    Hop: (HopEvent, _hop),
    Sealed: (SealedEvent, _sealed),
    Ready: (VoteEvent, lambda m: {"plan": _plan(m), "who": m.who, "ready": True, "digest": m.plan_digest}),
    Declined: (VoteEvent, lambda m: {"plan": _plan(m), "who": m.who, "ready": False, **_code(m)}),
    Place: (
        PlacedEvent,
        lambda m: {"plan": _plan(m), "eth_order": m.eth_order or None, "sol_order": m.sol_order or None},
    ),
    Abort: (AbortedEvent, lambda m: {"plan": _plan(m), **_code(m)}),
    Outcome: (AnswerEvent, _answer),
    Fill: (FillEvent, _fill),
    Resolved: (ResolvedEvent, _resolved),
    PlanClosed: (
        ClosedEvent,
        lambda m: {"plan": _plan(m), "aborted": m.aborted, "eth": _leg(m.eth), "sol": _leg(m.sol)},
    ),
    QuoteEnded: (
        QuoteEndedEvent,
        lambda m: {"plan": _plan(m), "leg": m.leg, "order": m.fill.order_digest, "fill": _leg(m.fill)},
    ),
    CycleEnded: (
        CycleEvent,
        lambda m: {
            "cycle": m.cycle,
            "ending": m.ending,
            "detail": m.detail,
            "unhedged_usd_s": m.unhedged_usd_s.text(),
        },
    ),
    Skipped: (SkippedEvent, lambda m: {"cycle": m.cycle, **_code(m)}),
    Waiting: (
        WaitingEvent,
        lambda m: {"purpose": m.purpose, "code": m.code or None, "detail": m.detail},
    ),
    Denied: (DeniedEvent, _code),
    Alarm: (AlarmEvent, _code),
    Halted: (HaltedEvent, _code),
    Stopping: (StoppingEvent, lambda m: {"reason": m.reason, "within_ms": m.within_ms}),
    AccountStream: (AccountStreamEvent, lambda m: {"live": m.live, "detail": m.detail}),
    specs.Exited: (
        ActorEndedEvent,
        lambda m: {**_actor(m), "why": m.why or None},
    ),
    specs.ChildStarted: (ActorStartedEvent, _actor),
    specs.GivingUp: (GivingUpEvent, lambda m: {"supervisor": m.supervisor, "why": m.why}),
    ClockShift: (ClockEvent, lambda m: {"slept_ms": m.slept_ms, "set_ms": m.set_ms}),
    RulesRead: (RulesEvent, lambda m: {"version": m.version, "detail": m.text()}),
    Staged: (StagedEvent, lambda m: {"cycle": m.cycle, "text": m.text}),
    SaidLine: (
        SaidEvent,
        lambda m: {"cycle": m.cycle, "text": m.text, "notable": m.notable, "about": m.about},
    ),
    PairQuote: (BooksEvent, _books),
    RunGauges: (GaugesEvent, _gauges),
    Report: (EndedEvent, _ended),
}
"""What an actor says -> what is told of it. What is not named here is no event."""
KINDS: tuple[type[RunEvent], ...] = (
    BeginEvent,
    LostEvent,
    StandingEvent,
    *dict.fromkeys(kind for kind, _ in PUBLISHED.values()),
)
"""Every type that a line may have, in the order of the page."""


def event_of(message: msgspec.Struct, seq: int, at_ns: Ns) -> RunEvent:
    """The line of a message whose type is in `PUBLISHED`."""
    kind, facts = PUBLISHED[type(message)]
    return kind(seq=seq, at=iso_micros(at_ns), **facts(message))


def schema() -> dict[str, Any]:
    """The JSON schema of a line, made from the declarations."""
    union: Any = KINDS[0]
    for kind in KINDS[1:]:
        union = union | kind
    return msgspec.json.schema(union)
