"""Both books of now, asked once: what `doctor` and `plan` size at, where a run has streams."""

from contextlib import suppress

from actors.market_data.actor import MarketState
from messages.market import PairQuote
from messages.units import Ms
from venue.protocol import Reads, VenueError, VenueRules


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
