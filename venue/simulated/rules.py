"""The venue's rules as data: products, knobs, and the refusals with the texts Nado uses.

Sources: the codes and texts of the exchange's documentation, the settlement contracts for fees and health. What the documents leave open is a knob or
is decided here, in one place, with its reason.
"""

from typing import Literal

import msgspec

from messages.market import TradingStatus
from messages.units import ONE, Base, Price, Quote, Rate
from venue.nado.signing import recv_time_of
from venue.protocol import Order

TAKER_DELAY_S = 0.03
"""The speed bump: orders that are not post-only wait this long before they match."""
RECV_WINDOW_MS = 100_000
"""How far in the future a `recv_time` may lie."""
MAX_OPEN_ORDERS = 500
"""Per subaccount and market."""
ORACLE_FLOOR_PERCENT = 20
ORACLE_CEILING_PERCENT = 500
QUOTE_PRODUCT = 0
NO_ADDRESS = "0x" + "00" * 20
CHAIN_ID = 763373
"""Ink Sepolia: the simulated venue signs like the test network, so that no order signed for it is worth anything on the main one."""
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


class Knobs(msgspec.Struct, frozen=True):
    """What Nado's documents leave open, settled for a run."""

    min_size_binds_takers: bool = False
    """Are IOC and FOK orders held to the minimum notional? The newest sources say no (they pay the minimum fee instead); both are tested."""


class Terms(msgspec.Struct, frozen=True):
    """What an order's appendix says."""

    kind: Kind
    reduce_only: bool
    version: int
    isolated: bool
    triggered: bool
    builder: int


def terms_of(appendix: int) -> Terms:
    """The order's terms from its appendix: bits 7..0 version, 8 isolated, 10..9 kind, 11 reduce-only, 13..12 trigger, 63..48 builder.

    Reads any number, unlike the client's own decoder: an order that is refused for its version still appears in the order log.
    """
    return Terms(
        kind=KINDS[appendix >> 9 & 3],
        reduce_only=bool(appendix >> 11 & 1),
        version=appendix & 0xFF,
        isolated=bool(appendix >> 8 & 1),
        triggered=bool(appendix >> 12 & 3),
        builder=appendix >> 48 & 0xFFFF,
    )


class Refused(Exception):
    """The exchange says no to a request: the code and text that the wire will carry."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


TEXTS = {
    2001: "Invalid order amount",
    2002: "The order amount must not be zero.",
    2004: "The order has expired.",
    2005: "The maximum number of open orders for this market has been reached.",
    2006: "Insufficient account health: the order would leave the subaccount with negative initial health.",
    2008: "The order cannot be placed as it is post-only and crosses the book. Please adjust your order parameters.",
    2009: "This order type is not supported.",
    2011: "Execute request received after 'recv_time'. Ensure that your 'recv_time' allows adequate time for requests to be received.",
    2012: "Execute request's 'recv_time' is more than 100 seconds in the future.",
    2013: "An order with this digest already exists.",
    2014: "This subaccount may not cancel the order.",
    2016: "The product id is invalid.",
    2024: "The subaccount has no prior deposit.",
    2028: "The signature does not belong to the sender's address or its linked signer.",
    2031: "Your 'Fill or Kill' order could not be filled in full. Please review the market conditions or adjust your order.",
    2035: "The signature could not be verified.",
    2038: "The execute message is invalid.",
    2039: "Mismatched number of digests and product ids.",
    2055: "The order price must be greater than zero.",
    2056: "Your 'Immediate or Cancel' order does not cross the book. Please review the market conditions or adjust your order.",
    2064: "The order is reduce-only and would increase the position.",
    2066: "The cancellation and the order must have the same sender and signer.",
    2067: "Only taker orders can be reduce only.",
    2069: "Trading on this market is blocked.",
    2095: "The order's version is invalid.",
    2114: "All orders of one request must have the same sender.",
    2118: "The builder is invalid.",
    2111: "Too many orders in one request.",
}
"""The wording for codes that carry no numbers. Texts of the documents where they are known, plain words of the same meaning elsewhere."""


def refused(code: int) -> Refused:
    """The refusal with its standard text."""
    return Refused(code, TEXTS[code])


def order_not_found(digest: str) -> Refused:
    """2020: the order is not resting (it may have ended in any way)."""
    return Refused(2020, f"Order with the provided digest ({digest}) could not be found. Please verify the order digest and try again.")


def check_form(order: Order, terms: Terms, product: Product) -> None:
    """Raise `Refused` unless version, type, amount and price have the form the product demands."""
    if terms.version != 1:
        raise refused(2095)
    if terms.triggered or terms.isolated:
        raise refused(2009)
    if terms.builder:
        raise refused(2118)
    if order.amount == 0:
        raise refused(2002)
    if order.price <= 0:
        raise refused(2055)
    _check_increments(order, product)


def _check_increments(order: Order, product: Product) -> None:
    if order.price % product.tick:
        raise Refused(
            2000,
            f"Invalid order price: Order price, {int(order.price)}, is not divisible by the price_increment_x18; "
            f"price_increment_x18 for product {product.product_id}: {int(product.tick)}.",
        )
    if order.amount % product.step:
        raise Refused(
            2001,
            f"Invalid order amount: Order amount, {int(order.amount)}, is not divisible by the size_increment; "
            f"size_increment for product {product.product_id}: {int(product.step)}.",
        )


def check_size(order: Order, terms: Terms, product: Product, knobs: Knobs) -> None:
    """2094 unless |amount| x price reaches the minimum; orders that cannot rest are exempt unless the knob says otherwise."""
    takes = terms.kind in {"ioc", "fok"}
    if takes and not knobs.min_size_binds_takers:
        return
    if abs(order.amount) * order.price < product.min_size * ONE:
        raise Refused(
            2094,
            f"Invalid order size: Order amount, {int(order.amount)}, or price, {int(order.price)}, is too small. "
            f"abs(amount) * price must be >= min_size; min_size for product {product.product_id}: {int(product.min_size)}.",
        )


def check_oracle(order: Order, oracle: Price) -> None:
    """2007 unless the price lies within 20 % .. 500 % of the oracle price."""
    if not oracle * ORACLE_FLOOR_PERCENT <= order.price * 100 <= oracle * ORACLE_CEILING_PERCENT:
        raise Refused(2007, f"The order price must be between 20% and 500% of the oracle price, {int(oracle)}.")


def check_window(order: Order, now_ms: int) -> None:
    """2011 / 2012 unless now < recv_time <= now + 100 s; 2004 when expired. `now_ms` is the moment of *arrival*."""
    check_recv_time(order.nonce, now_ms)
    if order.expiration_s * 1000 <= now_ms:
        raise refused(2004)


def check_recv_time(nonce: int, now_ms: int) -> None:
    """2011 / 2012 unless now < recv_time <= now + 100 s. Binds every request that carries an order nonce."""
    recv_time = recv_time_of(nonce)
    if recv_time <= now_ms:
        raise refused(2011)
    if recv_time > now_ms + RECV_WINDOW_MS:
        raise refused(2012)


def check_status(terms: Terms, product: Product) -> None:
    """2069 when the market's trading status forbids this order."""
    allowed = {
        "live": True,
        "post_only": terms.kind == "post_only",
        "reduce_only": terms.reduce_only,
        "soft_reduce_only": terms.reduce_only or terms.kind == "post_only",
        "not_tradable": False,
    }
    if not allowed[product.status]:
        raise refused(2069)
