"""Odd answers over HTTP: to every question, to the archive's alone, or to one kind of question."""

import gzip
import json
import zlib
from collections.abc import Callable

from tests.hostile.mode import CLOSE, HANG, RESET, Answer, Asked, Chance, Mode, OnHttp, Script

DRIP_S = 0.02
QUERY, ARCHIVE = "/v1/query", "/v1"
BOMB = 200 * 2**20


def status(number: int, body: bytes = b"<html>no</html>", *headers: tuple[bytes, bytes]) -> OnHttp:
    """Another status."""
    answer = Answer(number, ((b"content-type", b"text/html"), *headers), b"", b"No").saying(body)
    return lambda _asked, _answer, _chance: (answer.raw(),)


def saying(body: bytes) -> OnHttp:
    """200 with this body."""
    return lambda _asked, answer, _chance: (answer.without(b"content-encoding").saying(body).raw(),)


def header(*headers: tuple[bytes, bytes]) -> OnHttp:
    """The good answer with more headers."""
    return lambda _asked, answer, _chance: (answer.adding(*headers).raw(),)


def length(value: bytes) -> OnHttp:
    """The good answer with this in place of its length."""
    return lambda _asked, answer, _chance: (
        answer.without(b"content-length").adding((b"content-length", value)).raw(),
        CLOSE,
    )


def script(*steps: object) -> OnHttp:
    """Only this."""
    return lambda _asked, _answer, _chance: steps  # type: ignore[return-value]


def of(hook: OnHttp, path: str, *kinds: str) -> OnHttp:
    """Only to these kinds of questions on this path."""
    return lambda asked, answer, chance: (
        hook(asked, answer, chance) if asked.path == path and asked.kind in kinds else None
    )


def changed(change: Callable[[object], object]) -> OnHttp:
    """The `data` of a good answer to a query, changed."""

    def hook(asked: Asked, answer: Answer, _chance: Chance) -> Script | None:
        if not asked.path.endswith("/query"):
            return None
        said = json.loads(answer.body)
        said["data"] = change(said.get("data"))
        return (answer.saying(json.dumps(said).encode()).raw(),)

    return hook


def _leaves(change: Callable[[object], object]) -> Callable[[object], object]:
    def walk(value: object) -> object:
        if isinstance(value, dict):
            return {key: walk(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner) for inner in value]
        return change(value)

    return walk


def _digits(value: object) -> bool:
    return isinstance(value, str) and value.lstrip("-").isdigit()


