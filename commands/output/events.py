"""What happens in a run, for programs: the declared types of the lines of `run --events` and of
`status --watch --json`. One JSON object a line, its `event` says which of these types it is.

They are apart from what the actors say to each other, which may change from one release to the next. Here
types and fields are added, never renamed, removed or given another type: `docs/events.schema.json` is what
was announced, and a test compares. docs/events.md is made from these declarations
(`python -m tests.commands.output.events_page`).

Amounts, prices and USD are decimal strings, exact; times of this machine and of the exchange are ISO-8601
with microseconds and Z; what nobody knows is null.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from commands.output.words import iso_micros
from messages.execution import Fill, LegFill, Outcome, PlanClosed, Resolved
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
from messages.market import RulesRead
from messages.sizing import Abort, Declined, LegOrder, Place, Purpose, Ready, Sealed, Skipped
from messages.units import Ns
from runtime import specs
from runtime.clock import ClockShift

EXACT = r"^-?[0-9]+(\.[0-9]+)?$"
Exact = Annotated[str, Meta(pattern=EXACT)]
"""A decimal string, exact."""
Time = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]
Plan = Annotated[str, Meta(description="Its name, EPOCH.SEQ, as the log has it.")]
LegName = Literal["eth", "sol"]
Code = Annotated[str, Meta(description="A word for programs: docs/running.md has them.")]
Detail = Annotated[str, Meta(description="The same in a sentence, for a person.")]


class RunEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """What stands in every line."""

    schema: Literal["evenkeel.event/1"] = "evenkeel.event/1"
    seq: Annotated[int, Meta(description="Counts this run's events from 1; a gap is what was not read.")]
    at: Annotated[Time, Meta(description="When it happened, by this machine's clock.")]


class BeginEvent(RunEvent, frozen=True, kw_only=True, tag="begin"):
    """The first line of every reader: whose events follow. `seq` is that of the last event before it."""

    pid: int
    money: Annotated[str, Meta(description="Whose money it is, as every screen says first.")]
    venue: Annotated[str, Meta(description="simulated, testnet or mainnet.")]
    subaccount: str
    target_usd: Annotated[Exact, Meta(description="Per leg.")]
    seed: int


class LostEvent(RunEvent, frozen=True, kw_only=True, tag="lost"):
    """The reader was too slow: so many events before this line were dropped, and trading did not wait.
    `seq` is that of the last one dropped.
    """

    count: int


class NoteEvent(RunEvent, frozen=True, kw_only=True, tag="note"):
    """A line of the log that is no event of its own."""

    level: Literal["debug", "info", "warning", "error"]
    source: str
    text: str


class HopEvent(RunEvent, frozen=True, kw_only=True, tag="hop"):
    """A plan has passed a point of its way; the glossary of docs/running.md names the points."""

    hop: str
    plan: Annotated[str | None, Meta(description="EPOCH.SEQ; null before it is sealed.")]
    digest: str
    eth: Annotated[Exact, Meta(description="Amount, signed; negative is a sale.")]
    sol: Exact
    note: str


class OrderLine(msgspec.Struct, frozen=True):
    """One leg's half of a plan. An amount of 0: nothing is ordered of it."""

    amount: Exact
    limit: Exact
    kind: Literal["fok", "ioc"]
    reduce_only: bool
    vwap: Annotated[Exact, Meta(description="The average price that the plan expects.")]


class SealedEvent(RunEvent, frozen=True, kw_only=True, tag="sealed"):
    """A plan is before the three voters."""

    plan: Plan
    cycle: int
    purpose: Purpose
    digest: str
    planned_imbalance_bps: Exact
    eth: OrderLine
    sol: OrderLine
    rule: Annotated[
        str | None, Meta(description="Of an exit: the rule by which the pair leaves (docs/goals.md).")
    ] = None
    hold_ms: Annotated[
        int | None, Meta(description="Of an entry: drawn for its pair; null where hold is no range.")
    ] = None


class VoteEvent(RunEvent, frozen=True, kw_only=True, tag="vote"):
    """One of the three has voted; a no has a code."""

    plan: Plan
    who: Literal["eth", "sol", "ledger"]
    ready: bool
    code: Code | None = None
    detail: Detail | None = None


class PlacedEvent(RunEvent, frozen=True, kw_only=True, tag="placed"):
    """All three agreed: the orders are being sent. The digest of an order that is not sent is null."""

    plan: Plan
    eth_order: str | None
    sol_order: str | None


class AbortedEvent(RunEvent, frozen=True, kw_only=True, tag="aborted"):
    """A plan ended without an order sent."""

    plan: Plan
    code: Code
    detail: Detail


class AnswerEvent(RunEvent, frozen=True, kw_only=True, tag="answer"):
    """What the exchange answered to one order. `accepted` does not mean filled."""

    leg: LegName
    plan: Plan
    order: str
    kind: Literal["accepted", "refused", "unknown", "none"]
    code: Annotated[int | None, Meta(description="The exchange's, when it refused.")]
    detail: Detail
    waited_ms: int


class FillEvent(RunEvent, frozen=True, kw_only=True, tag="fill"):
    """A piece of an order traded, as the exchange's stream says. It may say so twice: (`order`, `remaining`)
    tells one piece from another.
    """

    order: str
    product_id: int
    amount: Annotated[Exact, Meta(description="Signed; negative is a sale.")]
    price: Exact
    fee_usd: Annotated[Exact, Meta(description="> 0 = paid.")]
    remaining: Annotated[Exact, Meta(description="Of the order, unsigned.")]
    traded_at: Annotated[Time, Meta(description="By the exchange's clock.")]


