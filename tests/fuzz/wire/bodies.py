"""An HTTP answer on the wire, valid or not: how it is framed, how it is compressed, and what it says."""

import gzip
import random
import zlib

from tests.fuzz import mutate
from tests.fuzz.wire import heads
from tests.fuzz.wire.transcripts import RecordedAnswer

REASONS = {200: b"OK", 400: b"Bad Request", 403: b"Forbidden", 404: b"Not Found", 429: b"Too Many Requests"}


def valid(answer: RecordedAnswer, rng: random.Random) -> bytes:
    """With its length or in chunks, compressed or not."""
    return _framed(answer, answer.body, rng, spoil=False)


def mutated_body(answer: RecordedAnswer, others: list[str], rng: random.Random) -> bytes:
    """One answer with a change to its JSON, its compression, its framing or its head; seldom to more than
    one of them.
    """
    body = answer.body
    spoil = rng.randrange(4)
    if spoil == 0:
        body = _said(body, others, rng)
    wire = _framed(answer, body, rng, spoil=spoil in {1, 2})
    if spoil == 3 or rng.random() < 0.1:
        head, _, rest = wire.partition(b"\r\n\r\n")
        wire = heads.mutated_head(head + b"\r\n\r\n", rng) + rest
    return wire


def _said(body: bytes, others: list[str], rng: random.Random) -> bytes:
    if rng.random() < 0.1:
        return rng.choice((b"[", b'{"data":', b'[{"a":')) * rng.choice((100, 5_000, 100_000)) + body
    return mutate.mutated(body.decode(), others, rng)


def _framed(answer: RecordedAnswer, body: bytes, rng: random.Random, *, spoil: bool) -> bytes:
    headers = list(answer.headers)
    if rng.random() < 0.6:
        headers.append((b"content-encoding", b"gzip"))
        body = _spoilt_gzip(body, rng) if spoil and rng.random() < 0.6 else gzip.compress(body, 6, mtime=0)
    if rng.random() < 0.5:
        headers.append((b"transfer-encoding", b"chunked"))
        body = _chunked(body, rng, spoil=spoil)
    else:
        length = len(body) + (rng.choice((0, 0, 1, -1, 1000, 10**9)) if spoil else 0)
        headers.append((b"content-length", b"%d" % max(0, length)))
    lines = [
        b"HTTP/1.1 %d %s" % (answer.status, REASONS.get(answer.status, b"")),
        *(name + b": " + value for name, value in headers),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _spoilt_gzip(body: bytes, rng: random.Random) -> bytes:
    raw = bytearray(gzip.compress(body, rng.choice((0, 1, 9)), mtime=0))
    match rng.randrange(6):
        case 0:
            del raw[rng.randrange(len(raw)) :]
        case 1:
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        case 2:
            raw += rng.randbytes(rng.choice((1, 100, 100_000)))
        case 3:
            raw *= 2
        case 4:
            raw = bytearray(zlib.compress(body))
        case _:
            size = 2 ** rng.randrange(10, 27 if rng.random() < 0.02 else 14)
            raw = bytearray(gzip.compress(bytes([rng.choice(b" 0[{")]) * size, 1, mtime=0))
    return bytes(raw)


def _chunked(body: bytes, rng: random.Random, *, spoil: bool) -> bytes:
    ends = sorted(rng.randrange(len(body) + 1) for _ in range(rng.choice((0, 1, 3, 40))))
    pieces = [body[a:b] for a, b in zip([0, *ends], [*ends, len(body)], strict=True) if a < b]
    chunks = [(b"%x" % len(piece), piece, b"\r\n") for piece in pieces] + [(b"0", b"", b"\r\n")]
    if spoil:
        at = rng.randrange(len(chunks))
        size, piece, end = chunks[at]
        sizes = (
            b"",
            b"-1",
            b"zz",
            b"f" * rng.choice((8, 16, 30)),
            size + b";a=" + b"x" * rng.choice((1, 9_000, 300_000)),
            size * 2,
            heads.word(rng),
        )
        chunks[at] = (rng.choice(sizes), piece, rng.choice((end, b"\n", b"", b"\r\nX: y\r\n")))
    return b"".join(size + b"\r\n" + piece + end for size, piece, end in chunks)
