"""How a ratio of two amounts is written: a number without a unit, `0.8`."""

import re
from decimal import Decimal
from typing import Any

from commands.config.units_text import BadText, Text
from messages.units import Rate

DECIMALS_MOST = 4
"""A ratio of prices' movements is not known to more, and the search for quantities takes longer with each."""
_NUMBER = re.compile(r"[+-]?(?:\d{1,6}(?:\.\d*)?|\.\d+)")


class Ratio(Text):
    """A number of at most `DECIMALS_MOST` decimals, kept as a rate x18."""

    name = f"a number of at most {DECIMALS_MOST} decimals, like 0.8"

    @classmethod
    def read(cls, written: object) -> Any:
        """The number, from a text or from a number as TOML has them. Raises `BadText` for anything else and
        for more decimals.
        """
        shown = str(written).strip()
        if not _NUMBER.fullmatch(shown):
            raise BadText("NOT_A_NUMBER", f'"{written}" is not a number')
        if len(shown.partition(".")[2].rstrip("0")) > DECIMALS_MOST:
            raise BadText("TOO_FINE", f'"{written}" has more than {DECIMALS_MOST} decimals')
        return Rate.of(Decimal(shown))

    @classmethod
    def write(cls, value: Any) -> object:
        """As it is typed: every decimal that is not a closing zero."""
        return Rate(value).text()

    @classmethod
    def suggest(cls, written: object, like: Any) -> object | None:
        """The number of `0.8x` or `0,8`; None for anything else."""
        plain = str(written).strip().removesuffix("x").rstrip().replace(",", ".")
        return plain if _NUMBER.fullmatch(plain) else None
