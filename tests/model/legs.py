"""The two legs: vote on what is sealed, send what is placed, wait for the answer. What they say and send
is asked of the real `actors/leg.py`.
"""

from collections.abc import Iterator

from tests.model import real
from tests.model.rules import Rules
from tests.model.state import LEGS, Leg, Message, Order, Plan, State

Move = tuple[str, State]
VOTES = {"eth": 1, "sol": 2, "ledger": 4}


def moves(state: State, rules: Rules) -> Iterator[Move]:
    """What either leg can do now."""
    for name in LEGS:
        leg = state.leg(name)
        if not leg.up:
            continue
        if leg.waits is not None:
            yield from _answered(state, name, leg, rules)
        elif leg.box:
            yield from _takes(state, name, leg, rules)


def with_leg(state: State, name: str, leg: Leg) -> State:
    return state._replace(eth=leg) if name == "eth" else state._replace(sol=leg)


def posted(state: State, message: Message) -> State:
    """The message behind all others in the supervisor's mailbox."""
    return state._replace(inbox=(*state.inbox, message))


def _takes(state: State, name: str, leg: Leg, rules: Rules) -> Iterator[Move]:
    message, leg = leg.box[0], leg._replace(box=leg.box[1:])
    if message[0] == "seal":
        yield from _seal(state, name, leg, message, rules)
    else:
        yield _place(state, name, leg, message[1], rules)


def _seal(state: State, name: str, leg: Leg, message: Message, rules: Rules) -> Iterator[Move]:
    _, plan, copy = message
    epoch, seen = plan.epoch if rules.no_epochs else leg.epoch, "same" if rules.nobody_compares else copy
    if not real.leg_agrees(name, plan, seen, epoch, leg.last):
        yield f"{name}_leg declines {plan}", posted(with_leg(state, name, leg), ("declined", name, plan))
        return
    if state.losses and not real.leg_agrees(name, plan, seen, epoch, leg.last, connected=False):
        declined = posted(with_leg(state, name, leg), ("declined", name, plan))
        yield f"{name}_leg has no connection and declines {plan}", declined._replace(losses=state.losses - 1)
    after = voted(with_leg(state, name, leg._replace(last=plan.seq, held=(plan, copy))), name, plan, copy)
    if rules.acts_on_receipt:
        yield f"{name}_leg sends {plan} on receipt", _sent(after, name, plan, copy, 0)
    else:
        yield f"{name}_leg votes READY on {plan}" + ("" if copy == "same" else f" ({copy} copy)"), after


def voted(state: State, who: str, plan: Plan, copy: str) -> State:
    """A vote is on its way, and noted for I3."""
    cast = state.votes | (VOTES[who] if state.bar.plan == plan else 0)
    return posted(state._replace(votes=cast), ("ready", who, plan, copy))


def _place(state: State, name: str, leg: Leg, plan: Plan, rules: Rules) -> Move:
    """A Place of the plan it holds: others are dropped on arrival (`transitions.py`)."""
    after = with_leg(state, name, leg._replace(held=None))
    copy = leg.held[1] if leg.held is not None else "same"
    sends = rules.acts_on_late_place or rules.nobody_compares or real.leg_sends(name, plan, copy)
    if plan.lots(name) == 0 or not sends:
        return f"{name}_leg sends nothing for {plan}", posted(after, ("outcome", name, plan, "none"))
    if plan not in state.windows:
        return f"{name}_leg is too late for {plan}, sends nothing", posted(
            after, ("outcome", name, plan, "none")
        )
    return f"{name}_leg sends its order of {plan}", _sent(after, name, plan, copy, 0)


def _sent(state: State, name: str, plan: Plan, copy: str, number: int) -> State:
    """Bytes handed to the socket; the facts that the invariants judge them by are noted here."""
    journalled = any(entry.plan == plan and entry.stage != "unwritten" for entry in state.ledger.entries)
    last = state.bar.seq == plan.seq
    votes, alive = state.votes if last else 0, last and not state.reborn
    order = Order(plan, name, number, copy, votes, journalled, alive, True, "", 0, 0, ())
    leg = state.leg(name)._replace(held=None, waits=(plan, number))
    return with_leg(state, name, leg)._replace(orders=tuple(sorted((*state.orders, order))))


def order_of(state: State, name: str, waits: tuple[Plan, int]) -> Order:
    """The order whose answer a leg waits for."""
    return next(order for order in state.orders if (order.plan, order.number, order.leg) == (*waits, name))


def with_order(state: State, old: Order, new: Order) -> State:
    return state._replace(orders=tuple(new if order is old else order for order in state.orders))


def _answered(state: State, name: str, leg: Leg, rules: Rules) -> Iterator[Move]:
    assert leg.waits is not None
    order = order_of(state, name, leg.waits)
    free = leg._replace(waits=None)
    if order.answer:
        heard = with_order(with_leg(state, name, free), order, order._replace(answer=""))
        yield f"{name}_leg hears: {order.answer}", posted(heard, ("outcome", name, order.plan, order.answer))
    elif not order.travels or order.plan not in state.windows:
        yield in_doubt(state, name, free, order, rules)


def in_doubt(state: State, name: str, free: Leg, order: Order, rules: Rules) -> Move:
    """The leg knows that it will hear nothing about its order."""
    if rules.resends and order.number == 0 and order.plan in state.windows:
        again = _sent(with_leg(state, name, free), name, order.plan, order.copy, 1)
        return f"{name}_leg hears nothing and sends {order.plan} again ({rules.resends} bytes)", again
    return f"{name}_leg hears nothing: unknown", posted(
        with_leg(state, name, free), ("outcome", name, order.plan, "unknown")
    )
