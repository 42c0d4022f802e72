"""What the view is made of: order rows, and what is computed of them at current prices."""

from dataclasses import dataclass, field

from messages.lifecycle import Held
from messages.market import PairQuote
from messages.sizing import Leg, LegOrder
from messages.units import ONE, Price, Quote


@dataclass
class Row:
    """One order of the plan on the screen."""

    label: str
    leg: Leg
    order: LegOrder
    digest: str = ""
    filled: int = 0
    """Unsigned, x18."""
    cost: int = 0
    """Sum of price x unsigned amount, x36."""
    after_ms: int | None = None
    state: str = ""
    settled: bool = False
    """The ledger has said what it did; later fills are repetitions."""
    seen: set[int] = field(default_factory=set)
    """Remaining amounts of the fills taken: a duplicate has one of them."""

    @property
    def vwap(self) -> Price:
        """Average price of what was filled; 0 when nothing."""
        return Price(self.cost // self.filled) if self.filled else Price(0)

    @property
    def full(self) -> bool:
        """Is all of the order filled? An order of nothing never is."""
        return self.filled >= abs(self.order.amount) > 0


def marked_exposure(held: Held | None, quote: PairQuote | None) -> tuple[Quote, Quote] | None:
    """Signed net exposure and the larger leg at the mids of now, SOL's dollars over the pair's hedge ratio;
    None while nothing is held or nothing is quoted.
    """
    if held is None or quote is None or not (held.eth.amount or held.sol.amount):
        return None
    eth, sol = held.eth.amount * quote.eth.mid // ONE, held.sol.amount * quote.sol.mid // held.hedge_ratio
    return Quote(eth + sol), Quote(max(abs(eth), abs(sol)))
