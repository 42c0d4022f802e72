"""The real code in the loop. Keys in, real messages built, the real function called, keys out; every
different question is asked once.

    barrier.step                what the supervisor does
    leg.on_sealed, on_place     how a leg votes (with `objections.objection`), and whether it sends
    ledger.vote                 how the ledger votes
    orders.OurOrder             when the ledger gives an order its ending, and which
    resolve.judge               what is believed of an order in doubt

A broken variant passes its own version, made from the real one.
"""

from collections.abc import Iterator
from functools import cache

import msgspec

from actors import barrier
from actors.barrier import (
    Barrier,
    ClockJumped,
    EpochBumped,
    FillsDue,
    LegDown,
    Recovered,
    Resolve,
    Settle,
    Tell,
    VotesDue,
)
from actors.ledger import Fold
from actors.ledger.flight import Flight
from actors.ledger.orders import OurOrder
from actors.ledger.vote import vote
from actors.leg import LegState, on_place, on_sealed
from messages.execution import (
    AccountSnapshot,
    Doubt,
    Fill,
    LegFill,
    OrderUpdate,
    Outcome,
    PlanClosed,
    Position,
    Resolved,
)
from messages.settings import Settings
from messages.sizing import Declined, LegOrder, Place, QuoteTerms, Ready, Sealed, SizingPlan
from messages.units import DOLLAR_NEUTRAL, Base, Bps, Ms, Ns, Price, Quote, Rate
from messages.wire import digest
from tests.model.state import LOTS, Bar, Message, Plan, Told
from venue.protocol import ArchivedOrder, Order, SignedOrder
from venue.resolve import WINDOW_MARGIN_MS, judge

RECV_TIME_MS = 2_000
REST_MS = 6_000
GIVE_UP_MS = 4_000
"""After the seal, as all times of a plan here."""
READY_DEADLINE_MS = 100
PLAN_EVERY_MS = 10_000
NO_PLAN = Plan(0, 0, "", 0, 0)
PRODUCTS = {"eth": 4, "sol": 8}
SIGN = {"eth": 1, "sol": -1}
"""An enter buys ETH and sells SOL."""
HEDGED = {"at": DOLLAR_NEUTRAL}
"""The hedge ratio of everything here: `hedge_at` sets it."""

Action = tuple[str, Message]
"""("three", message), ("ledger", message), ("resolve", ()) or ("settle", ()). What the last starts is not
modelled: the ledger's word is enough
"""
Answer = tuple[Bar, tuple[Action, ...]]


def sealed_ms(seq: int) -> int:
    return seq * PLAN_EVERY_MS


def now_ms(seq: int, *, late: bool) -> int:
    """Venue time for a question about plan `seq`: just after its seal, or after its votes were due."""
    return sealed_ms(seq) + (READY_DEADLINE_MS + 1 if late else 1)


def _order(plan: Plan, leg: str) -> LegOrder:
    lots = plan.lots(leg) * SIGN[leg] * (1 if plan.increases else -1)
    rests, takes = plan.purpose == "quote", plan.purpose == "hedge" or not plan.increases
    return LegOrder(
        PRODUCTS[leg],
        Base(lots),
        Price(1),
        "post_only" if rests else "ioc" if takes else "fok",
        not plan.increases and not rests,
        Price(1),
        Price(1),
    )


def _terms(plan: Plan) -> QuoteTerms | None:
    """On what a quote was decided: the whole pair in the direction of an enter."""
    if plan.terms is None:
        return None
    leg, opens, eth, sol, hedges = plan.terms
    whole = Base(eth * SIGN["eth"]), Base(sol * SIGN["sol"])
    give_up = Ms(sealed_ms(plan.seq) + GIVE_UP_MS)
    return QuoteTerms(leg, opens, *whole, Price(1), Ms(REST_MS), give_up, hedges)


@cache
def sizing_plan(plan: Plan) -> SizingPlan:
    """The plan as sizing proposes it, with the numbers that the seal gave it."""
    until = Ms(sealed_ms(plan.seq) + RECV_TIME_MS)
    eth, sol, ratio = _order(plan, "eth"), _order(plan, "sol"), HEDGED["at"]
    whole = SizingPlan(
        plan.epoch, plan.seq, 1, 0, plan.purpose, Ms(0), until, Ms(0), Ms(0), Ms(0), Bps(0), eth, sol,
        quote=_terms(plan),
    )  # type: ignore[arg-type]  # fmt: skip
    return whole if ratio == DOLLAR_NEUTRAL else msgspec.structs.replace(whole, hedge_ratio=ratio)


@cache
def sealed_message(plan: Plan, copy: str) -> Sealed:
    """The object that a voter holds."""
    true = sizing_plan(plan)
    if copy == "same":
        return Sealed(true, digest(true))
    changed = msgspec.structs.replace(true, cycle=99)
    return Sealed(changed, digest(changed if copy == "other" else true))


