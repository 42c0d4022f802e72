"""What the engine knows: markets, accounts, orders, its clock, and whose money an order moves. The lowest
part of the exchange engine.

The engine's clock never stands still between two steps: each gets a later nanosecond than the one before, so
that a snapshot is always strictly between two changes and can be compared with book batches.

An isolated order trades in a subaccount of its own, which begins with the order's margin at the first fill
and ends when its position is closed: what is left goes back to the parent, balance to balance and v_quote to
v_quote (contracts: OffchainExchange).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from messages.units import Base, Ns, Price, Quote
from venue.simulated.engine.accounts import Account, Health, PerpPosition, Weighting, health_of, imagined
from venue.simulated.engine.book import Book, Resting
from venue.simulated.engine.codes import refused
from venue.simulated.engine.events import (
    BalanceMove,
    BalanceMoved,
    Event,
    Liquidated,
    PositionChanged,
    Reason,
)
from venue.simulated.engine.funding import Funding, Premium
from venue.simulated.engine.order_log import OrderLog
from venue.simulated.engine.rules import (
    CHAIN_ID,
    DEFAULT_PRODUCTS,
    ENDPOINT,
    ISOLATED_MAX,
    QUOTE_PRODUCT,
    Product,
    VenueOptions,
    isolated_name,
)

AVAILABLE_SETTLE = Quote.of(500_000)
"""What a product can pay out when results are settled; the documents' sample has 529,219."""


@dataclass(slots=True)
class Market:
    """One product's rules, book and oracle price (0 until the market's first move: until then nothing
    trades).
    """

    product: Product
    book: Book
    oracle: Price
    open_orders: dict[str, Resting] = field(default_factory=dict)
    funding: Funding = field(default_factory=lambda: Funding(Premium()))
    available_settle: int = int(AVAILABLE_SETTLE)
    fees: int = 0
    """Collected from accounts since the beginning."""

    def premium(self) -> int | None:
        """Mark - index; None while the book is one-sided or there is no oracle price."""
        bid, ask = self.book.best(True), self.book.best(False)
        return (bid + ask) // 2 - self.oracle if bid and ask and self.oracle else None


