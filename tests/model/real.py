"""The real code in the loop. Keys in, real messages built, the real function called, keys out; every different question is asked once.

`barrier.step` is the whole of the barrier in this model, `objections.objection` what each voter checks, `resolve.judge` what is believed of an order in
doubt. A broken variant passes its own `step`, made from the real one.
"""

from functools import lru_cache

import msgspec

from actors.objections import objection
from actors.runtime import barrier
from actors.runtime.barrier import Barrier, EpochBumped, FillsDue, Recovered, Resolve, Tell, TellLedger, VotesDue
from messages.execution import AccountSnapshot, Doubt, LegFill, Outcome, PlanClosed, Position
from messages.sizing import Declined, LegOrder, Place, Ready, Sealed, SizingPlan
from messages.units import Base, Bps, Ms, Price, Quote
from messages.wire import digest
from tests.model.state import Bar, Message, Plan
from venue.protocol import ArchivedOrder
from venue.resolve import WINDOW_MARGIN_MS, judge

RECV_TIME_MS = 2_000
READY_DEADLINE_MS = 100
PLAN_EVERY_MS = 10_000
PRODUCTS = {"eth": 4, "sol": 8}
SIGN = {"eth": 1, "sol": -1}
"""An enter buys ETH and sells SOL."""

Action = tuple[str, Message]
"""("three", message), ("ledger", message) or ("resolve", ()); what `Settle` starts is not modelled, the ledger's word is enough here."""
Answer = tuple[Bar, tuple[Action, ...]]


def sealed_ms(seq: int) -> int:
    return seq * PLAN_EVERY_MS


def now_ms(seq: int, *, late: bool) -> int:
    """Venue time for a question about plan `seq`: just after its seal, or after its votes were due."""
    return sealed_ms(seq) + (READY_DEADLINE_MS + 1 if late else 1)


def _order(plan: Plan, leg: str) -> LegOrder:
    lots = plan.lots(leg) * SIGN[leg] * (1 if plan.increases else -1)
    return LegOrder(PRODUCTS[leg], Base(lots), Price(1), "fok" if plan.increases else "ioc", not plan.increases, Price(1), Price(1))


@lru_cache(maxsize=None)
def sizing_plan(plan: Plan) -> SizingPlan:
    """The plan as sizing proposes it, with the numbers that the seal gave it."""
    until = Ms(sealed_ms(plan.seq) + RECV_TIME_MS)
    eth, sol = _order(plan, "eth"), _order(plan, "sol")
    return SizingPlan(plan.epoch, plan.seq, 1, 0, plan.purpose, Ms(0), until, Ms(0), Ms(0), Ms(0), Bps(0), eth, sol)  # type: ignore[arg-type]


@lru_cache(maxsize=None)
def sealed(plan: Plan, copy: str) -> Sealed:
    """The object that a voter holds."""
    true = sizing_plan(plan)
    if copy == "same":
        return Sealed(true, digest(true))
    changed = msgspec.structs.replace(true, cycle=99)
    return Sealed(changed, digest(changed if copy == "other" else true))


def order_digest(plan: Plan, copy: str, leg: str) -> str:
    """What stands for the venue's digest of a leg's order: it follows from the plan alone, so everybody can derive it."""
    return f"{leg} of {digest(sealed(plan, copy).plan)}" if plan.lots(leg) else ""


@lru_cache(maxsize=None)
def objects(plan: Plan, copy: str, epoch: int, last: int) -> bool:
    """Would the real check, made by a voter of this epoch that last saw `last`, refuse this object?"""
    return objection(sealed(plan, copy), epoch, last) is not None


def _vote(who: str, plan: Plan, copy: str) -> Ready:
    eth = order_digest(plan, copy, "eth") if who in {"eth", "ledger"} else None
    sol = order_digest(plan, copy, "sol") if who in {"sol", "ledger"} else None
    return Ready(who, plan.epoch, plan.seq, digest(sealed(plan, copy).plan), eth, sol)  # type: ignore[arg-type]


def _closed(plan: Plan, *, aborted: bool) -> PlanClosed:
    eth, sol = (LegFill(PRODUCTS[leg], "", Base(0), Base(0), Price(0), Quote(0), "none", None) for leg in ("eth", "sol"))
    return PlanClosed(plan.epoch, plan.seq, aborted, eth, sol)


