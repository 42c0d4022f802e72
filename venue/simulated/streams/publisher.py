"""Publishes what the engine reports: makes the streams' texts, and keeps the streams that go by the clock.

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
from messages.units import Ns, Price
from runtime.timetable import Timetable
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
"""How often all best prices are published; its speed is not documented."""


def rate_of(exchange: Exchange, product_id: int, now_ns: int) -> int:
    """A product's funding rate for 24 hours, x18, as it stands."""
    market = exchange.markets[product_id]
    return market.funding.rate(market.oracle, exchange.tick(now_ns))


class Publisher:
    """Everything that is published goes out here, by the delivery that may disturb it."""

    def __init__(
        self,
        exchange: Exchange,
        delivery: Delivery,
        candles: Candles | None,
        incidents: ActiveIncidents,
        now_ns: Callable[[], Ns],
    ) -> None:
        """`candles`: which trades are counted in; None where nobody can ask for them."""
        self._exchange = exchange
        self._delivery = delivery
        self._candles = candles
        self._incidents = incidents
        self._now_ns = now_ns
        self._book_changed = False
        """Does a batch wait to be made?"""
        self._timetable: Timetable | None = None
        self._tops: dict[int, tuple[Level | None, Level | None]] = {}
        self._taken_back: dict[int, Price] = {}
        """By product: a bid that was never there and has to be taken back."""

    def begin(self, timetable: Timetable) -> None:
        """From now on book batches, funding rates and all best prices are published, by the clock."""

        def all_bbo() -> str:
            return all_bbo_json(all_prices(self._exchange), self._now_ns() // 1_000_000)

        self._timetable = timetable
        timetable.every(FUNDING_RATE_S, self.publish_funding_rates)
        timetable.every(ALL_BBO_S, partial(self._delivery.publish, [("all_bbo", None)], all_bbo))
        if self._book_changed:
            timetable.at(trio.current_time() + BATCH_S, self._batch_books)

    def publish(self, event: PublishedEvent) -> None:
        """Publish one event, and the candles that a trade has changed."""
        if isinstance(event, Traded) and self._candles is not None:
            changed = self._candles.take(event)
            for candle in changed if self._delivery.hears("latest_candlestick") else ():
                topic = ("latest_candlestick", candle.granularity, candle.product_id)
                self._delivery.publish([topic], partial(candle_json, candle))
        self._delivery.publish(
            _topics(event),
            partial(event_json, event, order_update_fills=self._exchange.options.order_update_fills),
            event,
        )

    def publish_books(self) -> None:
        """Publish the best prices that have changed, and let the next batch carry the rest. To be called
        after every step of the engine.
        """
        for product_id, market in self._exchange.markets.items():
            if market.book.changed and product_id not in self._incidents.frozen:
                self._batch_soon()
                if not self._delivery.hears("best_bid_offer"):
                    self._tops.pop(product_id, None)
                    continue
                bid, ask = market.book.top(True), market.book.top(False)
                if self._tops.get(product_id) != (bid, ask):
                    self._tops[product_id] = (bid, ask)
                    self._delivery.publish(
                        [("best_bid_offer", product_id)],
                        partial(top_json, product_id, bid, ask, self._exchange.now_ns),
                    )
        if self._incidents.crossed:
            self._batch_soon()

    def _batch_soon(self) -> None:
        """A book has changed: the next batch is made `BATCH_S` after the first change."""
        if not self._book_changed and self._timetable is not None:
            self._timetable.at(trio.current_time() + BATCH_S, self._batch_books)
        self._book_changed = True

    def _batch_books(self) -> None:
        self._book_changed = False
        for product_id, market in self._exchange.markets.items():
            lies = product_id in self._incidents.crossed or product_id in self._taken_back
            if (market.book.changed or lies) and product_id not in self._incidents.frozen:
                batch = self._batch(market.book)
                self._delivery.publish([("book_depth", product_id)], partial(batch_json, batch), batch)

    def _batch(self, book: Book) -> BookBatch:
        """The next batch; crossed when that is staged, and the one after takes back what was never there."""
        product_id, best = book.product_id, book.best(False)
        if product_id in self._incidents.crossed and best is not None:
            self._incidents.crossed.remove(product_id)
            self._taken_back[product_id] = Price(best)
            batch = book.batch(self._now_ns())
            self._batch_soon()
            lie = best, int(self._exchange.markets[product_id].product.step)
            return msgspec.structs.replace(batch, bids=(lie, *batch.bids))
        taken_back = self._taken_back.pop(product_id, None)
        batch = book.batch(self._now_ns())
        if taken_back is None or any(price == taken_back for price, _ in batch.bids):
            return batch
        return msgspec.structs.replace(batch, bids=((int(taken_back), 0), *batch.bids))

    def publish_funding_rates(self) -> None:
        """Publish every product's rate of this moment; every 20 s, and when a staged charge is due."""

        def text(product_id: int) -> str:
            rate = rate_of(self._exchange, product_id, self._now_ns())
            return funding_json(product_id, rate, self._now_ns())

        for product_id in self._exchange.markets:
            if product_id in self._incidents.rates_omitted:
                continue
            topics: list[Topic] = [("funding_rate", product_id), ("funding_rate", None)]
            self._delivery.publish(topics, partial(text, product_id))


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
