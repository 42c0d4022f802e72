"""Plans, quotes and small venues for actor tests. Real types, real digests, real signatures; only the far
side of the wire is made up.
"""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio

from messages.execution import AccountSnapshot, Doubt, Fill
from messages.lifecycle import Directive, Held, HeldLeg, Legging, Record, Totals, WorkingOrder
from messages.market import BookDelta, BookSnapshot, FundingRate, LegQuote, Level, PairQuote
from messages.money import MoneyAsk, MoneyEvent, MoneyRead
from messages.settings import Settings
from messages.sizing import LegOrder, QuoteTerms, Sealed, SizingPlan
from messages.units import DOLLAR_NEUTRAL, ONE, Base, Bps, Ms, Ns, Price, Quote, Rate
from messages.wire import digest
from runtime.clock import RunClock, VenueClock
from venue.nado.order_builder import NadoOrderBuilder
from venue.nado.signing import Signer, subaccount_hex
from venue.nado.socket import BATCH_MESSAGES
from venue.protocol import ArchivedOrder, ProductRules, Reply, SignedOrder, Unreachable, VenueRules

START_MS = 1_790_000_000_000
REST_MS, RECV_MS = 15_000, 2_000
KEY = Signer(b"\x11" * 32)
SENDER = subaccount_hex(KEY.address, "default")


def product(symbol: str, product_id: int, tick: str, step: str, oracle: str) -> ProductRules:
    long, short = Rate.of("0.975"), Rate.of("1.025")
    return ProductRules(
        symbol,
        product_id,
        Price.of(tick),
        Base.of(step),
        Quote(100 * ONE),
        Rate.of("0.00035"),
        Rate.of("0.0001"),
        long,
        short,
        Rate.of("0.9875"),
        Rate.of("1.0125"),
        Price.of(oracle),
        "live",
    )


RULES = VenueRules(
    "test",
    763373,
    "0x698d87105274292b5673367dec81874ce3633ac2",
    product("ETH-PERP", 4, "0.1", "0.001", "2756.9"),
    product("SOL-PERP", 8, "0.01", "0.1", "115.86"),
)
ORDER_BUILDER = NadoOrderBuilder(RULES, SENDER, KEY)


def venue_clock() -> VenueClock:
    return VenueClock(RunClock(START_MS * 1_000_000))


def ladder(best: str, tick: str, amount: str, *, up: bool, levels: int = 5) -> tuple[Level, ...]:
    sign = 1 if up else -1
    return tuple(
        Level(Price(Price.of(best) + sign * i * Price.of(tick)), Base.of(amount)) for i in range(levels)
    )


def quote(
    now_ms: int = START_MS,
    *,
    version: int = 1,
    age_ms: int = 0,
    eth_ask: str = "2756.9",
    sol_bid: str = "115.86",
    **changes: Any,
) -> PairQuote:
    """The founding prices: ETH's ask and SOL's bid, one tick wide, deep."""
    eth_bid, sol_ask = (
        Price(Price.of(eth_ask) - Price.of("0.1")).text(),
        Price(Price.of(sol_bid) + Price.of("0.01")).text(),
    )
    proven = Ms(now_ms - age_ms)
    eth = LegQuote(
        4,
        ladder(eth_bid, "0.1", "100", up=False),
        ladder(eth_ask, "0.1", "100", up=True),
        proven,
        Price.of(eth_ask),
        "live",
    )
    sol = LegQuote(
        8,
        ladder(sol_bid, "0.01", "1000", up=False),
        ladder(sol_ask, "0.01", "1000", up=True),
        proven,
        Price.of(sol_bid),
        "live",
    )
    whole = PairQuote(version, Ms(now_ms), eth, sol, True)
    return msgspec.structs.replace(whole, **changes)


def leg_order(product_id: int, amount: str, limit: str, *, reduce_only: bool = False) -> LegOrder:
    return LegOrder(
        product_id,
        Base.of(amount),
        Price.of(limit),
        "ioc" if reduce_only else "fok",
        reduce_only,
        Price.of(limit),
        Price.of(limit),
    )


