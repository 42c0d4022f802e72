"""Money that moves without an order: funding, settlement, transfers, withdrawals, signers, isolated margin
and liquidation, in whole numbers.
"""

import pytest

from messages.units import ONE, Base, Price, Quote
from tests.venue.simulated.desk import ETH, ME, OTHER, OURS, SOL, START_NS, THEIRS, Desk, desk, levels, order
from venue.simulated.engine import treasury
from venue.simulated.engine.accounts import Account
from venue.simulated.engine.codes import ExchangeRefusal
from venue.simulated.engine.events import Filled, FundingCharged, FundingPaid, Liquidated, PositionChanged
from venue.simulated.engine.funding import Funding, Premium
from venue.simulated.engine.liquidation import HOUSE, liquidate_by, liquidate_unhealthy, price_of
from venue.simulated.engine.rules import (
    ISOLATED_MAX,
    NO_ADDRESS,
    VenueOptions,
    is_isolated,
    isolated_name,
    isolated_product,
)

HOUR_NS = 3600 * 10**9


def isolated(margin: str, kind: int = 1) -> int:
    """The appendix of an isolated order: version 1, `kind` (1 = IOC), the margin in millionths."""
    return int(Quote.of(margin)) // 10**12 << 64 | kind << 9 | 1 << 8 | 1


def position_held(floor: Desk, name: str = ME, product_id: int = ETH) -> tuple[int, int]:
    account = floor.exchange.accounts[name]
    position = floor.exchange.position(account, product_id)
    return position.amount, position.v_quote


def value(floor: Desk, name: str) -> int:
    account = floor.exchange.accounts.get(name)
    return int(floor.exchange.health(account, "unweighted").health) if account else 0


def code_of(call: object, *arguments: object, **named: object) -> int:
    with pytest.raises(ExchangeRefusal) as no:
        call(*arguments, **named)  # type: ignore[operator]
    return no.value.code


# -- funding -------------------------------------------------------------------------------------------------


def test_the_premium_is_averaged_over_the_time_that_it_stood() -> None:
    premium = Premium()
    premium.note(3 * ONE, 0)
    premium.note(-ONE, 10)
    premium.note(None, 20)
    premium.note(8 * ONE, 30)
    assert premium.average(40) == (30 - 10 + 80) * ONE // 30


def test_funding_is_charged_by_the_hour_at_a_twenty_fourth_of_the_daily_premium_and_never_more_than_two_percent() -> (  # noqa: E501
    None
):
    """S6: an eight-hour rate was applied every hour."""
    funding = Funding(Premium())
    funding.premium.note(24 * ONE, 0)
    assert funding.rate(int(Price.of("2400")), HOUR_NS) == ONE // 100
    assert funding.pay(int(Price.of("2400")), HOUR_NS) == ONE
    assert funding.pay(int(Price.of("2400")), HOUR_NS) == 0
    assert funding.pay(int(Price.of("600")), 2 * HOUR_NS) == int(Price.of("12")) // 24
    assert funding.cumulative == ONE + ONE // 2


