"""The ledger's facts as two CSV files, for people who already have scripts on these columns. Nothing ever
reads them back.

One row per leg and side that traded, ETH before SOL, written when a plan closes; one row per skipped cycle.
Every row follows from the ledger, so rows that a crash kept from being written are written at the next start.
What is not known is an empty cell, never 0; what this program has no notion of (momentum, a limit for exits)
stays empty. Money is exact text, times are UTC. docs/csv.md says what stands in every column.

    order_type    fok | ioc | post_only
    mode          enter | repair | exit | flatten | top_up | quote | hedge
    pnl_*         on closing rows: this leg's result against the average price of what the cycle opened;
                  with_fee after both sides' fees
    spread_bps    the fill against the mid at the decision; slippage_bps against the average price the plan
                  expected; > 0 = paid
"""

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from actors.ledger.cycles import Cycle
from actors.ledger.orders import OurOrder, Sums
from messages.sizing import LEGS
from messages.units import ONE, Base, Bps, Price, Quote, notional
from runtime.files import private

TRADES_HEADER = (
    "exchange,timestamp,side,price,quantity,order_type,mode,fee_usd,pnl_no_fee,pnl_with_fee,cycle_id,entry_timestamp,exit_timestamp,"
    "entry_price_eth,entry_price_sol,exit_price_eth,exit_price_sol,spread_bps_entry,spread_bps_exit,slippage_bps_entry,slippage_bps_exit,"
    "cycle_skipped,skip_reason,eth_momentum_state,sol_momentum_state,spread_state_entry,spread_state_exit,entry_threshold_bps,"
    "exit_threshold_bps,exit_liquidity_available,exit_liquidity_usd,websocket_available"
)
POSITIONS_HEADER = "exchange,timestamp,ticker,old_position,new_position,position_change,cycle_id,source,price"

File = Literal["trades", "positions"]
HEADERS: dict[File, list[str]] = {
    "trades": TRADES_HEADER.split(","),
    "positions": POSITIONS_HEADER.split(","),
}
Line = tuple[File, dict[str, str]]
"""Which file, and the cells that are known by column."""


EVERY_LINE = 2**62
"""More lines than a ledger has: nothing of the past is written."""
NO_PLACE = (-1, -1)
"""In place of `sizes`, where there were no files to keep."""


class ForeignFile(ValueError):
    """A file of our name has another header: it is somebody else's and stays as it is. Nothing is written
    to it.
    """


