"""Somebody else at work in our subaccount: what is not ours is named and never touched, what is ours is
closed, and nothing more is entered.
"""

import random
from itertools import count
from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock

from commands.open_state.evidence import VenueEvidence
from commands.open_state.last_reading import at_the_end
from commands.output.ending import Report, code_of, problem_of
from messages.execution import PlanClosed
from messages.lifecycle import Note
from messages.market import Level
from messages.sizing import Sealed
from messages.units import Base, Ms, Price, Quote
from supervisor import Ending
from tests.determinism import seed_trio
from tests.machine.audit import net
from tests.machine.bench import OWNER, Bench, bench
from tests.machine.test_escape_and_recovery import FLAT, HOURS, SHORT, escaped, interrupted, opened
from tests.machine.test_killed import PHASES, strike_in
from tests.machine.test_lost_connections import cut
from tests.thinned import thinned
from tests.venue.nado.appendices import Appendix, pack
from venue.nado.appendix import OrderKind
from venue.nado.signing import Signer, order_digest, order_nonce
from venue.protocol import Order
from venue.simulated.engine.rules import DEFAULT_PRODUCTS, Product
from venue.throwaway import THROWAWAY_SENDER

ETH, SOL, BTC = 4, 8, 2
LINKED = Signer(b"\x22" * 32)
SOMEBODY = "0x" + "77" * 20
NUMBERS = count(1)
IN_FLIGHT_NS = 60_000_000
"""What three votes had placed already when the hand came may still arrive."""


def by_hand(
    ready: Bench, amount: str, price: str, product: int = ETH, kind: OrderKind = "ioc", margin: int = 0
) -> str:
    """Somebody's order in the exchange's web page, signed by the owner; its digest. `margin`: USD that it
    takes along, for isolated margin.
    """
    venue = ready.venue
    nonce = order_nonce(venue.now_ms() + 50_000, next(NUMBERS))
    terms = Appendix(kind, isolated=margin > 0, value=margin * 10**6)
    order = Order(
        product, THROWAWAY_SENDER, Price.of(price), Base.of(amount), 4_294_967_295, nonce, pack(terms)
    )
    digest = "0x" + order_digest(order, venue.exchange.chain_id).hex()
    venue.exchange.match(venue.exchange.arrive(order, digest, OWNER.address, venue.now_ns()), venue.now_ns())
    venue.publish()
    return digest


def warnings(ready: Bench) -> list[str]:
    return [said.text for said in ready.said if isinstance(said, Note) and said.level == "warning"]


async def reported(ready: Bench, ending: Ending) -> Report:
    """What a person is told, once everything that can be closed has been."""
    if ending.by == "halt" and ending.open_legs:
        await escaped(ready, ending)
    held = ready.machine.channels.held.value
    words = at_the_end(ready.world, held, VenueEvidence(await ready.account(), ready.world.rules)).words
    return Report(
        ready.world.settings,
        7,
        ending.by,
        0,
        ready.totals(),
        held,
        words,
        code=ending.code,
        detail=ending.detail,
    )


# -- orders and products that are not ours -------------------------------------------------------------------


async def test_a_resting_order_that_is_not_ours_is_a_warning_and_stays_where_it_is(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, SHORT) as ready:
        theirs = by_hand(ready, "-1", "2900", kind="post_only")
        ending = await ready.run(within_s=60)
        assert (ending.by, ready.totals().completed) == ("done", 1)
        assert (await ready.account()).open_orders == (theirs,)
        assert [text for text in warnings(ready) if "not Evenkeel's" in text] == [
            "not Evenkeel's, not touched, sharing the margin: 1 resting order"
        ]


