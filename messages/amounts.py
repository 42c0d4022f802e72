"""How amounts are written for a person, in every layer: one function for each way.

A figure comes without its unit unless the name or the docstring says so. Nothing is computed with these
texts: what a program reads is `X18.text()`, exact.
"""

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal, localcontext

from messages.units import DOLLAR_NEUTRAL, ONE, X18, Base, Bps, Quote, Rate, legs_of


def fixed(value: X18, places: int, *, up: bool = False) -> str:
    """`value` with `places` decimals, half to even (or up: a limit must not look met because it was
    rounded); -0 is 0.
    """
    with localcontext() as exact:
        exact.prec = 80
        rounded = value.decimal().quantize(
            Decimal(1).scaleb(-places), ROUND_CEILING if up else ROUND_HALF_EVEN
        )
    return f"{abs(rounded) if rounded == 0 else rounded:f}"


# -- money, USD x18 ------------------------------------------------------------------------------------------


def usd(value: X18) -> str:
    """USD to the cent, half to even."""
    return fixed(value, 2)


def usd_up(value: X18) -> str:
    """USD to the cent, rounded up: what may be lost at most is never shown smaller than it is."""
    return fixed(value, 2, up=True)


def to_cents(value: int) -> Quote:
    """USD x18 as whole cents, half to even: parts that are rounded first add up to the sum beside them."""
    return Quote(round(Quote(value).decimal() * 100) * (ONE // 100))


def signed(value: X18) -> str:
    """USD to the cent with its sign, also when it is a gain: `+1.20`, `-0.30`, `0.00`."""
    shown = usd(value)
    return f"+{shown}" if value > 0 and shown != "0.00" else shown


def round_usd(value: X18) -> str:
    """USD to the cent, whole dollars without cents: `1000`, `1000.25`."""
    return usd(value).removesuffix(".00")


def grouped(value: X18) -> str:
    """Money as in running text, exact: `1,000` or `1,234.5`."""
    return f"{value.decimal().normalize():,f}"


def plain_usd(value: X18) -> str:
    """An exact amount as it can be typed: `1000 USD`."""
    return f"{value.text()} USD"


def legs_words(target: int, hedge_ratio: int, written: Callable[[X18], str] = grouped) -> str:
    """What the legs are to be worth: `1,000 USD per leg`, or `1,000 USD of ETH with 800 USD of SOL`."""
    eth, sol = legs_of(target, hedge_ratio)
    if hedge_ratio == DOLLAR_NEUTRAL:
        return f"{written(eth)} USD per leg"
    return f"{written(eth)} USD of ETH with {written(sol)} USD of SOL"


def per_leg(target: int, hedge_ratio: int) -> str:
    """The target as every text says it: `1,000 USD per leg (2,000 gross)`."""
    gross = Quote(sum(legs_of(target, hedge_ratio)))
    return f"{legs_words(target, hedge_ratio)} ({grouped(gross)} gross)"


def size(amount: int) -> str:
    """An amount of the base coin without its sign, exact."""
    return Base(abs(amount)).text()


# -- shares --------------------------------------------------------------------------------------------------


def percent(value: Bps, places: int = 3) -> str:
    """Basis points as percent with its unit, rounded up: an imbalance never looks smaller than it is."""
    return fixed(Bps(value // 100 + (1 if value % 100 else 0)), places, up=True) + " %"


def short_percent(value: Bps) -> str:
    """Basis points as percent with its unit, exact and without trailing zeros: `0.1 %`."""
    with localcontext() as exact:
        exact.prec = 80
        text = f"{value.decimal() / 100:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + " %"


def percent_above(value: Bps, limit: Bps) -> str:
    """Percent with its unit and two decimals, with more where fewer would look like the limit missed."""
    with localcontext() as wide:
        wide.prec = 80
        exact, bound = value.decimal() / 100, limit.decimal() / 100
        shown = next((short for places in range(2, 20) if (short := round(exact, places)) > bound), exact)
    return f"{shown.normalize():f} %"


def rate_percent(rate: Rate) -> str:
    """A fraction as percent, two decimals."""
    return fixed(Rate(rate * 100), 2)


def rate_bps(rate: Rate) -> str:
    """A fraction as basis points, exact: a fee of 0.00035 is `3.5`."""
    return Rate(rate * 10_000).text()


def bps(value: Bps, places: int = 2) -> str:
    """`7.50 bps`: rounded half to even, unlike the limits, which are compared exactly."""
    return f"{fixed(value, places)} bps"
