"""The running venue: the engine driven by a market on Trio's clock, with archive, faults and subscribers.

    market moves --> exchange --> outbox --> archive (150 ms later)
    orders ------->     |            `-----> publisher --> delivery --> subscribers
      the hour ------>  |

A motionless market wakes nobody up, so virtual time jumps over it.
"""

from collections.abc import Callable, Iterator
from functools import partial

import msgspec
import trio

from messages.units import Ms, Ns, Price, Quote
from runtime.clock import Clock
from runtime.timetable import Timetable
from venue.protocol import Order
from venue.simulated.admission import Admission
from venue.simulated.engine.candles import Candles
from venue.simulated.engine.events import BalanceMoved, Filled, FundingCharged, Traded
from venue.simulated.engine.exchange import Exchange, Extras
from venue.simulated.engine.funding import PERIOD_S
from venue.simulated.engine.liquidation import liquidate_unhealthy
from venue.simulated.engine.public_trades import PublicTrades
from venue.simulated.engine.rules import TAKER_DELAY_S
from venue.simulated.engine.treasury import deposit, pay_funding, settle_results
from venue.simulated.faults.active_incidents import ActiveIncidents, shifted_by_bps
from venue.simulated.faults.order_faults import (
    NO_FAULTS,
    AnswerLost,
    ConnectionCut,
    FaultCounter,
    Faults,
)
from venue.simulated.markets.move import BookChange, PriceSource, shifted
from venue.simulated.payloads.archive import Archive
from venue.simulated.streams.delivery import Delivery
from venue.simulated.streams.publisher import Publisher
from venue.simulated.streams.subscribers import Subscribers

PERIOD_NS = PERIOD_S * 10**9
EXPIRED_S = 1e-6
"""So long after its expiration it has certainly passed, however a moment was rounded."""