def _closed(plan: Plan, *, aborted: bool) -> PlanClosed:
    eth, sol = (
        LegFill(PRODUCTS[leg], "", Base(0), Base(0), Price(0), Quote(0), "none", None)
        for leg in ("eth", "sol")
    )
    return PlanClosed(plan.epoch, plan.seq, aborted, eth, sol)


DUE = {"votes due": VotesDue, "leg down": LegDown, "fills due": FillsDue}


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
        case ("quote proposed", plan):
            return sizing_plan(plan)
        case ("clock jumped", plan):
            return ClockJumped(plan.epoch, plan.seq, "it was set")
        case ("recovered",):
            return Recovered()
    word, plan = message
    return DUE[word](plan.epoch, plan.seq)


def barrier_of(bar: Bar) -> Barrier:
    """The real state that a key stands for."""
    plan = sealed_message(bar.plan, "same") if bar.plan else None
    due = Ms(sealed_ms(bar.plan.seq) + READY_DEADLINE_MS) if bar.plan else Ms(0)
    ready = tuple(_vote(who, bar.plan, copy) for who, copy in bar.ready) if bar.plan else ()
    return Barrier(bar.epoch, bar.seq, bar.phase, plan, ready, due)  # type: ignore[arg-type]


def _key(state: Barrier, kind: type[Plan]) -> Bar:
    plan = kind.of(state.sealed.plan) if state.sealed else None
    assert plan is None or sealed_message(plan, "same") == state.sealed, "the key must say everything"
    copies = {digest(sealed_message(plan, copy).plan): copy for copy in ("other", "same")} if plan else {}
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
        elif isinstance(action, Settle):
            keys.append(("settle", ()))
        else:
            assert plan is not None
            keys.append(("three" if isinstance(action, Tell) else "ledger", _word(action.message, plan)))
    return tuple(keys)


@cache
def step(bar: Bar, message: Message, late: bool) -> Answer:
    """The real table's row for this state, message and time."""
    proposed = message[0] in {"proposed", "quote proposed"}
    at = sealed_ms(bar.seq + 1) if proposed else now_ms(bar.plan.seq if bar.plan else bar.seq, late=late)
    after, actions = barrier.step(
        barrier_of(bar), _event(message), at, recv_time_ms=RECV_TIME_MS, ready_deadline_ms=READY_DEADLINE_MS
    )
    key = _key(after, type(message[1]) if message[0] == "quote proposed" else type(bar.plan or NO_PLAN))
    return key, _actions(actions, key.plan or bar.plan)


@cache
def believes(plan: Plan, leg: str, moved: int, archived: int, closed: bool) -> tuple[int, bool] | None:
    """What the real `judge` says of an order: (lots, final), or None for "not known yet".

    `moved`: lots by which the position is now further in the order's direction. `archived`: lots the archive
    names, 0 while it lags.
    """
    order = _order(plan, leg)
    unit = 1 if order.amount > 0 else -1
    until = sealed_ms(plan.seq) + RECV_TIME_MS
    doubt = Doubt(
        leg, plan.epoch, plan.seq, "x", order.product_id, order.amount, order.limit, Ms(until), Base(0)
    )  # type: ignore[arg-type]
    at = Ms(until + WINDOW_MARGIN_MS + 1 if closed else until - 1)
    here = Position(order.product_id, Base(moved * unit), Base(0), Quote(0))
    snapshot = AccountSnapshot(at, True, Quote(0), Quote(0), Quote(0), Quote(0), (here,), ())
    told = (
        ArchivedOrder("x", order.product_id, Base(archived * unit), Quote(0), Quote(0), 1)
        if archived
        else None
    )
    answer = judge(doubt, snapshot, told)
    return None if answer is None else (abs(answer.filled), not answer.provisional)


# -- the voters ----------------------------------------------------------------------------------------------


class _Forge:
    """Orders without keys: the nonce carries the plan's digest, so an order's digest follows from the plan
    alone and nobody needs to be told it.
    """

    def order_of(self, plan: SizingPlan, plan_digest: str, leg: str) -> Order:
        half = plan.leg(leg)  # type: ignore[arg-type]
        until_ms, nonce = int(plan.recv_time_ms), int(plan_digest, 16)
        return Order(half.product_id, "", half.limit, half.amount, until_ms, nonce, int(half.reduce_only))

    def digest_of(self, order: Order) -> str:
        return f"{order.product_id} {int(order.amount)} {order.nonce:x}"

    def sign(self, order: Order) -> SignedOrder:
        return SignedOrder(order, self.digest_of(order), "", Ms(order.expiration_s))


ORDER_BUILDER = _Forge()


def hedge_at(ratio: Rate) -> None:
    """From now on every plan, pair and configuration has this hedge ratio; no answer from before is kept."""
    HEDGED["at"] = ratio
    for asked in (sizing_plan, sealed_message, step, believes, leg_agrees, leg_sends, ledger_agrees, told):
        asked.cache_clear()


def _settings() -> Settings:
    return Settings(hedge_ratio=HEDGED["at"])


