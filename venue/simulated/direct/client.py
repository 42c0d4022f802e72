"""The simulated exchange as a `venue.protocol.Venue` by function calls: one subaccount's client in the
exchange's own process. Orders are the wire's orders, with their digests and signatures; what carries them is
a call, and whatever a message takes on its way is `latency_s`.

    orders      SimulatedVenue.trade -> Reply         as `venue/nado/orders.py` judges an answer
    streams     Subscribers -> DirectStream           as `venue/nado/streams.py` reads frames
    questions   Exchange, Archive -> DirectReads      as `venue/nado/http.py` reads answers

What is only a matter of text (a false answer, a frame cut in the middle of a number) does not exist here:
`objection` names such staged faults.
"""

import math
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import trio

from messages.units import Base, Ms
from runtime.clock import VenueClock
from venue.nado.codec import DEFINITE_REFUSALS, NOT_RESTING, RATE_LIMITED
from venue.nado.order_builder import NadoOrderBuilder
from venue.nado.orders import LATEST_BEFORE_RECV_MS
from venue.nado.signing import Signer
from venue.nado.socket import background
from venue.nado.weights import CANCEL_WEIGHT, CANCEL_WEIGHT_PER_PRODUCT
from venue.protocol import (
    ANSWER_AFTER_RECV_MS,
    AccountEvent,
    Busy,
    EventStream,
    MarketEvent,
    OrderBuilder,
    OrderWire,
    Reads,
    Refused,
    Reply,
    SignedCancel,
    SignedOrder,
    Unreachable,
)
from venue.simulated.direct.reads import DirectReads, Link
from venue.simulated.direct.streams import (
    DirectStream,
    account_event,
    listening,
    market_event,
)
from venue.simulated.engine.codes import ExchangeRefusal, require
from venue.simulated.engine.exchange import Extras
from venue.simulated.faults.incidents import FalseAnswer, GatewayMode, Listing
from venue.simulated.faults.order_faults import AnswerLost, ConnectionCut, Faults
from venue.simulated.streams.subscribers import Topic
from venue.simulated.venue import SimulatedVenue

ACCOUNT_STREAMS = ("fill", "position_change", "order_update")
AGAIN_S = 0.25
"""How long a connection that was lost is away before it is made anew."""


def objection(faults: Faults) -> str:
    """Why `faults` cannot be staged without a wire, naming the kind; "" when they can."""
    kinds = {FalseAnswer: "says", Listing: "listing"}
    for incident in faults.incident:
        if type(incident) in kinds:
            return f"an incident of kind {kinds[type(incident)]!r} falsifies an answer's text"
        if isinstance(incident, GatewayMode) and incident.answer == "ip_query_only":
            return "the gate 'ip_query_only' is an HTTP status"
    return ""


class _Connection:
    """One connection of this client: up, or down for a moment after it was lost."""

    def __init__(self, venue: SimulatedVenue) -> None:
        self._venue = venue
        self._back_at = 0.0
        self.scope = trio.CancelScope()

    @property
    def up(self) -> bool:
        return not self._venue.incidents.down and trio.current_time() >= self._back_at

    def lost(self) -> None:
        """From now on it is down, for `AGAIN_S`."""
        self._back_at = trio.current_time() + AGAIN_S


