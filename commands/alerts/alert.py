"""An alert: one sentence for somebody who is somewhere else, with its level and the code it goes by."""

from typing import Literal

import msgspec

Level = Literal["info", "warning", "critical"]
LEVELS: tuple[Level, ...] = ("info", "warning", "critical")
TEXT_MAX = 1_000
"""Characters of one alert: a longer sentence is cut."""


class Alert(msgspec.Struct, frozen=True):
    """What happened, what it means for the money, and what to type next."""

    level: Level
    code: str
    """A word for programs; alerts of one code and one subject are de-duplicated."""
    text: str
    subject: str = ""
    """What tells two alerts of one code apart: an actor's name. "" where there is only one."""

    @property
    def key(self) -> str:
        """Alerts of the same key are the same alert again: its code, and of what."""
        return f"{self.code} {self.subject}".strip()

    def words(self, whose: str) -> str:
        """The line that is sent: `CRITICAL mainnet/default at host: HALTED ...`, of bounded length."""
        line = f"{self.level.upper()} {whose}: {' '.join(self.text.split())}"
        return line if len(line) <= TEXT_MAX else f"{line[: TEXT_MAX - 3]}..."


def at_least(level: Level, least: Level) -> bool:
    """Is `level` as serious as `least`?"""
    return LEVELS.index(level) >= LEVELS.index(least)
