"""An order of ours that rests at the simulated exchange, from its placing to its end: by the client in the
exchange's own process and over the gateway, which must say the same.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import msgspec
import pytest
import trio
from trio.testing import MockClock

from messages.execution import Fill, OrderUpdate
from messages.sizing import LegOrder, QuoteTerms, SizingPlan, TimeInForce
from messages.units import Base, Bps, Ms, Price, Quote, Rate, notional
from messages.wire import digest
from runtime.clock import RunClock, VenueClock
from tests.venue.simulated.desk import ETH, OTHER, START_NS, levels, order
from venue.nado.client import Addresses, NadoVenue, SigningAccount, Transports
from venue.nado.http import HttpReads
from venue.nado.signing import Signer, order_digest
from venue.nado.weights import Weights
from venue.order_consistency import Charges, SignedTerms, fill_mismatch
from venue.protocol import AccountEvent, Refused, Reply, SignedOrder, Unreachable, Venue
from venue.simulated.direct.client import connected_directly
from venue.simulated.direct.reads import Link
from venue.simulated.engine.accounts import fee_on
from venue.simulated.engine.exchange import Exchange, Extras
from venue.simulated.engine.rules import VenueOptions
from venue.simulated.faults.incidents import GatewayMode, Status
from venue.simulated.faults.order_faults import NO_FAULTS, DisturbReply, Faults
from venue.simulated.gateway.asgi import application
from venue.simulated.gateway.memory import MemoryDialer
from venue.simulated.markets import market_named
from venue.simulated.venue import SimulatedVenue
from venue.throwaway import THROWAWAY_KEY, THROWAWAY_SENDER

Way = Literal["direct", "gateway"]
WAYS: tuple[Way, ...] = ("direct", "gateway")
both_ways = pytest.mark.parametrize("way", WAYS)
NOT_FOUND = "0x" + "ab" * 32
BEGIN_NS = START_NS + 300_000_000
"""Not on a full second, at which orders expire: what the exchange does every second is then not prompt by
chance.
"""


@dataclass
class Client:
    """One account at one exchange, with a leg's wire and all that was told of it."""

    exchange: SimulatedVenue
    venue: Venue
    wire: Any
    told: list[AccountEvent] = field(default_factory=list)
    plans: dict[str, SizingPlan] = field(default_factory=dict)
    """By the digest of their ETH order."""

    def signed(
        self,
        amount: str,
        price: str,
        kind: TimeInForce = "post_only",
        *,
        rest: int = 15_000,
        reduce_only: bool = False,
    ) -> SignedOrder:
        """An ETH order as the plan's own builder makes it."""
        now = self.exchange.now_ms()
        eth = LegOrder(
            4, Base.of(amount), Price.of(price), kind, reduce_only, Price.of(price), Price.of(price)
        )
        sol = LegOrder(8, Base(0), Price.of("115.86"), "ioc", False, Price(0), Price(0))
        terms = QuoteTerms("eth", True, eth.amount, Base.of("-1"), Price.of("115"), Ms(rest), Ms(0))
        number = len(self.plans) + 1
        times = now, Ms(now + 2_000), Ms(0), Ms(0), Ms(0)
        plan = SizingPlan(1, number, 1, 0, "quote", *times, Bps(0), eth, sol)
        plan = msgspec.structs.replace(plan, quote=terms if kind == "post_only" else None)
        made = self.venue.order_builder.sign(self.venue.order_builder.order_of(plan, digest(plan), "eth"))
        self.plans[made.digest] = plan
        return made

    async def place(self, *wanted: str, **named: Any) -> tuple[str, Reply]:
        """Digest and answer of an order that is sent over the leg's wire."""
        signed = self.signed(*wanted, **named)  # type: ignore[arg-type]
        return signed.digest, await self.wire.place(signed)

    async def rests(self, *wanted: str, **named: Any) -> str:
        """The digest of an order that was taken and rests."""
        digest, reply = await self.place(*wanted, **named)
        assert reply == Reply("accepted", None, "")
        return digest

    def sells_to_us(self, price: str, amount: str) -> None:
        """Somebody sells at the market."""
        self.exchange.exchange.market_trade(
            ETH, Price.of(price), Base.of(amount), self.exchange.now_ns(), is_taker_buyer=False
        )
        self.exchange.publish()

    async def heard(self, kind: type[Any], digest: str) -> list[Any]:
        """What has been told of an order by the time that nothing is under way any more."""
        await trio.sleep(0.1)
        return [each for each in self.told if type(each) is kind and each.order_digest == digest]

    def misfits(self, fills: Sequence[Fill]) -> list[Any]:
        """What of them does not fit the order, at the account's own rates."""
        rules = self.exchange.exchange.markets[ETH].product
        charges = Charges(int(rules.taker_fee), int(rules.min_size), int(rules.maker_fee))
        return [
            fill_mismatch(SignedTerms.of_plan(self.plans[fill.order_digest], "eth", charges), (), fill)
            for fill in fills
        ]


