"""What the market looks like. Sent by market_data (and the venue client), read by sizing and by the
closing paths.
"""

from typing import Literal

import msgspec

from messages.units import Base, Ms, Ns, Price, Quote, Rate

TradingStatus = Literal["live", "post_only", "not_tradable", "reduce_only", "soft_reduce_only"]


class Level(msgspec.Struct, frozen=True, gc=False):
    """One price of a book side and the amount (> 0) that stands there."""

    price: Price
    amount: Base


class BookDelta(msgspec.Struct, frozen=True):
    """venue client -> market_data: one batch of book changes, each a price and the amount that stands there
    from now on, both x18. An amount of 0 deletes the level.

    They are bare integers, and only what is shown becomes a `Level`: of a flood's thousands a second most are
    replaced before anybody looks at them, and the garbage collector would follow each.

    Source: `book_depth`. Batches form a chain: `last_max_ns` of one is `max_ns` of the one before, else
    events were lost.
    """

    product_id: int
    min_ns: Ns
    max_ns: Ns
    last_max_ns: Ns
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


class BookSnapshot(msgspec.Struct, frozen=True):
    """venue client -> market_data: the book at venue time `at_ns`, best level first. Source:
    `market_liquidity` (100 levels at most).
    """

    product_id: int
    at_ns: Ns
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class ProductRead(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of one product: what an order of ours must fit. None = the venue did not say."""

    symbol: str
    price_tick: Price
    size_step: Base
    min_notional: Quote | None
    status: str
    taker_fee: Rate | None = None
    """The account's own tier (`fee_rates`), of the notional."""
    maker_fee: Rate | None = None
    """The same, of an order that rests; < 0: a rebate."""

    def text(self) -> str:
        """In a person's words."""
        least = (
            "an unknown minimum" if self.min_notional is None else f"minimum {self.min_notional.text()} USD"
        )
        return (
            f"{self.symbol} tick {self.price_tick.text()}, step {self.size_step.text()}, {least},"
            f" {self.status}"
        )


class RulesRead(msgspec.Struct, frozen=True):
    """supervisor -> ledger: the rules that a run begins with. market_data -> ledger and log: they have
    changed. Plans name the version that they were made by, and fees are judged by the newest.
    """

    version: int
    read_ms: Ms
    eth: ProductRead
    sol: ProductRead
    incomplete: str
    """Why nothing can be entered by them; "" when it can."""

    def text(self) -> str:
        """For log and screen: the version, both products, and what keeps us from entering by them."""
        but = f"; nothing can be entered: {self.incomplete}" if self.incomplete else ""
        return (
            f"the venue's rules have changed (version {self.version}): {self.eth.text()};"
            f" {self.sol.text()}{but}"
        )


class Touch(msgspec.Struct, frozen=True):
    """venue client -> recorder: the best bid and ask; None = that side is empty. Source: `best_bid_offer`."""

    product_id: int
    at_ns: Ns
    bid: Level | None
    ask: Level | None


class PublicTrade(msgspec.Struct, frozen=True):
    """venue client -> recorder: somebody traded. `amount` is unsigned. Source: `trade`."""

    product_id: int
    at_ns: Ns
    price: Price
    amount: Base
    taker_buys: bool


class FundingRate(msgspec.Struct, frozen=True):
    """venue client -> market_data: what holding one product earns or costs. Source: the archive's
    `funding_rates`.
    """

    product_id: int
    rate: Rate
    """Per 24 hours, a share of the index price; > 0: longs pay shorts. A 24th of it is paid at every full
    hour.
    """
    at_ms: Ms
    """Venue time at which the venue reckoned it."""


class LegQuote(msgspec.Struct, frozen=True):
    """One product as market_data knows it. Best level first; both sides non-empty and not crossed."""

    product_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    proven_ms: Ms
    """Venue time at which this book was last *proven* right (an event's max_timestamp, or an equal
    snapshot's), not when it arrived.
    """
    oracle: Price | None
    """None: the venue does not say one."""
    status: str
    """As the exchange spells it; `TradingStatus` has the documented ones, and an unknown one counts as not
    live.
    """
    behind_ms: Ms = Ms(0)
    """How old the newest batch of this product's feed was when it was read: far beyond the usual, more comes
    than can be read. Counts until the feed is in time again, whatever a snapshot has proven meanwhile.
    """
    funding: FundingRate | None = None
    """The last one that the venue has said, however old; None: it has not said one, which is no 0."""

    @property
    def mid(self) -> Price:
        """Half-way between the best bid and ask, x18, rounded down."""
        return Price((self.bids[0].price + self.asks[0].price) // 2)

    def side(self, amount: int) -> tuple[Level, ...]:
        """The side of the book that an order of this sign takes from."""
        return self.asks if amount > 0 else self.bids


class PairQuote(msgspec.Struct, frozen=True):
    """market_data -> sizing, through a conflating slot: both books at once."""

    version: int
    at_ms: Ms
    """Venue time of publication."""
    eth: LegQuote
    sol: LegQuote
    venue_active: bool
    """The venue's status is `active`."""
    read_ns: Ns = Ns(0)
    """Steady time of this machine (no venue time) at which the snapshot was asked for that the older of
    both books began from.
    """

    def age_ms(self, now_ms: int) -> tuple[Ms, Ms]:
        """Age of the ETH and the SOL book at venue time `now_ms`, since each was last proven."""
        return Ms(now_ms - self.eth.proven_ms), Ms(now_ms - self.sol.proven_ms)

    @property
    def skew_ms(self) -> Ms:
        """How far the ages of both books are apart, in ms, unsigned."""
        return Ms(abs(self.eth.proven_ms - self.sol.proven_ms))