class AnswerTruncated(ConnectionCut):
    """Staged: of the answer, `text`, only half is sent."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class SimulatedVenue:
    """One simulated Nado. Several clients may come and go; it keeps its state for as long as `run` runs."""

    def __init__(
        self,
        exchange: Exchange,
        market: PriceSource,
        clock: Clock,
        faults: Faults = NO_FAULTS,
        *,
        instance: str = "test",
        timetable: Timetable | None = None,
    ) -> None:
        """`timetable`: one that somebody else keeps, as a virtual clock does; None: `run` keeps its own."""
        self.exchange = exchange
        self.timetable = timetable or Timetable()
        """What is due at this exchange, and what is under way to clients in this process."""
        self._keeps_time = timetable is None
        self.instance = instance
        """Identity of this start of the venue, sent with every HTTP answer: another start has another
        history.
        """
        self.incidents = ActiveIncidents()
        self.admission = Admission(exchange.options, self.incidents)
        self.changes = 0
        """How often something happened to an account."""
        self.subscribers = Subscribers()
        self.archive = Archive(exchange.order_log, self.incidents.archive_omits)
        self.candles = Candles()
        self.public_trades = PublicTrades()
        self._market = market
        self.market_over = trio.Event()
        """Set when the market has made its last move: its books stand still from then on."""
        self._ids = {
            state.product.symbol.removesuffix("-PERP").lower(): product_id
            for product_id, state in exchange.markets.items()
        }
        self._clock = clock
        self._faults = FaultCounter(faults)
        self.delivery = Delivery(
            self.subscribers,
            {product_id: state.product.symbol for product_id, state in exchange.markets.items()},
            faults,
        )
        # Whoever keeps the time has no gateway, and is asked by function calls, none of which is for candles.
        candles = self.candles if self._keeps_time else None
        self.publisher = Publisher(exchange, self.delivery, candles, self.incidents, self.now_ns)
        self._expires_s = 0
        """Second of Unix time at which orders are withdrawn next; 0: at none."""
        self._trades = 0
        """How many trades the market has made."""
        self._last_moves: dict[int, BookChange] = {}
        """By product: the market's last move with a book."""
        self.incidents.stage(faults.incident)

    @property
    def faults(self) -> Faults:
        """The injected faults; setting them restarts the counting."""
        return self._faults.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = FaultCounter(faults)
        self.delivery.stage(faults)
        self.incidents.stage(faults.incident)

    @property
    def status(self) -> str:
        """`active`, or the engine's status of `incidents.Status`: then every execute is refused with 2068."""
        return self.incidents.status

    def product_id(self, symbol: str) -> int:
        """Raises `LookupError` for a product that the venue does not have."""
        for product_id, market in self.exchange.markets.items():
            if market.product.symbol == symbol:
                return product_id
        raise LookupError(f"there is no product {symbol!r}")

    def now_ns(self) -> Ns:
        """The venue's clock, nanoseconds of Unix time: the true time and what a staged skew adds."""
        return Ns(self._clock.utc_ns() + self.incidents.skew_ms * 1_000_000)

    def now_ms(self) -> Ms:
        """The venue's clock in milliseconds of Unix time, as `/v1/time` answers it."""
        return Ms(self.now_ns() // 1_000_000)

    def fund(self, subaccount: str, amount: Quote) -> None:
        """Deposit USDT0 (x18) from outside; the first deposit makes the subaccount exist."""
        deposit(self.exchange, subaccount, amount, self.now_ns())
        self.publish()

    def forget(self, older_s: float) -> None:
        """Forget orders that ended longer ago, with their fills: weeks of them need not be in memory."""
        before_ns = self.now_ns() - round(older_s * 1e9)
        resting = {digest for market in self.exchange.markets.values() for digest in market.open_orders}
        self.exchange.order_log.forget(before_ns, resting)
        self.archive.forget(before_ns, resting)

    def cut_connections(self) -> None:
        """Close every connection at once, as when the host goes down."""
        self.admission.cut_all()

    def publish_funding_rates(self) -> None:
        """Publish every product's funding rate of this moment."""
        self.publisher.publish_funding_rates()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Drive the market for ever. Started = every product has a price and a book."""
        moves = self._market.moves()
        try:
            await self._driven(moves, task_status)
        finally:
            # one that is read from files has them open up to its last move
            getattr(moves, "close", lambda: None)()

    async def _driven(self, moves: Iterator[BookChange], task_status: trio.TaskStatus[None]) -> None:
        timetable = self.timetable
        async with trio.open_nursery() as nursery:
            if self.exchange.options.expiry_every_s:
                timetable.every(self.exchange.options.expiry_every_s, self._expire)
            self._await_expiration()
            self.publisher.begin(timetable)
            timetable.at(self._next_funding_s(), partial(self._pay_funding, self.now_ns() // PERIOD_NS))
            if self.exchange.options.settle_every_s:
                timetable.every(self.exchange.options.settle_every_s, partial(self._step, settle_results))
            began_s = trio.current_time()
            for move in moves:
                if move.at_ns > 0 or all(market.oracle for market in self.exchange.markets.values()):
                    # started once every product has a price: with the first move after 0 ns at the latest
                    act = partial(self._move_on, move, moves, began_s)
                    timetable.at(began_s + move.at_ns / 1e9, act)
                    break
                self.move(move)
            else:
                self.market_over.set()
            task_status.started()
            nursery.start_soon(self.delivery.run)
            nursery.start_soon(self.incidents.run, self)
            nursery.start_soon(timetable.keep if self._keeps_time else timetable.watch)

    # -- the market ------------------------------------------------------------------------------------------

    def _move_on(self, move: BookChange, moves: Iterator[BookChange], began_s: float) -> None:
        """Apply one move, and put the next of the market's `moves` into the timetable."""
        self.move(move)
        following = next(moves, None)
        if following is None:
            self.market_over.set()
            self.timetable.woken = True
        else:
            act = partial(self._move_on, following, moves, began_s)
            self.timetable.at(began_s + following.at_ns / 1e9, act)

    def move_again(self, product_id: int) -> None:
        """Apply the market's last book again, shifted as it is staged to be now."""
        self.move(self._last_moves[product_id].untraded)

    def move(self, move: BookChange) -> None:
        """The market moves now: the house's book is this one, this was traded, this is the oracle price."""
        now, product_id = self.now_ns(), self._ids[move.product]
        if move.bids or move.asks:
            self._last_moves[product_id] = move
        move = shifted(
            move, self.incidents.shift_bps.get(product_id, 0), self.exchange.markets[product_id].product.tick
        )
        for trade in move.trades:  # before the levels: these are what the trades have left
            self._trades += 1
            if self._trades % self.exchange.options.one_trade_in == 0:
                self.exchange.market_trade(
                    product_id, trade.price, trade.amount, now, is_taker_buyer=trade.taker_buys
                )
        if move.bids or move.asks:  # a move without any level is about trades and prices only
            self.exchange.move(product_id, move.bids, move.asks, now)
        oracle, market = move.oracle, self.exchange.markets[product_id]
        if oracle is None and not market.oracle and move.bids and move.asks:
            # a market that never names an oracle price starts at its own mid
            oracle = Price((move.bids[0].price + move.asks[0].price) // 2)
        if oracle is not None:
            oracle = Price(shifted_by_bps(oracle, self.incidents.oracle_bps.get(product_id, 0)))
            self.exchange.set_oracle(product_id, oracle, now)
        liquidate_unhealthy(self.exchange, now)
        self.publish()

    # -- orders ----------------------------------------------------------------------------------------------

    async def trade(self, order: Order, digest: str, signer: str, extras: Extras) -> str:
        """Process one order from its arrival to its end or rest; the digest. Raises `ExchangeRefusal`,
        `AnswerLost`, `ConnectionCut`.

        What arrives here is processed to the end whatever becomes of the connection it came on. `digest` and
        `signer` (address) are what the signature says: nothing is verified here.
        """
        market = self.exchange.markets.get(order.product_id)
        symbol = market.product.symbol if market else ""
        staged = self._faults.next(symbol, increasing=self.exchange.would_increase(order))
        if "before" in staged.cuts:
            raise ConnectionCut
        extras = msgspec.structs.replace(
            extras, staged=staged.refusal, split=staged.split(market.product.step) if market else None
        )
        try:
            if staged.late_ms:
                with trio.CancelScope(shield=True):
                    await trio.sleep(staged.late_ms / 1000)
            resting = self.exchange.arrive(order, digest, signer, self.now_ns(), extras)
            if self.exchange.waits_at_bump(resting):
                with trio.CancelScope(shield=True):  # only 30 ms, so no end of the run waits for it
                    await self.timetable.pause(TAKER_DELAY_S)
            if staged.forget:
                self.exchange.forget(resting)
            else:
                self.exchange.match(resting, self.now_ns())
        finally:  # refused orders too: a refusal may have cancelled something
            self.publish()
            self._await_expiration()
            if "after" in staged.cuts:
                raise ConnectionCut
        if staged.slow_ack_ms:
            await trio.sleep(staged.slow_ack_ms / 1000)
        if staged.lose_ack:
            raise AnswerLost
        if "during" in staged.cuts:
            raise AnswerTruncated(digest)
        return digest

    # -- publishing ------------------------------------------------------------------------------------------

    def publish(self) -> None:
        """Hand what the engine has produced since the last time to the archive and the subscribers; after
        every step of the engine.
        """
        events, self.exchange.outbox = self.exchange.outbox, []
        for event in events:
            if isinstance(event, Traded):
                self.public_trades.take(event)
            else:
                self.changes += 1
            if isinstance(event, FundingCharged | BalanceMoved):
                self.archive.record_money(event)
                continue
            if isinstance(event, Filled):
                self.archive.record(event)
            self.publisher.publish(event)
        self.publisher.publish_books()

    # -- by the clock ----------------------------------------------------------------------------------------

    def _next_funding_s(self) -> float:
        return trio.current_time() + (PERIOD_NS - self.now_ns() % PERIOD_NS) / 1e9

    def _pay_funding(self, paid: int) -> None:
        """At every full hour of the venue's clock, once, even if that clock is set back. `paid`: the newest
        hour that is paid, since the epoch.
        """
        hour = self.now_ns() // PERIOD_NS
        self.timetable.at(self._next_funding_s(), partial(self._pay_funding, max(paid, hour)))
        if hour > paid:
            self._step(pay_funding)
            self._step(liquidate_unhealthy)

    def _expire(self) -> None:
        if any(market.open_orders for market in self.exchange.markets.values()):
            self._step(Exchange.expire)

    def _await_expiration(self) -> None:
        """Where orders are withdrawn at their expiration: at the next one there is."""
        if self.exchange.options.expiry_every_s:
            return
        resting = [each for market in self.exchange.markets.values() for each in market.open_orders.values()]
        next_s = min((each.order.expiration_s for each in resting), default=0)
        if next_s in {0, self._expires_s}:
            return
        self._expires_s = next_s
        left_s = (next_s * 10**9 - self.now_ns()) / 1e9 + EXPIRED_S
        self.timetable.at(trio.current_time() + left_s, partial(self._expire_at, next_s))

    def _expire_at(self, expiration_s: int) -> None:
        """One that has been overtaken by an earlier one does nothing."""
        if expiration_s == self._expires_s:
            self._expires_s = 0
            self._expire()
            self._await_expiration()

    def _step(self, step: Callable[[Exchange, Ns], object]) -> None:
        step(self.exchange, self.now_ns())
        self.publish()
