"""Walks every message type there is: a new one is covered the moment it exists."""

import importlib
import pkgutil
import random
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest

import messages
from messages.units import ONE, X18, X18_LIMIT, Base, Bps, Price, Quote, Rate, imbalance, notional, worse
from messages.wire import decode, digest, encode

SCALARS = (int, str, bool, type(None), msgspec.Raw)  # Raw: bytes that nobody changes


def every_message() -> Iterator[type[msgspec.Struct]]:
    for module in pkgutil.iter_modules(messages.__path__):
        for value in vars(importlib.import_module(f"messages.{module.name}")).values():
            if (
                isinstance(value, type)
                and issubclass(value, msgspec.Struct)
                and value.__module__ == f"messages.{module.name}"
            ):
                yield value


ALL = sorted(set(every_message()), key=lambda kind: kind.__qualname__)


def members(kind: Any) -> tuple[Any, ...]:
    """The alternatives of a field's type, with NewType, unions and tuples opened up."""
    if isinstance(kind, typing.NewType):
        return members(kind.__supertype__)
    origin = get_origin(kind)
    if origin in {typing.Union, types.UnionType}:
        return tuple(inner for part in get_args(kind) for inner in members(part))
    if origin is tuple:
        return tuple(inner for part in get_args(kind) if part is not Ellipsis for inner in members(part))
    return (kind,)


def allowed_types(kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return all(isinstance(value, SCALARS) for value in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return bool(kind.__struct_config__.frozen)
    return isinstance(kind, type) and issubclass(kind, SCALARS)


def sample_message(kind: Any, rng: random.Random) -> Any:
    """A random value of a field's type; x18 integers up to 2^127."""
    if isinstance(kind, typing.NewType):
        return sample_message(kind.__supertype__, rng)
    origin = get_origin(kind)
    if origin is Literal:
        return rng.choice(get_args(kind))
    if origin in {typing.Union, types.UnionType}:
        return sample_message(rng.choice(get_args(kind)), rng)
    if origin is tuple:
        parts = get_args(kind)
        if parts[-1] is not Ellipsis:
            return tuple(sample_message(part, rng) for part in parts)
        return tuple(sample_message(parts[0], rng) for _ in range(rng.randrange(3)))
    if issubclass(kind, msgspec.Struct):
        return filled(kind, rng)
    if issubclass(kind, X18):
        return kind(rng.choice([X18_LIMIT, -X18_LIMIT, rng.randrange(-X18_LIMIT, X18_LIMIT)]))
    raw = msgspec.Raw(rng.choice([b"{}", b"[1]", b"2"]))
    texts = ["", "x", 'quote"\n']
    values = {
        msgspec.Raw: raw,
        bool: rng.random() < 0.5,
        int: rng.randrange(2**63),
        str: rng.choice(texts),
        type(None): None,
    }
    return values[kind]


def filled(kind: type[msgspec.Struct], rng: random.Random) -> msgspec.Struct:
    hints = typing.get_type_hints(kind)
    return kind(**{name: sample_message(hints[name], rng) for name in kind.__struct_fields__})


def test_there_are_messages_to_walk() -> None:
    assert {"SizingPlan", "Fill", "Held", "PairQuote"} <= {kind.__name__ for kind in ALL}


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_message_is_frozen(kind: type[msgspec.Struct]) -> None:
    message = filled(kind, random.Random(1))
    if kind.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(message, kind.__struct_fields__[0], 0)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_field_is_a_scalar_a_tuple_or_a_frozen_struct(kind: type[msgspec.Struct]) -> None:
    hints = typing.get_type_hints(kind)
    for name in kind.__struct_fields__:
        for member in members(hints[name]):
            assert allowed_types(member), f"{kind.__name__}.{name}: {member}"


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_message_survives_json_exactly(kind: type[msgspec.Struct]) -> None:
    for seed in range(25):
        message = filled(kind, random.Random(seed))
        back = decode(encode(message), kind)
        assert back == message, f"repeat with seed {seed}"
        assert encode(back) == encode(message)
        assert digest(back) == digest(message)


@pytest.mark.parametrize("unit", [Price, Base, Quote, Bps, Rate])
def test_a_unit_keeps_its_type_through_json(unit: type[X18]) -> None:
    holder = msgspec.defstruct("Holder", [("value", unit)], frozen=True)
    back = decode(encode(holder(unit(2**127))), holder)
    assert type(back.value) is unit
    assert back.value == 2**127


def test_an_integer_outside_int128_is_refused() -> None:
    holder = msgspec.defstruct("Holder", [("value", Price)], frozen=True)
    with pytest.raises(msgspec.ValidationError, match="128-bit"):
        decode(b'{"value":"%d"}' % (2**127 + 1), holder)


def test_a_bare_json_number_is_not_money() -> None:
    """S5: 1e9 for 1e18 once made a position of -5,000,000,000; money on the wire is a decimal string and
    nothing else.
    """
    holder = msgspec.defstruct("Holder", [("value", Price)], frozen=True)
    with pytest.raises(msgspec.ValidationError):
        decode(b'{"value":1000000000}', holder)


def test_a_unit_is_made_from_text_exactly_or_not_at_all() -> None:
    assert Price.of("2756.9") == 2756_900000000000000000
    assert Price.of("2756.9").text() == "2756.9"
    with pytest.raises(ValueError, match="18 decimals"):
        Price.of("0.0000000000000000001")


def test_the_founding_bug_in_numbers() -> None:
    """S1: 0.042 / 1.0 is 6.06 bps apart, 0.036 / 0.9 is 5.06 %."""
    eth, sol = Price.of("2756.9"), Price.of("115.86")
    balanced = imbalance(notional(eth, Base.of("0.042")), notional(sol, Base.of("-1.0")), ONE)
    rounded = imbalance(notional(eth, Base.of("0.036")), notional(sol, Base.of("-0.9")), ONE)
    assert 6_040000000000000000 < balanced < 6_070000000000000000
    # of the larger leg; 5.06 % of the smaller
    assert 4_810000000000000000 < rounded / 100 < 4_820000000000000000


def test_worse_is_up_for_a_buyer_and_down_for_a_seller() -> None:
    ten = Bps.of(10)
    assert worse(Price.of(1000), 1, ten) == Price.of(1001)
    assert worse(Price.of(1000), -1, ten) == Price.of(999)
