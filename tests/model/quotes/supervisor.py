"""The supervisor around the real table, the ledger that takes its mailbox, the legs, and sizing."""

from collections.abc import Iterator

from tests.model import real
from tests.model.quotes import books
from tests.model.quotes.rules import QuoteRules
from tests.model.quotes.state import (
    OTHER,
    PAIR,
    Cancel,
    SentOrder,
    OrderProbe,
    QuotePlan,
    Resting,
    Terms,
)
from tests.model.real import Action
from tests.model.state import LEGS, Message

Move = tuple[str, Resting]


# -- the barrier's driver ------------------------------------------------------------------------------------


def table_step(state: Resting, message: Message, rules: QuoteRules) -> Resting:
    """One row of the table, and what it orders."""
    bar, actions = rules.step(state.bar, message, False)
    state = state._replace(bar=bar)
    for action in actions:
        state = _acted(state, action, rules)
    return state


def _acted(state: Resting, action: Action, rules: QuoteRules) -> Resting:
    whom, message = action
    if whom == "settle":
        return state
    if whom == "resolve":
        return asks_about_doubts(state)
    if message[0] == "outcome":
        _, leg, plan, kind = message
        return to_ledger(state, ("outcome", plan, leg, kind))
    word, plan = message[:2]
    if word == "seal":
        return _sealed(state, plan, rules)
    if word == "place":
        placed = tuple((plan, leg) for leg in plan.legs)
        taking = state.taking or plan.purpose == "flatten"
        state = state._replace(places=state.places + placed, taking=taking)
    return to_ledger(state, (word, plan))


def _sealed(state: Resting, plan: QuotePlan, rules: QuoteRules) -> Resting:
    """Into three mailboxes; both legs vote."""
    rests = (*state.rests, plan) if plan.terms is not None else state.rests
    state = to_ledger(state._replace(windows=(*state.windows, plan), rests=rests), ("seal", plan))
    for leg in LEGS:
        assert real.leg_agrees(leg, plan, "same", state.bar.epoch, plan.seq - 1), f"{leg} refuses {plan}"
        state = table_step(state, ("ready", leg, plan, "same"), rules)
    return state


def to_ledger(state: Resting, row: Message) -> Resting:
    """The row behind all others in the ledger's mailbox."""
    return state._replace(box=(*state.box, row))


def moves(state: Resting, rules: QuoteRules) -> Iterator[Move]:
    """What is under way: nobody waits with any of it for long."""
    if state.box:
        yield ledger_takes(state, rules)
    yield from _streams(state, rules)
    for place in state.places:
        yield leg_acts(state, *place, rules)
    yield from answers(state, rules)
    yield from looks(state, rules)
    yield from _must_cancel(state, rules)


# -- the ledger ----------------------------------------------------------------------------------------------


def ledger_takes(state: Resting, rules: QuoteRules) -> Move:
    """The head of the ledger's mailbox, dealt with."""
    row, state = state.box[0], state._replace(box=state.box[1:])
    if row[0] == "seal":
        return _votes(state, row[1], rules)
    if row[0] == "restarted":
        state = state._replace(heard=max(row[1], state.heard))
    return f"ledger writes {_words(row)}", row_written(state, row, rules)


def _words(row: Message) -> str:
    return " ".join(str(part) for part in row)


def row_written(state: Resting, row: Message, rules: QuoteRules) -> Resting:
    """A row on disk, and what the ledger says about it."""
    book, said = rules.told(state.book, row)
    state = state._replace(book=book)
    for message in said:
        state = table_step(state, message, rules)
    return state


def _votes(state: Resting, plan: QuotePlan, rules: QuoteRules) -> Move:
    code = rules.agrees(state.book, plan, state.heard)
    if code:
        return f"ledger declines {plan}: {code}", table_step(state, ("declined", "ledger", plan), rules)
    state = row_written(state, ("sealed", plan), rules)
    after = table_step(state, ("ready", "ledger", plan, "same"), rules)
    return f"ledger commits the intent of {plan} and votes READY", after


def _streams(state: Resting, rules: QuoteRules) -> Iterator[Move]:
    for order in state.orders:
        name = f"the {order.leg} order of {order.plan}"
        if order.plan.terms is None and (order.fills or order.updates):
            yield f"ledger reads what {name} did", _told_all(state, order, rules)
            continue
        if order.fills:
            (left, lots), rest = order.fills[0], order.fills[1:]
            after = order_changed(state, order, order._replace(fills=rest))
            row = ("fill", order.plan, order.leg, left, lots)
            yield f"ledger reads a fill of {lots} of {name}, {left} left", row_written(after, row, rules)
        if order.updates:
            told = ", ".join(f"{word} {left}" for word, left in order.updates)
            yield f"ledger reads {told} of {name}", _told_all(state, order._replace(fills=()), rules)


