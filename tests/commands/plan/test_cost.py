"""What a cycle costs: against buying and selling lot by lot in books of any shape."""

import os
import random
from fractions import Fraction

import msgspec
import pytest

from commands.plan.cost import cycle_cost
from messages.market import Level
from messages.sizing import SizingPlan
from messages.units import ONE, Base, Bps, Ms, Price, Quote, Rate
from tests.actors.fakes import RULES, leg_order, quote

SEED = int(os.environ.get("EVENKEEL_SEED", "20"))
TERMS = RULES.terms()


def entry(eth: str, sol: str) -> SizingPlan:
    nothing = Ms(0)
    legs = leg_order(4, eth, "1"), leg_order(8, sol, "1")
    return SizingPlan(0, 0, 1, 0, "enter", nothing, nothing, nothing, nothing, nothing, Bps(0), *legs)


def test_on_books_one_tick_wide_and_deep_it_is_four_fees_and_two_spreads() -> None:
    cost = cycle_cost(entry("0.042", "-1"), quote(), TERMS)
    assert cost is not None
    assert cost.traded == Quote.of("463.3054")  # 0.042 x (2756.9 + 2756.8) + 115.86 + 115.87
    assert cost.fees == Quote.of("0.16215689")
    assert cost.spread == Quote.of("0.0142")  # 0.042 x 0.1 + 1 x 0.01
    assert cost.slippage == 0
    assert cost.total == Quote.of("0.17635689")
    assert cost.bps(cost.fees) == Bps.of("3.5")


def test_each_product_pays_its_own_fee() -> None:
    dear = msgspec.structs.replace(TERMS, sol=msgspec.structs.replace(TERMS.sol, taker_fee=Rate.of("0.001")))
    cost = cycle_cost(entry("0.042", "-1"), quote(), dear)
    assert cost is not None
    assert cost.fees == Quote.of("0.31278139")  # 231.5754 x 0.00035 + 231.73 x 0.001


def test_a_book_that_is_too_thin_on_the_side_of_the_exit_has_no_cost() -> None:
    books = quote()
    thin = msgspec.structs.replace(books.sol, asks=(Level(Price.of("115.87"), Base.of("0.9")),))
    assert cycle_cost(entry("0.042", "-1"), msgspec.structs.replace(books, sol=thin), TERMS) is None
    assert cycle_cost(entry("0.036", "-0.9"), msgspec.structs.replace(books, sol=thin), TERMS) is not None


def side(random_: random.Random, best: int, *, up: bool) -> tuple[Level, ...]:
    levels, price = [], best
    for _ in range(random_.randint(1, 4)):
        levels.append(Level(Price(price * ONE), Base(random_.randint(1, 9) * ONE)))
        price += (1 if up else -1) * random_.randint(1, 3)
    return tuple(levels)


def one_by_one(levels: tuple[Level, ...], amount: int) -> list[Fraction]:
    """The price of each unit that an order takes."""
    units = [Fraction(level.price, ONE) for level in levels for _ in range(level.amount // ONE)]
    return units[:amount]


@pytest.mark.parametrize("directed", [1, -1])
def test_the_causes_are_those_of_a_trade_made_unit_by_unit(directed: int) -> None:
    print(f"EVENKEEL_SEED={SEED} pytest tests/commands/plan/test_cost.py -k unit_by_unit")  # noqa: T201 - captured, shown with a failure
    random_, thin = random.Random(SEED), 0
    fees = {"eth": Fraction(35, 100_000), "sol": Fraction(1, 1000)}
    terms = msgspec.structs.replace(TERMS, sol=msgspec.structs.replace(TERMS.sol, taker_fee=Rate.of("0.001")))
    for _ in range(2000):
        books, wanted, amounts, enough = quote(), [Fraction(0)] * 3, {}, True
        for leg in ("eth", "sol"):
            bid = random_.randint(20, 60)
            asks = side(random_, bid + random_.randint(1, 4), up=True)
            bids = side(random_, bid, up=False)
            amounts[leg] = random_.randint(1, 15)
            books = msgspec.structs.replace(
                books, **{leg: msgspec.structs.replace(getattr(books, leg), bids=bids, asks=asks)}
            )
            paid, received = one_by_one(asks, amounts[leg]), one_by_one(bids, amounts[leg])
            wanted[0] += fees[leg] * (sum(paid) + sum(received))
            wanted[1] += amounts[leg] * (asks[0].price - bids[0].price) // ONE
            wanted[2] += sum(price - paid[0] for price in paid) + sum(
                received[0] - price for price in received
            )
            enough = enough and min(len(paid), len(received)) == amounts[leg]
        plan = entry(str(directed * amounts["eth"]), str(-directed * amounts["sol"]))
        cost = cycle_cost(plan, books, terms)
        if not enough:
            thin += 1
            assert cost is None, books
        else:
            assert cost is not None
            found = [Fraction(part, ONE) for part in (cost.fees, cost.spread, cost.slippage)]
            assert found == wanted, books
    assert 200 < thin < 1800
