"""Odd WebSocket frames, and messages that are lost, doubled, late, out of order or nonsense. They hit what
is connected and what reconnects.
"""

import json
import zlib
from collections.abc import Callable, Sequence

from tests.hostile.mode import CLOSE, HANG, RESET, Chance, Mode, OnSpoken, Script, Spoken, Step

TEXT, BINARY, CLOSING, PING, PONG = 1, 2, 8, 9, 10
ORDERS = "/v1/ws"
DRIP_S = 0.02
BOMB = 64 * 2**20


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, length: bytes | None = None
) -> bytes:
    """A server's frame. `length`: the length field as it stands, instead of a right one."""
    first = fin << 7 | rsv << 4 | opcode
    return bytes([first]) + (_length(len(payload)) if length is None else length) + payload


def _length(size: int) -> bytes:
    if size < 126:
        return bytes([size])
    return b"\x7e" + size.to_bytes(2, "big") if size < 2**16 else b"\x7f" + size.to_bytes(8, "big")


def squeezed(data: bytes) -> bytes:
    """As permessage-deflate does it, without context."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (squeezer.compress(data) + squeezer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


def bomb(size: int) -> bytes:
    """A frame that inflates to `size` bytes. Made of one piece many times: squeezing it all takes seconds,
    at every import.
    """
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = b"a" * 2**20
    squeezed = squeezer.compress(piece) + squeezer.flush(zlib.Z_FULL_FLUSH)  # what follows does not look back
    return frame(TEXT, (squeezed * (size // len(piece))).removesuffix(b"\0\0\xff\xff"), rsv=4)


def before(*steps: Step) -> OnSpoken:
    """This, then the good frame."""
    return lambda spoken, _chance: (*steps, spoken.speak(spoken.text))


def instead(*steps: Step) -> OnSpoken:
    """Only this; what was said is lost."""
    return lambda _spoken, _chance: steps


def saying(*texts: str) -> OnSpoken:
    """Well-formed frames with these texts before the good one."""
    return lambda spoken, _chance: (*(spoken.speak(text) for text in texts), spoken.speak(spoken.text))


def only(hook: OnSpoken, *paths: str) -> OnSpoken:
    """On these sockets alone."""
    return lambda spoken, chance: hook(spoken, chance) if spoken.path in paths else None


def changed(change: Callable[[dict[str, object]], object]) -> OnSpoken:
    """What is a JSON object, with something in it changed in place (or what `change` returns, if not
    None).
    """

    def hook(spoken: Spoken, _chance: Chance) -> Script | None:
        said = json.loads(spoken.text)
        if not isinstance(said, dict):
            return None
        other = change(said)
        return (spoken.speak(json.dumps(said if other is None else other)),)

    return hook


def _all_fields(value: object) -> OnSpoken:
    return changed(lambda said: dict.fromkeys(said, value))


def _doubled(spoken: Spoken, _chance: Chance) -> Script:
    return spoken.speak(spoken.text), spoken.speak(spoken.text)


def _late(spoken: Spoken, _chance: Chance) -> Script:
    return 1.2, spoken.speak(spoken.text)


def _dripped(spoken: Spoken, _chance: Chance) -> Script:
    return tuple(step for byte in spoken.speak(spoken.text) for step in (bytes([byte]), DRIP_S))


def _half(spoken: Spoken, _chance: Chance) -> Script:
    whole = spoken.speak(spoken.text)
    return whole[: len(whole) // 2], RESET


def _fragments(spoken: Spoken, _chance: Chance) -> Script:
    data = spoken.text.encode()
    pieces = [data[n : n + 7] for n in range(0, len(data), 7)]
    opcodes = [TEXT] + [0] * (len(pieces) - 1)
    pairs = zip(opcodes, pieces, strict=True)
    return tuple(frame(opcode, piece, fin=piece is pieces[-1]) for opcode, piece in pairs)


def _reordered(spoken: Spoken, chance: Chance) -> Script:
    """Two by two, the later one first. What is kept back is per path: a connection that is lost loses it."""
    kept = chance.kept[spoken.path]
    kept.append(spoken.text)
    return (spoken.speak(kept.pop()), spoken.speak(kept.pop())) if len(kept) > 1 else ()


def _again(spoken: Spoken, chance: Chance) -> Script:
    """Every text once more, three texts later."""
    past = chance.kept[spoken.path]
    past.append(spoken.text)
    return spoken.speak(spoken.text), *(spoken.speak(text) for text in past[-4:-3])


def _one_in(count: int) -> OnSpoken:
    return lambda _spoken, chance: () if chance.randrange(count) == 0 else None


def _mutated(data: bytes, chance: Chance) -> bytes:
    if chance.random() > 0.2 or not data:
        return data
    spoilt = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
    return bytes(spoilt)


def _cut_short(data: bytes, chance: Chance) -> bytes:
    return data[: chance.randrange(len(data) + 1)] if chance.random() < 0.05 else data


ODD: dict[str, OnSpoken] = {
    "opcode 3": before(frame(3, b"a")),
    "opcode 11": before(frame(11)),
    "reserved bit 2": before(frame(TEXT, b"{}", rsv=2)),
    "reserved bit on a ping": before(frame(PING, b"", rsv=4)),
    "fragmented ping": before(frame(PING, b"a", fin=False)),
    "ping of 200 bytes": before(frame(PING, b"a" * 200)),
    "2,000 pings": before(*(frame(PING, b"%d" % n) for n in range(2000))),
    "2,000 pongs": before(*(frame(PONG, b"%d" % n) for n in range(2000))),
    "close of one byte": instead(frame(CLOSING, b"\3")),
    "close code 999": instead(frame(CLOSING, b"\3\xe7")),
    "close code 1005": instead(frame(CLOSING, b"\3\xed")),
    "close reason not utf-8": instead(frame(CLOSING, b"\3\xe8\xff\xfe")),
    "close 1000": instead(frame(CLOSING, b"\3\xe8bye"), CLOSE),
    "close 1001 and silence": instead(frame(CLOSING, b"\3\xe9"), HANG),
    "close 1012 at once": instead(frame(CLOSING, b"\3\xf4restart"), RESET),
    "end without a close": instead(CLOSE),
    "reset": instead(RESET),
    "silence": instead(),
    "silence, and nothing is read": instead(HANG),
    "text not utf-8": before(frame(TEXT, b"\xff\xfe\xfd")),
    "half a character": before(frame(TEXT, b"\xc3")),
    "binary": before(frame(BINARY, b"\0\1\2\xff")),
    "binary of json": lambda spoken, _: (frame(BINARY, spoken.text.encode()),),
    "continuation of nothing": before(frame(0, b"a")),
    "text within text": before(frame(TEXT, b"a", fin=False)),
    "fragments of 7 bytes": _fragments,
    "fragments without end": instead(
        frame(TEXT, b"{", fin=False), *(frame(0, b" ", fin=False) for _ in range(3000))
    ),
    "empty fragments without end": instead(
        frame(TEXT, b"", fin=False), *(frame(0, b"", fin=False) for _ in range(3000))
    ),
    "broken deflate": before(frame(TEXT, b"\xff\xff\xff\xffnot deflate", rsv=4)),
    "deflate ends early": before(frame(TEXT, squeezed(b'{"type":"fill"}')[:4], rsv=4)),
    "deflate of nothing": before(frame(TEXT, b"", rsv=4)),
    "deflate bomb": before(bomb(BOMB)),
    "deflate bombs below the limit": before(*[bomb(4 * 2**20)] * 30),
    "length 2^63": before(frame(TEXT, b"", length=b"\x7f" + b"\xff" * 8)),
    "length 2^62, then silence": instead(frame(TEXT, b"abc", length=b"\x7f\x3f" + b"\xff" * 7), HANG),
    "length in too many bytes": before(frame(TEXT, b"{}", length=b"\x7f" + (2).to_bytes(8, "big"))),
    "masked": before(b"\x81\x82abcd\x1a\x1f"),
    "garbage": lambda _spoken, chance: (chance.randbytes(64),),
    "http in a socket": before(b"HTTP/1.1 200 OK\r\n\r\n"),
    "empty text": saying(""),
    "not json": saying("hello"),
    "half json": saying('{"type": "fill", "produ'),
    "json of other kinds": saying(
        "null", "true", "1", '"a"', "[]", "[[]]", "{}", '{"type":null}', '{"type":[]}', '{"id":"a"}'
    ),
    "nested 100,000 deep": saying("[" * 100_000 + "]" * 100_000),
    "nested objects": saying('{"a":' * 50_000 + "1" + "}" * 50_000),
    "huge number": saying('{"type":"fill","product_id":' + "9" * 5000 + "}", '{"id":' + "9" * 5000 + "}"),
    "not a number": saying('{"type":"fill","product_id":NaN}', '{"id":1e999}', '{"id":-0}'),
    "a lone surrogate": saying('{"type":"\\ud800","id":1}'),
    "unknown types": saying('{"type":"liquidation_alert","x":1}', '{"type":"fill_v2"}', '{"type":""}'),
    "all fields null": _all_fields(None),
    "all fields lists": _all_fields([]),
    "all fields texts": _all_fields("x"),
    "all fields -1": _all_fields("-1"),
    "all fields huge": _all_fields("9" * 60),
    "doubled": _doubled,
    "again, later": _again,
    "late": _late,
    "reordered": _reordered,
    "one in 3 lost": _one_in(3),
    "half a frame and reset": _half,
    "slow drip": _dripped,
    "answers lost": only(instead(), ORDERS),
    "answers late": only(_late, ORDERS),
    "answers doubled": only(_doubled, ORDERS),
    "answers of another id": only(changed(lambda said: said.update(id=999_999)), ORDERS),
    "answers without id": only(changed(lambda said: said.pop("id", None) and None), ORDERS),
    "answers of another digest": only(
        changed(lambda said: said.update(data={"digest": "0x" + "ab" * 32})), ORDERS
    ),
    "answers without digest": only(changed(lambda said: said.update(data={})), ORDERS),
    "answers are failures 5000": only(
        changed(lambda said: said.update(status="failure", error="busy", error_code=5000)), ORDERS
    ),
    "answers are failures of a code in words": only(
        changed(lambda said: said.update(status="failure", error=None, error_code="two")), ORDERS
    ),
    "answers are failures without code": only(changed(lambda said: said.update(status="failure")), ORDERS),
    "answers of unknown status": only(changed(lambda said: said.update(status="maybe")), ORDERS),
    "answers are cut off": only(instead(RESET), ORDERS),
    "events lost": only(instead(), "/v1/subscribe"),
    "acknowledgements are refusals": only(
        changed(lambda said: {"id": said["id"], "error": "no", "error_code": 1} if "id" in said else None),
        "/v1/subscribe",
    ),
    "an answer nobody asked for": saying('{"status":"success","data":{"digest":"0x00"},"id":1}'),
    "an unexpected end of subscription": saying(
        '{"type":"error","error":"subscription ended"}', '{"error":"rate limited"}'
    ),
}

RAW: Sequence[Mode] = (
    *(Mode(f"bytes mutated {number}", raw=_mutated, cuts=bool(number % 2)) for number in range(1, 9)),
    Mode("bytes cut short", raw=_cut_short),
    Mode("orders swallowed", drops_orders=True),
    Mode("host gone", refuses=True, cuts=True),
    Mode("everything cut once", cuts=True, seconds=0.0),
    Mode("everything silent", spoken=instead(HANG), http=lambda *_: (HANG,), upgrade=lambda *_: (HANG,)),
    Mode(
        "everything silent after a cut",
        spoken=instead(HANG),
        http=lambda *_: (HANG,),
        upgrade=lambda *_: (HANG,),
        cuts=True,
    ),
    Mode(
        "everything refused 429",
        http=lambda *_: (b"HTTP/1.1 429 No\r\ncontent-length: 0\r\n\r\n",),
        cuts=True,
    ),
)

MODES = (*(Mode(f"frame {name}", spoken=hook) for name, hook in ODD.items()), *RAW)
