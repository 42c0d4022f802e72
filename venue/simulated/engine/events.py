"""What the engine reports: one frozen struct per stream of the wire, in the order in which things
happened.
"""

from typing import Literal

import msgspec

from messages.units import Base, Ns, Price, Quote

Reason = Literal[
    "deposit_collateral",
    "match_orders",
    "withdraw_collateral",
    "transfer_quote",
    "settle_pnl",
    "liquidate_subaccount",
]
"""Why a position changed. Funding is no reason: it changes v_quote without an event."""


class Filled(msgspec.Struct, frozen=True):
    """A piece of an order of an account traded. Quantities are unsigned, `is_bid` has the side. Stream
    `fill`, archive `matches`.
    """

    product_id: int
    subaccount: str
    digest: str
    filled: Base
    remaining: Base
    original: Base
    price: Price
    is_taker: bool
    is_bid: bool
    fee: Quote
    """All that the account paid for it: the exchange's fee and the builder's."""
    quote: Quote
    """Signed change of the account's v_quote: the traded quote after the fee."""
    submission_idx: int
    order_id: int | None
    appendix: int
    at_ns: Ns
    isolated: bool = False
    also: str = ""
    """Another name under which the event can be subscribed to: the isolated subaccount's, or its parent's."""
    builder_fee: Quote = Quote(0)
    """What of `fee` is the builder's."""


class OrderUpdated(msgspec.Struct, frozen=True):
    """An order of an account changed. `amount` is what remains: 0 when filled *or* cancelled. Stream
    `order_update`.
    """

    product_id: int
    subaccount: str
    digest: str
    amount: Base
    reason: Literal["placed", "filled", "cancelled"]
    order_id: int | None
    at_ns: Ns
    filled: Base = Base(0)
    """Unsigned amount of the fill that changed it; 0 when it was no fill."""
    price: Price = Price(0)
    """Of that fill."""


class PositionChanged(msgspec.Struct, frozen=True):
    """The absolute position after a change; of product 0 the USDT0 balance. Stream `position_change`."""

    product_id: int
    subaccount: str
    amount: Base
    v_quote: Quote
    reason: Reason
    at_ns: Ns
    isolated: bool = False
    also: str = ""
    """As in `Filled`."""


class Traded(msgspec.Struct, frozen=True):
    """A public trade, the house's among themselves too. Price and amount x18. Stream `trade`."""

    product_id: int
    price: Price
    amount: Base
    is_taker_buyer: bool
    at_ns: Ns


class BookBatch(msgspec.Struct, frozen=True):
    """What changed in a book since the last batch; amount 0 deletes. `last_max_ns` chains it to the one
    before. Stream `book_depth`.
    """

    product_id: int
    min_ns: Ns
    max_ns: Ns
    last_max_ns: Ns
    bids: tuple[tuple[int, int], ...]
    """Price and amount, both x18, best first."""
    asks: tuple[tuple[int, int], ...]


class Liquidated(msgspec.Struct, frozen=True):
    """A position was taken over because its account was under maintenance. Stream `liquidation`."""

    product_id: int
    liquidator: str
    liquidatee: str
    amount: Base
    """Signed: what was taken over."""
    price: Price
    at_ns: Ns


class FundingPaid(msgspec.Struct, frozen=True):
    """A product's funding was charged for `seconds`. Stream `funding_payment`."""

    product_id: int
    payment: int
    """Per unit of base, x18; positive is paid by longs."""
    open_interest: Base
    cumulative: int
    seconds: int
    at_ns: Ns


class FundingCharged(msgspec.Struct, frozen=True):
    """What one account paid or received of a product's funding. No stream: only the archive reports it
    (`interest_and_funding`).
    """

    product_id: int
    subaccount: str
    amount: Quote
    """> 0 = received."""
    held: Base
    rate: int
    """Per 24 hours, x18."""
    oracle: Price
    submission_idx: int
    at_ns: Ns


BalanceMove = Literal[
    "deposit_collateral",
    "withdraw_collateral",
    "transfer_quote",
    "settle_pnl",
    "liquidate_subaccount",
    "create_isolated_subaccount",
    "close_isolated_subaccount",
]


class BalanceMoved(msgspec.Struct, frozen=True):
    """A balance changed otherwise than by a match or by funding. No stream: the archive reports it
    (`events`), beside the stream's position_change.
    """

    product_id: int
    """0 = the USDT0 balance."""
    subaccount: str
    event: BalanceMove
    amount: int
    """Change of the position, or of the USDT0 balance."""
    quote: int
    """Change of the perp's v_quote; 0 for USDT0."""
    amount_after: int
    quote_after: int
    funding: int
    """The cumulative funding up to which the position has paid, before and after alike."""
    submission_idx: int
    at_ns: Ns
    isolated: bool = False


PublishedEvent = Filled | OrderUpdated | PositionChanged | Traded | Liquidated | FundingPaid
"""What a stream carries."""
Event = PublishedEvent | FundingCharged | BalanceMoved
