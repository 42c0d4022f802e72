"""What reads the venue's bytes: both kinds of socket, and every question over HTTP. One input in, and how far
it came out.

`read` returns when the connection was usable or a `VenueError` was raised; whatever else it raises is a find.
"""

import random
import re
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpcore
import httpx
import trio

from tests.fuzz.wire import bodies, frames, heads
from tests.fuzz.wire.script import ENDS, HttpScript, ScriptedStream, pieces
from tests.fuzz.wire.transcripts import RecordedAnswer, Upgrade, kind_of_question, recorded_transcripts
from venue.nado import codec
from venue.nado.counts import TroubleTally
from venue.nado.http import HttpReads
from venue.nado.socket import open_socket
from venue.nado.streams import subscribed
from venue.protocol import VenueError
from venue.throwaway import THROWAWAY_SENDER

MESSAGES_MAX = 16
"""As many are read from a connection that is usable; then it is left."""
DIGEST = "0x" + "ab" * 32
_DIGEST = re.compile(r'"digest":"(0x[0-9a-f]{64})"')


@dataclass
class Reached:
    """How many inputs came how far."""

    inputs: int = 0
    accepted: int = 0
    """Sockets: the handshake was accepted. HTTP: the answer was taken for a 200."""
    message: int = 0
    """Sockets: a whole message came out of the frames. HTTP: a body came out of framing and compression."""
    decoded: int = 0
    """The decoder understood something."""


@dataclass(frozen=True)
class WireTarget:
    """One reader and the bytes it is given."""

    name: str
    make: Callable[[random.Random], Any]
    read: Callable[[Any, Reached], Awaitable[None]]
    reached: Reached = field(default_factory=Reached)


class _One:
    """A `Dialer` that hands out one stream."""

    def __init__(self, stream: ScriptedStream) -> None:
        self._stream = stream

    async def dial(self, host: str, port: int, *, tls: bool) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return self._stream


# -- sockets -------------------------------------------------------------------------------------------------


def _script(upgrade: Upgrade, wire: bytes, rng: random.Random) -> ScriptedStream:
    if rng.random() < 0.15:
        wire = _spoilt(wire, rng)
    return ScriptedStream(pieces(wire, rng), rng.choice(ENDS), upgrade.token)


def _spoilt(wire: bytes, rng: random.Random) -> bytes:
    """Whatever it is, its bytes."""
    raw = bytearray(wire)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(raw) + 1)
        raw[at : at + rng.choice((0, 0, 1, 1, 9, 200))] = rng.choice(
            (b"", rng.randbytes(1), rng.randbytes(rng.choice((2, 30))), bytes(raw[at : at + 40]))
        )
    return bytes(raw)


def _handshake(role: str) -> Callable[[random.Random], ScriptedStream]:
    def make(rng: random.Random) -> ScriptedStream:
        upgrade = rng.choice(recorded_transcripts().upgrades[role])
        return _script(upgrade, heads.mutated_head(upgrade.head, rng) + upgrade.raw[:3_000], rng)

    return make


def _frames(role: str) -> Callable[[random.Random], ScriptedStream]:
    def make(rng: random.Random) -> ScriptedStream:
        upgrade = rng.choice(recorded_transcripts().upgrades[role])
        if rng.random() < 0.15:
            return _script(upgrade, upgrade.head + _spoilt(upgrade.raw[:6_000], rng), rng)
        start = 0 if rng.random() < 0.9 else rng.randrange(len(upgrade.texts))
        texts = upgrade.texts[start : start + rng.choice((1, 2, 4, 8))]
        return _script(upgrade, upgrade.head + frames.mutated_frame(texts, rng), rng)

    return make


async def _subscribe(script: ScriptedStream, reached: Reached) -> None:
    """As `market_data` and `account` do it."""
    tally = TroubleTally()
    streams = [codec.book_depth(4), codec.book_depth(8)]
    try:
        async with subscribed(
            "ws://venue/v1/subscribe", _One(script), streams, tally, THROWAWAY_SENDER
        ) as events:
            for _ in range(MESSAGES_MAX):
                await anext(events)
    except VenueError:
        pass
    finally:
        counts = tally.counts
        message = counts.events + counts.controls + counts.unknown + counts.troubles > 0
        # What came before the connection ended is read although nothing more can be sent into it.
        reached.accepted += script.sendings > 1 or message
        reached.message += message
        reached.decoded += counts.events + counts.controls > 0


