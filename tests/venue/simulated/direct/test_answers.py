"""What the client in the exchange's own process is told is what the client on the wire reads, field by field:
the same exchange, asked both ways at one moment.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import httpx
import msgspec
import pytest
import trio

from messages.units import ONE, Base, Ms, Price, Quote, Rate
from runtime.clock import RunClock, VenueClock
from venue.nado.counts import TroubleTally
from venue.nado.events import decode
from venue.nado.http import HttpReads
from venue.nado.signing import Signer
from venue.nado.weights import Weights
from venue.protocol import Order
from venue.simulated.direct.client import DirectVenue, connected_directly
from venue.simulated.direct.reads import Link
from venue.simulated.direct.streams import account_event, market_event
from venue.simulated.engine.codes import ExchangeRefusal
from venue.simulated.engine.exchange import Exchange, Extras
from venue.simulated.engine.treasury import pay_funding, settle_results, withdraw
from venue.simulated.faults.incidents import QuotedFunding, Rules, Trading
from venue.simulated.faults.order_faults import NO_FAULTS, Faults
from venue.simulated.gateway.asgi import application
from venue.simulated.markets import market_named
from venue.simulated.streams.subscribers import Said
from venue.simulated.venue import SimulatedVenue
from venue.throwaway import THROWAWAY_KEY, THROWAWAY_SENDER

START_NS = 1_790_000_000_000_000_000
NAME = "Nado-simulated"
OWNER = Signer(THROWAWAY_KEY)


class Both(NamedTuple):
    """One exchange and both ways to ask it."""

    venue: SimulatedVenue
    direct: DirectVenue
    wire: HttpReads


@asynccontextmanager
async def both(market: str = "synthetic", faults: Faults = NO_FAULTS) -> AsyncIterator[Both]:
    venue = SimulatedVenue(
        Exchange(options=faults.venue), market_named(market, 3), RunClock(START_NS), faults, instance="one"
    )
    venue.fund(THROWAWAY_SENDER, Quote(10_000 * ONE))
    link = Link(venue, 0.0, Weights())
    clock = VenueClock(RunClock(START_NS))
    async with trio.open_nursery() as outside:
        await outside.start(venue.run)
        transport = httpx.ASGITransport(app=application(venue))
        async with (
            connected_directly(link, THROWAWAY_SENDER, OWNER, clock, f"{NAME}:one") as direct,
            HttpReads("http://127.0.0.1:1", THROWAWAY_SENDER, name=NAME, transport=transport) as wire,
        ):
            yield Both(venue, direct, wire)
        outside.cancel_scope.cancel()


async def random_order(here: Both, chance: random.Random, number: int) -> None:
    """One order of random size and kind, its margin cross or isolated, as the engine takes it."""
    eth = chance.random() < 0.5
    product = here.venue.exchange.markets[4 if eth else 8].product
    sign = chance.choice((1, -1))
    isolated = chance.random() < 0.2
    appendix = 1 | (1 << 9) | ((1 << 8 | 50_000_000 << 64) if isolated else 0)
    oracle = here.venue.exchange.markets[product.product_id].oracle
    price = Price((oracle + sign * oracle // 100) // product.tick * product.tick)
    amount = Base(sign * chance.randrange(1, 40) * product.step * (100 if eth else 10))
    nonce = (START_NS // 1_000_000 + int(trio.current_time() * 1000) + 5_000 << 20) + number
    expiration_s = START_NS // 10**9 + 10_000
    order = Order(product.product_id, THROWAWAY_SENDER, price, amount, expiration_s, nonce, appendix)
    digest = here.direct.order_builder.digest_of(order)
    try:
        await here.venue.trade(order, digest, OWNER.address, Extras())
    except ExchangeRefusal:
        return


def same(direct: object, wire: object) -> None:
    assert direct == wire
    assert repr(direct) == repr(wire)


@pytest.mark.parametrize("seed", range(12))
async def test_every_answer_is_the_wires_answer(seed: int, autojump_clock: object) -> None:
    """Random trades, cross and isolated, funding, settlements, a withdrawal; then every question both ways.

    Again: pytest -n 0 tests/venue/simulated/direct/test_answers.py -k "wires_answer and SEED"
    """
    chance = random.Random(seed)
    async with both() as here:
        for number in range(chance.randrange(1, 12)):
            await random_order(here, chance, number)
            await trio.sleep(chance.random())
            now_ns = here.venue.now_ns()
            if chance.random() < 0.3:
                chance.choice((pay_funding, settle_results))(here.venue.exchange, now_ns)
            if chance.random() < 0.1:
                withdraw(here.venue.exchange, THROWAWAY_SENDER, 0, 1_000_000, now_ns)
            here.venue.publish()
        await trio.sleep(chance.choice((0.0, 0.1, 0.5)))
        direct, wire = here.direct.reads, here.wire
        same(await direct.rules(), await wire.rules())
        account, on_wire = await direct.account(), await wire.account()
        same(account, msgspec.structs.replace(on_wire, at_ms=account.at_ms))
        assert 0 <= on_wire.at_ms - account.at_ms <= 1
        for product in (4, 8):
            snapshot, shown = await direct.book(product), await wire.book(product)
            same(snapshot, msgspec.structs.replace(shown, at_ns=snapshot.at_ns))
        same(await direct.status(), await wire.status())
        same(await direct.time_ms(), await wire.time_ms())
        same(await direct.tradable(), await wire.tradable())
        same(await direct.funding_rates(), await wire.funding_rates())
        digests = [entry.digest for entry in here.venue.exchange.order_log]
        ours = {order.digest: order for order in await direct.archived(digests)}
        assert ours == {order.digest: order for order in await wire.archived(digests)}
        for after in (None, -1, 2):
            same(await direct.money_since(after, after), await wire.money_since(after, after))
            same(await direct.fills_since(after), await wire.fills_since(after))


async def test_every_event_is_the_wires_event(autojump_clock: object) -> None:
    """Whatever is published while forty random orders trade, read both ways."""
    chance, seen = random.Random(5), list[tuple[object, object]]()

    class Ear:
        def hear(self, said: Said) -> None:
            kinds = ("book_depth", "fill", "order_update", "position_change")
            read = decode(said.text, kinds, THROWAWAY_SENDER, TroubleTally("test"))
            market = type(said.event).__name__ == "BookBatch"
            seen.append(((market_event if market else account_event)(said.event), read))

    async with both() as here:
        ear = Ear()
        for topic in (("book_depth", 4), ("book_depth", 8)):
            here.venue.subscribers.add(topic, ear)
        for kind in ("fill", "order_update", "position_change"):
            here.venue.subscribers.add((kind, THROWAWAY_SENDER, None), ear)
        for number in range(40):
            await random_order(here, chance, number)
            await trio.sleep(0.2)
    kinds = {type(direct).__name__ for direct, _ in seen}
    assert kinds == {"BookDelta", "Fill", "OrderUpdate", "PositionChange"}
    for direct, read in seen:
        same(direct, read)


async def test_a_rule_that_changes_is_the_same_rule_both_ways(autojump_clock: object) -> None:
    staged = (
        Rules(at_ms=0, for_ms=60_000, product="SOL-PERP", step="1", min_size="200"),
        Rules(at_ms=0, for_ms=60_000, product="ETH-PERP", isolated_only=True),
        Trading(at_ms=0, for_ms=60_000, product="SOL-PERP", status="reduce_only"),
    )
    async with both(faults=Faults(incident=staged)) as here:
        await trio.sleep(0.1)
        rules = await here.direct.reads.rules()
        same(rules, await here.wire.rules())
        same(await here.direct.reads.tradable(), await here.wire.tradable())
        assert (rules.sol.size_step, rules.sol.status, rules.eth.unsure) == (ONE, "reduce_only", True)


async def test_what_takes_time_takes_it_both_ways(autojump_clock: object) -> None:
    async with both() as here:
        slow = Link(here.venue, 0.02, Weights())
        clock = VenueClock(RunClock(START_NS))
        async with connected_directly(slow, THROWAWAY_SENDER, OWNER, clock, NAME) as client:
            asked = trio.current_time()
            assert await client.reads.time_ms() == Ms(START_NS // 1_000_000 + round(asked * 1000) + 20)
            assert trio.current_time() - asked == pytest.approx(0.04)


async def test_money_that_moved_long_ago_is_forgotten_but_for_the_newest_move(autojump_clock: object) -> None:
    """Whoever asks what has moved since the last answer goes by its number."""
    async with both() as here:
        for _ in range(3):
            here.venue.fund(THROWAWAY_SENDER, Quote(ONE))
        await trio.sleep(100)
        before = await here.direct.reads.money_since(None, None)
        here.venue.forget(50)
        assert len(here.venue.archive.moves) == 1
        after = await here.direct.reads.money_since(None, None)
        assert after.events_through == before.events_through > 0
        here.venue.fund(THROWAWAY_SENDER, Quote(2 * ONE))
        await trio.sleep(1)
        (news,) = (await here.direct.reads.money_since(after.events_through, after.payments_through)).events
        assert news.quote == 2 * ONE


async def test_what_ended_long_ago_is_forgotten_and_what_rests_or_is_young_is_not(
    autojump_clock: object,
) -> None:
    """8 KB a cycle stayed in memory for as long as a replay lasted."""
    async with both() as here:
        chance = random.Random(3)
        for number in range(8):
            await random_order(here, chance, number)
        oracle = here.venue.exchange.markets[4].oracle
        price = Price(oracle * 99 // 100 // ONE * ONE)
        nonce = (here.venue.now_ms() + 5_000 << 20) + 99
        rests = Order(4, THROWAWAY_SENDER, price, Base(ONE), START_NS // 10**9 + 10_000, nonce, 1)
        digest = here.direct.order_builder.digest_of(rests)
        await here.venue.trade(rests, digest, OWNER.address, Extras())
        await trio.sleep(100)
        for number in range(8, 12):
            await random_order(here, chance, number)
        await trio.sleep(1)
        before = await here.direct.reads.fills_since(-1)
        here.venue.forget(50)
        log = here.venue.exchange.order_log
        young = {entry.digest for entry in log if entry.digest != digest}
        assert len(log) == 5
        assert log.known(digest) is not None
        assert min(entry.arrived_ns for entry in log if entry.digest in young) > START_NS + 100 * 10**9
        after = await here.direct.reads.fills_since(-1)
        assert after == tuple(fill for fill in before if fill.order_digest in young) != before
        assert await here.wire.fills_since(-1) == after


async def test_a_staged_funding_rate_is_told_both_ways_and_charged_and_an_absent_one_is_no_0(
    autojump_clock: object,
) -> None:
    """The engine's own rate would be 0 on this market: the mid is the oracle's price."""
    staged = (
        QuotedFunding(at_ms=0, for_ms=7_200_000, product="ETH-PERP", rate="-0.0012"),
        QuotedFunding(at_ms=3_600_000, for_ms=3_600_000, product="SOL-PERP"),
    )
    async with both("flat:2756.9/115.86", Faults(incident=staged)) as here:
        await trio.sleep(1)
        rates = await here.direct.reads.funding_rates()
        same(rates, await here.wire.funding_rates())
        assert [(each.product_id, each.rate) for each in rates] == [(4, Rate.of("-0.0012")), (8, Rate(0))]
        market = here.venue.exchange.markets[4]
        before = market.funding.cumulative
        pay_funding(here.venue.exchange, here.venue.now_ns())
        assert market.funding.cumulative - before == -(market.oracle * 12 // 10_000) // 24
        await trio.sleep(3_600)
        rates = await here.direct.reads.funding_rates()
        same(rates, await here.wire.funding_rates())
        assert [each.product_id for each in rates] == [4]
        await trio.sleep(3_600)
        assert [each.rate for each in await here.direct.reads.funding_rates()] == [0, 0]
