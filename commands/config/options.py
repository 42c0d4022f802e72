"""What a command line asks for, decided: the input of `commands.run.command.main`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from commands.config.units_text import BadText, Text, Usd
from commands.output.words import COMMAND, ConfigError, did_you_mean
from messages.settings import Settings, utc_text
from messages.units import ONE, Quote
from venue.nado.networks import NETWORKS

SEED = 7
"""Everybody's first run is the same run."""
DEPOSIT = "10000 USD"
"""The balance of a simulated account at its start."""
FAULTS = ("demo", "crashes", "none")
"""Sets of faults that have a name; anything else is a file."""


class Paper(msgspec.Struct, frozen=True):
    """A paper account: whose market it trades, and what it begins with."""

    name: str
    """`mainnet`, `testnet`, or `simulated` for the `simulate` at a typed URL."""
    gateway: str
    """The exchange's base URL without `/v1`."""
    deposit: Quote


class RunOptions(msgspec.Struct, frozen=True):
    """One run: its settings with the origin of each, and what stands beside the configuration."""

    settings: Settings
    origins: Mapping[str, str]
    seed: int
    market: str
    """`synthetic`, `flat:ETH/SOL` or the path prefix of a recording."""
    faults: str
    """`demo`, `crashes`, `none` or the path of a file."""
    url: str | None
    """Base URL of a running `simulate`; None = start one."""
    json: bool
    quiet: bool
    demo: bool
    """Typed without a command: faults are staged."""
    accept_loss: Quote | None = None
    """What somebody says that the run may lose at worst; mainnet asks for it."""
    adopt: bool = False
    """Book what the venue holds beyond our fills as ours, first."""
    paper: Paper | None = None
    """Trade on paper: then the settings are those of a simulated run, whose market is an exchange's."""
    events: bool = False
    """Every event as a line of standard output; the one object follows as the last."""


def seed_of(text: str) -> int:
    """The seed of a simulated market, 1 to 18 digits. Raises `ConfigError`."""
    if not re.fullmatch(r"\d{1,18}", text):
        raise ConfigError(
            "WRONG_TYPE",
            "--seed",
            f'--seed: "{text}" is not a whole number',
            "--seed takes a whole number of 1 to 18 digits",
        )
    return int(text)


def market_of(text: str) -> str:
    """A market that can be made or replayed. Raises `ConfigError`."""
    if text == "synthetic":
        return text
    if text.startswith("flat:"):
        if not re.fullmatch(r"flat:\d+(\.\d+)?/\d+(\.\d+)?", text):
            raise ConfigError(
                "BAD_VALUE",
                "--market",
                f'--market: "{text}" is not flat:ETH/SOL',
                "type --market flat:2756.9/115.86",
            )
        return text
    recording = _recording(Path(text)) if text else None
    if recording is not None:
        return recording
    cure = did_you_mean(
        text,
        ("synthetic", "flat:2756.9/115.86"),
        "type --market synthetic, --market flat:2756.9/115.86 or a recording's prefix",
    )
    raise ConfigError("BAD_VALUE", "--market", f'--market: no recording begins with "{text}"', cure)


def _recording(named: Path) -> str | None:
    """The prefix of the recording that is named by its prefix, its folder (with one recording in it) or
    one of its files; None when there is none.
    """
    if named.is_dir():
        inside = {prefix for file in named.iterdir() if (prefix := _prefix(file))}
        return inside.pop() if len(inside) == 1 else None
    if named.is_file():
        return _prefix(named)
    there = named.parent.is_dir() and any(
        file.name.startswith(f"{named.name}_") for file in named.parent.iterdir()
    )
    return str(named) if named.name and there else None


def _prefix(file: Path) -> str | None:
    found = re.fullmatch(r"(.+)_(?:quotes|l2_20|trades)\.csv\.gz", file.name)
    return str(file.with_name(found[1])) if found else None


def faults_of(text: str) -> str:
    """Staged faults: a word or a file. Raises `ConfigError`."""
    if text in FAULTS or Path(text).is_file():
        return text
    raise ConfigError(
        "BAD_VALUE",
        "--faults",
        f'--faults: there is no file "{text}"',
        did_you_mean(text, FAULTS, "type --faults none"),
    )


