"""One cycle as a row: what was planned, what became of it, what it cost. Every figure is the ledger's own
(`Cycle`, `CycleMoney`); nothing is computed here that the fold computes.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from actors.ledger.cycles import Cycle
from actors.ledger.orders import OurOrder
from actors.risk.funding import FundedLeg, received
from commands.output.money_lines import CAUSES
from commands.report.cycle_execution import BesideFold, CycleExecution, cycle_execution, leaves
from messages.market import FundingRate
from messages.money import CycleMoney, TradingTerm
from messages.sizing import LEGS, SizingPlan
from messages.units import Bps, Ms, Ns, Quote, Rate, imbalance, notional

TRADING_COST: tuple[TradingTerm, ...] = ("fees", "spread", "slippage")
"""What trading costs whatever the market does: the summary's figure per 1M traded."""
RowEnding = Literal["completed", "failed", "skipped", "open"]


class CycleRow(msgspec.Struct, frozen=True, kw_only=True):
    """One cycle. Money in USD x18, costs > 0 = paid; None is unknown, or there was no such thing."""

    run: int
    """Which start of the program entered it; 1 is the first in the ledger."""
    cycle: int
    ending: RowEnding
    """`open`: it has no ending yet."""
    adopted: bool
    """Did a later run close it, or a person book it?"""
    code: str
    """Why it was skipped; "" where it was not."""
    detail: str
    direction: str
    hedge_ratio: Rate
    """Dollars of SOL that hedge one of ETH; imbalances and what was unhedged are by it."""
    began_ns: Ns
    ended_ns: Ns | None
    held_ms: Ms | None
    """From the last fill that opened it to the decision to leave."""
    left_by: str
    """The rule by which its pair was left (`actors/risk/exits.py`); "" while it is held, and for one that was
    closed without one: it never stood, or another process closed it.
    """
    side_by: str
    """The rule of funding by which its side was taken (`actors/risk/funding.py`); "": another `direction`."""
    eth_funding: Rate | None
    sol_funding: Rate | None
    """Rates per 24 hours when entering was decided; None: unknown."""
    per_hour: Quote | None
    """What the pair was to receive at a funding time by them, < 0 = pay; None: unknown."""
    planned: Bps | None
    filled: Bps | None
    marked: Bps | None
    """At the mids of the decision to leave: the drift while it was held."""
    exited: Bps | None
    legs_ordered: int
    legs_filled_first: int
    entered: bool
    together: bool
    sent: bool
    orders: int
    repairs: int
    doubted: bool
    traded: Quote
    costs: dict[TradingTerm, Quote]
    net: Quote
    """The trading result, > 0 = gained: minus the sum of `costs`."""
    residual: Quote
    unhedged_usd_s: Quote
    unhedged_worst: Quote
    unhedged_ms: Ms
    filling_ms: tuple[int, ...]
    """From the decision to an order's last fill, by the exchange's clock; one per order that filled."""
    sending_ms: tuple[int, ...]
    """From the decision to an order's first byte. An answer that comes after its plan has closed is no row
    of the ledger, and such an order is missing here.
    """
    answering_ms: tuple[int, ...]
    """From there to the exchange's answer, of the same orders."""
    execution: CycleExecution

    @property
    def trading_cost(self) -> Quote:
        """Fees, spread and slippage."""
        return Quote(sum(self.costs[cause] for cause in TRADING_COST))


class CycleEnd(msgspec.Struct, frozen=True):
    """What the row needs to know besides the cycle itself."""

    run: int
    ending: RowEnding
    code: str
    detail: str
    at_ns: Ns
    """Of the row that ended it; of the last row while it is open."""


