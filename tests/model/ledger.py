"""The ledger: commit, then speak. How it votes and when an order has its ending is asked of the real code
(`real.py`); what happens to an intent is modelled after `actors/ledger/fold.py`.
"""

from collections.abc import Iterator

from tests.model import real
from tests.model.legs import Move, posted, voted, with_order
from tests.model.rules import Rules
from tests.model.state import (
    LEGS,
    NOTHING_TOLD,
    OVER_WITH_NOTHING,
    Entry,
    Message,
    Order,
    Plan,
    State,
    held_in_model,
    in_flight,
)


def moves(state: State, rules: Rules) -> Iterator[Move]:
    """What the ledger can do now: the next message of its mailbox, or an event of the account's stream."""
    ledger = state.ledger
    if not ledger.up:
        return
    if ledger.box:
        yield from taken(state, rules)
    if rules.votes_before_writing:
        yield from _writes_at_last(state)
    for order in state.orders:
        for event in order.events:
            rest = list(order.events)
            rest.remove(event)
            yield (
                f"ledger reads {event[0]} {event[1]} of the {order.leg} order of {order.plan}",
                _event(state, order, event, tuple(rest), rules),
            )


def taken(state: State, rules: Rules) -> Iterator[Move]:
    """The head of the mailbox, dealt with."""
    ledger = state.ledger
    yield from _takes(state._replace(ledger=ledger._replace(box=ledger.box[1:])), ledger.box[0], rules)


def _takes(state: State, message: Message, rules: Rules) -> Iterator[Move]:
    match message:
        case ("seal", plan, copy):
            yield from _votes(state, plan, copy, rules)
        case ("abort", plan):
            yield f"ledger writes ABORT {plan}", _aborted(state, plan)
        case ("outcome", leg, plan, kind):
            yield (
                f"ledger writes outcome of {leg}: {kind}",
                _told(_placed(state, plan), plan, leg, ("outcome", kind), rules),
            )
        case ("resolved", leg, plan, lots, final):
            yield (
                f"ledger writes resolved {leg} order of {plan}: {lots}",
                _told(state, plan, leg, ("resolved", lots, final), rules),
            )


def noted(state: State) -> State:
    """The head of the mailbox, when it is a Place or a Restarted: nothing is said about either."""
    ledger = state.ledger
    (word, what), box = ledger.box[0], ledger.box[1:]
    if word == "place":
        return _placed(state._replace(ledger=ledger._replace(box=box)), what)
    return state._replace(ledger=ledger._replace(box=box, epoch=max(what, ledger.epoch)))


# -- votes ---------------------------------------------------------------------------------------------------


def _votes(state: State, plan: Plan, copy: str, rules: Rules) -> Iterator[Move]:
    ledger = state.ledger
    epoch = plan.epoch if rules.no_epochs else ledger.epoch
    flying, seen = (
        None if rules.ignores_flight else in_flight(ledger),
        "same" if rules.nobody_compares else copy,
    )
    if not real.ledger_agrees(
        plan,
        seen,
        epoch,
        ledger.last,
        held_in_model(state, "eth"),
        held_in_model(state, "sol"),
        flying.plan if flying else None,
    ):
        yield f"ledger declines {plan}", posted(state, ("declined", "ledger", plan))
        return
    if state.losses:
        yield (
            f"ledger finds fault and declines {plan}",
            posted(state, ("declined", "ledger", plan))._replace(losses=state.losses - 1),
        )
    stage = "unwritten" if rules.votes_before_writing else "intent"
    yield (
        f"ledger commits the intent of {plan} and votes READY",
        voted(intent(state, plan, stage), "ledger", plan, copy),
    )


def intent(state: State, plan: Plan, stage: str) -> State:
    """The intent, on disk."""
    told = tuple(NOTHING_TOLD if plan.lots(leg) else OVER_WITH_NOTHING for leg in LEGS)
    entry = Entry(plan, stage, *told)
    return state._replace(ledger=state.ledger._replace(last=plan.seq, entries=(*state.ledger.entries, entry)))


def _writes_at_last(state: State) -> Iterator[Move]:
    entry = in_flight(state.ledger)
    if entry is not None and entry.stage == "unwritten":
        yield (
            f"ledger commits the intent of {entry.plan} at last",
            _with_entry(state, entry, entry._replace(stage="intent")),
        )


# -- what happens to an intent -------------------------------------------------------------------------------


def _with_entry(state: State, old: Entry, new: Entry | None) -> State:
    kept = (new if entry is old else entry for entry in state.ledger.entries)
    return state._replace(
        ledger=state.ledger._replace(entries=tuple(entry for entry in kept if entry is not None))
    )


def _entry(state: State, plan: Plan) -> Entry | None:
    return next((entry for entry in state.ledger.entries if entry.plan == plan), None)


def _placed(state: State, plan: Plan) -> State:
    entry = _entry(state, plan)
    if entry is None or entry.stage not in {"intent", "uncertain"}:
        return state
    return _with_entry(state, entry, entry._replace(stage="placed"))


def _aborted(state: State, plan: Plan) -> State:
    entry = _entry(state, plan)
    if entry is None or entry.stage not in {"intent", "uncertain", "unwritten"}:
        return state
    return posted(_with_entry(state, entry, None), ("closed", plan, True))


def _told(state: State, plan: Plan, leg: str, news: Message, rules: Rules) -> State:
    entry = _entry(state, plan)
    if entry is None or entry.stage == "over":
        return state
    before = entry.eth if leg == "eth" else entry.sol
    after = rules.told(plan, leg, before, news) if before.total is None else before
    new = entry._replace(eth=after) if leg == "eth" else entry._replace(sol=after)
    if new.eth.total is None or new.sol.total is None:
        return _with_entry(state, entry, new)
    return posted(_with_entry(state, entry, new._replace(stage="over")), ("closed", plan, False))


def _event(state: State, order: Order, event: Message, rest: tuple[Message, ...], rules: Rules) -> State:
    state = _placed(with_order(state, order, order._replace(events=rest)), order.plan)
    return _told(state, order.plan, order.leg, event, rules)
