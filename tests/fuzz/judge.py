"""The verdict on one input. A reader may refuse it with the documented error; what it accepts must say what
the text says, to the last digit.

What the text says is taken from Python's own JSON parser, and numbers are compared as exact integers: a JSON
float, an exponent or a text with anything but digits is no integer, whatever it is near to.
"""

import json
import re
from typing import Any

import msgspec

from messages.units import X18, X18_LIMIT
from venue.nado import codec

Json = Any
_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)


class Wrong(AssertionError):
    """A reader accepted something that the text does not say."""


class _NoInteger(float):
    """A JSON number with a fraction or an exponent."""


def document_of(data: bytes) -> Json:
    """The text as Python's parser reads it. Raises `Wrong` when it is no JSON at all: somebody has
    accepted it.
    """
    try:
        return json.loads(data.decode("utf-8", "replace"), parse_float=_NoInteger)
    except ValueError as error:
        raise Wrong(f"accepted what is no JSON: {error}") from None


def exactly(value: Json) -> int:
    """The integer that a JSON value is. Raises `Wrong` when it is none."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Wrong(f"read {value!r} as an integer")


def says(value: object, document: Json, where: str = "$") -> None:
    """`value`, as read, is what `document` says. Raises `Wrong` naming the place."""
    if isinstance(value, msgspec.Struct):
        _struct(value, document, where)
    elif isinstance(value, X18 | codec.Whole):
        _same(int(value), exactly(document), where)
        if isinstance(value, X18) and not -X18_LIMIT <= value < X18_LIMIT:
            raise Wrong(f"{where}: {int(value)} is beyond int128")
    elif isinstance(value, tuple):
        _same(len(value), len(document), where)
        for index, (each, said) in enumerate(zip(value, document, strict=True)):
            says(each, said, f"{where}[{index}]")
    elif isinstance(value, dict):
        _same(sorted(value), sorted(document), where)
        for key, each in value.items():
            says(each, document[key], f"{where}.{key}")
    elif isinstance(value, msgspec.Raw):
        _same(document_of(bytes(value)), document, where)
    else:
        _same(value, document, where)


def _struct(value: msgspec.Struct, document: Json, where: str) -> None:
    if not isinstance(document, dict):
        raise Wrong(f"{where}: read an object from {type(document).__name__}")
    for field, name in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
        if name in document:
            says(getattr(value, field), document[name], f"{where}.{name}")


def _same(read: object, said: object, where: str) -> None:
    if type(read) is not type(said) and not (
        isinstance(read, str | int) and isinstance(said, str | int) and read == said
    ):
        raise Wrong(f"{where}: read {read!r} of type {type(read).__name__}, the text says {said!r}")
    if read != said:
        raise Wrong(f"{where}: read {read!r}, the text says {said!r}")


def comes_back(value: Any, kind: Any) -> None:
    """Written and read again it is the same, number for number. Raises `Wrong`."""
    again = codec.read(codec.write(value), kind)
    if again != value:
        raise Wrong(f"written and read again {value!r} became {again!r}")