class ResolvedEvent(RunEvent, frozen=True, kw_only=True, tag="resolved"):
    """An order whose outcome was unknown: what it did in total."""

    order: str
    product_id: int
    filled: Exact
    quote_usd: Exact
    source: str
    provisional: bool


class LegLine(msgspec.Struct, frozen=True):
    """What became of one leg's order."""

    ordered: Exact
    filled: Exact
    vwap: Annotated[Exact | None, Meta(description="null where nothing was filled.")]
    fee_usd: Exact
    outcome: Literal["accepted", "refused", "unknown", "none"]


class ClosedEvent(RunEvent, frozen=True, kw_only=True, tag="closed"):
    """Both orders of a plan have their endings."""

    plan: Plan
    aborted: bool
    eth: LegLine
    sol: LegLine


class CycleEvent(RunEvent, frozen=True, kw_only=True, tag="cycle"):
    """A cycle is over; `completed` = entered and flat again, confirmed by the exchange."""

    cycle: int
    ending: Literal["completed", "skipped", "failed"]
    detail: Detail
    unhedged_usd_s: Exact


class SkippedEvent(RunEvent, frozen=True, kw_only=True, tag="skipped"):
    """A cycle was not entered."""

    cycle: int
    code: Code
    detail: Detail


class WaitingEvent(RunEvent, frozen=True, kw_only=True, tag="waiting"):
    """What the next order waits for has changed; `code` null: for nothing that is known."""

    purpose: Purpose
    code: Code | None
    detail: Detail


class DeniedEvent(RunEvent, frozen=True, kw_only=True, tag="denied"):
    """A limit or gate denies entering."""

    code: Code
    detail: Detail


class AlarmEvent(RunEvent, frozen=True, kw_only=True, tag="alarm"):
    """A gate has denied everything for `limits.alarm_after_denying`."""

    code: Code
    detail: Detail


class HaltedEvent(RunEvent, frozen=True, kw_only=True, tag="halted"):
    """Trading is off until a person clears it."""

    code: Code
    detail: Detail


class StoppingEvent(RunEvent, frozen=True, kw_only=True, tag="stopping"):
    """Both legs are being closed; in `within_ms` it ends in any case."""

    reason: str
    within_ms: int


class AccountStreamEvent(RunEvent, frozen=True, kw_only=True, tag="account"):
    """The account's stream is live, or gone: then nothing is entered."""

    live: bool
    detail: Detail


class ActorEndedEvent(RunEvent, frozen=True, kw_only=True, tag="actor_ended"):
    """An actor is gone; `why` null: it was told to stop, or had ended by itself."""

    actor: str
    incarnation: int
    why: str | None


class ActorStartedEvent(RunEvent, frozen=True, kw_only=True, tag="actor_started"):
    """An actor runs; incarnations count from 1."""

    actor: str
    incarnation: int


class GivingUpEvent(RunEvent, frozen=True, kw_only=True, tag="giving_up"):
    """Too many failures: everything stops, and what is open is closed without the actors."""

    supervisor: str
    why: str


class ClockEvent(RunEvent, frozen=True, kw_only=True, tag="clock"):
    """The machine slept, or its clock was set (> 0: forward)."""

    slept_ms: int
    set_ms: int


class RulesEvent(RunEvent, frozen=True, kw_only=True, tag="rules"):
    """The exchange's rules have changed."""

    version: int
    detail: Detail


class StagedEvent(RunEvent, frozen=True, kw_only=True, tag="staged"):
    """The demo has staged a fault."""

    cycle: int
    text: str


def _plan(message: Any) -> str:
    return f"{message.epoch}.{message.seq}"


def _order(order: LegOrder) -> OrderLine:
    return OrderLine(
        order.amount.text(), order.limit.text(), order.kind, order.reduce_only, order.vwap.text()
    )


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


Facts = Callable[[Any], dict[str, Any]]
PUBLISHED: Mapping[type, tuple[type[RunEvent], Facts]] = {
    Note: (NoteEvent, lambda m: {"level": m.level, "source": m.source, "text": m.text}),
    Hop: (HopEvent, _hop),
    Sealed: (SealedEvent, _sealed),
    Ready: (VoteEvent, lambda m: {"plan": _plan(m), "who": m.who, "ready": True}),
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
        lambda m: {"actor": m.child, "incarnation": m.incarnation, "why": m.why or None},
    ),
    specs.ChildStarted: (ActorStartedEvent, lambda m: {"actor": m.child, "incarnation": m.incarnation}),
    specs.GivingUp: (GivingUpEvent, lambda m: {"supervisor": m.supervisor, "why": m.why}),
    ClockShift: (ClockEvent, lambda m: {"slept_ms": m.slept_ms, "set_ms": m.set_ms}),
    RulesRead: (RulesEvent, lambda m: {"version": m.version, "detail": m.text()}),
    Staged: (StagedEvent, lambda m: {"cycle": m.cycle, "text": m.text}),
}
"""What an actor says -> what is told of it. What is not named here is no event."""
KINDS: tuple[type[RunEvent], ...] = (
    BeginEvent,
    LostEvent,
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
