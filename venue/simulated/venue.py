"""The running venue: the engine driven by a market on Trio's clock, with archive, batches, faults and everybody who listens.

    market moves --> exchange --> outbox --> archive (150 ms later) and hub (at once)
    orders ------->     |                      `--> fill, order_update, position_change, trade, best_bid_offer
                      books --(50 ms after the first change)--> book_depth

A motionless market wakes nobody up, so virtual time jumps over it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import trio

from actors.runtime.clock import Clock
from messages.market import Level
from messages.units import Base, Ms, Ns, Price, Quote
from venue.nado.signing import order_digest, recover
from venue.simulated.archive import Archive
from venue.simulated.book import Book, Resting, Split
from venue.simulated.candles import Candles
from venue.simulated.codes import refused
from venue.simulated.courier import Courier
from venue.simulated.events import BookBatch, Filled, FundingCharged, Liquidated, OrderUpdated, PositionChanged, Told, Traded
from venue.simulated.exchange import Exchange, Extras
from venue.simulated.faults import NO_FAULTS, AnswerLost, ConnectionCut, FaultCounter, Faults, Staged
from venue.simulated.funding import PERIOD_S
from venue.simulated.hub import Hub, Listener, Topic
from venue.simulated.limits import Budget, Limiter
from venue.simulated.liquidation import liquidate_unhealthy
from venue.simulated.queries import all_prices
from venue.simulated.rules import AUTHENTICATED_MAX, TAKER_DELAY_S
from venue.simulated.staging import Stage, bent
from venue.simulated.treasury import deposit, pay_funding, settle_results
from venue.simulated.wire import PlaceOrder, all_bbo_json, batch_json, candle_json, event_json, funding_json, top_json

if TYPE_CHECKING:
    from venue.simulated.markets import Market, Move

BATCH_S = 0.05
"""Book changes are collected this long."""
FUNDING_RATE_S = 20.0
EXPIRY_S = 1.0
"""How often resting orders are looked at for expiration."""
ALL_BBO_S = 1.0
"""How often the stream of all best prices is told; its speed is not documented."""
SIGNATURE_CHARS = 132
"""0x, and two digits for each of r || s || v's 65 bytes."""


