"""The account's money: what the venue's archive tells of it, and the statement that explains it. USD
amounts are x18 (docs/money.md).
"""

from typing import Literal

import msgspec

from messages.units import Base, Ms, Ns, Quote

MoneyKind = Literal[
    "deposit",
    "withdrawal",
    "transfer",
    "settlement",
    "liquidation",
    "isolated",
    "funding",
    "interest",
    "other",
]
TradingTerm = Literal["spread", "slippage", "adverse", "hedge", "lots", "fees", "funding", "liquidation"]
FlowTerm = Literal[
    "deposits", "withdrawals", "transfers", "isolated", "settlements", "third_party", "interest", "other"
]
Term = TradingTerm | FlowTerm


class MoneyEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change of one of our balances that no match made, as the venue's archive tells it."""

    kind: MoneyKind
    product_id: int
    """0 = the USDT0 balance; else the perp whose quote balance (`v_quote`) changed."""
    quote: Quote
    """> 0 = received."""
    idx: int
    """Submission index; both sides of a settlement share one."""
    at_ns: Ns
    """Whole seconds: the archive tells no more."""
    base: Base = Base(0)
    """Change of the position, signed: a liquidation takes it over."""
    after: Quote | None = None
    """The balance after it, where the archive names it."""


class MoneyRead(msgspec.Struct, frozen=True, omit_defaults=True):
    """supervisor's reconciliation -> ledger: the archive's answer to "what moved money after `after`?".
    Complete up to `through`.
    """

    eth: int
    sol: int
    """Product ids."""
    events: tuple[MoneyEvent, ...]
    """Oldest first."""
    events_through: int
    payments_through: int
    """The newest submission index of events and of payments that the archive has named; -1 = it has none."""
    first: bool = False
    """Nothing was known before: `events` are only the newest ones, to tell which of them the first reading
    of the account knows.
    """
    asked_ms: Ms = Ms(0)
    """Venue time right before the question left."""


class MoneyAsk(msgspec.Struct, frozen=True):
    """ledger -> supervisor's reconciliation, inside `Held`: from where on the archive is to be asked, and
    whether that is due now.
    """

    due: bool = True
    events_after: int | None = None
    """None: nothing is known yet."""
    payments_after: int | None = None


class CycleMoney(msgspec.Struct, frozen=True):
    """One cycle's share of the statement. Signs as there."""

    cycle: int
    spread: Quote
    slippage: Quote
    adverse: Quote
    hedge: Quote
    lots: Quote
    fees: Quote
    funding: Quote
    liquidation: Quote
    net: Quote
    flows: Quote
    """Everything that is no trading result, in sum."""
    residual: Quote


class Statement(msgspec.Struct, frozen=True):
    """ledger -> screen, summary, JSON, status: one run's money. Every term: > 0 = received or gained, < 0 =
    paid or lost.

    `balance_change` + `value_change` = all terms + `residual`, to the last digit.
    """

    spread: Quote
    """The planned prices against the mids at the decisions."""
    slippage: Quote
    """The fills against the planned prices."""
    adverse: Quote
    """What the mids did to amounts that nothing hedged."""
    hedge: Quote
    """What the mids did to amounts that hedged each other."""
    lots: Quote
    """What the mids did to the part of a pair that whole lots leave over."""
    fees: Quote
    funding: Quote
    """The payments that the archive has told, and `funding_provisional`."""
    liquidation: Quote
    """What a liquidator paid for our positions, against the last mark."""
    net: Quote | None
    """The trading result: the eight above. None while a position has no mark, or an order's price is an
    estimate.
    """
    deposits: Quote
    withdrawals: Quote
    transfers: Quote
    isolated: Quote
    """Margin that moved to and from isolated positions of this account."""
    settlements: Quote
    """Net: a settlement of our own products moves money from one balance to another and leaves 0."""
    third_party: Quote
    """Cash of trades that are not ours, fees included."""
    interest: Quote
    other: Quote
    settled: Quote
    """What settlements moved into the USDT0 balance: a memo, already in `settlements`."""
    funding_provisional: Quote
    """Of `funding`: by the venue's funding index, not yet told by the archive."""
    balance: Quote | None
    """USDT0 and the quote balances of both perps, by the last reading; None while they are unknown."""
    balance_change: Quote | None
    value_change: Quote
    """Of our positions, at the last marks."""
    residual: Quote | None
    """0; anything else is money that nothing explains. None while the archive or the account has not been
    read.
    """
    residual_usdt0: Quote | None
    residual_eth: Quote | None
    residual_sol: Quote | None
    """The same, for each balance apart."""
    state: Literal["exact", "provisional", "unexplained", "unread"]
    words: str
    """Why it is not exact; "" when it is."""
    read_ms: Ms = Ms(0)
    """Venue time of the last answer of the archive."""
    judged_ms: Ms = Ms(0)
    """Venue time of the last reading of the account that was compared."""
    cycles: tuple[CycleMoney, ...] = ()
    """The last ones, oldest first."""
