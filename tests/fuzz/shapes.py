"""Valid messages to begin with."""

import json
import random
from collections.abc import Callable
from typing import Any

import msgspec

from messages.units import X18
from tests.shared_data import SHARED
from venue.nado.codec import Moment, Whole

Json = Any


def sample_of_type(kind: Any, rng: random.Random) -> Json:
    """A JSON value that a struct, or any other type the codec reads, accepts; numbers of every magnitude,
    as text or as JSON numbers.
    """
    return _of(msgspec.inspect.type_info(kind), rng)


def _of(info: msgspec.inspect.Type, rng: random.Random) -> Json:
    return _MAKERS[type(info)](info, rng)


def _struct(info: Any, rng: random.Random) -> Json:
    return {
        field.encode_name: _of(field.type, rng)
        for field in info.fields
        if field.required or rng.random() < 0.8
    }


def _number(info: Any, rng: random.Random) -> Json:
    if issubclass(info.cls, Moment):
        value = rng.choice((1, 10**9, 1_786_360_000_000_000_000, rng.randrange(1, 2**63)))
    elif issubclass(info.cls, X18):
        value = rng.choice((1, -1)) * rng.choice((0, 1, 10**18, rng.randrange(2**64), rng.randrange(2**127)))
    else:
        value = rng.choice((0, 4, 8, rng.randrange(2**31), rng.randrange(2**64)))
    return str(value) if issubclass(info.cls, X18) or rng.random() < 0.5 else value


def _custom(info: Any, rng: random.Random) -> Json:
    if issubclass(info.cls, X18 | Whole):
        return _number(info, rng)
    raise TypeError(f"no sample of {info.cls}")


_MAKERS: dict[type, Callable[[Any, random.Random], Json]] = {
    msgspec.inspect.StructType: _struct,
    msgspec.inspect.CustomType: _custom,
    msgspec.inspect.VarTupleType: lambda info, rng: [
        _of(info.item_type, rng) for _ in range(rng.choice((0, 1, 2, 5)))
    ],
    msgspec.inspect.TupleType: lambda info, rng: [_of(each, rng) for each in info.item_types],
    msgspec.inspect.DictType: lambda info, rng: {
        name: _of(info.value_type, rng) for name in ("ETH-PERP", "SOL-PERP", "BTC-PERP")
    },
    msgspec.inspect.UnionType: lambda info, rng: _of(rng.choice(info.types), rng),
    msgspec.inspect.LiteralType: lambda info, rng: rng.choice(info.values),
    msgspec.inspect.StrType: lambda _info, rng: rng.choice(("", "0x" + "ab" * 32, "text")),
    msgspec.inspect.BoolType: lambda _info, rng: rng.random() < 0.5,
    msgspec.inspect.IntType: lambda _info, rng: rng.randrange(2**31),
    msgspec.inspect.NoneType: lambda _info, _rng: None,
    msgspec.inspect.RawType: lambda _info, rng: rng.choice((None, 7, "text", {"digest": "0xaa"})),
}


def examples() -> list[Json]:
    """Every JSON object of the documented examples that a venue could send; empty where they are not
    beside this checkout.
    """
    found: list[Json] = []
    for path in sorted((SHARED / "nado-messages").glob("*.json")):
        _collect(json.loads(path.read_text()), found)
    return found


def _collect(value: Json, found: list[Json]) -> None:
    if isinstance(value, dict):
        if {"type", "status", "result", "matches", "error", "bids"} & value.keys():
            found.append(value)
        for child in value.values():
            _collect(child, found)
    elif isinstance(value, list):
        for child in value:
            _collect(child, found)