class HalfSent(ConnectionCut):
    """Staged: of the answer, `text`, only half is sent."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class SimulatedVenue:
    """One simulated Nado. Several clients may come and go; it keeps its state for as long as `run` runs."""

    def __init__(self, exchange: Exchange, market: "Market", clock: Clock, faults: Faults = NO_FAULTS, *, instance: str = "test") -> None:
        self.exchange = exchange
        self.instance = instance
        """Identity of this start of the venue, sent with every HTTP answer: another start has another history."""
        self.stage = Stage()
        self.limiter = Limiter()
        self.changes = 0
        """How often something happened to an account."""
        self.hub = Hub()
        self.archive = Archive(exchange.order_log)
        self.candles = Candles()
        self._market = market
        self._ids = {state.product.symbol.removesuffix("-PERP").lower(): product_id for product_id, state in exchange.markets.items()}
        self._clock = clock
        self._faults = FaultCounter(faults)
        self.courier = Courier(self.hub, {product_id: state.product.symbol for product_id, state in exchange.markets.items()}, faults)
        self._book_changed = trio.Event()
        self._tops: dict[int, tuple[Level | None, Level | None]] = {}
        self._connections: dict[trio.CancelScope, str] = {}
        self._authenticated: dict[str, list[Listener]] = {}
        self._taken_back: dict[int, Price] = {}
        """By product: a bid that was never there and has to be taken back."""
        self.stage.obey(faults.incident)

    @property
    def faults(self) -> Faults:
        """The staged accidents; setting them starts counting anew."""
        return self._faults.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = FaultCounter(faults)
        self.courier.obey(faults)
        self.stage.obey(faults.incident)

    @property
    def status(self) -> str:
        """`active`, or why no order is taken."""
        return self.stage.status

    def product_id(self, symbol: str) -> int:
        """Raises `LookupError` for a product that the venue does not have."""
        return next(product_id for product_id, market in self.exchange.markets.items() if market.product.symbol == symbol)

    def may_ask(self, budget: Budget, key: str, weight: int) -> bool:
        """Use `weight` of what `key` (an address or a wallet) may ask."""
        if "rate_limited" in self.stage.gates:
            return False
        return not self.exchange.knobs.rate_limits or self.limiter.take(budget, key, weight, trio.current_time())

    # -- connections ---------------------------------------------------------------------------------------------------------------------------

    @contextmanager
    def connected(self, connection: trio.CancelScope, address: str) -> Iterator[None]:
        """A connection from `address`, for as long as it is open; one too many is cut at once."""
        if list(self._connections.values()).count(address) >= self.exchange.knobs.sockets_per_address:
            connection.cancel()
        self._connections[connection] = address
        try:
            yield
        finally:
            del self._connections[connection]

    def cut_all(self) -> None:
        """Every open connection ends."""
        for connection in tuple(self._connections):
            connection.cancel()

    def admit(self, wallet: str, listener: Listener) -> None:
        """One more authenticated connection of a wallet; the excess one goes. Raises `ConnectionCut` when that is this one."""
        present = self._authenticated.setdefault(wallet, [])
        if len(present) >= AUTHENTICATED_MAX:
            if self.exchange.knobs.excess_socket == "newest":
                raise ConnectionCut
            present.pop(0).scope.cancel()
        present.append(listener)

    def leave(self, wallet: str, listener: Listener) -> None:
        """An authenticated connection is over; what was never admitted is fine."""
        present = self._authenticated.get(wallet, [])
        if listener in present:
            present.remove(listener)

    def now_ns(self) -> Ns:
        """The venue's clock."""
        return Ns(self._clock.utc_ns() + self.stage.skew_ms * 1_000_000)

    def now_ms(self) -> Ms:
        """The venue's clock in milliseconds, as `/v1/time` tells it."""
        return Ms(self.now_ns() // 1_000_000)

    def fund(self, subaccount: str, amount: Quote) -> None:
        """Deposit USDT0."""
        deposit(self.exchange, subaccount, amount, self.now_ns())
        self.publish()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Drive the market for ever. Started = every product has a price and a book."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._batch_books)
            nursery.start_soon(self._tell_funding)
            nursery.start_soon(self._expire_orders)
            nursery.start_soon(self.courier.run)
            nursery.start_soon(self.stage.run, self)
            nursery.start_soon(self._pay_funding)
            nursery.start_soon(self._settle_results)
            nursery.start_soon(self._tell_all_bbo)
            await self._drive(task_status)

    # -- the market ------------------------------------------------------------------------------------------------------------------------

    async def _drive(self, task_status: trio.TaskStatus[None]) -> None:
        began, started = trio.current_time(), False
        for move in self._market.moves():
            if not started and (move.at_ns > 0 or self._priced()):
                started = True
                task_status.started()
            await trio.sleep_until(began + move.at_ns / 1e9)
            self._apply(move)
        if not started:
            task_status.started()

    def _priced(self) -> bool:
        return all(market.oracle for market in self.exchange.markets.values())

    def _apply(self, move: "Move") -> None:
        now, product_id = self.now_ns(), self._ids[move.product]
        if move.bids or move.asks:  # a move without any level is about trades and prices only
            self.exchange.move(product_id, move.bids, move.asks, now)
        for trade in move.trades:
            self.exchange.market_trade(product_id, trade.price, trade.amount, now, is_taker_buyer=trade.taker_buys)
        self._move_oracle(product_id, move.oracle or _mid(move.bids, move.asks), moved=move.oracle is not None)
        liquidate_unhealthy(self.exchange, now)
        self.publish()

    def _move_oracle(self, product_id: int, price: Price | None, *, moved: bool) -> None:
        """A market that never names an oracle price starts at its own mid; one that does not move it leaves it where it is."""
        if price is not None and (moved or not self.exchange.markets[product_id].oracle):
            self.exchange.set_oracle(product_id, Price(bent(price, self.stage.oracle_bps.get(product_id, 0))), self.now_ns())

    # -- orders ----------------------------------------------------------------------------------------------------------------------------

    async def place(self, body: PlaceOrder) -> str:
        """Process one order from its arrival to its end or rest; the digest. Raises `Refused`, `AnswerLost`, `ConnectionCut`.

        What arrives here is processed to the end whatever becomes of the connection it came on.
        """
        order = body.to_order()
        digest, signer = self.identify(body)
        market = self.exchange.markets.get(order.product_id)
        symbol = market.product.symbol if market else ""
        staged = self._faults.next(symbol, increasing=self.exchange.would_increase(order))
        if staged.cut_before:
            raise ConnectionCut
        try:
            if staged.late_ms:
                with trio.CancelScope(shield=True):
                    await trio.sleep(staged.late_ms / 1000)
            resting = self.exchange.arrive(order, digest, signer, self.now_ns(), self._extras(body, staged))
            if self._waits(resting):
                with trio.CancelScope(shield=True):  # 30 ms
                    await trio.sleep(TAKER_DELAY_S)
            if staged.forget:
                self.exchange.forget(resting)
            else:
                self.exchange.match(resting, self.now_ns())
        finally:
            self.publish()
            if staged.cut_after:
                raise ConnectionCut
        if staged.slow_ack_ms:
            await trio.sleep(staged.slow_ack_ms / 1000)
        if staged.lose_ack:
            raise AnswerLost
        if staged.cut_during:
            raise HalfSent(digest)
        return digest

    def _extras(self, body: PlaceOrder, staged: Staged) -> Extras:
        order_id, market = None if body.id is None else int(body.id), self.exchange.markets.get(int(body.product_id))
        split = None
        if staged.lots is not None and market is not None:
            split = Split(tuple(lots * market.product.step for lots in staged.lots if lots), staged.only, staged.breaks_fok)
        return Extras(order_id, body.borrow_margin is not False, body.spot_leverage, staged.refusal, split)

    def _waits(self, order: Resting) -> bool:
        """Does the order wait at the speed bump?"""
        if order.terms.kind == "post_only":
            return False
        return self.exchange.knobs.bump == "takers" or self.exchange.markets[order.order.product_id].book.crosses(order.order)

    def identify(self, body: PlaceOrder) -> tuple[str, str]:
        """The order's digest and who signed it. Raises `Refused`."""
        try:
            digest = order_digest(body.to_order(), self.exchange.chain_id)
        except ValueError as error:
            raise refused(2038) from error
        return "0x" + digest.hex(), self.signer_of(digest, body.signature)

    def signer_of(self, digest: bytes, signature: str) -> str:
        """The address that signed. Raises `Refused`: 2027 for a wrong length, 2034 for a wrong v, 2035 for what is no signature at all."""
        if len(signature) != SIGNATURE_CHARS or not signature.startswith("0x"):
            raise refused(2027)
        if signature[-2:].lower() not in {"1b", "1c"}:
            raise refused(2034)
        try:
            return recover(digest, signature)
        except ValueError as error:
            raise refused(2035, error=error) from error

    # -- telling -----------------------------------------------------------------------------------------------------------------------------

    def publish(self) -> None:
        """Hand out what the engine has produced since the last time."""
        events, self.exchange.outbox = self.exchange.outbox, []
        for event in events:
            self.changes += not isinstance(event, Traded)
            if isinstance(event, FundingCharged):
                self.archive.record_funding(event)
                continue
            if isinstance(event, Filled):
                self.archive.record(event)
            if isinstance(event, Traded):
                self._tell_candles(event)
            self.courier.tell(_topics(event), partial(event_json, event, order_update_fills=self.exchange.knobs.order_update_fills))
        for product_id, market in self.exchange.markets.items():
            if market.book.changed and product_id not in self.stage.frozen:
                self._book_changed.set()
                self._tell_top(market.book)

    def _tell_top(self, book: Book) -> None:
        bid, ask = (next(iter(book.levels(is_bid, 1)), None) for is_bid in (True, False))
        if self._tops.get(book.product_id) != (bid, ask):
            self._tops[book.product_id] = (bid, ask)
            self.courier.tell([("best_bid_offer", book.product_id)], partial(top_json, book.product_id, bid, ask, self.exchange.now_ns))

    def _tell_candles(self, trade: Traded) -> None:
        for candle in self.candles.take(trade):
            self.courier.tell([("latest_candlestick", candle.granularity, candle.product_id)], partial(candle_json, candle))

    async def _batch_books(self) -> None:
        while True:
            await self._book_changed.wait()
            await trio.sleep(BATCH_S)
            self._book_changed = trio.Event()
            for product_id, market in self.exchange.markets.items():
                lies = product_id in self.stage.crossed or product_id in self._taken_back
                if (market.book.changed or lies) and product_id not in self.stage.frozen:
                    self.courier.tell([("book_depth", product_id)], partial(batch_json, self._batch(market.book)))

    def wake_books(self) -> None:
        """Tell the books once more although they have not moved."""
        self._book_changed.set()

    def _batch(self, book: Book) -> BookBatch:
        """The next batch; crossed when that is staged, and the one after takes back what was never there."""
        product_id, best = book.product_id, book.asks.best()
        if product_id in self.stage.crossed and best is not None:
            self.stage.crossed.remove(product_id)
            self._taken_back[product_id] = Price(best)
            batch = book.batch(self.now_ns())
            self._book_changed.set()
            lie = Level(Price(best), self.exchange.markets[product_id].product.step)
            return msgspec.structs.replace(batch, bids=(lie, *batch.bids))
        taken_back = self._taken_back.pop(product_id, None)
        batch = book.batch(self.now_ns())
        if taken_back is None or any(level.price == taken_back for level in batch.bids):
            return batch
        return msgspec.structs.replace(batch, bids=(Level(taken_back, Base(0)), *batch.bids))

    async def _tell_funding(self) -> None:
        while True:
            await trio.sleep(FUNDING_RATE_S)
            self.tell_funding_rates()

    def tell_funding_rates(self) -> None:
        """Every product's rate, to whoever listens."""
        for product_id in self.exchange.markets:
            topics: list[Topic] = [("funding_rate", product_id), ("funding_rate", None)]
            self.courier.tell(topics, partial(self._funding_json, product_id))

    def _funding_json(self, product_id: int) -> str:
        return funding_json(product_id, self.funding_rate(product_id), self.now_ns())

    def funding_rate(self, product_id: int) -> int:
        """The 24-hour rate x18 as it stands."""
        market = self.exchange.markets[product_id]
        return market.funding.rate(market.oracle, self.exchange.tick(self.now_ns()))

    async def _pay_funding(self) -> None:
        """At every full hour of the venue's clock."""
        while True:
            await trio.sleep(PERIOD_S - self.now_ns() / 1e9 % PERIOD_S)
            pay_funding(self.exchange, self.now_ns())
            liquidate_unhealthy(self.exchange, self.now_ns())
            self.publish()

    async def _settle_results(self) -> None:
        while self.exchange.knobs.settle_every_s:
            await trio.sleep(self.exchange.knobs.settle_every_s)
            settle_results(self.exchange, self.now_ns())
            self.publish()

    async def _tell_all_bbo(self) -> None:
        while True:
            await trio.sleep(ALL_BBO_S)
            self.courier.tell([("all_bbo", None)], lambda: all_bbo_json(all_prices(self.exchange), self.now_ms()))

    async def _expire_orders(self) -> None:
        while True:
            await trio.sleep(EXPIRY_S)
            self.exchange.expire(self.now_ns())
            self.publish()


def _mid(bids: Sequence[Level], asks: Sequence[Level]) -> Price | None:
    return Price((bids[0].price + asks[0].price) // 2) if bids and asks else None


def _topics(event: Told) -> list[Topic]:
    if isinstance(event, Filled | PositionChanged):
        kind = "fill" if isinstance(event, Filled) else "position_change"
        names = (event.subaccount, event.also) if event.also else (event.subaccount,)
        return [(kind, name, product_id) for name in names for product_id in (event.product_id, None)]
    if isinstance(event, OrderUpdated):
        return [("order_update", event.subaccount, event.product_id), ("order_update", event.subaccount, None)]
    if isinstance(event, Liquidated):
        return [("liquidation", event.product_id), ("liquidation", None)]
    return [("trade" if isinstance(event, Traded) else "funding_payment", event.product_id)]
