"""The command lines of `backup` and `restore`: options in, what was done out, in words or as one object."""

import argparse
import os
import shutil
import sqlite3
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from actors.ledger import LedgerError
from actors.ledger.copies import LedgerCopy
from commands.account.outcome import show
from commands.account.target_account import target_account, words
from commands.backup.copying import LEDGER, Backup, backed_up
from commands.config import effective as config
from commands.open_state.verdict import MEANT
from commands.output.json_keys import keys_of, schema_of
from commands.output.run_json import json_line
from commands.output.words import DONE, ConfigError, Refusal, fitted_to, say
from commands.stopping import until_stopped
from runtime.clock import WallClock
from runtime.specs import told

KEEP_MAX = 100_000


def main(typed: argparse.Namespace) -> int:
    """Run one of them; the exit code. Raises `Problem`."""
    return _backup(typed) if typed.command == "backup" else _restore(typed)


def _backup(typed: argparse.Namespace) -> int:
    file = Path(typed.config) if typed.config is not None else None
    logs = Path(config.load(file, os.environ, typed.overrides).settings.files.logs)
    folder, keep = Path(typed.folder), _keep(typed.keep)
    if not (logs / LEDGER).is_file():
        message = f"{logs}: there is no {LEDGER} here"
        cure = "name a folder of logs, as --logs of a run does"
        raise ConfigError("NO_LEDGER", "--logs", message, cure, "nothing was copied")
    if folder.resolve() == logs.resolve():
        message = f"DIR: {folder} is the folder of the ledger itself"
        raise ConfigError("BAD_VALUE", "DIR", message, "name a folder on another disk", "nothing was copied")
    stamp = datetime.fromtimestamp(WallClock().utc_ns() / 1e9, UTC).strftime("%Y%m%dT%H%M%SZ")
    try:
        done = until_stopped(partial(backed_up, logs, folder, keep, stamp))
    except (LedgerError, sqlite3.Error, OSError) as error:
        code = "BROKEN_LEDGER" if isinstance(error, LedgerError) else "UNWRITABLE"
        message = f"no copy of {logs / LEDGER} could be made: {told(error)}"
        cure = f"look at both disks; older copies in {folder} were not touched"
        raise Refusal(code, None, message, cure, "the ledger itself was not changed") from error
    copy = done.copy
    lines = words(
        [
            (
                "copied",
                f"{logs / LEDGER} to {copy.path}, {copy.rows} rows, verified from row {copy.first_row} on",
            ),
            ("whose", f"{copy.opened.venue}, subaccount {copy.opened.subaccount}"),
            ("holds", holds(copy)),
            ("copies", _copies(done)),
        ]
    )
    stream = sys.stderr if typed.json else sys.stdout
    say(stream, fitted_to(stream, lines, shutil.get_terminal_size().columns, indent=11))
    if typed.json:
        say(sys.stdout, json_line(_object(logs / LEDGER, done)))
    return DONE


def holds(copy: LedgerCopy) -> str:
    """What is open by its rows, in words."""
    from actors.run_ending import open_legs

    if copy.held.doubts or copy.held.working:
        return f"{open_legs(copy.held)}: no run has asked the exchange about it yet"
    return f"{open_legs(copy.held)} open" if copy.held.phase != "flat" else "nothing is open by it"


def _copies(done: Backup) -> str:
    removed = f", the oldest {done.removed} removed" if done.removed else ""
    earlier = f"; files of earlier rows: {done.earlier} copied now" if done.earlier else ""
    return f"{done.copies} in {done.copy.path.parent}{removed}{earlier}"


def _object(ledger: Path, done: Backup) -> dict[str, Any]:
    copy = done.copy
    return dict.fromkeys(keys_of("backup")) | {
        "schema": schema_of("backup"),
        "ok": True,
        "exit_code": DONE,
        "ended_by": "done",
        "venue": copy.opened.venue,
        "subaccount": copy.opened.subaccount,
        "ledger": str(ledger),
        "copy": str(copy.path),
        "rows": copy.rows,
        "last_row": copy.last_row,
        "open": "" if copy.held.phase == "flat" else holds(copy),
        "copies": done.copies,
        "removed": done.removed,
    }


def _keep(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= KEEP_MAX:
        message = f"--keep: {text} is no number of copies"
        raise ConfigError("BAD_VALUE", "--keep", message, f"type 1 to {KEEP_MAX}", "nothing was copied")
    return int(text)


def _restore(typed: argparse.Namespace) -> int:
    from commands.account.status import looked
    from commands.backup.restoring import UNCHANGED, copy_at, put_back

    copy = copy_at(Path(typed.copy))
    target = target_account(typed.config, typed.url, typed.overrides, signs=False, ledger=copy.path)
    MEANT.learn(target.access, target.settings)
    try:
        lines = put_back(copy, target)
    except (sqlite3.Error, OSError) as error:
        message = f"{copy.path} was not restored: {told(error)}"
        raise Refusal(
            "UNWRITABLE", "--logs", message, "look at the disk, then try again", UNCHANGED
        ) from error
    found = until_stopped(partial(looked, target))
    last = [] if target.child else [("next", f"{target.run_line} --adopt")]
    facts = found.facts | {"copy": str(copy.path), "rows": copy.rows, "last_row": copy.last_row}
    outcome = msgspec.structs.replace(
        found, command="restore", lines=[*lines, *found.lines, *last], facts=facts
    )
    return show(outcome, target, json=typed.json)
