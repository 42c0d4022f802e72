"""The way out signed in advance: what it closes, for how long it can be used, and the file it is kept in."""

import stat
from pathlib import Path

import msgspec
import pytest

from messages.settings import Settings
from messages.sizing import LEGS
from messages.units import Base, Ms, Price
from tests.actors.fakes import ORDER_BUILDER, RULES, START_MS, held, resting_bid
from venue.closing import Closing
from venue.protocol import SignedCancel
from venue.stored_escape import WINDOW_MS, EscapeFile, StoredEscape, signed_escape

PRICES = (Price.of("2756.9"), Price.of("115.86"))


def stored(eth: str = "0.042", sol: str = "-1", generation: int = 1) -> StoredEscape:
    return signed_escape(
        held(phase="open", eth=Base.of(eth), sol=Base.of(sol)),
        PRICES,
        RULES,
        ORDER_BUILDER,
        Settings(),
        START_MS,
        generation,
    )


def test_it_closes_both_legs_reduce_only_at_the_worst_price_that_is_configured() -> None:
    way_out = stored()
    eth, sol = way_out.order("eth"), way_out.order("sol")
    assert eth is not None
    assert sol is not None
    assert (eth.order.amount, sol.order.amount) == (Base.of("-0.042"), Base.of("1"))
    # 300 bps, on the tick
    assert (eth.order.price, sol.order.price) == (Price.of("2674.1"), Price.of("119.34"))
    assert all(leg.reduce_only and leg.kind == "ioc" for leg in (way_out.plan.eth, way_out.plan.sol))
    assert eth == ORDER_BUILDER.sign(eth.order), "the signature is the key's own"


def test_a_leg_that_is_not_held_has_no_order() -> None:
    way_out = stored(sol="0")
    assert way_out.order("sol") is None
    assert len(way_out.orders) == 1


def test_its_window_is_within_what_the_venue_takes_and_it_is_not_used_after_it() -> None:
    way_out = stored()
    left = Closing(Base.of("0.042"), Base.of("-1"))
    assert WINDOW_MS < 100_000
    assert way_out.closes(left, RULES, START_MS + WINDOW_MS - 501)
    assert not way_out.closes(left, RULES, START_MS + WINDOW_MS - 500)


@pytest.mark.parametrize("left", [("0.041", "-1"), ("-0.042", "1"), ("0", "0")])
def test_it_is_used_for_exactly_what_it_was_signed_for(left: tuple[str, str]) -> None:
    assert not stored().closes(Closing(Base.of(left[0]), Base.of(left[1])), RULES, START_MS)


def test_one_order_of_it_is_used_where_one_leg_is_to_go() -> None:
    assert stored().closes(Closing(Base.of("0.042"), Base(0)), RULES, START_MS)


@pytest.mark.parametrize(("name", "value"), [("size_step", Base.of("0.3")), ("price_tick", Price.of("0.07"))])
def test_it_is_not_used_when_the_venue_trades_on_other_steps_or_ticks_now(name: str, value: object) -> None:
    """Its other order would trade alone."""
    rules = msgspec.structs.replace(RULES, sol=msgspec.structs.replace(RULES.sol, **{name: value}))
    assert not stored().closes(Closing(Base.of("0.042"), Base.of("-1")), rules, START_MS)


@pytest.mark.parametrize(
    ("left", "closes"),
    [
        (("0.041", "-1"), True),
        (("0.001", "0"), True),
        (("0.042", "-1"), True),
        (("0.043", "-1"), False),
        (("-0.042", "-1"), False),
        (("-0.041", "-1"), False),
        (("0", "0"), False),
    ],
)
def test_where_an_order_may_rest_it_is_used_for_whatever_that_has_come_to(
    left: tuple[str, str], closes: bool
) -> None:
    most = msgspec.structs.replace(stored(), resting=(resting_bid().doubt,))
    assert most.closes(Closing(Base.of(left[0]), Base.of(left[1])), RULES, START_MS) is closes


def test_a_cancellation_is_found_by_its_order_while_it_can_arrive() -> None:
    until = Ms(START_MS + WINDOW_MS)
    cancel = SignedCancel(4, "0xq", 1, "0xs", until)
    kept = msgspec.structs.replace(stored(), cancels=(cancel,))
    assert kept.cancel("0xq", until - 501) == cancel
    assert kept.cancel("0xq", until - 500) is None
    assert kept.cancel("0xother", START_MS) is None


def test_what_is_kept_of_it_while_something_is_closed_cancels_and_closes_nothing() -> None:
    until, bids = Ms(START_MS + WINDOW_MS), (resting_bid().doubt, resting_bid("0xended").doubt)
    cancels = tuple(SignedCancel(4, doubt.order_digest, 1, "0xs", until) for doubt in bids)
    whole = msgspec.structs.replace(stored(), resting=bids, cancels=cancels)
    kept = whole.cancels_of({"0xq"})
    assert kept.cancel("0xq", START_MS) == cancels[0]
    assert kept.cancel("0xended", START_MS) is None
    assert (kept.resting, kept.orders) == (bids[:1], ())
    for eth, sol in (("0.042", "-1"), ("-0.042", "1"), ("0.042", "0"), ("0", "-0.1")):
        assert not kept.closes(Closing(Base.of(eth), Base.of(sol)), RULES, START_MS)
        assert whole.closes(Closing(Base.of(eth), Base.of(sol)), RULES, START_MS) is (eth[0] != "-")
    assert not any(kept.order(leg) or kept.plan.leg(leg).amount for leg in LEGS)


def test_its_answers_are_not_waited_for_until_its_window_ends() -> None:
    by_ms = START_MS + 2_000
    assert {order.recv_time_ms for order in stored().asked_until(by_ms).values()} == {by_ms}
    whole = stored().asked_until(START_MS + 10 * WINDOW_MS)
    assert {order.recv_time_ms for order in whole.values()} == {START_MS + WINDOW_MS}


def test_two_generations_have_orders_of_their_own() -> None:
    digests = {order.digest for generation in (1, 2) for order in stored(generation=generation).orders}
    assert len(digests) == 4


def test_the_file_holds_the_newest_generation_for_its_owner_only(tmp_path: Path) -> None:
    file = EscapeFile(tmp_path / "a.escape", durable=True)
    assert file.read() is None
    file.replace(stored())
    file.replace(stored(generation=2))
    assert file.read() == stored(generation=2)
    assert stat.S_IMODE((tmp_path / "a.escape").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a.escape"]


def test_an_emptied_or_unreadable_file_is_no_way_out(tmp_path: Path) -> None:
    path = tmp_path / "a.escape"
    file = EscapeFile(path, durable=False)
    file.clear()
    assert not path.exists()
    file.replace(stored())
    file.clear()
    assert file.read() is None
    path.write_bytes(b'{"generation": 1')
    assert file.read() is None
