"""A report as the object of `--json`. Money, rates and basis points are exact decimal strings, counts and
times integers or ISO-8601 UTC, unknown is null. Costs are > 0 = paid, `net_usd` is > 0 = gained.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from commands.output import json_keys
from commands.output.money_lines import CAUSES
from commands.output.words import DONE, Refusal, iso_micros
from commands.report.account import ReportAccount
from commands.report.adverse_moves import AFTER_S, AdverseMoves
from commands.report.block_bootstrap import Estimate
from commands.report.cycle_row import CycleRow
from commands.report.figures import ALL_IN, FIRST, Delay, Distribution, Figures
from commands.report.history import RunPart
from commands.report.policy_figures import PolicyFigures
from messages.units import Quote, text_of


def report_json(
    accounts: Sequence[ReportAccount], since_ns: int, problem: Refusal | None, files: Mapping[str, str]
) -> dict[str, Any]:
    """Every key of `json_keys.REPORT`. `files`: what was written, by kind."""
    return dict.fromkeys(json_keys.keys_of("report")) | {
        "schema": json_keys.schema_of("report"),
        "ok": problem is None,
        "exit_code": problem.exit_code if problem else DONE,
        "ended_by": problem.ended_by if problem else "done",
        "error": problem.as_json() if problem else None,
        "since": iso_micros(since_ns) if since_ns else None,
        "files": dict(files),
        "accounts": [_account(account) for account in accounts],
    }


def _account(account: ReportAccount) -> dict[str, Any]:
    history, figures = account.history, account.figures
    eth, sol = account.open_now
    return {
        "logs": account.folder,
        "ledger": str(history.path),
        "venue": account.venue or None,
        "money": account.money,
        "play_money": account.play,
        "subaccount": history.opened.subaccount if history.opened else None,
        "rows": history.rows,
        "since_row": history.since_row,
        "bad_row": history.bad_row,
        "first_at": iso_micros(history.first_ns) if history.first_ns else None,
        "last_at": iso_micros(history.last_ns) if history.last_ns else None,
        "flat": account.flat,
        "open_eth": eth.text(),
        "open_sol": sol.text(),
        "in_doubt": len(history.fold.doubts),
        "agreed_at": None if account.agreed_ms is None else iso_micros(account.agreed_ms * 1_000_000),
        "halted": ": ".join(history.fold.latched) if history.fold.latched else None,
        **_figures(figures),
        "latency_ms": {
            "decision_to_fill": _delay(figures.filling),
            "decision_to_sent": _delay(figures.sending),
            "sent_to_answered": _delay(figures.answering),
        },
        "latency_us_by_hop": {step: _delay(delay) for step, delay in account.hops.items()} or None,
        "runs": [_run(part) for part in figures.runs],
        "happenings": [
            {"at": iso_micros(each.at_ns), "kind": each.kind, "text": each.text}
            for each in figures.happenings
        ],
        "cycles": [cycle_cells(row) for row in figures.cycles],
    }


def _figures(figures: Figures) -> dict[str, Any]:
    per_million = {name: _estimate(each) for name, each in figures.per_million.items()}
    return {
        "completed": figures.completed,
        "failed": figures.failed,
        "skipped": figures.skipped,
        "unfinished": figures.unfinished,
        "entered": figures.entered,
        "together": figures.together,
        "adopted": figures.adopted,
        "orders_sent": figures.orders,
        "repairs": figures.repairs,
        "fill_rate": text_of(figures.fill_rate),
        "success": text_of(figures.success),
        "traded_usd": figures.traded.text(),
        "net_usd": figures.net.text(),
        "outside_cycles_usd": text_of(figures.outside),
        "trading_cost_usd": figures.trading_cost.text(),
        "costs_usd": {cause: figures.costs[cause].text() for cause in CAUSES},
        "per_million_usd": {
            "trading_cost": per_million[FIRST],
            "all_in": per_million[ALL_IN],
            **{cause: per_million[cause] for cause in CAUSES},
        },
        "cycles_per_block": figures.block,
        "promise_bps": figures.limit.text(),
        "imbalance": {
            "planned": _distribution(figures.planned),
            "filled": _distribution(figures.filled),
            "marked": _distribution(figures.marked),
            "exited": _distribution(figures.exited),
        },
        "unhedged_usd_s": figures.unhedged_usd_s.text(),
        "unhedged_most_usd_s": figures.unhedged_most_usd_s.text(),
        "unhedged_worst_usd": figures.unhedged_worst.text(),
        "unhedged_ms": figures.unhedged_ms,
        "unhedged_cycles": figures.unhedged_cycles,
        "policies": [_policy(each) for each in figures.policies],
        "skips": dict(figures.skips),
        "happened": dict(figures.happened),
    }


def _policy(each: PolicyFigures) -> dict[str, Any]:
    return {
        "entry": each.entry,
        "exit": each.exit,
        "cycles": each.cycles,
        "entered": each.entered,
        "skipped": each.skipped,
        "traded_usd": each.traded.text(),
        "per_million_usd": {name: _estimate(cost) for name, cost in each.per_million.items()},
        "shortfall_per_million_usd": _estimate(each.shortfall),
        "quote_fill_rate": text_of(each.fill_rate),
        "adverse_per_million_usd": {"rested": _adverse(each.rested), "taken": _adverse(each.taken)},
        "unhedged_usd_s_per_cycle": _estimate(each.unhedged_usd_s),
        "orders_sent": each.orders,
        "cancels_sent": each.cancels,
        "hedged_ms": _delay(Delay.of(each.hedged_ms)),
        "shadow": {
            "orders": each.shadow.orders,
            "refused": each.shadow.refused,
            "fill_rate": text_of(each.shadow.fill_rate),
            "modelled_fill_rate": text_of(each.shadow.modelled),
            "modelled_adverse_per_million_usd": _adverse(each.shadow.adverse),
        },
    }


def _adverse(moves: AdverseMoves) -> dict[str, Any]:
    return {
        f"{after} s": {"fills": known} | _estimate(each)
        for after, known, each in zip(AFTER_S, moves.known, moves.per_million, strict=True)
    }


def _estimate(each: Estimate) -> dict[str, str | None]:
    value, error, low, high = (None if number is None else Quote(number).text() for number in each)
    return {"value": value, "error": error, "low": low, "high": high}


def _distribution(each: Distribution) -> dict[str, Any]:
    return {
        "cycles": len(each.values),
        "above_promise": each.above,
        "median_bps": text_of(each.median),
        "p95_bps": text_of(each.quantile(95)),
        "max_bps": text_of(each.most),
    }


def _delay(each: Delay) -> dict[str, int | None]:
    return {"count": each.count, "median": each.median, "p99": each.p99, "max": each.most}


def _run(part: RunPart) -> dict[str, Any]:
    totals = part.totals
    return {
        "run": part.number,
        "started_at": iso_micros(part.at_ns),
        "last_at": iso_micros(part.until_ns),
        "seed": part.started.seed,
        "cycles": totals.cycles,
        "completed": totals.completed,
        "failed": totals.failed,
        "skipped": totals.skipped,
        "adopted": totals.adopted,
        "orders_sent": totals.orders_sent,
        "restarts": totals.restarts,
        "halt_code": totals.halted or None,
        "traded_usd": totals.traded.text(),
        "fees_usd": totals.fees.text(),
        "spread_usd": totals.spread.text(),
        "net_usd": text_of(totals.money.net if totals.money else None),
        "residual_usd": text_of(totals.money.residual if totals.money else None),
    }


def cycle_cells(row: CycleRow) -> dict[str, Any]:
    """One cycle, flat: a row of the CSV and Parquet files too."""
    return {
        "run": row.run,
        "cycle": row.cycle,
        "began_at": iso_micros(row.began_ns),
        "ended_at": None if row.ended_ns is None else iso_micros(row.ended_ns),
        "ending": row.ending,
        "skip_code": row.code or None,
        "detail": row.detail or None,
        "adopted": row.adopted,
        "direction": row.direction or None,
        "held_ms": row.held_ms,
        "planned_bps": text_of(row.planned),
        "filled_bps": text_of(row.filled),
        "marked_bps": text_of(row.marked),
        "exit_bps": text_of(row.exited),
        "legs_ordered": row.legs_ordered,
        "legs_filled_first": row.legs_filled_first,
        "entered": row.entered,
        "together": row.together,
        "orders_sent": row.orders,
        "repairs": row.repairs,
        "in_doubt": row.doubted,
        "traded_usd": row.traded.text(),
        **{f"{cause}_usd": row.costs[cause].text() for cause in CAUSES},
        "net_usd": row.net.text(),
        "residual_usd": row.residual.text(),
        "unhedged_usd_s": row.unhedged_usd_s.text(),
        "unhedged_worst_usd": row.unhedged_worst.text(),
        "unhedged_ms": row.unhedged_ms,
        "left_by": row.left_by or None,
        "hedge_ratio": row.hedge_ratio.text(),
        "side_by": row.side_by or None,
        "eth_funding_rate": text_of(row.eth_funding),
        "sol_funding_rate": text_of(row.sol_funding),
        "funding_per_hour_usd": text_of(row.per_hour),
    }
