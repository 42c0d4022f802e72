"""One run of the whole machine at our own simulated venue, as it stands on the wire. Everything in here is
valid.
"""

import json
import re
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import trio
import trio.testing
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import TextMessage
from wsproto.extensions import PerMessageDeflate

from messages.settings import Settings
from messages.units import ONE, Ms, Quote
from tests.determinism import seed_trio
from tests.machine.bench import bench

_TOKEN = re.compile(rb"(?i)sec-websocket-accept: *([^\r]+)")


@dataclass(frozen=True)
class Upgrade:
    """One socket: the answer to the upgrade, all bytes after it, and the texts that they are."""

    path: str
    head: bytes
    token: bytes
    """Of the recorded key; the script puts that of the key at hand in its place."""
    raw: bytes
    texts: tuple[str, ...]


@dataclass(frozen=True)
class RecordedAnswer:
    """One HTTP answer, before it is framed."""

    kind: str
    """The question's type and product: `time`, `contracts`, `archive matches 4`..."""
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(frozen=True)
class Transcripts:
    """All of a run."""

    upgrades: dict[str, tuple[Upgrade, ...]] = field(default_factory=dict)
    """By role: `subscribe`, `orders`."""
    answers: dict[str, tuple[RecordedAnswer, ...]] = field(default_factory=dict)
    """By kind."""
    digests: tuple[str, ...] = ()
    """Orders that the archive was asked for."""


@cache
def recorded_transcripts() -> Transcripts:
    """The same in every process."""
    with tempfile.TemporaryDirectory() as folder:
        return trio.run(_record, Path(folder), clock=trio.testing.MockClock(autojump_threshold=0))


async def _record(folder: Path) -> Transcripts:
    seed_trio(1)
    sockets: list[_Tap] = []
    answers: dict[str, list[RecordedAnswer]] = {}
    settings = Settings(target=Quote(1_000 * ONE), cycles=1, hold=Ms(1_000))
    answer = httpx.ASGITransport.handle_async_request

    async def noted(self: httpx.ASGITransport, request: httpx.Request) -> httpx.Response:
        response = await answer(self, request)
        body = b"".join([piece async for piece in response.aiter_raw()])
        kept = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-length"]
        kind = kind_of_question(request.url.path, request.content)
        if len(answers.setdefault(kind, [])) < 4:
            answers[kind].append(RecordedAnswer(kind, response.status_code, tuple(kept), body))
        return httpx.Response(response.status_code, headers=kept, stream=httpx.ByteStream(body))

    with mock.patch.object(httpx.ASGITransport, "handle_async_request", noted):
        async with bench(folder, settings, market="synthetic") as ready:
            dial = ready.dialer.dial

            async def tapped(host: str, port: int, *, tls: bool) -> trio.abc.Stream:
                sockets.append(_Tap(await dial(host, port, tls=tls)))
                return sockets[-1]

            with mock.patch.object(ready.dialer, "dial", tapped):
                await ready.run(within_s=120)
            digests = tuple(order.digest for order in ready.venue.exchange.order_log)
            await trio.sleep(1)  # the archive lags
            await ready.world.venue.reads.fills_since(0)
            await ready.world.venue.reads.archived(digests)
    upgrades = [_upgrade(tap) for tap in sockets]
    by_role = {
        role: tuple(each for each in upgrades if each.path.endswith(end))
        for role, end in (("subscribe", "/subscribe"), ("orders", "/ws"))
    }
    return Transcripts(by_role, {kind: tuple(each) for kind, each in answers.items()}, digests)


def kind_of_question(path: str, body: bytes) -> str:
    """What a request asks for, and of which product."""
    if not body:
        return path.rsplit("/", 1)[-1]
    question: Any = json.loads(body)
    if "type" in question:
        return f"{question['type']} {question.get('product_id', '')}".strip()
    name, details = next(iter(question.items()))
    return f"archive {name} {details.get('product_ids', [''])[0]}".strip()


class _Tap(trio.abc.Stream):
    """Keeps both directions of a stream."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.sent, self.received = bytearray(), bytearray()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._stream.receive_some(max_bytes)
        self.received += data
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()


def _upgrade(tap: _Tap) -> Upgrade:
    head, _, raw = bytes(tap.received).partition(b"\r\n\r\n")
    token = _TOKEN.search(head)
    assert token is not None, head
    deflate = PerMessageDeflate()
    deflate.finalize("permessage-deflate")
    reading = Connection(ConnectionType.CLIENT, [deflate])
    reading.receive_data(raw)
    texts, parts = [], []
    for event in reading.events():
        if isinstance(event, TextMessage):
            parts.append(event.data)
            if event.message_finished:
                texts.append("".join(parts))
                parts.clear()
    path = bytes(tap.sent).split(b" ", 2)[1].decode()
    return Upgrade(path, head + b"\r\n\r\n", token[1], raw, tuple(texts))
