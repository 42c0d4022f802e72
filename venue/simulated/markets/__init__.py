"""The markets that move the simulated Nado: one that stands still, a seeded one without end, and
recordings of real ones.
"""

from venue.simulated.markets.flat import flat_market
from venue.simulated.markets.move import (
    NADO_STEPS,
    BookChange,
    PriceSource,
    ProductName,
    Steps,
    TickAndStep,
    Trade,
)
from venue.simulated.markets.recording import RecordingMarket
from venue.simulated.markets.synthetic import SyntheticMarket

__all__ = [
    "NADO_STEPS",
    "BookChange",
    "PriceSource",
    "ProductName",
    "Steps",
    "TickAndStep",
    "Trade",
    "market_named",
]


def market_named(spec: str, seed: int, steps: Steps = NADO_STEPS) -> PriceSource:
    """The market that `--market` names: `synthetic`, `flat:ETH/SOL` or the path that a recording's files
    begin with.

    `seed` decides a synthetic market. Raises `ValueError` naming the value and what is wrong with it.
    """
    if spec == "synthetic":
        return SyntheticMarket(seed, steps)
    if spec.startswith("flat:"):
        return flat_market(spec.removeprefix("flat:"), steps)
    try:
        return RecordingMarket(spec, steps)
    except ValueError as error:
        raise ValueError(
            f"{spec!r} is none of synthetic, flat:ETH/SOL and the path that a recording's files begin with:"
            f" {error}"
        ) from error
