"""A venue whose market is the exchange's and whose account is on paper: the actors' `venue.protocol.Venue`.

    questions about the market    the exchange, by our client's own HTTP; the engine hears the answers
    the market's stream           the exchange, over our client's own socket; the engine hears every event
    orders, account, archive      the engine in this process, by function calls

An exchange that cannot be reached takes the paper account with it: whoever could not hear the market could
not have traded there either.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

import msgspec
import trio

from commands.paper.market import PaperMarket
from messages.execution import AccountSnapshot, Fill
from messages.market import BookDelta, BookSnapshot, FundingRate
from messages.money import MoneyRead
from messages.units import Base, Ms
from venue.nado.counts import TroubleTally
from venue.nado.http import CLOSE_S, HttpReads
from venue.nado.public_stream import public_stream
from venue.nado.socket import Dialer
from venue.nado.tracked_streams import TrackedStreams
from venue.protocol import (
    ASKED_S,
    AccountEvent,
    ArchivedOrder,
    Busy,
    EventStream,
    MarketEvent,
    OrderBuilder,
    OrderWire,
    Reads,
    Reply,
    SignedCancel,
    SignedOrder,
    Tradable,
    Unreachable,
    VenueRules,
)
from venue.simulated.direct.client import DirectVenue

BOOK_DEPTH = 100
"""Levels a side of a snapshot that a book may start over from; one of fewer is only looked at."""
T = TypeVar("T")


class PaperReads:
    """`venue.protocol.Reads`: the market by the exchange's own answers, the account by the engine's."""

    def __init__(self, public: HttpReads, account: Reads, market: PaperMarket, own: VenueRules) -> None:
        """`own`: the engine's rules, for its name, chain and contract, which are not the exchange's."""
        self._public = public
        self._account = account
        self._market = market
        self._own = own

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        with reaching(self._market):
            return await ask()

    async def time_ms(self) -> Ms:
        """The exchange's clock, ms since the epoch."""
        return await self._asked(self._public.time_ms)

    async def status(self) -> str:
        """`active`, or why nobody can trade at the exchange now."""
        word = await self._asked(self._public.status)
        self._market.take_status(word)
        return word

    async def rules(self) -> VenueRules:
        """The exchange's rules and fees, under the paper venue's name. Raises `VenueError`."""
        return self._heard(await self._asked(self._public.rules))

    async def rules_now(self) -> VenueRules:
        """The same, however little of the rate limit is left. Raises `VenueError`."""
        return self._heard(await self._asked(self._public.rules_now))

    def _heard(self, rules: VenueRules) -> VenueRules:
        self._market.take_rules(rules)
        return under_name_of(self._own, rules)

    async def tradable(self, within_s: float = ASKED_S) -> Tradable:
        """Can both products be traded at the exchange now? What is not answered in time is not said."""
        return await self._public.tradable(within_s)

    async def book(self, product_id: int, depth: int = BOOK_DEPTH) -> BookSnapshot:
        """A snapshot of the exchange's book, from which the engine's starts over. Raises `VenueError`."""
        with reaching(self._market):
            snapshot = await self._public.book(product_id, depth)
        if depth >= BOOK_DEPTH:
            self._market.load(snapshot)
        return snapshot

    async def funding_rates(self) -> tuple[FundingRate, ...]:
        """The exchange's current rates, which the engine charges from then on. The archive has a host of its
        own: without it the market is still there.
        """
        rates = await self._public.funding_rates()
        self._market.take_funding(rates)
        return rates

    async def account(self) -> AccountSnapshot:
        """The paper account. Raises `VenueError`, also while the exchange cannot be reached."""
        return await self._account.account()

    async def archived(self, digests: Sequence[str]) -> tuple[ArchivedOrder, ...]:
        """Those of `digests` that the engine's archive knows."""
        return await self._account.archived(digests)

    async def fills_since(self, after: int | None) -> tuple[Fill, ...]:
        """What the paper account traded after a submission index."""
        return await self._account.fills_since(after)

    async def money_since(self, events_after: int | None, payments_after: int | None) -> MoneyRead:
        """What moved the paper account's money otherwise than by a trade."""
        return await self._account.money_since(events_after, payments_after)


class PaperWire:
    """A leg's way to the engine; no order goes where the exchange's book is not known."""

    def __init__(self, wire: OrderWire, market: PaperMarket) -> None:
        self._wire = wire
        self._market = market

    @property
    def connected(self) -> bool:
        """Could an order be sent now?"""
        return self._wire.connected

    async def place(self, signed: SignedOrder) -> Reply:
        """Trade one order at the engine, once."""
        if not self._market.knows(signed.order.product_id):
            return Reply("not_sent", None, "the exchange's book is not known, and nothing trades on paper")
        return await self._wire.place(signed)


