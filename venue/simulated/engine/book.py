"""One product's book: price-time priority over resting orders of accounts and the house's liquidity.

The *house* is all other traders: the market drives it level by level. At one price the house comes before
accounts, because it was there first; what takers take from it stays taken until the market's next move.
Everything is integers x18.

A quote of the house may meet or pass the price of an account's order without filling it (`engine.queue`). The
house's word is then what the market is: the order waits on, and its amount is not shown.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from messages.market import Level
from messages.units import Base, Ns, Price
from venue.protocol import Order
from venue.simulated.engine.events import BookBatch
from venue.simulated.engine.rules import AppendixTerms

TOUCHES = ((1, 1), (1, 0), (0, 1), (1, 2))
"""How many best levels a move puts in place of how many: another one, one more, one less, one for two."""


@dataclass(slots=True, eq=False)
class Resting:
    """An order of an account that is alive: waiting at the speed bump or in the book. `remaining` is
    unsigned.
    """

    order: Order
    digest: str
    terms: AppendixTerms
    remaining: int
    placed_s: int
    order_id: int | None = None
    taken_quote: int = 0
    """Unsigned quote this order has traded as a taker; the minimum fee needs it."""
    margin_due: int = 0
    """Of an isolated order: the margin that moves at its first fill."""
    borrow_margin: bool = True
    """May the margin be borrowed, the balance going below zero while health allows it?"""
    split: "Split | None" = None
    """Staged: into what pieces it trades."""
    ahead: int | None = None
    """Of a resting order: what of the house has to trade first at its price, unsigned; None where its price
    was never among the levels that are shown.
    """

    @property
    def is_bid(self) -> bool:
        """True for a buy order, which rests among the bids."""
        return self.order.amount > 0

    @property
    def unfilled(self) -> Base:
        """What is not filled yet, x18: below zero for a sell order."""
        return Base(self.remaining if self.is_bid else -self.remaining)


class Split(NamedTuple):
    """Trade in these pieces (unsigned), one fill each; afterwards the rest as the book has it, or nothing
    when `only`.
    """

    pieces: tuple[int, ...]
    only: bool
    breaks_fok: bool = False
    """Does it stand although the order is a FOK and is not filled in full?"""

    def cut(self, offers: Iterable[tuple["Offer", int]]) -> Iterator[tuple["Offer", int]]:
        """The same trades, cut at the pieces' ends."""
        pieces = list(self.pieces)
        for offer, amount in offers:
            left = amount
            while left and (pieces or not self.only):
                piece = min(left, pieces[0]) if pieces else left
                yield offer, piece
                left -= piece
                if pieces:
                    pieces[0] -= piece
                    del pieces[: pieces[0] == 0]


@dataclass(frozen=True, slots=True)
class Offer:
    """What stands at one price for one owner. `maker` None = the house."""

    price: int
    amount: int
    maker: Resting | None


