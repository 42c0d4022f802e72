"""How much is unhedged for how long: ETH at 2,000, SOL at 100, a pair of 0.5 ETH and 10 SOL."""

import random
from fractions import Fraction
from math import floor

from actors.ledger.exposure import FLAT, Exposure, Pair, exposure
from actors.ledger.orders import OrderPiece
from messages.sizing import Leg
from messages.units import ONE, Base, Price

PAIR: Pair = (int(Base.of("0.5")), int(Base.of("-10")))


def at(seconds: float, leg: Leg, amount: str, price: str = "") -> OrderPiece:
    return OrderPiece(
        round(seconds * 1_000_000_000),
        leg,
        int(Base.of(amount)),
        int(Price.of(price or {"eth": "2000", "sol": "100"}[leg])),
    )


def of(*moves: OrderPiece, agreed: tuple[Pair, ...] = (PAIR,), until_s: float = 0) -> tuple[int, int]:
    """The worst exposure in USD, and its integral in USD x seconds."""
    found = exposure(moves, agreed, ONE, until_ns=round(until_s * 1_000_000_000))
    return found.worst // ONE, found.usd_s // ONE


def test_a_leg_that_is_nearly_there_is_unhedged_by_what_is_missing() -> None:
    """9.85 of 10 SOL after a second, the rest 20 s later: 1,000 USD for 1 s and 15 USD for 20 s. Once
    nothing counted below a fiftieth.
    """
    assert of(at(0, "eth", "0.5"), at(1, "sol", "-9.85"), at(21, "sol", "-0.15")) == (1_000, 1_300)


def test_the_agreed_pair_is_hedged_however_far_its_legs_are_apart_in_usd() -> None:
    """970 USD against 1,000, held for 10 s: that is its imbalance, which was agreed, and no unhedged
    exposure.
    """
    pair = (PAIR[0], int(Base.of("-9.7")))
    moves = at(0, "eth", "0.5"), at(0, "sol", "-9.7"), at(10, "eth", "-0.5"), at(10, "sol", "9.7")
    assert of(*moves, agreed=(pair,)) == (0, 0)
    assert of(*moves, agreed=(PAIR,)) == (30, 300), (
        "the same amounts are exposed where another pair was agreed"
    )


def test_nothing_traded_is_no_exposure() -> None:
    assert exposure([], [PAIR], ONE) == Exposure()


def test_one_leg_counts_from_its_fill_until_the_other_joins() -> None:
    found = exposure([at(1, "eth", "0.5"), at(1.077, "sol", "-10")], [PAIR], ONE)
    assert found == Exposure(1_000 * ONE, 77 * ONE, 77_000_000, 0, 1_077_000_000)


def test_what_is_exposed_now_counts_on_until_it_is_asked() -> None:
    found = exposure([at(1, "eth", "0.5")], [PAIR], ONE, until_ns=4_000_000_000)
    assert (found.now // ONE, found.usd_s // ONE, found.lasted_ns, found.since_ns) == (
        1_000,
        3_000,
        3_000_000_000,
        4_000_000_000,
    )


def test_trades_of_one_instant_leave_nothing_between_them() -> None:
    assert of(at(0, "eth", "0.5"), at(0, "sol", "-10"), at(5, "sol", "10"), at(5, "eth", "-0.5")) == (0, 0)


def test_each_leg_is_marked_at_its_last_trade() -> None:
    """ETH is sold dearer: what is left of the pair is SOL at the price that it was last traded at."""
    assert of(
        at(0, "eth", "0.5"), at(0, "sol", "-10", "101"), at(9, "eth", "-0.5", "2100"), at(11, "sol", "10")
    ) == (1_010, 2_020)


def test_a_pair_that_was_agreed_first_is_still_hedged_after_a_repair_has_left_another() -> None:
    trimmed = (int(Base.of("0.4")), int(Base.of("-8")))
    moves = at(0, "eth", "0.5"), at(0, "sol", "-10"), at(60, "sol", "2"), at(61, "eth", "-0.1")
    assert of(*moves, agreed=(PAIR, trimmed), until_s=99) == (200, 200)


