"""Nado as a `venue.protocol.Venue`: one subaccount, four kinds of connection.

    HTTP  /v1/query, /v1/time, archive   questions, and cancellations                      `http`
    WS    /v1/ws         one per leg     signed orders                                     `orders`
    WS    /v1/subscribe  one             book batches of both products                     `streams`
    WS    /v1/subscribe  one             fills, order updates, position changes            `streams`

The same client speaks to the live venue and to the simulated one. Rules are read before there is a venue:
`HttpReads(...).rules()`.
"""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple, Self, cast

import trio

from messages.lifecycle import Note
from messages.units import Base, Ms
from runtime.clock import VenueClock
from runtime.observe import Observe
from venue.nado import codec
from venue.nado.counts import TroubleTally, WireCounts
from venue.nado.http import HttpReads
from venue.nado.order_builder import NadoOrderBuilder
from venue.nado.orders import order_wire
from venue.nado.signing import (
    Signer,
    cancellation_digest,
    cancellation_products_digest,
    order_nonce,
    stream_authentication_digest,
)
from venue.nado.socket import CLOSE_S, Dialer
from venue.nado.streams import subscribed
from venue.nado.tracked_streams import TrackedStreams
from venue.nado.weights import Metering, WalletSpending, Weights
from venue.protocol import (
    AccountEvent,
    EventStream,
    MarketEvent,
    OrderBuilder,
    OrderWire,
    Reads,
    Refused,
    SignedCancel,
    VenueRules,
)

if TYPE_CHECKING:
    import httpx

AUTHENTICATION_MS = 90_000
"""How long a stream's authentication is valid; the venue allows 100 s ahead."""
CANCEL_RECV_MS = 10_000
"""How long a cancellation may be under way."""
_LOW20 = 1 << 20


class SigningAccount(NamedTuple):
    """For whom a client acts, and with which key."""

    sender: str
    """bytes32 hex: owner address and subaccount name."""
    signer: Signer | None
    """None for whoever only looks: then nothing that needs a signature works."""


class Addresses(NamedTuple):
    """Base URLs (http(s)://host:port) without `/v1`; sockets go to the gateway's host."""

    gateway: str
    archive: str | None = None
    """A host of its own live; None = the gateway's."""


class Transports(NamedTuple):
    """What connections are made with: sockets by `dialer`, HTTP by `http` (None = TCP), reconnects spread by
    `seed`.
    """

    dialer: Dialer
    http: "httpx.AsyncBaseTransport | None" = None
    seed: int = 0


