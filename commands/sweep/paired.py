"""Policies side by side: what each came to in one world, and how far it is from the first one.

All of them saw the same market at the same time. Their cycles do not begin together, so cycles are counted
into blocks of time by when they began; figures of one block belong together, and the error of a difference
comes from drawing the same blocks for both (`commands/report/block_bootstrap.py`).
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from commands.report.block_bootstrap import Estimate, SumBySum, paired_difference, ratios
from commands.report.figures import Delay
from commands.sweep.comparison import ComparedWorld, world_of
from commands.sweep.point import PointCycle, PointResult
from messages.units import ONE, Bps, Quote, Rate

BLOCK_MS = 30_000
"""Of time: a few cycles each."""
BLOCK_NS = BLOCK_MS * 1_000_000
MILLION = 1_000_000
HOUR_MS = 3_600_000
Sums = tuple[Callable[[PointCycle], int], Callable[[PointCycle], int]]
MEASURES: Mapping[str, Sums] = {
    "cost": (lambda cycle: cycle.cost, lambda cycle: cycle.traded),
    "shortfall": (lambda cycle: cycle.shortfall, lambda cycle: cycle.wanted),
    "all_in": (lambda cycle: cycle.lost, lambda cycle: cycle.traded),
}
"""What is compared, per 1M USD of what: execution cost and everything that was lost, of what traded;
shortfall, of what was wanted.
"""


class ComparedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One policy in one world. Estimates are USD x18."""

    name: str
    number: int
    """Of its point."""
    exit_code: int | None
    why: str
    cycles: int
    entered: int
    completed: int
    traded: Quote
    figures: Mapping[str, Estimate]
    """By measure, per 1M USD."""
    differences: Mapping[str, Estimate]
    """From the first policy's, > 0 = dearer; {} for itself."""
    fill_rate: Rate | None
    """Of what was to trade by an order that rests: how much did. None: no order rested."""
    hedged_ms: Delay
    usd_s_per_cycle: Quote | None
    orders: int
    cancels: int
    balanced: int
    """Completed cycles whose filled imbalance keeps the promise."""
    per_hour: Rate | None
    """Completed cycles an hour of the market."""


class Comparison(msgspec.Struct, frozen=True):
    """One world."""

    world: ComparedWorld
    blocks: int
    policies: tuple[ComparedPolicy, ...]
    """As they were named; the first is what the others are compared with."""


def comparisons(results: Sequence[PointResult], limit: Bps) -> list[Comparison]:
    """ComparedWorld by world. `limit`: the promise of imbalances."""
    worlds: dict[ComparedWorld, list[PointResult]] = {}
    for result in sorted(results, key=lambda each: each.number):
        worlds.setdefault(world_of(result.policy), []).append(result)
    return [_comparison(world, points, limit) for world, points in worlds.items()]


def _comparison(world: ComparedWorld, points: Sequence[PointResult], limit: Bps) -> Comparison:
    blocks = 1 + max((cycle.began_ns // BLOCK_NS for point in points for cycle in point.cycles), default=-1)
    policies, first = [], dict[str, SumBySum]()
    for point in points:
        sums = {name: _in_blocks(point.cycles, of, blocks) for name, of in MEASURES.items()}
        first = first or sums
        policies.append(_policy(point, sums, first, limit))
    return Comparison(world, blocks, tuple(policies))


def _in_blocks(cycles: Sequence[PointCycle], of: Sums, blocks: int) -> SumBySum:
    part, whole = [0] * blocks, [0] * blocks
    for cycle in cycles:
        block = cycle.began_ns // BLOCK_NS
        part[block] += of[0](cycle)
        whole[block] += of[1](cycle)
    return SumBySum(part, whole)


def _policy(
    point: PointResult, sums: Mapping[str, SumBySum], first: Mapping[str, SumBySum], limit: Bps
) -> ComparedPolicy:
    scale, cycles = MILLION * ONE, point.cycles
    traded = [cycle for cycle in cycles if cycle.traded]
    done = [cycle for cycle in cycles if cycle.ending == "completed"]
    to_rest = sum(cycle.rest_wanted for cycle in cycles)
    rested = sum(cycle.rest_filled for cycle in cycles)
    return ComparedPolicy(
        name=point.policy["policy"],
        number=point.number,
        exit_code=point.exit_code,
        why=point.why,
        cycles=len(cycles),
        entered=sum(cycle.entered for cycle in cycles),
        completed=len(done),
        traded=Quote(sum(cycle.traded for cycle in traded)),
        figures={name: ratios({"": each.part}, each.whole, scale)[""] for name, each in sums.items()},
        differences={}
        if sums is first
        else {name: paired_difference(each, first[name], scale) for name, each in sums.items()},
        fill_rate=Rate(rested * ONE // to_rest) if to_rest else None,
        hedged_ms=Delay.of([took for cycle in cycles for took in cycle.hedged_ms]),
        usd_s_per_cycle=Quote(sum(cycle.unhedged_usd_s for cycle in traded) // len(traded))
        if traded
        else None,
        orders=sum(cycle.orders for cycle in cycles),
        cancels=sum(cycle.cancels for cycle in cycles),
        balanced=sum(cycle.filled is not None and cycle.filled <= limit for cycle in done),
        per_hour=Rate(len(done) * HOUR_MS * ONE // point.replayed_ms) if point.replayed_ms else None,
    )
