"""Hostile changes to WebSocket frames: their headers, their lengths, their order, what is compressed in
them and how.
"""

import random
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from tests.fuzz import mutate

FIN, RSV1 = 0x80, 0x40
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_EMPTY_BLOCK = b"\x00\x00\xff\xff"


@dataclass(frozen=True)
class Frame:
    """One frame; `length` and `mask` are what its header says instead of the truth."""

    first: int
    payload: bytes
    length: bytes | None = None
    mask: bytes = b""

    def wire(self) -> bytes:
        """Its bytes."""
        size = len(self.payload)
        length = self.length
        if length is None:
            length = (
                bytes([size])
                if size < 126
                else b"\x7e" + struct.pack("!H", size)
                if size < 2**16
                else b"\x7f" + struct.pack("!Q", size)
            )
        masked = bytes([length[0] | 0x80]) + length[1:] + self.mask if self.mask else length
        return bytes([self.first]) + masked + self.payload


def of(texts: Sequence[str], *, compressed: bool, level: int = 6) -> list[Frame]:
    """These texts, one frame each; compressed as the venue does it, in one context."""
    if not compressed:
        return [Frame(FIN | TEXT, text.encode()) for text in texts]
    squeeze = zlib.compressobj(level, zlib.DEFLATED, -15)
    return [Frame(FIN | RSV1 | TEXT, _squeezed(squeeze, text.encode())) for text in texts]


def _squeezed(squeeze: "zlib._Compress", data: bytes) -> bytes:
    whole = squeeze.compress(data) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    return whole.removesuffix(_EMPTY_BLOCK)


def mutated_frame(texts: Sequence[str], rng: random.Random) -> bytes:
    """The frames of these texts after one to four changes."""
    said = list(texts)
    if rng.random() < 0.3:
        at = rng.randrange(len(said))
        said[at] = mutate.mutated(said[at], said, rng).decode("utf-8", "replace")
    frames = of(said, compressed=rng.random() < 0.75)
    for _ in range(rng.choice((1, 1, 2, 4))):
        frames = rng.choice(_CHANGES)(frames, rng.randrange(len(frames)), rng) or frames
    return b"".join(frame.wire() for frame in frames)


def _bits(frames: list[Frame], at: int, rng: random.Random) -> list[Frame]:
    frames[at] = replace(
        frames[at], first=rng.choice((frames[at].first ^ (1 << rng.randrange(8)), rng.randrange(256)))
    )
    return frames


def _length(frames: list[Frame], at: int, rng: random.Random) -> list[Frame]:
    size = len(frames[at].payload)
    wrong = max(
        0,
        rng.choice(
            (
                0,
                size + rng.randrange(-3, 4),
                rng.randrange(126),
                rng.randrange(2**16),
                rng.randrange(2**64) >> rng.randrange(64),
            )
        ),
    )
    forms = [
        b"\x7f" + struct.pack("!Q", wrong),
        b"\x7e" + struct.pack("!H", wrong % 2**16),
        bytes([wrong % 126]),
    ]
    frames[at] = replace(frames[at], length=rng.choice(forms))
    return frames


def _masked(frames: list[Frame], at: int, rng: random.Random) -> list[Frame]:
    frames[at] = replace(frames[at], mask=rng.randbytes(4))
    return frames


def _payload(frames: list[Frame], at: int, rng: random.Random) -> list[Frame]:
    raw = bytearray(frames[at].payload)
    for _ in range(rng.choice((1, 1, 4))):
        where = rng.randrange(len(raw) + 1)
        raw[where : where + rng.choice((0, 1, 1, 16))] = rng.randbytes(rng.choice((0, 1, 1, 8)))
    frames[at] = replace(frames[at], payload=bytes(raw))
    return frames


def _cut(frames: list[Frame], at: int, rng: random.Random) -> list[Frame]:
    return frames[: at + rng.randrange(2)] or frames


