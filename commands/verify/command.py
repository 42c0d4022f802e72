"""`python supervisor.py verify [PATH]`: does everything hold that a ledger and the files beside it say?

It reads files and nothing else: no key, no exchange, no lock. Exit code 0: all of it holds. 3: something does
not, and the first thing that does not is named. 2: there is nothing to verify.
"""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from commands.output.json_keys import keys_of, schema_of
from commands.output.run_json import json_line
from commands.output.words import DONE, ConfigError, Refusal, fitted_to, say, span
from commands.verify.findings import DoesNotHold
from commands.verify.verifying import LEDGER, VerifiedFiles, verified
from runtime.clock import stopwatch_ns

COLUMN = 11
"""Where the words begin, after the name of a line."""


def main(typed: argparse.Namespace) -> int:
    """Verify, show what was looked at, and return the exit code. Raises `Problem`."""
    path = Path(typed.path)
    ledger = path / LEDGER if path.is_dir() else path
    if not ledger.is_file():
        message = f"{path}: there is no {LEDGER} here" if path.is_dir() else f"{path}: there is no such file"
        cure = "name a folder of logs, as --logs of a run does"
        raise ConfigError("NO_LEDGER", "PATH", message, cure, "nothing was looked at")
    began_ns = stopwatch_ns()
    try:
        found = verified(path)
    except DoesNotHold as wrong:
        return _refused(typed, ledger, wrong)
    took_ms = (stopwatch_ns() - began_ns) // 1_000_000
    stream, columns = sys.stderr if typed.json else sys.stdout, shutil.get_terminal_size().columns
    say(stream, fitted_to(stream, [*_lines(found), f" {'took':<9} {span(took_ms)}"], columns, COLUMN))
    if typed.json:
        say(sys.stdout, json_line(_facts(ledger, found)))
    return DONE


def _refused(typed: argparse.Namespace, ledger: Path, wrong: DoesNotHold) -> int:
    refusal = Refusal(
        "DOES_NOT_HOLD",
        None,
        f"{wrong.where}: {wrong.field}: {wrong.why}",
        "compare it with a copy from elsewhere; nothing was changed",
        "what the files say after it is not what was written",
    )
    say(sys.stderr, refusal.sentence)
    if typed.json:
        said = {
            "exit_code": refusal.exit_code,
            "ended_by": refusal.ended_by,
            "error": refusal.as_json(),
            "ledger": str(ledger),
            "wrong_at": wrong.where,
            "wrong_field": wrong.field,
        }
        say(sys.stdout, json_line(_object() | said))
    return refusal.exit_code


def _lines(found: VerifiedFiles) -> list[str]:
    csvs = f"{found.csv_lines:,} lines say what the rows say"
    if found.csv_missing:
        csvs += f"; {found.csv_missing:,} are not written: by a crash, the next start writes them"
    lines = [
        ("ledger", f"{found.ledger}, {found.venue}, subaccount {found.subaccount}"),
        (
            "rows",
            f"{found.rows:,} in {found.files} file{'s'[: found.files > 1]}, each linked to the one before",
        ),
        ("plans", f"{found.plans:,}: digests, votes, both orders and what they filled"),
        ("cycles", f"{found.cycles:,}: flat at the end, and unhedged as their trades say"),
        ("csv", csvs),
    ]
    if found.unjudged:
        lines.append(("unjudged", f"{found.unjudged:,}: their price or fee was told wrongly by the exchange"))
    lines.append(("holds", f"everything through row {found.last_row.replace(':', ', ')}"))
    return [f" {name:<9} {words}" for name, words in lines]


def _facts(ledger: Path, found: VerifiedFiles) -> dict[str, Any]:
    return _object() | {
        "ok": True,
        "exit_code": DONE,
        "ended_by": "done",
        "venue": found.venue,
        "subaccount": found.subaccount,
        "ledger": str(ledger),
        "files": found.files,
        "rows": found.rows,
        "last_row": found.last_row,
        "plans": found.plans,
        "cycles": found.cycles,
        "csv_lines": found.csv_lines,
        "csv_missing": found.csv_missing,
        "unjudged": found.unjudged,
    }


def _object() -> dict[str, Any]:
    return dict.fromkeys(keys_of("verify")) | {"schema": schema_of("verify"), "ok": False}