def _half(_asked: Asked, answer: Answer, _chance: Chance) -> Script:
    raw = answer.raw()
    return raw[: len(raw) - len(answer.body) // 2 - 1], CLOSE


def _drip(_asked: Asked, answer: Answer, _chance: Chance) -> Script:
    return tuple(step for byte in answer.raw() for step in (bytes([byte]), DRIP_S))


def _zipped(content: bytes, encoding: bytes = b"gzip") -> OnHttp:
    def hook(_asked: Asked, answer: Answer, _chance: Chance) -> Script:
        return (answer.saying(content).adding((b"content-encoding", encoding)).raw(),)

    return hook


def _bomb() -> bytes:
    """What inflates to `BOMB` spaces. Made of one piece many times: squeezing it all takes seconds, at
    every import.
    """
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = b" " * 2**20
    squeezed = squeezer.compress(piece) + squeezer.flush(zlib.Z_FULL_FLUSH)  # what follows does not look back
    checksum = 0
    for _ in range(BOMB // len(piece)):
        checksum = zlib.crc32(piece, checksum)
    head, last = b"\x1f\x8b\x08" + bytes(6) + b"\xff", b"\x03\0"
    return (
        head
        + squeezed * (BOMB // len(piece))
        + last
        + checksum.to_bytes(4, "little")
        + BOMB.to_bytes(4, "little")
    )


def _swapped(_asked: Asked, answer: Answer, chance: Chance) -> Script:
    """Each question gets the answer to the one before."""
    kept = chance.kept["swapped"]
    kept.append(answer)
    return (kept[-2].raw() if len(kept) > 1 else answer.raw(),)


def _frozen(asked: Asked, answer: Answer, chance: Chance) -> Script:
    """Each question gets what it got first."""
    first = chance.kept[asked.path, asked.body]
    first.append(answer)
    return (first[0].raw(),)


def _chunked(_asked: Asked, answer: Answer, _chance: Chance) -> Script:
    head = answer.without(b"content-length").adding((b"transfer-encoding", b"chunked"))
    return head.raw().removesuffix(answer.body) + b"5\r\nabc", CLOSE


def _time_off_by(ms: int) -> OnHttp:
    def hook(asked: Asked, answer: Answer, _chance: Chance) -> Script | None:
        if not asked.path.endswith("/time"):
            return None
        return (answer.saying(b"%d" % (int(answer.body) + ms)).raw(),)

    return hook


ODD: dict[str, OnHttp] = {
    "500": status(500),
    "500 of a json": status(500, b'{"status":"failure","error":"internal","error_code":1}'),
    "502": status(502, b"\xff\xfe"),
    "503 of 300 kB": status(503, b"x" * 300_000),
    "429": status(429, b"", (b"retry-after", b"1")),
    "429 retry-after nonsense": status(429, b"", (b"retry-after", b"\xff soon")),
    "403": status(403, b'{"reason":"no","block":true}'),
    "204": status(204, b""),
    "302": status(302, b"", (b"location", b"http://127.0.0.1:1/")),
    "418": status(418),
    "truncated": _half,
    "length too long": length(b"999999"),
    "length too short": length(b"5"),
    "length not a number": length(b"abc"),
    "length negative": length(b"-5"),
    "length twice": header((b"content-length", b"3")),
    "broken chunks": _chunked,
    "broken gzip": _zipped(b"\x1f\x8b\x08\0broken"),
    "gzip that is none": _zipped(b'{"status":"success"}'),
    "gzip cut off": _zipped(gzip.compress(b'{"status":"success","data":"active"}' * 50)[:40]),
    "gzip bomb": _zipped(_bomb()),
    "brotli": _zipped(b"\x0b\x02\x80abc", b"br"),
    "encoding not ascii": _zipped(b"{}", b"\xff\xfe"),
    "empty": saying(b""),
    "not json": saying(b"<html>maintenance</html>"),
    "half json": saying(b'{"status":"success","data":{"a'),
    "null": saying(b"null"),
    "a list": saying(b"[]"),
    "a number": saying(b"1"),
    "text not utf-8": saying(b'{"status":"success","data":"\xff\xfe"}'),
    "nested 100,000 deep": saying(b"[" * 100_000 + b"]" * 100_000),
    "nested data": saying(b'{"status":"success","data":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001),
    "data null": changed(lambda _data: None),
    "data a list": changed(lambda _data: []),
    "data a text": changed(lambda _data: "x"),
    "data empty": changed(lambda _data: {}),
    "every number a text": changed(_leaves(lambda value: "many" if _digits(value) else value)),
    "every number null": changed(_leaves(lambda value: None if _digits(value) else value)),
    "every number negative": changed(
        _leaves(lambda value: f"-{value}" if _digits(value) and value != "0" else value)
    ),
    "every number huge": changed(_leaves(lambda value: str(value) + "0" * 60 if _digits(value) else value)),
    "every number a float": changed(_leaves(lambda value: float(str(value)) if _digits(value) else value)),
    "every flag turned": changed(_leaves(lambda value: not value if isinstance(value, bool) else value)),
    "status failure": saying(b'{"status":"failure","error":"no","error_code":1000}'),
    "status failure of a text": saying(b'{"status":"failure","error":null,"error_code":"x"}'),
    "status unknown": saying(b'{"status":"maybe"}'),
    "header not ascii": header((b"x-colo", b"Z\xfcrich")),
    "header of 200 kB": header((b"x-large", b"a" * 200_000)),
    "header with NUL": header((b"x-nul", b"a\0b")),
    "instance not ascii": header((b"x-evenkeel-venue", b"\xff\xfe")),
    "another instance": lambda _a, answer, _c: (
        answer.without(b"x-evenkeel-venue").adding((b"x-evenkeel-venue", b"simulated-9-9")).raw(),
    ),
    "no instance": lambda _a, answer, _c: (answer.without(b"x-evenkeel-venue").raw(),),
    "bad first line": script(b"HTTP/9.9 abc\r\n\r\n", CLOSE),
    "garbage": lambda _asked, _answer, chance: (chance.randbytes(300), CLOSE),
    "garbage after it": lambda _asked, answer, chance: (answer.raw() + chance.randbytes(50),),
    "slow drip": _drip,
    "late": lambda _asked, answer, _chance: (1.5, answer.raw()),
    "silence": script(HANG),
    "reset": script(RESET),
    "end": script(CLOSE),
    "answers to another question": _swapped,
    "frozen": _frozen,
    "half of them lost": lambda _asked, _answer, chance: (RESET,) if chance.random() < 0.5 else None,
}
KINDS = {
    "account": (QUERY, "subaccount_info", "isolated_positions", "orders"),
    "rules": (QUERY, "symbols", "all_products", "contracts", "fee_rates"),
    "book": (
        QUERY,
        "market_liquidity",
    ),
    "archive": (ARCHIVE, "orders", "matches"),
}
PARTS: dict[str, OnHttp] = {
    f"{what} {name}": of(hook, path, *kinds)
    for what, (path, *kinds) in KINDS.items()
    for name, hook in (
        ("silent", script(HANG)),
        ("500", status(500)),
        ("null", saying(b"null")),
        ("frozen", _frozen),
    )
}
MODES = (
    *(Mode(f"http {name}", http=hook) for name, hook in (ODD | PARTS).items()),
    Mode("http time ahead by 1 h", http=_time_off_by(3_600_000)),
    Mode("http time behind by 3 s", http=_time_off_by(-3_000)),
    Mode("http time nonsense", http=of(saying(b'"soon"'), "/v1/time", "")),
)
