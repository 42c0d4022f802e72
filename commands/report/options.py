"""What a command line of `report` asks for, decided."""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from commands.access.staged import named_market
from commands.config import effective
from commands.config.options import SEED, typed_value
from commands.config.units_text import BadText, Duration
from commands.output.words import ConfigError
from commands.report.account import NOTHING_MADE
from messages.units import Bps, Ms
from runtime.clock import WallClock
from venue.simulated.markets.recording import RecordingMarket

PAGE = "report.html"
FOLDERS_MOST = 64
"""More columns nobody reads."""


class ReportOptions(msgspec.Struct, frozen=True):
    """What `report` was told: which folders, since when, and against which promise."""

    folders: tuple[str, ...]
    since_ns: int
    """0: from the beginning."""
    limit: Bps
    """The promise: `max_imbalance` of the configuration."""
    page: Path | None
    csv: Path | None
    parquet: Path | None
    json: bool
    market: RecordingMarket | None
    """The recording that mids after fills are read from."""


def options_of(typed: argparse.Namespace) -> ReportOptions:
    """Raises `ConfigError` naming the option and its cure."""
    config = Path(typed.config) if typed.config is not None else None
    settings = effective.load(config, os.environ, {}, {}).settings
    folders = tuple(dict.fromkeys(typed.folders or [settings.files.logs]))
    if len(folders) > FOLDERS_MOST:
        raise ConfigError(
            "OUT_OF_RANGE",
            "--logs",
            f"--logs: {len(folders)} folders are more than {FOLDERS_MOST}",
            "make a report of some of them",
            NOTHING_MADE,
        )
    named = typed.out or PAGE
    base = Path(named.removesuffix(".html"))
    others = typed.json or typed.csv or typed.parquet
    return ReportOptions(
        folders,
        since_of(typed.since, WallClock().utc_ns()) if typed.since is not None else 0,
        settings.max_imbalance,
        Path(named) if typed.out is not None or not others else None,
        base.with_name(f"{base.name}.csv") if typed.csv else None,
        base.with_name(f"{base.name}.parquet") if typed.parquet else None,
        typed.json,
        _recording(typed.market) if typed.market is not None else None,
    )


def _recording(spec: str) -> RecordingMarket:
    """Raises `ConfigError` for what is no recording."""
    market = named_market(spec, SEED)
    if isinstance(market, RecordingMarket):
        return market
    raise ConfigError(
        "BAD_VALUE",
        "--market",
        f"--market: {spec} is no recording of what a ledger's time was like",
        "name the recording that was replayed, or that record made meanwhile",
        NOTHING_MADE,
    )


def since_of(text: str, now_ns: int) -> int:
    """The moment that was typed at `--since`, ns since the Unix epoch: a date or a date and time, UTC unless
    it names its own offset, or how long before `now_ns`. Raises `ConfigError`.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        pass
    else:
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        whole = moment.replace(microsecond=0)
        return int(whole.timestamp()) * 1_000_000_000 + moment.microsecond * 1_000
    try:
        Duration.parts(text)
    except BadText:
        raise ConfigError(
            "BAD_VALUE",
            "--since",
            f'--since: "{text}" is neither a moment nor a duration',
            "type --since 2026-11-29, --since 2026-11-29T18:00Z or --since '24 h'",
            NOTHING_MADE,
        ) from None
    before: Ms = typed_value("--since", text, Duration, Ms(3_600_000), NOTHING_MADE)
    if before <= 0:
        message, cure = f'--since: "{text}" is not above 0', "type --since '24 h'"
        raise ConfigError("OUT_OF_RANGE", "--since", message, cure, NOTHING_MADE)
    return max(1, now_ns - before * 1_000_000)
