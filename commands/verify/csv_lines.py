"""The CSV files, recomputed line by line from the rows: every byte of every line.

A line that is longer or shorter than what the rows say, a cell that differs, a line too many, is named. Lines
at the end that the rows have and the files have not were kept from being written by a crash, and the next
start writes them: `missing` counts them. Of a cycle with an order that is not judged (`AuditedOrder.odd`) the
cells that money and prices stand in are not judged either.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Self

from commands.verify.certificates import PLAY_MONEY
from commands.verify.costs import LEGS
from commands.verify.findings import ONE, DoesNotHold, must, text
from commands.verify.orders import AuditedOrder, Sum
from commands.verify.recompute import Audit
from commands.verify.rows import LedgerRow

TRADES = [
    "exchange",
    "timestamp",
    "side",
    "price",
    "quantity",
    "order_type",
    "mode",
    "fee_usd",
    "pnl_no_fee",
    "pnl_with_fee",
    "cycle_id",
    "entry_timestamp",
    "exit_timestamp",
    "entry_price_eth",
    "entry_price_sol",
    "exit_price_eth",
    "exit_price_sol",
    "spread_bps_entry",
    "spread_bps_exit",
    "slippage_bps_entry",
    "slippage_bps_exit",
    "cycle_skipped",
    "skip_reason",
    "eth_momentum_state",
    "sol_momentum_state",
    "spread_state_entry",
    "spread_state_exit",
    "entry_threshold_bps",
    "exit_threshold_bps",
    "exit_liquidity_available",
    "exit_liquidity_usd",
    "websocket_available",
]
POSITIONS = [
    "exchange",
    "timestamp",
    "ticker",
    "old_position",
    "new_position",
    "position_change",
    "cycle_id",
    "source",
    "price",
]
PREFIX = "DN_pair_eth_sol_nado_"
ALWAYS = ("exchange", "side", "order_type", "mode", "cycle_id", "cycle_skipped", "ticker")
"""Cells that are judged in every line."""


class CsvFile:
    """One of the two files; `lines` counts those that were compared."""

    def __init__(self, path: Path, header: list[str]) -> None:
        """Raises `DoesNotHold` for another header."""
        self.path, self._header = path, header
        self.lines = self.missing = self.unjudged = 0
        self._file: IO[bytes] | None = None
        self._size = 0
        """Bytes: what a live run writes from now on is not read, its rows may not be either."""
        if path.exists():
            self._file = open(path, "rb")  # noqa: SIM115 - closed by `close`
            try:
                self._size = path.stat().st_size
                must(self._next(), ",".join(header) + "\n", f"{path.name}, line 1", "header")
            except DoesNotHold:
                self.close()
                raise

    def close(self) -> None:
        """Close the file; there is nothing to close where it does not exist."""
        if self._file is not None:
            self._file.close()

    def expect(self, cells: Mapping[str, str], *, judged: bool, earlier: bool = False) -> None:
        """The next line must say this; `earlier`: an earlier version wrote it, which left columns blank.
        Raises `DoesNotHold` naming line and cell.
        """
        if self._file is None:
            self.missing += 1
            return
        line = self._line()
        if not line:
            self.missing += 1
            return
        self.lines += 1
        self.unjudged += not judged
        where = f"{self.path.name}, line {self.lines + 1}"
        whole = {name: cells.get(name, "") for name in self._header}
        if judged and line == _line_of(whole.values()):
            return
        try:
            found = next(csv.reader([line]), [])
        except csv.Error as error:
            raise DoesNotHold(where, "line", f"it is none of a CSV file: {error}") from error
        must(len(found), len(self._header), where, "cells")
        for name, cell in zip(self._header, found, strict=True):
            if (judged and not (earlier and cell == "")) or name in ALWAYS:
                must(cell, whole[name], where, name)
        must(line, _line_of(found), where, "text")

    def begins(self, word: str) -> bool:
        """Does the first line after the header begin with `word`?"""
        if self._file is None:
            return False
        place = self._file.tell()
        first = self._next()
        self._file.seek(place)
        return first.startswith(word)

    def _next(self) -> str:
        """The next line; "" after the last."""
        assert self._file is not None  # noqa: S101 - who calls has looked
        if self._file.tell() >= self._size:
            return ""
        return self._file.readline().decode("utf-8", "surrogateescape")

    def _line(self) -> str:
        """The next line; a cell between quotes may go on in the line after."""
        line = self._next()
        while line.count('"') % 2 and (more := self._next()):
            line += more
        return line

    def end(self) -> None:
        """Raise `DoesNotHold` if another line follows: no row of the ledger says it."""
        if self._file is not None and self._next():
            where = f"{self.path.name}, line {self.lines + 2}"
            raise DoesNotHold(where, "line", "no row of the ledger says what stands here")


class CsvFiles:
    """Both files of one folder, which hear of what an `Audit` finds. Use it in `with`."""

    def __init__(self, folder: Path) -> None:
        """Raises `DoesNotHold` for a file whose header is another one."""
        with ExitStack() as stack:
            self.trades = CsvFile(folder / f"{PREFIX}trades.csv", TRADES)
            stack.callback(self.trades.close)
            self.positions = CsvFile(folder / f"{PREFIX}positions.csv", POSITIONS)
            stack.pop_all()
        self.exchange = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        for file in self.both:
            file.close()

    @property
    def both(self) -> tuple[CsvFile, CsvFile]:
        """Trades and positions."""
        return self.trades, self.positions

    def named(self, venue: str) -> None:
        """Whose the lines are, by row 0."""
        known = next((name for name in PLAY_MONEY if venue.startswith(name)), "")
        self.exchange = known or ("Nado-simulated" if self.trades.begins("Nado-simulated,") else "Nado")

    def closed(self, audit: Audit, orders: Iterable[AuditedOrder]) -> None:
        """Orders of a plan have their ending: for each leg that traded a line in both."""
        cycle = audit.cycle
        judged = not cycle.odd and audit.sure
        entered = [trade.at_ns for order in cycle.orders if order.opens for trade in order.trades]
        prices = {f"entry_price_{leg}": cycle.opened(leg).vwap for leg in LEGS}
        prices |= {f"exit_price_{leg}": cycle.closed(leg).vwap for leg in LEGS}
        shared = {name: text(price) if price else "" for name, price in prices.items()}
        shared["entry_timestamp"] = _time(min(entered)) if entered else ""
        for order in (order for order in orders if order.total.filled):
            total = order.total
            common = {
                "exchange": self.exchange,
                "timestamp": _time(max(trade.at_ns for trade in order.trades)),
                "price": text(total.vwap),
                "cycle_id": str(order.plan["cycle"]),
            }
            trade = {
                "side": f"{order.leg.upper()}-{'BUY' if total.filled > 0 else 'SELL'}",
                "quantity": text(abs(total.filled)),
                "order_type": order.asked["kind"],
                "mode": order.plan["purpose"],
                "fee_usd": text(total.fee),
                "cycle_skipped": "False",
            }
            position = {
                "ticker": order.leg.upper(),
                "old_position": text(order.before),
                "new_position": text(order.before + total.filled),
                "position_change": text(total.filled),
                "source": order.source,
            }
            whole = common | trade | shared | _of_side(order, audit)
            self.trades.expect(whole, judged=judged, earlier=audit.earlier)
            self.positions.expect(common | position, judged=judged, earlier=audit.earlier)

    def skipped(self, row: LedgerRow, said: dict[str, Any]) -> None:
        """Expect the line of a cycle that was skipped. Raises `DoesNotHold`."""
        self.trades.expect(
            {
                "exchange": self.exchange,
                "timestamp": _time(row.at_ns),
                "cycle_id": str(said["cycle"]),
                "cycle_skipped": "True",
                "skip_reason": said["detail"],
            },
            judged=True,
        )


def _of_side(order: AuditedOrder, audit: Audit) -> dict[str, str]:
    plan, leg, total = order.plan, order.leg, order.total
    side = "entry" if order.opens else "exit"
    limit = next(
        (
            int(each.plan.get("max_spread", 0))
            for each in audit.cycle.orders
            if int(each.plan.get("max_spread", 0))
        ),
        0,
    )
    spread = int(plan.get(f"{leg}_spread", 0))
    cells = {
        f"spread_bps_{side}": _against(total, int(order.asked["mid"])),
        f"slippage_bps_{side}": _against(total, int(order.asked["vwap"])),
        f"spread_state_{side}": ("NARROW" if spread <= limit else "WIDE") if spread and limit else "",
        "websocket_available": str(plan["decided_ms"] > plan[f"{leg}_age_ms"]),
    }
    if order.opens:
        allowed = int(plan.get("max_spread", 0))
        return cells | {"entry_threshold_bps": text(allowed) if allowed else ""}
    before_fees, after_fees = _result(order, audit)
    depth = int(plan.get(f"{leg}_depth", 0))
    return cells | {
        "exit_timestamp": _time(max(trade.at_ns for trade in order.trades)),
        "exit_liquidity_available": str(depth >= total.quote) if depth else "",
        "exit_liquidity_usd": text(depth) if depth else "",
        "pnl_no_fee": before_fees,
        "pnl_with_fee": after_fees,
    }


def _result(order: AuditedOrder, audit: Audit) -> tuple[str, str]:
    """What a closing order made of its share of what was opened, before and after fees."""
    opening = [opened.total for opened in audit.cycle.opening(order.leg) if opened.total.filled]
    if not opening:
        return "", ""
    total = order.total
    until = min(abs(audit.cycle.closed(order.leg).filled), sum(abs(opened.filled) for opened in opening))
    since = max(until - abs(total.filled), 0)
    cost, fee = (sum(_shares(opening, since, until, of)) for of in ("quote", "fee"))
    result = total.quote - cost if opening[0].filled > 0 else cost - total.quote
    return text(result), text(result - total.fee - fee)


def _shares(opening: list[Sum], since: int, until: int, of: str) -> Iterator[int]:
    """Of each opening order its share of what lies between two amounts, the oldest first."""
    began = 0
    for opened in opening:
        amount, whole = abs(opened.filled), getattr(opened, of)
        low, high = max(since, began) - began, min(until, began + amount) - began
        if low < high:
            yield whole * high // amount - whole * low // amount
        began += amount


def _against(total: Sum, reference: int) -> str:
    expected = abs(reference * total.filled) // ONE
    if not expected:
        return ""
    paid = total.quote - expected if total.filled > 0 else expected - total.quote
    return text(paid * 10_000 * ONE // expected)


def _time(at_ns: int) -> str:
    seconds, rest = divmod(at_ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest // 1000:06d}Z"


def _line_of(cells: Any) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
