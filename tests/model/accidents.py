"""What may go wrong, within the bounds: crashes of actors, and messages lost, changed or doubled."""

from collections.abc import Iterator

from tests.model import ledger as ledger_moves
from tests.model.legs import Move, in_doubt, posted, with_leg, with_order
from tests.model.rules import Rules
from tests.model.state import LEGS, Leg, Order, State
from tests.model.supervisor import down


def moves(state: State, rules: Rules) -> Iterator[Move]:
    """Every accident that is still allowed."""
    if state.crashes:
        struck = state._replace(crashes=state.crashes - 1)
        yield from _crashes(struck._replace(hurt=True), rules)
        yield from _sizing_crashes(struck, rules)
    if state.losses:
        yield from _losses(state._replace(losses=state.losses - 1, hurt=True), rules)


# -- crashes -------------------------------------------------------------------------------------------------


def _crashes(state: State, rules: Rules) -> Iterator[Move]:
    for name in LEGS:
        if state.leg(name).up:
            yield f"CRASH of {name}_leg", leg_crashed(state, name)
    if state.ledger.up:
        yield from _ledger_crashes(state, rules)


def leg_crashed(state: State, name: str) -> State:
    """It is gone; what it sent travels on, and nobody hears the answer."""
    leg = state.leg(name)
    orders = tuple(order._replace(answer="") if order.leg == name else order for order in state.orders)
    return with_leg(state, name, down(leg))._replace(orders=orders)


def _ledger_crashes(state: State, rules: Rules) -> Iterator[Move]:
    """It dies with the first messages of its mailbox taken and not committed, or with one committed and
    not spoken of.
    """
    for taken in range(len(state.ledger.box) + 1):
        yield f"CRASH of ledger, {taken} messages taken and not committed", _ledger_crashed(state, taken)
    if any(order.events for order in state.orders):
        lost = state._replace(orders=tuple(order._replace(events=()) for order in state.orders))
        yield "CRASH of ledger, the account's events taken and not committed", _ledger_crashed(lost, 0)
    if state.ledger.box:
        for words, after in ledger_moves.moves(state._replace(orders=()), rules):
            if after.inbox != state.inbox and after.losses == state.losses:
                silent = after._replace(inbox=state.inbox, orders=state.orders)
                yield f"CRASH of ledger: {words}, but dies before it speaks", _ledger_crashed(silent, 0)


def _ledger_crashed(state: State, taken: int) -> State:
    entries = tuple(entry for entry in state.ledger.entries if entry.stage != "unwritten")
    return state._replace(
        ledger=state.ledger._replace(up=False, box=state.ledger.box[taken:], entries=entries)
    )


def _sizing_crashes(state: State, rules: Rules) -> Iterator[Move]:
    """Sizing forgets what it has proposed. Nothing else restarts, and the epoch stays."""
    if rules.sizing_bumps:
        epoch = state.epoch + 1
        ledger = state.ledger._replace(box=(*state.ledger.box, ("restarted", epoch)))
        yield (
            "CRASH of sizing, and the epoch is bumped",
            posted(state._replace(epoch=epoch, reborn=True, ledger=ledger), ("bumped", epoch)),
        )
    elif not state.again:
        yield "CRASH of sizing", state._replace(again=True)


# -- losses --------------------------------------------------------------------------------------------------


def _losses(state: State, rules: Rules) -> Iterator[Move]:
    for order in state.orders:
        yield from _order_losses(state, order, rules)
    for name in LEGS:
        yield from _changed(state, name, state.leg(name))
    box = state.ledger.box
    if box and box[0][0] == "seal":
        for copy in ("other", "torn"):
            message = (*box[0][:2], copy)
            yield (
                f"CHANGED: the ledger's copy of {box[0][1]} is {copy}",
                state._replace(ledger=state.ledger._replace(box=(message, *box[1:]))),
            )


def _order_losses(state: State, order: Order, rules: Rules) -> Iterator[Move]:
    name = f"the {order.leg} order of {order.plan}"
    if order.travels:
        yield f"LOST: {name}", with_order(state, order, order._replace(travels=False))
        if state.leg(order.leg).waits == (order.plan, order.number):
            words, cut = in_doubt(state, order.leg, state.leg(order.leg)._replace(waits=None), order, rules)
            yield f"LOST: the connection, with {name} on its way; {words}", cut
    if order.answer:
        yield f"LOST: the answer to {name}", with_order(state, order, order._replace(answer=""))
    for event in order.events:
        rest = tuple(each for each in order.events if each != event)
        yield f"LOST: {event[0]} of {name}", with_order(state, order, order._replace(events=rest))
        if event[0] == "fill":
            yield (
                f"DOUBLED: {event[0]} of {name}",
                with_order(state, order, order._replace(events=(*order.events, event))),
            )


def _changed(state: State, name: str, leg: Leg) -> Iterator[Move]:
    if leg.box and leg.box[0][0] == "seal" and leg.waits is None:
        for copy in ("other", "torn"):
            message = (*leg.box[0][:2], copy)
            yield (
                f"CHANGED: {name}_leg's copy of {leg.box[0][1]} is {copy}",
                with_leg(state, name, leg._replace(box=(message, *leg.box[1:]))),
            )
