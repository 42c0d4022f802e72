"""Policies side by side, as a table for each world and as objects."""

from collections.abc import Sequence
from typing import Any

from commands.report.block_bootstrap import Estimate
from commands.report.figures import Delay
from commands.sweep.paired import BLOCK_MS, MEASURES, ComparedPolicy, Comparison
from commands.sweep.results import error_words, estimate_cells, in_columns
from messages.amounts import fixed, rate_percent, short_percent
from messages.units import Bps, Quote, text_of

COLUMNS = (
    *("policy", "cost per 1M", "difference", "shortfall", "difference", "filled", "entered"),
    *("hedged ms", "USD·s", "balanced", "cycles/h", "orders", "cancels", ""),
)


def comparison_lines(found: Sequence[Comparison], seed: int, limit: Bps) -> list[str]:
    """A table for each world, and what its columns are."""
    lines = []
    for each in found:
        world = each.world
        trades = "every trade" if world.one_trade_in == 1 else f"one trade in {world.one_trade_in}"
        said = f"{world.target}, {world.fills}, {trades}: {each.blocks} blocks of {BLOCK_MS // 1000} s"
        rows = [COLUMNS, *(_row(policy) for policy in each.policies)]
        lines += [f"{said}, seed {seed}", *(f" {line}" for line in in_columns(rows)), ""]
    first = found[0].policies[0].name
    lines.append(f"difference: from {first}, paired by block, in brackets as so many of its errors")
    lines.append("hedged ms: median and 99th percentile until a fill was hedged; USD·s: unhedged, a cycle")
    lines.append(
        f"balanced: completed cycles filled within {short_percent(limit)}, of all that were completed"
    )
    return lines


def _row(each: ComparedPolicy) -> list[str]:
    took = each.hedged_ms
    return [
        each.name,
        error_words(each.figures["cost"]),
        _difference(each, "cost"),
        error_words(each.figures["shortfall"]),
        _difference(each, "shortfall"),
        "-" if each.fill_rate is None else f"{rate_percent(each.fill_rate)} %",
        f"{each.entered} of {each.cycles}",
        "-" if took.median is None else f"{took.median} / {took.p99}",
        "-" if each.usd_s_per_cycle is None else fixed(each.usd_s_per_cycle, 2),
        f"{each.balanced} of {each.completed}",
        "-" if each.per_hour is None else fixed(each.per_hour, 0),
        str(each.orders),
        str(each.cancels),
        "" if each.exit_code == 0 else each.why,
    ]


def _difference(each: ComparedPolicy, measure: str) -> str:
    found = each.differences.get(measure)
    if found is None:
        return ""
    apart = errors_apart(found)
    return error_words(found) + (f" ({fixed(apart, 1)})" if apart is not None else "")


def errors_apart(each: Estimate) -> Quote | None:
    """How many of its own standard errors a difference is away from 0, unsigned."""
    if each.value is None or not each.error:
        return None
    return Quote(abs(each.value) * 10**18 // each.error)


def comparison_cells(found: Comparison) -> dict[str, Any]:
    """One world of the object: money as decimal text, unknown as null."""
    return {
        "target": found.world.target,
        "fills": found.world.fills,
        "one_trade_in": found.world.one_trade_in,
        "blocks": found.blocks,
        "block_ms": BLOCK_MS,
        "policies": [_policy_cells(each) for each in found.policies],
    }


def _policy_cells(each: ComparedPolicy) -> dict[str, Any]:
    took: Delay = each.hedged_ms
    return {
        "policy": each.name,
        "point": each.number,
        "exit_code": each.exit_code,
        "cycles": each.cycles,
        "entered": each.entered,
        "completed": each.completed,
        "traded_usd": each.traded.text(),
        **{f"{name}_per_million_usd": estimate_cells(each.figures[name]) for name in MEASURES},
        "differences": {
            name: estimate_cells(one) | {"errors_apart": text_of(errors_apart(one))}
            for name, one in each.differences.items()
        },
        "quote_fill_rate": text_of(each.fill_rate),
        "hedged_ms": {"count": took.count, "median": took.median, "p99": took.p99, "max": took.most},
        "unhedged_usd_s_per_cycle": text_of(each.usd_s_per_cycle),
        "orders_sent": each.orders,
        "cancels_sent": each.cancels,
        "balanced": each.balanced,
        "cycles_per_hour": text_of(each.per_hour),
    }
