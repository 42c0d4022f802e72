"""Both books at one moment: asked of an exchange once, where a run has streams, or the first ones of a market
that is simulated or recorded, with the rules that the simulated exchange has for them.
"""

from collections.abc import Iterable
from contextlib import suppress

import msgspec

from actors.market_data.actor import MarketState
from messages.market import LegQuote, PairQuote
from messages.units import Ms
from venue.protocol import Reads, VenueError, VenueRules
from venue.simulated.direct.reads import product_rules
from venue.simulated.engine.rules import CHAIN_ID, ENDPOINT, ETH_PERP, SOL_PERP, Product
from venue.simulated.markets import BookChange, ProductName

UNDATED = Ms(1)
"""The moment of books that nobody asked for: outside of every weekly window."""


async def books_now(reads: Reads, rules: VenueRules, now_ms: Ms) -> PairQuote | None:
    """Both books as a run would see them at venue time `now_ms`; None while a side of one is empty. Raises
    `VenueError`.
    """
    market = MarketState.of(rules)
    for product, book in market.books.items():
        book.load(await reads.book(product))
    with suppress(VenueError):  # without a rate it is unknown, and said to be
        market.take_rates(await reads.funding_rates())
    return market.quote(now_ms)


def first_books(moves: Iterable[BookChange]) -> PairQuote:
    """The books that a market begins with: the first change of each product is at the start of every one."""
    books: dict[ProductName, BookChange] = {}
    for move in moves:
        books.setdefault(move.product, move)
        if len(books) == 2:
            break
    eth, sol = _quoted(ETH_PERP, books["eth"]), _quoted(SOL_PERP, books["sol"])
    return PairQuote(1, UNDATED, eth, sol, venue_active=True)


def _quoted(product: Product, book: BookChange) -> LegQuote:
    """The book as market_data would have it; its oracle stands at the mid where the market names none."""
    leg = LegQuote(product.product_id, book.bids, book.asks, UNDATED, book.oracle, product.status)
    return leg if leg.oracle is not None else msgspec.structs.replace(leg, oracle=leg.mid)


def documented_rules(quote: PairQuote) -> VenueRules:
    """The rules that Nado documents, at these prices, with the fees of a new account."""
    eth, sol = product_rules(ETH_PERP, quote.eth.mid), product_rules(SOL_PERP, quote.sol.mid)
    return VenueRules("", CHAIN_ID, ENDPOINT, eth, sol)
