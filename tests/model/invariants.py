"""I1-I9 in every state, L1, L2 and "no deadlock" in every state after which nothing happens. Each returns
what is wrong, or "".

I8 and the first half of L2 are about a step, so they are asked of every step, not of every state.

The search proves that runs have no cycles, so every run ends, and what must *eventually* hold only has to
hold at the endings.
"""

from collections.abc import Callable

from tests.model.rules import Rules
from tests.model.state import LEGS, LOTS, Entry, State, in_flight, plans_of, position


def i1_legs_that_act_act_on_the_same_digest(state: State, _before: State) -> str:
    for order in state.orders:
        if order.copy != "same":
            return f"the {order.leg} order of {order.plan} was built from another plan"
    return ""


def i2_at_most_one_accepted_increasing_order_per_plan_and_leg(state: State, _before: State) -> str:
    taken: dict[tuple[int, str], int] = {}
    for order in state.orders:
        if order.plan.increases and order.accepted:
            taken[order.plan.seq, order.leg] = taken.get((order.plan.seq, order.leg), 0) + order.accepted
    return next(
        (
            f"the venue took {count} {leg} orders of plan {seq}"
            for (seq, leg), count in taken.items()
            if count > 1
        ),
        "",
    )


def i3_no_order_before_three_votes(state: State, _before: State) -> str:
    return next(
        (
            f"the {order.leg} order of {order.plan} left after votes {order.votes:03b}"
            for order in state.orders
            if order.votes != 7
        ),
        "",
    )


def i4_no_order_without_a_journalled_intent(state: State, _before: State) -> str:
    return next(
        (
            f"the {order.leg} order of {order.plan} left without an intent on disk"
            for order in state.orders
            if not order.journalled
        ),
        "",
    )


def i5_no_order_of_a_dead_epoch(state: State, _before: State) -> str:
    return next(
        (
            f"the {order.leg} order of {order.plan} left after a restart"
            for order in state.orders
            if not order.alive
        ),
        "",
    )


def i6_the_ledgers_outcome_is_the_venues(state: State, _before: State) -> str:
    for entry in state.ledger.entries:
        for leg, told in zip(LEGS, (entry.eth, entry.sol), strict=True):
            really = sum(
                order.filled for order in state.orders if (order.plan, order.leg) == (entry.plan, leg)
            )
            if told.total is not None and told.total != really:
                return (
                    f"the ledger says that the {leg} order of {entry.plan} filled {told.total}, the venue"
                    f" filled {really}"
                )
    return ""


def i7_one_plan_in_flight(state: State, _before: State) -> str:
    flying = {entry.plan for entry in state.ledger.entries if entry.stage != "over"}
    flying |= {order.plan for order in state.orders if order.travels and order.plan in state.windows}
    return f"in flight: {', '.join(map(str, sorted(flying)))}" if len(flying) > 1 else ""


def i8_epoch_and_seq_strictly_increase(state: State, before: State) -> str:
    if state.bar.plan == before.bar.plan or state.bar.plan is None:
        return ""
    new, old = state.bar.plan, (before.bar.epoch, before.bar.seq)
    backwards = (
        new.seq <= old[1]
        or new.epoch < old[0]
        or any(entry.plan.seq >= new.seq for entry in before.ledger.entries)
    )
    return f"{new} was sealed after {old[0]}.{old[1]}" if backwards else ""


def i9_undisturbed_legs_act_together(state: State, _before: State) -> str:
    if state.hurt:
        return ""
    for entry in state.ledger.entries:
        if entry.stage == "over" and (wrong := _alone(state, entry)):
            return wrong
    return ""


def _alone(state: State, entry: Entry) -> str:
    asked = {leg for leg in LEGS if entry.plan.lots(leg)}
    acted = {order.leg for order in state.orders if order.plan == entry.plan}
    return (
        ""
        if acted in (set(), asked)
        else f"only {', '.join(sorted(acted))} acted on {entry.plan}, and nothing was wrong"
    )


def l2_what_follows_a_lone_leg_is_a_cure(state: State, before: State) -> str:
    new, old = state.bar.plan, before.bar.plan
    if new is None or new == old or state.bar.phase != "voting":
        return ""
    eth, sol = position(before, "eth"), position(before, "sol")
    return (
        f"{new} follows a lone leg: eth {eth} sol {sol}"
        if eth != sol and new.purpose not in {"repair", "flatten"}
        else ""
    )


def x1_no_leg_is_ever_larger_than_one_entry(state: State, _before: State) -> str:
    return next(
        (f"{leg} holds {position(state, leg)} lots" for leg in LEGS if not 0 <= position(state, leg) <= LOTS),
        "",
    )


STEPS: tuple[Callable[[State, State], str], ...] = (
    i8_epoch_and_seq_strictly_increase,
    l2_what_follows_a_lone_leg_is_a_cure,
)
SAFETY: tuple[Callable[[State, State], str], ...] = (
    i1_legs_that_act_act_on_the_same_digest,
    i2_at_most_one_accepted_increasing_order_per_plan_and_leg,
    i3_no_order_before_three_votes,
    i4_no_order_without_a_journalled_intent,
    i5_no_order_of_a_dead_epoch,
    i6_the_ledgers_outcome_is_the_venues,
    i7_one_plan_in_flight,
    i8_epoch_and_seq_strictly_increase,
    i9_undisturbed_legs_act_together,
    l2_what_follows_a_lone_leg_is_a_cure,
    x1_no_leg_is_ever_larger_than_one_entry,
)


def l1_every_intent_gets_an_outcome(state: State, _rules: Rules) -> str:
    entry = in_flight(state.ledger)
    if entry is not None:
        return f"{entry.plan} has no ending"
    written = {entry.plan for entry in state.ledger.entries}
    return next(
        (
            f"the {order.leg} order of {order.plan} was never written down"
            for order in state.orders
            if order.plan not in written
        ),
        "",
    )


def l2_a_lone_leg_is_followed_by_repair_or_flatten(state: State, rules: Rules) -> str:
    """Only the bound may end a story with a lone leg."""
    eth, sol = position(state, "eth"), position(state, "sol")
    return (
        f"eth {eth} sol {sol} is left, and nothing followed"
        if eth != sol and plans_of(state) < rules.plans
        else ""
    )


def l3_no_deadlock(state: State, rules: Rules) -> str:
    """At an ending everybody is up, every mailbox is empty, the barrier is idle and the plans are used up."""
    if state.bar.phase != "idle" or state.inbox or state.ledger.box or state.eth.box or state.sol.box:
        return f"nothing can happen any more, the barrier is {state.bar.phase}"
    if not (state.eth.up and state.sol.up and state.ledger.up):
        return "nothing can happen any more, and somebody is down"
    return "" if plans_of(state) >= rules.plans else "nothing can happen any more, though plans are left"


LIVENESS: tuple[Callable[[State, Rules], str], ...] = (
    l1_every_intent_gets_an_outcome,
    l2_a_lone_leg_is_followed_by_repair_or_flatten,
    l3_no_deadlock,
)