@dataclass(slots=True)
class BookSide:
    """One side of a book: unsigned amounts x18 of the house by price, and resting orders in their queues."""

    is_bid: bool
    house: dict[int, int] = field(default_factory=dict)
    orders: dict[int, list[Resting]] = field(default_factory=dict)
    given: tuple[Level, ...] | None = None
    """The levels, best first, that `house` was made of; None once something was taken of it, or where nobody
    said that they are in order.
    """
    traded: dict[int, int] = field(default_factory=dict)
    """What others have traded at the prices of accounts' orders since the house's levels were last set."""

    def amount_at(self, price: int) -> int:
        """The house's and all accounts' amount at `price`, x18; 0 where nothing stands."""
        house = self.house.get(price, 0)
        resting = self.orders.get(price) if self.orders else None
        return house + sum(order.remaining for order in resting) if resting else house

    def best(self) -> int | None:
        """The best price; None when the side is empty."""
        if self.given and not self.orders and self.given[0].amount > 0:
            return int(self.given[0].price)
        prices = [*self.house, *self.orders] if self.orders else self.house
        return max(prices, default=None) if self.is_bid else min(prices, default=None)

    def prices(self) -> list[int]:
        """All prices at which something stands, x18, best first."""
        return sorted({*self.house, *self.orders}, reverse=self.is_bid)

    def order_prices(self) -> list[int]:
        """The prices at which orders of accounts wait, x18, best first."""
        return sorted(self.orders, reverse=self.is_bid)

    def unseen_amount(self, price: int, house: Mapping[int, int]) -> int | None:
        """What `house`, the levels that are shown, says of a price at which it has none: 0 between them, None
        beyond the last one.
        """
        if not house:
            return None
        last = min(house) if self.is_bid else max(house)
        return 0 if self.reaches(price, last) else None

    def reaches(self, price: int, limit: int) -> bool:
        """Would a taker with `limit` accept this side's `price`?"""
        return price >= limit if self.is_bid else price <= limit

    def offers(self, limit: int) -> Iterator[Offer]:
        """Offers a taker with `limit` can reach, in priority order."""
        for price in self.prices():
            if not self.reaches(price, limit):
                return
            if price in self.house:
                yield Offer(price, self.house[price], None)
            for order in tuple(self.orders.get(price, ())):
                yield Offer(price, order.remaining, order)


