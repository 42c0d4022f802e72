"""The ledger: commit, then speak. Modelled after `actors/ledger` (`vote.py`, `fold.py`, `orders.py`)."""

from collections.abc import Iterator

from tests.model import real
from tests.model.legs import Move, posted, voted, with_order
from tests.model.rules import Rules
from tests.model.state import (
    LEGS,
    LOTS,
    NOTHING_TOLD,
    OVER_WITH_NOTHING,
    Entry,
    Ledger,
    Message,
    Order,
    Plan,
    State,
    Told,
    held,
    in_flight,
)


def moves(state: State, rules: Rules) -> Iterator[Move]:
    """What the ledger can do now: the next message of its mailbox, or an event of the account's stream."""
    ledger = state.ledger
    if not ledger.up:
        return
    if ledger.box:
        yield from _takes(state._replace(ledger=ledger._replace(box=ledger.box[1:])), ledger.box[0], rules)
    if rules.votes_before_writing:
        yield from _writes_at_last(state)
    for order in state.orders:
        for event in order.events:
            rest = list(order.events)
            rest.remove(event)
            yield f"ledger reads {event[0]} {event[1]} of the {order.leg} order of {order.plan}", _event(state, order, event, tuple(rest), rules)


def _takes(state: State, message: Message, rules: Rules) -> Iterator[Move]:
    match message:
        case ("seal", plan, copy):
            yield from _votes(state, plan, copy, rules)
        case ("abort", plan):
            yield f"ledger writes ABORT {plan}", _aborted(state, plan)
        case ("outcome", leg, plan, kind):
            yield f"ledger writes outcome of {leg}: {kind}", _told(_placed(state, plan), plan, leg, lambda told: _outcome(told, kind, plan.lots(leg), rules))
        case ("resolved", leg, plan, lots, final):
            yield f"ledger writes resolved {leg} order of {plan}: {lots}", _told(state, plan, leg, lambda told: _resolved(told, lots, final=final))


def noted(state: State) -> State:
    """The head of the mailbox, when it is a Place or a Restarted: nothing is said about either."""
    ledger = state.ledger
    (word, what), box = ledger.box[0], ledger.box[1:]
    if word == "place":
        return _placed(state._replace(ledger=ledger._replace(box=box)), what)
    return state._replace(ledger=ledger._replace(box=box, epoch=max(what, ledger.epoch)))


# -- votes ------------------------------------------------------------------------------------------------------------------------------------------


def _votes(state: State, plan: Plan, copy: str, rules: Rules) -> Iterator[Move]:
    ledger = state.ledger
    epoch = plan.epoch if rules.no_epochs else ledger.epoch
    objects = real.objects(plan, copy, epoch, ledger.last) and not (rules.nobody_compares and copy != "same")
    if objects or in_flight(ledger) or _misfit(ledger, plan):
        yield f"ledger declines {plan}", posted(state, ("declined", "ledger", plan))
        return
    if state.hiccups:
        yield f"ledger finds fault and declines {plan}", posted(state, ("declined", "ledger", plan))._replace(hiccups=state.hiccups - 1)
    stage = "unwritten" if rules.votes_before_writing else "intent"
    yield f"ledger commits the intent of {plan} and votes READY", voted(intent(state, plan, stage), "ledger", plan, copy)


def intent(state: State, plan: Plan, stage: str) -> State:
    """The intent, on disk."""
    told = tuple(NOTHING_TOLD if plan.lots(leg) else OVER_WITH_NOTHING for leg in LEGS)
    entry = Entry(plan, stage, *told)
    return state._replace(ledger=state.ledger._replace(last=plan.seq, entries=(*state.ledger.entries, entry)))


def _misfit(ledger: Ledger, plan: Plan) -> bool:
    have = {leg: held(ledger, leg) for leg in LEGS}
    if plan.purpose == "enter":
        return any(have.values())
    room = {leg: LOTS - have[leg] if plan.increases else have[leg] for leg in LEGS}
    return any(plan.lots(leg) > room[leg] for leg in LEGS)


def _writes_at_last(state: State) -> Iterator[Move]:
    entry = in_flight(state.ledger)
    if entry is not None and entry.stage == "unwritten":
        yield f"ledger commits the intent of {entry.plan} at last", _with_entry(state, entry, entry._replace(stage="intent"))


# -- what happens to an intent --------------------------------------------------------------------------------------------------------------------


def _with_entry(state: State, old: Entry, new: Entry | None) -> State:
    kept = (new if entry is old else entry for entry in state.ledger.entries)
    return state._replace(ledger=state.ledger._replace(entries=tuple(entry for entry in kept if entry is not None)))


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


def _told(state: State, plan: Plan, leg: str, change: "Change") -> State:
    entry = _entry(state, plan)
    if entry is None or entry.stage == "over":
        return state
    before = entry.eth if leg == "eth" else entry.sol
    after = change(before) if before.total is None else before
    new = entry._replace(eth=after) if leg == "eth" else entry._replace(sol=after)
    if new.eth.total is None or new.sol.total is None:
        return _with_entry(state, entry, new)
    return posted(_with_entry(state, entry, new._replace(stage="over")), ("closed", plan, False))


class Change:
    """A function from Told to Told."""

    def __call__(self, told: Told) -> Told:  # pragma: no cover - a protocol
        raise NotImplementedError


def _outcome(told: Told, kind: str, lots: int, rules: Rules) -> Told:
    if rules.ack_is_fill and kind == "accepted":
        return Told("", 0, None, lots)
    first = told.answer in {"", "unknown"}
    return judged(told._replace(answer=kind) if first else told, lots)


def judged(told: Told, lots: int) -> Told:
    """An ending, when there is one (the table in `actors/ledger/orders.py`)."""
    never = told.answer in {"refused", "none"} and told.traded == 0
    if never or told.traded == lots or (told.left is not None and told.traded == lots - told.left):
        return Told("", 0, None, told.traded)
    return told


def _resolved(told: Told, lots: int, *, final: bool) -> Told:
    if lots >= told.traded:
        return Told("", 0, None, lots)
    return Told("", 0, None, told.traded) if final else told


def _event(state: State, order: Order, event: Message, rest: tuple[Message, ...], rules: Rules) -> State:
    state = _placed(with_order(state, order, order._replace(events=rest)), order.plan)
    lots = order.plan.lots(order.leg)

    def change(told: Told) -> Told:
        if event[0] == "cancelled":
            return judged(told._replace(left=event[1]), lots)
        twice = told.traded > 0 and not rules.counts_duplicates
        return judged(told if twice else told._replace(traded=told.traded + event[1]), lots)

    return _told(state, order.plan, order.leg, change)
