"""The venue's rules as data: products, options, and the checks that an order passes by itself, without book
and account.

Sources: the exchange's documentation, and the settlement contracts for fees and health. What the documents
leave open is an option, or decided here in one place with its reason. Codes and their texts are in `codes`.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from messages.market import TradingStatus
from messages.units import ONE, Base, Price, Quote, Rate
from venue.nado.signing import recv_time_of
from venue.protocol import Order
from venue.simulated.engine.codes import refused, require

TAKER_DELAY_S = 0.03
"""The speed bump: orders that are not post-only wait this long before they match."""
AUTHENTICATED_MAX = 5
"""Authenticated connections of one wallet."""
RECV_WINDOW_MS = 100_000
"""How far in the future a `recv_time` may lie."""
MAX_OPEN_ORDERS = 500
"""Per subaccount and market."""
ISOLATED_MAX = 10
"""Isolated subaccounts per address (contracts)."""
ORACLE_FLOOR_PERCENT = 20
ORACLE_CEILING_PERCENT = 500
QUOTE_PRODUCT = 0
NO_ADDRESS = "0x" + "00" * 20
CHAIN_ID = 763373
"""Ink Sepolia: the simulated venue signs like the test network, so that no order signed for it is worth
anything on the main one.
"""
ENDPOINT = "0x698d87105274292b5673367dec81874ce3633ac2"
NO_ASK = 2**127 - 1
"""The venue's sentinel for an empty ask side (i128::MAX); an empty bid side is 0."""

Kind = Literal["default", "ioc", "fok", "post_only"]
KINDS: tuple[Kind, ...] = ("default", "ioc", "fok", "post_only")


