"""The venue and the wire: orders arrive, rest, are filled in pieces, cancelled, or expire; cancellations are
judged and answered; and RESOLVE, whose reading of the account is one step.
"""

from collections.abc import Iterator

from tests.model.quotes.rules import QuoteRules
from tests.model.quotes.state import Cancel, OrderProbe, Resting, SentOrder, open_lots
from tests.model.quotes.supervisor import Move, moment, order_changed, to_ledger
from tests.model.state import Message


def moves(state: Resting, rules: QuoteRules) -> Iterator[Move]:
    """What is under way at the venue and between it and us."""
    for order in state.orders:
        if order.stage == "travels":
            yield from _arrives(state, order)
    for cancel in state.cancels:
        yield _cancel_arrives(state, cancel) if cancel.answer is None else _cancel_answered(state, cancel)
    for probe in state.probes:
        yield from _asks(state, probe, rules)


def fills(state: Resting) -> Iterator[Move]:
    """What rests may be filled at any moment, a lot at a time."""
    for order in state.orders:
        if order.stage == "rests":
            left = order.plan.lots(order.leg) - order.filled - 1
            stage = "rests" if left else "over"
            yield (
                f"venue fills a lot of the {order.leg} order of {order.plan}, {left} left",
                order_changed(state, order, traded(order, stage, left, 1)),
            )


def traded(order: SentOrder, stage: str, left: int, lots: int) -> SentOrder:
    """The order after it has traded `lots` and has `left`; both streams tell."""
    return order._replace(
        stage=stage,
        filled=order.filled + lots,
        fills=(*order.fills, (left, lots)),
        updates=(*order.updates, ("filled", left)),
    )


# -- orders --------------------------------------------------------------------------------------------------


def _arrives(state: Resting, order: SentOrder) -> Iterator[Move]:
    name, lots = f"the {order.leg} order of {order.plan}", order.plan.lots(order.leg)
    heard = "" if order.heard == "-" else "refused"
    refused = order._replace(stage="over", heard=heard or "-")
    if order.plan not in state.windows:
        yield f"venue refuses {name}: its window is over", order_changed(state, order, refused)
        return
    taken = order._replace(heard="-")
    if order.plan.terms is not None:
        rests = order._replace(stage="rests", heard="accepted" if heard else "-", updates=(("placed", lots),))
        yield f"{name} rests", order_changed(state, order, rests)
        yield f"venue refuses {name}: it would take", order_changed(state, order, refused)
        return
    room = lots if order.plan.increases else min(lots, open_lots(state, order.leg))
    if room:
        yield f"venue fills {room} of {name}", order_changed(state, order, cut(taken, room))
    else:
        yield f"venue refuses {name}: nothing to close", order_changed(state, order, refused)


def cut(order: SentOrder, lots: int) -> SentOrder:
    """A taking order that trades `lots`; what is left of it is cancelled."""
    left = order.plan.lots(order.leg) - lots
    after = traded(order, "over", left, lots)
    return after if not left else after._replace(updates=(*after.updates, ("cancelled", 0)))


# -- cancellations -------------------------------------------------------------------------------------------


def _without(state: Resting, cancel: Cancel) -> Resting:
    return state._replace(cancels=tuple(one for one in state.cancels if one is not cancel))


def _cancel_arrives(state: Resting, cancel: Cancel) -> Move:
    key = (cancel.plan, cancel.leg)
    name = f"the cancellation of the {cancel.leg} order of {cancel.plan}"
    order = next((one for one in state.orders if (one.plan, one.leg) == key and one.stage == "rests"), None)
    answer: tuple[int | None, bool] = (None, True)
    words = f"{name} arrives: no such order rests"
    if order is not None:
        answer = order.plan.lots(order.leg) - order.filled, False
        words = f"{name} arrives, {answer[0]} had not traded"
        state = order_changed(state, order, expired(order))
    if cancel.at == "nobody":
        return words, _without(state, cancel)
    answered = cancel._replace(answer=answer, at=moment(state, cancel.plan))
    return words, state._replace(cancels=tuple(answered if one is cancel else one for one in state.cancels))


def expired(order: SentOrder) -> SentOrder:
    """It rests no more."""
    return order._replace(stage="over", updates=(*order.updates, ("cancelled", 0)))


def _cancel_answered(state: Resting, cancel: Cancel) -> Move:
    assert cancel.answer is not None
    row: Message = ("answer", cancel.plan, cancel.leg, *cancel.answer, cancel.at)
    words = f"supervisor hears the answer to the cancellation of the {cancel.leg} order of {cancel.plan}"
    return words, to_ledger(_without(state, cancel), row)


# -- RESOLVE -------------------------------------------------------------------------------------------------


def _asks(state: Resting, probe: OrderProbe, rules: QuoteRules) -> Iterator[Move]:
    name, at = f"RESOLVE of the {probe.leg} order of {probe.plan}", moment(state, probe.plan)
    here = [order for order in state.orders if (order.plan, order.leg) == (probe.plan, probe.leg)]
    rests, filled = any(order.stage == "rests" for order in here), sum(order.filled for order in here)
    for archived in sorted({0, filled}):
        lots = open_lots(state, probe.leg)
        answer = rules.believes(probe.plan, probe.doubt, at, rests, lots, archived)
        if answer is None or answer == (probe.told, False):
            continue
        row = ("resolved", probe.plan, probe.leg, *answer, at)
        left = None if answer[1] else probe._replace(told=answer[0])
        words = f"{name} reports {answer[0]}{'' if answer[1] else ' (provisional)'}"
        yield words, to_ledger(_with_probe(state, probe, left), row)
    if probe.told is not None and at == "past":
        yield f"{name} has waited long enough for the archive", _with_probe(state, probe, None)


def _with_probe(state: Resting, probe: OrderProbe, left: OrderProbe | None) -> Resting:
    probes = (left if one is probe else one for one in state.probes)
    return state._replace(probes=tuple(one for one in probes if one is not None))


# -- the clock -----------------------------------------------------------------------------------------------


def time_passes(state: Resting) -> Iterator[Move]:
    """A receive window closes, or the last moment passes at which a quote may trade."""
    for plan in state.windows:
        if state.bar.plan != plan or state.bar.phase != "voting":
            windows = tuple(one for one in state.windows if one != plan)
            asked = tuple(one for one in state.asked if one != plan)
            yield f"the receive window of {plan} closes", state._replace(windows=windows, asked=asked)
    for plan in state.rests:
        if plan not in state.windows:
            after = state._replace(rests=tuple(one for one in state.rests if one != plan))
            for order in after.orders:
                if order.plan == plan and order.stage == "rests":
                    after = order_changed(after, order, expired(order))
            yield f"{plan} expires", after