@asynccontextmanager
async def client(way: Way, faults: Faults = NO_FAULTS) -> AsyncIterator[Client]:
    """An account with 10,000 USDT0 at an exchange whose books stand still at 2756.8/2756.9."""
    exchange = SimulatedVenue(
        Exchange(options=faults.venue), market_named("flat:2756.9/115.86", 7), RunClock(BEGIN_NS), faults
    )
    for account in (THROWAWAY_SENDER, OTHER):
        exchange.fund(account, Quote.of(10_000))
    clock, signer = VenueClock(RunClock(BEGIN_NS)), Signer(THROWAWAY_KEY)
    async with trio.open_nursery() as outside:
        await outside.start(exchange.run)
        exchange.exchange.move(
            ETH, levels(("2756.8", "1")), levels(("2756.9", "1"), ("2757.0", "5")), exchange.now_ns()
        )
        transport = httpx.ASGITransport(app=application(exchange))
        made: Any
        if way == "direct":
            made = connected_directly(
                Link(exchange, 0.001, Weights()), THROWAWAY_SENDER, signer, clock, "simulated"
            )
        else:
            async with HttpReads(
                "http://venue", THROWAWAY_SENDER, name="simulated", transport=transport
            ) as http:
                rules = await http.rules()
            made = NadoVenue(
                Addresses("http://venue"),
                rules,
                SigningAccount(THROWAWAY_SENDER, signer),
                clock,
                Transports(MemoryDialer(exchange, outside), transport),
            )
        async with made as venue, venue.order_wire("eth_leg") as wire, venue.account_events() as events:
            here = Client(exchange, venue, wire)

            async def listen() -> None:
                async for event in events:
                    here.told.append(event)

            async with trio.open_nursery() as inside:
                inside.start_soon(listen)
                await trio.sleep(0.1)
                yield here
                inside.cancel_scope.cancel()
        outside.cancel_scope.cancel()


# -- cancelled -----------------------------------------------------------------------------------------------


@both_ways
@pytest.mark.parametrize(("amount", "price"), [("0.05", "2756.8"), ("-0.05", "2756.9")])
async def test_a_cancellation_says_what_had_not_traded_and_the_second_that_nothing_rests(
    way: Way, amount: str, price: str, autojump_clock: MockClock
) -> None:
    async with client(way) as here:
        digest = await here.rests(amount, price)
        assert (await here.venue.reads.account()).open_orders == (digest,)
        assert await here.venue.cancel(ETH, digest) == Base.of("0.05")
        assert await here.venue.cancel(ETH, digest) is None
        assert await here.venue.cancel(ETH, NOT_FOUND) is None
        assert (await here.venue.reads.account()).open_orders == ()
        updates = await here.heard(OrderUpdate, digest)
        assert [(each.reason, each.remaining) for each in updates] == [
            ("placed", Base.of("0.05")),
            ("cancelled", 0),
        ]


@both_ways
async def test_a_cancellation_of_what_has_traded_in_part_names_the_rest(
    way: Way, autojump_clock: MockClock
) -> None:
    async with client(way) as here:
        digest = await here.rests("0.05", "2756.8")
        here.sells_to_us("2756.8", "1.02")  # one ETH stood there before ours
        assert await here.venue.cancel(ETH, digest) == Base.of("0.03")
        assert [fill.amount for fill in await here.heard(Fill, digest)] == [Base.of("0.02")]


@both_ways
async def test_a_cancellation_that_lost_the_race_to_the_last_fill_finds_nothing(
    way: Way, autojump_clock: MockClock
) -> None:
    """Lesson O7: what failed to cancel had filled."""
    async with client(way) as here:
        digest = await here.rests("0.05", "2756.8")
        here.sells_to_us("2756.7", "2")
        assert await here.venue.cancel(ETH, digest) is None
        assert sum(fill.amount for fill in await here.heard(Fill, digest)) == Base.of("0.05")


@both_ways
async def test_anothers_order_is_not_ours_to_cancel(way: Way, autojump_clock: MockClock) -> None:
    async with client(way) as here:
        engine = here.exchange.exchange
        theirs = order("0.05", "2750", "post_only", sender=OTHER)
        named = "0x" + order_digest(theirs, engine.chain_id).hex()
        engine.match(engine.arrive(theirs, named, OTHER[:42], here.exchange.now_ns()), here.exchange.now_ns())
        with pytest.raises(Refused) as caught:
            await here.venue.cancel(ETH, named)
        assert caught.value.code == 2014
        assert named in engine.markets[ETH].open_orders


