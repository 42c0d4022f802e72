"""Every exit names exactly one rule, and that rule's condition holds at the quote; what is drawn for a cycle
is kept with its pair.
"""

from collections.abc import Callable
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.risk.drawn_values import hold_of, pause_of, target_of, with_drawn
from actors.risk.exits import exit_rule
from actors.risk.limits import marked
from actors.sizing.sizer import Look, Memory, Sizer
from messages.execution import Doubt
from messages.lifecycle import Directive, Held, Waiting
from messages.market import PairQuote
from messages.ranges import MsRange, QuoteRange
from messages.settings import Limits, Settings
from messages.sizing import SizingPlan
from messages.units import ONE, Base, Bps, Ms, Price, Quote
from tests.actors.fakes import FREE, RULES, START_MS, fake_plan, held, quote
from tests.actors.risk.test_pair_result import paid_pair

HOLD_MS = 60_000
SETTINGS = Settings(
    hold=Ms(HOLD_MS),
    min_hold=Ms(10_000),
    take_profit=Bps(5 * ONE),
    stop_loss=Bps(30 * ONE),
    limits=Limits(max_hold=Ms(90_000), max_marked_imbalance=Bps(100 * ONE)),
)
MOVES = ("2740", "2752", "2756.9", "2762", "2763.7", "2772")
"""Asks of ETH: from a loss of 30 bps over a result that is neither to a profit of more than 5 bps."""

RANGES = Settings(
    hold=Ms(MsRange(3_000, 9_000)),
    pause=Ms(MsRange(1_000, 5_000)),
    target=QuoteRange(900 * ONE, 1100 * ONE),
    limits=Limits(max_leg_notional=Quote(2000 * ONE), max_gross=Quote(4000 * ONE)),
)


def a_pair(**changes: object) -> Held:
    """Long ETH, short SOL, as they were entered at the prices of `quote()`."""
    return paid_pair(**({"entered_ms": Ms(START_MS)} | changes))


def net_bps(pair: Held, seen: PairQuote) -> Fraction:
    """By the prices at the best of the sides that are taken: these books are deep enough for that."""
    sold, bought = (
        Fraction(book[0].price * abs(leg.amount), ONE)
        for book, leg in ((seen.eth.bids, pair.eth), (seen.sol.asks, pair.sol))
    )
    cash = (pair.eth.cash or 0) + (pair.sol.cash or 0) + pair.funding
    entered_for = pair.eth.vwap * abs(pair.eth.amount) + pair.sol.vwap * abs(pair.sol.amount)
    return (cash + sold - bought - (sold + bought) * 35 / 100_000) * 10_000 * ONE / Fraction(entered_for, 1)


def sound(seen: PairQuote, now_ms: int) -> bool:
    """Are both books of now, of one moment, and deep?"""
    ages = seen.age_ms(now_ms)
    return max(ages) <= 1_000 and seen.skew_ms <= 500 and seen.eth.bids[0].amount > ONE


HOLDS: dict[str, Callable[[Held, PairQuote, Directive, int], bool]] = {
    "HOLD": lambda pair, _seen, _directive, now_ms: now_ms >= pair.entered_ms + hold_of(SETTINGS, pair),
    "MAX_HOLD": lambda pair, _seen, _directive, now_ms: now_ms >= pair.entered_ms + 90_000,
    "MARGIN_CALL": lambda pair, _seen, _directive, _now_ms: (pair.initial_health or 0) < 0,
    "MARKED_IMBALANCE": lambda pair, seen, _directive, _now_ms: marked(pair, seen) > 100 * ONE,
    "STOP_LOSS": lambda pair, seen, _directive, _now_ms: net_bps(pair, seen) <= -30,
    "TAKE_PROFIT": lambda pair, seen, _directive, now_ms: (
        net_bps(pair, seen) >= 5
        and now_ms >= pair.entered_ms + 10_000
        and not pair.unpriced
        and sound(seen, now_ms)
    ),
    "SIGINT": lambda _pair, _seen, directive, _now_ms: directive.leave_now,
}
"""The condition of each rule, told once more."""


