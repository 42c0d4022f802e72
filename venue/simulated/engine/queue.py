"""Where an order of an account waits in its price's queue, and what of other traders' trades reaches it.

A recording was made without our orders, so nobody knows what they would have got. The model is the cautious
one: an order stands behind everything shown at its price when it came, and a quote that merely meets its
price fills nothing. A model that fills on such a touch fills as many orders whether or not anybody trades;
the tests of this module say what this one does instead.
"""

from collections.abc import Iterator, Mapping

from venue.simulated.engine.book import BookSide, Resting
from venue.simulated.engine.rules import CancelsAhead, MakerFill


def reached_by_print(side: BookSide, price: int, amount: int) -> Iterator[tuple[Resting, int, MakerFill]]:
    """Orders of accounts on `side` that a trade of `amount` (unsigned, x18) at `price` reaches, with how much
    of it and by which rule, in priority order. The queues move up as it goes on; whoever drives it may leave
    a piece out by not filling it.
    """
    left = amount
    for at in side.order_prices():
        if not side.reaches(at, price):
            return
        if at == price:
            side.traded[at] = side.traded.get(at, 0) + amount
            for order, piece in _at_its_price(tuple(side.orders[at]), left):
                yield order, piece, "queue"
            return
        for order in tuple(side.orders[at]):
            order.ahead = 0  # price comes before time: whatever was ahead has traded
            piece = min(left, order.remaining)
            left -= piece
            if piece:
                yield order, piece, "print_through"


def _at_its_price(orders: tuple[Resting, ...], amount: int) -> Iterator[tuple[Resting, int]]:
    """What of a trade at the orders' own price passes the house ahead of each, and each before it."""
    left, passed, found = amount, 0, list[tuple[Resting, int]]()
    for order in orders:
        if order.ahead is None:  # nobody has seen the queue: what of the trade was ahead is not known
            break
        house = min(left, max(0, order.ahead - passed))
        passed, left = passed + house, left - house
        piece = min(left, order.remaining)
        left -= piece
        if piece:
            found.append((order, piece))
    for order in orders:
        if order.ahead is not None:
            order.ahead = max(0, order.ahead - passed)
    yield from found


def move_up(side: BookSide, after: Mapping[int, int], cancels: CancelsAhead) -> None:
    """The house's levels of `side` become `after` (unsigned x18 by price): what was cancelled ahead of the
    orders there, as `cancels` reads it. Trades since the last levels are not cancellations.
    """
    for price, orders in side.orders.items():
        shown = after.get(price) if price in after else side.unseen_amount(price, after)
        if shown is None:
            continue  # beyond the levels that are shown: nothing new is known of its queue
        standing = side.house.get(price, 0) - side.traded.get(price, 0)
        for order in orders:
            order.ahead = _ahead(order.ahead, standing, shown, cancels)
    side.traded.clear()


def _ahead(ahead: int | None, standing: int, shown: int, cancels: CancelsAhead) -> int:
    if ahead is None:
        return shown
    match cancels:
        case "none":
            return ahead
        case "bounded":
            return min(ahead, shown)
        case "proportional":
            cancelled = max(0, standing - shown)
            moved_up = ahead * cancelled // standing if cancelled else 0
            return min(ahead - moved_up, shown)
