"""Tokens and addresses of alerts: read once, from where the configuration says they are (`env:NAME` or
`file:PATH`, 0600), by the rule of the signing key. An address is a secret too: whoever knows a webhook's can
write there. No message repeats one.
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from commands.access.private_text import private_text
from commands.output.words import ConfigError

SECRET_MAX = 4_096
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def secret_of(key: str, place: str, environment: Mapping[str, str]) -> str:
    """The secret of the configuration's `key`; "" where it is off. Raises `ConfigError`."""
    if place == "off":
        return ""
    kind, _, where = place.partition(":")
    if kind == "env":
        named, text = f"the environment variable {where}", environment.get(where, "")
    else:
        path = Path(where).expanduser()
        named, text = str(path), private_text(path, key)
    secret = text.strip()
    if not secret or len(secret) > SECRET_MAX or not secret.isascii() or len(secret.split()) != 1:
        what = "is not set" if not secret else "holds more than one word, or none that can be sent"
        cure = f'write {key} = "env:NAME" or "file:PATH", or "off"'
        raise ConfigError("NO_SECRET", key, f"{key}: {named} {what}", cure)
    return secret


def address_of(key: str, place: str, environment: Mapping[str, str]) -> str:
    """The same of a URL: https, or http on this machine. Raises `ConfigError`."""
    return checked_address(key, secret_of(key, place, environment))


def checked_address(key: str, url: str) -> str:
    """`url`, where it can be sent to without anybody reading along; "" stays. Raises `ConfigError`."""
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        host, scheme = parts.hostname or "", parts.scheme
        parts.port  # noqa: B018 - raises for one that is no number
    except ValueError:
        host = scheme = ""
    if host and (scheme == "https" or (scheme == "http" and host in LOOPBACK)):
        return url
    message = f"{key}: what it holds is no address that begins with https://"
    cure = "write the whole address; http:// is taken for this machine alone"
    raise ConfigError("BAD_VALUE", key, message, cure)
