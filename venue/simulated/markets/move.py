"""What a market is made of: moves, which replace the house's liquidity of one product and may bring
trades.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol

import msgspec

from messages.market import Level
from messages.units import Base, Price

ProductName = Literal["eth", "sol"]
BPS = 10_000


class Trade(msgspec.Struct, frozen=True):
    """A trade between other traders, as the stream of public trades shows it."""

    price: Price
    amount: Base
    """Unsigned."""
    taker_buys: bool


class BookChange(msgspec.Struct, frozen=True):
    """One change of one product: all levels of the house after it, never a difference."""

    at_ns: int
    """Since the market's start; never decreases from move to move."""
    product: ProductName
    bids: tuple[Level, ...]
    """Best first, on tick and step; REPLACES the house's bids. Never empty, never crossing `asks`."""
    asks: tuple[Level, ...]
    oracle: Price | None
    """The new oracle price, or None where it stays."""
    trades: tuple[Trade, ...]
    """Traded since the move before, oldest first."""

    @property
    def untraded(self) -> "BookChange":
        """The same book and price, and nothing traded."""
        return msgspec.structs.replace(self, trades=())


def shifted(move: BookChange, by_bps: int, tick: int) -> BookChange:
    """The same move elsewhere: every price is away by the same number of ticks, the one nearest to
    `by_bps` of the best bid, or of the trade.
    """
    prices = [level.price for level in (*move.bids[:1], *move.asks[:1])] + [
        trade.price for trade in move.trades
    ]
    if not by_bps or not prices:
        return move
    by = prices[0] * by_bps // BPS // tick * tick
    bids, asks = (
        tuple(Level(Price(level.price + by), level.amount) for level in side)
        for side in (move.bids, move.asks)
    )
    trades = tuple(msgspec.structs.replace(trade, price=Price(trade.price + by)) for trade in move.trades)
    return BookChange(
        move.at_ns, move.product, bids, asks, None if move.oracle is None else Price(move.oracle + by), trades
    )


class PriceSource(Protocol):
    """A market: an endless or finite source of moves of the venue's two books."""

    def moves(self) -> Iterator[BookChange]:
        """Moves by time, each call from the start again; the first of each product at 0 ns.

        May be endless. After the last one the books stand still.
        """
        ...


class TickAndStep(NamedTuple):
    """One product's price tick and size step, x18."""

    tick: Price
    step: Base


class Steps(msgspec.Struct, frozen=True):
    """The venue's ticks and steps, x18. The defaults are Nado's for ETH-PERP and SOL-PERP."""

    eth_tick: Price = Price.of("0.1")
    eth_step: Base = Base.of("0.001")
    sol_tick: Price = Price.of("0.01")
    sol_step: Base = Base.of("0.1")

    def of(self, product: ProductName) -> TickAndStep:
        """Tick and step of one product, both x18."""
        return (
            TickAndStep(self.eth_tick, self.eth_step)
            if product == "eth"
            else TickAndStep(self.sol_tick, self.sol_step)
        )


NADO_STEPS = Steps()
"""Nado's ticks and steps: 0.1 / 0.001 for ETH-PERP, 0.01 / 0.1 for SOL-PERP."""
