"""Every exit names exactly one rule, and that rule's condition holds at the quote; what is drawn for a cycle
is kept with its pair.
"""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.risk.drawn_values import hold_of, pause_of, target_of, with_drawn
from actors.risk.exits import exit_rule
from actors.risk.limits import marked
from actors.sizing.sizer import Look, Memory, Sizer
from messages.lifecycle import Directive, Held
from messages.ranges import MsRange, QuoteRange
from messages.settings import Limits, Settings
from messages.sizing import SizingPlan
from messages.units import ONE, Base, Bps, Ms, Quote
from tests.actors.fakes import FREE, RULES, START_MS, fake_plan, held, quote

HOLD_MS = 60_000
SETTINGS = Settings(hold=Ms(HOLD_MS), limits=Limits(max_hold=Ms(90_000), max_marked_imbalance=Bps(100 * ONE)))
RANGES = Settings(
    hold=Ms(MsRange(3_000, 9_000)),
    pause=Ms(MsRange(1_000, 5_000)),
    target=QuoteRange(900 * ONE, 1100 * ONE),
    limits=Limits(max_leg_notional=Quote(2000 * ONE), max_gross=Quote(4000 * ONE)),
)


def a_pair(**changes: object) -> Held:
    amounts = {"eth": Base.of("0.042"), "sol": Base.of("-1")}
    base = {"phase": "open", "cycle": 1, "enters": 1, "entered_ms": Ms(START_MS)}
    return held(**(amounts | base | changes))


HOLDS = {
    "HOLD": lambda pair, _quote, _directive, now_ms: now_ms >= pair.entered_ms + hold_of(SETTINGS, pair),
    "MAX_HOLD": lambda pair, _quote, _directive, now_ms: now_ms >= pair.entered_ms + 90_000,
    "MARGIN_CALL": lambda pair, _quote, _directive, _now_ms: (pair.initial_health or 0) < 0,
    "MARKED_IMBALANCE": lambda pair, seen, _directive, _now_ms: (
        marked(pair.eth.amount, pair.sol.amount, seen) > 100 * ONE
    ),
    "SIGINT": lambda _pair, _quote, directive, _now_ms: directive.leave_now,
}
"""The condition of each rule, told once more."""


@given(
    st.integers(0, 120_000),
    st.none() | st.integers(0, 120_000),
    st.sampled_from(("115.86", "114", "119")),
    st.sampled_from((-1, 0, 5)),
    st.booleans(),
)
def test_every_exit_names_one_rule_whose_condition_holds_and_no_exit_is_missed(
    for_ms: int, drawn_ms: int | None, sol_bid: str, health: int, leave: bool
) -> None:
    now_ms = START_MS + for_ms
    seen = quote(now_ms, sol_bid=sol_bid)
    pair = a_pair(hold=drawn_ms, initial_health=Quote(health * ONE))
    directive = Directive(enter=not leave, leave_now=leave, reason="SIGINT" if leave else "")
    look = Look(seen, pair, directive, Ms(now_ms))
    plan = Sizer(SETTINGS, RULES).step(Memory(), look)[1]
    true = [name for name, condition in HOLDS.items() if condition(pair, seen, directive, now_ms)]
    rule = exit_rule(pair, seen, SETTINGS, directive, now_ms)
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
        exit_rule(a_pair(**changes), quote(late), SETTINGS, directive, late)
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
