"""Matching and settlement: what happens to an order that has been let in. The middle of the exchange engine.

Health is asked twice, as at Nado: when an order arrives (2006) and, because the world may have moved while it
waited at the speed bump, when it matches (2010).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

from messages.units import ONE, Base, Ns, Price, Quote
from venue.simulated.engine.accounts import fee_on, imagined, increases, taker_metered
from venue.simulated.engine.book import Offer, Resting
from venue.simulated.engine.codes import ExchangeRefusal, refused, require
from venue.simulated.engine.events import Filled, OrderUpdated, Traded
from venue.simulated.engine.order_log import LoggedFill, LoggedOrder
from venue.simulated.engine.rules import MAX_OPEN_ORDERS
from venue.simulated.engine.trading import Engine


class _Piece(NamedTuple):
    amount: int
    price: int
    quote: int
    """Signed, before the fee."""
    fee: Quote
    """The exchange's alone."""
    is_taker: bool
    idx: int


@contextmanager
def written_down(entry: LoggedOrder) -> Iterator[None]:
    """A refusal inside goes into the order log as it is raised."""
    try:
        yield
    except ExchangeRefusal as no:
        entry.result, entry.code, entry.text = "refused", no.code, no.text
        raise


def _same_owner(offer: Offer, order: Resting) -> bool:
    return offer.maker is not None and offer.maker.order.sender == order.order.sender


def _signed_quote(order: Resting, price: int, amount: int) -> int:
    quote = price * amount // ONE
    return -quote if order.is_bid else quote


