"""The ledger's vote: what it alone can know is whether a plan fits what is held."""

from actors.ledger.flight import LEGS
from actors.ledger.fold import Fold
from actors.risk.objections import Objection, objection
from messages.sizing import RESTORES, TOP_UPS, Declined, Leg, LegOrder, Ready, Sealed, SizingPlan
from messages.units import Base
from venue.protocol import OrderBuilder

_YOUNG = "an order was found absent from positions alone, and this has not been confirmed for long enough"


def vote(fold: Fold, sealed: Sealed, epoch: int, order_builder: OrderBuilder) -> Ready | Declined:
    """Check the plan on the object held, derive both orders' digests from it, and vote. Nothing is written
    down in here.
    """
    plan = sealed.plan
    against = objection(sealed, epoch, fold.seq) or _misfit(fold, plan)
    if against:
        return Declined("ledger", plan.epoch, plan.seq, *against)
    try:
        eth, sol = (_digest(sealed, leg, order_builder) for leg in LEGS)
    except ValueError as error:  # OffLattice, or an order that the plan cannot mean
        return Declined("ledger", plan.epoch, plan.seq, "OFF_LATTICE", str(error))
    return Ready("ledger", plan.epoch, plan.seq, sealed.digest, eth, sol)


def _digest(sealed: Sealed, leg: Leg, order_builder: OrderBuilder) -> str:
    if sealed.plan.leg(leg).amount == 0:
        return ""
    return order_builder.digest_of(order_builder.order_of(sealed.plan, sealed.digest, leg))


def _misfit(fold: Fold, plan: SizingPlan) -> Objection | None:
    if fold.flight is not None:
        return "PLAN_IN_FLIGHT", f"plan {fold.flight.plan.epoch}.{fold.flight.plan.seq} is not final yet"
    if fold.strays:
        return "PLAN_IN_FLIGHT", f"order {fold.strays[0].digest} of ESCAPE is not final yet"
    if plan.purpose == "enter":
        return _may_not_enter(fold, plan)
    if plan.purpose == "top_up":
        return _may_not_top_up(fold, plan)
    if plan.purpose == "repair" and plan.increases and fold.cycle.flattens:
        against = _may_not_restore(fold, plan)
        if against:
            return against
    return next((against for leg in LEGS if (against := _leg_misfit(fold, plan, leg))), None)


def _may_not_enter(fold: Fold, plan: SizingPlan) -> Objection | None:
    if fold.view.no_entry:
        code, _, why = fold.view.no_entry.partition(": ")
        return code, why
    if fold.view.foreign or fold.unfit:
        return ("FOREIGN", fold.view.foreign) if fold.view.foreign else ("MISFIT", fold.unfit)
    if fold.phase != "flat" or fold.awaiting_proof:
        return (
            "NOT_FLAT",
            "part of the last cycle is open, or the exchange has not yet confirmed that nothing is",
        )
    if not fold.view.ok:
        young = fold.view.live and fold.view.agreed
        return "ACCOUNT_STALE", _YOUNG if young else "the account view is not live or not reconciled"
    if fold.cycle.over and plan.cycle <= fold.cycle.number:
        return "CYCLE_OVER", f"cycle {plan.cycle} has ended"
    return None


def _may_not_restore(fold: Fold, plan: SizingPlan) -> Objection | None:
    """A leg that has left is opened again only because the other one was refused for good, once a cycle,
    and with health to spare.
    """
    health = fold.view.snapshot.initial_health if fold.view.snapshot is not None else None
    if fold.view.foreign:
        return "FOREIGN", fold.view.foreign
    if fold.cycle.restores >= RESTORES:
        return "TOO_MANY_RESTORES", f"cycle {plan.cycle} has opened again {RESTORES} time what it had closed"
    if not any(fold.position[leg] and leg in fold.cycle.refused and not plan.leg(leg).amount for leg in LEGS):
        return "NOT_REFUSED", "no leg is held that the venue has refused to close for a reason that lasts"
    if health is None or health < 0:
        return "MARGIN", "the account has no initial health to spare, or it is unknown"
    return None


def _may_not_top_up(fold: Fold, plan: SizingPlan) -> Objection | None:
    """Only what is held and was refused as too small, in its own direction, a few times, within twice the
    entry, and beside nobody else.
    """
    if fold.view.foreign:
        return "FOREIGN", fold.view.foreign
    if fold.cycle.top_ups >= TOP_UPS:
        return "TOO_MANY_TOP_UPS", f"cycle {plan.cycle} has topped up {TOP_UPS} times"
    if any(fold.position[leg] and leg not in fold.too_small for leg in LEGS):
        return "NOT_TOO_SMALL", "a leg is held that the venue has not refused to close for being too small"
    for leg in LEGS:
        amount, held, wanted = plan.leg(leg).amount, fold.position[leg], fold.cycle.wanted[LEGS.index(leg)]
        if amount and (amount * held <= 0 or abs(amount) > 2 * abs(wanted)):
            return (
                "NOT_A_TOP_UP",
                (
                    f"{leg} order of {amount.text()} while {Base(held).text()} is held and the entry wanted"
                    f" {Base(wanted).text()}"
                ),
            )
    return None


def _leg_misfit(fold: Fold, plan: SizingPlan, leg: Leg) -> Objection | None:
    """A closing order opposes what is held and is no larger; a completing one is no more than what is
    missing (lessons O3, O8).
    """
    order, held = plan.leg(leg), fold.position[leg]
    if order.amount == 0:
        return None
    room = -held if order.reduce_only else fold.cycle.wanted[LEGS.index(leg)] - held
    if _within(order, room):
        return None
    code = "NOT_A_CLOSE" if order.reduce_only else "NOT_MISSING"
    what = f"{leg} order of {order.amount.text()} while {Base(held).text()} is held"
    return code, what if order.reduce_only else f"{what} and {Base(room).text()} is missing"


def _within(order: LegOrder, room: int) -> bool:
    return (order.amount > 0) == (room > 0) and abs(order.amount) <= abs(room)
