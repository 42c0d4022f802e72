"""How quantities are written by people: a number, a space or not, a unit. Reading and writing, exact in both
directions.

    "1000 USD"  "0.1 %"  "2.5 bps"  "2 s"  "100 ms"  "10 min"  "24 h"  "5x"  "10 MB"  "accept 0.5 %"  5 |
                "forever"

Each kind of text is one class: `read` makes the value that `messages.settings` holds, `write` makes a text
that `read` takes back unchanged, `suggest` repeats a number that was typed in a unit that `read` takes. What
people type for a unit is understood ("5m", "2 mins", "usdt0", "1k USD"); a number without a unit, or with
somebody else's unit, is refused: nobody guesses whether 1000 meant dollars or coins.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from difflib import get_close_matches
from typing import Any, ClassVar

from messages.ranges import MsRange, QuoteRange, is_range
from messages.settings import WhenUnbalanced, utc_text
from messages.units import ONE, Bps, Ms, Quote, Rate, Ticks

_NUMBER_AND_UNIT = re.compile(r"([+-]?(?:\d[\d,_]*)?(?:\.\d+)?)\s*(.*)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[,_]\d{3})+)(?:\.\d+)?")
_EXPONENT = re.compile(r"[+-]?[\d.,_]*\d[eE][+-]?\d")
_DIGITS_MAX = 40
"""Longer numbers are typing mistakes; int128 has 39 digits."""


class BadText(ValueError):
    """A text that is not a quantity of the wanted kind. `code` is a word; `saying` continues a sentence
    that begins with the key.
    """

    def __init__(self, code: str, saying: str) -> None:
        super().__init__(saying)
        self.code = code
        self.saying = saying


class Text:
    """A kind of text. Abstract: subclasses say how it is read and written."""

    name: ClassVar[str] = "a text"
    """What the value is, for sentences: "an amount of money"."""

    @classmethod
    def read(cls, written: object) -> Any:
        """The value in `written` (a TOML value, or the string typed at a flag). Raises `BadText`."""
        raise NotImplementedError

    @classmethod
    def write(cls, value: Any) -> object:
        """The TOML value that `read` turns into `value` again: itself, where TOML has its type."""
        return value

    @classmethod
    def suggest(cls, written: object, like: Any) -> object | None:
        """What was meant by a text that `read` refuses, in a form that it takes; None when that would be a
        guess. `like`: a value of this kind.
        """
        return None

    @classmethod
    def form(cls) -> str:
        """What is to be written, in words, without anybody's number."""
        return cls.name


class Measure(Text):
    """A number with a unit. `units` maps each unit to the size of one of it in the value's own integers."""

    value_type: ClassVar[type[int]]
    """The type of the value, an integer in units of its own."""
    units: ClassVar[Mapping[str, int]]
    also: ClassVar[Mapping[str, int]] = {}
    """What people type for the units, in lower case; capitals do not matter in any unit."""

    @classmethod
    def of(cls, scaled: int) -> Any:
        """The typed value of a scaled integer. Raises `BadText` for one that is too large."""
        try:
            return getattr(cls.value_type, "checked", cls.value_type)(scaled)
        except ValueError:
            raise BadText("OUT_OF_RANGE", "is too large") from None

    @classmethod
    def read(cls, written: object) -> Any:
        """The value; exact, never rounded. Raises `BadText` for no unit, a wrong unit, or more digits than
        the value can hold.
        """
        shown = str(written)
        number, unit = cls.parts(shown)
        if not unit:
            raise BadText("NO_UNIT", f'"{shown}" has no unit')
        size = cls._size(unit)
        if size is None:
            raise BadText("WRONG_UNIT", f'"{shown}" is not {cls.name}: the unit is {" or ".join(cls.units)}')
        return cls.of(_scaled(number, size, shown))

    @classmethod
    def parts(cls, shown: str) -> tuple[str, str]:
        """Number and unit of a text, "" where it has none. Raises `BadText` where it does not begin with a
        number.
        """
        return _split(shown)

    @classmethod
    def _size(cls, unit: str) -> int | None:
        folded: dict[str, int] = {name.lower(): size for name, size in cls.units.items()}
        folded.update(cls.also)
        return cls.units.get(unit, folded.get(unit.lower()))

    @classmethod
    def suggest(cls, written: object, like: Any) -> object | None:
        """The number that was typed, in the unit of `like` where it has none; a minus sign is taken for a
        slip.

        A word that is none of the units becomes only what it is nearly spelt like: "2 minuets" is no "2 s",
        and 500 ETH are not 500 USD.
        """
        try:
            number, unit = cls.parts(str(written))
        except BadText:
            return None
        if cls._size(unit) is None:
            if not re.fullmatch(r"[^\W\d_]{2,}|", unit):
                return None  # "1k", "1e3": the number that was meant is another one
            if unit:
                near = get_close_matches(unit.lower(), [*map(str.lower, cls.units), *cls.also], 1, 0.75)
                size = cls._size(near[0]) if near else None
                return next(
                    (f"{number.lstrip('+-')} {name}" for name, each in cls.units.items() if each == size),
                    None,
                )
            unit = str(cls.write(like)).lstrip("-0123456789.").strip()
        return number.lstrip("+-") + _spaced(unit)

    @classmethod
    def form(cls) -> str:
        """What is to be written: a number and one of the units, without a number of ours."""
        return f"a number and {' or '.join(cls.units)}"

    @classmethod
    def write(cls, value: Any) -> object:
        """In the first unit in which the value is a whole number, else in the last one of those listed."""
        whole = [unit for unit, size in cls.units.items() if int(value) % size == 0]
        unit = whole[0] if whole else list(cls.units)[-1]
        return _written(int(value), cls.units[unit]) + _spaced(unit)


