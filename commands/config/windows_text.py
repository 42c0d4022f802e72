"""How windows of time are written by people: `Mon 13:50-14:20` of every week, `08:00-16:30` of every day. All
are UTC.
"""

import re
from typing import Any

from commands.config.units_text import BadText, Text
from messages.settings import WEEKDAYS, DailyWindow, WeeklyWindow


class WeeklyWindows(Text):
    """Weekly windows of time, UTC, each within one day: `Mon 13:50-14:20`."""

    name = 'a list like ["Mon 13:50-14:20"], UTC'
    _pattern = re.compile(r"(\w{3})\w*\s+(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")

    @classmethod
    def read(cls, written: object) -> Any:
        """The windows, in the order written. Raises `BadText` for any that is none."""
        if not isinstance(written, list):
            raise BadText("WRONG_TYPE", f'"{written}" is not {cls.name}')
        windows = []
        for item in written:
            match = cls._pattern.fullmatch(item.strip()) if isinstance(item, str) else None
            if match is None or match[1].title() not in WEEKDAYS:
                raise BadText("BAD_CHOICE", f'"{item}" is not a window like "Mon 13:50-14:20"')
            hour, minute, end_hour, end_minute = (int(part) for part in match.groups()[1:])
            start, end = hour * 60 + minute, end_hour * 60 + end_minute
            if max(minute, end_minute) > 59 or not start < end <= 1440:
                raise BadText("OUT_OF_RANGE", f'"{item}" does not end after it begins, on the same day')
            windows.append(WeeklyWindow(WEEKDAYS.index(match[1].title()), start, end))
        return tuple(windows)

    @classmethod
    def write(cls, value: Any) -> object:
        """A list of texts like `Mon 13:50-14:20`, in the same order."""
        return [window.text() for window in value]


class DailyWindows(Text):
    """Hours of every day, UTC: `08:00-16:30`; `22-4` goes on after midnight."""

    name = 'a list like ["08:00-16:30"], UTC'
    _pattern = re.compile(r"(\d{1,2})(?::(\d{2}))?\s*-\s*(\d{1,2})(?::(\d{2}))?")

    @classmethod
    def read(cls, written: object) -> Any:
        """The windows, in the order written, from a list or from one text. Raises `BadText` for any that is
        none.
        """
        windows = []
        for item in written if isinstance(written, list) else [written]:
            match = cls._pattern.fullmatch(item.strip()) if isinstance(item, str) else None
            if match is None:
                raise BadText("BAD_CHOICE", f'"{item}" is not a window like "08:00-16:30"')
            hour, minute, end_hour, end_minute = (int(part or 0) for part in match.groups())
            start, end = hour * 60 + minute, end_hour * 60 + end_minute
            if max(minute, end_minute) > 59 or max(start + 1, end) > 1440 or start == end:
                raise BadText("OUT_OF_RANGE", f'"{item}" is no part of a day')
            windows.append(DailyWindow(start, end))
        return tuple(windows)

    @classmethod
    def write(cls, value: Any) -> object:
        """A list of texts like `08:00-16:30`, in the same order."""
        return [window.text() for window in value]
