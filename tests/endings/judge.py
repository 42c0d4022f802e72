"""How a cell ended, by the simulated engine's order log and account. Our own ledger is held against them and never asked instead of them."""

from collections import Counter
from typing import Literal, NamedTuple

from actors.ledger import Fold
from messages.settings import Settings
from messages.units import ONE, Bps, imbalance, notional
from venue.simulated.order_log import LoggedOrder

Kind = Literal["hedged", "optimum", "flat", "halted", "open"]


class Stood(NamedTuple):
    """What was held when the phase under test was over, by the engine: signed amounts, and their imbalance at the prices paid."""

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
    """By all fills so far; `products` are ETH's and SOL's ids. What was trimmed is taken off at the average price paid."""
    held, opened, paid = Counter[int](), Counter[int](), Counter[int]()
    for order in log:
        held[order.product_id] += order.filled
        if not order.reduce_only:
            opened[order.product_id] += abs(order.filled)
            paid[order.product_id] += sum(notional(fill.price, fill.amount) for fill in order.fills)
    eth, sol = (paid[each] * abs(held[each]) // opened[each] if opened[each] else 0 for each in products)
    return Stood(held[products[0]], held[products[1]], imbalance(eth, sol))


def unhedged(log: list[LoggedOrder]) -> tuple[int, int]:
    """The largest |ETH + SOL| (USD x18) and its integral over time (USD x seconds, x18), each leg at its last fill, from the first fill on."""
    held, price = Counter[int](), dict[int, int]()
    worst = integral = naked = since_ns = 0
    for fill_ns, product, amount, at in sorted((fill.at_ns, order.product_id, fill.amount, fill.price) for order in log for fill in order.fills):
        if fill_ns > since_ns:
            worst = max(worst, naked)
            integral += naked * (fill_ns - since_ns) // 1_000_000_000
        held[product] += amount
        price[product] = at
        since_ns = fill_ns
        naked = abs(sum(held[each] * price[each] for each in held) // ONE)
    return worst, integral


def allowed(fold: Fold, settings: Settings) -> int:
    """USD x seconds (x18) of the cycle's legging class."""
    return fold.cycle.leg * (settings.legging_unknown if fold.cycle.doubted else settings.legging_known) // 1000