def _split(shown: str) -> tuple[str, str]:
    if _EXPONENT.match(shown.strip()):
        raise BadText("NOT_A_NUMBER", f'"{shown}" has an exponent: write the number in full')
    match = _NUMBER_AND_UNIT.fullmatch(shown.strip())
    number, unit = match.groups() if match else ("", shown)
    if not _NUMBER.fullmatch(number) or len(number) > _DIGITS_MAX:
        raise BadText("NOT_A_NUMBER", f'"{shown}" does not begin with a number')
    return number, unit.strip()


def _scaled(number: str, size: int, shown: str) -> int:
    with localcontext() as exact:
        exact.prec = 120
        scaled = Decimal(number.replace(",", "").replace("_", "")) * size
        if scaled != scaled.to_integral_value():
            raise BadText("TOO_FINE", f'"{shown}" has more digits than can be kept')
        return int(scaled)


def _written(value: int, size: int) -> str:
    with localcontext() as exact:
        exact.prec = 120
        text = f"{Decimal(value) / Decimal(size):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _spaced(unit: str) -> str:
    return unit if unit == "x" else f" {unit}"


class Usd(Measure):
    """An amount of money, USD x18; `$1000` and `1k USDT0` are understood, too."""

    name = "an amount of money"
    value_type = Quote
    units: ClassVar[Mapping[str, int]] = {"USD": ONE}
    also: ClassVar[Mapping[str, int]] = dict.fromkeys(
        ("usdt", "usdt0", "usdc", "dollar", "dollars", "$"), ONE
    )
    _thousands = re.compile(r"([^a-z]*\d)\s*k\b\s*(.*)", re.DOTALL | re.IGNORECASE)

    @classmethod
    def parts(cls, shown: str) -> tuple[str, str]:
        """As of any measure; "1k" is 1000, and a dollar sign may stand in front."""
        text = shown.strip()
        dollars = text.removeprefix("$")
        match = cls._thousands.fullmatch(dollars)
        number, unit = _split(f"{match[1]} {match[2]}" if match else dollars)
        return (_written(_scaled(number, 1000 * ONE, shown), ONE) if match else number), unit or text[
            : len(text) - len(dollars)
        ]


NEVER = "never"
"""How a goal, or a rule, is written that is not set."""


class OrNever(Measure):
    """A measure, or "never" (None). Abstract: beside a measure it makes another one."""

    @classmethod
    def read(cls, written: object) -> Any:
        """The measure, None for "never". Raises `BadText` for anything else."""
        return None if written == NEVER else super().read(written)

    @classmethod
    def write(cls, value: Any) -> object:
        """The measure with its unit, or "never" where there is none (None)."""
        return NEVER if value is None else super().write(value)

    @classmethod
    def suggest(cls, written: object, like: Any) -> object | None:
        """As the measure without "never" proposes it; where nothing was set, beside 0."""
        return super().suggest(written, 0 if like is None else like)

    @classmethod
    def form(cls) -> str:
        """How the measure is written, and that it may be "never"."""
        return f'{super().form()}, or "{NEVER}"'


class UsdOrNever(OrNever, Usd):
    """An amount of money, or "never" (None)."""

    name = f'an amount of money or "{NEVER}"'


