"""Why a plan must not be carried out: the checks that both legs and the ledger make, each by itself, on
the object it holds.
"""

from messages.sizing import LegOrder, Sealed, SizingPlan
from messages.wire import digest

Objection = tuple[str, str]
"""A code and a sentence."""


def objection(sealed: Sealed, epoch: int, last_seq: int) -> Objection | None:
    """The first thing wrong with a sealed plan, for a voter of incarnation `epoch` that has last seen
    `last_seq`; None when it may stand.

    The digest is taken again from the plan this voter holds, so a changed field shows whether or not the
    digest was changed with it (a recomputed digest differs from the other voters' digests, and the barrier
    compares those).
    """
    plan = sealed.plan
    if digest(plan) != sealed.digest:
        return "DIGEST_MISMATCH", f"the plan does not have the digest {sealed.digest} that it was sealed with"
    if plan.epoch != epoch:
        return "DEAD_EPOCH", f"the plan is of epoch {plan.epoch}, this incarnation of {epoch}"
    if plan.seq <= last_seq:
        return "STALE_SEQ", f"plan {plan.seq} does not come after {last_seq}"
    return _shape(plan)


def _shape(plan: SizingPlan) -> Objection | None:
    legs = (plan.eth, plan.sol)
    if plan.purpose == "enter" and not (plan.eth.amount > 0) ^ (plan.sol.amount > 0):
        return "NOT_A_PAIR", "an enter needs one bought and one sold leg"
    if plan.purpose == "enter" and 0 in {plan.eth.amount, plan.sol.amount}:
        return "NOT_A_PAIR", "an enter with an empty leg"
    if plan.purpose in {"exit", "flatten"} and any(leg.increases for leg in legs):
        return "CLOSE_INCREASES", f"an order of {plan.purpose} is not reduce-only"
    if plan.purpose == "top_up" and any(leg.amount and leg.reduce_only for leg in legs):
        return "NOT_A_TOP_UP", "an order of top_up is reduce-only"
    if all(leg.amount == 0 for leg in legs):
        return "EMPTY", "neither leg has an amount"
    return next((_kind(plan, leg) for leg in legs if leg.amount and _kind(plan, leg)), None)


def _kind(plan: SizingPlan, leg: LegOrder) -> Objection | None:
    wanted = "ioc" if leg.reduce_only else "fok"
    if leg.kind != wanted:
        return "ORDER_KIND", f"{plan.purpose} wants {wanted} for product {leg.product_id}, not {leg.kind}"
    return None