class DirectOrderWire:
    """`venue.protocol.OrderWire` of one leg: one order at a time, sent once, answered or in doubt."""

    def __init__(self, name: str, link: Link, clock: VenueClock, signer: str, outside: trio.Nursery) -> None:
        """`signer`: the address that the orders' signatures yield. `outside`: where an order that has left
        goes on, whatever becomes of the leg.
        """
        self._name = name
        self._link = link
        self._clock = clock
        self._signer = signer
        self._outside = outside
        self._connection = _Connection(link.venue)
        self._busy = False

    @property
    def connected(self) -> bool:
        """Could an order be sent now?"""
        return self._connection.up

    async def place(self, signed: SignedOrder) -> Reply:
        """Send one order and wait for its answer, or until recv_time + 500 ms. Doubt is `unknown`."""
        if not self.connected:
            return Reply("not_sent", None, f"{self._name} is not connected")
        if self._busy:
            return Reply("not_sent", None, f"{self._name} has another order in flight")
        left_ms = signed.recv_time_ms - self._clock.now_ms()
        if left_ms < LATEST_BEFORE_RECV_MS:
            needed = f"of the receive window were left, {LATEST_BEFORE_RECV_MS} are needed"
            return Reply("not_sent", None, f"too late: {left_ms} ms {needed}")
        self._link.weights.place()
        answered, replies = trio.Event(), list[Reply]()

        async def carry() -> None:
            replies.append(await self._carried(signed))
            answered.set()

        self._busy = True
        within_s = max(0, left_ms + ANSWER_AFTER_RECV_MS) / 1000
        with trio.CancelScope(shield=True, deadline=trio.current_time() + within_s):
            self._outside.start_soon(carry)
            await answered.wait()
        self._busy = False
        reply = replies[0] if replies else Reply("unknown", None, "no answer in time")
        if reply.kind == "unknown" and reply.code is None:
            self._connection.lost()
        if reply.code in RATE_LIMITED:
            self._link.weights.limited_executes()
        return reply

    async def _carried(self, signed: SignedOrder) -> Reply:
        """The order on its way, at the exchange, and the answer on its way back."""
        link, order = self._link, signed.order
        try:
            await link.there()
            require("unavailable" not in link.venue.incidents.gates, 1004)
            require(link.venue.admission.may_ask("execute", order.sender[:42], 1), 1000)
            require(link.venue.status == "active", 2068)
            await link.venue.trade(order, signed.digest, self._signer, Extras())
            await link.back("place_order")
        except ExchangeRefusal as no:
            await link.venue.timetable.pause(link.latency_s)
            return Reply("refused" if no.code in DEFINITE_REFUSALS else "unknown", no.code, no.text)
        except AnswerLost:
            await trio.sleep(math.inf)
        except (ConnectionCut, Unreachable):
            return Reply("unknown", None, "the connection was lost before the answer")
        return Reply("accepted", None, "")


@asynccontextmanager
async def connected_directly(
    link: Link, sender: str, signer: Signer, clock: VenueClock, name: str
) -> AsyncIterator["DirectVenue"]:
    """The exchange behind `link` for one subaccount, while the context is open; `name` is what the rules call
    it. Raises `VenueError`.
    """
    reads = DirectReads(link, sender, name)
    rules = await reads.rules_now()
    async with background() as outside:
        venue = DirectVenue(link, reads, NadoOrderBuilder(rules, sender, signer), clock, outside)
        venue.sender, venue.signer = sender, signer.address
        outside.start_soon(venue.cut_when_down)
        yield venue