def _event(message: Message) -> barrier.Event:
    match message:
        case ("ready", who, plan, copy):
            return _vote(who, plan, copy)
        case ("declined", who, plan):
            return Declined(who, plan.epoch, plan.seq, "NO", "")
        case ("outcome", leg, plan, kind):
            return Outcome(leg, plan.epoch, plan.seq, "", kind, None, "", Ms(0), Ms(0))
        case ("closed", plan, aborted):
            return _closed(plan, aborted=aborted)
        case ("bumped", epoch):
            return EpochBumped(epoch, "restarted")
        case ("proposed", purpose, eth, sol):
            return sizing_plan(Plan(0, 0, purpose, eth, sol))
        case ("votes due", plan):
            return VotesDue(plan.epoch, plan.seq)
        case ("fills due", plan):
            return FillsDue(plan.epoch, plan.seq)
        case ("recovered",):
            return Recovered()
    raise AssertionError(message)


def barrier_of(bar: Bar) -> Barrier:
    """The real state that a key stands for."""
    plan = sealed(bar.plan, "same") if bar.plan else None
    due = Ms(sealed_ms(bar.plan.seq) + READY_DEADLINE_MS) if bar.plan else Ms(0)
    ready = tuple(_vote(who, bar.plan, copy) for who, copy in bar.ready) if bar.plan else ()
    return Barrier(bar.epoch, bar.seq, bar.phase, plan, ready, due)  # type: ignore[arg-type]


def plan_of(plan: SizingPlan) -> Plan:
    """The key of a real plan."""
    return Plan(plan.epoch, plan.seq, plan.purpose, abs(plan.eth.amount), abs(plan.sol.amount))


def _key(state: Barrier) -> Bar:
    plan = plan_of(state.sealed.plan) if state.sealed else None
    assert plan is None or sealed(plan, "same") == state.sealed, "the key must say everything"
    copies = {digest(sealed(plan, copy).plan): copy for copy in ("other", "same")} if plan else {}
    ready = tuple(sorted((vote.who, copies[vote.plan_digest]) for vote in state.ready))
    return Bar(state.epoch, state.seq, state.phase, plan, ready)


def _word(message: msgspec.Struct, plan: Plan) -> Message:
    if isinstance(message, Sealed):
        return "seal", plan, "same"
    if isinstance(message, Outcome):
        return "outcome", message.leg, plan, message.kind
    return ("place" if isinstance(message, Place) else "abort"), plan


def _actions(actions: tuple[barrier.Action, ...], plan: Plan | None) -> tuple[Action, ...]:
    keys: list[Action] = []
    for action in actions:
        if isinstance(action, Resolve):
            keys.append(("resolve", ()))
        elif isinstance(action, Tell | TellLedger):
            assert plan is not None
            keys.append(("three" if isinstance(action, Tell) else "ledger", _word(action.message, plan)))
    return tuple(keys)


@lru_cache(maxsize=None)
def step(bar: Bar, message: Message, late: bool) -> Answer:
    """The real table's row for this state, message and time."""
    if message[0] == "proposed":
        at = sealed_ms(bar.seq + 1)
    else:
        at = now_ms(bar.plan.seq if bar.plan else bar.seq, late=late)
    after, actions = barrier.step(barrier_of(bar), _event(message), at, recv_time_ms=RECV_TIME_MS, ready_deadline_ms=READY_DEADLINE_MS)
    key = _key(after)
    return key, _actions(actions, key.plan or bar.plan)


@lru_cache(maxsize=None)
def believes(plan: Plan, leg: str, moved: int, archived: int, closed: bool) -> tuple[int, bool] | None:
    """What the real `judge` says of an order: (lots, final), or None for "not known yet".

    `moved`: lots by which the position is now further in the order's direction. `archived`: lots the archive names, 0 while it lags.
    """
    order = _order(plan, leg)
    unit = 1 if order.amount > 0 else -1
    until = sealed_ms(plan.seq) + RECV_TIME_MS
    doubt = Doubt(leg, plan.epoch, plan.seq, "x", order.product_id, order.amount, order.limit, Ms(until), Base(0))  # type: ignore[arg-type]
    at = Ms(until + WINDOW_MARGIN_MS + 1 if closed else until - 1)
    here = Position(order.product_id, Base(moved * unit), Base(0), Quote(0))
    snapshot = AccountSnapshot(at, True, Quote(0), Quote(0), Quote(0), Quote(0), (here,), ())
    told = ArchivedOrder("x", order.product_id, Base(archived * unit), Quote(0), Quote(0), 1) if archived else None
    answer = judge(doubt, snapshot, told)
    return None if answer is None else (abs(answer.filled), not answer.provisional)