def _split(frames: list[Frame], at: int, rng: random.Random) -> list[Frame]:
    """In fragments, with or without somebody else's frame between them, and not always with an end."""
    whole = frames[at]
    ends = sorted(rng.randrange(len(whole.payload) + 1) for _ in range(rng.choice((1, 1, 2, 2, 8, 60))))
    starts = [0, *ends]
    pieces = [whole.payload[a:b] for a, b in zip(starts, [*ends, len(whole.payload)], strict=True)]
    parts = [Frame((whole.first & 0x7F) if index == 0 else 0, piece) for index, piece in enumerate(pieces)]
    parts[-1] = replace(parts[-1], first=parts[-1].first | (FIN if rng.random() < 0.9 else 0))
    if rng.random() < 0.4:
        parts.insert(rng.randrange(len(parts) + 1), _control(rng))
    return [*frames[:at], *parts, *frames[at + 1 :]]


def _control(rng: random.Random) -> Frame:
    body = rng.randbytes(rng.choice((0, 1, 2, 8, 125, 126, 300)))
    if rng.random() < 0.5:
        code = rng.choice((rng.randrange(990, 1020), rng.randrange(2**16)))
        body = struct.pack("!H", code) + rng.choice((b"", b"bye", body[:120]))
    return Frame(FIN | rng.choice((CLOSE, PING, PONG, rng.randrange(16))), body)


def _controls(frames: list[Frame], at: int, rng: random.Random) -> list[Frame]:
    return [*frames[:at], *[_control(rng)] * rng.choice((1, 1, 1, 1, 1, 1, 1, 20, 700)), *frames[at:]]


def _again(frames: list[Frame], at: int, rng: random.Random) -> list[Frame]:
    return [*frames[:at], *[frames[at]] * rng.choice((2, 2, 3, 40)), *frames[at + 1 :]]


def _swapped(frames: list[Frame], at: int, rng: random.Random) -> list[Frame]:
    other = rng.randrange(len(frames))
    frames[at], frames[other] = frames[other], frames[at]
    return frames


def _recompressed(frames: list[Frame], at: int, rng: random.Random) -> list[Frame]:
    """Another way to compress something: stored, with a small window, ended for good, twice, not at all
    though it says so.
    """
    body = frames[at].payload
    match rng.randrange(5):
        case 0:
            body = zlib.compress(body, 0)[2:]
        case 1:
            squeeze = zlib.compressobj(9, zlib.DEFLATED, -9)
            body = squeeze.compress(body) + squeeze.flush(zlib.Z_FINISH)
        case 2:
            body = _squeezed(zlib.compressobj(9, zlib.DEFLATED, -15), body)
        case 3:
            body = zlib.compress(body)
        case _:
            body += _EMPTY_BLOCK
    frames[at] = Frame(frames[at].first | (RSV1 if rng.random() < 0.8 else 0), body)
    return frames


@lru_cache(maxsize=16)
def bomb(byte: bytes, power: int) -> bytes:
    """2**power times the same byte, compressed piece by piece: making it must not take the memory that
    reading it is not to take.
    """
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    whole = b"".join(squeeze.compress(byte * 2**16) for _ in range(2 ** (power - 16)))
    return (whole + squeeze.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_EMPTY_BLOCK)


def _stretched(frames: list[Frame], at: int, rng: random.Random) -> list[Frame] | None:
    """The same byte over and over, compressed."""
    if rng.random() > 0.05:
        return None
    one = Frame(FIN | RSV1 | TEXT, bomb(rng.choice((b" ", b"0", b"[")), rng.choice((16, 20, 22, 26, 26))))
    return [*frames[:at], *[one] * rng.choice((1, 1, 64)), *frames[at:]]


_CHANGES: tuple[Callable[[list[Frame], int, random.Random], list[Frame] | None], ...] = (
    *(
        _bits,
        _bits,
        _length,
        _masked,
        _payload,
        _payload,
        _cut,
        _split,
        _split,
        _controls,
        _again,
        _swapped,
        _recompressed,
        _stretched,
    ),
)
