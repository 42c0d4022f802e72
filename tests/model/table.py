"""The barrier's table as it was seen at work: every row that the model took, and what the real `barrier.step`
did there.

python -m tests.model --table
"""

import re
from collections.abc import Iterator
from functools import cache

from actors import barrier
from tests.model import real
from tests.model.real import Action, Answer
from tests.model.rules import SOUND
from tests.model.search import search
from tests.model.state import Bar, Message

EVENTS = {
    "proposed": "SizingPlan",
    "ready": "Ready",
    "declined": "Declined",
    "votes due": "VotesDue",
    "leg down": "LegDown",
    "clock jumped": "ClockJumped",
    "outcome": "Outcome",
    "fills due": "FillsDue",
    "closed": "PlanClosed",
    "bumped": "EpochBumped",
    "recovered": "Recovered",
}
DONE = {"seal": "Sealed", "place": "Place", "abort": "Abort", "outcome": "Outcome"}
PHASES = ("recovering", "idle", "voting", "placed")
Row = tuple[str, str, str, str]
"""Phase, event, next phase, what the supervisor is told to do."""


@cache
def seen() -> tuple[Row, ...]:
    """The rows, in the order of the phases; what changes nothing is no row."""
    rows: set[Row] = set()

    def noted(bar: Bar, message: Message, late: bool) -> Answer:
        after, actions = real.step(bar, message, late)
        if after != bar or actions:
            rows.add(
                (
                    bar.phase,
                    EVENTS[message[0]],
                    after.phase,
                    "; ".join(_words(action) for action in actions) or "-",
                )
            )
        return after, actions

    for plans, crashes, losses in ((1, 1, 1), (1, 2, 0)):
        found = search(SOUND._replace(plans=plans, step=noted), crashes=crashes, losses=losses)
        assert not found.name, found.story()
    return tuple(
        sorted(rows, key=lambda row: (PHASES.index(row[0]), list(EVENTS.values()).index(row[1]), row))
    )


def _words(action: Action) -> str:
    whom, message = action
    if whom in {"resolve", "settle"}:
        return "starts RESOLVE" if whom == "resolve" else "has the account read"
    return f"{DONE[message[0]]} to {'all three' if whom == 'three' else 'the ledger'}"


def markdown() -> str:
    """The table as `docs/protocol.md` has it."""
    lines = ["| phase | event | next phase | what the supervisor does |", "|---|---|---|---|"]
    return "\n".join(
        lines + [f"| {phase} | {event} | {after} | {done} |" for phase, event, after, done in seen()]
    )


def documented() -> set[tuple[str, str, str]]:
    """(phase, event, next phase) of the table that `barrier.py` opens with."""
    return {row for line in (barrier.__doc__ or "").splitlines() for row in _rows(line.strip())}


def _rows(line: str) -> Iterator[tuple[str, str, str]]:
    found = re.match(rf"({'|'.join(PHASES)}|any)\s+(\w+)(?: \(.*?\))?\s+({'|'.join(PHASES)})\s", line)
    if found:
        phase, event, after = found.groups()
        yield from ((each, event, after) for each in (PHASES if phase == "any" else (phase,)))
    elif line.startswith("idle  ") and "Abort" in line:  # the second way that the third Ready can go
        yield "voting", "Ready", "idle"