@both_ways
@pytest.mark.parametrize("how", ["lose", "cut"])
async def test_a_cancellation_whose_answer_is_lost_has_cancelled_all_the_same(
    way: Way, how: Any, autojump_clock: MockClock
) -> None:
    lost = DisturbReply(request="cancel_orders", nth=1, how=how)
    async with client(way, Faults(reply=(lost,))) as here:
        digest = await here.rests("0.05", "2756.8")
        with pytest.raises(Unreachable):
            await here.venue.cancel(ETH, digest)
        assert await here.venue.cancel(ETH, digest) is None


@both_ways
@pytest.mark.parametrize(
    ("incident", "error"),
    [
        (GatewayMode(at_ms=500, for_ms=60_000, answer="unavailable"), Unreachable),
        (GatewayMode(at_ms=500, for_ms=60_000, answer="rate_limited"), Unreachable),
        (Status(at_ms=500, for_ms=60_000, status="syncing"), Refused),
    ],
)
async def test_a_venue_that_does_not_cancel_leaves_the_order_where_it_is(
    way: Way, incident: Any, error: type[Exception], autojump_clock: MockClock
) -> None:
    async with client(way, Faults(incident=(incident,))) as here:
        digest = await here.rests("0.05", "2756.8")
        await trio.sleep(1)
        with pytest.raises(error):
            await here.venue.cancel(ETH, digest)
        assert digest in here.exchange.exchange.markets[ETH].open_orders


@both_ways
async def test_a_cancellation_weighs_1_with_us_and_at_the_venue(way: Way, autojump_clock: MockClock) -> None:
    """99 more fit beside an order, and the next one is over the limit."""
    async with client(way) as here:
        digest = await here.rests("0.05", "2756.8")
        for _ in range(99):
            await here.venue.cancel(ETH, digest)
        spent = {(name, length): weight for name, length, weight, _ in here.venue.budgets()}
        assert spent["executes", 10_000] == 100
        with pytest.raises(Unreachable):
            await here.venue.cancel(ETH, digest)


@both_ways
async def test_what_rests_keeps_to_its_share_of_a_minute(way: Way, autojump_clock: MockClock) -> None:
    async with client(way) as here:
        for _ in range(112):
            assert here.venue.rate_obstacle(2, 5, rests=1) == ""
            await here.venue.cancel(ETH, NOT_FOUND)
            await trio.sleep(0.25)
        assert here.venue.rate_obstacle(2, 5, rests=1) == ""
        await here.venue.cancel(ETH, NOT_FOUND)
        assert "113 are used" in here.venue.rate_obstacle(2, 5, rests=1)
        assert here.venue.rate_obstacle(2, 5) == ""


# -- filled --------------------------------------------------------------------------------------------------


@both_ways
@pytest.mark.parametrize("maker_fee", ["0.0001", "0.00005", "-0.00008"])
@pytest.mark.parametrize(
    ("amount", "price", "beyond"), [("0.05", "2756.8", "2756.7"), ("-0.05", "2756.9", "2757")]
)
async def test_its_fills_are_a_makers_at_its_price_and_the_makers_rate_however_they_came(
    way: Way, maker_fee: str, amount: str, price: str, beyond: str, autojump_clock: MockClock
) -> None:
    """By a print at its price, a print beyond it, a quote beyond it, and another account that takes: stream
    and archive say the same, and all of it fits what was signed.
    """
    async with client(way) as here:
        engine, buys = here.exchange.exchange, not amount.startswith("-")
        market = engine.markets[ETH]
        market.product = msgspec.structs.replace(market.product, maker_fee=Rate.of(maker_fee))
        one = await here.rests(amount, price)
        for at, size in ((price, "1.01"), (beyond, "0.01")):  # of the first, 1 ETH stood there before ours
            engine.market_trade(
                ETH, Price.of(at), Base.of(size), here.exchange.now_ns(), is_taker_buyer=not buys
            )
        through, away = levels((beyond, "0.01")), levels(("2700" if buys else "2800", "1"))
        engine.move(ETH, *((away, through) if buys else (through, away)), here.exchange.now_ns())
        taken = order("-0.02" if buys else "0.02", price, sender=OTHER)
        named = "0x" + order_digest(taken, engine.chain_id).hex()
        await here.exchange.trade(taken, named, OTHER[:42], Extras())
        fills = await here.heard(Fill, one)
        sign = 1 if buys else -1
        assert [sign * fill.amount for fill in fills] == [
            Base.of(size) for size in ("0.01", "0.01", "0.01", "0.02")
        ]
        assert {(fill.price, fill.is_taker) for fill in fills} == {(Price.of(price), False)}
        assert here.misfits(fills) == [None] * 4
        rate = int(Rate.of(maker_fee))
        assert [fill.fee for fill in fills] == [
            fee_on(-sign * notional(fill.price, abs(fill.amount)), rate) for fill in fills
        ]
        await trio.sleep(1)
        told = await here.venue.reads.fills_since(-1)
        assert [(each.amount, each.fee, each.is_taker) for each in told] == [
            (each.amount, each.fee, False) for each in fills
        ]
        assert here.misfits(told) == [None] * 4
        (archived,) = await here.venue.reads.archived([one])
        assert (archived.filled, archived.fee) == (Base.of(amount), sum(fill.fee for fill in fills))
        updates = await here.heard(OrderUpdate, one)
        assert [each.reason for each in updates] == ["placed", "filled", "filled", "filled", "filled"]
        assert updates[-1].remaining == 0


