"""What drills of a configuration came to, kept in `drills.json` beside the ledger: the worst-case statement
of a live run reads it.

Figures belong to a configuration. What a drill replaces anyway (cycles, hold, pause, the venue, files) is
left out of its fingerprint, so that a rehearsal counts for the live run that follows it; every other key is
in.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import msgspec

from commands.config.keys import KEYS, written
from messages.settings import Settings
from messages.units import Ms, Quote
from messages.wire import decode, encode
from runtime.files import replace_file

FILE = "drills.json"
FRESH_MS = 7 * 86_400_000
"""Figures older than that say nothing about a machine and a release that have changed since."""
REPLACED = (
    *("cycles", "until_volume", "until_cost", "until_utc"),
    *("hold", "pause", "no_entry_utc", "enter_when.", "venue_patience", "venue.", "files."),
)


class Measured(msgspec.Struct, frozen=True):
    """The maxima of one drill: USD x18, and USD x seconds x18 unhedged."""

    name: str
    at_ms: Ms
    """UTC."""
    worst: Quote
    usd_s: Quote
    cost: Quote


class DrillResultsFile(msgspec.Struct, frozen=True):
    """`drills.json`: what the drills of one configuration have measured."""

    fingerprint: str
    names: tuple[str, ...]
    """Every drill there was then."""
    drills: tuple[Measured, ...]


class Maxima(msgspec.Struct, frozen=True):
    """Of all drills of a configuration: the most expensive one, and the longest exposure."""

    costliest: Measured
    longest: Measured
    drilled_ms: Ms
    """When the oldest of them was drilled, UTC."""


def fingerprint_of(settings: Settings) -> str:
    """Equal for configurations that a drill treats alike."""
    kept = [
        f"{key}={written(settings, key)}"
        for key in KEYS
        if not any(key == out or (out[-1] == "." and key.startswith(out)) for out in REPLACED)
    ]
    return blake2b("\n".join(kept).encode(), digest_size=16).hexdigest()


def remember(settings: Settings, names: Sequence[str], measured: Iterable[Measured]) -> Path:
    """Write the figures down, with those that the same configuration has already; the file. `names`: every
    drill there is. Raises `OSError`.
    """
    path = Path(settings.files.logs) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    fingerprint = fingerprint_of(settings)
    before = _read(path)
    known = (
        {each.name: each for each in before.drills} if before and before.fingerprint == fingerprint else {}
    )
    known |= {each.name: each for each in measured}
    results = DrillResultsFile(fingerprint, tuple(names), tuple(known.values()))
    replace_file(path, encode(results), sync="none")
    return path


def maxima_of(settings: Settings, now_ms: Ms) -> Maxima | None:
    """What is known of this configuration; None unless every drill was played with it, not long ago."""
    found = _read(Path(settings.files.logs) / FILE)
    if found is None or found.fingerprint != fingerprint_of(settings):
        return None
    fresh = {each.name: each for each in found.drills if now_ms - each.at_ms <= FRESH_MS}
    if not fresh or not set(found.names) <= set(fresh):
        return None
    costliest, longest = (
        max(fresh.values(), key=lambda each: each.cost),
        max(fresh.values(), key=lambda each: each.usd_s),
    )
    return Maxima(costliest, longest, min(each.at_ms for each in fresh.values()))


def _read(path: Path) -> DrillResultsFile | None:
    with suppress(OSError, msgspec.DecodeError, ValueError):
        return decode(path.read_bytes(), DrillResultsFile)
    return None