def fake_plan(now_ms: int = START_MS, *, epoch: int = 1, seq: int = 1, **changes: Any) -> SizingPlan:
    """A sealed-looking entry: long 0.042 ETH, short 1.0 SOL."""
    whole = SizingPlan(
        epoch,
        seq,
        1,
        0,
        "enter",
        Ms(now_ms),
        Ms(now_ms + 2000),
        Ms(0),
        Ms(0),
        Ms(0),
        Bps(0),
        leg_order(4, "0.042", "2759.6"),
        leg_order(8, "-1", "115.75"),
    )
    return msgspec.structs.replace(whole, **changes)


def sealed(**changes: Any) -> Sealed:
    whole = fake_plan(**changes)
    return Sealed(whole, digest(whole))


def held(**changes: Any) -> Held:
    """Flat, fresh, allowed to enter."""
    fields: dict[str, Any] = {name: _ZERO[name] for name in Held.__struct_fields__ if name in _ZERO}
    fields |= changes
    for leg in ("eth", "sol"):
        parts = {"amount": leg} | {part: f"{leg}_{part}" for part in ("wanted", "vwap", "cash")}
        fields[leg] = HeldLeg(**{part: fields.pop(name) for part, name in parts.items() if name in fields})
    return Held(**fields)


def resting_bid(
    digest: str = "0xq", *, hedges: bool = False, opens: bool = True, **changes: Any
) -> WorkingOrder:
    """A bid for 0.4 ETH, decided now, that is given up after 10 s."""
    recv = Ms(START_MS + RECV_MS)
    doubt = Doubt(
        "eth",
        3,
        7,
        digest,
        4,
        Base.of("0.4"),
        Price.of("2756.8"),
        recv,
        Base(0),
        rests_until_ms=Ms(recv + REST_MS),
    )
    terms = QuoteTerms(
        "eth",
        opens=opens,
        eth=Base.of("0.4"),
        sol=Base.of("-9.5"),
        worst=Price.of("115.7"),
        rest=Ms(REST_MS),
        give_up_ms=Ms(START_MS + 10_000),
        hedges=hedges,
    )
    whole = WorkingOrder(doubt, terms, Ms(START_MS), acknowledged=True)
    return msgspec.structs.replace(whole, **changes)


_ZERO: dict[str, Any] = dict.fromkeys(Held.__struct_fields__, 0) | {
    "legging": Legging(),
    "totals": Totals(),
    "money_ask": MoneyAsk(due=False),
    "unpriced": (),
    "record": Record(),
    "maintenance_health": Quote(10_000 * ONE),
    "adopted": False,
    "rows": 1,
    "epoch": 1,
    "phase": "flat",
    "direction": "",
    "eth": Base(0),
    "sol": Base(0),
    "last_purpose": None,
    "filled_imbalance": None,
    "doubts": (),
    "working": (),
    "unexplained": False,
    "unfit": "",
    "too_small": (),
    "refused": (),
    "foreign": "",
    "no_entry": None,
    "account_ok": True,
    "awaiting_proof": False,
    "initial_health": Quote(10_000 * ONE),
    "value": Quote(10_000 * ONE),
    "hold": None,
    "pause": None,
    "hedge_ratio": DOLLAR_NEUTRAL,
}

FREE = Directive(enter=True, leave_now=False, reason="")
SETTINGS = Settings(target=Quote(100 * ONE))


class FakeWire:
    """An OrderWire that remembers what was put on it."""

    def __init__(self, reply: Reply | None = None) -> None:
        self.connected = True
        self.sent: list[SignedOrder] = []
        self.reply = reply or Reply("accepted", None, "")
        self.delay_s = 0.0

    async def place(self, signed: SignedOrder) -> Reply:
        self.sent.append(signed)
        await trio.sleep(self.delay_s)
        return self.reply

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["FakeWire"]:
        yield self


class FakeStream:
    """What was sent and not taken yet waits here; cut, it is `Unreachable`."""

    def __init__(self, receive: trio.MemoryReceiveChannel[Any]) -> None:
        self._receive = receive

    @property
    def backlog(self) -> int:
        return self._receive.statistics().current_buffer_used

    def __aiter__(self) -> "FakeStream":
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise Unreachable("cut") from None

    async def batch(self) -> list[Any]:
        batch = [await anext(self)]
        while len(batch) < BATCH_MESSAGES and self.backlog:
            batch.append(self._receive.receive_nowait())
        return batch


