"""The plan itself, in every direction that a run would trade: what sizing proposes at these books, what it
costs, what it needs, and whether a run would enter it.

Nothing is reckoned here that a run reckons: quantities, limits and bounds are sizing's, margin and the
distance to liquidation are those of the risk limits, and the gates are those of an entry.
"""

from typing import Literal

import msgspec

from actors.risk.funding import Side, funded_legs, received
from actors.risk.gates import closed_window
from actors.risk.limits import liquidation_move, margin_needed, plan_denial
from actors.risk.may_enter import LegBallot, entry_denial, leg_notional_denial
from actors.risk.triggers import EntryMoment, funding_denial, hours_denial, spread_denial
from actors.sizing.attainability import Attainability, RatioRoom, ratio_room
from actors.sizing.last_cycle import least_target
from actors.sizing.lattice import Obstacle
from actors.sizing.sizer import Look, Sizer
from commands.access.prices import UNDATED
from commands.output.sentences import advice, cannot
from commands.plan.basis import Basis
from commands.plan.cost import CycleCost, cycle_cost
from messages.lifecycle import Denial, Directive
from messages.market import PairQuote
from messages.settings import Settings
from messages.sizing import LEGS, SizingPlan, Verdict
from messages.units import ONE, Bps, Quote, Rate

ENDLESS = Quote(10**12 * ONE)
"""More margin than any plan needs."""


class DirectionPlan(msgspec.Struct, frozen=True):
    """What a run would propose in one direction, and what follows from it."""

    direction: Literal["long-eth", "long-sol"]
    verdict: Verdict
    """Of the quantities that follow: what would be traded, else the best there are."""
    allowed_by: Literal["", "accept", "raise"]
    """What of `when_unbalanced` lets a target be traded that is not met; "" where it is met or not traded."""
    plan: SizingPlan | None
    """None: no pair of quantities satisfies minimum and deviation."""
    cost: CycleCost | None
    """None: there is no plan, or the books are too thin for it."""
    margin: Quote | None
    """USDT0 of initial health that it takes, with the fees of closing and `limits.margin_buffer`."""
    liquidation: Rate | None
    """How far the price of the nearer leg may move against it (x18); None where the margin is not known."""
    room: RatioRoom | None
    denial: Denial | None
    """Why a run would not enter it now."""
    side: Side
    """Why a run would begin with it, where funding decides that."""
    per_hour: Quote | None = None
    """USD that the pair receives at a funding time, < 0 = pays; None: a rate is not known."""


class Planned(msgspec.Struct, frozen=True):
    """The whole answer for one target at one moment's books."""

    settings: Settings
    directions: tuple[DirectionPlan, ...]
    """In the order in which a run begins with them."""
    bounds: Attainability
    """Its `smallest` and `always` are looked for from the smallest target that can be typed."""
    cure: str
    """What to type instead; "" where a run would enter, or where nothing is known that helps."""

    @property
    def goal(self) -> Bps:
        """How imbalanced a plan may be (bps x18): the promise less the planning margin."""
        return Bps(self.settings.max_imbalance - self.settings.planning_margin)

    @property
    def denial(self) -> Denial | None:
        """Why a run would not enter: the first direction that has a reason."""
        return next((each.denial for each in self.directions if each.denial), None)


