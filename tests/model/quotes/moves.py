"""What can happen next, and what is settled at once because waiting with it could be seen by nobody.

*Time is slow.* Messages take microseconds and milliseconds, windows seconds: one passes when nothing else is
under way, or at the price of a loss. That an order that rests is filled or cancelled may happen or not, so it
is not waited for.

*Nobody listens any more.* Of an order that the ledger has given its ending, and that cannot trade, nothing
that is said changes anything: it is dropped, as are windows that nothing depends on.

*Nothing left to go wrong*. Without crashes left, when the ledger takes what is in its mailbox is seen by
nobody but who votes: it takes at once what is no plan to vote on. Without losses left as well, legs send and
answer at once, and the supervisor looks at once.

*Nothing is remembered that is over* (`calm_start`). Flat, with nothing said and nothing under way, it starts
anew.
"""

from collections.abc import Iterator

from tests.model.quotes import accidents, books, supervisor, venue
from tests.model.quotes.invariants import LIVENESS, SAFETY, STEPS
from tests.model.quotes.rules import SOUND, QuoteRules
from tests.model.quotes.state import QuotePlan, Resting, can_trade, open_lots, resting_start
from tests.model.quotes.supervisor import Move
from tests.model.search import Explored, Search, SearchResult

PRESSING = frozenset({"hedge", "flatten", "settle"})
FREE = frozenset({"quote"})
OF_ONE_ORDER = frozenset({"outcome", "resolved", "asked", "answer"})
"""Rows that name an order and say something of it."""


def next_states(state: Resting, rules: QuoteRules) -> Iterator[Move]:
    """Every next state, with the words for what happened."""
    idle = True
    for part in (supervisor.moves(state, rules), venue.moves(state, rules), _sizing(state, rules, PRESSING)):
        for words, after in part:
            idle = False
            yield settled(words, after, rules)
    for part in (
        _sizing(state, rules, FREE),
        venue.fills(state),
        supervisor.may_cancel(state),
        accidents.moves(state, rules),
    ):
        for words, after in part:
            yield settled(words, after, rules)
    if idle or state.losses:
        paid = state if idle else state._replace(losses=state.losses - 1)
        for words, after in venue.time_passes(paid):
            yield settled(words, after, rules)


def _sizing(state: Resting, rules: QuoteRules, purposes: frozenset[str]) -> Iterator[Move]:
    return supervisor.proposes(state, rules, purposes=purposes)


def settled(words: str, state: Resting, rules: QuoteRules) -> Move:
    """`state` with everything settled that nobody would wait with, in its one canonical form."""
    more: Move | None = (words, state)
    while more is not None:
        words, state = more[0], canonical(more[1])
        more = _at_once(state, rules)
        if more is not None:
            more = f"{words}; {more[0]}", more[1]
    return words, state


def _at_once(state: Resting, rules: QuoteRules) -> Move | None:
    sure = rules.prompt and not state.crashes
    if state.box:
        word = state.box[0][0]
        unread = any(order.fills or order.updates for order in state.orders)
        votes = sure and not state.losses and not unread
        if word in {"place", "restarted"} or (sure and word != "seal") or votes:
            return supervisor.ledger_takes(state, rules)
    if sure and not state.losses:
        if state.places:
            return supervisor.leg_acts(state, *state.places[0], rules)
        return next(supervisor.looks(state, rules), None) or next(supervisor.answers(state, rules), None)
    return None


def canonical(state: Resting) -> Resting:
    """The one form of states that only differ in what nobody can ever see."""
    seen = books.view(state.book)
    over = seen.over
    if over:
        over -= {(order.plan, order.leg) for order in state.orders if can_trade(state, order)}
    if over:
        state = _unheard(state, over)
    if not (state.windows or state.rests or state.asked):
        return state
    needed = _needed(state, seen)
    windows = tuple(plan for plan in state.windows if plan in needed)
    rests = tuple(plan for plan in state.rests if plan in needed)
    asked = tuple(plan for plan in state.asked if plan in needed)
    if (windows, rests, asked) == (state.windows, state.rests, state.asked):
        return state
    return state._replace(windows=windows, rests=rests, asked=asked)


def _unheard(state: Resting, over: frozenset[tuple[QuotePlan, str]]) -> Resting:
    """Without what is still said about orders that have their ending and cannot trade."""
    orders = tuple(
        order._replace(stage="over", heard="-", fills=(), updates=())
        if (order.plan, order.leg) in over and (order.fills or order.updates or order.heard != "-")
        else order
        for order in state.orders
    )
    cancels = tuple(one for one in state.cancels if (one.plan, one.leg) not in over)
    probes = tuple(one for one in state.probes if (one.plan, one.leg) not in over)
    box = tuple(row for row in state.box if not (row[0] in OF_ONE_ORDER and (row[1], row[2]) in over))
    if (orders, cancels, probes, box) == (state.orders, state.cancels, state.probes, state.box):
        return state
    return state._replace(orders=orders, cancels=cancels, probes=probes, box=box)


def _needed(state: Resting, seen: books.View) -> set[QuotePlan | None]:
    """Plans of whose time something still depends."""
    needed = {seen.flying, state.bar.plan}
    for each in (seen.working, state.probes, state.cancels):
        needed.update(one.plan for one in each)
    needed.update(place[0] for place in state.places)
    needed.update(row[1] for row in state.box if row[0] != "settled")
    needed.update(order.plan for order in state.orders if order.stage != "over" or order.heard != "-")
    return needed


def calm_start(state: Resting) -> Resting:
    """When it is flat and nobody speaks of anything: the start of what is still to come."""
    seen = books.view(state.book)
    busy = (state.box, state.places, state.cancels, state.probes, state.windows, state.rests, seen.working)
    if any(busy) or state.bar.phase != "idle" or seen.phase != "flat" or state.heard != state.epoch:
        return state
    if any(
        order.stage != "over" or order.heard != "-" or order.fills or order.updates for order in state.orders
    ):
        return state
    if open_lots(state, "eth") or open_lots(state, "sol"):
        return state
    return resting_start(0 if seen.entered else state.quotes, state.crashes, state.losses)


RESTING = Explored(next_states, calm_start, SAFETY, STEPS, LIVENESS)


def search_resting(rules: QuoteRules = SOUND, *, quotes: int, crashes: int, losses: int) -> SearchResult:
    """All states of resting orders within the bounds."""
    return Search(rules, resting_start(quotes, crashes, losses), RESTING).run()