class FakeVenue:
    """Streams that a test feeds, and reads that answer from attributes; `down` makes every read
    Unreachable.
    """

    def __init__(self) -> None:
        self.reads = self
        self.order_builder = ORDER_BUILDER
        self.down = False
        self.books: dict[int, BookSnapshot] = {}
        self.asked: list[int] = []
        self.snapshot: AccountSnapshot | None = None
        self.archive: dict[str, ArchivedOrder] = {}
        self.traded: list[Fill] = []
        self.moved: list[MoneyEvent] = []
        self.rates: tuple[FundingRate, ...] = ()
        self.since: list[int | None] = []
        self.connections = 0
        self._feed: trio.MemorySendChannel[Any] | None = None

    def send(self, event: Any) -> None:
        assert self._feed is not None
        self._feed.send_nowait(event)

    def cut(self) -> None:
        assert self._feed is not None
        self._feed.close()

    @asynccontextmanager
    async def market_events(self, product_ids: Sequence[int]) -> AsyncIterator[FakeStream]:
        self.connections += 1
        if self.down:
            raise Unreachable("refused")
        self._feed, receive = trio.open_memory_channel[Any](1000)
        with receive:
            yield FakeStream(receive)

    @asynccontextmanager
    async def account_events(self) -> AsyncIterator[FakeStream]:
        async with self.market_events(()) as events:
            yield events

    async def book(self, product_id: int, depth: int = 100) -> BookSnapshot:
        self.asked.append(product_id)
        await self._answer()
        return self.books[product_id]

    async def account(self) -> AccountSnapshot:
        await self._answer()
        assert self.snapshot is not None
        return self.snapshot

    async def archived(self, digests: Sequence[str]) -> tuple[ArchivedOrder, ...]:
        await self._answer()
        return tuple(self.archive[digest] for digest in digests if digest in self.archive)

    async def money_since(self, events_after: int | None, payments_after: int | None) -> MoneyRead:
        await self._answer()
        through = max((event.idx for event in self.moved), default=-1)
        wanted = tuple(event for event in self.moved if events_after is None or event.idx > events_after)
        return MoneyRead(
            RULES.eth.product_id, RULES.sol.product_id, wanted, through, -1, first=events_after is None
        )

    async def funding_rates(self) -> tuple[FundingRate, ...]:
        await self._answer()
        return self.rates

    async def fills_since(self, after: int | None) -> tuple[Fill, ...]:
        self.since.append(after)
        await self._answer()
        return tuple(
            fill for fill in self.traded if after is not None and fill.submission_idx > after
        ) or tuple(self.traded[-1:] if after is None else ())

    async def status(self) -> str:
        await self._answer()
        return "active"

    async def rules(self) -> VenueRules:
        await self._answer()
        return RULES

    async def time_ms(self) -> Ms:
        await self._answer()
        return venue_clock().now_ms()

    async def _answer(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.down:
            raise Unreachable("no answer")


def book_snapshot(
    product_id: int, at_ms: int, bids: Sequence[tuple[str, str]], asks: Sequence[tuple[str, str]]
) -> BookSnapshot:
    return BookSnapshot(product_id, Ns(at_ms * 1_000_000), fake_levels(bids), fake_levels(asks))


def fake_levels(pairs: Sequence[tuple[str, str]]) -> tuple[Level, ...]:
    return tuple(Level(Price.of(price), Base.of(amount)) for price, amount in pairs)


def delta(
    product_id: int,
    at_ms: int,
    last_ms: int,
    bids: Sequence[tuple[str, str]] = (),
    asks: Sequence[tuple[str, str]] = (),
) -> BookDelta:
    return BookDelta(
        product_id,
        Ns(at_ms * 1_000_000),
        Ns(at_ms * 1_000_000),
        Ns(last_ms * 1_000_000),
        tuple((Price.of(price), Base.of(amount)) for price, amount in bids),
        tuple((Price.of(price), Base.of(amount)) for price, amount in asks),
    )


def seeded(seed: int) -> random.Random:
    return random.Random(seed)
