"""The supervisor around the real table (modelled after `supervisor.py`), the tree that restarts, sizing
that proposes, and the clock.
"""

from collections.abc import Iterator

from tests.model.legs import Move, posted, with_leg
from tests.model.real import Action
from tests.model.rules import Rules
from tests.model.state import (
    LEGS,
    LOTS,
    Leg,
    Message,
    Plan,
    State,
    held_in_model,
    in_flight,
    last_purpose,
    plans_of,
)
from tests.model.venue import probing, unprobed


def moves(state: State, rules: Rules) -> Iterator[Move]:
    """What supervisor, tree, sizing and clock can do now."""
    yield from _takes(state, rules)
    yield from _looks(state, rules)
    yield from _restarts(state, rules)
    yield from _proposes(state, rules)
    voting = state.bar.plan if state.bar.phase == "voting" else None
    if voting is not None and not state.late and state.losses:
        jumped = stepped(state._replace(losses=state.losses - 1), ("clock jumped", voting), rules)
        yield f"the clock is set while {voting} is voted on", jumped


# -- the barrier's driver ------------------------------------------------------------------------------------


def _takes(state: State, rules: Rules) -> Iterator[Move]:
    if not state.inbox:
        return
    message, state = state.inbox[0], state._replace(inbox=state.inbox[1:])
    if message[0] == "proposed" and _obstacle(state):
        yield f"supervisor does not seal the {message[1]}", state
        return
    if message[0] == "second send":
        yield f"supervisor tells sol_leg as well -> {message[1][0].upper()}", _into(state, "sol", message[1])
        return
    if message[0] == "ready" and not legs_up(state):
        seen = stepped(state, ("leg down", message[2]), rules)
        yield f"supervisor sees a leg down at the last vote on {message[2]}{orders_of(state, seen)}", seen
    after = stepped(state, message, rules)
    yield f"supervisor takes {' '.join(str(part) for part in message)}{orders_of(state, after)}", after


def orders_of(before: State, after: State) -> str:
    """What the supervisor told somebody, in words."""
    told = after.ledger.box[len(before.ledger.box) :]
    return "".join(
        f" -> {message[0].upper()}" for message in told if message[0] in {"seal", "place", "abort"}
    )


def legs_up(state: State) -> bool:
    return state.eth.up and state.sol.up


def _obstacle(state: State) -> bool:
    return state.bar.phase != "idle" or not legs_up(state) or bool(state.eth.box or state.sol.box)


def stepped(state: State, message: Message, rules: Rules) -> State:
    """One row of the table, and what it orders."""
    bar, actions = rules.step(state.bar, message, state.late)
    state = state._replace(bar=bar, late=state.late and bar.phase == "voting")
    for action in actions:
        state = _acted(state, action, rules)
    return state


def _acted(state: State, action: Action, rules: Rules) -> State:
    whom, message = action
    if whom == "settle":
        return state
    if whom == "resolve":
        return state if rules.never_asks else probing(state)
    if message[0] == "seal":
        state = state._replace(windows=(*state.windows, message[1]), votes=0, reborn=False)
    if whom == "three":
        state = _to_legs(state, message, rules)
    return state._replace(ledger=state.ledger._replace(box=(*state.ledger.box, message)))


def _to_legs(state: State, message: Message, rules: Rules) -> State:
    if rules.awaited_sends and message[0] == "place":
        return posted(_into(state, "eth", message), ("second send", message))
    return _into(_into(state, "eth", message), "sol", message)


def _into(state: State, name: str, message: Message) -> State:
    leg = state.leg(name)
    return with_leg(state, name, leg._replace(box=(*leg.box, message)))


def _looks(state: State, rules: Rules) -> Iterator[Move]:
    """What the supervisor does by looking at its deadlines."""
    bar = state.bar
    if bar.phase == "voting" and state.late:
        yield f"the votes on {bar.plan} are due", stepped(state, ("votes due", bar.plan), rules)
    elif bar.phase == "placed" and unprobed(state):
        at_rest = _at_rest(state)
        if at_rest or state.losses:
            slow = state if at_rest else state._replace(losses=state.losses - 1)
            yield f"the fills of {bar.plan} are due", stepped(slow, ("fills due", bar.plan), rules)
            if not at_rest:
                yield (
                    f"the clock is set while {bar.plan} is placed",
                    stepped(slow, ("clock jumped", bar.plan), rules),
                )
    elif bar.phase == "recovering" and state.ledger.epoch == bar.epoch:
        yield from _recovers(state, rules)


def _at_rest(state: State) -> bool:
    busy = (
        state.inbox
        or state.eth.box
        or state.sol.box
        or state.ledger.box
        or state.eth.waits
        or state.sol.waits
    )
    return not busy and not any(order.travels or order.events for order in state.orders)


