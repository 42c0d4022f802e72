"""Odd answers to a WebSocket upgrade. Each lasts for a while and is about new connections, so the old ones
are cut when it begins.
"""

from collections.abc import Callable

from tests.hostile.mode import CLOSE, HANG, RESET, Answer, Chance, Mode, OnUpgrade, Script

EXTENSIONS = b"Sec-WebSocket-Extensions"
DRIP_S = 0.05


def _lines(good: bytes) -> list[bytes]:
    return good.removesuffix(b"\r\n\r\n").split(b"\r\n")


def _joined(lines: list[bytes]) -> bytes:
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _without(good: bytes, name: bytes) -> list[bytes]:
    return [line for line in _lines(good) if not line.lower().startswith(name.lower() + b":")]


def extension(value: bytes) -> OnUpgrade:
    """Instead of what was agreed on."""
    return lambda good, _chance: (_joined([*_without(good, EXTENSIONS), EXTENSIONS + b": " + value]),)


def header(line: bytes) -> OnUpgrade:
    """One more header."""
    return lambda good, _chance: (_joined([*_lines(good), line]),)


def missing(name: bytes) -> OnUpgrade:
    """One header less."""
    return lambda good, _chance: (_joined(_without(good, name)),)


def instead(name: bytes, value: bytes) -> OnUpgrade:
    """Another value."""
    return lambda good, _chance: (_joined([*_without(good, name), name + b": " + value]),)


def status(line: bytes) -> OnUpgrade:
    """Another first line, the headers as they were."""
    return lambda good, _chance: (_joined([line, *_lines(good)[1:]]),)


def refusal(number: int, body: bytes = b"{}", *headers: tuple[bytes, bytes]) -> OnUpgrade:
    """An HTTP answer instead."""
    answer = Answer(number, ((b"content-type", b"application/json"), *headers), b"", b"No").saying(body)
    return lambda _good, _chance: (answer.raw(), CLOSE)


def script(*steps: object) -> OnUpgrade:
    """Only this."""
    return lambda _good, _chance: steps  # type: ignore[return-value]


def then(*steps: object) -> OnUpgrade:
    """The good answer, and this at once."""
    return lambda good, _chance: (good, *steps)  # type: ignore[return-value]


def _half(good: bytes, chance: Chance) -> bytes:
    return good[: chance.randrange(1, len(good) - 1)]


def _drip(good: bytes, _chance: Chance) -> Script:
    return tuple(step for byte in good for step in (bytes([byte]), DRIP_S))


def _mode(name: str, upgrade: Callable[[bytes, Chance], Script]) -> Mode:
    return Mode(f"upgrade {name}", upgrade=upgrade, cuts=True)


ODD: dict[str, OnUpgrade] = {
    "window bits 8": extension(b"permessage-deflate; server_max_window_bits=8"),
    "window bits 99": extension(b"permessage-deflate; server_max_window_bits=99"),
    "window bits abc": extension(b"permessage-deflate; server_max_window_bits=abc"),
    "window bits empty": extension(b"permessage-deflate; server_max_window_bits="),
    "window bits negative": extension(b"permessage-deflate; server_max_window_bits=-15"),
    "client window bits 8": extension(b"permessage-deflate; client_max_window_bits=8"),
    "client window bits 99": extension(b"permessage-deflate; client_max_window_bits=99"),
    "client window bits abc": extension(b"permessage-deflate; client_max_window_bits=abc"),
    "unknown parameter": extension(b"permessage-deflate; colour=blue"),
    "unknown extension": extension(b"x-squeeze"),
    "two extensions": extension(b"permessage-deflate, x-squeeze"),
    "extension twice": extension(b"permessage-deflate, permessage-deflate"),
    "extension empty": extension(b""),
    "extension only commas": extension(b",,;;,"),
    "extension not ascii": extension(b"permessage-d\xe9flate"),
    "header not ascii": header(b"X-Colo: Z\xfcrich"),
    "header name not ascii": header(b"X-\xff: 1"),
    "header with NUL": header(b"X-Nul: a\0b"),
    "header without colon": header(b"no colon here"),
    "header folded": header(b"X-Long: a\r\n  b"),
    "header of 200 kB": header(b"X-Large: " + b"a" * 200_000),
    "2,000 headers": lambda good, _: (_joined([*_lines(good), *(b"X-%d: 1" % n for n in range(2000))]),),
    "content-length": header(b"Content-Length: 5"),
    "chunked": header(b"Transfer-Encoding: chunked"),
    "subprotocol": header(b"Sec-WebSocket-Protocol: chat"),
    "wrong key": instead(b"Sec-WebSocket-Accept", b"AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    "key not ascii": instead(b"Sec-WebSocket-Accept", b"\xff\xfe"),
    "no key": missing(b"Sec-WebSocket-Accept"),
    "no upgrade": missing(b"Upgrade"),
    "no connection": missing(b"Connection"),
    "upgrade to h2c": instead(b"Upgrade", b"h2c"),
    "200": status(b"HTTP/1.1 200 OK"),
    "status 999": status(b"HTTP/1.1 999 What"),
    "status not a number": status(b"HTTP/1.1 abc OK"),
    "http/3": status(b"HTTP/3 101 OK"),
    "301": refusal(301, b"", (b"location", b"http://127.0.0.1:1/")),
    "401": refusal(401),
    "403": refusal(403),
    "404": refusal(404, b"<html>not here</html>"),
    "429": refusal(429, b"", (b"retry-after", b"1")),
    "500": refusal(500, b"\xff\xfe not text"),
    "503": refusal(503, b"x" * 300_000),
    "500 without length": script(b"HTTP/1.1 500 No\r\n\r\nand then", HANG),
    "502 with broken gzip": refusal(502, b"\x1f\x8b\x08broken", (b"content-encoding", b"gzip")),
    "100 for ever": script(*(step for _ in range(100) for step in (b"HTTP/1.1 100 Continue\r\n\r\n", 0.05))),
    "half": lambda good, chance: (_half(good, chance), CLOSE),
    "half and reset": lambda good, chance: (_half(good, chance), RESET),
    "half and silence": lambda good, chance: (_half(good, chance), HANG),
    "slow drip": _drip,
    "garbage": lambda _good, chance: (chance.randbytes(500), CLOSE),
    "garbage for ever": lambda _good, chance: tuple(chance.randbytes(4096) for _ in range(500)),
    "a line without end": script(*(b"a" * 4096 for _ in range(500))),
    "tls": script(b"\x15\x03\x01\x00\x02\x02\x28", CLOSE),
    "nothing": script(CLOSE),
    "reset": script(RESET),
    "silence": script(HANG),
    "and garbage at once": lambda good, chance: (good + chance.randbytes(300),),
    "and a bad frame at once": then(b"\xf9\x01a"),
    "and a close at once": then(b"\x88\x02\x03\xe8"),
    "twice": lambda good, _chance: (good + good,),
}

MODES = tuple(_mode(name, upgrade) for name, upgrade in ODD.items())
