"""How long a plan took from hop to hop, by the lines of `evenkeel.log`: the ledger has whole milliseconds and
few of the points, the log has microseconds and all of them. A replay writes no log.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import get_args

from commands.report.figures import Delay
from messages.lifecycle import LEG_ANSWERED, LEG_SENDS, LEG_VOTES, HopWord
from messages.sizing import LEGS

LINE = re.compile(
    r"(\S+)Z \w+ +(" + "|".join(get_args(HopWord)) + r"): plan (?:not sealed|(\d+)\.(\d+) ([0-9a-f]+)) "
)
STEPS = (
    "sizing proposes, supervisor seals",
    "sealed, last of three votes",
    "last vote, first order sent",
    "first order sent, second order sent",
    "order sent, order answered",
    "sealed, fills in the ledger",
)
"""From what to what; each plan gives one value, "order sent, order answered" one for each leg."""
Plan = tuple[str, str, str]
"""Epoch, seq and digest."""


def log_files(logs: Path) -> list[Path]:
    """`evenkeel.log` and what was rotated away from it, the oldest first."""
    numbered = [path for path in logs.glob("evenkeel.log.*") if path.suffix[1:].isdigit()]
    here = logs / "evenkeel.log"
    return [
        *sorted(numbered, key=lambda path: -int(path.suffix[1:])),
        *([here] if here.is_file() else []),
    ]


def delays_of(logs: Path, since_ns: int, until_ns: int) -> dict[str, Delay]:
    """By step of `STEPS`, in microseconds, of the plans between two moments. {} where there is no log that
    can be read.
    """
    points: dict[Plan, dict[str, int]] = {}
    proposed = 0
    for at_us, hop, plan in _hops(log_files(logs)):
        if not since_ns <= at_us * 1000 <= until_ns:
            continue
        if plan is None:
            proposed = at_us
            continue
        known = points.setdefault(plan, {})
        known.setdefault(hop, at_us)
        if hop == "supervisor seals" and proposed:
            known["sizing proposes"], proposed = proposed, 0
    values: dict[str, list[int]] = {step: [] for step in STEPS}
    for known in points.values():
        for step, took in steps_between(known):
            values[step].append(took)
    return {step: Delay.of(each) for step, each in values.items()} if points else {}


def _hops(files: Iterable[Path]) -> Iterator[tuple[int, str, Plan | None]]:
    for path in files:
        try:
            with path.open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    found = LINE.match(line)
                    if found is None:
                        continue
                    plan = None if found[3] is None else (found[3], found[4], found[5])
                    yield _micros(found[1]), found[2], plan
        except (OSError, ValueError):
            continue


def _micros(text: str) -> int:
    moment = datetime.fromisoformat(f"{text}+00:00")
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond


def steps_between(known: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """The steps of one plan of which both ends are known."""
    sealed = known.get("supervisor seals")
    votes = [known[hop] for hop in (*LEG_VOTES.values(), "ledger intent") if hop in known]
    sends = [known[hop] for hop in LEG_SENDS.values() if hop in known]
    last_vote = max(votes) if len(votes) == len(LEGS) + 1 else None
    ends = (
        (known.get("sizing proposes"), sealed),
        (sealed, last_vote),
        (last_vote, min(sends, default=None)),
        (min(sends, default=None), max(sends) if len(sends) > 1 else None),
    )
    for step, (begun, ended) in zip(STEPS, ends, strict=False):
        if begun is not None and ended is not None:
            yield step, ended - begun
    for leg in LEGS:
        if LEG_SENDS[leg] in known and LEG_ANSWERED[leg] in known:
            yield STEPS[4], known[LEG_ANSWERED[leg]] - known[LEG_SENDS[leg]]
    if sealed is not None and "ledger fill" in known:
        yield STEPS[5], known["ledger fill"] - sealed
