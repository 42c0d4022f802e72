"""Nado's executes as requests: what a client may send, read strictly enough to be refused by name. Pure."""

from typing import Generic, TypeVar

import msgspec

from messages.units import Base, Price
from venue.nado.codec import Whole, read
from venue.protocol import Malformed, Order
from venue.simulated.engine.codes import ExchangeRefusal, refused

T = TypeVar("T")


class Signed(msgspec.Struct, Generic[T], frozen=True):
    """An execute that is nothing but its signed part and the signature: 0x and 65 bytes of hex."""

    tx: T
    signature: str


class WireOrder(msgspec.Struct, frozen=True, rename={"price": "priceX18"}):
    """The signed part of an order: price and amount x18 (a sell below 0), expiration in Unix seconds."""

    sender: str
    price: Price
    amount: Base
    expiration: Whole
    nonce: Whole
    appendix: Whole


class PlaceOrder(msgspec.Struct, frozen=True):
    """`place_order`, and one entry of `place_orders`; `id` is the client's own and is echoed."""

    product_id: Whole
    order: WireOrder
    signature: str
    id: Whole | None = None
    digest: str | None = None
    """Allowed, and not believed."""
    spot_leverage: bool | None = None
    borrow_margin: bool | None = None

    def to_order(self) -> Order:
        """The order as it was signed; hex in lower case."""
        wire = self.order
        return Order(
            int(self.product_id),
            wire.sender.lower(),
            wire.price,
            wire.amount,
            int(wire.expiration),
            int(wire.nonce),
            int(wire.appendix),
        )


class PlaceOrders(msgspec.Struct, frozen=True):
    """`place_orders`: carried out order by order; `stop_on_failure` ends it at the first refusal."""

    orders: tuple[PlaceOrder, ...]
    stop_on_failure: bool | None = None


class CancellationTx(msgspec.Struct, frozen=True):
    """The signed part of `cancel_orders`: product and digest of each order, in the same places."""

    sender: str
    productIds: tuple[Whole, ...]  # noqa: N815 - the wire's name
    digests: tuple[str, ...]
    nonce: Whole


class CancelOrders(msgspec.Struct, frozen=True):
    """`cancel_orders`; `required_unfilled_amount` (x18) refuses an order that has less left, or more."""

    tx: CancellationTx
    signature: str
    required_unfilled_amount: Base | None = None


class CancellationProductsTx(msgspec.Struct, frozen=True):
    """The signed part of `cancel_product_orders`; no products = all of them."""

    sender: str
    productIds: tuple[Whole, ...]  # noqa: N815 - the wire's name
    nonce: Whole


class LinkSignerTx(msgspec.Struct, frozen=True):
    """The signed part of `link_signer`: the new signer's address and any 12 bytes."""

    sender: str
    signer: str
    nonce: Whole | None = None


class TransferQuoteTx(msgspec.Struct, frozen=True):
    """The signed part of `transfer_quote`; `amount` is x18."""

    sender: str
    recipient: str
    amount: Whole
    nonce: Whole | None = None


class WithdrawTx(msgspec.Struct, frozen=True):
    """The signed part of `withdraw_collateral`; `amount` in the token's own decimals. The second version
    has the last two fields.
    """

    sender: str
    productId: Whole  # noqa: N815 - the wire's name
    amount: Whole
    nonce: Whole | None = None
    sendTo: str = ""  # noqa: N815 - the wire's name
    appendix: Whole = Whole(0)


class Withdraw(msgspec.Struct, frozen=True):
    """`withdraw_collateral` and `withdraw_collateral_v2`; without `spot_leverage` nothing may be borrowed."""

    tx: WithdrawTx
    signature: str
    spot_leverage: bool | None = None


class LiquidateTx(msgspec.Struct, frozen=True):
    """The signed part of `liquidate_subaccount`; `amount` is x18, signed like the position."""

    sender: str
    liquidatee: str
    productId: Whole  # noqa: N815 - the wire's name
    isEncodedSpread: bool  # noqa: N815 - the wire's name
    amount: Base
    nonce: Whole | None = None


class CancelAndPlace(msgspec.Struct, frozen=True):
    """`cancel_and_place`: both parts signed by the same key, the order placed after the cancellation."""

    cancel_tx: CancellationTx
    cancel_signature: str
    place_order: PlaceOrder
    place_requires_unfilled: bool | None = None
    required_unfilled_amount: Base | None = None


def read_request(data: bytes | str, kind: type[T]) -> T:
    """`data` as a `kind`. Raises `ExchangeRefusal` 2038 naming what is wrong."""
    try:
        return read(data, kind)
    except Malformed as error:
        raise ExchangeRefusal(2038, f"{refused(2038).text} {error}") from None
