"""The cycles of a report as one table, a row each: CSV for spreadsheets, Parquet for programs. The columns
are those of `cycles` in `--json`, with the folder of the ledger first; an empty cell is unknown, never 0.

Parquet keeps money and basis points as decimal128(38, 18): exact, as the ledger has them.
"""

import csv
import io
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from commands.report.account import ReportAccount
from commands.report.report_json import cycle_cells

EXACT = ("_usd", "_bps", "_usd_s", "_ratio", "_funding_rate")
"""What names of columns end with whose cells are exact decimals."""
FLAGS = ("adopted", "entered", "together", "in_doubt")
COUNTS = (
    *("run", "cycle", "held_ms", "legs_ordered", "legs_filled_first", "orders_sent", "repairs"),
    "unhedged_ms",
)
COLUMNS = (
    *("logs", "run", "cycle", "began_at", "ended_at", "ending", "skip_code", "detail", "adopted"),
    *("direction", "held_ms", "planned_bps", "filled_bps", "marked_bps", "exit_bps", "legs_ordered"),
    *("legs_filled_first", "entered", "together", "orders_sent", "repairs", "in_doubt", "traded_usd"),
    *("fees_usd", "spread_usd", "slippage_usd", "adverse_usd", "hedge_usd", "lots_usd", "funding_usd"),
    *("liquidation_usd", "net_usd", "residual_usd", "unhedged_usd_s", "unhedged_worst_usd", "unhedged_ms"),
    "left_by",
    "hedge_ratio",
    *("side_by", "eth_funding_rate", "sol_funding_rate", "funding_per_hour_usd"),
)
HEADER = ",".join(COLUMNS)


def records(accounts: Sequence[ReportAccount]) -> list[dict[str, Any]]:
    """A row for each cycle, ledger after ledger."""
    return [
        {"logs": account.folder} | cycle_cells(row) for account in accounts for row in account.figures.cycles
    ]


def csv_bytes(accounts: Sequence[ReportAccount]) -> bytes:
    """The table as CSV, UTF-8, with its header."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records(accounts))
    return text.getvalue().encode("utf-8", "backslashreplace")


def parquet_bytes(accounts: Sequence[ReportAccount]) -> bytes:
    """The table as Parquet. Raises `ImportError` without pyarrow."""
    import pyarrow as arrow
    from pyarrow import parquet

    rows = records(accounts)
    fields = {
        name: arrow.decimal128(38, 18)
        if name.endswith(EXACT)
        else arrow.bool_()
        if name in FLAGS
        else arrow.int64()
        if name in COUNTS
        else arrow.string()
        for name in COLUMNS
    }
    columns = {name: [_exact(name, row[name]) for row in rows] for name in COLUMNS}
    table = arrow.table(
        {name: arrow.array(columns[name], kind) for name, kind in fields.items()},
    )
    sink = io.BytesIO()
    parquet.write_table(table, sink)
    return sink.getvalue()


def _exact(name: str, cell: Any) -> Any:
    return Decimal(cell) if cell is not None and name.endswith(EXACT) else cell
