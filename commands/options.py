"""What a command line asks for, decided: the input of `commands.run.main`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from commands.words import ConfigError, Refusal, did_you_mean
from messages.settings import Settings

SEED = 7
"""Everybody's first run is the same run."""


class RunOptions(msgspec.Struct, frozen=True):
    """One run: its settings with the origin of each, and what stands beside the configuration."""

    settings: Settings
    origins: Mapping[str, str]
    seed: int
    market: str
    """`synthetic`, `flat:ETH/SOL` or the path prefix of a recording."""
    faults: str
    """`demo`, `none` or the path of a file."""
    url: str | None
    """Base URL of a running `simulate`; None = start one."""
    json: bool
    quiet: bool
    demo: bool
    """Typed without a command: accidents are staged."""


def seed_of(text: str) -> int:
    """A seed. Raises `ConfigError`."""
    if not re.fullmatch(r"\d{1,18}", text):
        raise ConfigError("WRONG_TYPE", "--seed", f'--seed: "{text}" is not a whole number', f"type --seed {SEED}")
    return int(text)


def market_of(text: str) -> str:
    """A market that can be made or replayed. Raises `ConfigError`."""
    if text == "synthetic":
        return text
    if text.startswith("flat:"):
        if not re.fullmatch(r"flat:\d+(\.\d+)?/\d+(\.\d+)?", text):
            raise ConfigError("BAD_VALUE", "--market", f'--market: "{text}" is not flat:ETH/SOL', "type --market flat:2756.9/115.86")
        return text
    prefix = Path(text)
    if text and prefix.name and prefix.parent.is_dir() and any(file.name.startswith(prefix.name) for file in prefix.parent.iterdir()):
        return text
    cure = did_you_mean(text, ("synthetic", "flat:2756.9/115.86"), "type --market synthetic, --market flat:2756.9/115.86 or a recording's prefix")
    raise ConfigError("BAD_VALUE", "--market", f'--market: no recording begins with "{text}"', cure)


def faults_of(text: str) -> str:
    """Staged accidents: a word or a file. Raises `ConfigError`."""
    if text in {"demo", "none"} or Path(text).is_file():
        return text
    raise ConfigError("BAD_VALUE", "--faults", f'--faults: there is no file "{text}"', did_you_mean(text, ("demo", "none"), "type --faults none"))


def url_of(text: str | None) -> str | None:
    """A simulated venue on this machine. Raises `ConfigError`, and `Refusal` for any other machine: that would be live trading."""
    if text is None:
        return None
    host = _host(text)
    if host is None:
        raise ConfigError("BAD_VALUE", "--url", f'--url: "{text}" is not a base URL', "type --url http://127.0.0.1:PORT, as simulate prints it")
    if host not in {"127.0.0.1", "localhost", "::1"}:
        raise live_later("--url", f"--url: {host} is not this machine")
    return text.rstrip("/")


def _host(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        known = parts.scheme in {"http", "https"} and parts.port is not None
    except ValueError:
        return None
    return parts.hostname if known else None


def live_later(key: str, message: str) -> Refusal:
    """The refusal of everything that is not play money."""
    return Refusal("LIVE_LATER", key, message, "live trading comes with a later release: type --venue simulated", "no order was sent")


def pair_of(text: str) -> Sequence[str]:
    """Key and value of one `--set`. Raises `ConfigError`; what was typed is not repeated, it may be a secret."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError("BAD_VALUE", "--set", "--set: needs a key and a value", "type --set KEY=VALUE, for example --set hold='1 min'")
    return key.strip(), value.strip()
