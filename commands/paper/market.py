"""The exchange's market as it moves the engine in this process: every book, trade, rule and status that we
hear of. No I/O.

    book batch, snapshot --> LocalBook --> the house's levels in the engine's book
    public trade         ----------------> trades through orders that rest there
    rules, oracle price, status ---------> the engine's own
    funding rates        ----------------> what the engine charges at full hours

market_data keeps its book of the same messages: what is decided by is what is traded on.
"""

from collections.abc import Iterable
from typing import cast, get_args

import msgspec

from actors.market_data.local_book import LocalBook
from messages.market import BookDelta, BookSnapshot, FundingRate, PublicTrade, TradingStatus
from venue.protocol import ProductRules, ProductTerms, VenueRules
from venue.simulated.engine.exchange import Exchange
from venue.simulated.engine.rules import Product
from venue.simulated.markets import BookChange, ProductName, Trade
from venue.simulated.venue import SimulatedVenue

_STATUSES = frozenset(get_args(TradingStatus))


def engine_for(rules: VenueRules) -> Exchange:
    """An engine with the exchange's two products by these rules. It signs like the test network,
    whatever exchange it takes the market from: what is signed on paper is worth nothing elsewhere.

    Raises `Incomplete` where the exchange leaves something out.
    """
    return Exchange([_product(terms) for terms in (rules.eth.terms(), rules.sol.terms())])


def _product(terms: ProductTerms) -> Product:
    """A short's weights mirror a long's there, as they do at Nado."""
    return Product(
        terms.symbol,
        terms.product_id,
        terms.price_tick,
        terms.size_step,
        terms.min_notional,
        taker_fee=terms.taker_fee,
        maker_fee=terms.maker_fee,
        long_weight_initial=terms.long_weight_initial,
        long_weight_maintenance=terms.long_weight_maintenance,
        status=_status(terms.status),
    )


def _status(word: str) -> TradingStatus:
    """A word that nobody documents lets nothing trade."""
    return cast(TradingStatus, word) if word in _STATUSES else "not_tradable"


class PaperMarket:
    """Moves the engine of `venue` as the exchange's market is heard."""

    def __init__(self, venue: SimulatedVenue, rules: VenueRules) -> None:
        self._venue = venue
        self._names: dict[int, ProductName] = {rules.eth.product_id: "eth", rules.sol.product_id: "sol"}
        self._books = {product_id: LocalBook(product_id) for product_id in self._names}
        self._there = True
        self.take_rules(rules)

    # -- books and trades ------------------------------------------------------------------------------------

    def knows(self, product_id: int) -> bool:
        """Is its book known, so that an order could trade on it?"""
        return product_id in self._books and self._books[product_id].usable

    def load(self, snapshot: BookSnapshot) -> None:
        """A book starts over from a snapshot of the exchange's."""
        self._books[snapshot.product_id].load(snapshot)
        self._move(snapshot.product_id)

    def take(self, events: Iterable[object]) -> None:
        """Events of the public stream that have arrived together; what is neither a batch nor a trade changes
        nothing. The engine's books move once, when all are taken.
        """
        moved: dict[int, None] = {}
        for event in events:
            if isinstance(event, BookDelta) and event.product_id in self._books:
                if self._books[event.product_id].apply(event) == "applied":
                    moved[event.product_id] = None
            elif isinstance(event, PublicTrade) and event.product_id in self._names:
                trade = Trade(event.price, event.amount, event.taker_buys)
                self._venue.move(BookChange(0, self._names[event.product_id], (), (), None, (trade,)))
        for product_id in moved:
            self._move(product_id)

    def lost(self) -> None:
        """The stream is over: no book is known until the next snapshot of it."""
        for book in self._books.values():
            book.lost()

    def _move(self, product_id: int) -> None:
        """The engine's house has the exchange's levels. What an order of ours has taken from it is back: the
        exchange never knew of it.
        """
        if self.knows(product_id):
            bids, asks = self._books[product_id].levels()
            self._venue.move(BookChange(0, self._names[product_id], bids, asks, None, ()))

    # -- rules -----------------------------------------------------------------------------------------------

    def take_rules(self, rules: VenueRules) -> None:
        """The engine's products go by these from now on; what the exchange does not say stays as it was."""
        for each in (rules.eth, rules.sol):
            if each.product_id in self._names:
                self._take_product(each)

    def _take_product(self, rules: ProductRules) -> None:
        market = self._venue.exchange.markets[rules.product_id]
        said = {
            "tick": rules.price_tick,
            "step": rules.size_step,
            "min_size": rules.min_notional,
            "taker_fee": rules.taker_fee,
            "maker_fee": rules.maker_fee,
            "long_weight_initial": rules.long_weight_initial,
            "long_weight_maintenance": rules.long_weight_maintenance,
            "status": _status(rules.status),
        }
        known = {name: value for name, value in said.items() if value is not None}
        market.product = msgspec.structs.replace(market.product, **known)
        if rules.oracle is not None:
            name = self._names[rules.product_id]
            self._venue.move(BookChange(0, name, (), (), rules.oracle, ()))

    def take_funding(self, rates: Iterable[FundingRate]) -> None:
        """The engine charges these rates from now on: its own book and oracle price say another one."""
        for said in rates:
            if said.product_id in self._names:
                self._venue.exchange.markets[said.product_id].funding.quoted = said.rate

    # -- whether it is there ---------------------------------------------------------------------------------

    def take_status(self, word: str) -> None:
        """`active`, or why the exchange lets nobody trade: then the engine refuses every order, too."""
        self._venue.incidents.status = word

    def reached(self, *, is_there: bool) -> None:
        """The exchange has answered, or could not be reached: then the paper account cannot be reached
        either.
        """
        if self._there is not is_there:
            self._there = is_there
            self._venue.incidents.go_down(-1 if is_there else 1)
