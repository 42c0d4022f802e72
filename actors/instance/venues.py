"""Which venue answers at a URL, as it was last told: `localhost`, `127.0.0.1`, a trailing slash and
another case are one venue, not four.
"""

from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from runtime.files import private_folder, replace_file

FILE = "venues"
"""No `.json` at its end: those are state files."""
KEPT = 256
"""URLs that are remembered; a simulated venue has a new port each time."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104 - compared with, not bound to
PORTS = {"http": 80, "https": 443}


def canonical(url: str) -> str:
    """The same text for every spelling of one address: scheme and host in lower case, loopback by one
    name, the port written out, no last slash.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        return url
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower().rstrip(".")
    if host in LOOPBACK or host.startswith("127."):
        host = "loopback"
    return f"{scheme}://{host}:{port or PORTS.get(scheme, 0)}{parts.path.rstrip('/')}"


def known_venue(directory: Path, url: str) -> str:
    """What the venue at `url` (canonical) said it was; "" when nobody has asked. Never raises."""
    return _read(directory).get(url, "")


def remember_venue(directory: Path, url: str, venue: str) -> None:
    """Keep what the venue at `url` said it is. Raises `OSError`."""
    known = _read(directory)
    if known.get(url) == venue:
        return
    known.pop(url, None)
    private_folder(directory)
    newest = dict([*known.items(), (url, venue)][-KEPT:])
    replace_file(directory / FILE, msgspec.json.encode(newest))


def _read(directory: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode((directory / FILE).read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError, UnicodeError):
        return {}
