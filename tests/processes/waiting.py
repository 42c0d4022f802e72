"""Waiting for what happens in other processes, by what they wrote."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from tests.hostile.bed import Bed
from tests.patience import slack

T = TypeVar("T")
WITHIN_S = 30.0
LONG_S = 3600.0
"""Longer than any test: a pair that is held."""


def until(what: Callable[[], T], within_s: float = WITHIN_S) -> T:
    """What `what` says, once that is true. Raises `AssertionError` when it takes too long, more on a
    machine that has too much to do.
    """
    ends_s = time.monotonic() + within_s * slack()
    while not (found := what()):
        assert time.monotonic() < ends_s, f"{what} never came"
        time.sleep(0.02)
    return found


def pair_held(bed: Bed) -> bool:
    """Does the venue hold a pair, and is the exit that a guard uses signed?"""
    return len(bed.held()) == 2 and any(
        path.stat().st_size for path in (bed.folder / "state").glob("*/*.escape")
    )


def times_of(log: Path, text: str) -> list[int]:
    """UTC in ns of each line of a log in which `text` stands."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return [
        round(datetime.fromisoformat(line.split(" ")[0]).astimezone(UTC).timestamp() * 1e9)
        for line in lines
        if text in line
    ]
