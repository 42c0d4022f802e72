"""Alerts that could not be delivered, kept in a file: `alerts-undelivered.jsonl` beside the ledger, 0600, of
at most two times `SIZE_MAX` bytes. Whoever was not told can read there what he was not told.
"""

from pathlib import Path

import msgspec

from commands.alerts.alert import Alert
from commands.output.words import iso_micros
from messages.units import Ns
from runtime.files import private

NAME = "alerts-undelivered.jsonl"
SIZE_MAX = 1_000_000
WHY_MAX = 300


class DeadLetter(msgspec.Struct, frozen=True):
    """One alert that one channel did not take."""

    at: str
    channel: str
    why: str
    level: str
    code: str
    text: str


class DeadLetters:
    """The file in `folder`. One that cannot be written loses letters and stops nothing."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.written = 0
        """By this process."""
        self.lost = 0
        """That could not even be written down."""

    def put(self, alert: Alert, channel: str, why: str, at_ns: Ns) -> None:
        """Append one line for an alert that `channel` never took, and `why`. Never raises: the disk may be
        full.
        """
        letter = DeadLetter(iso_micros(at_ns), channel, why[:WHY_MAX], alert.level, alert.code, alert.text)
        try:
            if self.path.exists() and self.path.stat().st_size > SIZE_MAX:
                self.path.replace(self.path.with_name(f"{NAME}.1"))
            with open(self.path, "ab", opener=private) as file:
                file.write(msgspec.json.encode(letter) + b"\n")
        except OSError:
            self.lost += 1
            return
        self.written += 1