def test_a_pair_that_was_held_before_is_exposed_by_what_its_first_trades_leave() -> None:
    moves = [at(5, "eth", "-0.5"), at(7, "sol", "10")]
    assert exposure(moves, [PAIR], ONE, start=PAIR)[:2] == (1_000 * ONE, 2_000 * ONE)
    lone = exposure([], [], ONE, start=(PAIR[0], 0))
    assert (lone.now, lone.priced) == (0, False), "nobody knows what it is worth"


def some(seed: int) -> list[OrderPiece]:
    """A few trades, some at one instant, each leg at prices of its own."""
    rng = random.Random(seed)
    price = {"eth": 2_000, "sol": 100}
    found = []
    for _ in range(rng.randint(1, 8)):
        leg: Leg = rng.choice(("eth", "sol"))
        amount = rng.choice((-1, 1)) * rng.randint(1, 500) * ONE // (1_000 if leg == "eth" else 50)
        found.append(OrderPiece(rng.randint(0, 20) * 500_000_000, leg, amount, price[leg] * ONE))
    return found


def test_it_is_the_area_under_a_curve_that_is_drawn_naively_and_knows_no_order_direction_or_splitting() -> (
    None
):
    """Property: 500 cases against half-second steps; told in any order, mirrored, moved in time, or with
    every fill in two halves it is the same.
    """
    step = 500_000_000
    for seed in range(500):
        moves, rng = some(seed), random.Random(seed)
        agreed: list[Pair] = [rng.choice([(moves[0].amount, 0), (0, moves[0].amount), PAIR])]
        end, ratio = 12_000_000_000, (ONE, 8 * ONE // 10, 5 * ONE)[seed % 3]
        found = exposure(moves, agreed, ratio, until_ns=end)
        area = sum(
            naive([move for move in moves if move.at_ns <= now], agreed, ratio) for now in range(0, end, step)
        )
        assert found.usd_s == area * step // 1_000_000_000, seed
        assert found.now == naive(moves, agreed, ratio), seed
        assert exposure(rng.sample(moves, len(moves)), agreed, ratio, until_ns=end) == found, seed
        halves = [
            OrderPiece(each.at_ns, each.leg, part, each.price)
            for each in moves
            for part in (each.amount // 2, each.amount - each.amount // 2)
        ]
        assert exposure(halves, agreed, ratio, until_ns=end) == found, seed
        mirrored = [OrderPiece(each.at_ns, each.leg, -each.amount, each.price) for each in moves]
        assert exposure(mirrored, [(-eth, -sol) for eth, sol in agreed], ratio, until_ns=end) == found, seed
        later = [OrderPiece(each.at_ns + step, each.leg, each.amount, each.price) for each in moves]
        assert exposure(later, agreed, ratio, until_ns=end + step) == found._replace(
            since_ns=found.since_ns + step
        ), seed


def test_a_lone_leg_is_unhedged_by_the_dollars_of_eth_that_it_stands_for() -> None:
    """With 0.8, 10 SOL of 100 USD stand for 1,250 USD of ETH, and 0.5 ETH of 2,000 for 1,000."""
    eight_tenths = 8 * ONE // 10
    lone = exposure([at(1, "sol", "-10")], [], eight_tenths, until_ns=3_000_000_000)
    assert (lone.now // ONE, lone.usd_s // ONE) == (1_250, 2_500)
    both = exposure([at(1, "eth", "0.5"), at(1, "sol", "-8")], [], eight_tenths, until_ns=3_000_000_000)
    assert (both.now, both.usd_s) == (0, 0)


def naive(moves: list[OrderPiece], agreed: list[Pair], ratio: int) -> int:
    """The exposure after these trades: all of a leg at the one price that it has here."""
    eth, sol = (sum(move.amount for move in moves if move.leg == leg) for leg in ("eth", "sol"))
    hedge = Fraction(sol * 100 * ONE, ratio)
    return 0 if (eth, sol) in {FLAT, *agreed} else floor(abs(eth * 2_000 + hedge))