def cycle_row(cycle: Cycle, end: CycleEnd, shares: Iterable[CycleMoney], beside: BesideFold) -> CycleRow:
    """The row of `cycle`. `shares`: its share of each run's money that it was part of."""
    orders, exposure = cycle.orders, cycle.exposure()
    enters = [order.plan for order in orders if order.plan.enters]
    entry, paid = enters[-1] if enters else None, list(shares)
    costs = {cause: Quote(-sum(getattr(share, cause) for share in paid)) for cause in CAUSES}
    decided_ns = [int(order.plan.decided_ms) * 1_000_000 for order in orders]
    began_ns = min([*decided_ns, *(move.at_ns for move in cycle.moves())], default=int(end.at_ns))
    answered = [
        (order.plan, order.outcome)
        for order in orders
        if order.outcome is not None and order.outcome.kind != "none"
    ]
    return CycleRow(
        run=end.run,
        cycle=cycle.number,
        ending=end.ending,
        adopted=cycle.adopted,
        code=end.code,
        detail=end.detail,
        direction=cycle.direction,
        hedge_ratio=Rate(cycle.hedge_ratio),
        began_ns=Ns(began_ns),
        ended_ns=None if end.ending == "open" else end.at_ns,
        held_ms=_held_ms(cycle),
        side_by=entry.because if entry is not None else "",
        eth_funding=entry.eth_funding if entry is not None else None,
        sol_funding=entry.sol_funding if entry is not None else None,
        per_hour=_per_hour(entry) if entry is not None else None,
        left_by=leaving.plan.because if (leaving := _leaving(cycle)) is not None else "",
        planned=entry.planned_imbalance if entry is not None else None,
        filled=cycle.filled_imbalance,
        marked=_marked(cycle),
        exited=cycle.exit_imbalance if any(not order.order.increases for order in orders) else None,
        legs_ordered=len(LEGS) if any(plan.purpose == "enter" for plan in enters) else 0,
        legs_filled_first=cycle.filled_first,
        entered=cycle.entered,
        together=cycle.together,
        sent=cycle.sent,
        orders=sum(order.sent for order in orders),
        repairs=len({(each.plan.epoch, each.plan.seq) for each in orders if each.plan.purpose == "repair"}),
        doubted=cycle.doubted,
        traded=Quote(sum(order.total.quote for order in orders)),
        costs=costs,
        net=Quote(sum(share.net for share in paid)),
        residual=Quote(sum(share.residual for share in paid)),
        unhedged_usd_s=Quote(exposure.usd_s),
        unhedged_worst=Quote(exposure.worst),
        unhedged_ms=Ms(exposure.lasted_ns // 1_000_000),
        filling_ms=tuple(
            max(move.at_ns for move in moves) // 1_000_000 - int(order.plan.decided_ms)
            for order in orders
            if (moves := order.moves())
        ),
        sending_ms=tuple(int(outcome.sent_ms - plan.decided_ms) for plan, outcome in answered),
        answering_ms=tuple(int(outcome.answered_ms - outcome.sent_ms) for _, outcome in answered),
        execution=cycle_execution(cycle, beside),
    )


def _leaving(cycle: Cycle) -> OurOrder | None:
    """The first order of a plan that leaves the pair; None while there is none."""
    return next((each for each in cycle.orders if leaves(each.plan)), None)


def _per_hour(entry: SizingPlan) -> Quote | None:
    """By the rates and the mids of the decision."""
    eth, sol = (
        FundedLeg(
            order.amount,
            order.mid,
            None if rate is None else FundingRate(order.product_id, rate, entry.decided_ms),
        )
        for order, rate in ((entry.eth, entry.eth_funding), (entry.sol, entry.sol_funding))
    )
    return received(eth, sol, entry.decided_ms)


def _held_ms(cycle: Cycle) -> Ms | None:
    leaving, opened = _leaving(cycle), _last_ns(each for each in cycle.orders if each.order.increases)
    if not cycle.was_open or leaving is None or opened is None:
        return None
    return Ms(max(0, int(leaving.plan.decided_ms) - opened // 1_000_000))


def _last_ns(orders: Iterable[OurOrder]) -> int | None:
    return max((move.at_ns for order in orders for move in order.moves()), default=None)


def _marked(cycle: Cycle) -> Bps | None:
    leaving = _leaving(cycle)
    if not cycle.was_open or leaving is None:
        return None
    mids: Sequence[int] = [leaving.plan.leg(leg).mid for leg in LEGS]
    if not all(mids):
        return None
    eth, sol = (notional(mid, amount) for mid, amount in zip(mids, cycle.pair, strict=True))
    return imbalance(eth, sol, cycle.hedge_ratio)
