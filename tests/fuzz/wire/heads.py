"""Hostile changes to a status line and headers. What a value means is not known here: words, numbers and
separators are.
"""

import random
import re
from collections.abc import Callable

_WORDS = re.compile(rb"[A-Za-z0-9_.+/-]+|[^A-Za-z0-9_.+/-]+")
_NAMES = (
    b"Content-Length",
    b"Transfer-Encoding",
    b"Content-Encoding",
    b"Location",
    b"Set-Cookie",
    b"Connection",
    b"Upgrade",
    b"Trailer",
    b"Host",
    b"",
)
_VALUES = (
    b"chunked",
    b"gzip",
    b"br",
    b"identity",
    b"close",
    b"http://[::1/",
    b"//x:99999",
    b"a=b; expires=Sun",
    b"0",
    b"-1",
    b"1e3",
    b"gzip, chunked",
    b"",
)
STATUSES = (
    b"100",
    b"101",
    b"103",
    b"199",
    b"200",
    b"204",
    b"206",
    b"301",
    b"304",
    b"307",
    b"400",
    b"401",
    b"403",
    b"404",
    b"429",
    b"500",
    b"503",
    b"599",
    b"600",
    b"999",
)

Lines = list[bytes]


def mutated_head(head: bytes, rng: random.Random) -> bytes:
    """`head`, with its empty line, after one to three changes."""
    lines = head.rstrip(b"\r\n").split(b"\r\n")
    for _ in range(rng.choice((1, 1, 2, 3))):
        rng.choice(_CHANGES)(lines, rng)
    text = b"\r\n".join(lines) + b"\r\n\r\n"
    return _spoilt(text, rng) if rng.random() < 0.08 else text


def word(rng: random.Random) -> bytes:
    """A number or a word that nobody expects."""
    match rng.randrange(8):
        case 0 | 1:
            return b"%d" % rng.randrange(-2, 130)
        case 2:
            return b"%d" % (rng.randrange(2**70) >> rng.randrange(70))
        case 3 | 4:
            return bytes(rng.choice(b"abcdefghijklmnopqrstuvwxyz") for _ in range(rng.choice((1, 3, 8))))
        case 5:
            return b""
        case 6:
            return bytes(rng.randrange(256) for _ in range(rng.choice((1, 2, 8))))
        case _:
            return rng.choice((b'"', b"=", b";", b",", b"\xe9", b"%", b"*", b"\xd9\xa8", b"0x1f", b"1.5"))


def _at(lines: Lines, rng: random.Random) -> int:
    return rng.randrange(1, len(lines)) if len(lines) > 1 else 0


def _word(lines: Lines, rng: random.Random) -> None:
    """One word of one value becomes another, goes, comes twice, or grows."""
    at = _at(lines, rng)
    name, colon, value = lines[at].partition(b":")
    parts = _WORDS.findall(value) or [b""]
    which = rng.randrange(len(parts))
    match rng.randrange(6):
        case 0 | 1 | 2:
            parts[which] = word(rng)
        case 3:
            del parts[which]
        case 4:
            parts[which:which] = parts[which : which + rng.choice((1, 2, 4))] * rng.choice((1, 1, 40))
        case _:
            parts[which] += word(rng)
    lines[at] = name + colon + b"".join(parts)


def _renamed(lines: Lines, rng: random.Random) -> None:
    at = _at(lines, rng)
    name, _, value = lines[at].partition(b":")
    lines[at] = (
        rng.choice((word(rng), name + word(rng), name.upper(), name.lower(), rng.choice(_NAMES)))
        + rng.choice((b":", b": ", b" :", b""))
        + value
    )


def _gone(lines: Lines, rng: random.Random) -> None:
    if len(lines) > 1:
        del lines[_at(lines, rng)]


def _again(lines: Lines, rng: random.Random) -> None:
    at = _at(lines, rng)
    lines[at:at] = [lines[at]] * rng.choice((1, 1, 2, 200))


def _swapped(lines: Lines, rng: random.Random) -> None:
    one, other = _at(lines, rng), _at(lines, rng)
    lines[one], lines[other] = lines[other], lines[one]


def _added(lines: Lines, rng: random.Random) -> None:
    name = rng.choice((*_NAMES, word(rng)))
    value = rng.choice((*_VALUES, word(rng), word(rng)))
    lines.insert(rng.randrange(1, len(lines) + 1), name + b": " + value)


def _stretched(lines: Lines, rng: random.Random) -> None:
    """A value as long as nobody writes it."""
    at = _at(lines, rng)
    size = 2 ** rng.randrange(4, 19)
    lines[at] += rng.choice((b"x", b" ", b",", b"; a=1", b"\xe9")) * size


def _status(lines: Lines, rng: random.Random) -> None:
    words = lines[0].split(b" ", 2)
    which = rng.randrange(len(words))
    words[which] = (
        rng.choice((*STATUSES, word(rng)))
        if which == 1
        else rng.choice((word(rng), b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.1", words[which] * 2))
    )
    lines[0] = b" ".join(words)


def _redirected(lines: Lines, rng: random.Random) -> None:
    """To somewhere that may not exist."""
    lines[0] = b"HTTP/1.1 " + rng.choice((b"301", b"302", b"307", b"308")) + b" Moved"
    scheme, port = (
        rng.choice((b"http:", b"https:", b"", word(rng) + b":")),
        rng.choice((b"", b":" + word(rng))),
    )
    lines.append(
        b"Location: "
        + scheme
        + rng.choice((b"//", b"//", b""))
        + word(rng)
        + port
        + rng.choice((b"", b"/" + word(rng)))
    )


def _interim(lines: Lines, rng: random.Random) -> None:
    """Answers before the answer."""
    one = b"HTTP/1.1 " + rng.choice((b"100 Continue", b"102 Processing", b"103 Early Hints")) + b"\r\n"
    lines[0:0] = [one] * rng.choice((1, 1, 3, 300))


def _bytes(lines: Lines, rng: random.Random) -> None:
    at = rng.randrange(len(lines))
    raw = bytearray(lines[at])
    where = rng.randrange(len(raw) + 1)
    raw[where : where + rng.choice((0, 1))] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 1, 3))))
    lines[at] = bytes(raw)


def _spoilt(text: bytes, rng: random.Random) -> bytes:
    """The line ends themselves."""
    return text.replace(
        b"\r\n", rng.choice((b"\n", b"\r", b"\r\n ", b"\r\n\r\n", b"")), rng.choice((1, 2, -1))
    )


_CHANGES: tuple[Callable[[Lines, random.Random], None], ...] = (
    *(
        _word,
        _word,
        _word,
        _word,
        _word,
        _renamed,
        _gone,
        _again,
        _swapped,
        _added,
        _added,
        _stretched,
        _status,
        _redirected,
        _interim,
        _bytes,
        _bytes,
    ),
)
