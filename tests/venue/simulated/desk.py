"""A small trading desk for the tests of the simulated venue: orders with real digests and signatures,
books drawn by hand.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
import trio

from messages.market import Level
from messages.units import Base, Price, Quote
from runtime.clock import RunClock
from tests.venue.nado.appendices import Appendix, pack
from venue.nado.appendix import OrderKind
from venue.nado.signing import Signer, order_digest, order_nonce, subaccount_hex
from venue.nado.socket import Socket, open_socket
from venue.protocol import Order
from venue.simulated.engine.codes import ExchangeRefusal
from venue.simulated.engine.events import Event
from venue.simulated.engine.exchange import Exchange
from venue.simulated.engine.order_log import LoggedOrder
from venue.simulated.engine.rules import VenueOptions
from venue.simulated.engine.treasury import deposit
from venue.simulated.faults.order_faults import NO_FAULTS, Faults
from venue.simulated.gateway.asgi import application
from venue.simulated.gateway.memory import MemoryDialer
from venue.simulated.markets import BookChange, market_named
from venue.simulated.persistence import SavedVenue, restore
from venue.simulated.venue import SimulatedVenue

START_NS = 1_790_000_000_000_000_000
ETH, SOL = 4, 8
OURS, THEIRS = Signer(b"\x11" * 32), Signer(b"\x22" * 32)
ME, OTHER = subaccount_hex(OURS.address, "default"), subaccount_hex(THEIRS.address, "default")


def levels(*pairs: tuple[str, str]) -> tuple[Level, ...]:
    return tuple(Level(Price.of(price), Base.of(amount)) for price, amount in pairs)


def order(
    amount: str,
    price: str,
    kind: OrderKind = "ioc",
    *,
    product_id: int = ETH,
    reduce_only: bool = False,
    sender: str = ME,
    recv_time_ms: int = START_NS // 1_000_000 + 50_000,
    low20: int = 0,
    expiration_s: int = 4_294_967_295,
    appendix: int | None = None,
) -> Order:
    packed = pack(Appendix(kind, reduce_only)) if appendix is None else appendix
    return Order(
        product_id,
        sender,
        Price.of(price),
        Base.of(amount),
        expiration_s,
        order_nonce(recv_time_ms, low20),
        packed,
    )


@dataclass
class Desk:
    """An exchange without any clock: each step is a microsecond after the one before."""

    exchange: Exchange
    now_ns: int = START_NS
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 1_000_000)))

    def later(self) -> int:
        self.now_ns += 1_000
        return self.now_ns

    def place(self, wanted: Order, *, sender: Signer | None = None) -> LoggedOrder:
        """Arrive and match at once. Raises `ExchangeRefusal`."""
        unique = msgspec.structs.replace(wanted, nonce=wanted.nonce + next(self.numbers))
        signer = sender or (OURS if wanted.sender == ME else THEIRS)
        digest = "0x" + order_digest(unique, self.exchange.chain_id).hex()
        resting = self.exchange.arrive(unique, digest, signer.address, self.later())
        self.exchange.match(resting, self.later())
        return self.exchange.order_log[-1]

    def code(self, wanted: Order, **how: Any) -> int:
        """The code an order is refused with; 0 when it is accepted, -1 when the refusal has no words or is
        not in the order log.
        """
        try:
            self.place(wanted, **how)
        except ExchangeRefusal as no:
            return no.code if no.text and self.exchange.order_log[-1].code == no.code else -1
        return 0

    def events(self) -> list[Event]:
        events, self.exchange.outbox = self.exchange.outbox, []
        return events

    def draw(self, product_id: int, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        self.exchange.move(product_id, bids, asks, self.later())


def desk(*, options: VenueOptions | None = None, funds: str = "10000") -> Desk:
    """Both products priced and booked, two funded accounts, nothing in the outbox."""
    made = Desk(Exchange(options=options))
    for name in (ME, OTHER):
        deposit(made.exchange, name, Quote.of(funds), made.later())
    made.exchange.set_oracle(ETH, Price.of("2756.9"))
    made.exchange.set_oracle(SOL, Price.of("115.86"))
    made.draw(ETH, levels(("2756.8", "1"), ("2756.7", "5")), levels(("2756.9", "1"), ("2757.0", "5")))
    made.draw(SOL, levels(("115.86", "10"), ("115.85", "100")), levels(("115.87", "10"), ("115.88", "100")))
    made.events()
    return made


# -- the running venue ---------------------------------------------------------------------------------------


class ScriptedMarket:
    """A market that plays the moves given to it."""

    def __init__(self, *moves: BookChange) -> None:
        self._moves = moves

    def moves(self) -> Iterator[BookChange]:
        yield from market_named("flat:2756.9/115.86", 7).moves()
        yield from self._moves


@dataclass
class Floor:
    """A running venue, its dialer and its HTTP."""

    venue: SimulatedVenue
    dialer: MemoryDialer
    http: httpx.AsyncClient
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 1_000_000)))

    def frame(
        self, wanted: Order, *, order_id: int | None = None, signer: Signer = OURS, unique: bool = True
    ) -> str:
        """The execute that places `wanted`, signed; a nonce of its own unless told otherwise."""
        if unique:
            wanted = msgspec.structs.replace(wanted, nonce=wanted.nonce + next(self.numbers))
        body: dict[str, Any] = {
            "product_id": wanted.product_id,
            "order": {
                "sender": wanted.sender,
                "priceX18": str(int(wanted.price)),
                "amount": str(int(wanted.amount)),
                "expiration": str(wanted.expiration_s),
                "nonce": str(wanted.nonce),
                "appendix": str(wanted.appendix),
            },
            "signature": signer.sign(order_digest(wanted, self.venue.exchange.chain_id)),
        }
        return msgspec.json.encode(
            {"place_order": body if order_id is None else {**body, "id": order_id}}
        ).decode()

    async def post(self, path: str, body: object) -> Any:
        content = body if isinstance(body, str) else msgspec.json.encode(body)
        return (await self.http.post(f"http://venue{path}", content=content)).json()

    async def query(self, **params: object) -> Any:
        return (await self.post("/v1/query", params))["data"]

    @asynccontextmanager
    async def socket(self, path: str) -> AsyncIterator["Line"]:
        async with open_socket(f"ws://venue{path}", self.dialer) as socket:
            yield Line(socket)


@dataclass
class Line:
    """One socket, in objects instead of texts."""

    socket: Socket

    async def send(self, frame: object) -> None:
        await self.socket.send(frame if isinstance(frame, str) else msgspec.json.encode(frame).decode())

    async def read(self) -> Any:
        return msgspec.json.decode(await self.socket.receive())

    async def ask(self, frame: object) -> Any:
        await self.send(frame)
        return await self.read()

    async def subscribe(self, *streams: dict[str, Any]) -> None:
        assert await self.ask({"method": "subscribe_multi", "streams": streams, "id": 1}) == {
            "result": None,
            "id": 1,
        }


@asynccontextmanager
async def floor(
    *moves: BookChange, faults: Faults = NO_FAULTS, kept: SavedVenue | None = None
) -> AsyncIterator[Floor]:
    """A venue on virtual time with a flat book and, after it, `moves`; both accounts funded, or everything
    as it was `kept`.
    """
    venue = SimulatedVenue(Exchange(options=faults.venue), ScriptedMarket(*moves), RunClock(START_NS), faults)
    if kept is not None:
        restore(venue, kept)
    for name in () if kept else (ME, OTHER):
        venue.fund(name, Quote.of(10_000))
    async with trio.open_nursery() as nursery:
        await nursery.start(venue.run)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=application(venue))) as http:
            yield Floor(venue, MemoryDialer(venue, nursery), http)
        nursery.cancel_scope.cancel()