async def test_an_isolated_position_in_our_products_blocks_entering_is_named_and_stays(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """R1: it is part of what the venue holds, and no order of ours ever opened it."""
    async with bench(tmp_path, SHORT) as ready:
        by_hand(ready, "-3", "110", SOL, margin=100)
        ending = await ready.run(within_s=60)
        report = await reported(ready, ending)
        assert (ending.by, ending.code, code_of(report)) == ("refused", "FOREIGN_POSITION", 3)
        assert ending.detail == "SOL-PERP: -3 stand on isolated margin, where we never trade"
        assert (await ready.account()).position(SOL).isolated == Base.of("-3")
        assert len(ready.venue.exchange.order_log) == 1


async def test_an_isolated_position_that_comes_while_a_pair_is_open_ends_the_run_and_stays(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, HOURS) as ready:

        async def accident(_ready: Bench) -> None:
            by_hand(ready, "0.5", "2800", margin=200)

        ending = await interrupted(ready, accident)
        report = await reported(ready, ending)
        assert (ending.by, ending.code, code_of(report)) == ("halt", "FOREIGN_FILL", 70)
        snapshot = await ready.account()
        assert (
            snapshot.position(ETH).cross,
            snapshot.position(SOL).cross,
            snapshot.position(ETH).isolated,
        ) == (0, 0, Base.of("0.5"))


async def test_a_position_in_another_product_is_a_warning_and_is_left_alone(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    btc = Product("BTC-PERP", BTC, Price.of("1"), Base.of("0.001"), Quote.of(100))
    async with bench(tmp_path, SHORT, products=(*DEFAULT_PRODUCTS, btc)) as ready:
        ready.venue.exchange.set_oracle(BTC, Price.of("50000"))
        deep = (Level(Price.of("50000"), Base.of("5")),)
        ready.venue.exchange.move(BTC, (), deep, ready.venue.now_ns())
        theirs = by_hand(ready, "0.01", "50001", BTC)
        ending = await ready.run(within_s=60)
        assert (ending.by, ready.totals().completed) == ("done", 1)
        assert ready.venue.exchange.accounts[THROWAWAY_SENDER].position(BTC).amount == Base.of("0.01")
        assert [order.digest for order in ready.venue.exchange.order_log if order.product_id == BTC] == [
            theirs
        ]
        assert [text for text in warnings(ready) if "not Evenkeel's" in text] == [
            "not Evenkeel's, not touched, sharing the margin: product 2: 0.01"
        ]


async def test_a_resting_order_that_is_not_ours_and_trades_ends_the_run_and_keeps_what_it_bought(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(tmp_path, HOURS) as ready:
        by_hand(ready, "1", "2700", kind="post_only")

        async def falls(_ready: Bench) -> None:
            ready.venue.exchange.market_trade(
                ETH, Price.of("2690"), Base.of("-5"), ready.venue.now_ns(), is_taker_buyer=False
            )
            ready.venue.publish()

        ending = await interrupted(ready, falls)
        report = await reported(ready, ending)
        assert (ending.by, ending.code, code_of(report)) == ("halt", "FOREIGN_FILL", 70)
        assert opened(ready)[SOL] == 0
        assert (await ready.account()).position(ETH).cross == Base.of("1")


# -- a leg closed by hand ------------------------------------------------------------------------------------

HANDS = {
    "half of a leg": ((ETH, "-0.02", "2700"), {ETH: "0", SOL: "0"}),
    "all of a leg": ((ETH, "-0.042", "2700"), {ETH: "0", SOL: "0"}),
    "more than a leg": ((SOL, "3", "120"), {ETH: "0", SOL: "2"}),
    "the wrong way": ((ETH, "0.1", "2800"), {ETH: "0.1", SOL: "0"}),
}


@pytest.mark.parametrize(("hand", "left"), HANDS.values(), ids=HANDS)
async def test_whatever_is_done_by_hand_what_is_ours_is_closed_and_nothing_else(
    autojump_clock: MockClock, tmp_path: Path, hand: tuple[int, str, str], left: dict[int, str]
) -> None:
    """Never larger, never turned round by us: each order of ours after it is reduce-only."""
    async with bench(tmp_path, HOURS) as ready:
        before: list[int] = []

        async def hand_in(_ready: Bench) -> None:
            by_hand(ready, hand[1], hand[2], hand[0])
            before.append(len(ready.venue.exchange.order_log))

        ending = await interrupted(ready, hand_in)
        report = await reported(ready, ending)
        assert (ending.by, ending.code, report.open_legs, code_of(report)) == ("halt", "FOREIGN_FILL", "", 70)
        assert opened(ready) == {product: Base.of(amount) for product, amount in left.items()}
        assert ready.world.state.halted is not None
        after = list(ready.venue.exchange.order_log)[before[0] :]
        assert after
        assert all(order.reduce_only for order in after)


async def test_a_strangers_round_trip_between_two_pairs_ends_the_run_before_the_next(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A fill with a digest that is not ours: the position is as it was, and somebody trades here all the
    same.
    """
    settings = msgspec.structs.replace(SHORT, cycles=None, pause=Ms(5_000))
    async with bench(tmp_path, settings) as ready:

        def watch(said: msgspec.Struct) -> None:
            if isinstance(said, PlanClosed) and said.seq == 2:
                by_hand(ready, "0.5", "2800")
                by_hand(ready, "-0.5", "2700")

        ready.watchers.append(watch)
        ending = await ready.run(within_s=60)
        assert (ending.by, ending.code, ending.open_legs) == ("halt", "FOREIGN_FILL", "")
        assert "a fill of an order that is not ours" in ending.detail
        assert len([said for said in ready.said if isinstance(said, Sealed)]) == 2
        assert opened(ready) == FLAT


# -- a replaced signer ---------------------------------------------------------------------------------------


def replaced(ready: Bench) -> None:
    """The owner links another key, or none: ours is refused with 2028 from now on."""
    ready.venue.exchange.accounts[THROWAWAY_SENDER].linked_signer = SOMEBODY


async def test_a_signer_replaced_while_a_pair_is_open_stops_everything_and_says_what_is_open(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """2028: an exit that cannot be signed any more."""
    async with bench(
        tmp_path, msgspec.structs.replace(SHORT, hold=Ms(2_000), cycles=None), signer=LINKED
    ) as ready:

        async def accident(_ready: Bench) -> None:
            replaced(ready)

        ending = await interrupted(ready, accident)
        began = trio.current_time()
        report = await reported(ready, ending)
        assert (ending.by, ending.code) == ("halt", "SIGNER_REPLACED")
        assert trio.current_time() - began < 30, "nobody waits ten minutes for a key that is refused"
        assert report.open_legs == "ETH-PERP 0.042 (116 USD), SOL-PERP -1 (116 USD)"
        assert code_of(report) == 4
        problem = problem_of(report)
        assert problem is not None
        assert problem.sentence.startswith("NOT FLAT: ETH-PERP 0.042")
        assert "web page" in problem.cure
        assert opened(ready) == {ETH: Base.of("0.042"), SOL: Base.of("-1")}
        refused = [order for order in ready.venue.exchange.order_log if order.code == 2028]
        assert 2 <= len(refused) < 30


async def test_a_signer_replaced_between_two_pairs_is_a_halt_that_is_flat(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(
        tmp_path, msgspec.structs.replace(SHORT, cycles=None, pause=Ms(1_000)), signer=LINKED
    ) as ready:

        def watch(said: msgspec.Struct) -> None:
            if isinstance(said, PlanClosed) and said.seq == 2:
                replaced(ready)

        ready.watchers.append(watch)
        ending = await ready.run(within_s=60)
        report = await reported(ready, ending)
        assert (ending.by, ending.code, ending.open_legs, code_of(report)) == (
            "halt",
            "SIGNER_REPLACED",
            "",
            70,
        )
        assert opened(ready) == FLAT
        assert ready.totals().completed == 1
        assert len([order for order in ready.venue.exchange.order_log if order.code == 2028]) == 2


async def test_a_signer_replaced_while_nothing_is_sent_is_found_out_when_the_stream_comes_back(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The account's stream is authenticated by the same key."""
    async with bench(
        tmp_path, msgspec.structs.replace(SHORT, cycles=None, pause=Ms(60_000)), signer=LINKED
    ) as ready:

        def watch(said: msgspec.Struct) -> None:
            if isinstance(said, PlanClosed) and said.seq == 2:
                replaced(ready)
                cut(ready, "fill")

        ready.watchers.append(watch)
        ending = await ready.run(within_s=50)
        assert (ending.by, ending.code, ending.open_legs) == ("halt", "SIGNER_REPLACED", "")
        assert opened(ready) == FLAT


async def test_a_signer_replaced_between_the_two_orders_of_an_entry_names_the_leg_that_stands_alone(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with bench(
        tmp_path, msgspec.structs.replace(HOURS, venue_patience=Ms(5_000)), signer=LINKED
    ) as ready:
        log = ready.venue.exchange.order_log

        def real_arrive(
            *args: object, arrive: object = ready.venue.exchange.arrive, **more: object
        ) -> object:
            resting = arrive(*args, **more)  # type: ignore[operator]
            replaced(ready)
            return resting

        ready.venue.exchange.arrive = real_arrive  # type: ignore[method-assign,assignment]
        ending = await ready.run(within_s=60)
        report = await reported(ready, ending)
        assert (ending.by, ending.code, code_of(report)) == ("halt", "SIGNER_REPLACED", 4)
        assert sum(1 for order in log if order.filled) == 1
        assert report.open_legs.count("PERP") == 1


@pytest.mark.parametrize("phase", thinned(PHASES, 3))
async def test_a_signer_replaced_in_any_phase_is_a_halt_with_every_leg_that_stays_named(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery, phase: str
) -> None:
    """2028. Exit code 4 exactly when the engine holds something, and nothing is sent on and on."""
    async with bench(
        tmp_path, msgspec.structs.replace(SHORT, cycles=None, venue_patience=Ms(5_000)), signer=LINKED
    ) as ready:
        strike_in(ready, nursery, phase, lambda: replaced(ready))
        ending = await ready.run(within_s=60)
        report = await reported(ready, ending)
        held = [amount for amount in opened(ready).values() if amount]
        assert (ending.by, ending.code) == ("halt", "SIGNER_REPLACED")
        assert (report.open_legs.count("PERP"), code_of(report)) == (len(held), 4 if held else 70)
        assert len([order for order in ready.venue.exchange.order_log if order.code == 2028]) < 30


# -- at any moment -------------------------------------------------------------------------------------------

HANDS_AT_RANDOM = 12
"""More of them: for as many seeds as you like, the same test with a larger number here."""
WORST = {(ETH, 1): "2800", (ETH, -1): "2700", (SOL, 1): "120", (SOL, -1): "110"}


@pytest.mark.parametrize("seed", range(HANDS_AT_RANDOM))
async def test_a_hand_at_any_moment_gets_what_it_did_and_nothing_of_it_is_touched(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery, seed: int
) -> None:
    """Repeat one with: pytest tests/machine/test_third_party.py -k 'hand_at_any_moment and [SEED]'."""
    seed_trio(seed)
    chance = random.Random(f"hand {seed}")
    product, sign = chance.choice((ETH, SOL)), chance.choice((1, -1))
    amount = chance.choice(("0.02", "0.042", "0.5") if product == ETH else ("0.4", "1", "5"))
    settings = msgspec.structs.replace(
        SHORT, cycles=chance.choice((1, 3)), pause=Ms(200), direction=chance.choice(("long-eth", "long-sol"))
    )
    async with bench(tmp_path, settings, seed=seed) as ready:
        theirs: list[str] = []

        def hand() -> None:
            theirs.append(by_hand(ready, ("-" if sign < 0 else "") + amount, WORST[product, sign], product))
            if chance.random() < 0.2:
                theirs.append(
                    by_hand(ready, ("" if sign < 0 else "-") + amount, WORST[product, -sign], product)
                )

        strike_in(ready, nursery, chance.choice(list(PHASES)), hand)
        ending = await ready.run(within_s=300)
        report = await reported(ready, ending)
        log = list(ready.venue.exchange.order_log)
    assert (ending.by, ending.code, report.open_legs) in {
        ("halt", "FOREIGN_FILL", ""),
        ("refused", "FOREIGN_POSITION", ""),
    }
    done, left = net(order for order in log if order.digest in theirs), net(log)
    low, high = sorted((0, done[product]))
    assert low <= left[product] <= high
    assert [amount for other, amount in left.items() if other != product and amount] == []
    began = next(order.arrived_ns for order in log if order.digest == theirs[0])
    assert all(
        order.reduce_only
        for order in log
        if order.digest not in theirs and order.arrived_ns > began + IN_FLIGHT_NS
    )
