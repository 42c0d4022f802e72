"""What can happen next: everybody's moves, and then whatever is settled at once because waiting with it could
be seen by nobody.

The rules that keep the number of states down, each with the reason why no behaviour that matters is lost:

*Settled at once.* The supervisor takes at once what only it sees (outcomes, the first two votes, a no, an
ending, what concerns no plan); a leg drops at once what it does not hold; the ledger notes a Place and a new
epoch at once. All of these commute with whatever else may happen: doing them later is the same as the sender
having sent them later. The third vote, a bumped epoch and a proposal are left waiting, because there it
matters.

*Nobody listens any more.* Once an order has its ending in the ledger, nothing that is said about it changes
anything (`test_model.py` asks the real `OurOrder`): its events, its outcome, what RESOLVE still finds out and
the answer its leg waits for are dropped. And of an outcome only a no can ever change anything in the ledger
(same test): "accepted" and "unknown" are dropped where the plan is known to be placed.

*Nothing is remembered that is over* (`calmed`). When nobody speaks of any plan, what happened so far comes
down to what is held, and to what was tried last: epochs and numbers start again at 1 and 0. Only their order
is ever asked for, and everything that is still to come is numbered after it.

*Nothing left to go wrong, nothing to wait for* (`_promptly`). A message that waits can be lost in a crash or
changed; once that can no longer happen, when it is taken is seen by nobody: every mailbox has one reader and
keeps its order, and what is still open (what the venue does with an order, in which order its events arrive,
what RESOLVE learns when) stays open. So without crashes left the ledger reads at once what is no plan and a
restart that nobody votes under is finished at once, and without losses left as well the legs and the ledger
act at once. A test compares what all runs come to with this rule and without it. (Mutants are searched
without it, for the sake of their traces.)

*ETH and SOL are alike* (`symmetry.py`): of a state and its mirror image, the search keeps the one it met
first.

*Time is slow.* The votes are due and a receive window closes only when nothing else can happen, or at the
price of a loss: messages take microseconds and milliseconds, the deadline takes a tenth of a second and the
window seconds, so what is overtaken by either is an accident, and counted as one.
"""

from collections.abc import Iterator

from tests.model import accidents, ledger, legs, real, supervisor, venue
from tests.model.legs import Move, with_leg
from tests.model.rules import Rules
from tests.model.state import LEGS, Entry, Leg, Message, Past, Plan, State, in_flight, position, start

PARTS = (supervisor.moves, legs.moves, ledger.moves, venue.moves)


def successors(state: State, rules: Rules) -> Iterator[Move]:
    """Every next state, with the words for what happened."""
    idle = True
    for part in PARTS:
        for words, after in part(state, rules):
            idle = False
            yield settled(words, after, rules)
    for words, after in accidents.moves(state, rules):
        yield settled(words, after, rules)
    if idle or state.losses:
        paid = state if idle else state._replace(losses=state.losses - 1)
        for words, after in supervisor.time_passes(paid):
            yield settled(words, after, rules)


def settled(words: str, state: State, rules: Rules) -> Move:
    """`state` with everything settled that nobody would wait with, in its one canonical form."""
    more: Move | None = (words, state)
    while more is not None:
        words, state = more
        state = canonical(state, rules)
        more = (
            _taken(words, state, rules)
            or _dropped(words, state, rules)
            or _noted(words, state)
            or _promptly(words, state, rules)
        )
    return words, state


def _taken(words: str, state: State, rules: Rules) -> Move | None:
    if not state.inbox or not _plain(state, state.inbox[0]):
        return None
    message = state.inbox[0]
    after = supervisor.stepped(state._replace(inbox=state.inbox[1:]), message, rules)
    told = supervisor.orders_of(state, after)
    return (f"{words}; supervisor{told}" if told else words), after


def _plain(state: State, message: Message) -> bool:
    if message[0] == "ready":
        return len(state.bar.ready) < 2 or state.bar.plan != message[2] or state.bar.phase != "voting"
    return message[0] in {"outcome", "declined", "closed"}


def _dropped(words: str, state: State, rules: Rules) -> Move | None:
    for name in LEGS:
        leg = state.leg(name)
        if leg.up and leg.waits is None and leg.box and _leaves_cold(leg, leg.box[0], rules):
            forgets = leg.held is not None and leg.held[0] == leg.box[0][1]
            return words, with_leg(
                state, name, leg._replace(box=leg.box[1:], held=None if forgets else leg.held)
            )
    return None


def _leaves_cold(leg: Leg, message: Message, rules: Rules) -> bool:
    holds = leg.held is not None and leg.held[0] == message[1]
    return message[0] == "abort" or (message[0] == "place" and not holds and not rules.acts_on_late_place)


def _noted(words: str, state: State) -> Move | None:
    box = state.ledger.box
    if not state.ledger.up or not box or box[0][0] not in {"place", "restarted"}:
        return None
    return words, ledger.noted(state)


