"""How a command that acts on an account ended: the same facts as lines for a person and as one object for
a program.
"""

import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from commands.account.target_account import TargetAccount, words
from commands.output import json_keys
from commands.output.run_json import json_line
from commands.output.words import DONE, Problem, fitted_to, iso_micros, say

KEYS = json_keys.ACCOUNT
"""Every key of the object, in order; unknown is null."""


class CommandOutcome(msgspec.Struct, frozen=True):
    """What a command found and did. None: not known, not asked."""

    command: str
    exit_code: int
    lines: Sequence[tuple[str, str]]
    ended_by: str = "done"
    error: Problem | None = None
    facts: dict[str, Any] = {}


def show(
    outcome: CommandOutcome,
    target: TargetAccount,
    *,
    json: bool,
    write: Callable[[list[str]], object] | None = None,
) -> int:
    """Print it, whose it is first; returns the exit code. `write`: where its lines go instead."""
    text = [target.line, *words(outcome.lines)]
    if outcome.error:
        text.append(outcome.error.sentence)
    stream = sys.stderr if json else sys.stdout
    lines = fitted_to(stream, text, shutil.get_terminal_size().columns, indent=11)
    write(lines) if write is not None else say(stream, lines)
    if json:
        say(sys.stdout, json_line(as_json(outcome, target)))
    return outcome.exit_code


def as_json(outcome: CommandOutcome, target: TargetAccount | None) -> dict[str, Any]:
    """The object of `--json`: every one of `KEYS`, None where nobody knows."""
    account: dict[str, Any] = {}
    if target:
        account = {
            "venue": target.venue,
            "subaccount": target.settings.venue.subaccount,
            "address": target.access.owner,
            "signer": target.signer or None,
        }
    return dict.fromkeys(json_keys.keys_of(outcome.command)) | {
        "schema": f"evenkeel.{outcome.command}/1",
        "ok": outcome.exit_code == DONE,
        "exit_code": outcome.exit_code,
        "ended_by": outcome.ended_by,
        "error": outcome.error.as_json() if outcome.error else None,
        **account,
        **outcome.facts,
    }


def checked_at(at_ms: int | None) -> str | None:
    """Venue time, epoch milliseconds, as the object writes it; None for never."""
    return iso_micros(at_ms * 1_000_000) if at_ms else None
