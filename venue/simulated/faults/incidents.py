"""Incidents of the whole venue, each at a moment and for a time, counted from when they are staged. Frozen
data, part of a faults file.

    [[incident]]
    kind = "down"              # sockets are cut and connections refused
    at_ms = 4000
    for_ms = 1500

    [[incident]]
    kind = "oracle"            # the oracle price jumps, and is back afterwards
    at_ms = 10000
    for_ms = 60000
    product = "ETH-PERP"
    by_bps = -300

    [[incident]]
    kind = "rules"             # step, tick or minimum change, the product is delisted or isolated only:
                               answers and engine agree on it
    at_ms = 0
    for_ms = 60000
    product = "SOL-PERP"
    step = "1"

    [[incident]]
    kind = "says"              # one field of one answer is wrong, null, absent or unknown: the engine goes on
                               as before
    at_ms = 0
    for_ms = 60000
    request = "all_products"
    of = "ETH-PERP"
    field = "oracle_price_x18" # no `value`: null

What lasts needs `for_ms`; what happens once has none. The kinds are here; `active_incidents` makes them
happen.
"""

import re
from typing import Literal

import msgspec

from messages.units import Rate

TIME_MS_MAX = 7 * 86_400_000
SKEW_MS_MAX = 3_600_000
BPS_MIN, BPS_MAX = -9_900, 100_000
SHIFT_BPS_MAX = 5_000
PRODUCT_ID_MAX = 1_000
TOKEN_DECIMALS = 6
RATE_MAX = Rate.of("0.02")
"""Of funding in 24 hours: the exchange caps it there."""
_DECIMAL = re.compile(r"[0-9]{1,12}(\.[0-9]{1,18})?")
_BYTES32 = re.compile("0x[0-9a-fA-F]{64}")


