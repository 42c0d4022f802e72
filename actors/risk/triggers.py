"""What a person waits for before anything is entered: `enter_when`. No cycle is skipped for it, whatever else
would have given an attempt up.

    enter_when.hours_utc     only at these hours of the day              ENTER_WHEN_HOURS
    enter_when.max_spread    only while both spreads are within it       ENTER_WHEN_SPREAD

Pure comparisons; each limit still passes when it is met exactly. A new one is a rule here, a key of
`EnterWhen` and a `Condition` of the stage `TRIGGERS` (`may_enter.py`).
"""

import msgspec

from actors.risk.gates import wide_spread
from messages.lifecycle import Denial
from messages.market import PairQuote
from messages.settings import Settings, clock_text

DAY_MIN = 1_440


class EntryMoment(msgspec.Struct, frozen=True):
    """What a trigger looks at, at venue time `now_ms`."""

    settings: Settings
    quote: PairQuote
    now_ms: int


def hours_denial(moment: EntryMoment) -> Denial | None:
    """Is it one of the hours of `enter_when.hours_utc`?"""
    windows, minute = moment.settings.enter_when.hours_utc, moment.now_ms // 60_000 % DAY_MIN
    if not windows or any(window.contains(minute) for window in windows):
        return None
    # the next one that begins, which may be tomorrow's
    opens = min((window.start_min for window in windows), key=lambda start: (start - minute) % DAY_MIN)
    written = ", ".join(window.text() for window in windows)
    detail = f"entered only in {written} UTC (enter_when.hours_utc); an open pair stays hedged and may exit"
    return Denial("ENTER_WHEN_HOURS", detail, f"until {clock_text(opens)} UTC")


def spread_denial(moment: EntryMoment) -> Denial | None:
    """Are both spreads within `enter_when.max_spread`? Where both are wider, ETH's is named."""
    limit = moment.settings.enter_when.max_spread
    if limit is None:
        return None
    legs = (("ETH-PERP", moment.quote.eth), ("SOL-PERP", moment.quote.sol))
    found = (wide_spread(name, leg, limit, "ENTER_WHEN_SPREAD") for name, leg in legs)
    return next((denial for denial in found if denial), None)
