"""How a run ended, for a program: one JSON object, the same keys on every exit code. What nobody knows is
null, never "0", never missing.
"""

from typing import Any

import msgspec

from actors.risk.goals import Goal
from commands.output import json_keys
from commands.output.ending import Report, code_of, median_of, problem_of
from commands.output.sentences import skip_sentence
from commands.output.standing import working_line
from commands.output.words import DONE, Problem, iso_micros
from messages.lifecycle import Totals
from messages.money import CycleMoney, Statement
from messages.settings import Settings
from messages.sizing import Leg, Skipped
from messages.units import ONE, Base, Quote, text_of

SCHEMA = "evenkeel.run/1"
SKIPS_TOLD = 100
"""Skips that the object lists; the counts say how many there were."""


def run_json(report: Report) -> dict[str, Any]:
    """The object of `--json`. Money, sizes and rates are decimal strings, counts integers, unknown is
    null.
    """
    problem, code = problem_of(report), code_of(report)
    known = _of_totals(report.totals) if report.totals else {}
    return _EMPTY | {
        "ok": code == DONE,
        "exit_code": code,
        "ended_by": report.ended_by,
        "error": problem.as_json() if problem else None,
        "open_eth": _open_size(report, report.open_eth, "eth"),
        "open_sol": _open_size(report, report.open_sol, "sol"),
        "seed": report.seed,
        "ledger": report.ledger,
        "venue": report.venue,
        "subaccount": report.settings.venue.subaccount,
        "elapsed_ms": report.elapsed_ms,
        "target_usd": report.settings.target.text(),
        "hedge_ratio": report.settings.hedge_ratio.text(),
        "staged": [{"cycle": staged.cycle, "text": staged.text} for staged in report.staged],
        "skips": [_skip(report.settings, skipped) for skipped in report.skips[-SKIPS_TOLD:]],
        "ended_code": report.code or ("CYCLES" if report.ended_by == "done" else None),
        "goals": [_goal(goal) for goal in report.goals],
        "resting": [working_line(order) for order in report.held.working] if report.held else None,
        **known,
    }


KEYS = json_keys.RUN
"""Every key there is, in order."""

_EMPTY: dict[str, Any] = dict.fromkeys(KEYS) | {"schema": SCHEMA}


def _of_totals(totals: Totals) -> dict[str, Any]:
    fill_rate = None
    if totals.legs_ordered:  # at most four decimals, rounded down: 0.95 is reached or it is not
        ten_thousandths = totals.legs_filled_first * 10_000 // totals.legs_ordered
        fill_rate = Quote(ten_thousandths * (ONE // 10_000)).text()
    return {
        "cycles": totals.cycles,
        "completed": totals.completed,
        "skipped": totals.skipped,
        "failed": totals.failed,
        "fill_rate": fill_rate,
        "filled_imbalance_max_bps": text_of(max(totals.filled_imbalances, default=None)),
        "filled_imbalance_median_bps": text_of(median_of(totals.filled_imbalances)),
        "exit_imbalance_max_bps": text_of(max(totals.exit_imbalances, default=None)),
        "orders_sent": totals.orders_sent,
        "orders_resolved": totals.orders_closed,
        "restarts": totals.restarts,
        "pnl_usd": text_of(totals.pnl),
        "fees_usd": totals.fees.text(),
        "spread_usd": totals.spread.text(),
        "funding_usd": text_of(totals.funding),
        "traded_usd": totals.traded.text(),
        "unhedged_worst_usd": totals.unhedged_worst.text(),
        "unhedged_usd_s": totals.unhedged_usd_s.text(),
        "entered": totals.entered,
        "together": totals.together,
        "unfinished": totals.unfinished,
        "adopted": totals.adopted,
        "exits": dict(totals.exits),
        "halted": totals.halted != "",
        "halt_code": totals.halted or None,
        **(_of_money(totals.money) if totals.money else {}),
    }


_PAID = {"spread_planned_usd": "spread", "slippage_usd": "slippage"}
"""Keys that are > 0 = paid, as `spread_usd` is, and the statement's fields, which are > 0 = received."""
_RECEIVED = (
    *(
        "adverse",
        "hedge",
        "lots",
        "liquidation",
        "deposits",
        "withdrawals",
        "transfers",
        "isolated",
        "settlements",
        "settled",
        "third_party",
    ),
    *("interest", "other", "funding_provisional", "balance", "balance_change", "value_change", "residual"),
    *("residual_usdt0", "residual_eth", "residual_sol"),
)


def _of_money(money: Statement) -> dict[str, Any]:
    paid = {key: Quote(-getattr(money, name)).text() for key, name in _PAID.items()}
    received = {f"{name}_usd": text_of(getattr(money, name)) for name in _RECEIVED}
    amounts = [name for name in CycleMoney.__struct_fields__ if name != "cycle"]
    of_cycles = [
        {"cycle": cycle.cycle, **{f"{name}_usd": getattr(cycle, name).text() for name in amounts}}
        for cycle in money.cycles
    ]
    return {
        **paid,
        **received,
        "money_state": money.state,
        "money_detail": money.words,
        "cycles_money": of_cycles,
    }


def _open_size(report: Report, size: Base | None, leg: Leg) -> str | None:
    """What is open, by the answer that the sentences are made of; null while nobody knows, or while an order
    of this leg is in doubt or rests.
    """
    held = report.held
    alive = [*held.doubts, *(order.doubt for order in held.working)] if held else []
    return None if size is None or any(doubt.leg == leg for doubt in alive) else size.text()


def _skip(settings: Settings, skipped: Skipped) -> dict[str, Any]:
    verdict = skipped.verdict
    return {
        "cycle": skipped.cycle,
        "code": skipped.code,
        "detail": skip_sentence(settings, skipped),
        "verdict": verdict.kind if verdict else None,
        "best_bps": verdict.imbalance.text() if verdict and verdict.kind == "best_effort" else None,
        "eth": verdict.eth.text() if verdict and verdict.kind == "best_effort" else None,
        "sol": verdict.sol.text() if verdict and verdict.kind == "best_effort" else None,
        "smallest_target_usd": text_of(verdict.smallest_target) if verdict else None,
        "always_from_usd": text_of(verdict.always_from) if verdict else None,
    }


def _goal(goal: Goal) -> dict[str, Any]:
    """USD as decimal strings, cycles as a count, times as ISO-8601."""
    now, wanted = (
        value
        if goal.key == "cycles" or value is None
        else iso_micros(value * 1_000_000)
        if goal.key == "until_utc"
        else Quote(value).text()
        for value in (goal.now, goal.wanted)
    )
    return {"key": goal.key, "now": now, "wanted": wanted, "reached": goal.reached}


def failure_json(problem: Problem | None, command: str = "run") -> dict[str, Any]:
    """The object of a command that never began to run: everything unknown but how it ended. None: it was
    only asked about itself.
    """
    empty: dict[str, Any] = dict.fromkeys(json_keys.keys_of(command)) | {
        "schema": json_keys.schema_of(command)
    }
    if problem is None:
        return empty | {"ok": True, "exit_code": DONE, "ended_by": "done"}
    return empty | {
        "ok": False,
        "exit_code": problem.exit_code,
        "ended_by": problem.ended_by,
        "error": problem.as_json(),
    }


def json_line(content: dict[str, Any]) -> str:
    """The object on one line, as the last line of standard output has it."""
    return msgspec.json.encode(content).decode()
