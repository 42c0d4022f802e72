"""Number types. Money is an integer scaled by 10**18 and never a float.

Each quantity has a class of its own, so that a price cannot be passed where an amount is wanted (the first
bot rounded a *quantity* to the *price* tick and got zero, lesson S3). Arithmetic on them gives a plain `int`:
whoever computes must say what the result is by wrapping it.

    Price(2756_900000000000000000)   2756.9 USD per unit of base
    Base(-42000000000000000)         0.042 of the base coin, sold
    Quote(-115789800000000000000)    115.7898 USD, paid
    Bps(6060000000000000000)         6.06 basis points (1 bp = 10**18 here; 100 bp = 1 %)
"""

from decimal import Decimal, localcontext
from math import gcd
from typing import NewType, Self

ONE = 10**18
"""The x18 scale: 1.0 as a scaled integer."""

BASIS = 10_000 * ONE
"""100 % in basis points x18."""

X18_LIMIT = 2**127
"""Venue integers are int128; anything outside is a broken message, not a number."""

Ms = NewType("Ms", int)
"""Milliseconds: a duration, or a moment since the Unix epoch, as the name of the field says."""

Ticks = NewType("Ticks", int)
"""A count of price ticks: how large one is the venue says, for each product."""

Ns = NewType("Ns", int)
"""Nanoseconds since the Unix epoch."""


class X18(int):
    """An integer scaled by 10**18. Use one of the subclasses."""

    @classmethod
    def of(cls, value: Decimal | str | int) -> Self:
        """The exact scaled integer for a decimal number.

        Raises `ValueError` when `value` has more than 18 decimals or leaves the int128 range: nothing is ever
        rounded in here.
        """
        with localcontext() as exact:
            exact.prec = 80
            scaled = Decimal(value) * ONE
            if not scaled.is_finite() or scaled != scaled.to_integral_value():
                raise ValueError(f"{value} is not a number with at most 18 decimals")
            return cls.checked(int(scaled))

    @classmethod
    def checked(cls, value: int) -> Self:
        """`value` as this unit; raises `ValueError` outside int128."""
        if not -X18_LIMIT <= value <= X18_LIMIT:
            raise ValueError(f"{value} does not fit a signed 128-bit integer")
        return cls(value)

    def decimal(self) -> Decimal:
        """The exact value as a `Decimal`, all eighteen decimals kept."""
        with localcontext() as exact:
            exact.prec = 80
            return Decimal(int(self)).scaleb(-18)

    def text(self) -> str:
        """The exact value as people write it: no exponent, no trailing zeros, `-0` is `0`."""
        text = f"{self.decimal():f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text in {"-0", ""} else text


def text_of(value: X18 | None) -> str | None:
    """The exact value as a program reads it; None, and so null, where nobody knows it."""
    return None if value is None else value.text()


class Price(X18):
    """USD per unit of base, x18."""


class Base(X18):
    """An amount of the base coin, x18; negative = sold or short."""


class Quote(X18):
    """USD (USDT0 at the venue), x18."""


class Rate(X18):
    """A dimensionless fraction, x18: fee rates, weights."""


class Bps(X18):
    """Basis points, x18: 10**18 is one basis point."""


DOLLAR_NEUTRAL = Rate(ONE)
"""The hedge ratio of a pair whose legs are worth the same dollars."""


def notional(price: int, amount: int) -> Quote:
    """|price x amount| in USD, rounded down to 10**-18 USD."""
    return Quote(abs(price * amount) // ONE)


def hedge_weights(ratio: int) -> tuple[int, int]:
    """What dollars of ETH and of SOL are multiplied by, in whole numbers without a common divisor, so that a
    pair with SOL at `ratio` (x18, above 0) of ETH's dollars weighs the same on both sides: (4, 5) for 0.8.
    """
    common = gcd(ratio, ONE)
    return ratio // common, ONE // common


def imbalance(eth: int, sol: int, ratio: int) -> Bps:
    """|E - S / ratio| / max(E, S / ratio) of two notionals, in basis points, rounded up so that a limit is
    never met by rounding. 0 when both are 0. `ratio` (x18): the dollars of SOL that hedge one of ETH.
    """
    return apart(abs(eth) * ratio, abs(sol) * ONE)


def apart(eth: int, sol: int) -> Bps:
    """The same of two amounts that are weighted already (`hedge_weights`), neither below 0."""
    larger = eth if eth > sol else sol
    return Bps(-(-abs(eth - sol) * BASIS // larger)) if larger else Bps(0)


def net_exposure(eth: int, sol: int, ratio: int) -> int:
    """|E + S / ratio| of two signed amounts of dollars, in dollars of ETH, rounded down: how much of the one
    leg the other does not hedge. In the unit of `eth` and `sol`.
    """
    return abs(eth * ratio + sol * ONE) // ratio


def legs_of(target: int, ratio: int) -> tuple[Quote, Quote]:
    """USD (x18) that ETH and SOL are to be worth: the target, and `ratio` of it."""
    return Quote(target), Quote(target * ratio // ONE)


def worse(price: int, amount: int, slippage: int) -> int:
    """`price` moved against a taker of `amount` by `slippage` (Bps x18): up for a buyer, down for a
    seller. Not yet on the tick.
    """
    moved = abs(price) * slippage // (10_000 * ONE)
    return price + moved if amount > 0 else price - moved