def _recovers(state: State, rules: Rules) -> Iterator[Move]:
    if unprobed(state) and not rules.never_asks and not rules.forgets_doubts:
        yield "supervisor asks the venue about every doubt", probing(state)
    elif (rules.forgets_doubts or not in_flight(state.ledger)) and legs_up(state):
        bar = state.bar._replace(seq=max(state.bar.seq, state.ledger.last))
        yield "every doubt has an ending: recovered", stepped(state._replace(bar=bar), ("recovered",), rules)


# -- the tree ------------------------------------------------------------------------------------------------


def _restarts(state: State, rules: Rules) -> Iterator[Move]:
    legs_down = [name for name in LEGS if not state.leg(name).up]
    if state.ledger.up and not legs_down:
        return
    spared = rules.old_keeps_running or rules.no_epochs
    for name in LEGS:
        leg = state.leg(name)
        if leg.up and leg.waits is None and not _promised(leg) and not spared:
            yield f"tree stops {name}_leg", with_leg(state, name, down(leg))
    if len(legs_down) == 2 or spared:
        yield _reborn(state, legs_down, rules)


def restarts_at_rest(state: State, rules: Rules) -> Iterator[Move]:
    """The moves of a restart, when no leg holds or hears anything."""
    if not any(
        leg.up and (leg.held is not None or leg.waits is not None or leg.box)
        for leg in (state.eth, state.sol)
    ):
        yield from _restarts(state, rules)


def _promised(leg: Leg) -> bool:
    """Told to stop with the Place of the plan it holds in its mailbox, a leg sends first."""
    return bool(leg.box) and leg.held is not None and leg.box[0] == ("place", leg.held[0])


def down(leg: Leg) -> Leg:
    """Gone; its mailbox stays."""
    return Leg(False, 0, 0, None, None, leg.box)


def _reborn(state: State, legs_down: list[str], rules: Rules) -> Move:
    epoch = state.epoch if rules.no_epochs else state.epoch + 1
    for name in legs_down:
        state = with_leg(state, name, Leg(True, epoch, 0, None, None, state.leg(name).box))
    ledger = state.ledger
    if not ledger.up:
        entries = tuple(
            entry._replace(stage="uncertain") if entry.stage == "intent" else entry
            for entry in ledger.entries
        )
        ledger = ledger._replace(up=True, epoch=epoch, entries=entries)
    ledger = ledger._replace(box=(*ledger.box, ("restarted", epoch)))
    state = state._replace(ledger=ledger, epoch=epoch, reborn=True)
    return f"tree: epoch {epoch} is on disk, what fell starts again", state if rules.no_epochs else posted(
        state, ("bumped", epoch)
    )


# -- sizing --------------------------------------------------------------------------------------------------


def _proposes(state: State, rules: Rules) -> Iterator[Move]:
    if (in_flight(state.ledger) and not rules.ignores_flight) or plans_of(state) >= rules.plans:
        return
    asked = any(message[0] == "proposed" for message in state.inbox)
    if (asked or _obstacle(state)) and not state.again:
        return
    free = state if not asked and not _obstacle(state) else state._replace(again=False)
    for purpose, eth, sol in decisions(state, rules):
        yield f"sizing proposes {purpose} eth {eth} sol {sol}", posted(free, ("proposed", purpose, eth, sol))


def decisions(state: State, rules: Rules) -> Iterator[tuple[str, int, int]]:
    """What may follow from what the ledger holds: an enter, an exit of the pair, or one of the two cures
    of a lone leg.
    """
    eth, sol = held_in_model(state, "eth"), held_in_model(state, "sol")
    closing = last_purpose(state) in {"exit", "flatten", "close"}
    if eth == sol == 0:
        yield "enter", LOTS, LOTS
    elif eth == sol == LOTS:
        yield "exit", eth, sol
    elif not rules.forgets_repair:
        if not closing and LOTS in {eth, sol}:
            yield "repair", LOTS - eth, LOTS - sol
        yield "flatten", eth, sol


# -- the clock -----------------------------------------------------------------------------------------------


def time_passes(state: State) -> Iterator[Move]:
    """The votes are due, or a receive window closes. A plan that is being voted on is late before its
    window is over.
    """
    if state.bar.phase == "voting" and not state.late:
        yield f"the deadline for the votes on {state.bar.plan} passes", state._replace(late=True)
    for plan in state.windows:
        if plan != state.bar.plan or state.bar.phase != "voting" or state.late:
            yield f"the receive window of {plan} closes", closed(state, plan)


def closed(state: State, plan: Plan) -> State:
    """The clock passes the plan's recv_time and the margin. Whoever still holds its Place then was frozen
    for more than a second.
    """
    frozen = any(("place", plan) in state.leg(name).box for name in LEGS)
    return state._replace(
        windows=tuple(each for each in state.windows if each != plan), hurt=state.hurt or frozen
    )
