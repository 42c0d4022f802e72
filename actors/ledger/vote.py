"""The ledger's vote: what it alone can know is whether a plan fits what is held."""

from actors.ledger.fold import Fold
from actors.ledger.resting import against_working, answers_nothing
from actors.risk.may_enter import LEDGER, VOTE, LedgerBallot, may_enter
from actors.risk.objections import Ballot
from messages.lifecycle import Denial
from messages.sizing import LEGS, RESTORES, TOP_UPS, Declined, Ready, Sealed, SizingPlan
from messages.units import Base, Rate
from venue.protocol import OrderBuilder


def vote(
    fold: Fold, sealed: Sealed, epoch: int, order_builder: OrderBuilder, no_entry: Denial | None = None
) -> Ready | Declined:
    """Check the plan on the object held, derive both orders' digests from it, and vote. Nothing is written
    down in here. `no_entry`: why the ledger's file and disk let nothing be entered.
    """
    plan = sealed.plan
    flying = fold.flight.plan if fold.flight is not None else None
    stray = f"order {fold.strays[0].digest} of ESCAPE" if fold.strays else ""
    ballot = LedgerBallot(
        plan=plan,
        unfinished=stray if flying is None else f"plan {flying.epoch}.{flying.seq}",
        working=against_working(fold, plan),
        cycle_over=fold.cycle.over and plan.cycle <= fold.cycle.number,
        no_entry=no_entry,
        foreign=fold.view.foreign,
        unfit=fold.unfit,
        flat=fold.phase == "flat" and not fold.awaiting_proof,
        ok=fold.view.ok,
        young=fold.view.live and fold.view.agreed,
    )
    denial = (
        may_enter(VOTE, Ballot(sealed, epoch, fold.seq), plan.judged_as)
        or may_enter(LEDGER, ballot, plan.judged_as)
        or _misfit(fold, plan)
    )
    if denial is not None:
        return Declined("ledger", plan.epoch, plan.seq, denial.code, denial.detail)
    try:
        eth, sol = (
            order_builder.digest_of(order_builder.order_of(plan, sealed.digest, leg))
            if plan.leg(leg).amount
            else ""
            for leg in LEGS
        )
    except ValueError as error:  # OffLattice, or an order that the plan cannot mean
        return Declined("ledger", plan.epoch, plan.seq, "OFF_LATTICE", str(error))
    return Ready("ledger", plan.epoch, plan.seq, sealed.digest, eth, sol)


def _misfit(fold: Fold, plan: SizingPlan) -> Denial | None:
    """Does a plan that does not enter fit what is held?"""
    if plan.enters:
        return None
    if plan.purpose == "top_up":
        return _may_not_top_up(fold, plan)
    if plan.purpose in {"quote", "hedge"}:
        closes = plan.quote is not None and not plan.quote.opens
        return answers_nothing(fold, plan) or (None if closes else _another_ratio(fold, plan))
    return _not_what_is_held(fold, plan)


def _not_what_is_held(fold: Fold, plan: SizingPlan) -> Denial | None:
    """Does it complete or close anything else than what is missing or held?"""
    restores = plan.purpose == "repair" and plan.increases and fold.cycle.flattens
    denial = _another_ratio(fold, plan) or (_may_not_restore(fold, plan) if restores else None)
    if denial is not None:
        return denial
    # A closing order opposes what is held and is no larger; a completing one is no more than what is missing
    # (lessons O3, O8).
    for leg in LEGS:
        order, held = plan.leg(leg), fold.position[leg]
        room = -held if order.reduce_only else fold.cycle.wanted[LEGS.index(leg)] - held
        fits = (order.amount > 0) == (room > 0) and abs(order.amount) <= abs(room)
        what = f"{leg} order of {order.amount.text()} while {Base(held).text()} is held"
        if order.amount and not fits and order.reduce_only:
            return Denial("NOT_A_CLOSE", what)
        if order.amount and not fits:
            return Denial("NOT_MISSING", f"{what} and {Base(room).text()} is missing")
    return None


def _another_ratio(fold: Fold, plan: SizingPlan) -> Denial | None:
    """Is a leg made larger for another hedge ratio than that of the pair? What only closes is never refused
    for it.
    """
    theirs, ours = plan.ratio, Rate(fold.cycle.hedge_ratio)
    if theirs == ours or not plan.increases:
        return None
    words = f"the plan has hedge_ratio {theirs.text()}, the pair that is held {ours.text()}"
    return Denial("HEDGE_RATIO", words)


def _may_not_restore(fold: Fold, plan: SizingPlan) -> Denial | None:
    """A leg that has left is opened again only because the other one was refused for good, once a cycle,
    and with health to spare.
    """
    health = fold.view.snapshot.initial_health if fold.view.snapshot is not None else None
    if fold.view.foreign:
        return Denial("FOREIGN", fold.view.foreign)
    if fold.cycle.restores >= RESTORES:
        return Denial(
            "TOO_MANY_RESTORES", f"cycle {plan.cycle} has opened again {RESTORES} time what it had closed"
        )
    if not any(fold.position[leg] and leg in fold.cycle.refused and not plan.leg(leg).amount for leg in LEGS):
        return Denial(
            "NOT_REFUSED", "no leg is held that the venue has refused to close for a reason that lasts"
        )
    if health is None or health < 0:
        return Denial("MARGIN", "the account has no initial health to spare, or it is unknown")
    return None


def _may_not_top_up(fold: Fold, plan: SizingPlan) -> Denial | None:
    """Only what is held and was refused as too small, in its own direction, a few times, within twice the
    entry, and beside nobody else.
    """
    if fold.view.foreign:
        return Denial("FOREIGN", fold.view.foreign)
    if fold.cycle.top_ups >= TOP_UPS:
        return Denial("TOO_MANY_TOP_UPS", f"cycle {plan.cycle} has topped up {TOP_UPS} times")
    if any(fold.position[leg] and leg not in fold.too_small for leg in LEGS):
        return Denial(
            "NOT_TOO_SMALL", "a leg is held that the venue has not refused to close for being too small"
        )
    for leg in LEGS:
        amount, held, wanted = plan.leg(leg).amount, fold.position[leg], fold.cycle.wanted[LEGS.index(leg)]
        if amount and (amount * held <= 0 or abs(amount) > 2 * abs(wanted)):
            return Denial(
                "NOT_A_TOP_UP",
                f"{leg} order of {amount.text()} while {Base(held).text()} is held and the entry wanted"
                f" {Base(wanted).text()}",
            )
    return None
