"""Hostile changes: to the structure of a message first, then to its bytes."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

Json = Any

HOSTILE: tuple[Json, ...] = (
    *(
        "",
        "0",
        "-0",
        "-1",
        "1",
        "007",
        " 1",
        "1 ",
        "+1",
        "1.0",
        "1e18",
        "0x10",
        "1_000",
        "NaN",
        "Infinity",
        "null",
        "true",
    ),
    *(
        str(2**127 - 1),
        str(2**127),
        str(-(2**127)),
        str(-(2**127) - 1),
        str(2**64),
        "9" * 40,
        "9" * 41,
        "9" * 5000,
        "1" + "0" * 18,
    ),
    *(0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 2**127 - 1, 2**127, -(2**127) - 1, 10**40, 10**18),
    *(0.0, -0.0, 1.5, 1e18, 1e300, 5e-324),
    *(
        True,
        False,
        None,
        "\N{ARABIC-INDIC DIGIT TWO}",
        "\ud800",
        "\x00",
        "\N{ZERO WIDTH NO-BREAK SPACE}",
        "x" * 300,
    ),
)
"""Values that have been taken for numbers somewhere, and values at the edges of the types."""

CONTAINERS = ("[]", "{}", "[[]]", "[null]", '{"type":"fill"}', '{"status":"success","data":{}}')

NOISE = (
    b"\x00",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"-",
    b"e",
    b".",
    b"0",
    b"9",
    b"\n",
)
"""Bytes that matter to JSON or to UTF-8."""


def mutated(seed_text: str, others: Sequence[str], rng: random.Random) -> bytes:
    """`seed_text` after one to four changes; about one input in six has its bytes changed too, and one in
    twelve nothing else.
    """
    if rng.random() < 1 / 12:
        return _bytes(seed_text.encode(), rng)
    holder = [json.loads(seed_text)]
    for _ in range(rng.choice((1, 1, 2, 4))):
        _change(holder, others, rng)
    text = json.dumps(
        holder[0], ensure_ascii=rng.random() < 0.5, separators=rng.choice(((",", ":"), (", ", ": ")))
    )
    if rng.random() < 0.1:
        text = _doubled_key(text, rng)
    data = text.encode("utf-8", "surrogatepass")
    return _bytes(data, rng) if rng.random() < 0.1 else data


def _change(holder: list[Json], others: Sequence[str], rng: random.Random) -> None:
    """One change at a random place, near or deep."""
    place: Any = holder
    key: Any = 0
    while isinstance(place[key], dict | list) and place[key] and rng.random() < 0.85:
        place = place[key]
        key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
    rng.choice(_CHANGES)(place, key, others, rng)


def _hostile(place: Any, key: Any, _others: Sequence[str], rng: random.Random) -> None:
    place[key] = rng.choice(HOSTILE) if rng.random() < 0.9 else json.loads(rng.choice(CONTAINERS))


def _number(place: Any, key: Any, _others: Sequence[str], rng: random.Random) -> None:
    value = rng.randrange(-(2**128), 2**128) >> rng.randrange(128)
    place[key] = value if rng.random() < 0.3 else str(value)


def _off_by_little(place: Any, key: Any, _others: Sequence[str], rng: random.Random) -> None:
    value = place[key]
    if isinstance(value, str) and value.lstrip("-").isdecimal() and value.isascii() and len(value) < 60:
        place[key] = str(
            rng.choice(
                (int(value) + rng.choice((1, -1)), -int(value), int(value) * 10**9, int(value) // 10**9)
            )
        )
    elif isinstance(value, int) and not isinstance(value, bool):
        place[key] = rng.choice(
            (value + 1, -value, str(value), float(value) if abs(value) < 2**1000 else 0.5)
        )


def _gone(place: Any, key: Any, _others: Sequence[str], _rng: random.Random) -> None:
    if isinstance(place, dict):
        del place[key]


def _twice(place: Any, key: Any, _others: Sequence[str], rng: random.Random) -> None:
    if isinstance(place[key], list):
        place[key] = place[key] * rng.choice((0, 2, 3))
    else:
        place[key] = [place[key]]


def _renamed(place: Any, key: Any, _others: Sequence[str], rng: random.Random) -> None:
    if isinstance(place, dict):
        place[rng.choice((str(key).upper(), str(key) + "_x18", "id", "type", ""))] = place.pop(key)


def _grafted(place: Any, key: Any, others: Sequence[str], rng: random.Random) -> None:
    place[key] = json.loads(rng.choice(others))


def _swapped(place: Any, key: Any, _others: Sequence[str], rng: random.Random) -> None:
    if isinstance(place, dict):
        other = rng.choice(list(place))
        place[key], place[other] = place[other], place[key]


def _nested(place: Any, key: Any, _others: Sequence[str], rng: random.Random) -> None:
    for _ in range(rng.choice((1, 3, 200))):
        place[key] = [place[key]] if rng.random() < 0.5 else {"data": place[key]}


_CHANGES: tuple[Callable[[Any, Any, Sequence[str], random.Random], None], ...] = (
    *(
        _hostile,
        _hostile,
        _hostile,
        _number,
        _number,
        _off_by_little,
        _off_by_little,
        _gone,
        _twice,
        _renamed,
        _grafted,
        _swapped,
        _nested,
    ),
)


def _doubled_key(text: str, rng: random.Random) -> str:
    """A key that stands there twice with two values: whoever reads must agree with everybody else on which
    of them counts.
    """
    starts = [at for at, letter in enumerate(text) if letter == '"' and text[at - 1 : at] in {"{", ",", " "}]
    for at in rng.sample(starts, min(3, len(starts))):
        end = text.find('"', at + 1) + 1
        if text[end : end + 1] == ":":
            return text[:at] + text[at:end] + ":" + json.dumps(rng.choice(HOSTILE)) + "," + text[at:]
    return text


def _bytes(data: bytes, rng: random.Random) -> bytes:
    raw = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(raw) + 1)
        match rng.randrange(6):
            case 0:
                raw[at:at] = rng.choice(NOISE)
            case 1:
                del raw[at : at + rng.choice((1, 1, 4, 64))]
            case 2:
                raw[at : at + 1] = bytes([rng.randrange(256)])
            case 3:
                raw[at : at + 1] = b"%d" % rng.randrange(10)
            case 4:
                raw[at:at] = raw[rng.randrange(len(raw) + 1) :][: rng.choice((4, 32))]
            case _:
                del raw[at:]
    return bytes(raw)