class Product(msgspec.Struct, frozen=True):
    """One perp as the simulated venue trades it."""

    symbol: str
    product_id: int
    tick: Price
    step: Base
    min_size: Quote
    """USDT0 of notional, not base."""
    taker_fee: Rate = Rate(35 * ONE // 100_000)
    maker_fee: Rate = Rate(ONE // 10_000)
    long_weight_initial: Rate = Rate(975 * ONE // 1000)
    long_weight_maintenance: Rate = Rate(9875 * ONE // 10_000)
    status: TradingStatus = "live"
    isolated_only: bool = False
    max_open_interest: Quote | None = None
    """USDT0 of notional; None = no limit."""

    @property
    def short_weight_initial(self) -> Rate:
        """A short's weight mirrors a long's around one."""
        return Rate(2 * ONE - self.long_weight_initial)

    @property
    def short_weight_maintenance(self) -> Rate:
        """A short's weight mirrors a long's around one."""
        return Rate(2 * ONE - self.long_weight_maintenance)


ETH_PERP = Product("ETH-PERP", 4, Price.of("0.1"), Base.of("0.001"), Quote.of(100))
SOL_PERP = Product("SOL-PERP", 8, Price.of("0.01"), Base.of("0.1"), Quote.of(100))
DEFAULT_PRODUCTS = (ETH_PERP, SOL_PERP)


BUILDER_ID_MAX = 2**16 - 1
BUILDER_RATE_MAX = 2**10 - 1
"""Tenths of a basis point: what the appendix has room for."""


class Builder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A builder that orders may name: whoever sent the order on gets a share of what it trades, at a rate
    that the order sets. Rates in tenths of a basis point.
    """

    id: int
    lowest_rate: int = 0
    highest_rate: int = BUILDER_RATE_MAX

    def __post_init__(self) -> None:
        if not 1 <= self.id <= BUILDER_ID_MAX:
            raise ValueError(f"id: a builder has a number from 1 to {BUILDER_ID_MAX}, not {self.id}")
        if not 0 <= self.lowest_rate <= self.highest_rate <= BUILDER_RATE_MAX:
            raise ValueError(
                f"lowest_rate, highest_rate: tenths of a basis point, 0 to {BUILDER_RATE_MAX} in this order,"
                f" not {self.lowest_rate} and {self.highest_rate}"
            )


MakerFill = Literal["queue", "print_through", "quote_through"]
CancelsAhead = Literal["none", "bounded", "proportional"]


class VenueOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What Nado's documents leave open, settled for a run. The defaults are the likelier behaviour; a
    faults file may say otherwise under [venue].
    """

    min_size_binds_takers: bool = False
    """Are IOC and FOK orders held to the minimum notional? The newest sources say no (they pay the minimum
    fee instead); both are tested.
    """
    self_match: Literal["cancel_resting", "refuse"] = "cancel_resting"
    """An order that would trade with another of the same subaccount: the resting one is cancelled, or the
    new one is refused with 2073.
    """
    spot_leverage_on_perps: bool = True
    """May an order for a perp carry `spot_leverage`? False = 2019. The newest client sends it, so the
    engine lets it pass.
    """
    isolated_shows_parent: bool = True
    """Do the events of an isolated position name its parent (with `isolated` true) or the isolated
    subaccount?
    """
    filled_orders_found: bool = False
    """Does the query `order` still find an order that has ended? The documents answer 2020."""
    cancel_batch_is_atomic: bool = True
    """Does one digest that is gone refuse a whole `cancel_orders`? False = the others are cancelled."""
    place_after_failed_cancel: bool = False
    """Does `cancel_and_place` place its order although the cancellation found nothing? False is the safer
    reading.
    """
    echo_id: bool = True
    """Do a failure and `cancel_and_place` echo the request's `id`?"""
    bump: Literal["takers", "crossing"] = "takers"
    """Which orders wait at the speed bump: every order that is not post-only, or only those that cross
    when they arrive.
    """
    order_update_fills: bool = False
    """Does `order_update` carry `filled_qty` and `filled_price`, as the newest independent client reads
    them?
    """
    limited_by: Literal[1000, 1015] = 1000
    limited_status: int = 429
    """How a request over the rate limit is answered over HTTP: code and status."""
    rate_limits: bool = True
    """Are requests counted at all?"""
    settle_every_s: float = 3600.0
    """How often unsettled profit and loss moves into the USDT0 balance by itself. 0 = never. The documents
    say only that it does.
    """
    expiry_every_s: float = 1.0
    """How often orders that rest and have expired are withdrawn; until then they may trade. 0 = each at its
    expiration. The documents do not say how promptly.
    """
    ping_timeout_s: float = 60.0
    """The venue closes the connection of a client that has sent no byte, pings included, for so long; the
    documents ask for a ping every 30 s.
    """
    sockets_per_address: int = 100
    """Connections of one address; one more is cut at once. Known from another bot's notes only."""
    excess_socket: Literal["newest", "oldest"] = "newest"
    """Which connection is closed when a wallet authenticates on a sixth."""
    maker_fills: tuple[MakerFill, ...] = ("queue", "print_through", "quote_through")
    """What of other traders' doings fills an order that rests: a trade at its price once the queue ahead of
    it has traded, a trade beyond its price, a quote strictly beyond its price. A quote that merely meets its
    price never does.
    """
    cancels_ahead: CancelsAhead = "none"
    """What others cancel of an order's price level, was it ahead of it in the queue? Never; only what must
    have been; or in proportion.
    """
    one_trade_in: int = 1
    """Of the market's trades, only every n-th happens. With fewer trades orders that rest are filled less.
    """
    needs_encoding: bool = True
    """Is a request refused that accepts no compressed answer?"""
    builders: tuple[Builder, ...] = ()
    """Which builders may an order name, and at what rates (tenths of a basis point)? Each is a table
    `[[venue.builders]]` with `id`, `lowest_rate` and `highest_rate`. Every other is refused with 2118, on the
    test network all of them are.
    """

    def __post_init__(self) -> None:
        if self.settle_every_s < 0:
            raise ValueError(f"settle_every_s: 0 or more seconds, not {self.settle_every_s}")
        if self.expiry_every_s < 0:
            raise ValueError(f"expiry_every_s: 0 or more seconds, not {self.expiry_every_s}")
        if self.ping_timeout_s <= 0:
            raise ValueError(f"ping_timeout_s: more than 0 seconds, not {self.ping_timeout_s}")
        if self.sockets_per_address < 1:
            raise ValueError(f"sockets_per_address: at least 1, not {self.sockets_per_address}")
        if self.one_trade_in < 1:
            raise ValueError(f"one_trade_in: at least 1, not {self.one_trade_in}")
        if not 200 <= self.limited_status < 600:
            raise ValueError(f"limited_status: an HTTP status, not {self.limited_status}")


class AppendixTerms(msgspec.Struct, frozen=True):
    """What an order's appendix (128 bits, signed with it) asks for."""

    kind: Kind
    reduce_only: bool
    version: int
    isolated: bool
    triggered: bool
    builder: int
    margin: Quote = Quote(0)
    """What an isolated order takes with it from its parent."""
    builder_rate: int = 0
    """Tenths of a basis point."""

    def builder_fee(self, quote: int) -> Quote:
        """What the builder gets of a fill of `quote` USDT0 (x18, either sign), on top of the exchange's fee:
        price x |amount| x rate (nado-python-sdk: builder-integration).
        """
        return Quote(abs(quote) * self.builder_rate // 10**5)


def terms_of(appendix: int) -> AppendixTerms:
    """The order's terms from its appendix: bits 7..0 version, 8 isolated, 10..9 kind, 11 reduce-only, 13..12
    trigger, 47..38 the builder's rate, 63..48 builder, 127..64 margin.

    Reads any number, unlike the client's own decoder: an order that is refused for its version still appears
    in the order log.
    """
    return AppendixTerms(
        kind=KINDS[appendix >> 9 & 3],
        reduce_only=bool(appendix >> 11 & 1),
        version=appendix & 0xFF,
        isolated=bool(appendix >> 8 & 1),
        triggered=bool(appendix >> 12 & 3),
        builder=appendix >> 48 & BUILDER_ID_MAX,
        margin=Quote((appendix >> 64) * 10**12) if appendix >> 8 & 1 else Quote(0),
        builder_rate=appendix >> 38 & BUILDER_RATE_MAX,
    )


def check_form(
    order: Order, terms: AppendixTerms, product: Product, builders: Sequence[Builder] = ()
) -> None:
    """Raise `ExchangeRefusal` unless version, type, builder, amount and price have the form that the product
    and the registry of builders demand.
    """
    require(terms.version == 1, 2095, version=terms.version)
    require(not terms.triggered, 2084 if terms.isolated else 2009)
    if terms.builder or terms.builder_rate:  # a rate without a builder is refused too
        require(
            any(
                each.id == terms.builder and each.lowest_rate <= terms.builder_rate <= each.highest_rate
                for each in builders
            ),
            2118,
        )
    require(order.amount != 0, 2002)
    require(order.price > 0, 2055)
    require(
        order.price % product.tick == 0,
        2000,
        price=int(order.price),
        product_id=product.product_id,
        tick=int(product.tick),
    )
    require(
        order.amount % product.step == 0,
        2001,
        amount=int(order.amount),
        product_id=product.product_id,
        step=int(product.step),
    )


def check_isolation(order: Order, terms: AppendixTerms, product: Product) -> None:
    """Raise `ExchangeRefusal` where isolated margin forbids the order: what an isolated subaccount may send,
    and what an isolated order may be.
    """
    if is_isolated(order.sender):
        require(not terms.isolated, 2081)
        require(isolated_product(order.sender) == product.product_id, 2082)
        require(terms.reduce_only, 2088)
    elif terms.isolated and terms.reduce_only:
        raise refused(2085)
    elif product.isolated_only and not terms.isolated:
        raise refused(2122)


_ISOLATED = b"iso".hex()


def isolated_name(owner: str, product_id: int, number: int) -> str:
    """The bytes32 of an isolated subaccount: owner's 20 bytes, 6 reserved, product id in 2, a number in 1,
    "iso" (contracts: RiskHelper).
    """
    return f"{owner}{'00' * 6}{product_id:04x}{number:02x}{_ISOLATED}"


def is_isolated(subaccount: str) -> bool:
    """Is it the name of an isolated subaccount?"""
    return subaccount.endswith(_ISOLATED)


def isolated_product(subaccount: str) -> int:
    """The only product an isolated subaccount may hold."""
    return int(subaccount[54:58], 16)


def check_size(order: Order, terms: AppendixTerms, product: Product, options: VenueOptions) -> None:
    """2094 unless |amount| x price reaches the minimum; orders that cannot rest are exempt unless the option
    says otherwise.
    """
    takes = terms.kind in {"ioc", "fok"}
    if takes and not options.min_size_binds_takers:
        return
    require(
        abs(order.amount) * order.price >= product.min_size * ONE,
        2094,
        amount=int(order.amount),
        price=int(order.price),
        product_id=product.product_id,
        min_size=int(product.min_size),
    )


def check_oracle(order: Order, oracle: Price) -> None:
    """2007 unless the price lies within 20 % .. 500 % of the oracle price."""
    require(oracle * ORACLE_FLOOR_PERCENT <= order.price * 100 <= oracle * ORACLE_CEILING_PERCENT, 2007)


def check_window(order: Order, now_ms: int) -> None:
    """2011 / 2012 unless now < recv_time <= now + 100 s; 2004 when expired. `now_ms` is the moment of
    *arrival*.
    """
    check_recv_time(order.nonce, now_ms)
    require(order.expiration_s * 1000 > now_ms, 2004)


def check_recv_time(nonce: int, now_ms: int) -> None:
    """2011 / 2012 unless now < recv_time <= now + 100 s. Binds every request that carries an order nonce."""
    recv_time = recv_time_of(nonce)
    require(recv_time > now_ms, 2011)
    require(recv_time <= now_ms + RECV_WINDOW_MS, 2012)


def check_status(terms: AppendixTerms, product: Product) -> None:
    """2069 when the market's trading status forbids this order."""
    allowed = {
        "live": True,
        "post_only": terms.kind == "post_only",
        "reduce_only": terms.reduce_only,
        "soft_reduce_only": terms.reduce_only or terms.kind == "post_only",
        "not_tradable": False,
    }
    require(allowed[product.status], 2069)