def planned(settings: Settings, basis: Basis) -> Planned:
    """The plan of `settings` at the books of `basis`. Raises `Incomplete` where the exchange's rules are not
    all that entering needs.
    """
    sizer, terms, quote = Sizer(settings, basis.rules), basis.rules.terms(), basis.quote
    signs = sizer.signs(1)
    answer = sizer.attainable(quote, signs)
    # Bounds are those of the books, whatever was typed: from a cent on, as far up as anything could be sent.
    least = Quote(max(least_target(settings.hedge_ratio, terms), settings.target))
    wide = Sizer(msgspec.structs.replace(settings, target=least), basis.rules)
    bounds = wide.attainable(quote, signs, lowest=Quote(ONE // 100))
    verdict = answer.verdict
    if least > settings.target:
        verdict = msgspec.structs.replace(
            verdict,
            smallest_target=bounds.smallest.target if bounds.smallest else None,
            always_from=bounds.always.target if bounds.always else None,
        )
    look = Look(quote, basis.held, Directive(enter=True, leave_now=False, reason=""), quote.at_ms)
    first = sizer.side(look.held, quote, 1, look.now_ms)
    sides = (first, *(Side(sign, "", "") for sign in signs if sign != first.sign))
    directions = tuple(_direction(sizer, basis, look, side, answer) for side in sides)
    untraded = any(each.denial and each.denial.code in UNTRADABLE for each in directions)
    return Planned(settings, directions, bounds, advice(settings, verdict) if untraded else "")


def _awaited(quote: PairQuote, settings: Settings, sign: int) -> Denial | None:
    """What of `enter_when` a run would wait for; books without a moment lie in no hours, and nobody has said
    their funding rates.
    """
    moment = EntryMoment(settings, quote, quote.at_ms, sign)
    if quote.at_ms == UNDATED:
        return spread_denial(moment)
    return spread_denial(moment) or hours_denial(moment) or funding_denial(moment)


UNTRADABLE = ("UNBALANCED", "TARGET_TOO_SMALL")
"""Codes of a denial that says that no quantities do, which another target would cure."""


def _direction(sizer: Sizer, basis: Basis, look: Look, side: Side, answer: Attainability) -> DirectionPlan:
    settings, quote, sign, terms = sizer.settings, basis.quote, side.sign, basis.rules.terms()
    sized = sizer.size(quote, sign, settings.target)
    chosen = sizer.chosen(quote, sign, sized)
    verdict = chosen or sized
    name: Literal["long-eth", "long-sol"] = "long-eth" if sign > 0 else "long-sol"
    untradable = None
    if chosen is None:
        # the bounds stand in lines of their own
        obstacle = answer.obstacle or Obstacle("imbalance", None, sized.reason)
        reason = msgspec.structs.replace(answer.verdict, reason=obstacle.reason)
        small = obstacle.source == "min_notional"
        untradable = Denial("TARGET_TOO_SMALL" if small else "UNBALANCED", cannot(settings, reason))
    if verdict.kind == "impossible":
        return DirectionPlan(name, verdict, "", None, None, None, None, None, untradable, side)
    plan = sizer.entry(look, quote, 1, (verdict.eth, verdict.sol), side)
    known = basis.held.maintenance_health is not None and basis.held.initial_health is not None
    # Where nobody knows what the account has, its margin refuses nothing: the other limits are asked alone.
    held = (
        basis.held
        if known
        else msgspec.structs.replace(basis.held, initial_health=ENDLESS, maintenance_health=ENDLESS)
    )
    let = chosen is not None and sized.kind != "met"
    legs = (LegBallot(leg=leg, plan=plan, settings=settings, connected=True) for leg in LEGS)
    return DirectionPlan(
        name,
        verdict,
        ("raise" if verdict.kind == "met" else "accept") if let else "",
        plan,
        cycle_cost(plan, quote, terms),
        margin_needed(plan, terms, settings),
        liquidation_move(plan, held, terms) if known else None,
        ratio_room(verdict.eth_notional, verdict.sol_notional, settings.max_imbalance, settings.hedge_ratio),
        untradable
        or closed_window(quote.at_ms, settings)
        or _awaited(quote, settings, sign)
        or entry_denial(quote, quote.at_ms, settings, plan.eth.amount, plan.sol.amount)
        or plan_denial(plan, held, terms, settings)
        or next((denial for leg in legs if (denial := leg_notional_denial(leg))), None),
        side,
        received(*funded_legs(quote, plan.eth.amount, plan.sol.amount), quote.at_ms),
    )