class CsvBooks:
    """The two files in one folder. Raises `OSError` and `ForeignFile`; whoever writes must not let that
    reach trading (lesson R11).
    """

    def __init__(self, folder: Path, exchange: Literal["Nado", "Nado-simulated", "Nado-PAPER"]) -> None:
        self._folder = folder
        self._exchange = exchange
        self._written: dict[File, int] = {"trades": 0, "positions": 0}

    def path(self, file: File) -> Path:
        """Where the CSV file of this kind is; it need not exist."""
        return self._folder / f"DN_pair_eth_sol_nado_{file}.csv"

    def sizes(self) -> tuple[int, int]:
        """Bytes of both files; a snapshot keeps them, so that a start need not look at what stands before.
        Raises `OSError`.
        """
        trades, positions = (self.path(file) for file in HEADERS)
        return _size(trades), _size(positions)

    def resume(self, since: tuple[int, int] = (0, 0)) -> None:
        """Count the lines beyond `since` (bytes, of `sizes`): that many of the ledger's lines need not be
        written again. A torn last one is cut off.

        A file that was made shorter or otherwise edited before that place is a person's: nothing can be
        counted in it, and none of the ledger's past is written into it. Raises `OSError`, and `ForeignFile`
        for other columns than ours.
        """
        self._written = {
            file: self._lines_in(file, start) for file, start in zip(HEADERS, since, strict=True)
        }

    def _lines_in(self, file: File, since: int) -> int:
        path = self.path(file)
        if not path.exists():
            return 0
        with path.open("r+b") as there:
            header = there.readline()
            if (
                header.endswith(b"\n")
                and header.decode("utf-8", "replace").rstrip("\n").split(",") != HEADERS[file]
            ):
                raise ForeignFile(f"{path} has other columns than ours")
            there.seek(max(since - 1, 0))
            if since < 0 or (since and there.read(1) != b"\n"):  # no end of a line there: a person's edit
                return EVERY_LINE
            there.seek(max(since, len(header)))
            raw = there.read()
            whole = raw[: raw.rfind(b"\n") + 1]
            if whole != raw or not header.endswith(b"\n"):
                there.truncate(max(since, len(header)) + len(whole) if header.endswith(b"\n") else 0)
        return (
            len(list(csv.reader(whole.decode("utf-8", "replace").splitlines())))
            if b'"' in whole
            else whole.count(b"\n")
        )

    def had(self, count: Mapping[File, int]) -> bool:
        """Are all of so many lines of the ledger's past in the files? Then they are taken as written, and
        nobody needs to make them.
        """
        if any(self._written[file] < wanted for file, wanted in count.items()):
            return False
        for file, wanted in count.items():
            self._written[file] -= wanted
        return True

    def again(self, lines: Sequence[Line]) -> None:
        """Lines of the ledger's past: write those that are not in the files."""
        missing = []
        for line in lines:
            if self._written[line[0]] > 0:
                self._written[line[0]] -= 1
            else:
                missing.append(line)
        self.append(missing)

    def append(self, lines: Sequence[Line]) -> None:
        """Append lines; a file that is not there is begun with its header. Raises `OSError`."""
        for file, header in HEADERS.items():
            cells = [{"exchange": self._exchange} | line for name, line in lines if name == file]
            if cells:
                self._append(self.path(file), header, cells)

    def _append(self, path: Path, header: list[str], lines: list[dict[str, str]]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8", newline="", opener=private) as file:
            writer = csv.DictWriter(file, header, restval="", lineterminator="\n")
            if file.tell() == 0:
                writer.writeheader()
            writer.writerows(lines)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


# -- lines ---------------------------------------------------------------------------------------------------


def closed_lines(orders: Sequence[OurOrder], cycle: Cycle) -> list[Line]:
    """What a closed plan traded: for each leg a line in both files, ETH before SOL. An order that still works
    has its lines when it has its ending.
    """
    opening = [move.at_ns for order in cycle.orders if order.opens for move in order.moves()]
    prices = {f"entry_price_{leg}": cycle.opened(leg).vwap for leg in LEGS} | {
        f"exit_price_{leg}": cycle.closed(leg).vwap for leg in LEGS
    }
    of_cycle = {name: price.text() if price else "" for name, price in prices.items()} | {
        "entry_timestamp": utc_text(min(opening)) if opening else ""
    }
    lines: list[Line] = []
    for order in (order for order in orders if order.ended and order.total.filled):
        total, filled = order.total, Base(order.total.filled)
        common = {
            "timestamp": utc_text(_last_ns(order)),
            "price": total.vwap.text(),
            "cycle_id": str(order.plan.cycle),
        }
        trade = {
            "side": f"{order.leg.upper()}-{'BUY' if filled > 0 else 'SELL'}",
            "quantity": Base(abs(filled)).text(),
            "order_type": order.order.kind,
            "mode": order.plan.purpose,
            "fee_usd": Quote(total.fee).text(),
            "cycle_skipped": "False",
        }
        position = {
            "ticker": order.leg.upper(),
            "old_position": Base(order.before).text(),
            "new_position": Base(order.before + filled).text(),
            "position_change": filled.text(),
            "source": order.source,
        }
        lines.append(("trades", common | trade | of_cycle | _side_cells(order, cycle)))
        lines.append(("positions", common | position))
    return lines


def closed_count(orders: Sequence[OurOrder]) -> dict[File, int]:
    """How many lines `closed_lines` makes of `orders`, per file, without making them."""
    traded = sum(order.ended and order.total.filled != 0 for order in orders)
    return {"trades": traded, "positions": traded}


def skipped_line(at_ns: int, cycle: int, reason: str) -> Line:
    """A cycle that was not entered, and why."""
    return "trades", {
        "timestamp": utc_text(at_ns),
        "cycle_id": str(cycle),
        "cycle_skipped": "True",
        "skip_reason": reason,
    }


def _side_cells(order: OurOrder, cycle: Cycle) -> dict[str, str]:
    """What an order paid against the mid and against its plan, in the columns of its side."""
    plan, entry = order.plan, order.opens
    side, first = ("entry" if entry else "exit"), order.leg == "eth"
    age_ms = plan.eth_age_ms if first else plan.sol_age_ms
    limit = next((each.plan.max_spread for each in cycle.orders if each.plan.max_spread), 0)
    spread = plan.eth_spread if first else plan.sol_spread
    cells = {
        f"spread_bps_{side}": _against(order, order.order.mid),
        f"slippage_bps_{side}": _against(order, order.order.vwap),
        # was the book at the decision wider than an entry of this cycle allowed? Empty without book or limit
        f"spread_state_{side}": ("NARROW" if spread <= limit else "WIDE") if spread and limit else "",
        # without a book of the stream behind the decision it was made at the oracle's price
        "websocket_available": str(plan.decided_ms > age_ms),
    }
    if entry:
        return cells | {"entry_threshold_bps": plan.max_spread.text() if plan.max_spread else ""}
    before_fees, after_fees = closing_pnl(order, cycle)
    depth = plan.eth_depth if first else plan.sol_depth
    return cells | {
        "exit_timestamp": utc_text(_last_ns(order)),
        "exit_liquidity_available": str(depth >= order.total.quote) if depth else "",
        "exit_liquidity_usd": depth.text() if depth else "",
        "pnl_no_fee": before_fees,
        "pnl_with_fee": after_fees,
    }


def closing_pnl(order: OurOrder, cycle: Cycle) -> tuple[str, str]:
    """A closing order's result before and after fees, by the side that was really open (lesson S7); empty
    when the cycle opened nothing.

    Each order takes its share of what the opening cost, cut so that the shares of all closing orders add up
    to all of it.
    """
    opening = [opened.total for opened in cycle.opening(order.leg) if opened.total.filled]
    if not opening:
        return "", ""
    total = order.total
    until = min(abs(cycle.closed(order.leg).filled), sum(abs(opened.filled) for opened in opening))
    cost, fee = _shares(opening, max(until - abs(total.filled), 0), until)
    result = total.quote - cost if opening[0].filled > 0 else cost - total.quote
    return Quote(result).text(), Quote(result - total.fee - fee).text()


def _shares(opening: Sequence[Sums], since: int, until: int) -> tuple[int, int]:
    """Cost and fee of what was opened from amount `since` to amount `until`, the oldest first: what is
    opened later changes no line before it.
    """
    cost = fee = began = 0
    for opened in opening:
        ended = began + abs(opened.filled)
        part = max(since, began) - began, min(until, ended) - began
        if part[0] < part[1]:
            cost += _share(opened.quote, opened.filled, *part)
            fee += _share(opened.fee, opened.filled, *part)
        began = ended
    return cost, fee


def _share(whole: int, amount: int, since: int, until: int) -> int:
    return whole * until // abs(amount) - whole * since // abs(amount)


def _against(order: OurOrder, reference: Price) -> str:
    """Basis points paid against `reference`; < 0 = better. Empty when there was no reference."""
    total = order.total
    expected = int(notional(reference, total.filled))
    if not expected:
        return ""
    paid = total.quote - expected if total.filled > 0 else expected - total.quote
    return Bps(paid * 10_000 * ONE // expected).text()


def _last_ns(order: OurOrder) -> int:
    return max(move.at_ns for move in order.moves())


def utc_text(at_ns: int) -> str:
    """A time in ns since the Unix epoch as ISO-8601 in UTC, with microseconds and Z."""
    seconds, rest = divmod(at_ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest // 1000:06d}Z"
