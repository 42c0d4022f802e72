"""The last cycle before a volume or a cost is as large as what is left of it."""

import msgspec
import pytest

from actors.sizing.last_cycle import cycle_price, last_target
from actors.sizing.sizer import Look, Memory, Sizer
from messages.lifecycle import Held
from messages.settings import Settings
from messages.sizing import SizingPlan
from messages.units import DOLLAR_NEUTRAL, ONE, Ms, Quote, Rate, notional
from tests.actors.fakes import FREE, RULES, START_MS, quote
from tests.actors.risk.test_goals import so_far

TERMS = RULES.terms()
VOLUME = Settings(cycles=None, until_volume=Quote(10_000 * ONE))
COST = Settings(cycles=None, until_cost=Quote(10 * ONE))


def target(settings: Settings, state: Held) -> Quote | None:
    return last_target(settings.target, settings, state, RULES, quote())


def gross(settings: Settings, state: Held) -> int:
    """USD x18 of both legs that sizing proposes."""
    plan = Sizer(settings, RULES).step(Memory(), Look(quote(), state, FREE, Ms(START_MS)))[1]
    assert isinstance(plan, SizingPlan), plan
    return sum(notional(order.vwap, order.amount) for order in (plan.eth, plan.sol))


def test_a_whole_cycle_is_entered_while_one_is_left() -> None:
    assert target(VOLUME, so_far(traded=6_000 * ONE)) is None
    assert target(Settings(), so_far(traded=6_000 * ONE)) is None


def test_what_is_left_of_a_volume_is_traded_by_four_orders() -> None:
    assert target(VOLUME, so_far(traded=6_000 * ONE + 4)) == 1000 * ONE - 1
    assert target(VOLUME, so_far(traded=8_000 * ONE)) == 500 * ONE


def test_what_is_left_of_a_cost_is_that_part_of_what_a_cycle_costs() -> None:
    """4 orders at 0.035 %, and the spread of each book once: 0.1 of 2756.85 and 0.01 of 115.865."""
    price = cycle_price(Quote(1000 * ONE), DOLLAR_NEUTRAL, TERMS, quote())
    assert price.fees == 14 * ONE // 10
    assert (price.spread * 10_000 // ONE) == 1225
    half = sum(price) // 2
    found = target(COST, so_far(net=-(10 * ONE - half)))
    assert found is not None
    assert abs(found - 500 * ONE) <= 1000
    assert target(COST, so_far(net=-(10 * ONE - sum(price)))) is None
    assert target(COST, so_far(net=None)) is None


def test_nothing_smaller_than_the_exchange_takes_is_asked_for() -> None:
    assert target(VOLUME, so_far(traded=9_999 * ONE)) == 100 * ONE


def test_with_a_hedge_ratio_sols_share_counts_in_volume_cost_and_minimum() -> None:
    """0.8: a cycle of 1,000 USD trades 3,600, pays 4 fees on 900 on average, and needs 125 USD of ETH for 100
    of SOL.
    """
    eight_tenths = Rate.of("0.8")
    volume = msgspec.structs.replace(VOLUME, hedge_ratio=eight_tenths)
    assert target(volume, so_far(traded=6_400 * ONE)) is None
    assert target(volume, so_far(traded=8_200 * ONE)) == 500 * ONE
    assert target(volume, so_far(traded=9_999 * ONE)) == 125 * ONE
    price = cycle_price(Quote(1000 * ONE), eight_tenths, TERMS, quote())
    assert price.fees == Quote.of("1.26")
    assert price.spread < cycle_price(Quote(1000 * ONE), DOLLAR_NEUTRAL, TERMS, quote()).spread


@pytest.mark.parametrize("left", [40, 400, 1_000, 1_720, 2_500, 3_999])
def test_sizing_enters_the_smallest_pair_that_can_be_balanced_and_covers_it(left: int) -> None:
    """Never more than the target and what it may deviate; at 100 USD nothing can be balanced, so more."""
    found = gross(VOLUME, so_far(traded=(10_000 - left) * ONE))
    assert found <= gross(VOLUME, so_far())
    size = msgspec.structs.replace(VOLUME, target=Quote(max(left * ONE // 4, 100 * ONE)))
    smallest = Sizer(VOLUME, RULES).size(quote(), 1, size.target).smallest_target
    assert smallest is not None
    assert found == gross(msgspec.structs.replace(size, target=smallest), so_far())


def test_the_last_cycle_is_the_whole_one_where_nothing_smaller_can_be_balanced() -> None:
    tight = msgspec.structs.replace(VOLUME, target=Quote(101 * ONE))
    assert Sizer(tight, RULES).size(quote(), 1, Quote(100 * ONE)).smallest_target is not None
    assert gross(tight, so_far(traded=9_999 * ONE)) <= gross(tight, so_far())


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        (VOLUME, so_far(traded=10_000 * ONE)),
        (COST, so_far(net=-10 * ONE)),
        (COST, so_far(net=None)),
        (msgspec.structs.replace(VOLUME, until_utc=Ms(START_MS)), so_far()),
    ],
)
def test_nothing_is_entered_once_a_goal_is_reached_or_while_nobody_knows(
    settings: Settings, state: Held
) -> None:
    look = Look(quote(), state, FREE, Ms(START_MS))
    assert Sizer(settings, RULES).step(Memory(), look)[1] is None