class PaperStream:
    """The exchange's public stream as market_data reads it: book batches. The engine hears each event before
    market_data does.
    """

    def __init__(self, events: EventStream[object], market: PaperMarket) -> None:
        self._events = events
        self._market = market

    @property
    def backlog(self) -> int:
        """Events that have arrived and were not taken yet."""
        return self._events.backlog

    def __aiter__(self) -> AsyncIterator[MarketEvent]:
        return self

    async def __anext__(self) -> MarketEvent:
        while True:
            with reaching(self._market):
                event = await anext(aiter(self._events))
            self._market.take((event,))
            if isinstance(event, BookDelta):
                return event

    async def batch(self) -> Sequence[MarketEvent]:
        """Book batches that have arrived together, one at least. Raises `Unreachable`."""
        batches: list[MarketEvent] = []
        while not batches:
            with reaching(self._market):
                events = await self._events.batch()
            self._market.take(events)
            batches = [event for event in events if isinstance(event, BookDelta)]
        return batches


class PaperVenue:
    """`venue.protocol.Venue`, put together of both sides."""

    def __init__(
        self,
        direct: DirectVenue,
        public: HttpReads,
        market: PaperMarket,
        gateway: str,
        dialer: Dialer,
        own: VenueRules,
    ) -> None:
        self._direct = direct
        self._public = public
        self._market = market
        self._gateway = gateway
        self._dialer = TrackedStreams(dialer)
        self._tally = TroubleTally("market stream")
        self._reads = PaperReads(public, direct.reads, market, own)

    @property
    def reads(self) -> Reads:
        """The market's answers from the exchange, the account's from the engine."""
        return self._reads

    @property
    def order_builder(self) -> OrderBuilder:
        """Builds and signs for the paper account."""
        return self._direct.order_builder

    @asynccontextmanager
    async def order_wire(self, name: str) -> AsyncIterator[OrderWire]:
        """A leg's way to the engine while the context is open."""
        async with self._direct.order_wire(name) as wire:
            yield PaperWire(wire, self._market)

    @asynccontextmanager
    async def market_events(self, product_ids: Sequence[int]) -> AsyncIterator[EventStream[MarketEvent]]:
        """Book batches of the exchange, for one connection's life. Raises `Refused` or `Unreachable`."""
        try:
            with reaching(self._market):
                async with public_stream(self._gateway, self._dialer, product_ids, self._tally) as events:
                    self._market.reached(is_there=True)
                    yield PaperStream(events, self._market)
        finally:
            self._market.lost()

    @asynccontextmanager
    async def account_events(self) -> AsyncIterator[EventStream[AccountEvent]]:
        """Fills, order updates and position changes of the paper account. Raises `Unreachable`."""
        async with self._direct.account_events() as events:
            yield events

    async def disconnect(self) -> None:
        """Give up every connection to the exchange and every stream of the engine, now."""
        await self._dialer.cut()
        await self._direct.disconnect()
        with trio.move_on_after(CLOSE_S):
            await self._public.aclose()

    def seen(self) -> tuple[tuple[str, str], ...]:
        """What the exchange's stream has seen, in one line."""
        return (("market stream", self._tally.counts.line()),)

    def budgets(self) -> tuple[tuple[str, int, int, int], ...]:
        """What was spent of the rate limits: name, window in ms, weight spent, weight allowed."""
        return self._direct.budgets()

    def unconnected(self) -> frozenset[str]:
        """The names of the order wires that could not send an order now."""
        return self._direct.unconnected()

    def rate_obstacle(self, orders: int, flatten_steps: int, legs: int = 2, rests: int = 0) -> str:
        """Why `orders` more orders and then closing everything would not fit into the exchange's rate limits;
        "" when they would.
        """
        return self._direct.rate_obstacle(orders, flatten_steps, legs, rests)

    async def cancel(self, product_id: int, digest: str) -> Base | None:
        """Cancel one order at the engine; what of it had not traded, None where no such order rests."""
        return await self._direct.cancel(product_id, digest)

    def sign_cancel(self, product_id: int, digest: str, recv_time_ms: Ms) -> SignedCancel:
        """That of the engine's client."""
        return self._direct.sign_cancel(product_id, digest, recv_time_ms)

    async def cancel_signed(self, signed: SignedCancel) -> Base | None:
        """`cancel`."""
        return await self._direct.cancel_signed(signed)

    async def cancel_all(self, product_ids: Sequence[int]) -> None:
        """Cancel every order of the paper account on these products."""
        await self._direct.cancel_all(product_ids)


def under_name_of(own: VenueRules, rules: VenueRules) -> VenueRules:
    """The exchange's rules as the paper venue's: its name, its chain and its contract, for which nothing of
    worth can be signed.
    """
    return msgspec.structs.replace(rules, venue=own.venue, chain_id=own.chain_id, endpoint=own.endpoint)


@contextmanager
def reaching(market: PaperMarket) -> Iterator[None]:
    """The exchange is asked something inside: whether it could be reached is what the market goes by. That
    we are over a limit, or something in front of it has no answer, says neither.
    """
    try:
        yield
    except Busy:
        raise
    except Unreachable:
        market.reached(is_there=False)
        raise
    market.reached(is_there=True)
