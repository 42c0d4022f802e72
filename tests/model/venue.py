"""The venue and the wire: an order arrives, at last or never; answer and fills travel apart. And RESOLVE,
which asks.
"""

from collections.abc import Iterator

from tests.model.legs import Move, with_order
from tests.model.rules import Rules
from tests.model.state import Message, Order, Plan, Probe, State, doubts, held_in_model, position
from tests.model.symmetry import by_order


def moves(state: State, rules: Rules) -> Iterator[Move]:
    """What the venue can do now, and what RESOLVE can learn from it."""
    for order in state.orders:
        if order.travels:
            yield from _arrives(state, order, rules)
    for probe in state.probes:
        yield from _asks(state, probe, rules)


def _arrives(state: State, order: Order, rules: Rules) -> Iterator[Move]:
    name, lots = f"the {order.leg} order of {order.plan}", order.plan.lots(order.leg)
    if rules.resends == "same" and any(_twin(order, other) for other in state.orders):
        yield f"venue knows the digest of {name} already", _judged(state, order, "", 0, ())
        return
    if order.plan not in state.windows:
        yield f"venue refuses {name}: its window is over", _judged(state, order, "refused", 0, ())
        return
    yield f"venue refuses {name}", _judged(state, order, "refused", 0, ())
    room = lots if order.plan.increases else min(lots, position(state, order.leg))
    if room == lots:
        yield f"venue fills {name}", _judged(state, order, "accepted", lots, (("fill", lots),))
    for part in range(1, lots):
        if not order.plan.increases and part <= room:
            cut = (("cancelled", 0), ("fill", part), ("filled", lots - part))
            yield f"venue fills {part} of {lots} of {name}", _judged(state, order, "accepted", part, cut)


def _twin(order: Order, other: Order) -> bool:
    return (other.plan, other.leg) == (order.plan, order.leg) and bool(other.accepted)


def _judged(state: State, order: Order, answer: str, lots: int, events: tuple[Message, ...]) -> State:
    waits = state.leg(order.leg).waits == (order.plan, order.number)
    after = order._replace(
        travels=False,
        answer=answer if waits else "",
        filled=lots,
        accepted=int(answer == "accepted"),
        events=events,
    )
    return with_order(state, order, after)


# -- RESOLVE -------------------------------------------------------------------------------------------------


def probing(state: State) -> State:
    """RESOLVE runs for every doubt that the ledger reports, once each."""
    started = tuple(Probe(plan, leg, _before(state, plan, leg), None) for plan, leg in unprobed(state))
    return state._replace(probes=tuple(sorted(state.probes + started, key=by_order))) if started else state


def _before(state: State, plan: Plan, leg: str) -> int:
    """What the ledger held before the plan: one plan is in flight, so all other intents are over."""
    others = tuple(entry for entry in state.ledger.entries if entry.plan != plan)
    return held_in_model(state._replace(ledger=state.ledger._replace(entries=others)), leg)


def unprobed(state: State) -> tuple[tuple[Plan, str], ...]:
    """Doubts that nobody asks about. One whose answer the ledger has not yet read is not asked about
    again: that would only say the same.
    """
    asked = {(probe.plan, probe.leg) for probe in state.probes}
    asked |= {(message[2], message[1]) for message in state.ledger.box if message[0] == "resolved"}
    return tuple(doubt for doubt in doubts(state.ledger) if doubt not in asked)


def _asks(state: State, probe: Probe, rules: Rules) -> Iterator[Move]:
    name, closed = f"RESOLVE of the {probe.leg} order of {probe.plan}", probe.plan not in state.windows
    moved = (position(state, probe.leg) - probe.before) * (1 if probe.plan.increases else -1)
    filled = sum(order.filled for order in state.orders if (order.plan, order.leg) == (probe.plan, probe.leg))
    for archived in {0, filled}:
        answer = rules.believes(probe.plan, probe.leg, moved, archived, closed)
        if answer is None or answer == (probe.told, False):
            continue
        told = ("resolved", probe.leg, probe.plan, *answer)
        after = _reported(state, probe, told, None if answer[1] else probe._replace(told=answer[0]))
        yield f"{name} reports {answer[0]}{'' if answer[1] else ' (provisional)'}", after
    if probe.told is not None and closed:
        yield f"{name} has waited long enough for the archive", _reported(state, probe, None, None)


def _reported(state: State, probe: Probe, message: Message | None, left: Probe | None) -> State:
    probes = tuple(
        each for each in (left if one is probe else one for one in state.probes) if each is not None
    )
    box = state.ledger.box if message is None else (*state.ledger.box, message)
    return state._replace(probes=probes, ledger=state.ledger._replace(box=box))
