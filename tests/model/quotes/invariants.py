"""R1-R8 in every state, and at every ending that all of it is over and hedged. Each returns what is wrong, or
"".
"""

from collections.abc import Callable

from tests.model.quotes import books
from tests.model.quotes.rules import QuoteRules
from tests.model.quotes.state import OTHER, QuotePlan, Resting, SentOrder, can_trade, open_lots
from tests.model.state import LEGS


def _quotes(state: Resting) -> list[SentOrder]:
    """Those that rest at the venue, or may still arrive there."""
    return [order for order in state.orders if order.plan.terms is not None and can_trade(state, order)]


def r1_working_and_filled_are_no_more_than_wanted(state: Resting, _before: Resting) -> str:
    for order in _quotes(state):
        left, held = order.plan.lots(order.leg) - order.filled, open_lots(state, order.leg)
        terms = order.plan.terms
        if order.plan.increases and held + left > terms.whole(order.leg):
            return f"{held} of {order.leg} are held and {left} of {order.plan} may still trade"
        if not order.plan.increases and left > held:
            return f"{left} of {order.plan} may still trade, and only {held} of {order.leg} are held"
    return ""


def r2_hedged_is_no_more_than_what_has_traded_and_half_a_lot(state: Resting, _before: Resting) -> str:
    terms = state.terms
    if terms is None or state.taking:
        return ""
    leg, other = terms.leg, OTHER[terms.leg]
    traded, hedged = open_lots(state, leg), open_lots(state, other)
    for order in _quotes(state):
        left = order.plan.lots(other) - order.filled if order.leg == other else 0
        hedged += left if terms.opens else -left
    beyond = hedged * terms.whole(leg) - traded * terms.whole(other)
    if 2 * (beyond if terms.opens else -beyond) > terms.whole(leg):
        return f"{hedged} of {other} are held, or may be, and {traded} of {leg}"
    return ""


def r3_what_the_ledger_has_ended_trades_no_more(state: Resting, _before: Resting) -> str:
    ended = dict(books.view(state.book).ended)
    for order in state.orders:
        total = ended.get((order.plan, order.leg))
        if total is None:
            continue
        name = f"the {order.leg} order of {order.plan}"
        if total != order.filled:
            return f"the ledger says that {name} has ended with {total}, and the venue filled {order.filled}"
        if can_trade(state, order):
            return f"the ledger says that {name} has ended, and it may still trade"
    return ""


def r5_flat_or_open_is_not_said_while_an_order_rests(state: Resting, _before: Resting) -> str:
    said = books.view(state.book).phase
    resting = _quotes(state)
    if said in {"flat", "open"} and resting:
        return f"the ledger says {said} while {resting[0].plan} may trade"
    if said == "flat" and any(open_lots(state, leg) for leg in LEGS):
        return f"the ledger says flat while the venue holds {[open_lots(state, leg) for leg in LEGS]}"
    return ""


def r6_one_working_order_a_leg(state: Resting, _before: Resting) -> str:
    legs = [order.leg for order in _quotes(state)]
    return "" if len(set(legs)) == len(legs) else f"{len(legs)} quotes may trade at once"


def r7_nothing_is_placed_in_the_product_of_a_working_order(state: Resting, before: Resting) -> str:
    bar = state.bar
    plan = bar.plan
    if bar.phase != "placed" or (before.bar.phase, before.bar.plan) == ("placed", plan):
        return ""
    assert plan is not None
    if plan.terms is not None:
        return ""  # r6 is about those
    beside = [order for order in before.orders if order.leg in plan.legs and can_trade(before, order)]
    working = [work.plan for work in books.view(before.book).working if work.leg in plan.legs]
    beside_it = [order.plan for order in beside] + working
    return f"{plan} is placed beside {beside_it[0]}" if beside_it else ""


def r8_what_a_restart_left_working_is_cancelled_at_once(state: Resting, before: Resting) -> str:
    if state.losses != before.losses:
        return ""  # an accident: what took its time
    left = [
        order.plan
        for order in before.orders
        if order.stage == "rests"
        and order.plan.epoch < before.epoch
        and order.plan not in before.asked
        and _time_passed(order.plan, state, before)
    ]
    return f"time passes and nobody has cancelled {left[0]}" if left else ""


def _time_passed(plan: QuotePlan, state: Resting, before: Resting) -> bool:
    if plan in before.windows:
        return plan in state.rests and plan not in state.windows
    return plan in before.rests and plan not in state.rests


STEPS: tuple[Callable[[Resting, Resting], str], ...] = (
    r7_nothing_is_placed_in_the_product_of_a_working_order,
    r8_what_a_restart_left_working_is_cancelled_at_once,
)
SAFETY: tuple[Callable[[Resting, Resting], str], ...] = (
    r1_working_and_filled_are_no_more_than_wanted,
    r2_hedged_is_no_more_than_what_has_traded_and_half_a_lot,
    r3_what_the_ledger_has_ended_trades_no_more,
    r5_flat_or_open_is_not_said_while_an_order_rests,
    r6_one_working_order_a_leg,
    *STEPS,
)


def r4_every_fill_is_hedged_settled_or_flattened(state: Resting, _rules: QuoteRules) -> str:
    """Where nothing can happen any more, both legs are flat, or a pair that the ledger calls one."""
    eth, sol = open_lots(state, "eth"), open_lots(state, "sol")
    seen = books.view(state.book)
    if (seen.eth, seen.sol) != (eth, sol):
        return f"the ledger holds eth {seen.eth} sol {seen.sol}, the venue eth {eth} sol {sol}"
    if seen.phase not in {"flat", "open"}:
        return f"eth {eth} sol {sol} is left, the ledger says {seen.phase}, and nothing followed"
    return ""


def l3_no_deadlock(state: Resting, _rules: QuoteRules) -> str:
    """At an ending the barrier is idle, and nothing is on its way or waited for."""
    waits = (state.box, state.places, state.cancels, state.probes, books.view(state.book).working)
    return (
        f"nothing can happen any more: {state.bar.phase} {waits}"
        if any(waits) or (state.bar.phase != "idle")
        else ""
    )


LIVENESS: tuple[Callable[[Resting, QuoteRules], str], ...] = (
    r4_every_fill_is_hedged_settled_or_flattened,
    l3_no_deadlock,
)
