"""The exchange's market as it moves the engine: pure steps, no exchange and no time."""

import msgspec
import pytest

from commands.paper.client import PaperWire
from commands.paper.market import PaperMarket, engine_for
from commands.paper.opening import Unmoved
from messages.market import BookDelta, BookSnapshot, FundingRate, Level, PublicTrade, Touch
from messages.units import ONE, Base, Ms, Ns, Price, Quote, Rate
from messages.wire import digest
from runtime.clock import WallClock
from tests.actors.fakes import ORDER_BUILDER, FakeWire, fake_plan
from tests.venue.simulated.desk import ETH, ME, OURS, SOL, START_NS, levels, order
from venue.nado.signing import order_digest
from venue.protocol import Incomplete, ProductRules, VenueRules
from venue.simulated.engine.codes import ExchangeRefusal
from venue.simulated.engine.order_log import LoggedOrder
from venue.simulated.engine.treasury import pay_funding
from venue.simulated.venue import SimulatedVenue


class FixedClock(WallClock):
    def utc_ns(self) -> Ns:
        return Ns(START_NS)


def product(symbol: str, product_id: int, tick: str, step: str, oracle: str) -> ProductRules:
    return ProductRules(
        symbol,
        product_id,
        Price.of(tick),
        Base.of(step),
        Quote.of(100),
        Rate(35 * ONE // 100_000),
        Rate(ONE // 10_000),
        Rate(975 * ONE // 1000),
        Rate(1025 * ONE // 1000),
        Rate(9875 * ONE // 10_000),
        Rate(10_125 * ONE // 10_000),
        Price.of(oracle),
        "live",
    )


RULES = VenueRules(
    "mainnet",
    57073,
    "0x05ec",
    product("ETH-PERP", ETH, "0.1", "0.001", "2756.9"),
    product("SOL-PERP", SOL, "0.01", "0.1", "115.86"),
)


class PaperDesk:
    """A market that somebody drives by hand, and one account."""

    def __init__(self) -> None:
        self.venue = SimulatedVenue(engine_for(RULES), Unmoved(), FixedClock())
        self.market = PaperMarket(self.venue, RULES)
        self.venue.fund(ME, Quote.of(10_000))
        self.numbers = iter(range(1, 1000))

    def load(self, at_ns: int = 1000) -> None:
        bids, asks = levels(("2756.8", "1"), ("2756.7", "5")), levels(("2756.9", "1"), ("2757.0", "5"))
        self.market.load(BookSnapshot(ETH, Ns(at_ns), bids, asks))

    def batch(self, at_ns: int, before_ns: int, bids: tuple[Level, ...], asks: tuple[Level, ...]) -> None:
        sides = (tuple((int(each.price), int(each.amount)) for each in side) for side in (bids, asks))
        self.market.take([BookDelta(ETH, Ns(at_ns), Ns(at_ns), Ns(before_ns), *sides)])

    def place(self, *wanted: str, **how: object) -> LoggedOrder:
        asked = order(*wanted, **how)  # type: ignore[arg-type]
        unique = msgspec.structs.replace(asked, nonce=asked.nonce + next(self.numbers))
        exchange = self.venue.exchange
        digest = "0x" + order_digest(unique, exchange.chain_id).hex()
        resting = exchange.arrive(unique, digest, OURS.address, START_NS)
        exchange.match(resting, START_NS)
        return exchange.order_log[-1]

    def asks(self) -> list[tuple[str, str]]:
        shown = self.venue.exchange.markets[ETH].book.levels(False, 10)
        return [(level.price.text(), level.amount.text()) for level in shown]


def test_a_book_is_known_from_its_snapshot_on_and_follows_the_batches() -> None:
    desk = PaperDesk()
    assert not desk.market.knows(ETH)
    desk.batch(500, 400, (), levels(("2758", "3")))
    assert desk.asks() == []
    desk.load()
    assert (desk.market.knows(ETH), desk.market.knows(SOL), desk.market.knows(6)) == (True, False, False)
    desk.batch(2000, 500, (), levels(("2756.9", "0"), ("2757", "7")))
    assert desk.asks() == [("2757", "7")]


def test_a_missing_batch_or_a_lost_stream_leaves_the_book_unknown_until_the_next_snapshot() -> None:
    desk = PaperDesk()
    desk.load()
    desk.batch(2000, 900, (), ())
    desk.batch(4000, 3000, (), levels(("2757", "7")))
    assert not desk.market.knows(ETH)
    desk.load(5000)
    assert desk.market.knows(ETH)
    desk.market.lost()
    assert not desk.market.knows(ETH)
    desk.load(6000)
    assert desk.market.knows(ETH)


def test_what_an_order_has_taken_is_there_again_with_the_next_batch() -> None:
    """The exchange never knew of it: this flatters, and the documents say so."""
    desk = PaperDesk()
    desk.load()
    taken = desk.place("0.4", "2756.9")
    assert taken.filled == Base.of("0.4")
    assert desk.asks()[0] == ("2756.9", "0.6")
    desk.batch(2000, 900, levels(("2756.6", "1")), ())
    assert desk.asks()[0] == ("2756.9", "1")


def test_a_public_trade_beyond_the_price_of_a_resting_order_fills_it_and_one_at_its_price_does_not() -> None:
    desk = PaperDesk()
    desk.load()
    resting = desk.place("-0.1", "2756.9", "post_only")
    desk.market.take([PublicTrade(ETH, Ns(3000), Price.of("2756.9"), Base.of("0.5"), taker_buys=True)])
    assert resting.filled == 0
    desk.market.take([PublicTrade(ETH, Ns(3001), Price.of("2757"), Base.of("0.04"), taker_buys=True)])
    assert resting.filled == Base.of("-0.04")
    desk.market.take([Touch(ETH, Ns(3002), None, None)])
    assert resting.filled == Base.of("-0.04")


def test_rules_that_the_exchange_changes_are_the_engines_and_what_it_does_not_say_stays() -> None:
    desk = PaperDesk()
    desk.load()
    dearer = msgspec.structs.replace(
        RULES.eth,
        taker_fee=Rate(ONE // 1000),
        min_notional=None,
        status="reduce_only",
        oracle=Price.of("2800"),
    )
    desk.market.take_rules(msgspec.structs.replace(RULES, eth=dearer))
    market = desk.venue.exchange.markets[ETH]
    assert (market.product.taker_fee, market.product.min_size) == (Rate(ONE // 1000), Quote.of(100))
    assert (market.product.status, market.oracle) == ("reduce_only", Price.of("2800"))
    with pytest.raises(ExchangeRefusal, match="2069"):
        desk.place("0.1", "2756.9")
    desk.market.take_rules(
        msgspec.structs.replace(RULES, eth=msgspec.structs.replace(dearer, status="on fire"))
    )
    assert market.product.status == "not_tradable"


def test_an_exchange_whose_rules_are_incomplete_has_no_paper_account() -> None:
    lacking = msgspec.structs.replace(RULES.sol, taker_fee=None)
    with pytest.raises(Incomplete, match="SOL-PERP has no taker_fee"):
        engine_for(msgspec.structs.replace(RULES, sol=lacking))


def test_what_is_signed_on_paper_is_signed_for_the_test_network_whichever_exchange_has_the_market() -> None:
    assert engine_for(RULES).chain_id == 763373 != RULES.chain_id


async def test_no_order_is_sent_where_the_exchanges_book_is_not_known() -> None:
    desk, wire = PaperDesk(), FakeWire()
    way, plan = PaperWire(wire, desk.market), fake_plan()
    signed = ORDER_BUILDER.sign(ORDER_BUILDER.order_of(plan, digest(plan), "eth"))
    reply = await way.place(signed)
    assert (reply.kind, reply.code, wire.sent) == ("not_sent", None, [])
    desk.load()
    assert (await way.place(signed)).kind == "accepted"
    desk.market.lost()
    assert (await way.place(signed)).kind == "not_sent"
    assert wire.sent == [signed]


def test_the_paper_account_is_charged_the_rate_that_the_exchange_says() -> None:
    """Its own book and oracle price say another one, and a rate that is not said changes nothing."""
    desk = PaperDesk()
    desk.load()
    desk.place("1", "2760")
    held = desk.venue.exchange.accounts[ME].positions[ETH]
    said = FundingRate(ETH, Rate.of("0.0024"), Ms(START_NS // 1_000_000))
    desk.market.take_funding((said, msgspec.structs.replace(said, product_id=99)))
    pay_funding(desk.venue.exchange, START_NS)
    market = desk.venue.exchange.markets[ETH]
    paid = held.v_quote - desk.venue.exchange.position(desk.venue.exchange.accounts[ME], ETH).v_quote
    assert paid == market.oracle // 10_000
    assert desk.venue.exchange.markets[SOL].funding.quoted is None