def test_a_long_pays_a_short_when_the_mark_is_above_the_index_and_no_position_change_is_told() -> None:
    """S6: funding was once reckoned as +1 % a year on both legs. It has a sign."""
    floor = desk()
    floor.draw(ETH, levels(("2756.8", "1")), ())
    floor.place(order("-0.5", "2756.9", "post_only", sender=OTHER))
    floor.place(order("0.5", "2756.9"))
    floor.draw(ETH, levels(("2756.8", "1")), levels(("2757.0", "1")))
    floor.exchange.set_oracle(ETH, Price.of("2732.9"), floor.later())
    floor.exchange.markets[ETH].funding.premium.restart()
    before = {name: (position_held(floor, name), value(floor, name)) for name in (ME, OTHER)}
    floor.events()
    floor.now_ns += HOUR_NS
    treasury.pay_funding(floor.exchange, floor.now_ns)
    told = floor.events()
    assert [type(event) for event in told] == [FundingCharged, FundingCharged, FundingPaid, FundingPaid]
    assert told[2] == FundingPaid(ETH, ONE, Base(ONE), ONE, 3600, floor.exchange.now_ns)
    charged = {event.subaccount: event.amount for event in told if isinstance(event, FundingCharged)}
    assert charged == {ME: -ONE // 2, OTHER: ONE // 2}
    for name, sign in ((ME, -1), (OTHER, 1)):
        (amount, quote), worth = before[name]
        assert position_held(floor, name) == (amount, quote + sign * ONE // 2)
        assert value(floor, name) == worth + sign * ONE // 2


# -- settlement ----------------------------------------------------------------------------------------------


def test_settling_moves_the_result_into_the_balance_and_leaves_the_accounts_value_as_it_was() -> None:
    floor = desk()
    floor.place(order("0.5", "2756.9"))
    floor.exchange.set_oracle(ETH, Price.of("2800"), floor.later())
    worth, balance = value(floor, ME), floor.exchange.accounts[ME].usdt0
    floor.events()
    treasury.settle_results(floor.exchange, floor.later())
    assert position_held(floor) == (Base.of("0.5"), Quote.of("-1400"))
    assert floor.exchange.accounts[ME].usdt0 > balance
    assert value(floor, ME) == worth
    told = [
        (event.product_id, event.reason) for event in floor.events() if isinstance(event, PositionChanged)
    ]
    assert told == [(ETH, "settle_pnl"), (0, "settle_pnl")]


def test_a_product_pays_out_no_more_than_it_has() -> None:
    floor = desk()
    floor.place(order("0.5", "2756.9"))
    floor.exchange.set_oracle(ETH, Price.of("2800"), floor.later())
    floor.exchange.markets[ETH].available_settle = int(Quote.of("5"))
    balance = floor.exchange.accounts[ME].usdt0
    treasury.settle_results(floor.exchange, floor.later())
    assert floor.exchange.accounts[ME].usdt0 == balance + Quote.of("5")
    treasury.settle_results(floor.exchange, floor.later())
    assert floor.exchange.accounts[ME].usdt0 == balance + Quote.of("5")


# -- transfers, withdrawals, signers -------------------------------------------------------------------------


def test_a_transfer_needs_five_dollars_another_account_and_health() -> None:
    floor = desk(funds="100")
    new = ME[:42] + b"savings".ljust(12, b"\0").hex()
    assert code_of(treasury.transfer_quote, floor.exchange, ME, new, int(Quote.of("4.99")), START_NS) == 2077
    assert code_of(treasury.transfer_quote, floor.exchange, ME, ME, int(Quote.of("5")), START_NS) == 2079
    assert (
        code_of(treasury.transfer_quote, floor.exchange, ME, new, int(Quote.of("100.01")), START_NS) == 2036
    )
    assert code_of(treasury.transfer_quote, floor.exchange, new, ME, int(Quote.of("5")), START_NS) == 2024
    treasury.transfer_quote(floor.exchange, ME, new, int(Quote.of("60")), floor.later())
    assert (value(floor, ME), value(floor, new)) == (Quote.of("40"), Quote.of("60"))


def test_a_withdrawal_costs_one_dollar_is_in_the_tokens_decimals_and_leaves_the_margin() -> None:
    floor = desk(funds="100")
    assert treasury.withdrawable(floor.exchange, floor.exchange.accounts[ME]) == Quote.of("99")
    assert code_of(treasury.withdraw, floor.exchange, ME, 4, 1, START_NS) == 2016
    assert code_of(treasury.withdraw, floor.exchange, ME, 0, 10**32, START_NS) == 2091
    assert code_of(treasury.withdraw, floor.exchange, ME, 0, 99_000_001, START_NS) == 2036
    assert code_of(treasury.withdraw, floor.exchange, ME, 0, 99_000_001, START_NS, may_borrow=False) == 2017
    treasury.withdraw(floor.exchange, ME, 0, 98_500_000, floor.later())
    assert value(floor, ME) == Quote.of("0.5")


def test_a_signer_is_linked_replaced_and_revoked_and_not_too_often() -> None:
    floor = desk()
    for number in range(treasury.LINKS_MAX):
        treasury.link_signer(floor.exchange, ME, [THEIRS.address, NO_ADDRESS][number % 2], floor.later())
    assert floor.code(order("0.042", "2756.9"), sender=THEIRS) == 2028
    assert code_of(treasury.link_signer, floor.exchange, ME, NO_ADDRESS, floor.later()) == 2026
    assert code_of(treasury.link_signer, floor.exchange, ME, THEIRS.address, floor.later()) == 2030
    floor.now_ns += treasury.LINKS_WINDOW_NS
    treasury.link_signer(floor.exchange, ME, THEIRS.address, floor.later())
    floor.exchange.accounts[ME].usdt0 = int(Quote.of("4.99"))
    assert code_of(treasury.link_signer, floor.exchange, ME, OURS.address, floor.later()) == 2025
    treasury.link_signer(floor.exchange, ME, NO_ADDRESS, floor.later())


# -- isolated margin -----------------------------------------------------------------------------------------


def test_an_isolated_order_trades_in_a_subaccount_of_its_own_with_its_margin() -> None:
    floor = desk()
    assert floor.code(order("0.5", "2756.9", appendix=isolated("10"))) == 2006
    assert floor.code(order("0.5", "2756.9", appendix=isolated("10000.01"))) == 2006
    entry = floor.place(order("0.5", "2756.9", appendix=isolated("100")))
    child = isolated_name(ME[:42], ETH, 0)
    assert (is_isolated(child), isolated_product(child), len(child)) == (True, ETH, 66)
    account = floor.exchange.accounts[child]
    assert (account.usdt0, account.parent, account.position(ETH).amount) == (
        Quote.of("100"),
        ME,
        Base.of("0.5"),
    )
    assert floor.exchange.accounts[ME].usdt0 == Quote.of("9900")
    assert position_held(floor) == (0, 0)
    told = [event for event in floor.events() if isinstance(event, Filled | PositionChanged)]
    assert [(event.subaccount, event.isolated) for event in told if event.product_id == ETH] == [
        (ME, True),
        (ME, True),
    ]
    assert {event.also for event in told if event.product_id == ETH} == {child}
    assert entry.filled == Base.of("0.5")


def test_closing_an_isolated_position_needs_reduce_only_from_its_subaccount_and_brings_everything_home() -> (
    None
):
    floor = desk()
    worth = value(floor, ME)
    opened = floor.place(order("0.5", "2756.9", appendix=isolated("100")))
    child = isolated_name(ME[:42], ETH, 0)
    assert floor.code(order("-0.5", "2756.8", sender=child), sender=OURS) == 2088
    assert floor.code(order("-0.5", "115.86", product_id=SOL, sender=child), sender=OURS) == 2082
    assert floor.code(order("-0.5", "2756.8", sender=child, appendix=isolated("1")), sender=OURS) == 2081
    assert floor.code(order("-0.5", "2756.8", appendix=isolated("1") | 1 << 11)) == 2085
    assert code_of(treasury.link_signer, floor.exchange, child, THEIRS.address, floor.later()) == 2089
    closed = floor.place(order("-0.5", "2756.8", reduce_only=True, sender=child), sender=OURS)
    assert child not in floor.exchange.accounts
    fees = opened.fills[0].fee + closed.fills[0].fee
    assert floor.exchange.accounts[ME].usdt0 == Quote.of("10000")
    assert position_held(floor) == (0, Quote.of("-0.05") - fees)
    assert value(floor, ME) == worth - Quote.of("0.05") - fees


def test_a_second_isolated_order_joins_the_first_and_other_names_are_a_knob() -> None:
    floor = desk(options=VenueOptions(isolated_shows_parent=False))
    for _ in range(2):
        floor.place(order("0.1", "2756.9", appendix=isolated("50")))
    child = isolated_name(ME[:42], ETH, 0)
    assert floor.exchange.accounts[child].usdt0 == Quote.of("100")
    assert [event.subaccount for event in floor.events() if isinstance(event, Filled)] == [child, child]


def test_an_address_has_ten_isolated_subaccounts_and_no_eleventh() -> None:
    floor = desk()
    for number in range(ISOLATED_MAX):
        name = isolated_name(ME[:42], SOL, number)
        floor.exchange.accounts[name] = Account(name, parent=ME)
    assert floor.code(order("0.1", "2756.9", appendix=isolated("50"))) == 2087


# -- liquidation ---------------------------------------------------------------------------------------------


def under_maintenance() -> Desk:
    """60 USDT0 behind 0.8 ETH bought at 2756.9, and the oracle falls until maintenance health is just
    gone.
    """
    floor = desk(funds="60")
    floor.place(order("0.8", "2756.9"))
    floor.exchange.set_oracle(ETH, Price.of("2715"), floor.later())
    floor.events()
    return floor


def test_an_account_under_maintenance_loses_as_much_as_brings_initial_health_back_at_a_penalty() -> None:
    floor = under_maintenance()
    me = floor.exchange.accounts[ME]
    assert floor.exchange.health(me, "maintenance").health < 0
    assert price_of(floor.exchange, ETH, 1) == Price.of("2715") * 995 // 1000
    assert price_of(floor.exchange, ETH, -1) == Price.of("2715") * 1005 // 1000
    assert liquidate_unhealthy(floor.exchange, floor.later())
    told = [event for event in floor.events() if isinstance(event, Liquidated)]
    assert [(event.liquidator, event.liquidatee, event.amount > 0) for event in told] == [(HOUSE, ME, True)]
    left = position_held(floor)[0]
    assert 0 < left < Base.of("0.8")
    assert left % Base.of("0.001") == 0
    assert floor.exchange.health(me, "initial").health >= 0
    floor.exchange.change(me, ETH, int(Base.of("0.001")), -int(price_of(floor.exchange, ETH, 1)) // 1000)
    assert floor.exchange.health(me, "initial").health < 0
    assert floor.exchange.insurance > 0
    assert not liquidate_unhealthy(desk().exchange, START_NS)


def test_a_fall_through_everything_ends_flat_at_zero_and_the_insurance_fund_pays() -> None:
    floor = under_maintenance()
    floor.exchange.set_oracle(ETH, Price.of("2000"), floor.later())
    liquidate_unhealthy(floor.exchange, floor.later())
    assert (position_held(floor), value(floor, ME)) == ((0, 0), 0)
    assert floor.exchange.insurance < 0
    assert floor.code(order("0.1", "2757")) == 2006


def test_resting_orders_of_a_liquidated_account_are_withdrawn_first() -> None:
    floor = desk(funds="60")
    floor.place(order("0.7", "2756.9"))
    mine = floor.place(order("0.042", "2650", "post_only"))
    floor.exchange.set_oracle(ETH, Price.of("2700"), floor.later())
    liquidate_unhealthy(floor.exchange, floor.later())
    assert not floor.exchange.open_orders(ME, ETH)
    assert mine.filled == 0


def test_an_isolated_position_is_liquidated_alone() -> None:
    floor = desk()
    floor.place(order("0.5", "2756.9", appendix=isolated("40")))
    floor.place(order("0.1", "2757"))
    floor.exchange.set_oracle(ETH, Price.of("2690"), floor.later())
    liquidate_unhealthy(floor.exchange, floor.later())
    liquidated = [event.liquidatee for event in floor.events() if isinstance(event, Liquidated)]
    assert liquidated == [isolated_name(ME[:42], ETH, 0)]
    assert position_held(floor)[0] == Base.of("0.1")


def test_another_subaccount_may_liquidate_and_takes_the_position_over() -> None:
    floor = under_maintenance()
    treasury.deposit(floor.exchange, OTHER, Quote.of(10_000), floor.later())
    for amount, product_id, code in (
        ("0.0005", ETH, 2046),
        ("-0.1", ETH, 2047),
        ("0.8", ETH, 2047),
        ("0.1", 0, 2045),
    ):
        assert (
            code_of(liquidate_by, floor.exchange, OTHER, ME, product_id, int(Base.of(amount)), floor.later())
            == code
        )
    assert (
        code_of(liquidate_by, floor.exchange, OTHER, OTHER, ETH, int(Base.of("0.1")), floor.later()) == 2050
    )
    worth = value(floor, OTHER)
    liquidate_by(floor.exchange, OTHER, ME, ETH, int(Base.of("0.1")), floor.later())
    assert position_held(floor, OTHER)[0] == Base.of("0.1")
    assert value(floor, OTHER) == worth + Quote.of("2715") * 5 // 1000 // 10 // 2
    assert position_held(floor)[0] == Base.of("0.7")


def test_healthy_accounts_and_poor_liquidators_are_refused() -> None:
    floor = desk(funds="60")
    assert code_of(liquidate_by, floor.exchange, OTHER, ME, ETH, int(Base.of("0.1")), floor.later()) == 2044
    floor.place(order("0.8", "2756.9"))
    floor.exchange.set_oracle(ETH, Price.of("2740"), floor.later())
    assert code_of(liquidate_by, floor.exchange, OTHER, ME, ETH, int(Base.of("0.1")), floor.later()) == 2042
    floor.exchange.set_oracle(ETH, Price.of("2715"), floor.later())
    floor.exchange.accounts[OTHER].usdt0 = 0
    assert code_of(liquidate_by, floor.exchange, OTHER, ME, ETH, int(Base.of("0.1")), floor.later()) == 2043