class UtcTime(Text):
    """A time, UTC, to the second; or "never" (None). Kept as milliseconds since 1970."""

    name = f'a time, UTC, like "2026-12-01 18:00", or "{NEVER}"'
    _pattern = re.compile(
        r"((?:19[7-9]\d|[2-9]\d{3})-\d\d-\d\d)[ T](\d\d:\d\d)(:\d\d)?(?: ?(?:Z|UTC)|\+00:00)?"
    )

    @classmethod
    def read(cls, written: object) -> Any:
        """The moment, from its text or from a time as TOML has them. Raises `BadText` for anything else."""
        shown = str(written).strip()
        if shown == NEVER:
            return None
        match = cls._pattern.fullmatch(shown)
        if match is None:
            raise BadText("NOT_A_TIME", f'"{written}" is not {cls.name}')
        try:
            at = datetime.fromisoformat(f"{match[1]} {match[2]}{match[3] or ''}").replace(tzinfo=UTC)
        except ValueError:
            raise BadText("NOT_A_TIME", f'"{written}" is not a time that there is') from None
        return Ms(int(at.timestamp()) * 1000)

    @classmethod
    def write(cls, value: Any) -> object:
        """`2026-12-01 18:00`, with its seconds where they are not 0; "never" for None."""
        return NEVER if value is None else utc_text(value)


class Points(Measure):
    """A part of a price, written in basis points first."""

    name = "a part of the whole"
    value_type = Bps
    units: ClassVar[Mapping[str, int]] = {"bps": ONE, "%": 100 * ONE}
    also: ClassVar[Mapping[str, int]] = {
        "bp": ONE,
        "basis points": ONE,
        "percent": 100 * ONE,
        "pct": 100 * ONE,
    }

    @classmethod
    def write(cls, value: Any) -> object:
        """In this kind's first unit, always: every count of basis points has an exact text in both."""
        unit, size = next(iter(cls.units.items()))
        return f"{_written(int(value), size)} {unit}"


class PointsOrNever(OrNever, Points):
    """A part of the whole, or "never" (None)."""

    name = f'a part of the whole or "{NEVER}"'


class Percent(Points):
    """The same basis points, which `write` shows in percent: for what people call a percentage."""

    units: ClassVar[Mapping[str, int]] = {"%": 100 * ONE, "bps": ONE}


class Duration(Measure):
    """A length of time, kept in whole milliseconds."""

    name = "a length of time"
    value_type = Ms
    units: ClassVar[Mapping[str, int]] = {"h": 3_600_000, "min": 60_000, "s": 1_000, "ms": 1}
    also: ClassVar[Mapping[str, int]] = {
        **dict.fromkeys(("d", "day", "days"), 86_400_000),
        **dict.fromkeys(("hr", "hrs", "hour", "hours"), 3_600_000),
        **dict.fromkeys(("m", "mins", "minute", "minutes"), 60_000),
        **dict.fromkeys(("sec", "secs", "second", "seconds"), 1_000),
        **dict.fromkeys(("msec", "millisecond", "milliseconds"), 1),
    }

    @classmethod
    def write(cls, value: Any) -> object:
        """In the largest unit in which it is a whole number; nothing is "0 s"."""
        return "0 s" if value == 0 else super().write(value)


_RANGE = re.compile(r"\s*(\$?\d[^\u2013-]*?)\s*(?:-|\u2013|\bto\b)\s*(\$?\d.*?)\s*", re.DOTALL)