@given(
    for_ms=st.integers(0, 120_000),
    drawn_ms=st.none() | st.integers(0, 120_000),
    eth_ask=st.sampled_from(MOVES),
    sol_bid=st.sampled_from(("115.86", "116.4", "114", "119")),
    age_ms=st.sampled_from((0, 1_000, 1_001)),
    thin=st.booleans(),
    health=st.sampled_from((1_000, 1_000, -1, 0)),
    leave=st.sampled_from((False, False, True)),
    funding=st.sampled_from(("0", "0.4", "-0.4")),
)
def test_every_exit_names_one_rule_whose_condition_holds_and_no_exit_is_missed(
    for_ms: int,
    drawn_ms: int | None,
    eth_ask: str,
    sol_bid: str,
    age_ms: int,
    thin: bool,
    health: int,
    leave: bool,
    funding: str,
) -> None:
    now_ms = START_MS + for_ms
    seen = quote(now_ms, eth_ask=eth_ask, sol_bid=sol_bid, age_ms=age_ms)
    if thin:
        lean = tuple(msgspec.structs.replace(level, amount=Base.of("0.363")) for level in seen.eth.bids)
        seen = msgspec.structs.replace(seen, eth=msgspec.structs.replace(seen.eth, bids=lean))
    pair = a_pair(hold=drawn_ms, initial_health=Quote(health * ONE), funding=Quote.of(funding))
    directive = Directive(enter=not leave, leave_now=leave, reason="SIGINT" if leave else "")
    look = Look(seen, pair, directive, Ms(now_ms))
    plan = Sizer(SETTINGS, RULES).step(Memory(), look)[1]
    true = [name for name, condition in HOLDS.items() if condition(pair, seen, directive, now_ms)]
    rule = exit_rule(pair, seen, SETTINGS, RULES, directive, now_ms)
    if not true:
        assert (plan, rule) == (None, None)
        return
    assert isinstance(plan, SizingPlan)
    assert (plan.purpose, plan.because) == ("exit", rule.code if rule else "")
    assert plan.because in true


def test_of_several_the_strictest_is_named() -> None:
    late = Ms(START_MS + 100_000)
    stop = Directive(enter=False, leave_now=True, reason="UNTIL_UTC")
    poor = {"initial_health": Quote(-1)}
    named = [
        exit_rule(a_pair(**changes), quote(late), SETTINGS, RULES, directive, late)
        for changes, directive in ((poor, stop), (poor, FREE), ({"entered_ms": Ms(late - 60_000)}, FREE))
    ]
    assert [rule.code if rule else "" for rule in named] == ["UNTIL_UTC", "MAX_HOLD", "HOLD"]


def test_a_plan_that_enters_says_what_was_drawn_for_its_cycle() -> None:
    plan = with_drawn(fake_plan(), RANGES, 7)
    assert plan.hold is not None
    assert plan.pause is not None
    assert plan.target == target_of(RANGES, 7, 1)
    assert 3_000 <= plan.hold <= 9_000
    assert 1_000 <= plan.pause <= 5_000
    assert with_drawn(fake_plan(), RANGES, 7) == plan
    assert with_drawn(fake_plan(), RANGES, 8) != plan
    assert with_drawn(fake_plan(), Settings(), 7) == fake_plan()


def test_a_plan_without_drawn_values_has_the_bytes_it_always_had() -> None:
    plain = msgspec.json.decode(msgspec.json.encode(fake_plan(), enc_hook=str))
    assert not {"hold", "pause", "target", "because"} & set(plain)


def test_what_a_pair_was_entered_with_counts_and_not_what_the_configuration_says_now() -> None:
    assert hold_of(RANGES, a_pair()) == 9_000
    assert hold_of(RANGES, a_pair(hold=Ms(4_321))) == 4_321
    assert hold_of(SETTINGS, a_pair(hold=Ms(4_321))) == 4_321
    assert pause_of(RANGES, a_pair(pause=Ms(1_234)), 7) == 1_234
    assert 1_000 <= pause_of(RANGES, a_pair(), 7) <= 5_000


@pytest.mark.parametrize("cycle", range(1, 6))
def test_sizing_enters_the_target_that_was_drawn(cycle: int) -> None:
    settings = RANGES
    look = Look(quote(), held(cycle=cycle - 1), FREE, Ms(START_MS))
    plan = Sizer(settings, RULES, 7).step(Memory(), look)[1]
    assert isinstance(plan, SizingPlan), plan
    fixed = msgspec.structs.replace(settings, target=target_of(settings, 7, cycle))
    same = Sizer(fixed, RULES, 7).step(Memory(), look)[1]
    assert isinstance(same, SizingPlan)
    assert (plan.eth, plan.sol) == (same.eth, same.sol)
    assert (plan.target, plan.hold) == (fixed.target, same.hold)


