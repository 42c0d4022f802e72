"""The whole machine on paper, on virtual time: a simulated exchange is the public one, over the real wire,
and its market alone is heard. Orders go to the engine in the machine's own process.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec
import pytest
import trio
from trio.testing import MockClock

from actors.instance.state import RunState
from actors.ledger import SCHEMA, CsvBooks
from actors.run_ending import Ending
from actors.tree import World
from commands.access.venue import on_paper, place
from commands.checks.answered_venue import AnsweredVenue
from commands.config.options import Paper
from commands.setup.connecting import connected
from messages.execution import AccountSnapshot
from messages.lifecycle import CycleEnded, Note, Opened
from messages.settings import Settings
from messages.sizing import Sealed
from messages.units import ONE, Base, Ms, Ns, Price, Quote, Rate
from messages.wire import digest
from runtime.clock import RunClock
from supervisor import Machine
from tests.actors.fakes import fake_plan, leg_order
from venue.nado.signing import Signer
from venue.protocol import Reply, Unreachable, VenueError
from venue.simulated.engine.exchange import Exchange
from venue.simulated.engine.rules import ETH_PERP, SOL_PERP, Product
from venue.simulated.faults.incidents import Down, Freeze, GatewayMode, Incident, QuotedFunding, Rules, Status
from venue.simulated.faults.order_faults import Faults
from venue.simulated.gateway.asgi import application
from venue.simulated.gateway.memory import MemoryDialer
from venue.simulated.markets import market_named
from venue.simulated.venue import SimulatedVenue
from venue.throwaway import THROWAWAY_KEY

START_NS = 1_790_000_000_000_000_000
URL = "http://127.0.0.1:1"
ETH, SOL = 4, 8
DEPOSIT = Quote.of("5000")
HUNDRED = Settings(target=Quote(100 * ONE), cycles=2, hold=Ms(500))


@dataclass
class OnPaper:
    """The public exchange, and a client on paper of it."""

    exchange: SimulatedVenue
    known: AnsweredVenue
    said: list[msgspec.Struct] = field(default_factory=list)
    folder: Path = Path()

    async def run(self, settings: Settings = HUNDRED, *, within_s: float = 3600) -> Ending:
        """The machine, to its end."""
        known, folder = self.known, self.folder
        state = RunState(folder / "state", "paper", str(folder))
        csvs = CsvBooks(folder, known.access.exchange)
        opened = Opened(SCHEMA, known.rules.venue, known.rules.chain_id, known.access.sender)
        world = World(
            settings,
            known.venue,
            known.rules,
            known.clock,
            folder / "ledger.sqlite",
            opened,
            state,
            self.said.append,
            7,
            lambda: csvs,
        )
        try:
            with trio.fail_after(within_s):
                return await Machine(world).run()
        finally:
            state.close()

    async def account(self) -> AccountSnapshot:
        return await self.known.venue.reads.account()

    def untouched(self) -> None:
        """Nothing was ever asked of the exchange that only an account can ask."""
        assert list(self.exchange.exchange.order_log) == []
        assert self.exchange.exchange.accounts == {}
        assert self.exchange.changes == 0


@asynccontextmanager
async def on_paper_at(
    folder: Path,
    *incidents: Incident,
    products: tuple[Product, ...] = (ETH_PERP, SOL_PERP),
    market: str = "flat:2756.9/115.86",
    settings: Settings = HUNDRED,
    start_ns: int = START_NS,
) -> AsyncIterator[OnPaper]:
    """A paper account at a public exchange where `incidents` are staged."""
    exchange = SimulatedVenue(
        Exchange(products), market_named(market, 7), RunClock(Ns(start_ns)), Faults(incident=incidents)
    )
    here = msgspec.structs.replace(place(settings, None), signer=Signer(THROWAWAY_KEY))
    here = on_paper(here, Paper("simulated", URL, DEPOSIT))
    said: list[msgspec.Struct] = []
    async with trio.open_nursery() as outside:
        await outside.start(exchange.run)
        transport = httpx.ASGITransport(app=application(exchange))
        dialer = MemoryDialer(exchange, outside)
        async with connected(
            settings, here, 7, said.append, dialer, transport, RunClock(Ns(start_ns))
        ) as known:
            yield OnPaper(exchange, known, said, folder)
        outside.cancel_scope.cancel()


async def test_two_cycles_on_paper_trade_at_the_exchanges_prices_and_leave_no_trace_there(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with on_paper_at(tmp_path) as paper:
        ending = await paper.run()
        account = await paper.account()
        assert (ending.by, account.position(ETH).total, account.position(SOL).total) == ("done", 0, 0)
        await trio.sleep(1)  # the archive is a little behind
        fills = await paper.known.venue.reads.fills_since(-1)
        assert {(fill.product_id, fill.price) for fill in fills} <= {
            (ETH, Price.of("2756.9")),
            (ETH, Price.of("2756.8")),
            (SOL, Price.of("115.86")),
            (SOL, Price.of("115.87")),
        }
        assert len([one for one in paper.said if isinstance(one, CycleEnded)]) == 2
        paid = sum(fill.fee for fill in fills)
        assert len(fills) == 8
        assert account.value is not None
        assert 0 < paid < DEPOSIT - account.value
        paper.untouched()


async def test_the_paper_venue_has_a_name_a_chain_and_a_subaccount_of_its_own(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with on_paper_at(tmp_path) as paper:
        access, rules = paper.known.access, paper.known.rules
        assert rules.venue.startswith("Nado-PAPER-simulated:7-")
        assert (access.money, access.exchange) == ("PAPER on simulated, play money", "Nado-PAPER")
        assert (access.live, access.gateway) == (False, "")
        assert await paper.known.venue.reads.rules() == msgspec.structs.replace(rules)
        assert (await paper.account()).usdt0 == DEPOSIT


async def test_rules_and_fees_are_the_exchanges_own_at_the_start_and_when_they_change(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    dear = msgspec.structs.replace(
        ETH_PERP, product_id=2, taker_fee=Rate(ONE // 1000), min_size=Quote.of("50"), tick=Price.of("0.2")
    )
    changed = Rules(product="SOL-PERP", step="0.5", at_ms=5_000, for_ms=3_600_000)
    async with on_paper_at(tmp_path, changed, products=(dear, SOL_PERP), market="flat:2757/115.86") as paper:
        reads, order_builder = paper.known.venue.reads, paper.known.venue.order_builder
        eth = paper.known.rules.eth
        assert (eth.product_id, eth.taker_fee, eth.min_notional) == (2, Rate(ONE // 1000), Quote.of("50"))
        assert paper.known.rules.sol.size_step == Base.of("0.1")
        await trio.sleep(6)
        rules = await reads.rules()
        assert rules.sol.size_step == Base.of("0.5")
        order_builder.use(rules)
        ending = await paper.run(msgspec.structs.replace(HUNDRED, target=Quote.of("300")))
        assert ending.by == "done"
        fills = await paper.known.venue.reads.fills_since(-1)
        of_eth = [fill for fill in fills if fill.product_id == 2]
        notional = sum(abs(fill.amount) * fill.price // ONE for fill in of_eth)
        assert sum(fill.fee for fill in of_eth) == pytest.approx(notional / 1000, rel=0.01)
        assert all(fill.amount % Base.of("0.5") == 0 for fill in fills if fill.product_id == SOL)
        paper.untouched()


@pytest.mark.parametrize(
    ("incident", "market"),
    [
        (Down(at_ms=1_500, for_ms=5_000), "synthetic"),
        (GatewayMode(at_ms=1_500, for_ms=6_000, answer="rate_limited"), "flat:2756.9/115.86"),
        (GatewayMode(at_ms=1_500, for_ms=6_000, answer="unavailable"), "flat:2756.9/115.86"),
        (Status(at_ms=1_500, for_ms=6_000), "flat:2756.9/115.86"),
    ],
    ids=["down", "rate limited", "unavailable", "not active"],
)
async def test_an_exchange_that_is_lost_or_over_its_limits_is_waited_for_and_the_run_ends_flat(
    incident: Incident, market: str, autojump_clock: MockClock, tmp_path: Path
) -> None:
    settings = msgspec.structs.replace(HUNDRED, target=Quote(1000 * ONE), cycles=3, hold=Ms(1_000))
    async with on_paper_at(tmp_path, incident, market=market, settings=settings) as paper:
        ending = await paper.run(settings)
        account = await paper.account()
        assert (ending.by, account.position(ETH).total, account.position(SOL).total) == ("done", 0, 0)
        assert trio.current_time() > 7.5  # it was not over before what was staged was
        paper.untouched()


async def test_a_stream_that_is_silent_while_the_book_moves_is_found_out_and_the_engine_has_the_book(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    settings = msgspec.structs.replace(HUNDRED, target=Quote(1000 * ONE), cycles=2, hold=Ms(2_000))
    frozen = Freeze(product="ETH-PERP", at_ms=0, for_ms=3_600_000)
    async with on_paper_at(tmp_path, frozen, market="synthetic", settings=settings) as paper:
        assert (await paper.run(settings)).by == "done"
        told = [one.text for one in paper.said if isinstance(one, Note)]
        assert any("the feed was silent while the book moved" in text for text in told)
        await trio.sleep(1)
        fills = await paper.known.venue.reads.fills_since(-1)
        # ETH traded at the prices of its moment: at those of the start there are two, the bid and the ask
        assert len({fill.price for fill in fills if fill.product_id == ETH}) > 2


async def test_while_the_exchange_cannot_be_reached_neither_can_the_paper_account(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with on_paper_at(tmp_path, Down(at_ms=1_000, for_ms=10_000)) as paper:
        venue = paper.known.venue
        async with venue.order_wire("eth") as wire, venue.market_events([ETH, SOL]) as events:
            assert wire.connected
            with pytest.raises(Unreachable):
                async for _ in events:
                    pass
            assert (wire.connected, venue.unconnected()) == (False, frozenset({"eth"}))
            with pytest.raises(Unreachable):
                await venue.reads.account()
            with pytest.raises(Unreachable):
                await venue.reads.book(ETH)
            await trio.sleep(12)
            assert not wire.connected  # nobody has asked the exchange since
            await venue.reads.book(ETH)
            assert wire.connected
            assert (await venue.reads.account()).usdt0 == DEPOSIT


async def test_everything_is_given_up_when_the_machine_says_so(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with on_paper_at(tmp_path) as paper:
        venue = paper.known.venue
        async with venue.market_events([ETH, SOL]) as market, venue.account_events() as account:
            await venue.disconnect()
            for stream in (market, account):
                with pytest.raises(Unreachable):
                    await anext(aiter(stream))
        async with venue.market_events([ETH, SOL]):
            pass
        assert (await paper.account()).exists


async def test_questions_to_the_exchange_use_up_what_orders_on_paper_need_for_closing(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with on_paper_at(tmp_path) as paper:
        venue = paper.known.venue
        assert venue.rate_obstacle(2, 3) == ""
        for _ in range(40):  # of 10 each, where 400 may be asked in ten seconds
            with suppress(VenueError):
                await venue.reads.rules_now()
        assert "rate limit for questions leaves no room" in venue.rate_obstacle(2, 3)


async def ordered(paper: OnPaper, amount: str, limit: str) -> Reply:
    """The answer to one FOK order for ETH, signed as a leg would sign it."""
    venue, now_ms = paper.known.venue, paper.known.clock.now_ms()
    plan = fake_plan(now_ms, recv_time_ms=Ms(now_ms + 2_000), eth=leg_order(ETH, amount, limit))
    signed = venue.order_builder.sign(venue.order_builder.order_of(plan, digest(plan), "eth"))
    async with venue.order_wire("eth") as wire:
        return await wire.place(signed)


async def test_while_the_exchange_is_not_active_no_order_trades_on_paper_either(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with on_paper_at(tmp_path, Status(at_ms=1_000, for_ms=5_000)) as paper:
        reads = paper.known.venue.reads
        assert (await ordered(paper, "0.042", "2756.9")).kind == "accepted"
        await trio.sleep(2)
        assert await reads.status() == "live_syncing"
        reply = await ordered(paper, "0.042", "2756.9")
        assert (reply.kind, reply.code) == ("unknown", 2068)  # as on the wire: it may have been processed
        assert (await paper.account()).position(ETH).total == Base.of("0.042")
        await trio.sleep(5)
        assert await reads.status() == "active"
        assert (await ordered(paper, "0.042", "2756.9")).kind == "accepted"


async def test_an_order_is_judged_by_the_rules_that_the_exchange_has_now(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    coarser = Rules(product="ETH-PERP", tick="0.5", at_ms=1_000, for_ms=3_600_000)
    async with on_paper_at(tmp_path, coarser) as paper:
        reads = paper.known.venue.reads
        assert (await ordered(paper, "0.042", "2757.2")).kind == "accepted"
        await trio.sleep(2)
        assert (await ordered(paper, "0.042", "2757.3")).kind == "accepted"  # nobody has asked yet
        assert (await reads.rules()).eth.price_tick == Price.of("0.5")
        reply = await ordered(paper, "0.042", "2757.4")
        assert (reply.kind, reply.code) == ("refused", 2000)
        assert (await ordered(paper, "0.042", "2757.5")).kind == "accepted"


async def test_on_paper_the_exchanges_rates_decide_the_side_and_are_what_is_charged(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """It is 14:59 UTC, and the pair is held over 15:00."""
    hour_ns = 3_600 * 10**9
    start_ns = (START_NS // hour_ns + 1) * hour_ns - 60 * 10**9
    incidents = tuple(
        QuotedFunding(at_ms=0, for_ms=10_000_000, product=name, rate=rate)
        for name, rate in (("ETH-PERP", "0.0024"), ("SOL-PERP", "-0.0024"))
    )
    settings = msgspec.structs.replace(HUNDRED, cycles=1, hold=Ms(70_000), direction="funding")
    async with on_paper_at(tmp_path, *incidents, settings=settings, start_ns=start_ns) as paper:
        assert (await paper.run(settings)).by == "done"
        entered = next(said.plan for said in paper.said if isinstance(said, Sealed))
        assert (entered.because, entered.eth.amount < 0) == ("FUNDING_MORE", True)
        assert entered.eth_funding == Rate.of("0.0024")
        read = await paper.known.venue.reads.money_since(-1, -1)
        paid = [(event.product_id, event.quote > 0) for event in read.events if event.kind == "funding"]
        assert sorted(paid) == [(ETH, True), (SOL, True)]
        # the exchange has charged its own hour to nobody
        assert (list(paper.exchange.exchange.order_log), paper.exchange.exchange.accounts) == ([], {})