def _told_all(state: Resting, order: SentOrder, rules: QuoteRules) -> Resting:
    """All that is on its way of one order, read in one go."""
    kept = next(one for one in state.orders if (one.plan, one.leg) == (order.plan, order.leg))
    fills = () if order.fills else kept.fills
    after = order_changed(state, kept, kept._replace(fills=fills, updates=()))
    for left, lots in order.fills:
        after = row_written(after, ("fill", order.plan, order.leg, left, lots), rules)
    for update in order.updates:
        after = row_written(after, ("update", order.plan, order.leg, *update), rules)
    return after


# -- the legs ------------------------------------------------------------------------------------------------


def order_changed(state: Resting, old: SentOrder, new: SentOrder) -> Resting:
    return state._replace(orders=tuple(new if order is old else order for order in state.orders))


def leg_acts(state: Resting, plan: QuotePlan, leg: str, rules: QuoteRules) -> Move:
    """A leg acts on its Place."""
    state = state._replace(places=tuple(place for place in state.places if place != (plan, leg)))
    if plan not in state.windows:
        after = table_step(state, ("outcome", leg, plan, "none"), rules)
        return f"{leg}_leg is too late for {plan}, sends nothing", after
    order = SentOrder(plan, leg, "travels", "", 0, (), ())
    after = state._replace(orders=tuple(sorted((*state.orders, order), key=by_seq)))
    return f"{leg}_leg sends its order of {plan}", after


def by_seq(order: SentOrder | OrderProbe | Cancel) -> tuple[int, str]:
    """The order in which orders, probes and cancellations are kept."""
    return order.plan.seq, order.leg


def answers(state: Resting, rules: QuoteRules) -> Iterator[Move]:
    """What a leg hears of the order that it has sent, or that it will hear nothing."""
    for order in state.orders:
        if order.heard == "-" or (not order.heard and order.plan in state.windows):
            continue
        kind = order.heard if order.heard in {"accepted", "refused"} else "unknown"
        after = order_changed(state, order, order._replace(heard="-"))
        yield (
            f"{order.leg}_leg hears {'nothing' if kind == 'unknown' else kind} of {order.plan}",
            table_step(after, ("outcome", order.leg, order.plan, kind), rules),
        )


# -- what the supervisor does by looking ---------------------------------------------------------------------


def looks(state: Resting, rules: QuoteRules) -> Iterator[Move]:
    """Doubts, working orders that rest no more, and the end of a recovery."""
    bar, seen = state.bar, books.view(state.book)
    if bar.phase == "placed" and unasked_doubts(state) and not (state.box or state.places) and _silent(state):
        yield f"the fills of {bar.plan} are due", table_step(state, ("fills due", bar.plan), rules)
    if bar.phase == "recovering" and state.heard == bar.epoch:
        if unasked_doubts(state):
            yield "supervisor asks the venue about every doubt", asks_about_doubts(state)
        elif not seen.doubts and seen.flying is None and not state.box:
            after = state._replace(bar=bar._replace(seq=max(bar.seq, seen.seq)))
            yield "every doubt has an ending: recovered", table_step(after, ("recovered",), rules)
    if rules.never_resolves:
        return
    for work in seen.working:
        past = work.plan not in state.rests
        asked = any(probe.plan == work.plan for probe in state.probes)
        asked = asked or any(row[:2] == ("resolved", work.plan) for row in state.box)
        if (work.resolving or past) and not asked:
            probe = OrderProbe(work.plan, work.leg, work.doubt, None)
            after = state._replace(probes=tuple(sorted((*state.probes, probe), key=by_seq)))
            yield f"supervisor begins RESOLVE of the {work.leg} order of {work.plan}", after


def _silent(state: Resting) -> bool:
    """Is nothing on its way that could answer for a plan?"""
    return not any(
        order.heard != "-" or order.stage == "travels" or order.fills or order.updates
        for order in state.orders
    )


def unasked_doubts(state: Resting) -> tuple[OrderProbe, ...]:
    """Doubts that nobody asks about, as probes."""
    asked = {(probe.plan, probe.leg) for probe in state.probes}
    asked |= {(row[1], row[2]) for row in state.box if row[0] == "resolved"}
    doubts = books.view(state.book).doubts
    return tuple(OrderProbe(*doubt, None) for doubt in doubts if doubt[:2] not in asked)


def asks_about_doubts(state: Resting) -> Resting:
    """RESOLVE runs for every doubt that the ledger reports."""
    started = unasked_doubts(state)
    return state._replace(probes=tuple(sorted(state.probes + started, key=by_seq))) if started else state


# -- cancellations -------------------------------------------------------------------------------------------


