"""Matching and settlement: what happens to an order that has been let in. The lower half of the exchange engine.

The engine's clock never stands still between two steps: each gets a later nanosecond than the one before, so that a snapshot is always strictly
between two changes and can be compared with book batches.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from messages.units import ONE, Base, Ns, Price, Quote
from venue.simulated.accounts import Account, fee_on, increases, initial_after, taker_metered
from venue.simulated.book import Book, Offer, Resting
from venue.simulated.events import Event, Filled, OrderUpdated, PositionChanged, Traded
from venue.simulated.order_log import LoggedFill, LoggedOrder, OrderLog
from venue.simulated.rules import CHAIN_ID, DEFAULT_PRODUCTS, ENDPOINT, MAX_OPEN_ORDERS, Knobs, Product, Refused, refused


@dataclass(slots=True)
class Market:
    """One product's rules, book and oracle price (0 until the market has spoken: then nothing trades)."""

    product: Product
    book: Book
    oracle: Price
    open_orders: dict[str, Resting] = field(default_factory=dict)


class _Piece(NamedTuple):
    amount: int
    price: int
    quote: int
    """Signed, before the fee."""
    fee: Quote
    is_taker: bool
    idx: int


@contextmanager
def written_down(entry: LoggedOrder) -> Iterator[None]:
    """A refusal inside goes into the order log on its way out."""
    try:
        yield
    except Refused as no:
        entry.refuse(no)
        raise


def _same_owner(offer: Offer, order: Resting) -> bool:
    return offer.maker is not None and offer.maker.order.sender == order.order.sender


def _signed_quote(order: Resting, price: int, amount: int) -> int:
    quote = price * amount // ONE
    return -quote if order.is_bid else quote