class Engine:
    """The state, and the steps that need nothing but it."""

    def __init__(
        self,
        products: Sequence[Product] = DEFAULT_PRODUCTS,
        chain_id: int = CHAIN_ID,
        endpoint: str = ENDPOINT,
        options: VenueOptions | None = None,
    ) -> None:
        self.chain_id = chain_id
        self.endpoint = endpoint
        self.options = options or VenueOptions()
        self.markets = {
            product.product_id: Market(product, Book(product.product_id), Price(0)) for product in products
        }
        self.accounts: dict[str, Account] = {}
        self.tx_nonces: dict[str, int] = {}
        """By address: how many requests other than orders and cancellations it has made."""
        self.insurance = 0
        self.order_log = OrderLog()
        self.takeovers: list[Liquidated] = []
        """Positions that were taken over: with the order log, all that ever changed one."""
        self.outbox: list[Event] = []
        """Events since whoever drives the engine took them last."""
        self.submission_idx = 0
        self.now_ns = Ns(0)

    def tick(self, now_ns: int) -> Ns:
        """The engine's time for the next step: `now_ns`, but always later than the step before."""
        self.now_ns = Ns(max(now_ns, self.now_ns + 1))
        return self.now_ns

    def next_idx(self) -> int:
        """The submission index of the next match or money move: both sides of a match carry the same."""
        self.submission_idx += 1
        return self.submission_idx

    @property
    def products(self) -> tuple[Product, ...]:
        """Every listed perp with its rules of this moment, in the order of the venue's markets."""
        return tuple(market.product for market in self.markets.values())

    @property
    def oracles(self) -> dict[int, int]:
        """By product id: the oracle price, x18; 0 before the market's first price."""
        return {product_id: int(market.oracle) for product_id, market in self.markets.items()}

    def open_interest(self, product_id: int) -> int:
        """Sum of |position| over all accounts. The house, which is the other side of most of it, is not
        one of them.
        """
        return sum(abs(account.position(product_id).amount) for account in self.accounts.values())

    # -- positions and health --------------------------------------------------------------------------------

    def position(self, account: Account, product_id: int) -> PerpPosition:
        """The position with funding paid up to now."""
        return account.position(product_id).funded(self.markets[product_id].funding.cumulative)

    def funded(self, account: Account) -> Account:
        """The account as it would stand if every position were touched now."""
        return imagined(
            account,
            positions={product_id: self.position(account, product_id) for product_id in account.positions},
        )

    def health(self, account: Account, weighting: Weighting) -> Health:
        """One health figure of an account, funding included."""
        return health_of(self.funded(account), self.products, self.oracles, weighting)

    def initial_after(self, account: Account, product_id: int, amount: int, quote: int) -> Quote:
        """Initial health of `account` after trading `amount` for `quote` (both signed, quote after the
        fee).
        """
        after = self.position(account, product_id).changed(amount, quote)
        return self.health(imagined(account, positions={product_id: after}), "initial").health

    def change(self, account: Account, product_id: int, amount: int, quote: int) -> PerpPosition:
        """Book a change into a position, funding first; the position after it."""
        account.positions[product_id] = after = self.position(account, product_id).changed(amount, quote)
        return after

    # -- publishing ------------------------------------------------------------------------------------------

    def shown_as(self, account: Account) -> tuple[str, str]:
        """The name that events of `account` carry, and the other name under which they can be subscribed
        to ("" = none).
        """
        if not account.parent:
            return account.subaccount, ""
        names = (account.parent, account.subaccount)
        return names if self.options.isolated_shows_parent else names[::-1]

    def publish_position(self, account: Account, product_id: int, reason: Reason) -> PerpPosition:
        """Publish a position as it is now (of product 0 the USDT0 balance); the position."""
        held = (
            PerpPosition(Base(account.usdt0)) if product_id == QUOTE_PRODUCT else account.position(product_id)
        )
        name, also = self.shown_as(account)
        self.outbox.append(
            PositionChanged(
                product_id, name, held.amount, held.v_quote, reason, self.now_ns, bool(account.parent), also
            )
        )
        return held

    def publish_moved(
        self,
        account: Account,
        product_id: int,
        event: BalanceMove,
        *,
        amount: int = 0,
        quote: int = 0,
        idx: int,
    ) -> None:
        """Publish a position that has moved by `amount` and `quote` (x18, signed), and let the archive
        remember why; `idx` is the submission index of the move.
        """
        reason: Reason
        match (
            event
        ):  # the stream has no reasons for isolated margin: its parts look like a match and a transfer
            case "create_isolated_subaccount" | "close_isolated_subaccount":
                reason = "transfer_quote" if product_id == QUOTE_PRODUCT else "match_orders"
            case _:
                reason = event
        held = self.publish_position(account, product_id, reason)
        self.outbox.append(
            BalanceMoved(
                product_id,
                account.subaccount,
                event,
                amount,
                quote,
                int(held.amount),
                int(held.v_quote),
                held.funding,
                idx,
                self.now_ns,
                bool(account.parent),
            )
        )

    # -- isolated margin -------------------------------------------------------------------------------------

    def isolated_of(self, parent: str, product_id: int) -> Account | None:
        """The isolated subaccount in which `parent` holds `product_id`."""
        return next(
            (one for one in self.accounts.values() if one.parent == parent and product_id in one.positions),
            None,
        )

    def holder(self, order: Resting) -> Account:
        """The account whose position the order changes. Of an isolated order that never filled it is one
        that does not exist yet. Raises `ExchangeRefusal` 2087 when the address has as many as it may.
        """
        if not order.terms.isolated:
            return self.accounts[order.order.sender]
        sender, product_id = order.order.sender, order.order.product_id
        existing = self.isolated_of(sender, product_id)
        if existing is not None:
            return existing
        taken = {
            int(name[58:60], 16)
            for name, account in self.accounts.items()
            if account.parent and name[:42] == sender[:42]
        }
        free = next((number for number in range(ISOLATED_MAX) if number not in taken), None)
        if free is None:
            raise refused(2087)
        return Account(isolated_name(sender[:42], product_id, free), parent=sender)

    def open_isolated(self, order: Resting, account: Account) -> None:
        """Before the first fill of an isolated order: its subaccount comes to life and its margin moves
        there.
        """
        self.accounts[account.subaccount] = account
        if order.margin_due:
            self.move_quote(
                self.accounts[account.parent], account, order.margin_due, "create_isolated_subaccount"
            )
            order.margin_due = 0

    def close_isolated(self, account: Account, product_id: int) -> None:
        """After the last fill: what is left goes back to the parent."""
        parent, left = self.accounts[account.parent], account.position(product_id).v_quote
        self.change(parent, product_id, 0, left)
        self.publish_moved(parent, product_id, "close_isolated_subaccount", quote=left, idx=self.next_idx())
        self.move_quote(account, parent, account.usdt0, "close_isolated_subaccount")
        del self.accounts[account.subaccount]

    def move_quote(
        self, giver: Account, taker: Account, amount: int, event: BalanceMove = "transfer_quote"
    ) -> None:
        """Move USDT0 (x18) from one account to another; `amount` may be negative."""
        giver.usdt0 -= amount
        taker.usdt0 += amount
        idx = self.next_idx()
        for account, change in ((giver, -amount), (taker, amount)):
            self.publish_moved(account, QUOTE_PRODUCT, event, amount=change, idx=idx)

    def check_isolated_margin(self, order: Resting) -> None:
        """Raises `ExchangeRefusal` 2006 when the parent cannot spare the margin of an isolated order."""
        parent = self.accounts[order.order.sender]
        short = not order.borrow_margin and parent.usdt0 < order.margin_due
        if order.margin_due and (
            short or self.health(imagined(parent, -order.margin_due), "initial").health < 0
        ):
            raise refused(2006)

    def find(self, product_id: int, digest: str) -> Resting:
        """A resting order. Raises `ExchangeRefusal` 2020 when it does not rest, however it ended."""
        market = self.markets.get(product_id)
        if market is None or digest not in market.open_orders:
            raise refused(2020, digest=digest)
        return market.open_orders[digest]

    def account_named(self, subaccount: str) -> Account:
        """An account that exists. Raises `ExchangeRefusal` 2024 when it never had a deposit."""
        account = self.accounts.get(subaccount)
        if account is None:
            raise refused(2024)
        return account
