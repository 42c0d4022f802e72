"""Which policy costs least, and whether that is more than chance.

A policy's cost is its paid sum by its traded sum, over every market and seed. Its error comes from cycles
that saw different markets (`commands/report/block_bootstrap.py`): a second seed of the same recording, or of
the same bars, is the same market again and makes no error smaller, so only the first seed of each counts for
it; each seed of a synthetic market is another market.
"""

from collections.abc import Mapping, Sequence
from math import isqrt

import msgspec

from commands.report.block_bootstrap import Estimate, ratios
from commands.sweep.point import PointResult
from messages.units import ONE, Quote

MILLION = 1_000_000


class RankedPolicy(msgspec.Struct, frozen=True):
    """One combination of the grid's values, over all its points. USD x18; costs > 0 = paid."""

    policy: Mapping[str, str]
    points: int
    failures: int
    """Points that have no figures, or did not end flat with exit code 0."""
    cycles: int
    traded: Quote
    net: Quote
    all_in: Estimate
    """Everything that was lost, per 1,000,000 USD traded."""
    trading: Estimate
    """Of it fees, spread and slippage."""
    apart: bool = False
    """Does it cost more than the first by over two standard errors of the difference?"""


def ranking(results: Sequence[PointResult]) -> list[RankedPolicy]:
    """The policies, cheapest first; those that traded nothing last, in the grid's order."""
    groups: dict[tuple[tuple[str, str], ...], list[PointResult]] = {}
    for result in sorted(results, key=lambda each: each.number):
        groups.setdefault(tuple(result.policy.items()), []).append(result)
    found = [_policy(points) for points in groups.values()]
    found.sort(key=lambda each: (each.all_in.value is None, each.all_in.value or 0))
    return [msgspec.structs.replace(each, apart=_apart(found[0].all_in, each.all_in)) for each in found]


def _policy(points: Sequence[PointResult]) -> RankedPolicy:
    sample = _different_markets(points)
    traded = [volume for point in points for volume in point.traded]
    nets = [net for point in points for net in point.nets]
    whole = {
        "all_in": (sum(-net for net in nets), sum(-net for point in sample for net in point.nets)),
        "trading": (
            sum(cost for point in points for cost in point.trading_costs),
            sum(cost for point in sample for cost in point.trading_costs),
        ),
    }
    errors = ratios(
        {
            "all_in": [-net for point in sample for net in point.nets],
            "trading": [cost for point in sample for cost in point.trading_costs],
        },
        [volume for point in sample for volume in point.traded],
        MILLION * ONE,
    )
    volume = sum(traded)
    costs = {
        name: errors[name]._replace(value=all_of_it * MILLION * ONE // volume if volume else None)
        for name, (all_of_it, _) in whole.items()
    }
    return RankedPolicy(
        policy=points[0].policy,
        points=len(points),
        failures=sum(point.exit_code != 0 for point in points),
        cycles=len(traded),
        traded=Quote(volume),
        net=Quote(sum(nets)),
        all_in=costs["all_in"],
        trading=costs["trading"],
    )


def _different_markets(points: Sequence[PointResult]) -> list[PointResult]:
    seen: set[str] = set()
    chosen = []
    for point in points:
        if point.market == "synthetic" or point.market not in seen:
            seen.add(point.market)
            chosen.append(point)
    return chosen


def _apart(best: Estimate, other: Estimate) -> bool:
    """Both errors count as independent, which they are not where both saw the same market: so this rather
    says too little than too much.
    """
    if None in {best.value, best.error, other.value, other.error}:
        return False
    assert best.value is not None and other.value is not None  # noqa: S101, PT018 - just asked
    assert best.error is not None and other.error is not None  # noqa: S101, PT018 - just asked
    return other.value - best.value > 2 * isqrt(best.error**2 + other.error**2)
