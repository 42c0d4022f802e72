"""The exchange engine: orders in, fills and events out. Pure: time is an argument, nothing is random, nothing
waits.

An order passes two gates. `arrive` judges what can be judged when it comes in (form, signer, receive window,
duplicate digest, health), then `match` trades it; whoever drives the engine lets `TAKER_DELAY_S` pass in
between for orders that may take.

    engine      markets, accounts, the clock, isolated margin
    matching    the second gate: fills, fees, order updates
    exchange    the first gate, and the world outside: the market's levels, oracle prices, others' trades
    treasury    deposits, transfers, withdrawals, linked signers, funding and settlement
    liquidation accounts under maintenance

What Nado's documents leave open is an option (`rules.VenueOptions`) or decided here: margin is asked for the
order itself, not for others that rest.
"""

from collections.abc import Iterable, Sequence

import msgspec

from messages.market import Level
from messages.units import Base, Ns, Price
from venue.protocol import Order
from venue.simulated.engine.accounts import Account, increases
from venue.simulated.engine.book import Offer, Resting, Split, by_price
from venue.simulated.engine.codes import ExchangeRefusal, refused, require
from venue.simulated.engine.events import Traded
from venue.simulated.engine.matching import Matching, written_down
from venue.simulated.engine.queue import move_up, reached_by_print
from venue.simulated.engine.rules import (
    MakerFill,
    check_form,
    check_isolation,
    check_oracle,
    check_size,
    check_status,
    check_window,
    terms_of,
)


class Extras(msgspec.Struct, frozen=True):
    """What comes with an order beside its signed part, and what a fault wants of it."""

    order_id: int | None = None
    borrow_margin: bool = True
    spot_leverage: bool | None = None
    staged: ExchangeRefusal | None = None
    """A refusal once all checks have passed."""
    split: Split | None = None