class Once(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """Something that happens `at_ms` after the incidents were staged. Raises `ValueError` beyond a week."""

    at_ms: int

    def __post_init__(self) -> None:
        if not 0 <= self.at_ms <= TIME_MS_MAX:
            raise ValueError(f"at_ms: an incident begins between 0 and {TIME_MS_MAX}, not at {self.at_ms}")


class Lasting(Once, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """Something that begins `at_ms` and ends `for_ms` later."""

    for_ms: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.for_ms <= TIME_MS_MAX:
            raise ValueError(f"for_ms: an incident lasts between 1 and {TIME_MS_MAX}, not {self.for_ms}")


class Status(Lasting, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="status"):
    """The engine is not active: queries are answered, executes are refused with 2068."""

    status: Literal["started", "stopping", "syncing", "live_syncing", "failed"] = "live_syncing"


class GatewayMode(
    Lasting, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="gate"
):
    """The gateway in front of the engine refuses: 403 for executes, 503 for everything, or everything is
    over the rate limit (429, code 1000).
    """

    answer: Literal["ip_query_only", "unavailable", "rate_limited"]


class Down(Lasting, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="down"):
    """The host is unreachable: every socket is cut, every connection refused."""


class Freeze(Lasting, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="freeze"):
    """The book moves but no update is sent; afterwards one batch reports everything."""

    product: str


class ClockSkew(
    Lasting, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="clock"
):
    """The venue's clock is wrong by `skew_ms`. The engine's own steps never go backwards."""

    skew_ms: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if abs(self.skew_ms) > SKEW_MS_MAX:
            raise ValueError(f"skew_ms: a clock is wrong by at most {SKEW_MS_MAX}, not {self.skew_ms}")


class Oracle(Lasting, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="oracle"):
    """The oracle price is `by_bps` away from the market price."""

    product: str
    by_bps: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not BPS_MIN <= self.by_bps <= BPS_MAX:
            raise ValueError(f"by_bps: an oracle price jumps by {BPS_MIN} to {BPS_MAX}, not {self.by_bps}")


class PriceShift(
    Lasting, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="shift"
):
    """The market moves by `by_bps` at once, book and oracle price alike, and back afterwards."""

    product: str
    by_bps: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if abs(self.by_bps) > SHIFT_BPS_MAX:
            raise ValueError(f"by_bps: a market moves by at most {SHIFT_BPS_MAX}, not by {self.by_bps}")


class Trading(
    Lasting, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="trading"
):
    """The product's trading status is `status`: orders that it forbids are refused with 2069, and the answers
    show it.
    """

    product: str
    status: Literal["post_only", "reduce_only", "soft_reduce_only", "not_tradable"]


def _require_positive(name: str, text: str) -> None:
    if not (_DECIMAL.fullmatch(text) and text.strip("0.")):
        raise ValueError(f"{name}: a decimal number above 0 as text, not {text!r}")


def _require_subaccount(text: str) -> None:
    if text and not _BYTES32.fullmatch(text):
        raise ValueError(f"subaccount: 0x and 64 hex digits, or nothing for everybody, not {text!r}")


class Rules(Lasting, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="rules"):
    """The product trades by other rules, and every answer reports them. What is "" or absent stays
    unchanged; amounts are decimal text.
    """

    product: str
    tick: str = ""
    step: str = ""
    min_size: str = ""
    """USDT0 of notional."""
    isolated_only: bool | None = None
    listed: bool = True
    """False: no answer names the product any more, and its orders are refused with 2069. Positions stay,
    and are shown.
    """
    min_size_binds_takers: bool | None = None
    """Of the whole venue: see `rules.VenueOptions`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("tick", "step", "min_size"):
            if getattr(self, name):
                _require_positive(name, getattr(self, name))


class Listing(
    Lasting, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="listing"
):
    """The venue lists one more perp that cannot be traded, so that its data can be made odd."""

    symbol: str
    product_id: int
    held: str = "0"
    """Of it every account holds so much, as decimal text."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.product_id <= PRODUCT_ID_MAX:
            raise ValueError(f"product_id: between 1 and {PRODUCT_ID_MAX}, not {self.product_id}")
        if not _DECIMAL.fullmatch(self.held.removeprefix("-")):
            raise ValueError(f"held: a decimal number as text, not {self.held!r}")


class FalseAnswer(
    Lasting, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="says"
):
    """One field of a query's answer is replaced by `value`; the engine is not affected. Without `value` it
    is null; `absent`: it is omitted.
    """

    request: str
    """A query's type: symbols, all_products, subaccount_info, isolated_positions, fee_rates, contracts,
    status ...
    """
    of: str = ""
    """The symbol whose entry is meant; "" = the answer itself."""
    field: str = ""
    """Its name in the entry, or a path with dots: `book_info.size_increment`, `perp_balances.0.balance`;
    "" = all of it.
    """
    value: object = None
    absent: bool = False
    every: int = 1
    """Only every n-th such answer is false, beginning with the first."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.every < 1:
            raise ValueError(f"every: every n-th answer, from 1, not {self.every}")


class Crossed(Once, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="crossed"):
    """The next book batch has a bid above the best ask; the one after corrects it. Snapshots stay correct."""

    product: str


class TradeThrough(
    Once, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="trade_through"
):
    """Other traders trade a tick beyond the price of every order that rests in the product: it is filled with
    `percent` of its size, on the size step, or with what is left of it.
    """

    product: str
    percent: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.percent <= 100:
            raise ValueError(f"percent: of an order between 1 and 100 % trade, not {self.percent}")


class LiquidateNow(
    Once, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="liquidate"
):
    """The positions of the subaccount ("" = of everybody) in the product ("" = in all) are liquidated,
    however healthy it is.
    """

    subaccount: str = ""
    product: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_subaccount(self.subaccount)


class SettleResults(
    Once, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="settle"
):
    """The results of all perp positions are settled into the USDT0 balances."""


class _MovesQuote(Once, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    amount: str
    """USDT0, decimal text above 0."""
    subaccount: str = ""
    """Hex of 32 bytes; "" = every one that exists."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_positive("amount", self.amount)
        _require_subaccount(self.subaccount)


class Deposit(
    _MovesQuote, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="deposit"
):
    """The subaccount ("" = every one that exists) gets `amount` USDT0 from outside."""


class WithdrawNow(
    _MovesQuote, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="withdraw"
):
    """The subaccount ("" = every one that exists) pays `amount` USDT0 out, and the venue's fee of 1 USDT0.
    At most six decimals.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.amount.partition(".")[2]) > TOKEN_DECIMALS:
            raise ValueError(
                f"amount: a withdrawal has at most {TOKEN_DECIMALS} decimals, not {self.amount!r}"
            )


class Transfer(
    _MovesQuote, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="transfer"
):
    """The subaccount ("" = every one that exists) sends `amount` USDT0 to another of its owner's; `into`:
    it comes from there.
    """

    into: bool = False


class QuotedFunding(
    Lasting, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="funding_rate"
):
    """The product's funding rate for 24 hours is `rate` (decimal text, at most 0.02 either way, > 0: longs
    pay), which is also what is charged. "": the archive and the stream name none.
    """

    product: str
    rate: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        text = self.rate.removeprefix("-")
        if self.rate and not (_DECIMAL.fullmatch(text) and abs(Rate.of(self.rate)) <= RATE_MAX):
            raise ValueError(f"rate: decimal text between -0.02 and 0.02, not {self.rate!r}")


class ArchiveOmits(
    Lasting, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="archive_omits"
):
    """The archive leaves out events of the kind `event`, however old they are; afterwards it reports them."""

    event: Literal[
        "deposit_collateral",
        "withdraw_collateral",
        "transfer_quote",
        "settle_pnl",
        "liquidate_subaccount",
        "create_isolated_subaccount",
        "close_isolated_subaccount",
        "funding_payment",
    ]


class ChargeFunding(
    Once, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="funding"
):
    """The rate is published and an hour's funding is charged now."""


Money = Deposit | WithdrawNow | Transfer | SettleResults | ChargeFunding | LiquidateNow
"""What moves money at once, without an order."""
Incident = (
    Status
    | GatewayMode
    | Down
    | Freeze
    | ClockSkew
    | Oracle
    | PriceShift
    | Trading
    | Rules
    | Listing
    | FalseAnswer
    | QuotedFunding
    | ArchiveOmits
    | Crossed
    | TradeThrough
    | Money
)