class Matching:
    """The state of the engine, and the steps that trade."""

    def __init__(
        self, products: Sequence[Product] = DEFAULT_PRODUCTS, chain_id: int = CHAIN_ID, endpoint: str = ENDPOINT, knobs: Knobs | None = None
    ) -> None:
        self.chain_id = chain_id
        self.endpoint = endpoint
        self.knobs = knobs or Knobs()
        self.markets = {product.product_id: Market(product, Book(product.product_id), Price(0)) for product in products}
        self.accounts: dict[str, Account] = {}
        self.order_log = OrderLog()
        self.outbox: list[Event] = []
        """Events since whoever drives the engine took them last."""
        self.submission_idx = 0
        self.now_ns = Ns(0)

    def tick(self, now_ns: int) -> Ns:
        """The engine's time for the next step: `now_ns`, but always later than the step before."""
        self.now_ns = Ns(max(now_ns, self.now_ns + 1))
        return self.now_ns

    def match(self, order: Resting, now_ns: int, *, lots: int | None = None) -> None:
        """Trade an order that has arrived. Raises `Refused`; what it does otherwise is in `outbox`, `order_log` and the book.

        `lots`: the most that a fault lets it find in the book, in size steps.
        """
        now, entry = self.tick(now_ns), self.order_log.known(order.digest)
        if entry is None:
            raise LookupError(f"order {order.digest} never arrived")
        with written_down(entry):
            if order.terms.kind == "post_only":
                self._match_maker(order, now)
            else:
                self._match_taker(order, now, lots)
            entry.result = "accepted"

    def _match_maker(self, order: Resting, now: Ns) -> None:
        market = self.markets[order.order.product_id]
        if market.book.crosses(order.order):
            raise refused(2008)
        self._check_room(order)
        self._check_margin(order, [])
        self._rest(order, now)

    def _match_taker(self, order: Resting, now: Ns, lots: int | None) -> None:
        wanted = self._wanted(order)
        found = wanted if lots is None else min(wanted, lots * self.markets[order.order.product_id].product.step)
        plan = self._plan(order, found)
        filled = sum(amount for _, amount in plan)
        self._check_filled(order, filled, wanted, now)
        if order.terms.kind == "default" and filled < wanted:
            self._check_room(order)
        self._check_margin(order, plan)
        self._clear_own(order, now)
        for offer, amount in plan:
            self._trade(order, offer, amount, now)
        if order.remaining:
            self._rest(order, now) if order.terms.kind == "default" else self._update(order, Base(0), "cancelled", now)

    def _wanted(self, order: Resting) -> int:
        """What the order may trade: everything, or for reduce-only what is held of the other sign."""
        if not order.terms.reduce_only:
            return order.remaining
        held = self.accounts[order.order.sender].position(order.order.product_id).amount
        if held == 0 or (held > 0) == order.is_bid:
            raise refused(2064)
        return min(order.remaining, abs(held))

    def _plan(self, order: Resting, wanted: int) -> list[tuple[Offer, int]]:
        plan: list[tuple[Offer, int]] = []
        for offer in self.markets[order.order.product_id].book.side(not order.is_bid).offers(order.order.price):
            if wanted and not _same_owner(offer, order):
                piece = min(wanted, offer.amount)
                plan.append((offer, piece))
                wanted -= piece
        return plan

    def _check_filled(self, order: Resting, filled: int, wanted: int, now: Ns) -> None:
        code = 0
        if order.terms.kind == "ioc" and filled == 0:
            code = 2056
        if order.terms.kind == "fok" and filled < wanted:
            code = 2031
        if code:
            self._update(order, Base(0), "cancelled", now)
            raise refused(code)

    def _check_room(self, order: Resting) -> None:
        mine = sum(1 for other in self.markets[order.order.product_id].open_orders.values() if other.order.sender == order.order.sender)
        if mine >= MAX_OPEN_ORDERS:
            raise refused(2005)

    def _check_margin(self, order: Resting, plan: Sequence[tuple[Offer, int]]) -> None:
        """2006 when new exposure would leave initial health below zero, the rest of an order that may rest counted at its own price."""
        account, market = self.accounts[order.order.sender], self.markets[order.order.product_id]
        pieces = [(offer.price, amount) for offer, amount in plan]
        if order.terms.kind in {"default", "post_only"}:
            pieces.append((int(order.order.price), order.remaining - sum(amount for _, amount in plan)))
        sign = 1 if order.is_bid else -1
        amount = sign * sum(amount for _, amount in pieces)
        before = account.position(order.order.product_id)
        if not increases(before.amount, amount):
            return
        quote = -sign * sum(price * amount // ONE for price, amount in pieces)
        fee = fee_on(taker_metered(quote, 0, market.product.min_size), market.product.taker_fee)
        if self.initial_after(account, order.order.product_id, amount, quote - fee) < 0:
            raise refused(2006)

    def initial_after(self, account: Account, product_id: int, amount: int, quote: int) -> Quote:
        """Initial health of `account` after trading `amount` for `quote` (both signed, quote after the fee)."""
        after = account.position(product_id).changed(amount, quote)
        return initial_after(account, product_id, after, self.products, self.oracles)

    @property
    def products(self) -> tuple[Product, ...]:
        """All products' rules."""
        return tuple(market.product for market in self.markets.values())

    @property
    def oracles(self) -> dict[int, int]:
        """Oracle price by product."""
        return {product_id: int(market.oracle) for product_id, market in self.markets.items()}

    # -- what trades -----------------------------------------------------------------------------------------------------------------------

    def _clear_own(self, order: Resting, now: Ns) -> None:
        for offer in tuple(self.markets[order.order.product_id].book.side(not order.is_bid).offers(order.order.price)):
            if offer.maker is not None and _same_owner(offer, order):
                self.withdraw(offer.maker, now)

    def _trade(self, taker: Resting, offer: Offer, amount: int, now: Ns) -> None:
        product, idx = self.markets[taker.order.product_id].product, self.next_idx()
        quote = _signed_quote(taker, offer.price, amount)
        fee = fee_on(taker_metered(quote, taker.taken_quote, product.min_size), product.taker_fee)
        taker.taken_quote += abs(quote)
        taker.remaining -= amount
        if offer.maker is None:
            self.markets[product.product_id].book.take(not taker.is_bid, offer, amount, now)
        else:
            self.fill_maker(offer, amount, idx, now)
        self._settle(taker, _Piece(amount, offer.price, quote, fee, True, idx), now)
        self.outbox.append(Traded(product.product_id, Price(offer.price), Base(amount), taker.is_bid, now))

    def fill_maker(self, offer: Offer, amount: int, idx: int, now: Ns) -> None:
        """Trade `amount` of a resting order at its own price."""
        maker = offer.maker
        if maker is None:
            raise LookupError("the house has no account")
        market = self.markets[maker.order.product_id]
        quote = _signed_quote(maker, offer.price, amount)
        market.book.take(maker.is_bid, offer, amount, now)
        if maker.remaining == 0:
            del market.open_orders[maker.digest]
        self._settle(maker, _Piece(amount, offer.price, quote, fee_on(quote, market.product.maker_fee), False, idx), now)

    def _settle(self, order: Resting, piece: "_Piece", now: Ns) -> None:
        """Book one piece into the account and tell: fill, order_update, position_change."""
        wire, account = order.order, self.accounts[order.order.sender]
        signed = Base(piece.amount if order.is_bid else -piece.amount)
        account.positions[wire.product_id] = after = account.position(wire.product_id).changed(signed, piece.quote - piece.fee)
        entry = self.order_log.known(order.digest)
        if entry is not None:
            entry.fills.append(LoggedFill(signed, Price(piece.price), piece.fee, piece.is_taker, piece.idx, now))
        self.outbox.append(
            Filled(
                wire.product_id, wire.sender, order.digest, Base(piece.amount), Base(order.remaining), Base(abs(wire.amount)), Price(piece.price),
                piece.is_taker, order.is_bid, piece.fee, Quote(piece.quote - piece.fee), piece.idx, order.order_id, wire.appendix, now,
            )
        )  # fmt: skip
        self._update(order, Base(order.remaining), "filled", now)
        self.outbox.append(PositionChanged(wire.product_id, wire.sender, after.amount, after.v_quote, "match_orders", now))

    def next_idx(self) -> int:
        """The submission index of the next match: both sides of it carry the same."""
        self.submission_idx += 1
        return self.submission_idx

    # -- orders that rest ------------------------------------------------------------------------------------------------------------------

    def _rest(self, order: Resting, now: Ns) -> None:
        market = self.markets[order.order.product_id]
        market.book.rest(order, now)
        market.open_orders[order.digest] = order
        self._update(order, Base(order.remaining), "placed", now)

    def withdraw(self, order: Resting, now: Ns) -> None:
        """End a resting order that was not filled."""
        market = self.markets[order.order.product_id]
        market.book.remove(order, now)
        del market.open_orders[order.digest]
        self._update(order, Base(0), "cancelled", now)

    def _update(self, order: Resting, amount: Base, reason: Literal["placed", "filled", "cancelled"], now: Ns) -> None:
        wire = order.order
        self.outbox.append(OrderUpdated(wire.product_id, wire.sender, order.digest, amount, reason, order.order_id, now))
