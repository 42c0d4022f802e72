"""What may go wrong, within the bounds: crashes of a leg, the ledger or the process, and what is lost."""

from collections.abc import Iterator

from tests.model.quotes import books
from tests.model.quotes.rules import QuoteRules
from tests.model.quotes.state import Resting, SentOrder, open_lots
from tests.model.quotes.supervisor import Move, ledger_takes, leg_acts, order_changed, table_step, to_ledger
from tests.model.quotes.venue import cut
from tests.model.state import LEGS, Bar


def moves(state: Resting, rules: QuoteRules) -> Iterator[Move]:
    """Every accident that is still allowed."""
    if state.crashes:
        yield from _crashes(state._replace(crashes=state.crashes - 1), rules)
    if state.losses:
        yield from _losses(state._replace(losses=state.losses - 1), rules)


# -- crashes -------------------------------------------------------------------------------------------------


def _crashes(state: Resting, rules: QuoteRules) -> Iterator[Move]:
    for leg in LEGS:
        yield f"CRASH of {leg}_leg", _leg_crashed(state, leg, rules)
    yield from _ledger_crashes(state, rules)
    yield "CRASH of the process", _process_crashed(state, rules)


def _promised(state: Resting, rules: QuoteRules) -> Resting:
    """Told to stop, a leg sends first what it was told to place."""
    for place in state.places:
        _, state = leg_acts(state, *place, rules)
    return state


def _deaf(order: SentOrder) -> SentOrder:
    return order._replace(heard="-")


def _bumped(state: Resting, rules: QuoteRules) -> Resting:
    epoch = state.epoch + 1
    state = to_ledger(state._replace(epoch=epoch), ("restarted", epoch))
    return table_step(state, ("bumped", epoch), rules)


def _leg_crashed(state: Resting, leg: str, rules: QuoteRules) -> Resting:
    """It is gone, with the Place it had; what it sent travels on. The other leg sends what it holds, and both
    start again.
    """
    orders = tuple(_deaf(order) if order.leg == leg else order for order in state.orders)
    places = tuple(place for place in state.places if place[1] != leg)
    return _bumped(_promised(state._replace(orders=orders, places=places), rules), rules)


def _ledger_crashes(state: Resting, rules: QuoteRules) -> Iterator[Move]:
    for count in range(len(state.box) + 1):
        lost = state._replace(box=state.box[count:])
        yield f"CRASH of ledger, {count} messages taken and not committed", _ledger_crashed(lost, rules)
    if any(order.fills or order.updates for order in state.orders):
        lost = state._replace(orders=tuple(order._replace(fills=(), updates=()) for order in state.orders))
        yield "CRASH of ledger, the account's events taken and not committed", _ledger_crashed(lost, rules)
    if state.box:
        words, after = ledger_takes(state, rules)
        if after.bar != state.bar:
            silent = state._replace(book=after.book, box=state.box[1:])
            yield f"CRASH of ledger: {words}, but dies before it speaks", _ledger_crashed(silent, rules)


def _ledger_crashed(state: Resting, rules: QuoteRules) -> Resting:
    """Its mailbox outlives it; the fold is read back. The legs start again with it."""
    book, _ = rules.told(state.book, ("reopened",))
    return _bumped(_promised(state, rules)._replace(book=book, heard=state.epoch + 1), rules)


def _process_crashed(state: Resting, rules: QuoteRules) -> Resting:
    """Only the disk is left, and what is on its way to the venue."""
    epoch = state.epoch + 1
    book, _ = rules.told(state.book, ("reopened",))
    book, _ = rules.told(book, ("started", epoch))
    orders = tuple(_deaf(order)._replace(fills=(), updates=()) for order in state.orders)
    cancels = tuple(one._replace(at="nobody") for one in state.cancels if one.answer is None)
    bar = Bar(epoch, books.view(book).seq, "recovering", None, ())
    return state._replace(
        bar=bar,
        book=book,
        box=(),
        heard=epoch,
        places=(),
        orders=orders,
        cancels=cancels,
        asked=(),
        probes=(),
        epoch=epoch,
    )


# -- losses --------------------------------------------------------------------------------------------------


def _losses(state: Resting, rules: QuoteRules) -> Iterator[Move]:
    for order in state.orders:
        yield from _order_losses(state, order)
    for cancel in state.cancels:
        if cancel.at == "nobody":
            continue
        rest = tuple(one for one in state.cancels if one is not cancel)
        asked = tuple(plan for plan in state.asked if plan != cancel.plan)
        at = cancel.at or "window"
        failed = to_ledger(
            state._replace(cancels=rest, asked=asked), ("answer", cancel.plan, cancel.leg, None, False, at)
        )
        what = "the answer to " if cancel.answer is not None else ""
        yield f"LOST: {what}the cancellation of the {cancel.leg} order of {cancel.plan}", failed
    if state.bar.phase == "voting":
        for who in ("eth", "ledger"):
            if not (who == "ledger" and not state.box):
                declined = table_step(state, ("declined", who, state.bar.plan), rules)
                yield f"{who} declines {state.bar.plan}", declined


def _order_losses(state: Resting, order: SentOrder) -> Iterator[Move]:
    name = f"the {order.leg} order of {order.plan}"
    if order.stage == "travels":
        lost = order._replace(stage="over", heard="-" if order.heard == "-" else "lost")
        yield f"LOST: {name}", order_changed(state, order, lost)
        if order.heard != "-":
            yield (
                f"LOST: the connection, with {name} on its way",
                order_changed(state, order, order._replace(heard="lost")),
            )
        if order.plan in state.windows and order.plan.terms is None:
            yield from _takes_less(state, order, name)
    if order.heard in {"accepted", "refused"}:
        yield f"LOST: the answer to {name}", order_changed(state, order, order._replace(heard="lost"))
    if order.fills:
        yield f"LOST: a fill of {name}", order_changed(state, order, order._replace(fills=order.fills[1:]))
        twice = (order.fills[0], *order.fills)
        yield f"DOUBLED: a fill of {name}", order_changed(state, order, order._replace(fills=twice))
    if order.updates:
        rest = order._replace(updates=order.updates[1:])
        yield f"LOST: {order.updates[0][0]} of {name}", order_changed(state, order, rest)


def _takes_less(state: Resting, order: SentOrder, name: str) -> Iterator[Move]:
    heard = order.heard if order.heard == "-" else "refused"
    yield f"venue refuses {name}", order_changed(state, order, order._replace(stage="over", heard=heard))
    room = order.plan.lots(order.leg)
    if not order.plan.increases:
        room = min(room, open_lots(state, order.leg))
    for part in range(1, room):
        after = order_changed(state, order, cut(order._replace(heard="-"), part))
        yield f"venue fills {part} of {name}", after
    if room and order.heard != "-":
        after = order_changed(state, order, cut(order._replace(heard="lost"), room))
        yield f"LOST: the answer to {name}, filled", after
