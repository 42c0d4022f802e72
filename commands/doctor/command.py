"""`python supervisor.py doctor`: is everything ready for real money? One line for each check, with the cure;
exit 0, or 3 when one fails.

Nothing is ordered, cancelled or changed. Without `--venue` it examines this machine and a simulated venue of
its own, which says that the release works here. What a live run refuses to start without is also checked by
`run` itself.
"""

import os
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from commands.access.signing_key import ask_passphrase
from commands.access.venue import place
from commands.checks.finding import Finding
from commands.config.effective import Loaded
from commands.doctor.examination import examine, subject_of
from commands.open_state.verdict import MEANT, asked
from commands.output.run_json import json_line
from commands.output.words import DONE, OPEN, REFUSED, Problem, say
from commands.stopping import until_stopped

SCHEMA = "evenkeel.doctor/1"
NOT_READY = ("fail", "skip")
"""States with which real money should not be traded, the worse one first."""


def main(loaded: Loaded, url: str | None, config: Path | None, *, as_json: bool) -> int:
    """Examine, print the findings, and return the exit code: 4 beats 3 where something is open."""
    with suppress(Problem):  # no owner: the files are asked by their folder alone
        MEANT.learn(place(loaded.settings, url), loaded.settings)
    findings = until_stopped(partial(examine, subject_of(loaded, url, config, os.environ, ask_passphrase)))
    code, found = code_of(findings), asked()
    lines = [headline(loaded), *(line(finding) for finding in findings), verdict(findings)]
    if code != DONE and found.counts:
        code = OPEN
        lines.append(f"NOT FLAT: {found.words} · {found.cure}")
    say(sys.stderr if as_json else sys.stdout, lines)
    if as_json:
        say(sys.stdout, json_line(as_object(loaded, findings) | {"exit_code": code}))
    return code


def headline(loaded: Loaded) -> str:
    """The first line: venue, subaccount, owner, and where the key is (never the key)."""
    where = loaded.settings.venue
    return f"{where.name} · {where.subaccount} · {where.owner or 'no owner'} · {where.key}"


def line(finding: Finding) -> str:
    """One check: its state, in capitals where it keeps money out, what was found, and the cure."""
    cure = f" · {finding.cure}" if finding.cure else ""
    state = finding.state.upper() if finding.state in NOT_READY else finding.state
    return f"{state:<4}  {finding.check:<13} {finding.found}{cure}"


def verdict(findings: list[Finding]) -> str:
    """The last line: READY, or NOT READY with how many checks failed."""
    bad, skipped, doubtful = (
        sum(finding.state == state for finding in findings) for state in ("fail", "skip", "warn")
    )
    if bad or skipped:
        unasked = f", {skipped} could not be asked" if skipped else ""
        return (
            f"NOT READY: {bad} of {len(findings)} checks failed{unasked} · no order was sent · fix them from"
            " the top"
        )
    return f"READY: {len(findings)} checks passed, {doubtful} with a warning"


def code_of(findings: list[Finding]) -> int:
    """Exit code 0, or 3 when a check failed or could not be asked."""
    return REFUSED if any(finding.state in NOT_READY for finding in findings) else DONE


def as_object(loaded: Loaded, findings: list[Finding]) -> dict[str, Any]:
    """The object of `--json`; its error is the first failure, else the first unasked check."""
    first = next((finding for state in NOT_READY for finding in findings if finding.state == state), None)
    return {
        "schema": SCHEMA,
        "ok": first is None,
        "exit_code": code_of(findings),
        "ended_by": "done" if first is None else "refused",
        "error": first.refusal().as_json() if first else None,
        "venue": loaded.settings.venue.name,
        "subaccount": loaded.settings.venue.subaccount,
        "seed": None,
        "checks": [
            {
                "check": each.check,
                "state": each.state,
                "found": each.found,
                "cure": each.cure or None,
                "code": each.code or None,
            }
            for each in findings
        ],
    }
