"""What the middleman may do instead of passing something on, as data: a mode is a name and a few hooks; a
hook answers with a script.
"""

import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Literal

import msgspec

CLOSE: Literal["close"] = "close"
"""End the connection in good order."""
RESET: Literal["reset"] = "reset"
"""End it with a TCP reset."""
HANG: Literal["hang"] = "hang"
"""Say nothing more, and keep it open."""
Step = bytes | float | Literal["close", "reset", "hang"]
"""Bytes to send, seconds to wait, or an end."""
Script = tuple[Step, ...]

SECONDS = 5.0
"""How long a wire stays bad unless a mode says otherwise: longer than a handshake's deadline, shorter than
patience.
"""


class Chance(random.Random):
    """The randomness of one cell, and what its hooks remember while it is played."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.kept: defaultdict[object, list[Any]] = defaultdict(list)


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer as it goes to the client."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    reason: bytes = b"OK"

    def raw(self) -> bytes:
        """As bytes, with exactly these headers."""
        head = b"HTTP/1.1 %d %s\r\n" % (self.status, self.reason)
        return head + b"".join(b"%s: %s\r\n" % header for header in self.headers) + b"\r\n" + self.body

    def without(self, *names: bytes) -> "Answer":
        """Without some headers, named in lower case."""
        kept = tuple(header for header in self.headers if header[0].lower() not in names)
        return msgspec.structs.replace(self, headers=kept)

    def saying(self, body: bytes) -> "Answer":
        """With another body, and its length said correctly."""
        length = (b"content-length", b"%d" % len(body))
        return msgspec.structs.replace(self.without(b"content-length"), body=body).adding(length)

    def adding(self, *headers: tuple[bytes, bytes]) -> "Answer":
        """With more headers."""
        return msgspec.structs.replace(self, headers=(*self.headers, *headers))


class Asked(msgspec.Struct, frozen=True):
    """An HTTP request: its path, and the `type` of a query or the one key of an archive's question; "" for
    others.
    """

    path: str
    kind: str
    body: bytes


class Spoken(msgspec.Struct, frozen=True):
    """A text from the venue on its way to a client. `speak` makes a good frame of a text; it must be sent,
    for it is compressed in order.
    """

    path: str
    text: str
    speak: Callable[[str], bytes]


OnUpgrade = Callable[[bytes, Chance], Script]
OnHttp = Callable[[Asked, Answer, Chance], Script | None]
OnSpoken = Callable[[Spoken, Chance], Script | None]
OnBytes = Callable[[bytes, Chance], bytes]


class Mode(msgspec.Struct, frozen=True):
    """One way in which the wire is bad. A hook that is None, or answers None, passes on what came."""

    name: str
    upgrade: OnUpgrade | None = None
    """Instead of the answer to an upgrade."""
    http: OnHttp | None = None
    spoken: OnSpoken | None = None
    """Instead of a frame from the venue."""
    raw: OnBytes | None = None
    """On every byte that goes to the client, after all else."""
    sees: Callable[[Asked, Answer, Chance], None] | None = None
    """Is shown every HTTP answer, before the mode begins too."""
    drops_orders: bool = False
    """Frames of the client do not reach the venue."""
    refuses: bool = False
    """New connections are reset at once."""
    cuts: bool = False
    """When it begins, every connection is cut: it is about new ones."""
    seconds: float = SECONDS
    """How long; then the wire is good again."""
    closable: bool = False
    """Closing must succeed while it lasts."""
