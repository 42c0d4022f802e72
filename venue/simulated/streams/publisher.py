"""Tells the world: turns what the engine reports into the streams' texts, and watches over what is told by
the clock.

events --at once--> fill, order_update, position_change, trade, latest_candlestick, liquidation,
funding_payment
books  --at once--> best_bid_offer    --50 ms after the first change--> book_depth
clock  --20 s--> funding_rate         --1 s--> all_bbo
"""

from collections.abc import Callable
from functools import partial

import msgspec
import trio

from messages.market import Level
from messages.units import Base, Ns, Price
from venue.simulated.engine.book import Book
from venue.simulated.engine.candles import Candles
from venue.simulated.engine.events import (
    BookBatch,
    Filled,
    Liquidated,
    OrderUpdated,
    PositionChanged,
    PublishedEvent,
    Traded,
)
from venue.simulated.engine.exchange import Exchange
from venue.simulated.faults.active_incidents import ActiveIncidents
from venue.simulated.payloads.queries import all_prices
from venue.simulated.payloads.wire import (
    all_bbo_json,
    batch_json,
    candle_json,
    event_json,
    funding_json,
    top_json,
)
from venue.simulated.streams.delivery import Delivery
from venue.simulated.streams.subscribers import Topic

BATCH_S = 0.05
"""Book changes are collected this long."""
FUNDING_RATE_S = 20.0
ALL_BBO_S = 1.0
"""How often the stream of all best prices is told; its speed is not documented."""


def rate_of(exchange: Exchange, product_id: int, now_ns: int) -> int:
    """A product's funding rate for 24 hours, x18, as it stands."""
    market = exchange.markets[product_id]
    return market.funding.rate(market.oracle, exchange.tick(now_ns))


class Publisher:
    """Everything that is told goes out here, by the delivery."""

    def __init__(
        self,
        exchange: Exchange,
        delivery: Delivery,
        candles: Candles,
        incidents: ActiveIncidents,
        now_ns: Callable[[], Ns],
    ) -> None:
        self._exchange = exchange
        self._delivery = delivery
        self._candles = candles
        self._incidents = incidents
        self._now_ns = now_ns
        self._book_changed = trio.Event()
        self._tops: dict[int, tuple[Level | None, Level | None]] = {}
        self._taken_back: dict[int, Price] = {}
        """By product: a bid that was never there and has to be taken back."""

    async def run(self) -> None:
        """Tell what is told by the clock, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._batch_books)
            nursery.start_soon(self._tell_funding)
            nursery.start_soon(self._tell_all_bbo)

    def tell(self, event: PublishedEvent) -> None:
        """One event, and the candles that a trade has changed."""
        if isinstance(event, Traded):
            self._tell_candles(event)
        self._delivery.tell(
            _topics(event),
            partial(event_json, event, order_update_fills=self._exchange.options.order_update_fills),
        )

    def look(self) -> None:
        """The books may have changed."""
        for product_id, market in self._exchange.markets.items():
            if market.book.changed and product_id not in self._incidents.frozen:
                self._book_changed.set()
                self._tell_top(market.book)
        if self._incidents.crossed:
            self._book_changed.set()

    def _tell_top(self, book: Book) -> None:
        bid, ask = (next(iter(book.levels(is_bid, 1)), None) for is_bid in (True, False))
        if self._tops.get(book.product_id) != (bid, ask):
            self._tops[book.product_id] = (bid, ask)
            self._delivery.tell(
                [("best_bid_offer", book.product_id)],
                partial(top_json, book.product_id, bid, ask, self._exchange.now_ns),
            )

    def _tell_candles(self, trade: Traded) -> None:
        for candle in self._candles.take(trade):
            self._delivery.tell(
                [("latest_candlestick", candle.granularity, candle.product_id)], partial(candle_json, candle)
            )

    async def _batch_books(self) -> None:
        while True:
            await self._book_changed.wait()
            await trio.sleep(BATCH_S)
            self._book_changed = trio.Event()
            for product_id, market in self._exchange.markets.items():
                lies = product_id in self._incidents.crossed or product_id in self._taken_back
                if (market.book.changed or lies) and product_id not in self._incidents.frozen:
                    self._delivery.tell(
                        [("book_depth", product_id)], partial(batch_json, self._batch(market.book))
                    )

    def _batch(self, book: Book) -> BookBatch:
        """The next batch; crossed when that is staged, and the one after takes back what was never there."""
        product_id, best = book.product_id, book.asks.best()
        if product_id in self._incidents.crossed and best is not None:
            self._incidents.crossed.remove(product_id)
            self._taken_back[product_id] = Price(best)
            batch = book.batch(self._now_ns())
            self._book_changed.set()
            lie = Level(Price(best), self._exchange.markets[product_id].product.step)
            return msgspec.structs.replace(batch, bids=(lie, *batch.bids))
        taken_back = self._taken_back.pop(product_id, None)
        batch = book.batch(self._now_ns())
        if taken_back is None or any(level.price == taken_back for level in batch.bids):
            return batch
        return msgspec.structs.replace(batch, bids=(Level(taken_back, Base(0)), *batch.bids))

    async def _tell_funding(self) -> None:
        while True:
            await trio.sleep(FUNDING_RATE_S)
            self.tell_funding_rates()

    def tell_funding_rates(self) -> None:
        """Every product's rate, to whoever listens."""
        for product_id in self._exchange.markets:
            topics: list[Topic] = [("funding_rate", product_id), ("funding_rate", None)]
            self._delivery.tell(topics, partial(self._funding_json, product_id))

    def _funding_json(self, product_id: int) -> str:
        return funding_json(product_id, rate_of(self._exchange, product_id, self._now_ns()), self._now_ns())

    async def _tell_all_bbo(self) -> None:
        while True:
            await trio.sleep(ALL_BBO_S)
            self._delivery.tell(
                [("all_bbo", None)],
                lambda: all_bbo_json(all_prices(self._exchange), self._now_ns() // 1_000_000),
            )


def _topics(event: PublishedEvent) -> list[Topic]:
    if isinstance(event, Filled | PositionChanged):
        kind = "fill" if isinstance(event, Filled) else "position_change"
        names = (event.subaccount, event.also) if event.also else (event.subaccount,)
        return [(kind, name, product_id) for name in names for product_id in (event.product_id, None)]
    if isinstance(event, OrderUpdated):
        return [
            ("order_update", event.subaccount, event.product_id),
            ("order_update", event.subaccount, None),
        ]
    if isinstance(event, Liquidated):
        return [("liquidation", event.product_id), ("liquidation", None)]
    return [("trade" if isinstance(event, Traded) else "funding_payment", event.product_id)]