async def _order_wire(script: ScriptedStream, reached: Reached) -> None:
    """As an order's connection does it: one frame out, and the answers as they come."""
    accepted = message = decoded = False
    try:
        async with open_socket("ws://venue/v1/ws", _One(script)) as socket:
            accepted = True
            await socket.send("{}")
            for number in range(MESSAGES_MAX):
                text = await socket.receive()
                message = True
                digest = _DIGEST.search(text)
                decoded |= codec.reply_to(text, number + 1, digest[1] if digest else DIGEST).kind != "unknown"
    except VenueError:
        pass
    finally:
        reached.accepted += accepted
        reached.message += message
        reached.decoded += decoded


# -- HTTP ----------------------------------------------------------------------------------------------------

_QUESTIONS: tuple[Callable[[HttpReads], Awaitable[object]], ...] = (
    lambda reads: reads.time_ms(),
    lambda reads: reads.status(),
    lambda reads: reads.rules(),
    lambda reads: reads.book(4),
    lambda reads: reads.account(),
    lambda reads: reads.account(),
    lambda reads: reads.archived(recorded_transcripts().digests),
    lambda reads: reads.fills_since(None),
    lambda reads: reads.fills_since(0),
)


@dataclass
class _Question:
    """One question, of whose requests one (`at`) is answered with what cannot be trusted."""

    ask: Callable[[HttpReads], Awaitable[object]]
    at: int
    rng: random.Random
    asked: int = 0
    defect: Exception | None = None
    """Of the making of an answer: raised inside of the client it would pass for one of the far side's."""

    def answer(self, request: bytes) -> ScriptedStream:
        """The far side's next words."""
        try:
            return self._answer(request)
        except Exception as error:
            self.defect = error
            raise

    def _answer(self, request: bytes) -> ScriptedStream:
        head, _, body = request.partition(b"\r\n\r\n")
        words = head.split(b" ", 2)
        known = recorded_transcripts().answers
        answers = known.get(kind_of_question(words[1].decode(), body), known["time"])
        one: RecordedAnswer = answers[self.asked % len(answers)]
        hostile, self.asked = self.asked == self.at, self.asked + 1
        if not hostile:
            return ScriptedStream([bodies.valid(one, self.rng)], "silence")
        wire = bodies.mutated_body(one, _texts(), self.rng)
        if self.rng.random() < 0.15:
            wire = _spoilt(wire, self.rng)
        return ScriptedStream(pieces(wire, self.rng), self.rng.choice(ENDS))


@cache
def _texts() -> list[str]:
    return [answer.body.decode() for each in recorded_transcripts().answers.values() for answer in each]


def _question(rng: random.Random) -> _Question:
    ask = rng.choice(_QUESTIONS)
    return _Question(ask, 0 if rng.random() < 0.5 else rng.randrange(5), rng)


class _Backend(httpcore.AsyncNetworkBackend):
    def __init__(self, question: _Question) -> None:
        self._question = question

    async def connect_tcp(self, *_given: Any, **_named: Any) -> httpcore.AsyncNetworkStream:
        await trio.lowlevel.checkpoint()
        return HttpScript(self._question.answer)


@cache
def _no_tls() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _Reads(HttpReads):
    """Counts the answers whose head could be read, and those that came out whole."""

    heads = fetched = 0

    async def _body(self, response: httpx.Response) -> bytes:
        self.heads += 1
        return await super()._body(response)

    async def _fetch(self, method: str, url: str, body: str | None = None) -> tuple[bytes, str]:
        content = await super()._fetch(method, url, body)
        self.fetched += 1
        return content


async def _ask(question: _Question, reached: Reached) -> None:
    transport = httpx.AsyncHTTPTransport(verify=_no_tls())
    transport._pool = httpcore.AsyncConnectionPool(network_backend=_Backend(question))
    products = (4, 8) if question.rng.random() < 0.8 else None
    answered = False
    async with _Reads("http://venue", THROWAWAY_SENDER, name="test", transport=transport) as reads:
        reads.known(products)
        with suppress(VenueError):
            await question.ask(reads)
            answered = True
    if question.defect is not None:
        raise question.defect
    reached.accepted += answered or reads.heads > question.at
    reached.message += answered or reads.fetched > question.at
    reached.decoded += answered


TARGETS: tuple[WireTarget, ...] = (
    WireTarget("subscribe handshake", _handshake("subscribe"), _subscribe),
    WireTarget("subscribe frames", _frames("subscribe"), _subscribe),
    WireTarget("order handshake", _handshake("orders"), _order_wire),
    WireTarget("order frames", _frames("orders"), _order_wire),
    WireTarget("http", _question, _ask),
)
WEIGHTS = (3, 4, 2, 2, 3)
"""How the inputs are spread."""


def shares(inputs: int) -> Iterator[tuple[WireTarget, int]]:
    """How many inputs each target gets."""
    given = 0
    for index, target in enumerate(TARGETS):
        upto = inputs * sum(WEIGHTS[: index + 1]) // sum(WEIGHTS)
        yield target, upto - given
        given = upto
