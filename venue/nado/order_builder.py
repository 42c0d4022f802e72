"""One leg of a plan, turned into the one order that it means.

Pure and deterministic: both legs and the ledger call it apart from each other and must arrive at the same
digest, so everything in the order comes from the plan, the plan's digest and the venue's rules. No clock, no
chance, and no rounding: an off-lattice number is refused before it is signed (the first bot's client rounded
once more than its strategy, lesson S2).
"""

from hashlib import blake2b

from messages.sizing import REST_MAX_MS, Leg, SizingPlan
from messages.units import Ms
from venue.nado.appendix import appendix_of
from venue.nado.signing import Signer, order_digest, order_nonce, recv_time_of, subaccount_owner
from venue.protocol import OffLattice, Order, ProductRules, SignedOrder, VenueRules

RESTS_AND_REDUCES = appendix_of("post_only", reduce_only=True)
"""The appendix of an order that the venue always refuses."""


class NadoOrderBuilder:
    """Order building and signing for one subaccount under one set of rules; an `OrderBuilder`."""

    def __init__(self, rules: VenueRules, sender: str, signer: Signer | None) -> None:
        """`sender`: bytes32 hex of the subaccount. `signer` is its owner or its linked signer; None for
        whoever only derives digests (the ledger).

        Raises `ValueError` for a sender that is no bytes32 and for rules without a positive tick and step.
        """
        subaccount_owner(sender)
        _must_have_lattice(rules)
        self._chain_id = rules.chain_id
        self._rules = rules
        self._sender = sender
        self._signer = signer

    def order_of(self, plan: SizingPlan, plan_digest: str, leg: Leg) -> Order:
        """The order of `leg`, valid until the plan's receive time. One that takes is expired one second after
        it, one that rests with the plan's last trade.

        Raises `OffLattice` naming product, value and step or tick; `ValueError` for amount 0, a product that
        is not this leg's, a price that is not positive, a plan without a receive time (it was never sealed),
        and for an order that rests otherwise than the plan says.
        """
        wanted, product = plan.leg(leg), self._rules.product(leg)
        if wanted.product_id != product.product_id:
            raise ValueError(
                f"product_id: {wanted.product_id} is not {product.symbol} ({product.product_id})"
            )
        if plan.rules_version not in {0, self._rules.version}:
            raise ValueError(
                f"rules_version: the plan goes by version {plan.rules_version} of the venue's rules, now it"
                f" is {self._rules.version}"
            )
        if plan.recv_time_ms <= 0:
            raise ValueError(f"recv_time_ms: {plan.recv_time_ms}, so the plan is not sealed")
        order = Order(
            product_id=wanted.product_id,
            sender=self._sender,
            price=wanted.limit,
            amount=wanted.amount,
            expiration_s=_expiration_s(plan, leg),
            # The nonce's free bits leave nothing to chance: whoever holds the plan holds the order's digest.
            # Were the two legs' bits ever equal (once in a million plans) the orders would still differ:
            # their products are verified by different contracts.
            nonce=order_nonce(
                plan.recv_time_ms,
                int.from_bytes(blake2b((plan_digest + leg).encode(), digest_size=3).digest(), "big") >> 4,
            ),
            appendix=appendix_of(wanted.kind, reduce_only=wanted.reduce_only),
        )
        _check_form(order, product)
        return order

    def use(self, rules: VenueRules) -> None:
        """From now on ticks, steps and the version are these. Raises `ValueError` for another chain or
        other products, and keeps the old ones.
        """
        before = self._rules
        ids = (rules.chain_id, rules.eth.product_id, rules.sol.product_id)
        if ids != (before.chain_id, before.eth.product_id, before.sol.product_id):
            raise ValueError(f"chain and products {ids} are not those that this run signs for")
        _must_have_lattice(rules)
        self._rules = rules

    def digest_of(self, order: Order) -> str:
        """The venue's id of `order`, 32 bytes as 0x-hex: known before the first byte leaves."""
        return "0x" + order_digest(order, self._chain_id).hex()

    def sign(self, order: Order) -> SignedOrder:
        """Digest and signature. Raises `OffLattice` or `ValueError` before anything is signed, as
        `order_of` does, and when there is no signer.
        """
        pair = (self._rules.eth, self._rules.sol)
        product = next((each for each in pair if each.product_id == order.product_id), None)
        if product is None:
            names = " nor ".join(each.symbol for each in pair)
            raise ValueError(f"product_id: {order.product_id} is neither {names}")
        _check_form(order, product)
        if order.sender != self._sender:
            raise ValueError(f"sender: {order.sender} is not {self._sender}")
        if self._signer is None:
            raise ValueError(f"there is no key to sign for {self._sender}")
        digest = order_digest(order, self._chain_id)
        return SignedOrder(
            order, "0x" + digest.hex(), self._signer.sign(digest), Ms(recv_time_of(order.nonce))
        )


def _must_have_lattice(rules: VenueRules) -> None:
    for product in (rules.eth, rules.sol):
        if product.price_tick <= 0 or product.size_step <= 0:
            raise ValueError(
                f"{product.symbol}: tick {product.price_tick.text()} and step {product.size_step.text()} must"
                " be positive"
            )


def _expiration_s(plan: SizingPlan, leg: Leg) -> int:
    """Of an order that takes: a second after the receive window, rounded up, because its end is certain
    anyway. Of one that rests: the last second that is not beyond its last possible trade, by which everybody
    reckons. Raises `ValueError` where that is no life that the plan names.
    """
    if plan.leg(leg).kind != "post_only":
        return -(-plan.recv_time_ms // 1000) + 1
    if plan.quote is None or plan.quote.leg != leg:
        raise ValueError(f"kind: post_only, and the plan does not say that its {leg} order rests")
    if plan.quote.rest > REST_MAX_MS:
        raise ValueError(
            f"rest: {plan.quote.rest} ms beyond its receive window, at most {REST_MAX_MS} are allowed"
        )
    expiration_s = plan.last_trade_ms // 1000
    if expiration_s * 1000 < plan.recv_time_ms:
        raise ValueError(f"rest: {plan.quote.rest} ms, so it expires before its receive window has ended")
    return expiration_s


def _check_form(order: Order, product: ProductRules) -> None:
    if order.appendix == RESTS_AND_REDUCES:
        raise ValueError(f"{product.symbol}: only orders that take can be reduce-only (2067)")
    if order.amount == 0:
        raise ValueError(f"{product.symbol}: amount 0 is not an order")
    if order.price <= 0:
        raise ValueError(f"{product.symbol}: price {order.price.text()} is not positive")
    if order.price % product.price_tick:
        raise OffLattice(
            f"{product.symbol}: price {order.price.text()} is not on the tick {product.price_tick.text()}"
        )
    if order.amount % product.size_step:
        raise OffLattice(
            f"{product.symbol}: amount {order.amount.text()} is not on the step {product.size_step.text()}"
        )
