"""Does nado-protocol sign what we sign? Asked at live start-up, for this very key, chain and contract, before
the first order may leave.

The tests prove our encoder for random keys and messages; this proves it for the ones that money is about to
depend on, with the SDK as installed on this machine. One message of every kind that a run can send, and the
one that links a signer, digest and signature compared byte for byte.

`agree` blocks for seconds, most of them the SDK's imports: call it in a worker thread.
"""

import importlib
import warnings
from collections.abc import Iterator
from itertools import product as product_of
from typing import Any

import msgspec

from messages.units import Base, Price
from venue.nado.appendix import OrderKind, appendix_of
from venue.nado.signing import (
    Signer,
    cancellation_digest,
    cancellation_products_digest,
    link_signer_digest,
    order_digest,
    order_nonce,
    stream_authentication_digest,
)
from venue.protocol import Order, ProductRules, VenueRules

LIFE_MS = 60_000
_LOW20 = 0xABCDE


class Disagreement(Exception):
    """The SDK would sign something else, or cannot be asked. Nothing may be signed for money."""


class Sample(msgspec.Struct, frozen=True):
    """One message: our digest of it, and how the SDK calls it."""

    kind: str
    """A `NadoTxType`."""
    digest: bytes
    message: dict[str, Any]
    contract: str


def samples(rules: VenueRules, sender: str, now_ms: int) -> Iterator[Sample]:
    """Orders on both products, both sides, opening and closing; both cancellations; the streams'
    authentication; the linking of a signer.
    """
    chain, endpoint, raw = rules.chain_id, rules.endpoint, bytes.fromhex(sender[2:])
    pair = (rules.eth, rules.sol)
    kinds: tuple[tuple[OrderKind, bool], ...] = (("fok", False), ("ioc", True))
    for product, side, (kind, closing) in product_of(pair, (1, -1), kinds):
        order = _order_of(product, sender, now_ms, side, kind, closing=closing)
        yield Sample(
            "PLACE_ORDER",
            order_digest(order, chain),
            {
                "sender": raw,
                "priceX18": int(order.price),
                "amount": int(order.amount),
                "expiration": order.expiration_s,
                "nonce": order.nonce,
                "appendix": order.appendix,
            },
            "0x" + order.product_id.to_bytes(20, "big").hex(),
        )
    products, deadline_ms = [product.product_id for product in pair], now_ms + LIFE_MS
    nonce = order_nonce(deadline_ms, _LOW20)
    digests = [
        "0x" + order_digest(_order_of(product, sender, now_ms, 1, "fok", closing=False), chain).hex()
        for product in pair
    ]
    yield Sample(
        "CANCEL_ORDERS",
        cancellation_digest(sender, products, digests, nonce, chain, endpoint),
        {
            "sender": raw,
            "productIds": products,
            "digests": [bytes.fromhex(digest[2:]) for digest in digests],
            "nonce": nonce,
        },
        endpoint,
    )
    yield Sample(
        "CANCEL_PRODUCT_ORDERS",
        cancellation_products_digest(sender, products, nonce, chain, endpoint),
        {"sender": raw, "productIds": products, "nonce": nonce},
        endpoint,
    )
    yield Sample(
        "AUTHENTICATE_STREAM",
        stream_authentication_digest(sender, deadline_ms, chain, endpoint),
        {"sender": raw, "expiration": deadline_ms},
        endpoint,
    )
    yield Sample(
        "LINK_SIGNER",
        link_signer_digest(sender, sender, 7, chain, endpoint),
        {"sender": raw, "signer": raw, "nonce": 7},
        endpoint,
    )


def _order_of(
    product: ProductRules, sender: str, now_ms: int, side: int, kind: OrderKind, *, closing: bool
) -> Order:
    near = product.oracle or 1_000 * product.price_tick
    price = Price(near // product.price_tick * product.price_tick)
    nonce = order_nonce(now_ms + LIFE_MS, _LOW20)
    return Order(
        product.product_id,
        sender,
        price,
        Base(side * product.size_step),
        now_ms // 1000 + 61,
        nonce,
        appendix_of(kind, reduce_only=closing),
    )


def agree(signer: Signer, rules: VenueRules, sender: str, now_ms: int) -> int:
    """Compare every sample; how many there were. Raises `Disagreement` naming the first kind that differs,
    or why the SDK cannot be asked.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK's dependencies warn while they load
        try:
            sdk = _Sdk(signer, rules.chain_id)
            differing = [sample.kind for sample in samples(rules, sender, now_ms) if not sdk.agrees(sample)]
        except Exception as error:  # noqa: BLE001 - third-party code that holds our key: its words are not repeated
            raise Disagreement(f"nado-protocol cannot be asked ({type(error).__name__})") from None
    if differing:
        raise Disagreement(f"nado-protocol signs {differing[0]} differently")
    return sum(1 for _ in samples(rules, sender, now_ms))


class _Sdk:
    """The SDK's own encoder and the account object that it signs with."""

    def __init__(self, signer: Signer, chain_id: int) -> None:
        self._eip712 = importlib.import_module("nado_protocol.contracts.eip712")
        self._kinds = importlib.import_module("nado_protocol.contracts.types").NadoTxType
        self._chain_id, self._signer = chain_id, signer
        self._account = signer.lend(importlib.import_module("eth_account").Account.from_key)

    def agrees(self, sample: Sample) -> bool:
        typed = self._eip712.build_eip712_typed_data(
            self._kinds[sample.kind], sample.message, sample.contract, self._chain_id
        )
        same_digest = self._eip712.get_eip712_typed_data_digest(typed) == "0x" + sample.digest.hex()
        return same_digest and bool(
            self._eip712.sign_eip712_typed_data(typed, self._account) == self._signer.sign(sample.digest)
        )