def url_of(text: str | None) -> str | None:
    """A simulated venue on this machine. Raises `ConfigError`, also for any other machine: a key is never
    used at an address that was typed.
    """
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        host = parts.hostname if parts.scheme in {"http", "https"} and parts.port is not None else None
    except ValueError:  # what follows the colon is no port
        host = None
    if host is None:
        raise ConfigError(
            "BAD_VALUE",
            "--url",
            f'--url: "{text}" is not a base URL',
            "type --url http://127.0.0.1:PORT, as simulate prints it",
        )
    if host not in {"127.0.0.1", "localhost", "::1"}:
        cure = "type --venue testnet or --venue mainnet for the exchange's own addresses"
        raise ConfigError(
            "NOT_LOOPBACK", "--url", f"--url: {host} is not this machine; it is for a simulated venue", cure
        )
    return text.rstrip("/")


def typed_value(
    flag: str, text: str, kind: type[Text], like: object, meaning: str = "nothing was started"
) -> Any:
    """The value that was typed at `flag`, as `kind` reads it. Raises `ConfigError` naming the flag, with the
    user's own number in a unit that it takes, the one of `like` where none was typed.
    """
    try:
        return kind.read(text)
    except BadText as bad:
        meant = kind.suggest(text, like)
        cure = f"type {flag} '{meant}'" if meant is not None else f"{flag} takes {kind.form()}"
        raise ConfigError(bad.code, flag, f"{flag}: {bad.saying}", cure, meaning) from None


def usd_of(flag: str, text: str) -> Quote:
    """The USD x18 that were typed at `flag`. Raises `ConfigError` naming the flag."""
    amount: Quote = typed_value(flag, text, Usd, Quote(ONE))
    return amount


def not_past(settings: Settings, now_ms: int) -> None:
    """Raises `ConfigError` where `until_utc` has come already, at `now_ms` milliseconds since 1970: nothing
    could be entered.
    """
    until = settings.until_utc
    if until is not None and until <= now_ms:
        message = f"until_utc: {utc_text(until)} UTC is past, it is {utc_text(now_ms)} UTC"
        cure = 'write a later time, or until_utc = "never"'
        raise ConfigError("PAST", "until_utc", message, cure)


def not_staged(venue: str, faults: str, *, demo: bool) -> None:
    """Raises `ConfigError` where faults would be staged with real money: the demo and `--faults` are for
    the simulated venue.
    """
    if venue == "simulated":
        return
    if demo:
        message = f"venue.name: the demo is always simulated, and {venue} is configured"
        raise ConfigError(
            "DEMO_IS_SIMULATED",
            "venue.name",
            message,
            f"type {COMMAND} run to trade there, or --venue simulated",
        )
    if faults != "none":
        message = f"--faults: faults are staged at a simulated venue only, not on {venue}"
        raise ConfigError("LIVE_FAULTS", "--faults", message, "leave --faults out")


def on_paper(options: RunOptions, deposit: str | None) -> RunOptions:
    """The same run on paper: its market is that of the exchange that was typed, its venue is simulated, in
    its own process. Raises `ConfigError` where no exchange was named, and for what no paper account has.
    """
    venue = options.settings.venue
    name, none = venue.name, "leave it out"
    if name == "simulated" and options.url is None:
        cure = "type --venue mainnet, --venue testnet, or --url http://127.0.0.1:PORT as simulate prints it"
        raise ConfigError("WHICH_VENUE", "--venue", "--paper: whose market?", cure)
    if options.market != "synthetic":
        raise ConfigError("BAD_OPTION", "--market", "--market: a paper run has the exchange's market", none)
    if options.faults != "none":
        raise ConfigError("BAD_OPTION", "--faults", "--faults: nothing is staged on paper", none)
    for flag, typed in (("--adopt", options.adopt), ("--accept-loss", options.accept_loss is not None)):
        if typed:
            raise ConfigError("BAD_OPTION", flag, f"{flag}: is for an account of real money", none)
    gateway = options.url or NETWORKS[name].gateway
    settings = msgspec.structs.replace(
        options.settings, venue=msgspec.structs.replace(venue, name="simulated")
    )
    paper = Paper(name, gateway, usd_of("--deposit", DEPOSIT if deposit is None else deposit))
    return msgspec.structs.replace(options, settings=settings, url=None, paper=paper)


def pair_of(text: str) -> Sequence[str]:
    """Key and value of one `--set`. Raises `ConfigError`; what was typed is not repeated, it may be a
    secret.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            "BAD_VALUE",
            "--set",
            "--set: needs a key and a value",
            "type --set KEY=VALUE, for example --set hold='1 min'",
        )
    return key.strip(), value.strip()
