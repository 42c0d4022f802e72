"""Who may ask the page for anything.

A browser on this machine opens any web page; such a page can send requests to 127.0.0.1, and by DNS rebinding
read the answers under a name of its own. So every request must name us in `Host`, every connection and every
action must come from a page that we have served (`Origin`), and nothing about the run is told or done without
the token, which is in no address that a server sees, in no log and in no other page.
"""

import hmac
from collections.abc import Mapping

import msgspec

TOKEN_LEAST = 32
"""Characters. `secrets.token_urlsafe(32)` has 43."""


LOOPBACK = ("127.0.0.1", "localhost")
USUAL = {"http": ":80", "https": ":443"}


class PageGate(msgspec.Struct, frozen=True):
    """The addresses that are ours, and the token."""

    origins: tuple[str, ...]
    """`http://127.0.0.1:8080`: what `Origin` may say, and behind the slashes what `Host` may."""
    token: str

    @classmethod
    def of(cls, host: str, port: int, token: str, *, name: str = "", encrypted: bool = False) -> "PageGate":
        """A page that listens on `host` and `port`; `encrypted`: with TLS of its own. `name`: by which it is
        reached over TLS, its own or a proxy's. Raises `ValueError` for a token that could be guessed.
        """
        if len(token) < TOKEN_LEAST:
            raise ValueError(f"a token has at least {TOKEN_LEAST} characters")
        own = f"[{host}]" if ":" in host else host
        plain = LOOPBACK if own == LOOPBACK[0] else (own,)
        found = () if encrypted else tuple(_origin("http", f"{each}:{port}") for each in plain)
        return cls((*found, *([_origin("https", name)] if name else [])), token)

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Does the request name us? Else it is for somebody else, or was led here."""
        host = headers.get("host", "").lower()
        return any(origin.partition("//")[2] == host for origin in self.origins)

    def from_us(self, headers: Mapping[str, str]) -> bool:
        """Does it come from a page that we have served? A browser says so; what says nothing is refused."""
        origin = headers.get("origin", "").lower()
        return origin in self.origins and origin.partition("//")[2] == headers.get("host", "").lower()

    def opens(self, token: object) -> bool:
        """Is it the token? Compared in constant time."""
        return isinstance(token, str) and hmac.compare_digest(token.encode(), self.token.encode())

    def bearer(self, headers: Mapping[str, str]) -> bool:
        """Is the token in `Authorization: Bearer`?"""
        kind, _, token = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self.opens(token)


def _origin(scheme: str, address: str) -> str:
    """As a browser writes it: small letters, and no port where it is the usual one."""
    return f"{scheme}://{address.lower().removesuffix(USUAL[scheme])}"