def _must_cancel(state: Resting, rules: QuoteRules) -> Iterator[Move]:
    for work in _askable(state):
        why = rules.why_cancel(state.book, work.plan, moment(state, work.plan), state.epoch)
        if why:
            yield f"supervisor cancels the {work.leg} order of {work.plan}: {why}", _cancels(state, work)


def may_cancel(state: Resting) -> Iterator[Move]:
    """Sizing may want a working order cancelled at any moment."""
    for work in _askable(state):
        yield f"the {work.leg} order of {work.plan} is cancelled", _cancels(state, work)


def _askable(state: Resting) -> Iterator[books.WorkingView]:
    """Those that may still trade and whose cancellation is not under way; of those that nobody knows to have
    arrived it is asked once in each stretch of time.
    """
    if not books.view(state.book).working:
        return
    for work in books.view(state.book).working:
        under_way = any(cancel.plan == work.plan and cancel.at != "nobody" for cancel in state.cancels)
        if work.plan in state.rests and work.plan not in state.asked and not under_way:
            yield work


def _cancels(state: Resting, work: books.WorkingView) -> Resting:
    cancels = tuple(sorted((*state.cancels, Cancel(work.plan, work.leg, None, "")), key=by_seq))
    asked = tuple(sorted((*state.asked, work.plan)))
    return to_ledger(state._replace(cancels=cancels, asked=asked), ("asked", work.plan, work.leg))


def moment(state: Resting, plan: QuotePlan) -> str:
    """In which stretch of a plan's time it is now."""
    return "window" if plan in state.windows else "rest" if plan in state.rests else "past"


# -- sizing --------------------------------------------------------------------------------------------------


def proposes(state: Resting, rules: QuoteRules, *, purposes: frozenset[str]) -> Iterator[Move]:
    """What sizing may propose by what the ledger holds, as far as the ledger would say yes to it."""
    seen = books.view(state.book)
    if state.bar.phase != "idle" or seen.flying is not None or state.heard != state.epoch:
        return
    for plan in _decisions(state, seen, rules):
        numbered = plan._replace(epoch=state.bar.epoch, seq=state.bar.seq + 1)
        if plan.purpose in purposes and not rules.agrees(state.book, numbered, state.heard):
            after = state
            if numbered.terms is not None:
                leads = state.terms if numbered.terms.hedges else numbered.terms
                after = state._replace(terms=leads, quotes=state.quotes - 1)
            words = f"sizing proposes {plan.purpose} eth {plan.eth} sol {plan.sol}, both legs vote READY"
            yield words, table_step(after, ("quote proposed", numbered), rules)
    if "settle" in purposes and _settles(state, seen, rules):
        yield "sizing settles: what is held is the pair", to_ledger(state, ("settled", seen.eth, seen.sol))


def _decisions(state: Resting, seen: books.View, rules: QuoteRules) -> Iterator[QuotePlan]:
    flat = seen.phase == "flat" and not seen.entered
    if state.quotes and (flat or seen.phase == rules.quotes_again):
        terms = Terms(rules.quote_leg, True, PAIR["eth"], PAIR["sol"])
        yield _quote(terms, terms.whole(terms.leg))
    if state.quotes and seen.phase == "open":
        terms = Terms(rules.quote_leg, False, seen.eth, seen.sol)
        yield _quote(terms, terms.whole(terms.leg))
    terms = state.terms
    if terms is not None and seen.phase in {"working", "uneven"} and not rules.never_hedges:
        other = OTHER[terms.leg]
        more = rules.matched(terms, seen.lots(terms.leg)) - seen.lots(other)
        lots = more if terms.opens else -more
        if lots > 0 and not state.taking:
            yield QuotePlan(0, 0, "hedge", **{terms.leg: 0, other: lots}, closes=not terms.opens)
            if rules.lean and state.quotes:
                yield _quote(terms._replace(leg=other, hedges=True), lots)
    if seen.phase in {"uneven", "working"} and not rules.never_hedges:
        yield QuotePlan(0, 0, "flatten", seen.eth, seen.sol, True)


def _quote(terms: Terms, lots: int) -> QuotePlan:
    amounts = {terms.leg: lots, OTHER[terms.leg]: 0}
    return QuotePlan(0, 0, "quote", **amounts, closes=not terms.opens, terms=terms)


def _settles(state: Resting, seen: books.View, rules: QuoteRules) -> bool:
    terms = state.terms
    if terms is None or seen.phase != "uneven" or 0 in {seen.eth, seen.sol} or state.taking:
        return False
    if any(row[0] == "settled" for row in state.box):
        return False
    return rules.matched(terms, seen.lots(terms.leg)) == seen.lots(OTHER[terms.leg])
