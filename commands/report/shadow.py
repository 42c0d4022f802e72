"""The orders that rested, once more: what the queue model fills of them, on a recording of the same time.

A comparison of policies on recordings is worth what its model of the queue is worth
(`venue/simulated/engine/queue.py`). Here the model is asked about orders that really rested: each is placed
when the exchange said that it was, and stays until it was cancelled, or where it filled until it would have
expired. How far the model's fills, and the adverse moves after them, are from the real ones is the model's
error. It is reckoned afterwards, from files: nothing that trades knows of it.

A recording of a real exchange holds our own orders: what it shows at their price when they came may be more
than stood ahead, so that the model waits longer than it need.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from commands.report.cycle_execution import OrderFill, RestedOrder
from messages.units import Base, Ns, Price, Quote, notional
from venue.nado.appendix import appendix_of
from venue.nado.signing import order_nonce
from venue.protocol import Order
from venue.simulated.engine.codes import ExchangeRefusal
from venue.simulated.engine.exchange import Exchange
from venue.simulated.engine.rules import DEFAULT_PRODUCTS
from venue.simulated.engine.treasury import deposit
from venue.simulated.markets import BookChange, PriceSource

OWNER = "0x" + "5d" * 20
SENDER = OWNER + "00" * 12
FUNDS = Quote.of("1000000000000")
"""Of the model's account: no order is refused for want of margin."""
NEVER_S = 4_294_967_295
RECV_MS = 1_000


class ShadowOrder(msgspec.Struct, frozen=True):
    """One order, as it was and as the model has it."""

    order: RestedOrder
    fills: tuple[OrderFill, ...]
    """The model's."""
    refused: bool = False
    """Would the model have refused it, because the recorded book was met by its price when it came?"""

    @property
    def filled(self) -> int:
        """By the model, unsigned."""
        return sum(abs(fill.amount) for fill in self.fills)


def shadows(market: PriceSource, began_ns: int, orders: Iterable[RestedOrder]) -> Mapping[str, ShadowOrder]:
    """By digest, the orders whose whole time `market`, which begins at `began_ns`, has recorded. Raises what
    the market raises.
    """
    waiting = sorted((each for each in orders if each.from_ns >= began_ns), key=lambda each: each.from_ns)
    model, found = _Model(), dict[str, ShadowOrder]()
    for move in market.moves() if waiting else ():
        at_ns = began_ns + move.at_ns
        found.update(model.ended(at_ns))
        while waiting and waiting[0].from_ns < at_ns:
            model.place(waiting.pop(0))
        found.update(model.ended(at_ns))
        if not waiting and not model.resting:
            break
        model.move(move, at_ns)
    return found


class _Model:
    """The simulated exchange's own matching, without clock, streams and accounts that matter."""

    def __init__(self) -> None:
        self._exchange = Exchange()
        self._ids = {product.symbol[:3].lower(): product.product_id for product in DEFAULT_PRODUCTS}
        self.resting: dict[str, RestedOrder] = {}
        self._refused: set[str] = set()
        self._funded = False

    def move(self, move: BookChange, at_ns: int) -> None:
        """The market moves: trades first, then the levels that they have left."""
        exchange, product = self._exchange, self._ids[move.product]
        for trade in move.trades:
            exchange.market_trade(product, trade.price, trade.amount, at_ns, is_taker_buyer=trade.taker_buys)
        exchange.move(product, move.bids, move.asks, at_ns)
        if move.oracle is not None:
            exchange.set_oracle(product, move.oracle, at_ns)
        exchange.outbox.clear()

    def place(self, order: RestedOrder) -> None:
        """At its moment, behind all that the recording shows."""
        if not self._funded:
            deposit(self._exchange, SENDER, FUNDS, order.from_ns)
            self._funded = True
        at_ms = order.from_ns // 1_000_000
        wire = Order(
            self._ids[order.leg],
            SENDER,
            Price(order.price),
            Base(order.amount),
            NEVER_S,
            order_nonce(at_ms + RECV_MS, len(self.resting)),
            appendix_of("post_only", reduce_only=False),
        )
        self.resting[order.digest] = order
        try:
            arrived = self._exchange.arrive(wire, order.digest, OWNER, order.from_ns)
            self._exchange.match(arrived, order.from_ns)
        except ExchangeRefusal:
            self._refused.add(order.digest)

    def ended(self, at_ns: int) -> Sequence[tuple[str, ShadowOrder]]:
        """Those whose time was over before `at_ns`, withdrawn."""
        over = [order for order in self.resting.values() if order.until_ns < at_ns]
        return [(order.digest, self._withdrawn(order)) for order in over]

    def _withdrawn(self, order: RestedOrder) -> ShadowOrder:
        del self.resting[order.digest]
        known = self._exchange.order_log.known(order.digest)
        fills = tuple(known.fills) if known is not None else ()
        left = self._exchange.markets[self._ids[order.leg]].open_orders.get(order.digest)
        if left is not None:
            self._exchange.cancel([left], Ns(order.until_ns))
        return ShadowOrder(
            order,
            tuple(
                OrderFill(
                    order.leg,
                    int(fill.at_ns),
                    int(fill.amount),
                    int(notional(fill.price, fill.amount)),
                    order.mid,
                    True,
                )
                for fill in fills
            ),
            order.digest in self._refused,
        )