def _vote(who: str, plan: Plan, copy: str) -> Ready:
    """The yes of a voter that holds this copy."""
    held = sealed_message(plan, copy)
    true = digest(held.plan)
    eth, sol = (
        ORDER_BUILDER.digest_of(ORDER_BUILDER.order_of(held.plan, true, leg)) if plan.lots(leg) else ""
        for leg in ("eth", "sol")
    )
    return Ready(
        who, plan.epoch, plan.seq, true, None if who == "sol" else eth, None if who == "eth" else sol
    )  # type: ignore[arg-type]


@cache
def leg_agrees(leg: str, plan: Plan, copy: str, epoch: int, last: int, connected: bool = True) -> bool:
    """Does the real leg say yes? It is asked as an incarnation of `epoch` that last voted on `last`."""
    _, vote = on_sealed(
        LegState(leg, epoch, last),
        sealed_message(plan, copy),
        ORDER_BUILDER,
        _settings(),
        connected=connected,
    )  # type: ignore[arg-type]
    assert isinstance(vote, Declined) or vote == _vote(leg, plan, copy), (
        "the key of a vote must say everything"
    )
    return isinstance(vote, Ready)


@cache
def leg_sends(leg: str, plan: Plan, copy: str) -> bool:
    """Does the real leg, that has voted on its copy, send at the Place of the plan that was sealed?"""
    state, _ = on_sealed(
        LegState(leg, plan.epoch), sealed_message(plan, copy), ORDER_BUILDER, _settings(), connected=True
    )  # type: ignore[arg-type]
    ledger, true = _vote("ledger", plan, "same"), sealed_message(plan, "same").digest
    place = Place(plan.epoch, plan.seq, true, ledger.eth_order or "", ledger.sol_order or "")
    return isinstance(on_place(state, place, ORDER_BUILDER), SignedOrder)


@cache
def ledger_agrees(
    plan: Plan, copy: str, epoch: int, last: int, eth: int, sol: int, flying: Plan | None
) -> bool:
    """Does the real ledger say yes, while it holds so many lots and `flying` has no ending?"""
    fold = Fold(seq=last, position={"eth": eth * SIGN["eth"], "sol": sol * SIGN["sol"]})
    fold.cycle.wanted = fold.cycle.pair = (LOTS * SIGN["eth"], LOTS * SIGN["sol"])
    fold.cycle.hedge_ratio = int(HEDGED["at"])
    fold.view.live = fold.view.agreed = True
    fold.view.snapshot = AccountSnapshot(Ms(1), True, Quote(0), Quote(0), Quote(0), Quote(0), (), ())
    if flying is not None:
        whole = sizing_plan(flying)
        fold.flight = Flight(
            sealed_message(flying, "same"), (OurOrder("eth", whole, "", 0), OurOrder("sol", whole, "", 0))
        )
    answer = vote(fold, sealed_message(plan, copy), epoch, ORDER_BUILDER)
    return isinstance(answer, Ready)


# -- an order's ending ---------------------------------------------------------------------------------------


@cache
def told(plan: Plan, leg: str, before: Told, news: Message) -> Told:
    """What the real `OurOrder` makes of ("outcome", kind), ("fill", lots), ("filled", left), ("cancelled",
    0) or ("resolved", lots, final).
    """
    order = OurOrder(leg, sizing_plan(plan), "x", 0)  # type: ignore[arg-type]
    for known in _known(before):
        tell(order, known)
    assert not order.ended, f"{before} has no ending"
    tell(order, news)
    if order.ended:
        return Told("", 0, None, False, abs(order.total.filled))
    answer = order.outcome.kind if order.outcome and order.outcome.kind in {"refused", "none"} else ""
    return Told(answer, abs(order.total.filled), order.left, order.cancelled, None)


def _known(before: Told) -> Iterator[Message]:
    if before.answer:
        yield "outcome", before.answer
    if before.traded:
        yield "fill", before.traded
    if before.left is not None:
        yield "filled", before.left
    if before.cancelled:
        yield "cancelled", 0


def tell(order: OurOrder, news: Message) -> None:
    """Give the real order a piece of news."""
    plan, product, amount = order.plan, order.order.product_id, int(order.order.amount)
    unit = 1 if amount > 0 else -1
    match news:
        case ("outcome", kind):
            order.take_outcome(Outcome(order.leg, plan.epoch, plan.seq, "x", kind, None, "", Ms(0), Ms(0)))
        case ("fill", lots):
            left = Base(abs(amount) - lots)
            order.take_fill(
                Fill(
                    "x",
                    product,
                    Base(lots * unit),
                    Price(1),
                    Quote(0),
                    left,
                    Base(abs(amount)),
                    True,
                    1,
                    Ns(0),
                )
            )
        case ("resolved", lots, final):
            order.take_resolved(
                Resolved("x", product, Base(lots * unit), Quote(0), Quote(0), not final, ""), 0
            )
        case (reason, left):
            order.take_update(OrderUpdate("x", product, Base(left), reason, Ns(0)))
