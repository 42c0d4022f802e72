"""The markets that move the simulated Nado: one that stands still, a seeded one without end, and recordings of real ones."""

from venue.simulated.markets.flat import flat_market
from venue.simulated.markets.move import NADO_STEPS, Lattice, Market, Move, ProductName, Steps, Trade

__all__ = ["NADO_STEPS", "Lattice", "Market", "Move", "ProductName", "Steps", "Trade", "market_named"]


def market_named(spec: str, seed: int, steps: Steps = NADO_STEPS) -> Market:
    """The market that `--market` names: `synthetic`, `flat:ETH/SOL` or the path that a recording's files begin with.

    `seed` decides a synthetic market. Raises `ValueError` naming the value and the three forms when it is none of them.
    """
    if spec.startswith("flat:"):
        return flat_market(spec.removeprefix("flat:"), steps)
    raise ValueError(spec)
