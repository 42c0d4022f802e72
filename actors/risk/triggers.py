"""What a person waits for before anything is entered: `enter_when`. No cycle is skipped for it, whatever else
would have given an attempt up.

    enter_when.hours_utc     only at these hours of the day              ENTER_WHEN_HOURS
    enter_when.max_spread    only while both spreads are within it       ENTER_WHEN_SPREAD
    enter_when.funding_over  only on a side that receives more than it   ENTER_WHEN_FUNDING

Pure comparisons; each limit still passes when it is met exactly, but for `funding_over`. A new one is a rule
here, a key of `EnterWhen` and a `Condition` of the stage `TRIGGERS` (`may_enter.py`).
"""

import msgspec

from actors.risk.funding import daily_bps, side_name, unknown_rate
from actors.risk.gates import wide_spread
from messages.amounts import fixed
from messages.lifecycle import Denial
from messages.market import PairQuote
from messages.settings import Settings, clock_text

DAY_MIN = 1_440


class EntryMoment(msgspec.Struct, frozen=True):
    """What a trigger looks at, at venue time `now_ms`."""

    settings: Settings
    quote: PairQuote
    now_ms: int
    sign: int = 1
    """Of the side that would be entered: +1 is long ETH and short SOL."""


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


def funding_denial(moment: EntryMoment) -> Denial | None:
    """Would the pair receive more than `enter_when.funding_over` in 24 hours? While a rate is unknown nobody
    can say so, and the entry waits.
    """
    limit = moment.settings.enter_when.funding_over
    if limit is None:
        return None
    unknown = unknown_rate(moment.quote, moment.now_ms)
    if unknown:
        return Denial("ENTER_WHEN_FUNDING", unknown, "unknown")
    receives = daily_bps(moment.quote, moment.sign, moment.settings.hedge_ratio, moment.now_ms)
    if receives > limit:
        return None
    side = side_name(moment.sign)
    found, wanted = fixed(receives, 2), fixed(limit, 2)
    detail = f"{side} receives {receives.text()} bps of funding a day, limit {limit.text()} bps"
    return Denial("ENTER_WHEN_FUNDING", detail, f"{side} {found} <= {wanted} bps/day")
