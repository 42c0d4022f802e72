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

    `seed` decides a synthetic market. Raises `ValueError` naming the price that is wrong, or the file of the
    recording that is missing.
    """
    if spec == "synthetic":
        return SyntheticMarket(seed, steps)
    if spec.startswith("flat:"):
        return flat_market(spec.removeprefix("flat:"), steps)
    return RecordingMarket(spec, steps)