class Ranged(Measure):
    """A measure, or a range of it: `3-9 min`, `90 s - 3 min`. The first end may lack its unit. Abstract:
    beside a measure it makes another one.
    """

    range_type: ClassVar[type[MsRange] | type[QuoteRange]]

    @classmethod
    def ends(cls, written: object) -> tuple[int, int] | None:
        """Both ends in the order written; None for what is no range. Raises `BadText` for an end that cannot
        be read.
        """
        shown = str(written)
        match = None if _EXPONENT.match(shown.strip()) else _RANGE.fullmatch(shown)
        if match is None:
            return None
        first, last = match.groups()
        unit = cls.parts(last)[1]
        if not unit:
            raise BadText("NO_UNIT", f'"{shown}" has no unit')
        first = first if cls.parts(first)[1] else f"{first} {unit}"
        return int(super().read(first)), int(super().read(last))

    @classmethod
    def read(cls, written: object) -> Any:
        """The value, or the range. Raises `BadText`, also for ends that are swapped."""
        ends = cls.ends(written)
        if ends is None:
            return super().read(written)
        if ends[0] > ends[1]:
            raise BadText("ENDS_SWAPPED", f'"{written}" goes from more to less')
        return cls.range_type(*ends)

    @classmethod
    def write(cls, value: Any) -> object:
        """As the measure does; a range in the first unit in which both ends are whole, else in the last."""
        if not is_range(value):
            return super().write(value)
        ends = value.least, int(value)
        whole = [unit for unit, size in cls.units.items() if not any(end % size for end in ends)]
        unit = whole[0] if whole else list(cls.units)[-1]
        return "-".join(_written(end, cls.units[unit]) for end in ends) + _spaced(unit)

    @classmethod
    def suggest(cls, written: object, like: Any) -> object | None:
        """Swapped ends the right way round; else as the measure does."""
        try:
            ends = cls.ends(written)
        except BadText:
            return None
        return super().suggest(written, like) if ends is None else cls.write(cls.range_type(*sorted(ends)))

    @classmethod
    def form(cls) -> str:
        """How the measure is written, and that it may be a range."""
        return super().form().replace("a number", "a number, or FROM-TO,", 1)


class DurationOrRange(Ranged, Duration):
    """A length of time, or a range of them."""

    range_type = MsRange


class UsdOrRange(Ranged, Usd):
    """An amount of money, or a range of them."""

    range_type = QuoteRange


class Factor(Measure):
    """How many times something, a rate x18 written as `5x`."""

    name = "a multiple"
    value_type = Rate
    units: ClassVar[Mapping[str, int]] = {"x": ONE}
    also: ClassVar[Mapping[str, int]] = {"times": ONE}


