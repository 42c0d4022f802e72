"""`python supervisor.py verify [PATH]`: does everything hold that a ledger and the files beside it say?

It reads files and nothing else: no key, no exchange, no lock. Exit code 0: all of it holds. 3: something does
not, and the first thing that does not is named. 2: there is nothing to verify.
"""

import argparse
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

from commands.output.json_keys import keys_of, schema_of
from commands.output.run_json import json_line
from commands.output.words import DONE, ConfigError, Refusal, fitted_to, say, span
from commands.verify.certificates import alone
from commands.verify.findings import DoesNotHold
from commands.verify.verifying import LEDGER, VerifiedFiles, verified
from messages.settings import Files
from runtime.clock import stopwatch_ns

COUNTED = (
    *("files", "rows", "plans", "cycles", "csv_lines", "csv_missing", "unjudged"),
    *("certificates", "certificates_missing", "raw_messages", "without_raw"),
)
"""Counts that the object has by the same names."""
COLUMN = 11
"""Where the words begin, after the name of a line."""


def main(typed: argparse.Namespace) -> int:
    """Verify, show what was looked at, and return the exit code. Raises `Problem`."""
    path = Path(typed.path)
    if path.suffix == ".json" and path.is_file():
        return _one_certificate(typed, path)
    ledger = path / LEDGER if path.is_dir() else path
    if not ledger.is_file():
        message = f"{path}: there is no {LEDGER} here" if path.is_dir() else f"{path}: there is no such file"
        cure = "name a folder of logs, as --logs of a run does"
        raise ConfigError("NO_LEDGER", "PATH", message, cure, "nothing was looked at")
    began_ns, made = stopwatch_ns(), 0
    try:
        found = verified(path)
        if typed.rebuild and (made := _rebuilt(ledger)):
            found = verified(path)
    except DoesNotHold as wrong:
        return _refused(typed, ledger, wrong)
    took_ms = (stopwatch_ns() - began_ns) // 1_000_000
    facts = {name: getattr(found, name) for name in (*COUNTED, "venue", "subaccount", "last_row")}
    facts |= {"ledger": str(ledger), "certificates_made": made}
    code = _shown(typed, _lines(found, made), facts)
    # apart: standard output has nothing in it that differs from one time to the next
    say(sys.stderr, f" {'took':<9} {span(took_ms)}")
    return code


def _rebuilt(ledger: Path) -> int:
    from commands.verify.rebuild import rebuilt

    try:
        return rebuilt(ledger, Files().certificate_keep)
    except (OSError, sqlite3.Error) as error:
        message, cure = f"no certificate could be written: {error}", "look at the folder and its disk"
        raise Refusal(
            "UNWRITABLE", None, message, cure, "the ledger holds, and nothing was changed"
        ) from error


def _one_certificate(typed: argparse.Namespace, path: Path) -> int:
    try:
        said, audit = alone(path)
    except DoesNotHold as wrong:
        return _refused(typed, None, wrong)
    ledger, rows = said["ledger"], said["rows"]
    raw = f"{len(said['raw'])} messages of the exchange and to it say the same"
    if said["raw_missing"]:
        raw += f"; missing of {len(said['raw_missing'])} orders: {said['raw_missing'][0]['because']}"
    whose = f"{said['exchange']}, subaccount {ledger['subaccount']}"
    last = rows["first"] + len(rows["hashes"]) - 1
    lines = [
        ("cycle", f"{said['cycle']}, {said['ending']}, {whose}"),
        ("plans", f"{len(said['plans'])}: digests, votes, both orders and what they filled"),
        ("figures", "legs, imbalances, unhedged exposure and costs are those of its orders"),
        ("raw", raw),
        ("rows", f"{rows['first']} to {last}, {len(rows['texts'])} of them with their text"),
        ("holds", "in itself; that the ledger has these rows is for its ledger to say: verify FOLDER"),
    ]
    facts = {
        "venue": ledger["venue"],
        "subaccount": ledger["subaccount"],
        "plans": audit.plans,
        "cycles": 1,
        "certificates": 1,
        "raw_messages": len(said["raw"]),
        "without_raw": int(bool(said["raw_missing"])),
        "unjudged": audit.unjudged,
    }
    return _shown(typed, [f" {name:<9} {words}" for name, words in lines], facts)


def _shown(typed: argparse.Namespace, lines: list[str], facts: dict[str, Any]) -> int:
    stream, columns = sys.stderr if typed.json else sys.stdout, shutil.get_terminal_size().columns
    say(stream, fitted_to(stream, lines, columns, COLUMN))
    if typed.json:
        say(sys.stdout, json_line(_object() | {"ok": True, "exit_code": DONE, "ended_by": "done"} | facts))
    return DONE


def _refused(typed: argparse.Namespace, ledger: Path | None, wrong: DoesNotHold) -> int:
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
            "ledger": str(ledger) if ledger else None,
            "wrong_at": wrong.where,
            "wrong_field": wrong.field,
        }
        say(sys.stdout, json_line(_object() | said))
    return refusal.exit_code


def _lines(found: VerifiedFiles, made: int) -> list[str]:
    csvs = f"{found.csv_lines:,} lines say what the rows say"
    if found.csv_missing:
        csvs += f"; {found.csv_missing:,} are not written: by a crash, the next start writes them"
    papers = f"{found.certificates:,} say what the rows say"
    papers += (
        f"; {found.certificates_missing:,} are missing: --rebuild makes them"
        if found.certificates_missing
        else ""
    )
    papers += f"; {made:,} were made again" if made else ""
    raw = f"{found.raw_messages:,} messages of the exchange and to it say the same"
    raw += f"; some are missing in {found.without_raw:,} certificates" if found.without_raw else ""
    lines = [
        ("ledger", f"{found.ledger}, {found.venue}, subaccount {found.subaccount}"),
        (
            "rows",
            f"{found.rows:,} in {found.files} file{'s'[: found.files > 1]}, each linked to the one before",
        ),
        ("plans", f"{found.plans:,}: digests, votes, both orders and what they filled"),
        ("cycles", f"{found.cycles:,}: flat at the end, and unhedged as their trades say"),
        ("csv", csvs),
        ("proofs", f"certificates: {papers}"),
        ("raw", raw),
    ]
    if found.unjudged:
        lines.append(("unjudged", f"{found.unjudged:,}: their price or fee was told wrongly by the exchange"))
    lines.append(("holds", f"everything through row {found.last_row.replace(':', ', ')}"))
    return [f" {name:<9} {words}" for name, words in lines]


def _object() -> dict[str, Any]:
    return dict.fromkeys(keys_of("verify")) | {"schema": schema_of("verify"), "ok": False}
