"""A market that stands still: deep, one tick wide, at prices a person chose. What is sized and paid there
can be worked out on paper.
"""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from messages.market import Level
from messages.units import ONE, Base, Price, Quote
from venue.simulated.markets.move import NADO_STEPS, BookChange, ProductName, Steps, TickAndStep

LEVELS = 40
LEVEL_QUOTE = Quote.of(500_000)
"""What stands on each level, USD."""


class FlatMarket:
    """ETH's best ask is exactly `eth_ask`, SOL's best bid exactly `sol_bid`, for ever: long ETH, short SOL
    pays just these prices.
    """

    def __init__(self, eth_ask: Price, sol_bid: Price, steps: Steps = NADO_STEPS) -> None:
        """Raises `ValueError` for a price off the tick, or too small for the levels below it."""
        _require_room_for_levels("ETH", eth_ask, steps.of("eth"))
        _require_room_for_levels("SOL", sol_bid, steps.of("sol"))
        self._eth_bid = eth_ask - steps.eth_tick
        self._sol_bid = sol_bid
        self._steps = steps

    def moves(self) -> Iterator[BookChange]:
        """One move per product at 0 ns, and none after."""
        yield _still("eth", self._eth_bid, self._steps.of("eth"))
        yield _still("sol", self._sol_bid, self._steps.of("sol"))


def flat_market(prices: str, steps: Steps = NADO_STEPS) -> FlatMarket:
    """The flat market for `ETH/SOL`, such as `2756.9/115.86`. Raises `ValueError` saying what is wrong
    with it.
    """
    eth, slash, sol = prices.partition("/")
    if not slash:
        raise ValueError("two prices are needed, ETH/SOL")
    return FlatMarket(_price("ETH", eth), _price("SOL", sol), steps)


def _price(name: str, text: str) -> Price:
    try:
        return Price.of(Decimal(text.strip()))
    except (InvalidOperation, ValueError) as error:
        raise ValueError(
            f"the {name} price {text!r} is not a decimal number of at most 18 decimals"
        ) from error


def _require_room_for_levels(name: str, price: Price, lattice: TickAndStep) -> None:
    if price % lattice.tick:
        raise ValueError(
            f"the {name} price {price.text()} is not a multiple of the tick {lattice.tick.text()}"
        )
    if price <= (LEVELS + 1) * lattice.tick:
        raise ValueError(
            f"the {name} price {price.text()} leaves no room for {LEVELS} levels of {lattice.tick.text()}"
            " below it"
        )


def _still(product: ProductName, bid: int, lattice: TickAndStep) -> BookChange:
    asks = tuple(_level(bid + (depth + 1) * lattice.tick, lattice) for depth in range(LEVELS))
    bids = tuple(_level(bid - depth * lattice.tick, lattice) for depth in range(LEVELS))
    return BookChange(0, product, bids, asks, Price(bid + lattice.tick // 2), ())


def _level(price: int, lattice: TickAndStep) -> Level:
    steps = LEVEL_QUOTE * ONE // (price * lattice.step)
    return Level(Price(price), Base(max(1, steps) * lattice.step))