@both_ways
async def test_what_would_take_is_refused_and_never_rests(way: Way, autojump_clock: MockClock) -> None:
    async with client(way) as here:
        digest, reply = await here.place("0.05", "2756.9")
        assert (reply.kind, reply.code) == ("refused", 2008)
        assert await here.venue.cancel(ETH, digest) is None
        assert await here.heard(OrderUpdate, digest) == []


@both_ways
@pytest.mark.parametrize("binds", [False, True])
async def test_the_minimum_binds_what_rests_and_whether_it_binds_what_takes_is_a_knob(
    way: Way, binds: bool, autojump_clock: MockClock
) -> None:
    """0.02 ETH are 55 USD. One that takes pays the fee of 100 where it is not refused (2094)."""
    async with client(way, Faults(venue=VenueOptions(min_size_binds_takers=binds))) as here:
        _, reply = await here.place("0.02", "2756.8")
        assert (reply.kind, reply.code) == ("refused", 2094)
        for kind in ("ioc", "fok"):
            digest, reply = await here.place("0.02", "2757", kind)
            fills = await here.heard(Fill, digest)
            if binds:
                assert (reply.kind, reply.code, fills) == ("refused", 2094, [])
            else:
                product = here.exchange.exchange.markets[ETH].product
                assert reply.kind == "accepted"
                assert [fill.fee for fill in fills] == [fee_on(-product.min_size, product.taker_fee)]
                assert here.misfits(fills) == [None]


# -- expired -------------------------------------------------------------------------------------------------


@both_ways
@pytest.mark.parametrize("every_s", [0.0, 1.0, 5.0])
async def test_it_ends_with_its_expiration_at_once_or_late_and_trades_until_then(
    way: Way, every_s: float, autojump_clock: MockClock
) -> None:
    """The documents do not say how promptly an order that has expired is withdrawn."""
    async with client(way, Faults(venue=VenueOptions(expiry_every_s=every_s))) as here:
        engine = here.exchange.exchange
        digest = await here.rests("0.05", "2756.8")
        expires_ns = engine.markets[ETH].open_orders[digest].order.expiration_s * 10**9
        assert expires_ns <= here.plans[digest].last_trade_ms * 1_000_000
        # the exchange looks every so many seconds since its own beginning
        late_s = -(expires_ns - BEGIN_NS) / 1e9 % every_s if every_s else 0.0
        await trio.sleep((expires_ns - here.exchange.now_ns()) / 1e9 - 0.01)
        here.sells_to_us("2756.7", "0.01")
        await trio.sleep(0.011)
        here.sells_to_us("2756.7", "0.01")  # it has expired
        await trio.sleep(late_s + 0.1)
        here.sells_to_us("2756.7", "0.01")
        fills = await here.heard(Fill, digest)
        assert len(fills) == (2 if late_s else 1)
        assert here.misfits(fills) == [None] * len(fills)
        (ended,) = [each for each in await here.heard(OrderUpdate, digest) if each.reason == "cancelled"]
        assert ended.remaining == 0
        assert (ended.at_ns - expires_ns) / 1e9 == pytest.approx(late_s, abs=1e-5)
        assert await here.venue.cancel(ETH, digest) is None
        assert (await here.venue.reads.account()).open_orders == ()


@both_ways
async def test_of_several_each_ends_with_its_own_expiration(way: Way, autojump_clock: MockClock) -> None:
    """The later one was placed first, and the one that would end first is cancelled."""
    async with client(way, Faults(venue=VenueOptions(expiry_every_s=0.0))) as here:
        last = await here.rests("0.05", "2756.8", rest=12_000)
        first = await here.rests("0.05", "2756.7", rest=3_000)
        between = await here.rests("0.05", "2756.6", rest=6_000)
        await here.venue.cancel(ETH, first)
        await trio.sleep(20)
        for digest in (between, last):
            (ended,) = [each for each in await here.heard(OrderUpdate, digest) if each.reason == "cancelled"]
            expires_ns = here.plans[digest].last_trade_ms // 1000 * 10**9
            assert 0 <= ended.at_ns - expires_ns <= 10_000