class Book:
    """Both sides of one product, and what changed since the last batch."""

    def __init__(self, product_id: int) -> None:
        self.product_id = product_id
        self.bids = BookSide(is_bid=True)
        self.asks = BookSide(is_bid=False)
        self._touched: dict[bool, set[int]] = {True: set(), False: set()}
        """By side: the prices at which something has changed since the last batch."""
        self._min_ns = self._max_ns = self._last_max_ns = Ns(0)

    def side(self, is_bid: bool) -> BookSide:
        """The bids for True, the asks for False."""
        return self.bids if is_bid else self.asks

    def crosses(self, order: Order) -> bool:
        """Would `order` trade at once? Also true of a price that only touches the other side's best."""
        opposite = self.side(order.amount < 0)
        best = opposite.best()
        return best is not None and opposite.reaches(best, order.price)

    def set_house(self, is_bid: bool, levels: Iterable[Level], now_ns: int) -> None:
        """Replace the house's liquidity on one side by `levels`; levels of amount 0 are left out. A tuple is
        best first.
        """
        side = self.side(is_bid)
        if levels is side.given:  # most moves are of the other side
            return
        given = levels if isinstance(levels, tuple) else None
        if given is None or not self._set_touch(side, given, now_ns):
            levels_by_price = by_price(levels)
            self._touch_all(is_bid, side.house.items() ^ levels_by_price.items(), now_ns)
            side.house = levels_by_price
        side.given = given
        for price in self.side(not is_bid).orders:  # whether they are shown depends on this side
            self._touch(not is_bid, price, now_ns)

    def _set_touch(self, side: BookSide, levels: tuple[Level, ...], now_ns: int) -> bool:
        """Most moves of a side change its best levels alone: then only they are set. False: it is another
        move, and nothing was done.
        """
        if side.given is None:
            return False
        for new, old in TOUCHES:
            if levels[new:] == side.given[old:]:
                break
        else:
            return False
        before, after = by_price(side.given[:old]), by_price(levels[:new])
        self._touch_all(side.is_bid, before.items() ^ after.items(), now_ns)
        for price in before:
            del side.house[price]
        side.house |= after
        return True

    def take(self, is_bid: bool, offer: Offer, amount: int, now_ns: int) -> None:
        """Remove `amount` of an offer that stands on side `is_bid`."""
        side = self.side(is_bid)
        if offer.maker is None:
            side.given = None
            for order in side.orders.get(offer.price, ()):
                order.ahead = None if order.ahead is None else max(0, order.ahead - amount)
            side.house[offer.price] -= amount
            if side.house[offer.price] == 0:
                del side.house[offer.price]
        else:
            offer.maker.remaining -= amount
            if offer.maker.remaining == 0:
                self._unlink(offer.maker)
        self._touch(is_bid, offer.price, now_ns)

    def rest(self, order: Resting, now_ns: int) -> None:
        """Put an order at the end of its price's queue: behind all that is shown there."""
        side, price = self.side(order.is_bid), int(order.order.price)
        order.ahead = side.house.get(price, side.unseen_amount(price, side.house))
        side.orders.setdefault(price, []).append(order)
        self._touch(order.is_bid, order.order.price, now_ns)

    def remove(self, order: Resting, now_ns: int) -> None:
        """Take a resting order out, unfilled; raises `KeyError` for one that does not rest here."""
        self._unlink(order)
        self._touch(order.is_bid, order.order.price, now_ns)

    def _unlink(self, order: Resting) -> None:
        side = self.side(order.is_bid)
        queue = side.orders[int(order.order.price)]
        queue.remove(order)
        if not queue:
            del side.orders[int(order.order.price)]

    def _touch(self, is_bid: bool, price: int, now_ns: int) -> None:
        if not self.changed:
            self._min_ns = Ns(now_ns)
        self._max_ns = Ns(now_ns)
        self._touched[is_bid].add(int(price))

    def _touch_all(self, is_bid: bool, levels: AbstractSet[tuple[int, int]], now_ns: int) -> None:
        """The prices of `levels`, bare integers, as `_touch` does it; nothing for none."""
        if levels:
            if not self.changed:
                self._min_ns = Ns(now_ns)
            self._max_ns = Ns(now_ns)
            self._touched[is_bid].update([price for price, _ in levels])

    @property
    def changed(self) -> bool:
        """Has a price's amount been touched since the last batch, so that there is something to publish?"""
        return bool(self._touched[True] or self._touched[False])

    def batch(self, now_ns: int) -> BookBatch:
        """What changed since the last batch, with the amounts of this moment; starts a new batch. One
        without changes is of the moment `now_ns`.
        """
        if not self.changed:
            self._min_ns = self._max_ns = Ns(max(now_ns, self._max_ns + 1))
        batch = BookBatch(
            self.product_id,
            self._min_ns,
            self._max_ns,
            self._last_max_ns,
            self._changes(True),
            self._changes(False),
        )
        self._last_max_ns = self._max_ns
        self._touched = {True: set(), False: set()}
        return batch

    def _changes(self, is_bid: bool) -> tuple[tuple[int, int], ...]:
        side = self.side(is_bid)
        prices = sorted(self._touched[is_bid], reverse=is_bid)
        if not side.orders:
            house = side.house
            return tuple([(price, house.get(price, 0)) for price in prices])
        return tuple([(price, self._shown(side, price)) for price in prices])

    def _shown(self, side: BookSide, price: int) -> int:
        """What the public sees at a price: not the orders of accounts that a quote of the house has met."""
        if side.orders and price in side.orders:
            opposite = self.side(not side.is_bid)
            if any(opposite.reaches(theirs, price) for theirs in opposite.house):
                return side.house.get(price, 0)
        return side.amount_at(price)

    def best(self, is_bid: bool) -> int | None:
        """The best price that is shown on one side, x18; None when nothing is."""
        side = self.side(is_bid)
        if not side.orders:
            return side.best()
        return next((price for price in side.prices() if self._shown(side, price)), None)

    def top(self, is_bid: bool) -> Level | None:
        """The best level of one side; None when nothing is shown there."""
        best = self.best(is_bid)
        return None if best is None else Level(Price(best), Base(self._shown(self.side(is_bid), best)))

    def levels(self, is_bid: bool, depth: int) -> tuple[Level, ...]:
        """The best `depth` levels of one side, best first; fewer when there are no more."""
        side = self.side(is_bid)
        shown = ((price, self._shown(side, price)) for price in side.prices())
        there = (Level(Price(price), Base(amount)) for price, amount in shown if amount)
        return tuple(islice(there, depth))


def by_price(levels: Iterable[Level]) -> dict[int, int]:
    """Unsigned amounts x18 by price; levels of amount 0 are left out."""
    return {int(level.price): int(level.amount) for level in levels if level.amount > 0}
