"""A sweep as Parquet, a row for each point, and as words: the policies, ranked."""

import io
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from commands.report.block_bootstrap import Estimate
from commands.sweep.point import PointResult
from commands.sweep.ranking import RankedPolicy
from messages.amounts import fixed
from messages.units import Quote

COUNTS = ("point", "seed", "exit_code", "completed", "failed", "skipped", "cycles")
EXACT = ("traded_usd", "trading_cost_usd", "net_usd")
SHOWN = 20
"""Policies that are printed; the object has all of them."""


def point_cells(result: PointResult) -> dict[str, Any]:
    """One row: the policy's keys first. Money is decimal text; unknown is None."""
    known = result.exit_code is not None

    def usd(amounts: Sequence[int]) -> str | None:
        return Quote(sum(amounts)).text() if known else None

    return {
        "point": result.number,
        **result.policy,
        "market": result.market,
        "seed": result.seed,
        "exit_code": result.exit_code,
        "ended_by": result.ended_by or None,
        "why": result.why or None,
        "completed": result.completed if known else None,
        "failed": result.failed if known else None,
        "skipped": result.skipped if known else None,
        "cycles": len(result.traded) if known else None,
        "traded_usd": usd(result.traded),
        "trading_cost_usd": usd(result.trading_costs),
        "net_usd": usd(result.nets),
        "last_row": result.last_row or None,
    }


def parquet_of(results: Sequence[PointResult]) -> bytes:
    """The points as Parquet, money as decimal128(38, 18). Raises `ImportError` without pyarrow."""
    import pyarrow as arrow
    from pyarrow import parquet

    rows = [point_cells(result) for result in results]
    columns = {}
    for name in rows[0] if rows else ():
        cells = [row[name] for row in rows]
        if name in EXACT:
            exact = [None if cell is None else Decimal(cell) for cell in cells]
            columns[name] = arrow.array(exact, arrow.decimal128(38, 18))
        else:
            columns[name] = arrow.array(cells, arrow.int64() if name in COUNTS else arrow.string())
    sink = io.BytesIO()
    parquet.write_table(arrow.table(columns), sink)
    return sink.getvalue()


def policy_cells(ranked: RankedPolicy) -> dict[str, Any]:
    """One policy of the object: money as decimal text."""
    return {
        "policy": dict(ranked.policy),
        "points": ranked.points,
        "failures": ranked.failures,
        "cycles": ranked.cycles,
        "traded_usd": ranked.traded.text(),
        "net_usd": ranked.net.text(),
        "cost_per_million_usd": estimate_cells(ranked.all_in),
        "trading_cost_per_million_usd": estimate_cells(ranked.trading),
        "apart_from_first": ranked.apart,
    }


def estimate_cells(each: Estimate) -> dict[str, str | None]:
    """One estimate of the object."""
    names = ("value", "error", "low", "high")
    return {name: None if (value := getattr(each, name)) is None else Quote(value).text() for name in names}


def table_lines(policies: Sequence[RankedPolicy]) -> list[str]:
    """The ranked table, of at most `SHOWN` policies."""
    keys = list(policies[0].policy) if policies else []
    rows = [[*keys, "cycles", "traded", "cost per 1M", "of it trading", ""]]
    for each in policies[:SHOWN]:
        not_flat = f"{each.failures} of {each.points} points without an ending at 0" if each.failures else ""
        remark = not_flat or ("" if each.apart or each is policies[0] else "no further than its error")
        rows.append(
            [
                *each.policy.values(),
                str(each.cycles),
                fixed(each.traded, 0),
                error_words(each.all_in),
                error_words(each.trading),
                remark,
            ]
        )
    more = [f"and {len(policies) - SHOWN} more"] if len(policies) > SHOWN else []
    return [*in_columns(rows), *more]


def in_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines whose cells stand below each other."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return [line.rstrip() for line in lines]


def error_words(each: Estimate) -> str:
    """`371.56 ± 5.48`; `-` where there is no figure."""
    if each.value is None:
        return "-"
    error = "" if each.error is None else f" ± {fixed(Quote(each.error), 2)}"
    return f"{fixed(Quote(each.value), 2)}{error}"