class Matching(Engine):
    """The second gate: what has arrived trades or rests, and what trades is settled into the accounts."""

    def match(self, order: Resting, now_ns: int) -> None:
        """Trade an order that has arrived. Raises `ExchangeRefusal`; what it does otherwise is in
        `outbox`, `order_log` and the book.
        """
        now, entry = self.tick(now_ns), self.order_log.known(order.digest)
        if entry is None:
            raise LookupError(f"order {order.digest} never arrived")
        with written_down(entry):
            if order.terms.kind == "post_only":
                require(not self.markets[order.order.product_id].book.crosses(order.order), 2008)
                self._check_room(order)
                self.check_margin(order, [], 2010)
                self._rest(order, now)
            else:
                self._match_taker(order, now)
            entry.result = "accepted"

    def forget(self, order: Resting) -> None:
        """Staged: acknowledge an order and never trade it."""
        entry = self.order_log.known(order.digest)
        if entry is not None:
            entry.result = "accepted"

    def _match_taker(self, order: Resting, now: Ns) -> None:
        wanted = self._wanted(order)
        require(self.options.self_match != "refuse" or not self._own(order), 2073)
        plan = self.plan(order, wanted)
        filled = sum(amount for _, amount in plan)
        # the order's own fill rule before the account's margin: what cannot fill asks for none
        missed = 0
        if order.terms.kind == "ioc" and filled == 0:
            missed = 2056
        if order.terms.kind == "fok" and filled < wanted and not (order.split and order.split.breaks_fok):
            missed = 2031
        if missed:
            self._update(order, Base(0), "cancelled", now)
            raise refused(missed)
        if order.terms.kind == "default" and filled < wanted:
            self._check_room(order)
        self.check_margin(order, plan, 2010)
        for maker in self._own(order):
            self.withdraw(maker, now)
        for offer, amount in plan:
            self._trade(order, offer, amount, now)
        if order.remaining:
            (
                self._rest(order, now)
                if order.terms.kind == "default"
                else self._update(order, Base(0), "cancelled", now)
            )

    def _wanted(self, order: Resting) -> int:
        """What the order may trade: everything, or for reduce-only what is held of the other sign."""
        if not order.terms.reduce_only:
            return order.remaining
        account = self.accounts.get(order.order.sender)
        held = account.position(order.order.product_id).amount if account else 0
        require(held != 0 and (held > 0) != order.is_bid, 2064)
        return min(order.remaining, abs(held))

    def plan(self, order: Resting, wanted: int) -> list[tuple[Offer, int]]:
        """Offers and unsigned amounts (x18) that the order would trade with now, best first: at most
        `wanted`, cut as a staged split demands.
        """
        plan = self._reachable(order, wanted)
        return list(plan if order.split is None else order.split.cut(plan))

    def _reachable(self, order: Resting, wanted: int) -> Iterator[tuple[Offer, int]]:
        for offer in (
            self.markets[order.order.product_id].book.side(not order.is_bid).offers(order.order.price)
        ):
            if wanted and not _same_owner(offer, order):
                piece = min(wanted, offer.amount)
                yield offer, piece
                wanted -= piece

    def _check_room(self, order: Resting) -> None:
        mine = sum(
            1
            for other in self.markets[order.order.product_id].open_orders.values()
            if other.order.sender == order.order.sender
        )
        require(mine < MAX_OPEN_ORDERS, 2005)

    def check_margin(self, order: Resting, plan: Sequence[tuple[Offer, int]], code: int) -> None:
        """`code` when new exposure would leave initial health below zero, the rest of an order that may
        rest counted at its own price.
        """
        account, market = self.holder(order), self.markets[order.order.product_id]
        pieces = [(offer.price, amount) for offer, amount in plan]
        if order.terms.kind in {"default", "post_only"}:
            pieces.append((int(order.order.price), order.remaining - sum(amount for _, amount in plan)))
        sign = 1 if order.is_bid else -1
        amount = sign * sum(amount for _, amount in pieces)
        if order.terms.isolated:
            self.check_isolated_margin(order)
            account = imagined(account, order.margin_due)
        if not increases(account.position(order.order.product_id).amount, amount):
            return
        limit = market.product.max_open_interest
        if limit is not None:
            interest = self.open_interest(market.product.product_id) + abs(amount)
            require(interest * market.oracle <= limit * ONE, 2070)
        quote = -sign * sum(price * amount // ONE for price, amount in pieces)
        fee = fee_on(taker_metered(quote, 0, market.product.min_size), market.product.taker_fee)
        after = quote - fee - order.terms.builder_fee(quote)
        require(self.initial_after(account, order.order.product_id, amount, after) >= 0, code)

    # -- what trades -----------------------------------------------------------------------------------------

    def _own(self, order: Resting) -> list[Resting]:
        """Resting orders of the same subaccount that the order would meet."""
        offers = self.markets[order.order.product_id].book.side(not order.is_bid).offers(order.order.price)
        return [offer.maker for offer in offers if offer.maker is not None and _same_owner(offer, order)]

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
        self._settle(
            maker,
            _Piece(amount, offer.price, quote, fee_on(quote, market.product.maker_fee), False, idx),
            now,
        )

    def _settle(self, order: Resting, piece: "_Piece", now: Ns) -> None:
        """Book one piece into the account and publish it: fill, order_update, position_change."""
        wire, account = order.order, self.holder(order)
        if order.terms.isolated:
            self.open_isolated(order, account)
        signed = Base(piece.amount if order.is_bid else -piece.amount)
        builder_fee = order.terms.builder_fee(piece.quote)
        fee = Quote(piece.fee + builder_fee)
        after = self.change(account, wire.product_id, signed, piece.quote - fee)
        self.markets[wire.product_id].fees += piece.fee
        entry = self.order_log.known(order.digest)
        if entry is not None:
            entry.fills.append(LoggedFill(signed, Price(piece.price), fee, piece.is_taker, piece.idx, now))
        name, also = self.shown_as(account)
        self.outbox.append(
            Filled(
                wire.product_id,
                name,
                order.digest,
                Base(piece.amount),
                Base(order.remaining),
                Base(abs(wire.amount)),
                Price(piece.price),
                piece.is_taker,
                order.is_bid,
                fee,
                Quote(piece.quote - fee),
                piece.idx,
                order.order_id,
                wire.appendix,
                now,
                bool(account.parent),
                also,
                builder_fee,
            )
        )
        self._update(order, Base(order.remaining), "filled", now, piece)
        self.publish_position(account, wire.product_id, "match_orders")
        if account.parent and after.amount == 0:
            self.close_isolated(account, wire.product_id)

    # -- orders that rest ------------------------------------------------------------------------------------

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

    def _update(
        self,
        order: Resting,
        amount: Base,
        reason: Literal["placed", "filled", "cancelled"],
        now: Ns,
        piece: _Piece | None = None,
    ) -> None:
        wire, filled, price = (
            order.order,
            Base(piece.amount if piece else 0),
            Price(piece.price if piece else 0),
        )
        self.outbox.append(
            OrderUpdated(
                wire.product_id, wire.sender, order.digest, amount, reason, order.order_id, now, filled, price
            )
        )
