"""What a command line asks of a replay, decided."""

import argparse
from pathlib import Path

import msgspec

from actors.risk.goals import goals_set
from commands.access.prices import documented_rules, first_books
from commands.access.staged import bad_market, named_market, staged_faults
from commands.checks.exit_costs import must_clear_costs
from commands.config.effective import Loaded
from commands.config.options import (
    RunOptions,
    faults_of,
    market_of,
    not_past,
    seed_of,
    typed_value,
    usd_of,
)
from commands.config.units_text import Duration
from commands.output.words import COMMAND, ConfigError
from messages.settings import Settings
from messages.units import Ms, Quote
from venue.simulated.direct.client import objection
from venue.simulated.faults.order_faults import Faults
from venue.simulated.markets import PriceSource
from venue.simulated.markets.bars import COLUMNS, BarsMarket
from venue.simulated.markets.recording import RecordingMarket, UnreadableRecording

START_NS = 1_767_225_600_000_000_000
"""2026-01-01 00:00 UTC: when a market begins that has no time of its own."""
LATENCY = "1 ms"
"""One way between us and the exchange, unless `--latency` says otherwise: what a `run` has to a `simulate` on
the same machine.
"""
LATENCY_MS_MAX = 1_000
SLACK, BARS_SLACK = 2, 40
"""See `World.slack`: in peace the supervisor looks every quarter of a second; over bars every five seconds,
as often as their books move.
"""


def defaults_of(typed: argparse.Namespace) -> dict[str, str]:
    """What a replay does otherwise than a run, where nobody has written it: it ends with its recording, and a
    book made of bars, which moves every five seconds, is not too old for that.
    """
    return {"cycles": "forever"} | ({"max_quote_age": "15 s"} if typed.bars else {})


class ReplayOptions(msgspec.Struct, frozen=True):
    """What `replay` was told: whose market, through which faults, and how far away the exchange is."""

    run: RunOptions
    market: PriceSource
    faults: Faults
    latency: Ms
    deposit: Quote
    ends: bool
    """Is the replay over when its market is?"""
    slack: int
    """See `World.slack`."""
    logs: Path | None
    """Where ledger and CSV files stay; None: nothing stays."""


def options_of(typed: argparse.Namespace, loaded: Loaded) -> ReplayOptions:
    """What was typed, as far as it can be done. Raises `ConfigError`."""
    settings, seed = loaded.settings, seed_of(typed.seed)
    if typed.url is not None:
        raise _no_such("--url", "a replay has an exchange of its own, in its own process")
    if settings.venue.name != "simulated":
        raise _no_such("venue.name", f"a replay trades at a simulated exchange, not on {settings.venue.name}")
    faults = staged_faults(faults_of(typed.faults or "none"))
    if why := objection(faults):
        cure = f"{COMMAND} run --market {typed.market} --faults {typed.faults} stages it over real sockets"
        raise ConfigError("BAD_VALUE", "--faults", f"--faults {typed.faults}: {why}", cure)
    market, source = _market(typed, seed)
    ends = isinstance(source, RecordingMarket | BarsMarket)
    if not ends and not goals_set(settings):
        message = f"--market {market}: this market never ends, and neither would the replay"
        raise ConfigError("ENDLESS", "--market", message, "add --cycles N, or name a recording")
    if settings.until_utc is not None:
        not_past(settings, _began_ms(source))
    if settings.take_profit is not None or settings.stop_loss is not None:
        _clears_costs(settings, source)
    logs = Path(settings.files.logs) if "files.logs" in typed.overrides else None
    if logs is not None and (logs / "ledger.sqlite").exists():
        message = f"--logs: {logs} holds a ledger already, and a replay begins its own"
        raise ConfigError("BAD_VALUE", "--logs", message, "name a folder that is new")
    return ReplayOptions(
        RunOptions(
            settings=settings,
            origins=loaded.origins,
            seed=seed,
            market=market,
            faults=typed.faults or "none",
            url=None,
            json=typed.json,
            quiet=typed.quiet,
            demo=False,
        ),
        source,
        faults,
        _latency(typed.latency),
        usd_of("--deposit", typed.deposit),
        ends,
        BARS_SLACK if typed.bars else SLACK,
        logs,
    )


def _began_ms(source: PriceSource) -> int:
    try:
        began_ns: int = getattr(source, "began_ns", START_NS)
    except UnreadableRecording as error:
        raise bad_replayed(source, error) from error
    return began_ns // 1_000_000


def _clears_costs(settings: Settings, source: PriceSource) -> None:
    """Raises `ConfigError` for a rule of the exits that would fire at once at the market's first books."""
    try:
        quote = first_books(source.moves())
    except UnreadableRecording as error:
        raise bad_replayed(source, error) from error
    must_clear_costs(settings, documented_rules(quote).terms(), quote)


def _market(typed: argparse.Namespace, seed: int) -> tuple[str, PriceSource]:
    """What the object calls the market, and the market. Raises `ConfigError`."""
    if typed.bars is None:
        market = market_of(typed.market)
        return market, named_market(market, seed)
    if typed.market != "synthetic":
        message = "--bars: a replay has one market, and --market names another"
        raise ConfigError("BAD_OPTION", "--bars", message, "leave one of the two out")
    try:
        return typed.bars, BarsMarket(typed.bars, seed)
    except UnreadableRecording as error:
        raise _bad_bars(error) from error


def bad_replayed(market: PriceSource, error: Exception) -> ConfigError:
    """What to say of a market that cannot be read."""
    return _bad_bars(error) if isinstance(market, BarsMarket) else bad_market(error)


def _bad_bars(error: Exception) -> ConfigError:
    columns = ", ".join(COLUMNS)
    return ConfigError("BAD_VALUE", "--bars", f"--bars: {error}", f"name a CSV file with {columns}")


def _latency(text: str) -> Ms:
    latency: Ms = typed_value("--latency", text, Duration, Ms(1))
    if not 0 <= latency <= LATENCY_MS_MAX:
        message = f"--latency: {text} is not between 0 and {LATENCY_MS_MAX} ms, one way"
        raise ConfigError("BAD_VALUE", "--latency", message, f"type --latency '{LATENCY}'")
    return latency


def _no_such(key: str, why: str) -> ConfigError:
    return ConfigError("BAD_OPTION", key, f"{key}: {why}", "leave it out")
