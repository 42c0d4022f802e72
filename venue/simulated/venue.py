"""The running venue: the engine driven by a market on Trio's clock, with archive, faults and everybody who
listens.

    market moves --> exchange --> outbox --> archive (150 ms later)
    orders ------->     |            `-----> publisher --> delivery --> subscribers --> streams
      the hour ------>  |

A motionless market wakes nobody up, so virtual time jumps over it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import trio

from messages.market import Level
from messages.units import Ms, Ns, Price, Quote
from runtime.clock import Clock
from venue.nado.signing import order_digest, recover
from venue.simulated.admission import Admission
from venue.simulated.engine.book import Resting, Split
from venue.simulated.engine.candles import Candles
from venue.simulated.engine.codes import refused
from venue.simulated.engine.events import Filled, FundingCharged, Moved, Traded
from venue.simulated.engine.exchange import Exchange, Extras
from venue.simulated.engine.funding import PERIOD_S
from venue.simulated.engine.liquidation import liquidate_unhealthy
from venue.simulated.engine.rules import TAKER_DELAY_S
from venue.simulated.engine.treasury import deposit, pay_funding, settle_results
from venue.simulated.faults.active_incidents import ActiveIncidents, shifted_by_bps
from venue.simulated.faults.order_faults import (
    NO_FAULTS,
    AnswerLost,
    ConnectionCut,
    FaultCounter,
    Faults,
    StagedFault,
)
from venue.simulated.markets.move import shifted
from venue.simulated.payloads.archive import Archive
from venue.simulated.payloads.requests import PlaceOrder
from venue.simulated.streams.delivery import Delivery
from venue.simulated.streams.publisher import Publisher
from venue.simulated.streams.subscribers import Subscribers

if TYPE_CHECKING:
    from venue.simulated.markets import BookChange, PriceSource

PERIOD_NS = PERIOD_S * 10**9
EXPIRY_S = 1.0
"""How often resting orders are looked at for expiration."""
SIGNATURE_CHARS = 132
"""0x, and two digits for each of r || s || v's 65 bytes."""


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
        market: "PriceSource",
        clock: Clock,
        faults: Faults = NO_FAULTS,
        *,
        instance: str = "test",
    ) -> None:
        self.exchange = exchange
        self.instance = instance
        """Identity of this start of the venue, sent with every HTTP answer: another start has another
        history.
        """
        self.incidents = ActiveIncidents()
        self.admission = Admission(exchange.options, self.incidents)
        self.changes = 0
        """How often something happened to an account."""
        self.subscribers = Subscribers()
        self.archive = Archive(exchange.order_log)
        self.candles = Candles()
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
        self.publisher = Publisher(exchange, self.delivery, self.candles, self.incidents, self.now_ns)
        self._ladders: dict[int, BookChange] = {}
        """By product: the market's last move with a book."""
        self.incidents.obey(faults.incident)

    @property
    def faults(self) -> Faults:
        """The injected faults; setting them restarts the counting."""
        return self._faults.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = FaultCounter(faults)
        self.delivery.obey(faults)
        self.incidents.obey(faults.incident)

    @property
    def status(self) -> str:
        """`active`, or why no order is taken."""
        return self.incidents.status

    def product_id(self, symbol: str) -> int:
        """Raises `LookupError` for a product that the venue does not have."""
        return next(
            product_id
            for product_id, market in self.exchange.markets.items()
            if market.product.symbol == symbol
        )

    def now_ns(self) -> Ns:
        """The venue's clock."""
        return Ns(self._clock.utc_ns() + self.incidents.skew_ms * 1_000_000)

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
            nursery.start_soon(self._expire_orders)
            nursery.start_soon(self.delivery.run)
            nursery.start_soon(self.publisher.run)
            nursery.start_soon(self.incidents.run, self)
            nursery.start_soon(self._pay_funding)
            nursery.start_soon(self._settle_results)
            await self._drive(task_status)

    # -- the market ------------------------------------------------------------------------------------------

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
        self.market_over.set()

    def _priced(self) -> bool:
        return all(market.oracle for market in self.exchange.markets.values())

    def move_again(self, product_id: int) -> None:
        """The market's last book, as far away as it is staged to be now."""
        self._apply(self._ladders[product_id].untraded)

    def _apply(self, move: "BookChange") -> None:
        now, product_id = self.now_ns(), self._ids[move.product]
        if move.bids or move.asks:
            self._ladders[product_id] = move
        move = shifted(
            move, self.incidents.shift_bps.get(product_id, 0), self.exchange.markets[product_id].product.tick
        )
        if move.bids or move.asks:  # a move without any level is about trades and prices only
            self.exchange.move(product_id, move.bids, move.asks, now)
        for trade in move.trades:
            self.exchange.market_trade(
                product_id, trade.price, trade.amount, now, is_taker_buyer=trade.taker_buys
            )
        self._move_oracle(
            product_id, move.oracle or _mid(move.bids, move.asks), moved=move.oracle is not None
        )
        liquidate_unhealthy(self.exchange, now)
        self.publish()

    def _move_oracle(self, product_id: int, price: Price | None, *, moved: bool) -> None:
        """A market that never names an oracle price starts at its own mid; one that does not move it
        leaves it where it is.
        """
        if price is not None and (moved or not self.exchange.markets[product_id].oracle):
            self.exchange.set_oracle(
                product_id,
                Price(shifted_by_bps(price, self.incidents.oracle_bps.get(product_id, 0))),
                self.now_ns(),
            )

    # -- orders ----------------------------------------------------------------------------------------------

    async def place(self, body: PlaceOrder) -> str:
        """Process one order from its arrival to its end or rest; the digest. Raises `Refused`, `AnswerLost`,
        `ConnectionCut`.

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
            raise AnswerTruncated(digest)
        return digest

    def _extras(self, body: PlaceOrder, staged: StagedFault) -> Extras:
        order_id, market = (
            None if body.id is None else int(body.id),
            self.exchange.markets.get(int(body.product_id)),
        )
        split = None
        if staged.lots is not None and market is not None:
            split = Split(
                tuple(lots * market.product.step for lots in staged.lots if lots),
                staged.only,
                staged.breaks_fok,
            )
        return Extras(order_id, body.borrow_margin is not False, body.spot_leverage, staged.refusal, split)

    def _waits(self, order: Resting) -> bool:
        """Does the order wait at the speed bump?"""
        if order.terms.kind == "post_only":
            return False
        return self.exchange.options.bump == "takers" or self.exchange.markets[
            order.order.product_id
        ].book.crosses(order.order)

    def identify(self, body: PlaceOrder) -> tuple[str, str]:
        """The order's digest and who signed it. Raises `Refused`."""
        try:
            digest = order_digest(body.to_order(), self.exchange.chain_id)
        except ValueError as error:
            raise refused(2038) from error
        return "0x" + digest.hex(), self.signer_of(digest, body.signature)

    def signer_of(self, digest: bytes, signature: str) -> str:
        """The address that signed. Raises `Refused`: 2027 for a wrong length, 2034 for a wrong v, 2035 for
        what is no signature at all.
        """
        if len(signature) != SIGNATURE_CHARS or not signature.startswith("0x"):
            raise refused(2027)
        if signature[-2:].lower() not in {"1b", "1c"}:
            raise refused(2034)
        try:
            return recover(digest, signature)
        except ValueError as error:
            raise refused(2035, error=error) from error

    # -- telling ---------------------------------------------------------------------------------------------

    def publish(self) -> None:
        """Hand out what the engine has produced since the last time."""
        events, self.exchange.outbox = self.exchange.outbox, []
        for event in events:
            self.changes += not isinstance(event, Traded)
            if isinstance(event, FundingCharged | Moved):
                self.archive.record_money(event)
                continue
            if isinstance(event, Filled):
                self.archive.record(event)
            self.publisher.tell(event)
        self.publisher.look()

    # -- the clockwork ---------------------------------------------------------------------------------------

    async def _pay_funding(self) -> None:
        """At every full hour of the venue's clock, once, even if that clock is set back."""
        paid = self.now_ns() // PERIOD_NS
        while True:
            await trio.sleep((PERIOD_NS - self.now_ns() % PERIOD_NS) / 1e9)
            if self.now_ns() // PERIOD_NS > paid:
                paid = self.now_ns() // PERIOD_NS
                pay_funding(self.exchange, self.now_ns())
                liquidate_unhealthy(self.exchange, self.now_ns())
                self.publish()

    async def _settle_results(self) -> None:
        while self.exchange.options.settle_every_s:
            await trio.sleep(self.exchange.options.settle_every_s)
            settle_results(self.exchange, self.now_ns())
            self.publish()

    async def _expire_orders(self) -> None:
        while True:
            await trio.sleep(EXPIRY_S)
            self.exchange.expire(self.now_ns())
            self.publish()


def _mid(bids: Sequence[Level], asks: Sequence[Level]) -> Price | None:
    return Price((bids[0].price + asks[0].price) // 2) if bids and asks else None