class DirectVenue:
    """One subaccount at one simulated exchange in this process; `connected_directly` makes it."""

    sender: str
    """bytes32 hex."""
    signer: str
    """The address that the orders' signatures yield."""

    def __init__(
        self,
        link: Link,
        reads: DirectReads,
        order_builder: NadoOrderBuilder,
        clock: VenueClock,
        outside: trio.Nursery,
    ) -> None:
        """`outside`: where orders that have left go on, whatever becomes of who sent them."""
        self._link = link
        self._reads = reads
        self._order_builder = order_builder
        self._clock = clock
        self._outside = outside
        self._wires: dict[str, DirectOrderWire] = {}
        self._streams: dict[DirectStream[MarketEvent] | DirectStream[AccountEvent], None] = {}

    async def cut_when_down(self) -> None:
        """A host that goes down takes its streams with it."""
        while True:
            await self._link.venue.incidents.changed.wait()
            if self._link.venue.incidents.down:
                await self.disconnect()

    @property
    def reads(self) -> Reads:
        """Questions about this subaccount and the pair."""
        return self._reads

    @property
    def order_builder(self) -> OrderBuilder:
        """Order building and signing for this subaccount."""
        return self._order_builder

    @asynccontextmanager
    async def order_wire(self, name: str) -> AsyncIterator[OrderWire]:
        """A leg's connection while the context is open."""
        self._link.weights.connect()
        wire = DirectOrderWire(name, self._link, self._clock, self.signer, self._outside)
        self._wires[name] = wire
        try:
            yield wire
        finally:
            if self._wires.get(name) is wire:
                del self._wires[name]

    @asynccontextmanager
    async def market_events(self, product_ids: Sequence[int]) -> AsyncIterator[EventStream[MarketEvent]]:
        """Book batches of the products. Raises `Unreachable` while the host is down."""
        stream = DirectStream(market_event, self._link.latency_s, self._link.venue.timetable)
        await self._connect()
        topics: list[Topic] = [("book_depth", each) for each in product_ids]
        with self._kept(stream), listening(self._link.venue.subscribers, topics, stream):
            yield stream

    @asynccontextmanager
    async def account_events(self) -> AsyncIterator[EventStream[AccountEvent]]:
        """Fills, order updates and position changes of the subaccount. Raises `Unreachable`."""
        stream = DirectStream(account_event, self._link.latency_s, self._link.venue.timetable)
        await self._connect()
        topics: list[Topic] = [(kind, self.sender, None) for kind in ACCOUNT_STREAMS]
        with self._kept(stream), listening(self._link.venue.subscribers, topics, stream):
            yield stream

    async def _connect(self) -> None:
        self._link.weights.connect()
        await self._link.there()

    @contextmanager
    def _kept(self, stream: DirectStream[MarketEvent] | DirectStream[AccountEvent]) -> Iterator[None]:
        self._streams[stream] = None
        try:
            yield
        finally:
            del self._streams[stream]

    async def disconnect(self) -> None:
        """Give up every stream, now; whoever needs one subscribes anew."""
        for stream in tuple(self._streams):
            stream.lose("disconnected")
        await trio.lowlevel.checkpoint()

    def seen(self) -> tuple[tuple[str, str], ...]:
        """Nothing: there are no connections whose traffic could be counted."""
        return ()

    def budgets(self) -> tuple[tuple[str, int, int, int], ...]:
        """What was spent of the rate limits: name, window in ms, weight spent, weight allowed."""
        return self._link.weights.spent()

    def unconnected(self) -> frozenset[str]:
        """The names of the order wires that could not send an order now."""
        return frozenset(name for name, wire in self._wires.items() if not wire.connected)

    def rate_obstacle(self, orders: int, flatten_steps: int, legs: int = 2, rests: int = 0) -> str:
        """Why `orders` more orders and then closing everything may not fit into the rate limits; "" when they
        do.
        """
        return self._link.weights.obstacle(orders, flatten_steps, legs, rests)

    async def cancel(self, product_id: int, digest: str) -> Base | None:
        """Cancel one order; what of it had not traded, unsigned. None: no such order rests. Raises
        `Unreachable`, `Refused`.
        """
        self._link.weights.cancel_order()
        await self._admitted(CANCEL_WEIGHT)
        venue, unfilled = self._link.venue, None
        try:
            order = venue.exchange.find(product_id, digest)
            require(order.order.sender == self.sender, 2014)
        except ExchangeRefusal as no:
            if no.code != NOT_RESTING:
                raise Refused(no.code, no.text) from None
        else:
            unfilled = Base(order.remaining)
            venue.exchange.cancel([order], venue.now_ns())
            venue.publish()
        await self._link.back("cancel_orders")
        return unfilled

    def sign_cancel(self, product_id: int, digest: str, recv_time_ms: Ms) -> SignedCancel:
        """Nothing is signed on this way, which has no frames: who has the client may cancel."""
        return SignedCancel(product_id, digest, 0, "", recv_time_ms)

    async def cancel_signed(self, signed: SignedCancel) -> Base | None:
        """`cancel`."""
        return await self.cancel(signed.product_id, signed.digest)

    async def _admitted(self, weight: int) -> None:
        """A request to cancel arrives and may be carried out. Raises `Unreachable`, `Refused` as staged."""
        await self._link.there()
        venue = self._link.venue
        if "unavailable" in venue.incidents.gates:
            raise Busy("execute: HTTP 503")
        if not venue.admission.may_ask("execute", self.sender[:42], weight):
            self._link.weights.limited_executes()
            raise Busy(f"execute: HTTP {venue.exchange.options.limited_status}")
        if venue.status != "active":
            raise Refused(2068, f"the venue is {venue.status}")

    async def cancel_all(self, product_ids: Sequence[int]) -> None:
        """Cancel every order of the subaccount on these products. Raises `Unreachable`, `Refused`;
        `ValueError` for an empty list.
        """
        if not product_ids:
            raise ValueError("cancel_all needs at least one product")
        self._link.weights.cancel(product_ids)
        await self._admitted(CANCEL_WEIGHT_PER_PRODUCT * len(product_ids))
        exchange = self._link.venue.exchange
        orders = [one for each in product_ids for one in exchange.open_orders(self.sender, each)]
        exchange.cancel(orders, self._link.venue.now_ns())
        self._link.venue.publish()
        await self._link.back("cancel_product_orders")