class Exchange(Matching):
    """All products, accounts and orders of one venue, as the outside world reaches them."""

    # -- the outside world -----------------------------------------------------------------------------------

    def move(self, product_id: int, bids: Sequence[Level], asks: Sequence[Level], now_ns: int) -> None:
        """The market's next levels replace the house's liquidity; those that stand strictly beyond the price
        of an account's order fill it first.
        """
        book, now = self.markets[product_id].book, self.tick(now_ns)
        for is_bid, levels in ((True, bids), (False, asks)):
            if book.side(is_bid).orders:
                move_up(book.side(is_bid), by_price(levels), self.options.cancels_ahead)
        rest_of_bids = self._cross(product_id, bids, now, is_bid=True)
        rest_of_asks = self._cross(product_id, asks, now, is_bid=False)
        book.set_house(True, rest_of_bids, now)
        book.set_house(False, rest_of_asks, now)
        self.note_premium(product_id)

    def set_oracle(self, product_id: int, price: Price, now_ns: int = 0) -> None:
        """The oracle price, which health, funding and the price band are judged by."""
        self.tick(now_ns)
        self.markets[product_id].oracle = price
        self.note_premium(product_id)

    def note_premium(self, product_id: int) -> None:
        """Take the premium of this moment into the funding average; after every change of mark or index."""
        market = self.markets[product_id]
        market.funding.premium.note(market.premium(), self.now_ns)

    def market_trade(
        self, product_id: int, price: Price, amount: Base, now_ns: int, *, is_taker_buyer: bool
    ) -> None:
        """Somebody else's trade: published, but for what of it resting orders of accounts get, which is
        published as theirs.
        """
        market, now, left = self.markets[product_id], self.tick(now_ns), abs(amount)
        side = market.book.side(not is_taker_buyer)
        if side.orders:
            for order, piece, rule in reached_by_print(side, price, left):
                left -= self._fill_resting(order, piece, rule, now)
        if left:
            self.outbox.append(Traded(product_id, price, Base(left), is_taker_buyer, now))

    def _cross(self, product_id: int, levels: Sequence[Level], now: Ns, *, is_bid: bool) -> Iterable[Level]:
        """The house's new levels of one side, less what the other side's orders of accounts have got."""
        side = self.markets[product_id].book.side(not is_bid)
        if not side.orders:
            return levels
        waiting = [order for price in side.order_prices() for order in side.orders[price]]
        rest = []
        for level in levels:
            left = int(level.amount)
            for order in waiting:
                if side.reaches(order.order.price, level.price) and order.order.price != level.price:
                    left -= self._fill_resting(order, min(left, order.remaining), "quote_through", now)
            rest.append(Level(level.price, Base(left)))
        return rest

    def _fill_resting(self, order: Resting, piece: int, rule: MakerFill, now: Ns) -> int:
        """Fill a resting order where the options let this rule do so; the amount that was filled."""
        if not piece or rule not in self.options.maker_fills:
            return 0
        wire = order.order
        self.fill_maker(Offer(int(wire.price), order.remaining, order), piece, self.next_idx(), now)
        self.outbox.append(Traded(wire.product_id, wire.price, Base(piece), not order.is_bid, now))
        return piece

    # -- orders ----------------------------------------------------------------------------------------------

    def would_increase(self, order: Order) -> bool:
        """Could `order` make the sender's position larger, as things stand?"""
        account = self.accounts.get(order.sender)
        held = account.position(order.product_id).amount if account else 0
        return not terms_of(order.appendix).reduce_only and increases(held, order.amount)

    def arrive(
        self,
        order: Order,
        digest: str,
        signer: str,
        now_ns: int,
        extras: Extras = Extras(),  # noqa: B008 - frozen
    ) -> Resting:
        """Judge an order at the moment it comes in; every attempt is in the order log. Raises
        `ExchangeRefusal` with the code of the first check that fails, or with the staged one once all have
        passed.
        """
        now, terms = self.tick(now_ns), terms_of(order.appendix)
        entry = self.order_log.attempt(
            order, digest, signer, terms, increasing=self.would_increase(order), now_ns=now
        )
        waiting = Resting(
            order,
            digest,
            terms,
            abs(order.amount),
            now // 10**9,
            extras.order_id,
            0,
            terms.margin,
            extras.borrow_margin,
            extras.split,
        )
        with written_down(entry):
            # The order of the checks decides which code an order with several faults is refused with.
            market = self.markets.get(order.product_id)
            if market is None:
                raise refused(2016)
            self.check_sender(order.sender, signer)
            # by the venue's clock, which a staged skew makes wrong; the engine's own time only grows
            check_window(order, now_ns // 1_000_000)
            require(self.order_log.known(digest) is None, 2013)
            check_form(order, terms, market.product, self.options.builders)
            check_isolation(order, terms, market.product)
            check_status(terms, market.product)
            check_size(order, terms, market.product, self.options)
            check_oracle(order, market.oracle)
            require(not terms.reduce_only or terms.kind in {"ioc", "fok"}, 2067)
            require(extras.spot_leverage is None or self.options.spot_leverage_on_perps, 2019)
            if not terms.reduce_only:  # as the book stands now; asked again when it matches (2010)
                plan = [] if terms.kind == "post_only" else self.plan(waiting, waiting.remaining)
                self.check_margin(waiting, plan, 2006)
            self.order_log.take_in(entry)
            if extras.staged is not None:
                raise extras.staged
        return waiting

    def waits_at_bump(self, order: Resting) -> bool:
        """Does `TAKER_DELAY_S` pass before the order is matched? By the options for every order that may
        take, or for those that would now.
        """
        if order.terms.kind == "post_only":
            return False
        book = self.markets[order.order.product_id].book
        return self.options.bump == "takers" or book.crosses(order.order)

    def check_sender(self, sender: str, signer: str) -> Account:
        """The sender's account; 2028 unless its owner or linked signer signed, 2024 when it never had a
        deposit.
        """
        self.check_signer(sender, signer)
        return self.account_named(sender)

    def check_signer(self, sender: str, signer: str) -> None:
        """2028 unless the sender's owner or linked signer signed. An isolated subaccount has its parent's
        signer. Addresses in lower case.
        """
        account = self.accounts.get(sender)
        linked = self.accounts[account.parent] if account and account.parent else account
        require(signer in {sender[:42], linked.linked_signer if linked else sender[:42]}, 2028)

    def open_orders(self, sender: str, product_id: int) -> list[Resting]:
        """The sender's resting orders in one product, oldest first. Raises `ExchangeRefusal` 2016 for an
        unknown product.
        """
        require(product_id in self.markets, 2016)
        return [
            order for order in self.markets[product_id].open_orders.values() if order.order.sender == sender
        ]

    def cancel(self, orders: Sequence[Resting], now_ns: int) -> None:
        """Withdraw resting orders, each at an instant of its own, with an `order_update` each."""
        for order in orders:
            self.withdraw(order, self.tick(now_ns))

    def expire(self, now_ns: int) -> None:
        """Withdraw every resting order whose expiration has passed."""
        for market in self.markets.values():
            late = [
                order for order in market.open_orders.values() if order.order.expiration_s * 10**9 <= now_ns
            ]
            self.cancel(late, now_ns)
