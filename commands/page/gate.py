"""Who may ask the page for anything.

A browser on this machine opens any web page; such a page can send requests to 127.0.0.1, and by DNS rebinding
read the answers under a name of its own. So every request must name us in `Host`, every connection and every
action must come from a page that we have served (`Origin`), and nothing about the run is told or done without
the token, which is in no address that a server sees, in no log and in no other page.
"""

import hmac
from collections.abc import Mapping, Sequence

import msgspec

TOKEN_LEAST = 32
"""Characters. `secrets.token_urlsafe(32)` has 43."""


class PageGate(msgspec.Struct, frozen=True):
    """The address that is ours, and the token."""

    hosts: tuple[str, ...]
    """What `Host` may say: `127.0.0.1:8080`."""
    token: str
    secure: bool = False
    """Is it reached over TLS, ours or a proxy's?"""

    @classmethod
    def of(
        cls, host: str, port: int, token: str, *, names: Sequence[str] = (), secure: bool = False
    ) -> "PageGate":
        """A page that listens on `host` and `port`; `names`: by which others reach it, `trade.example:443`.
        Raises `ValueError` for a token that could be guessed.
        """
        if len(token) < TOKEN_LEAST:
            raise ValueError(f"a token has at least {TOKEN_LEAST} characters")
        own = ("127.0.0.1", "localhost") if host == "127.0.0.1" else (host,)
        bracketed = (f"[{each}]" if ":" in each else each for each in own)
        usual = {80: "", 443: ""} if port in {80, 443} else {}
        hosts = [f"{each}{usual.get(port, f':{port}')}" for each in bracketed]
        return cls((*hosts, *(name.lower() for name in names)), token, secure)

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Does the request name us? Else it is for somebody else, or was led here."""
        return headers.get("host", "").lower() in self.hosts

    def from_us(self, headers: Mapping[str, str]) -> bool:
        """Does it come from a page that we have served? A browser says so; what says nothing is refused."""
        scheme = "https" if self.secure else "http"
        return (
            self.knows(headers)
            and headers.get("origin", "").lower() == f"{scheme}://{headers['host'].lower()}"
        )

    def opens(self, token: object) -> bool:
        """Is it the token? Compared in constant time."""
        return isinstance(token, str) and hmac.compare_digest(token.encode(), self.token.encode())

    def bearer(self, headers: Mapping[str, str]) -> bool:
        """Is the token in `Authorization: Bearer`?"""
        kind, _, token = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self.opens(token)
