"""The exchange engine: orders in, fills and events out. Pure: time is an argument, nothing is random, nothing waits.

An order passes two gates. `arrive` judges what can be judged when it comes in (form, signer, receive window, duplicate digest), then `match` trades
it; whoever drives the engine lets `TAKER_DELAY_S` pass in between for orders that may take.

Decided here because Nado's documents do not say: an order that would trade with another of the same subaccount cancels that one and trades on; one
unknown digest refuses a whole cancellation; margin is asked for the order itself, not for others that rest; funding is not charged.
"""

from collections.abc import Iterable, Sequence

from messages.market import Level
from messages.units import Base, Ns, Price, Quote
from venue.protocol import Order
from venue.simulated.accounts import Account, increases
from venue.simulated.book import Resting
from venue.simulated.events import PositionChanged, Traded
from venue.simulated.matching import Matching, written_down
from venue.simulated.rules import (
    QUOTE_PRODUCT,
    Refused,
    Terms,
    check_form,
    check_oracle,
    check_size,
    check_status,
    check_window,
    order_not_found,
    refused,
    terms_of,
)


class Exchange(Matching):
    """All products, accounts and orders of one venue, as the outside world reaches them."""

    # -- the outside world ---------------------------------------------------------------------------------------------------------------

    def deposit(self, subaccount: str, amount: Quote, now_ns: int) -> None:
        """Credit USDT0; the first deposit makes the subaccount exist."""
        account = self.accounts.setdefault(subaccount, Account(subaccount))
        account.usdt0 += amount
        balance = Base(account.usdt0)
        self.outbox.append(PositionChanged(QUOTE_PRODUCT, subaccount, balance, Quote(0), "deposit_collateral", self.tick(now_ns)))

    def move(self, product_id: int, bids: Sequence[Level], asks: Sequence[Level], now_ns: int) -> None:
        """The market's next ladder replaces the house's liquidity; where it crosses resting orders of accounts they are filled first."""
        book, now = self.markets[product_id].book, self.tick(now_ns)
        rest_of_bids = self._cross(product_id, bids, now, is_bid=True)
        rest_of_asks = self._cross(product_id, asks, now, is_bid=False)
        book.set_house(True, rest_of_bids, now)
        book.set_house(False, rest_of_asks, now)

    def set_oracle(self, product_id: int, price: Price) -> None:
        """The oracle price, which health and the price band are judged by."""
        self.markets[product_id].oracle = price

    def market_trade(self, product_id: int, price: Price, amount: Base, now_ns: int, *, is_taker_buyer: bool) -> None:
        """Somebody else's trade: published, and resting orders of accounts at strictly better prices are traded through."""
        market, now = self.markets[product_id], self.tick(now_ns)
        limit = price - market.product.tick if is_taker_buyer else price + market.product.tick
        left = self._house_takes(product_id, limit, abs(amount), now, is_bid=is_taker_buyer)
        if left:
            self.outbox.append(Traded(product_id, price, Base(left), is_taker_buyer, now))

    def _cross(self, product_id: int, levels: Sequence[Level], now: Ns, *, is_bid: bool) -> Iterable[Level]:
        if not self.markets[product_id].book.side(not is_bid).orders:
            return levels
        return [Level(level.price, Base(self._house_takes(product_id, level.price, level.amount, now, is_bid=is_bid))) for level in levels]

    def _house_takes(self, product_id: int, limit: int, amount: int, now: Ns, *, is_bid: bool) -> int:
        book = self.markets[product_id].book
        for offer in book.side(not is_bid).offers(limit):
            if offer.maker is not None and amount:
                piece = min(amount, offer.amount)
                self.fill_maker(offer, piece, self.next_idx(), now)
                self.outbox.append(Traded(product_id, Price(offer.price), Base(piece), is_bid, now))
                amount -= piece
        return amount

    # -- orders ----------------------------------------------------------------------------------------------------------------------------

    def would_increase(self, order: Order) -> bool:
        """Could `order` make the sender's position larger, as things stand?"""
        account = self.accounts.get(order.sender)
        held = account.position(order.product_id).amount if account else 0
        return not terms_of(order.appendix).reduce_only and increases(held, order.amount)

    def arrive(self, order: Order, digest: str, signer: str, now_ns: int, *, order_id: int | None = None, staged: Refused | None = None) -> Resting:
        """Judge an order at the moment it comes in. Raises `Refused`; `staged` is a refusal that a fault asks for once all checks have passed."""
        now, terms = self.tick(now_ns), terms_of(order.appendix)
        entry = self.order_log.attempt(order, digest, signer, terms, increasing=self.would_increase(order), now_ns=now)
        with written_down(entry):
            self._check_arrival(order, terms, digest, signer, now)
            self.order_log.take_in(entry)
            if staged is not None:
                raise staged
        return Resting(order, digest, terms, abs(order.amount), now // 10**9, order_id)

    def _check_arrival(self, order: Order, terms: Terms, digest: str, signer: str, now: Ns) -> None:
        market = self.markets.get(order.product_id)
        if market is None:
            raise refused(2016)
        self.check_sender(order.sender, signer)
        check_window(order, now // 1_000_000)
        if self.order_log.known(digest) is not None:
            raise refused(2013)
        check_form(order, terms, market.product)
        check_status(terms, market.product)
        check_size(order, terms, market.product, self.knobs)
        check_oracle(order, market.oracle)
        if terms.reduce_only and terms.kind not in {"ioc", "fok"}:
            raise refused(2067)

    def check_sender(self, sender: str, signer: str) -> Account:
        """The sender's account; 2028 unless its owner or linked signer signed, 2024 when it never had a deposit."""
        self.check_signer(sender, signer)
        if sender not in self.accounts:
            raise refused(2024)
        return self.accounts[sender]

    def check_signer(self, sender: str, signer: str) -> None:
        """2028 unless the sender's owner or linked signer signed. Addresses in lower case."""
        account = self.accounts.get(sender)
        if signer not in {sender[:42], account.linked_signer if account else sender[:42]}:
            raise refused(2028)

    def open_orders(self, sender: str, product_id: int) -> list[Resting]:
        """The sender's resting orders in one product, oldest first. Raises `Refused` 2016 for an unknown product."""
        if product_id not in self.markets:
            raise refused(2016)
        return [order for order in self.markets[product_id].open_orders.values() if order.order.sender == sender]

    def find(self, product_id: int, digest: str) -> Resting:
        """A resting order. Raises `Refused` 2020 when it does not rest, however it ended."""
        market = self.markets.get(product_id)
        if market is None or digest not in market.open_orders:
            raise order_not_found(digest)
        return market.open_orders[digest]

    def cancel(self, orders: Sequence[Resting], now_ns: int) -> None:
        """Withdraw resting orders."""
        for order in orders:
            self.withdraw(order, self.tick(now_ns))

    def expire(self, now_ns: int) -> None:
        """Withdraw every resting order whose expiration has passed."""
        for market in self.markets.values():
            late = [order for order in market.open_orders.values() if order.order.expiration_s * 10**9 <= now_ns]
            self.cancel(late, now_ns)