def _promptly(words: str, state: State, rules: Rules) -> Move | None:
    if state.crashes or not rules.prompt:
        return None
    box = state.ledger.box
    if state.ledger.up and box and (box[0][0] != "seal" or not state.losses):
        return _first(words, ledger.taken(state, rules))
    if not (state.ledger.up and state.eth.up and state.sol.up):
        return (
            _first(words, supervisor.restarts_at_rest(state, rules)) if state.bar.phase != "voting" else None
        )
    return None if state.losses else _first(words, legs.moves(state, rules))


def _first(words: str, moves: Iterator[Move]) -> Move | None:
    move = next(moves, None)
    return None if move is None else (f"{words}; {move[0]}", move[1])


# -- one form ------------------------------------------------------------------------------------------------


def canonical(state: State, rules: Rules) -> State:
    """The one form of states that only differ in what nobody can ever see."""
    if state.orders or state.probes or state.ledger.box:
        state = _unheard(state, rules)
    if not state.windows:
        return state
    windows = tuple(plan for plan in state.windows if _matters(state, plan))
    return state if windows == state.windows else state._replace(windows=windows)


def _unheard(state: State, rules: Rules) -> State:
    """Without what is still said about orders that have their ending."""
    open_ones, placed = set(), set()
    for entry in state.ledger.entries:
        open_ones |= {
            (entry.plan, leg) for leg, told in (("eth", entry.eth), ("sol", entry.sol)) if told.total is None
        }
        if entry.stage in {"placed", "over"}:
            placed.add(entry.plan)
    probes = tuple(probe for probe in state.probes if (probe.plan, probe.leg) in open_ones)
    box = tuple(message for message in state.ledger.box if not _idle_talk(message, open_ones, placed, rules))
    orders = tuple(
        order if not order.events or (order.plan, order.leg) in open_ones else order._replace(events=())
        for order in state.orders
    )
    if (probes, box, orders) != (state.probes, state.ledger.box, state.orders):
        state = state._replace(probes=probes, orders=orders, ledger=state.ledger._replace(box=box))
    for name in LEGS:
        leg = state.leg(name)
        if leg.waits is not None and (leg.waits[0], name) not in open_ones:
            state = _unheard_by(state, name, leg)
    return state


def _idle_talk(message: Message, open_ones: set[tuple[Plan, str]], placed: set[Plan], rules: Rules) -> bool:
    if message[0] not in {"outcome", "resolved"} or message[2] not in placed:
        return False
    if (message[2], message[1]) not in open_ones:
        return True
    return message[0] == "outcome" and message[3] in {"accepted", "unknown"} and rules.told is real.told


def _unheard_by(state: State, name: str, leg: Leg) -> State:
    assert leg.waits is not None
    order = legs.order_of(state, name, leg.waits)
    if order.travels:
        return state
    return legs.with_order(with_leg(state, name, leg._replace(waits=None)), order, order._replace(answer=""))


def _matters(state: State, plan: Plan) -> bool:
    """Can anything still depend on whether the plan's receive window is open?"""
    entry = in_flight(state.ledger)
    if (entry is not None and entry.plan == plan) or state.bar.plan == plan:
        return True
    for leg in (state.eth, state.sol):
        if leg.waits is not None and leg.waits[0] == plan:
            return True
        if (leg.held is not None and leg.held[0] == plan) or any(message[1] == plan for message in leg.box):
            return True
    return any(order.travels and order.plan == plan for order in state.orders) or any(
        probe.plan == plan for probe in state.probes
    )


# -- over ----------------------------------------------------------------------------------------------------


def calmed(state: State) -> State:
    """When nobody speaks of any plan any more: the start of what is still to come, with what came of the
    past. Else `state` itself.
    """
    if not _quiet(state):
        return state
    past = Past(
        state.past.plans + len(state.ledger.entries),
        position(state, "eth"),
        position(state, "sol"),
        _purpose(state),
    )
    return start(state.crashes, state.losses, past)._replace(again=state.again)


def _purpose(state: State) -> str:
    """Of the last plan: all that is asked of it later is whether it was a closing one."""
    entries = state.ledger.entries
    return ("close" if not entries[-1].plan.increases else "open") if entries else state.past.purpose


def _quiet(state: State) -> bool:
    bar, ledger = state.bar, state.ledger
    if bar.phase != "idle" or state.inbox or ledger.box or state.probes or state.windows or not ledger.up:
        return False
    if not all(_resting(leg, bar.epoch, bar.seq) for leg in (state.eth, state.sol)):
        return False
    if (
        not ledger.epoch == bar.epoch == state.epoch
        or ledger.last > bar.seq
        or not all(entry.stage == "over" for entry in ledger.entries)
    ):
        return False
    return all(
        not (order.travels or order.events or order.answer) and _known(ledger.entries, order.plan)
        for order in state.orders
    )


def _resting(leg: Leg, epoch: int, seq: int) -> bool:
    return (
        leg.up
        and not leg.box
        and leg.waits is None
        and leg.held is None
        and leg.epoch == epoch
        and leg.last <= seq
    )


def _known(entries: tuple[Entry, ...], plan: Plan) -> bool:
    return any(entry.plan == plan for entry in entries)
