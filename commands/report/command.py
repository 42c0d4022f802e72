"""`python supervisor.py report`: what the cycles in one or several ledgers were, and what they cost.

    --logs DIR ...              the ledgers, a column each; without it the configured folder's
    --since 2026-11-29, '24 h'  cycles that began at that moment or later
    --out report.html           the page; without it report.html, unless one of the next is typed
    --market PREFIX             a recording of the same time: how far prices went against fills
    --csv, --parquet            a row per cycle, beside the page: report.csv, report.parquet
    --json                      everything as one object, the last line of standard output

It only looks: no key, no lock, no exchange, and a run that writes the ledger meanwhile notices nothing. Exit
code 3: a ledger cannot be read, or a row of it is not the row that was written; what can be told is told.
"""

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from commands.output.run_json import json_line
from commands.output.words import DONE, INSTALL, Refusal, fitted_to, say
from commands.report.account import NOTHING_MADE, ReportAccount, account_of, labels_of
from commands.report.options import ReportOptions, options_of
from commands.report.output_files import PAGE_MARK, may_write, write
from commands.report.report_json import report_json
from commands.report.table import HEADER, csv_bytes, parquet_bytes
from commands.report.words import lines

EXTRA = f"{INSTALL[:-1]}'.[report]'"
"""What installs the libraries of charts and of Parquet."""
PARQUET_MARK = b"PAR1"


def main(typed: argparse.Namespace) -> int:
    """Read, write what was asked for, and say what came of it; the exit code. Raises `Problem`."""
    options = options_of(typed)
    for path, mark in _wanted(options):
        may_write(path, mark)
    accounts = [
        account_of(folder, label, options.since_ns, options.limit, options.market)
        for folder, label in zip(options.folders, labels_of(options.folders), strict=True)
    ]
    files = {kind: str(path) for kind, path in _written(options, accounts)}
    problem = _problem(accounts)
    stream, columns = sys.stderr if options.json else sys.stdout, shutil.get_terminal_size().columns
    say(stream, fitted_to(stream, lines(accounts, options.since_ns, files), columns, indent=11))
    if problem is not None:
        say(sys.stderr, problem.sentence)
    if options.json:
        say(sys.stdout, json_line(report_json(accounts, options.since_ns, problem, files)))
    return problem.exit_code if problem else DONE


def _wanted(options: ReportOptions) -> list[tuple[Path, bytes]]:
    wanted = ((options.page, PAGE_MARK), (options.csv, HEADER.encode()), (options.parquet, PARQUET_MARK))
    return [(path, mark) for path, mark in wanted if path is not None]


def _written(options: ReportOptions, accounts: Sequence[ReportAccount]) -> list[tuple[str, Path]]:
    """Make and write the files; all are made before the first is written. Raises `Problem`."""
    from commands.report.page import page_bytes

    makers: tuple[tuple[str, Path | None, Callable[[], bytes]], ...] = (
        ("page", options.page, lambda: page_bytes(accounts, options.since_ns)),
        ("csv", options.csv, lambda: csv_bytes(accounts)),
        ("parquet", options.parquet, lambda: parquet_bytes(accounts)),
    )
    made = []
    for kind, path, make in makers:
        if path is not None:
            try:
                made.append((kind, path, make()))
            except ImportError as error:
                message = (
                    f"{error.name} is not installed, which makes the {'charts' if kind == 'page' else kind}"
                )
                cure = f"{EXTRA} installs it; --json and --csv work without it"
                raise Refusal("NOT_INSTALLED", None, message, cure, NOTHING_MADE) from error
    for _, path, content in made:
        write(path, content)
    return [(kind, path) for kind, path, _ in made]


def _problem(accounts: Sequence[ReportAccount]) -> Refusal | None:
    broken = next((account for account in accounts if account.broken), None)
    if broken is None:
        return None
    return Refusal(
        "BROKEN_LEDGER",
        None,
        broken.broken,
        f"keep a copy of {broken.history.path}; its run enters nothing with it",
        "the report leaves out rows that are not as they were written",
    )
