"""How a run ended: all that is known of it, its exit code, and what went wrong in the three parts of every
message.

0 done and flat   1 internal error   3 nothing traded   4 something is open or unknown   70 halted, flat
                  130, 143 stopped by a signal, flat
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from actors.risk.goals import Goal, goals
from actors.risk.may_enter import ORDER
from commands.output.run_report import RunReport
from commands.output.sentences import advice, cannot
from commands.output.words import (
    COMMAND,
    DONE,
    HALTED,
    INTERNAL,
    OPEN,
    REFUSED,
    Problem,
    clock_time,
    exposure,
    stopped_code,
)
from messages.lifecycle import SIGNER_REPLACED, TAKEN_OVER, Held, Staged, Totals
from messages.settings import Settings
from messages.sizing import Skipped
from messages.units import Base, Bps

EndedBy = Literal["done", "signal", "halt", "refused", "error"]


class Report(msgspec.Struct, frozen=True):
    """All that the end of a run is told from."""

    settings: Settings
    seed: int
    ended_by: EndedBy
    elapsed_ms: int
    totals: Totals | None
    """None: the ledger could not be asked."""
    held: Held | None
    open_legs: str
    """"" when the venue says flat; else what is open or unknown, in words."""
    unknown: bool = False
    """Can nobody say what is open?"""
    open_eth: Base | None = None
    open_sol: Base | None = None
    """Signed amounts of what is open and may be ours, by the same answer; None = unknown."""
    checked_ms: int | None = None
    """Venue time at which the venue was asked what is open; None: it did not answer."""
    code: str = ""
    detail: str = ""
    """Of a halt or a refusal: a word and a sentence."""
    signal: int = 0
    venue: str = "simulated"
    url: str | None = None
    """Of a venue that outlives this run."""
    ledger: str | None = None
    files: tuple[str, ...] = ()
    """What to look at, paths as a person would type them."""
    staged: tuple[Staged, ...] = ()
    skips: tuple[Skipped, ...] = ()
    orders_twice: int | None = None
    """Orders that left more than once; None when nobody counted."""
    next: str = ""
    """A command line worth typing now, with its remark."""

    @property
    def goals(self) -> tuple[Goal, ...]:
        """What it was to come to, and how far it has; () while nobody knows what it traded."""
        return goals(self.settings, self.held, self.checked_ms) if self.held is not None else ()

    @property
    def run(self) -> RunReport:
        """Its counts, and the sentences that are made of them."""
        return RunReport(self.settings, self.totals or Totals(), self.held, self.code)


def exit_code(
    ended_by: EndedBy, *, open_legs: str, traded: bool, signal: int = 0, halted: bool = False
) -> int:
    """The exit code of a run. Something open or unknown beats everything; then a halt, an error, a signal,
    a refusal or nothing traded.
    """
    # Money first: whoever reads only the code must never take exposure for an error, a signal or success.
    if open_legs:
        return OPEN
    # A halt before the rest: it stays latched, and a person has to look, however the process ended.
    if halted or ended_by == "halt":
        return HALTED
    if ended_by == "error":
        return INTERNAL
    if ended_by == "signal":
        return stopped_code(signal)
    return DONE if traded and ended_by == "done" else REFUSED


def code_of(report: Report) -> int:
    """The exit code of a run that got as far as having a report."""
    totals = report.totals
    traded = totals is not None and totals.completed + totals.failed > 0
    halted = totals is not None and totals.halted != ""
    return exit_code(
        report.ended_by, open_legs=report.open_legs, traded=traded, signal=report.signal, halted=halted
    )


def problem_of(report: Report) -> Problem | None:
    """What went wrong, in the three parts of every message; None when nothing did."""
    code, logs = code_of(report), report.settings.files.logs
    if code == OPEN:
        cure = closing_line(report.settings, report.url)
        if report.code == SIGNER_REPLACED:
            cure = f"close it in the exchange's web page, or with a key that may sign: {cure}"
        message = f"NOT FLAT: {report.open_legs} at {report.venue}/{report.settings.venue.subaccount}"
        return Problem("NOT_FLAT", None, message, cure, exposure(unknown=report.unknown))
    if code == HALTED:
        word = report.code or (report.totals.halted if report.totals else "") or "HALTED"
        named = word if word.startswith("HALTED") else f"HALTED {word}"
        message = f"{named}: {report.detail}" if report.detail else named
        checked = f", checked {clock_time(report.checked_ms)}Z" if report.checked_ms else ""
        return Problem(word, None, message, halt_cure(word, logs), f"flat at the venue{checked}")
    if code not in {REFUSED, INTERNAL}:
        return None
    refused = _refused(report) if code == REFUSED else None
    word = report.code or "REFUSED"
    cure = READ_LOG.format(logs=logs, code=word)
    return refused or Problem(word, None, report.detail or word, cure, NOTHING_OPEN)


def _refused(report: Report) -> Problem | None:
    """Why nothing was traded, or trading was given up; None where the log alone says more."""
    if report.ended_by == "done":
        return _nothing_traded(report)
    if report.code in ENTRY_CURES:
        return _gave_up(report)
    if report.code in CURES:
        meaning, cure = CURES[report.code]
        cure = cure.format(command=COMMAND, logs=report.settings.files.logs)
        return Problem(report.code, None, report.detail, cure, meaning)
    return None


NOTHING_OPEN = "no Evenkeel positions are open"
READ_LOG = "read {logs}/evenkeel.log, and {code} in docs/running.md#codes"

CURES = {
    "FOREIGN_POSITION": (
        "it was not touched, no Evenkeel positions are open",
        "close it yourself, or book it as Evenkeel's: {command} run --adopt --logs {logs}",
    ),
    "BROKEN_LEDGER": (
        "nothing is entered with a ledger that was changed, no Evenkeel positions are open",
        "keep a copy of {logs}/ledger.sqlite, move it away, start again",
    ),
    "MISFIT": (
        "the venue's archive has not confirmed that number, no Evenkeel positions are open",
        "compare the order in the exchange's web page, then start again: {command} run --logs {logs}",
    ),
    "LOW_DISK": ("nothing is entered, no Evenkeel positions are open", "free some space, then start again"),
    "FLATTENED": (
        "entering stays paused, no Evenkeel positions are open",
        "{command} run --logs {logs} enters again",
    ),
}
"""Refusals that are not in the log alone: what they mean for the money, and what to type."""


ENTRY_CURES = {
    code: cure for stage in ORDER for each in stage.conditions for code, cure in each.cures.items()
} | {
    "UNBALANCED": "a larger --target has more quantities to choose from",
    "NOT_FILLED": "a larger max_slippage lets orders fill at worse prices",
    "NOT_SEALED": READ_LOG,
    "NOT_READY": READ_LOG,
}
"""Reasons for which nothing could be entered until `max_wait` was over, and what helps against each: those
of the conditions of `may_enter`, and those that are no condition.
"""


def _gave_up(report: Report) -> Problem:
    """Nothing could be entered: for how long, mostly why, and the cure."""
    verdicts = (skip.verdict for skip in reversed(report.skips) if skip.code == report.code)
    known = next((verdict for verdict in verdicts if verdict is not None), None)
    cure = advice(report.settings, known) if known else ""
    cure = cure or ENTRY_CURES[report.code].format(
        command=COMMAND, logs=report.settings.files.logs, code=report.code
    )
    return Problem(report.code, "target" if known else None, report.detail, cure, NOTHING_OPEN)


def halt_cure(word: str, logs: str) -> str:
    """Where a halt is explained, and what to type once it is understood. A guard that took over has
    latched nothing.
    """
    if word == TAKEN_OVER:
        return f"read {logs}/guard.log, then {COMMAND} run --logs {logs} goes on"
    return f'read docs/running.md#{word.lower()}, then {COMMAND} clear-halt --reason "..." --logs {logs}'


def closing_line(settings: Settings, url: str | None) -> str:
    """What to type when something stays open: nothing helps where the venue is gone with its run."""
    if url or settings.venue.name != "simulated":
        live = "" if settings.venue.name == "simulated" else " and the same configuration"
        return f"{COMMAND} flatten --logs {settings.files.logs}{live}"
    return "the simulated venue ended with this run: no real money was in it"


def _nothing_traded(report: Report) -> Problem:
    """Every attempt was given up: the last one says why."""
    last, nothing = report.skips[-1] if report.skips else None, "no pair was entered"
    code, why = (last.code, f"{nothing}: {last.detail}") if last else ("NOTHING_TRADED", nothing)
    if last is None or last.verdict is None:
        cure = READ_LOG.format(logs=report.settings.files.logs, code=code)
        return Problem(code, None, why, cure, NOTHING_OPEN)
    meaning = "no new pair was entered" if report.run.traded else "nothing was traded"
    why, cure = cannot(report.settings, last.verdict), advice(report.settings, last.verdict)
    return Problem(last.code, "target", why, cure, meaning)


def median_of(values: Sequence[Bps]) -> Bps | None:
    """The median, in integers (`statistics.median` divides into a float); None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    middle = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
    return Bps(sum(middle) // len(middle))
