"""A value of the configuration that may be a range: what counts is drawn from it for each cycle.

A range *is* its upper end, and knows its lower one. So whoever asks for the most that may be held, waited for
or traded (margin, limits, the worst case) takes the value as it stands, and nobody can forget to.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import Any, TypeVar, cast

from messages.units import Quote

V = TypeVar("V", bound=int)
STEPS = 1_000_000
"""What is money is drawn in so many steps between both ends."""


class MsRange(int):
    """From `least` milliseconds up to and including itself."""

    least: int

    def __new__(cls, least: int, most: int) -> "MsRange":
        """Raises `ValueError` for ends that are swapped."""
        between = super().__new__(cls, _in_order(least, most))
        between.least = int(least)
        return between

    def __eq__(self, other: object) -> bool:
        return _same(self, other)

    def __hash__(self) -> int:
        return hash((self.least, int(self)))


class QuoteRange(Quote):
    """From `least` USD (x18) up to and including itself."""

    least: int

    def __new__(cls, least: int, most: int) -> "QuoteRange":
        """Raises `ValueError` for ends that are swapped."""
        between = super().__new__(cls, _in_order(least, most))
        between.least = int(least)
        return between

    def __eq__(self, other: object) -> bool:
        return _same(self, other)

    def __hash__(self) -> int:
        return hash((self.least, int(self)))


def _in_order(least: int, most: int) -> int:
    if least > most:
        raise ValueError(f"a range from {least} to {most} has its ends swapped")
    return most


def _same(one: Any, other: object) -> bool:
    return type(one) is type(other) and (one.least, int(one)) == (other.least, int(other))  # type: ignore[attr-defined,call-overload]


_RANGES = (MsRange, QuoteRange)


def is_range(value: int) -> bool:
    """Is a value drawn from it for each cycle, instead of being the value itself?"""
    return isinstance(value, _RANGES)


def least_of(value: int) -> int:
    """The lower end; of a value that is no range the value itself."""
    return int(getattr(value, "least", value))


def drawn(value: V, key: str, seed: int, cycle: int) -> V:
    """What counts in this cycle of a run with this seed: the same for the same three, both ends included. A
    value that is no range is itself.

    A hash, and no generator that remembers: a restart draws the same, and one draw moves no other.
    """
    return cast(V, _drawn(value, key, seed, cycle)) if is_range(value) else value


@lru_cache(maxsize=64)  # sizing asks at every quote of a cycle
def _drawn(value: int, key: str, seed: int, cycle: int) -> int:
    least, wide = least_of(value), int(value) - least_of(value)
    steps = wide if isinstance(value, MsRange) else STEPS
    found = int.from_bytes(blake2b(f"{key} {seed} {cycle}".encode(), digest_size=16).digest(), "big")
    plain = least + wide * (found % (steps + 1)) // max(steps, 1)
    return Quote(plain) if isinstance(value, Quote) else plain