PROFIT, LOSS = "2764", "2736"
"""Asks of ETH at which a pair of `a_pair` is closed for more than 5 bps, and for a loss of more than 30."""
LATER = START_MS + 20_000


def left(
    eth_ask: str, now_ms: int = LATER, pair: Held | None = None, *, age_ms: int = 0, **changes: Base
) -> str:
    """The rule by which the pair leaves; "" while it stays."""
    seen = quote(now_ms, eth_ask=eth_ask, age_ms=age_ms)
    if changes:
        bids = tuple(msgspec.structs.replace(level, **changes) for level in seen.eth.bids)
        seen = msgspec.structs.replace(seen, eth=msgspec.structs.replace(seen.eth, bids=bids))
    plan = Sizer(SETTINGS, RULES).step(Memory(), Look(seen, pair or a_pair(), FREE, Ms(now_ms)))[1]
    return plan.because if isinstance(plan, SizingPlan) else ""


def test_a_profit_is_taken_and_a_loss_is_stopped() -> None:
    assert [left(each) for each in (PROFIT, "2756.9", LOSS)] == ["TAKE_PROFIT", "", "STOP_LOSS"]


def test_a_profit_waits_for_min_hold_and_for_books_of_now_a_stop_waits_for_nothing() -> None:
    young = START_MS + 9_999
    assert (left(PROFIT, young), left(PROFIT, START_MS + 10_000)) == ("", "TAKE_PROFIT")
    assert (left(PROFIT, age_ms=1_001), left(PROFIT, age_ms=1_000)) == ("", "TAKE_PROFIT")
    assert left(PROFIT, amount=Base.of("0.3")) == ""
    assert left(LOSS, young) == left(LOSS, age_ms=60_000) == "STOP_LOSS"
    assert left(LOSS, amount=Base.of("0.05")) == "STOP_LOSS"


def test_a_stop_counts_what_a_thin_book_shows_and_a_profit_does_not() -> None:
    """The whole exit would come to more than the visible levels, so their price is the most that is known."""
    assert left(PROFIT, amount=Base.of("0.05")) == ""


def test_a_price_that_is_only_estimated_makes_no_profit() -> None:
    doubt = Doubt("eth", 1, 1, "0x1", 4, Base.of("0.363"), Price.of("2759.6"), Ms(START_MS), Base(0))
    assert left(PROFIT, pair=a_pair(unpriced=(doubt,))) == ""
    assert left(LOSS, pair=a_pair(unpriced=(doubt,))) == "STOP_LOSS"


def test_a_pair_that_a_person_booked_has_no_result_and_leaves_by_the_other_rules() -> None:
    booked = {"eth_cash": None, "eth_vwap": Price(0)}
    assert [left(each, pair=a_pair(**booked)) for each in (PROFIT, LOSS)] == ["", ""]
    assert left(PROFIT, START_MS + HOLD_MS, pair=a_pair(**booked)) == "HOLD"


def test_what_a_profit_waits_for_is_shown() -> None:
    sizer = Sizer(SETTINGS, RULES)
    old = Look(quote(LATER, eth_ask=PROFIT, age_ms=1_500), a_pair(), FREE, Ms(LATER))
    shown = sizer.waiting(Memory(), old)
    assert (shown.purpose, shown.code, shown.brief) == ("exit", "QUOTE_STALE", "ETH 1500 > 1000 ms")
    fresh = Look(quote(LATER, eth_ask="2756.9", age_ms=1_500), a_pair(), FREE, Ms(LATER))
    assert sizer.waiting(Memory(), fresh) == Waiting()


def test_the_sentence_names_the_figure_and_its_limit() -> None:
    rule = exit_rule(a_pair(), quote(LATER, eth_ask=PROFIT), SETTINGS, RULES, FREE, LATER)
    assert rule is not None
    assert rule.text.startswith("TAKE_PROFIT: closing now comes to +1.")
    assert rule.text.endswith(" USD, take_profit = 5.00 bps")
