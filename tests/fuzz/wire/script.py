"""An in-memory far side that says so many bytes in so many pieces, and then ends, breaks off or falls
silent. It never listens.
"""

import base64
import hashlib
import random
import re
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore
import trio

_KEY = re.compile(rb"(?i)sec-websocket-key: *([^\r]+)")
ENDS = ("end", "end", "silence", "reset")


def pieces(data: bytes, rng: random.Random) -> Iterator[bytes]:
    """As one, cut in a few places, or byte by byte at first."""
    if rng.random() < 0.02:
        yield from (data[at : at + 1] for at in range(min(len(data), 300)))
        data = data[300:]
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((0, 0, 1, 3))))
    for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True):
        yield from (data[at : min(at + 65_536, stop)] for at in range(start, stop, 65_536))


class ScriptedStream(trio.abc.Stream):
    """A `trio.abc.Stream` for sockets. `token`: what the recording answered to its key."""

    def __init__(self, said: Iterable[bytes], end: str, token: bytes = b"") -> None:
        self._said = iter(said)
        self._end = end
        self._token = token
        self._own = token
        self._closed = trio.Event()
        self.sendings = 0
        """How often something was sent to us: the second time, the handshake is over."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        if self._closed.is_set():
            raise trio.ClosedResourceError
        self.sendings += 1
        key = _KEY.search(bytes(data)) if self.sendings == 1 else None
        if key is not None:
            self._own = base64.b64encode(
                hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()  # noqa: S324 - RFC 6455's
            )

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        if self._closed.is_set():
            raise trio.ClosedResourceError
        piece = next(self._said, None)
        if piece is not None:
            return piece.replace(self._token, self._own) if self._token else piece
        if self._end == "silence":
            await self._closed.wait()
            raise trio.ClosedResourceError
        if self._end == "reset":
            raise trio.BrokenResourceError("connection reset by peer")
        return b""

    async def aclose(self) -> None:
        self._closed.set()
        await trio.lowlevel.checkpoint()


class HttpScript(httpcore.AsyncNetworkStream):
    """The same for HTTP: an answer each time somebody has asked. `ask` is given the request's bytes."""

    def __init__(self, ask: Any) -> None:
        self._ask = ask
        self._script: ScriptedStream | None = None
        self._asked = bytearray()

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's
        await trio.lowlevel.checkpoint()
        self._asked += buffer
        self._script = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's
        if self._script is None:
            self._script = self._ask(bytes(self._asked))
            self._asked.clear()
        try:
            return await self._script.receive_some()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpcore.ReadError(str(error)) from error

    async def aclose(self) -> None:
        if self._script is not None:
            await self._script.aclose()

    def get_extra_info(self, info: str) -> Any:
        return False if info == "is_readable" else None
