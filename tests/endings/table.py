"""docs/endings.md: what came of every cell."""

from collections import Counter
from collections.abc import Iterable, Mapping

from messages.units import ONE
from tests.endings.cells import PHASES, Cell
from tests.endings.one import KINDS, CellResult
from tests.endings.outcomes import OUTCOMES

Results = Mapping[Cell, CellResult]
LETTERS = {"hedged": "H", "optimum": "O", "flat": "F", "halted": "B", "open": "!"}
MEANINGS = {
    "hedged": "hedged: both legs held, less than 0.1 % apart at the prices really paid",
    "optimum": (
        "hedged at the lattice's optimum, because no quantities within reach are less than 0.1 % apart"
    ),
    "flat": "flat",
    "halted": (
        "flat, and halted with LEGGING_BUDGET: the unhedged exposure lasted longer than its class allows"
    ),
    "open": "open",
}
HEAD = """# How a pair can end

Made by `python -m tests.endings --all --write docs/endings.md`, which runs every cell; `.ci/run` runs them all again and fails when this page
differs. A tenth of them runs in every `pytest`. One cell: `python -m tests.endings --cell "exit / ack lost / cut while / crash"`.

A cell is one complete run (real actors, codec, signatures, WebSockets and SQLite, on virtual time) at a simulated Nado. It is brought to
the plan under test, of 1,000 USD per leg and with an order on *either* leg; then one outcome happens to ETH's order and one to SOL's, once without a
crash and once with one of six actors killed at that moment. Each is checked against the venue's order log and account: no order twice, no position
larger than one pair or reversed, hedged or flat when the phase is over, flat in the end, the ledger equal to the engine to the last digit, and
no budget exceeded without a halt. In every cell the venue takes orders again within `venue_patience`.
"""  # noqa: E501


def document(results: Results) -> str:
    """The page."""
    parts = [HEAD, _legend(), _sums(results), _outcomes()]
    return "\n".join([*parts, *(_grid(phase, results) for phase in PHASES)])


def _legend() -> str:
    shown = [f"- **{LETTERS[kind]}** {MEANINGS[kind]}" for kind in KINDS]
    return "\n".join(
        ["## Endings", "", *shown, "", "Two letters in a cell: without a crash, and with one.", ""]
    )


def _sums(results: Results) -> str:
    head = [
        "phase",
        "cells",
        *(kind for kind in KINDS),
        "worst unhedged",
        "worst USD s",
        "most of its budget",
    ]
    rows = [
        _sum(phase, [result for cell, result in results.items() if cell.phase == phase]) for phase in PHASES
    ]
    return "\n".join(
        [
            "## In sum",
            "",
            _row(head),
            _row("---" for _ in head),
            *rows,
            _sum("all", list(results.values())),
            "",
        ]
    )


def _sum(name: str, of: list[CellResult]) -> str:
    counts = Counter(result.kind for result in of)
    kept = max(
        (result.usd_s * 100 // result.budget for result in of if result.kind != "halted" and result.budget),
        default=0,
    )
    worst, usd_s = max(result.worst for result in of), max(result.usd_s for result in of)
    figures = f"{round(worst / ONE)} USD", f"{round(usd_s / ONE)}", f"{kept} %"
    return _row([name, len(of), *(counts[kind] for kind in KINDS), *figures])


def _outcomes() -> str:
    rows = [_row([outcome.name, outcome.meaning]) for outcome in OUTCOMES.values()]
    return "\n".join(
        ["## What happens to an order", "", _row(["outcome", "meaning"]), _row(["---", "---"]), *rows, ""]
    )


def _grid(phase: str, results: Results) -> str:
    width = max(map(len, OUTCOMES))
    head = " ".join(
        [f"{'ETH / SOL':{width + 3}}", *(f"{number:2}" for number in range(1, len(OUTCOMES) + 1))]
    )
    rows = [
        f"{number:2} {eth:{width}} " + " ".join(_two(phase, eth, sol, results) for sol in OUTCOMES)
        for number, eth in enumerate(OUTCOMES, 1)
    ]
    return "\n".join([f"## {phase}", "", "```", head, *rows, "```", ""])


def _two(phase: str, eth: str, sol: str, results: Results) -> str:
    return "".join(LETTERS[results[Cell(phase, eth, sol, crash)].kind] for crash in (False, True))


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
