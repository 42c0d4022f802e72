"""A plan as the object of `--json`: the same keys on every exit code. Money, sizes and basis points are
decimal strings, what nobody knows is null.
"""

from typing import Any

from actors.risk.funding import known_rate
from actors.sizing.attainability import Bound
from commands.output import json_keys
from commands.output.words import DONE, REFUSED, Refusal
from commands.plan.basis import NOTHING, Basis
from commands.plan.cost import CycleCost
from commands.plan.planned import DirectionPlan, Planned
from commands.plan.sweep import Sweep
from messages.sizing import LegOrder
from messages.units import Quote, notional, text_of


def as_object(plan: Planned, basis: Basis, sweep: Sweep | None) -> dict[str, Any]:
    """Every key of `json_keys.PLAN`."""
    settings, denial, bounds = plan.settings, plan.denial, plan.bounds
    refused = None
    if denial is not None:
        refused = Refusal(denial.code, None, denial.detail, plan.cure, NOTHING).as_json()
    eth, sol = basis.quote.eth, basis.quote.sol
    return dict.fromkeys(json_keys.keys_of("plan")) | {
        "schema": json_keys.schema_of("plan"),
        "ok": denial is None,
        "exit_code": DONE if denial is None else REFUSED,
        "ended_by": "done" if denial is None else "refused",
        "error": refused,
        "venue": settings.venue.name if basis.asked else None,
        "subaccount": settings.venue.subaccount if basis.asked else None,
        "target_usd": settings.target.text(),
        "hedge_ratio": settings.hedge_ratio.text(),
        "max_imbalance_bps": settings.max_imbalance.text(),
        "planning_goal_bps": plan.goal.text(),
        "source": basis.source,
        "assumed": list(basis.assumed),
        "eth_bid": eth.bids[0].price.text(),
        "eth_ask": eth.asks[0].price.text(),
        "sol_bid": sol.bids[0].price.text(),
        "sol_ask": sol.asks[0].price.text(),
        "eth_taker_fee": text_of(basis.rules.eth.taker_fee),
        "sol_taker_fee": text_of(basis.rules.sol.taker_fee),
        "free_margin_usd": text_of(basis.held.initial_health),
        "eth_funding_rate": text_of(known_rate(eth.funding, basis.quote.at_ms)),
        "sol_funding_rate": text_of(known_rate(sol.funding, basis.quote.at_ms)),
        "directions": [_direction(each) for each in plan.directions],
        "smallest_target_usd": _target(bounds.smallest),
        "smallest_reason": _reason(bounds.smallest),
        "always_from_usd": _target(bounds.always),
        "always_reason": _reason(bounds.always),
        "sweep": None
        if sweep is None
        else {
            "pairs": sweep.pairs,
            "eth_low": sweep.eth[0].text(),
            "eth_high": sweep.eth[1].text(),
            "sol_low": sweep.sol[0].text(),
            "sol_high": sweep.sol[1].text(),
            "always_from_usd": text_of(sweep.always),
            "rows": [
                {
                    "target_usd": row.target.text(),
                    "met": row.met,
                    "without_quantities": row.unsized,
                    "median_bps": text_of(row.median),
                    "worst_bps": text_of(row.worst),
                }
                for row in sweep.rows
            ],
        },
    }


def _direction(each: DirectionPlan) -> dict[str, Any]:
    verdict, plan, room = each.verdict, each.plan, each.room
    return {
        "direction": each.direction,
        "enters": each.denial is None,
        "code": each.denial.code if each.denial else None,
        "detail": each.denial.detail if each.denial else None,
        "verdict": verdict.kind,
        "thin": verdict.thin,
        "allowed_by": each.allowed_by or None,
        "planned_imbalance_bps": plan.planned_imbalance.text() if plan else None,
        **_order("eth", plan.eth if plan else None),
        **_order("sol", plan.sol if plan else None),
        "ratio_up_bps": text_of(room.up) if room else None,
        "ratio_down_bps": room.down.text() if room else None,
        **_cost(each.cost),
        "margin_usd": text_of(each.margin),
        "liquidation_move": text_of(each.liquidation),
        "funding_per_hour_usd": text_of(each.per_hour),
        "side_rule": each.side.rule or None,
        "side_detail": each.side.detail or None,
    }


def _order(leg: str, order: LegOrder | None) -> dict[str, str | None]:
    """Signed amount, and at what; all null where nothing could be ordered."""
    if order is None:
        return dict.fromkeys((leg, f"{leg}_vwap", f"{leg}_limit", f"{leg}_usd"))
    return {
        leg: order.amount.text(),
        f"{leg}_vwap": order.vwap.text(),
        f"{leg}_limit": order.limit.text(),
        f"{leg}_usd": notional(order.vwap, order.amount).text(),
    }


def _cost(cost: CycleCost | None) -> dict[str, str | None]:
    """Of a cycle, > 0 = paid; bps are those of what its four orders trade."""
    causes = ("fees", "spread", "slippage")
    if cost is None:
        names = [f"{name}_{unit}" for name in (*causes, "cost") for unit in ("usd", "bps")]
        return dict.fromkeys((*names, "traded_usd"))
    parts: dict[str, Quote] = {name: getattr(cost, name) for name in causes} | {"cost": cost.total}
    told: dict[str, str | None] = {"traded_usd": cost.traded.text()}
    for name, part in parts.items():
        told |= {f"{name}_usd": part.text(), f"{name}_bps": cost.bps(part).text()}
    return told


def _target(bound: Bound | None) -> str | None:
    return None if bound is None else bound.target.text()


def _reason(bound: Bound | None) -> str | None:
    return (bound.reason or None) if bound is not None else None
