"""How a cell ended, by the simulated engine's order log and account. Our own ledger is held against them
and never asked instead of them.
"""

from collections import Counter
from collections.abc import Collection
from typing import Literal, NamedTuple

from actors.ledger import Fold
from actors.ledger.exposure import Exposure, Pair, exposure
from actors.ledger.orders import OrderPiece
from actors.risk.legging import budget
from messages.settings import Settings
from messages.units import DOLLAR_NEUTRAL, Bps, imbalance, notional
from venue.simulated.engine.order_log import LoggedOrder

Kind = Literal["hedged", "optimum", "flat", "halted", "open"]


class Stood(NamedTuple):
    """What was held when the phase under test was over, by the engine: signed amounts, and their imbalance
    at the prices paid.
    """

    eth: int
    sol: int
    imbalance: Bps

    @property
    def flat(self) -> bool:
        """Nothing at all?"""
        return not (self.eth or self.sol)

    @property
    def pair(self) -> bool:
        """Two legs, one long and one short?"""
        return self.eth * self.sol < 0


def stood(log: list[LoggedOrder], products: tuple[int, int]) -> Stood:
    """By all fills so far; `products` are ETH's and SOL's ids. What was trimmed is taken off at the
    average price paid.
    """
    held, opened, paid = Counter[int](), Counter[int](), Counter[int]()
    for order in log:
        held[order.product_id] += order.filled
        if not order.reduce_only:
            opened[order.product_id] += abs(order.filled)
            paid[order.product_id] += sum(notional(fill.price, fill.amount) for fill in order.fills)
    eth, sol = (paid[each] * abs(held[each]) // opened[each] if opened[each] else 0 for each in products)
    return Stood(held[products[0]], held[products[1]], imbalance(eth, sol, DOLLAR_NEUTRAL))


def unhedged(log: list[LoggedOrder], eth_product: int, agreed: Collection[Pair]) -> Exposure:
    """What was unhedged, by the engine's fills; `agreed` is what counted as the pair."""
    fills = ((order.product_id, fill) for order in log for fill in order.fills)
    return exposure(
        [
            OrderPiece(
                fill.at_ns, "eth" if product == eth_product else "sol", int(fill.amount), int(fill.price)
            )
            for product, fill in fills
        ],
        agreed,
        DOLLAR_NEUTRAL,
    )


def allowed(fold: Fold, settings: Settings) -> int:
    """USD x seconds (x18) of the cycle's legging class."""
    return budget(fold.cycle.legging, settings)