class NadoVenue:
    """One subaccount at one Nado. Use it in `async with`, or call `aclose`."""

    def __init__(
        self,
        addresses: Addresses,
        rules: VenueRules,
        account: SigningAccount,
        clock: VenueClock,
        transports: Transports,
        observe: Observe = lambda _message: None,
    ) -> None:
        self._gateway = addresses.gateway.rstrip("/") + "/v1"
        self._rules = rules
        self._sender, self._signer = account
        self._clock = clock
        self._dialer = TrackedStreams(transports.dialer)
        self._chance = random.Random(transports.seed)  # noqa: S311 - jitter and the free bits of a nonce
        self._observe = observe
        self._order_builder = NadoOrderBuilder(rules, *account)
        self._tallies: dict[str, TroubleTally] = {}
        self._wires: dict[str, OrderWire] = {}
        self._weights = Weights()
        self._http = HttpReads(
            addresses.gateway,
            account.sender,
            name=rules.venue.partition(":")[0],
            archive_url=addresses.archive,
            transport=transports.http,
            metering=Metering(self._tally("http"), self._weights),
        )
        self._http.known((rules.eth.product_id, rules.sol.product_id))
        self.raw = self._http.raw
        """What was said about our own orders, word for word, on all connections of this client."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_details: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the HTTP connections. Sockets end with their own contexts."""
        await self._http.aclose()

    @property
    def reads(self) -> Reads:
        """Questions over HTTP about this subaccount and the pair."""
        return self._http

    @property
    def order_builder(self) -> OrderBuilder:
        """Order building for this subaccount, and signing if there is a key."""
        return self._order_builder

    @property
    def counts(self) -> tuple[WireCounts, ...]:
        """What every connection of this client has seen so far, reconnects included: HTTP, both streams,
        each leg's.
        """
        return tuple(tally.counts for tally in self._tallies.values())

    def seen(self) -> tuple[tuple[str, str], ...]:
        """The same in words: each connection's name and its counts that are not 0."""
        return tuple((counts.name, counts.line()) for counts in self.counts)

    def rate_obstacle(self, orders: int, flatten_steps: int, legs: int = 2, rests: int = 0) -> str:
        """Why `orders` more orders and then closing everything may not fit into the venue's rate limits
        now; "" when they do.
        """
        return self._weights.obstacle(orders, flatten_steps, legs, rests)

    def share(self, wallet: WalletSpending) -> None:
        """Count executes together with the wallet's other processes."""
        self._weights.share(wallet)

    def budgets(self) -> tuple[tuple[str, int, int, int], ...]:
        """What was spent of the rate limits: name, window in ms, weight spent, weight allowed."""
        return self._weights.spent()

    def unconnected(self) -> frozenset[str]:
        """The names of the order wires that somebody has open and that could not send an order now."""
        return frozenset(name for name, wire in self._wires.items() if not wire.connected)

    @asynccontextmanager
    async def order_wire(self, name: str) -> AsyncIterator[OrderWire]:
        """A leg's connection, kept up in the background while the context is open."""
        source = random.Random(f"{name} {self._chance.random()}")  # noqa: S311 - jitter
        url = f"{self._gateway}/ws"
        metering = Metering(self._tally(name), self._weights)
        async with order_wire(name, url, self._dialer, self._clock, source, metering, self.raw) as wire:
            self._wires[name] = wire
            try:
                yield wire
            finally:
                if self._wires.get(name) is wire:
                    del self._wires[name]

    @asynccontextmanager
    async def market_events(self, product_ids: Sequence[int]) -> AsyncIterator[EventStream[MarketEvent]]:
        """Book batches of the products, for one connection's life. Entered = subscribed. Raises `Refused`
        or `Unreachable`.
        """
        streams = [codec.book_depth(product_id) for product_id in product_ids]
        self._weights.connect()
        async with subscribed(
            f"{self._gateway}/subscribe", self._dialer, streams, self._tally("market stream")
        ) as events:
            yield cast("EventStream[MarketEvent]", events)

    @asynccontextmanager
    async def account_events(self) -> AsyncIterator[EventStream[AccountEvent]]:
        """Fills, order updates and position changes of the subaccount, authenticated, in order. Raises
        `Refused` or `Unreachable`.
        """
        expiration_ms = self._clock.now_ms() + AUTHENTICATION_MS
        digest = stream_authentication_digest(
            self._sender, expiration_ms, self._rules.chain_id, self._rules.endpoint
        )
        authentication = expiration_ms, self._key().sign(digest)
        streams, tally = codec.account_streams(self._sender), self._tally("account stream")
        self._weights.connect()
        async with subscribed(
            f"{self._gateway}/subscribe", self._dialer, streams, tally, self._sender, authentication, self.raw
        ) as events:
            yield cast("EventStream[AccountEvent]", events)

    async def disconnect(self) -> None:
        """Give up every connection there is: sockets, and what HTTP keeps open. Each is made anew by
        whoever needs it.
        """
        await self._dialer.cut()
        with trio.move_on_after(CLOSE_S):  # saying goodbye on a dead line would wait for it
            await self._http.aclose()

    async def cancel(self, product_id: int, digest: str) -> Base | None:
        """Cancel one order; what of it had not traded, unsigned. None: no such order rests, which is no
        error. Raises `VenueError`.

        It is sent again, with a nonce of its own, by whoever has had no answer: one that comes late finds
        that the order has ended.
        """
        soon = Ms(self._clock.now_ms() + CANCEL_RECV_MS)
        return await self.cancel_signed(self.sign_cancel(product_id, digest, soon))

    def sign_cancel(self, product_id: int, digest: str, recv_time_ms: Ms) -> SignedCancel:
        """The cancellation of one order, with a nonce of its own. Raises `ValueError` without a key."""
        nonce = order_nonce(recv_time_ms, self._chance.randrange(_LOW20))
        signing = cancellation_digest(
            self._sender, [product_id], [digest], nonce, self._rules.chain_id, self._rules.endpoint
        )
        return SignedCancel(product_id, digest, nonce, self._key().sign(signing), recv_time_ms)

    async def cancel_signed(self, signed: SignedCancel) -> Base | None:
        """`cancel`, with what was signed before."""
        frame = codec.cancel_orders(
            self._sender, [signed.product_id], [signed.digest], signed.nonce, signed.signature
        )
        self._weights.cancel_order()
        try:
            return await self._http.cancelled(frame, signed.digest)
        except Refused as error:
            if error.code != codec.NOT_RESTING:
                raise
            return None

    async def cancel_all(self, product_ids: Sequence[int]) -> None:
        """Cancel every order of the subaccount on these products. Raises `VenueError`.

        `ValueError` for an empty list: the venue would read it as all products.
        """
        if not product_ids:
            raise ValueError("cancel_all needs at least one product")
        nonce = self._nonce()
        digest = cancellation_products_digest(
            self._sender, product_ids, nonce, self._rules.chain_id, self._rules.endpoint
        )
        self._weights.cancel(product_ids)
        await self._http.execute(
            codec.cancel_product_orders(self._sender, product_ids, nonce, self._key().sign(digest))
        )

    def _nonce(self) -> int:
        return order_nonce(self._clock.now_ms() + CANCEL_RECV_MS, self._chance.randrange(_LOW20))

    def _key(self) -> Signer:
        if self._signer is None:
            raise ValueError(f"there is no key to sign for {self._sender}")
        return self._signer

    def _tally(self, name: str) -> TroubleTally:
        """The counts of one connection and its successors."""
        if name not in self._tallies:
            self._tallies[name] = TroubleTally(
                name, lambda text: self._observe(Note(self._clock.utc_ns(), "warning", name, text))
            )
        return self._tallies[name]