class Share(Factor):
    """A part of something, a rate x18 written in percent: `20 %` is 0.2."""

    name = "a share"
    units: ClassVar[Mapping[str, int]] = {"%": ONE // 100}
    also: ClassVar[Mapping[str, int]] = {"percent": ONE // 100, "pct": ONE // 100}


class Bytes(Measure):
    """A size of files. Decimal units, as disks are sold."""

    name = "a size of files"
    value_type = int
    units: ClassVar[Mapping[str, int]] = {"GB": 10**9, "MB": 10**6, "kB": 10**3, "B": 1}


class TickCount(Measure):
    """A count of price ticks."""

    name = "a count of ticks"
    value_type = Ticks
    units: ClassVar[Mapping[str, int]] = {"ticks": 1}
    also: ClassVar[Mapping[str, int]] = {"tick": 1}


class Count(Text):
    """A whole number, as a TOML integer or as digits in a text."""

    name = "a whole number"

    @classmethod
    def read(cls, written: object) -> Any:
        """The number, from a number or from its digits."""
        if isinstance(written, int) and not isinstance(written, bool):
            return written
        if isinstance(written, str) and re.fullmatch(r"[+-]?\d(?:[\d_]{0,16}\d)?", written.strip()):
            return int(written)
        raise BadText("WRONG_TYPE", f'"{written}" is not {cls.name}')

    @classmethod
    def suggest(cls, written: object, like: Any) -> object | None:
        """The digits of a number that was written with more than digits: "5 cycles" is 5."""
        match = re.fullmatch(r"\s*(\d{1,9})(?:\.0+)?\s*(?:[A-Za-z]{3,})?\s*", str(written))
        return int(match[1]) if match else None


class Switch(Text):
    """On or off, as a TOML boolean or as the word for one."""

    name = "true or false"

    @classmethod
    def read(cls, written: object) -> Any:
        """The truth value, from one or from its word."""
        if isinstance(written, bool):
            return written
        if isinstance(written, str) and written.strip().lower() in {"true", "false"}:
            return written.strip().lower() == "true"
        raise BadText("WRONG_TYPE", f'"{written}" is not {cls.name}')


class Cycles(Count):
    """How many cycles: a whole number, or "forever" (None)."""

    name = 'a whole number or "forever"'

    @classmethod
    def suggest(cls, written: object, like: Any) -> object | None:
        """As of any whole number, and "forever" however it is spelt."""
        plain = re.sub(r"[^a-z]", "", str(written).lower())
        return "forever" if get_close_matches(plain, ["forever"], 1, 0.75) else super().suggest(written, like)

    @classmethod
    def read(cls, written: object) -> Any:
        """The number, None for "forever". Raises `BadText` for anything else."""
        return None if written == "forever" else super().read(written)

    @classmethod
    def write(cls, value: Any) -> object:
        """The number, or the word "forever" where there is none (None)."""
        return "forever" if value is None else value


class Spelt(Text):
    """A string of one pattern: a name, an address, a path."""

    pattern: ClassVar[str]
    code: ClassVar[str]
    saying: ClassVar[str]
    """What is said of a string that does not match; `{}` stands for it, where it may be repeated."""

    @classmethod
    def read(cls, written: object) -> Any:
        """The string as it is typed. Raises `BadText` for any other and for what is no string."""
        if not isinstance(written, str) or not re.fullmatch(cls.pattern, written):
            raise BadText(cls.code, cls.saying.format(written))
        return written


def spelt(name: str, pattern: str, code: str, saying: str) -> type[Spelt]:
    """The kind of text that takes what matches `pattern`, and says `saying` with `code` of anything else."""
    return type("Spelt", (Spelt,), {"name": name, "pattern": pattern, "code": code, "saying": saying})


BOUGHT_INSTEAD: Mapping[str, str] = {"short-eth": "long-sol", "short-sol": "long-eth"}
"""A pair has one name, that of the leg which is bought."""


class Choice(Text):
    """One of a few words, spelt exactly as the declaration spells them."""

    words: ClassVar[tuple[str, ...]]

    @classmethod
    def form(cls) -> str:
        """All of the words in quotes, in the order of the declaration."""
        return " or ".join(f'"{word}"' for word in cls.words)

    @classmethod
    def suggest(cls, written: object, like: Any) -> object | None:
        """The word that differs in capitals, spaces or hyphens alone, or by a slip or two of the keys; for
        the leg that would be sold, the one that is bought.
        """
        plain = re.sub(r"[\s_]+", "-", str(written).strip().lower())
        plain = BOUGHT_INSTEAD.get(plain, plain)
        near = get_close_matches(plain, cls.words, 1, 0.75)
        return near[0] if near else None

    @classmethod
    def read(cls, written: object) -> Any:
        """The word. Raises `BadText` naming all of them."""
        # exactly: an unknown venue once silently meant mainnet (lesson R12)
        if written not in cls.words:
            raise BadText("BAD_CHOICE", f'"{written}" is not one of {", ".join(cls.words)}')
        return written


def choice_of(words: tuple[str, ...]) -> type[Choice]:
    """The kind of text that takes exactly these words, for a key declared as `Literal`."""
    return type("Choice", (Choice,), {"words": words})


class CostLadder(Text):
    """A list of parts of a price, each written as `Points` writes it."""

    name = 'a list like ["10 bps", "25 bps"]'

    @classmethod
    def read(cls, written: object) -> Any:
        """Basis points x18, in the order written. Raises `BadText` for any that is none."""
        if not isinstance(written, list):
            raise BadText("WRONG_TYPE", f'"{written}" is not {cls.name}')
        return tuple(Points.read(item) for item in written)

    @classmethod
    def write(cls, value: Any) -> object:
        """A list of texts in basis points, in the same order."""
        return [Points.write(item) for item in value]


class Unbalanced(Text):
    """What to do when no pair of quantities keeps the promise."""

    name = '"skip", "accept N %" or "raise Nx"'

    @classmethod
    def suggest(cls, written: object, like: Any) -> object | None:
        """The same decision with the unit that its number lacks."""
        action, _, number = str(written).strip().partition(" ")
        kind = {"accept": Percent, "raise": Factor}.get(action)
        meant = kind.suggest(number, kind.of(ONE)) if kind and number else None
        return f"{action} {meant}" if meant else None

    @classmethod
    def read(cls, written: object) -> Any:
        """The decision with its number and unit. Raises `BadText` for any other."""
        action, _, number = str(written).strip().partition(" ")
        if action == "accept" and number:
            return WhenUnbalanced("accept", accept=Percent.read(number))
        if action == "raise" and number:
            return WhenUnbalanced("raise", raise_by=Factor.read(number))
        if action == "skip" and not number:
            return WhenUnbalanced()
        raise BadText("BAD_CHOICE", f'"{written}" is not one of {cls.name}')

    @classmethod
    def write(cls, value: Any) -> object:
        """The decision with its number and unit, as `read` takes it back."""
        if value.action == "accept":
            return f"accept {Percent.write(value.accept)}"
        return f"raise {Factor.write(value.raise_by)}" if value.action == "raise" else "skip"
