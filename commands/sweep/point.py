"""One point of a sweep: one replay, and what is kept of it. It runs in a process of its own."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from commands.config.effective import Loaded
from commands.output.ending import code_of
from commands.output.words import Problem
from commands.replay.options import ReplayOptions, options_of
from commands.replay.progress import ReplayProgress
from commands.replay.replaying import replay
from commands.report.cycle_row import CycleRow, RowEnding
from commands.report.history import history_of
from commands.report.policy_figures import execution_cost
from messages.units import Bps
from runtime.specs import told


class SweepPoint(msgspec.Struct, frozen=True):
    """What decides one replay to the last byte. It is sent to whoever replays it, with the configuration as
    it was read here: a worker's own files and environment decide nothing.
    """

    number: int
    """From 1, in the order of the grid."""
    policy: Mapping[str, str]
    """Key of the configuration -> value, as the grid has it."""
    market: str
    seed: int
    typed: argparse.Namespace
    loaded: Loaded
    venue: Mapping[str, Any] = {}
    """Options of the simulated exchange (`VenueOptions`), beside those of its faults."""


class PointCycle(msgspec.Struct, frozen=True):
    """What a comparison needs of one cycle. USD x18; costs > 0 = paid."""

    began_ns: int
    """Since the market's start."""
    ending: RowEnding
    entered: bool
    traded: int
    cost: int
    """`policy_figures.EXECUTION_COST`."""
    lost: int
    """Everything."""
    wanted: int
    shortfall: int
    rest_wanted: int
    rest_filled: int
    unhedged_usd_s: int
    filled: Bps | None
    orders: int
    cancels: int
    hedged_ms: tuple[int, ...]

    @classmethod
    def of(cls, row: CycleRow, began_ns: int) -> "PointCycle":
        """`began_ns`: the market's start."""
        done = row.execution
        return cls(
            began_ns=row.began_ns - began_ns,
            ending=row.ending,
            entered=row.entered,
            traded=row.traded,
            cost=execution_cost(row),
            lost=-row.net,
            wanted=done.wanted,
            shortfall=done.shortfall,
            rest_wanted=done.rest_wanted,
            rest_filled=done.rest_filled,
            unhedged_usd_s=row.unhedged_usd_s,
            filled=row.filled,
            orders=row.orders,
            cancels=done.cancels,
            hedged_ms=done.hedged_ms,
        )


class PointResult(msgspec.Struct, frozen=True):
    """What one replay came to. Amounts are USD x18, for each cycle in the order of the cycles."""

    number: int
    policy: Mapping[str, str]
    market: str
    seed: int
    exit_code: int | None = None
    """As of `run`; None where it failed."""
    ended_by: str = ""
    why: str = ""
    """What went wrong, or why it ended: a code and a sentence; "" when nothing is to be said."""
    completed: int = 0
    failed: int = 0
    skipped: int = 0
    traded: tuple[int, ...] = ()
    trading_costs: tuple[int, ...] = ()
    """Fees, spread and slippage; > 0 = paid."""
    nets: tuple[int, ...] = ()
    """Trading results; > 0 = gained."""
    cycles: tuple[PointCycle, ...] = ()
    """All of them, where the point is one of a comparison."""
    replayed_ms: int = 0
    last_row: str = ""
    """Number and hash of the ledger's last row: the same point always has the same."""


def run_point(point: SweepPoint) -> PointResult:
    """Replay it. Never raises: a point that fails is one row of the table, and costs no other one."""
    blank = PointResult(point.number, point.policy, point.market, point.seed)
    found: list[PointResult] = []
    all_rows: list[CycleRow] = []

    def look(ledger: Path) -> None:
        all_rows.extend(history_of(ledger).cycles)
        rows = [row for row in all_rows if row.traded]
        found.append(
            msgspec.structs.replace(
                blank,
                traded=tuple(int(row.traded) for row in rows),
                trading_costs=tuple(int(row.trading_cost) for row in rows),
                nets=tuple(int(row.net) for row in rows),
            )
        )

    try:
        options = _at_venue(options_of(point.typed, point.loaded), point.venue)
        replayed = replay(options, ReplayProgress(options.market), look)
    except Problem as problem:
        return msgspec.structs.replace(blank, why=problem.sentence)
    except Exception as error:  # noqa: BLE001 - see above
        return msgspec.structs.replace(blank, why=f"INTERNAL {told(error)}")
    report = replayed.report
    totals = report.run.totals
    return msgspec.structs.replace(
        found[0],
        exit_code=code_of(report),
        ended_by=report.ended_by,
        why=f"{report.code} {report.detail}".strip() if report.ended_by != "done" else "",
        completed=totals.completed,
        failed=totals.failed,
        skipped=totals.skipped,
        cycles=tuple(PointCycle.of(row, replayed.began_ns) for row in all_rows) if point.venue else (),
        replayed_ms=report.elapsed_ms,
        last_row=replayed.last_row,
    )


def _at_venue(options: ReplayOptions, venue: Mapping[str, Any]) -> ReplayOptions:
    there = msgspec.structs.replace(options.faults.venue, **venue)
    return msgspec.structs.replace(options, faults=msgspec.structs.replace(options.faults, venue=there))
