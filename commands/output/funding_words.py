"""Funding rates of now and what the pair comes to by them: one text for the screen, `status` and `plan`, and
the same as figures for their objects.
"""

import msgspec

from actors.risk.funding import PairFunding
from commands.output.words import clock_time, iso_micros
from messages.amounts import fixed, usd
from messages.units import Bps, Ms, Ns, Quote, Rate, text_of

UNKNOWN = "unknown"


class FundingFigures(msgspec.Struct, frozen=True):
    """What the object of `--json` has. Decimal strings are exact; null is unknown, never 0."""

    eth_rate: str | None = None
    sol_rate: str | None = None
    """Per 24 hours, of the index price; > 0: longs pay."""
    eth_age_ms: int | None = None
    sol_age_ms: int | None = None
    per_hour_usd: str | None = None
    """What the open pair receives at the next funding time, < 0 = pays; null where nothing is open, too."""
    next_at: str | None = None
    words: str = UNKNOWN
    """The same for a person."""


def funding_figures(known: PairFunding) -> FundingFigures:
    """What is known, for a program and in words."""
    return FundingFigures(
        text_of(known.eth),
        text_of(known.sol),
        known.eth_age_ms,
        known.sol_age_ms,
        text_of(known.per_hour),
        iso_micros(Ns(known.next_ms * 1_000_000)),
        funding_words(known),
    )


def funding_words(known: PairFunding) -> str:
    """`ETH +1.20 SOL -0.40 bps/day, pair earns 0.07 USD/h, next 14:00Z`; without a pair only the rates."""
    rates = rates_words(known)
    if not known.holds:
        return rates
    return f"{rates}, {pair_words(known.per_hour)}, next {clock_time(known.next_ms)[:5]}Z"


def rates_words(known: PairFunding) -> str:
    """Both rates; > 0: longs pay. One that is too old is unknown, and how old it is is said."""
    eth, sol = _rate(known.eth, known.eth_age_ms), _rate(known.sol, known.sol_age_ms)
    return f"ETH {eth} SOL {sol}" + (" bps/day" if known.eth is not None or known.sol is not None else "")


def pair_words(per_hour: Quote | None) -> str:
    """What a pair receives or pays at a funding time."""
    if per_hour is None:
        return f"pair {UNKNOWN}"
    return f"pair {'pays' if per_hour < 0 else 'earns'} {usd(Quote(abs(per_hour)))} USD/h"


def _rate(rate: Rate | None, age_ms: Ms | None) -> str:
    if rate is not None:
        shown = fixed(Bps(rate * 10_000), 2)
        return shown if rate < 0 or shown == "0.00" else f"+{shown}"
    return UNKNOWN if age_ms is None else f"old ({age_ms // 60_000} min)"
