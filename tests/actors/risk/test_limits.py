"""Each risk limit at its edge: met exactly it passes, a hair beyond it does not."""

from collections.abc import Callable

import msgspec
import pytest

from actors.risk.denial_alarm import DenialAlarm
from actors.risk.limits import FEES, liquidation_move, margin_needed, marked, pair_over, plan_denial, run_over
from messages.lifecycle import Held, Record
from messages.settings import Limits, Settings
from messages.units import ONE, Base, Ms, Quote, Rate, notional
from tests.actors.fakes import RULES, START_MS, fake_plan, held, leg_order, quote

PAIR = fake_plan(eth=leg_order(4, "0.357", "2759.6"), sol=leg_order(8, "-8.5", "115.75"))
GROSS = Quote(notional(PAIR.eth.limit, PAIR.eth.amount) + notional(PAIR.sol.limit, PAIR.sol.amount))


def with_limits(**changes: object) -> Settings:
    return Settings(limits=msgspec.structs.replace(Limits(), **changes))


def rich(**changes: object) -> Held:
    return held(
        **({"initial_health": Quote(10_000 * ONE), "maintenance_health": Quote(10_000 * ONE)} | changes)
    )


def code_of(plan_held: Held, settings: Settings) -> str:
    denial = plan_denial(PAIR, plan_held, RULES, settings)
    return denial.code if denial else ""


def test_gross_notional_is_bounded_at_the_limit_prices() -> None:
    assert code_of(rich(), with_limits(max_gross=GROSS)) == ""
    assert code_of(rich(), with_limits(max_gross=Quote(GROSS - 1))) == "MAX_GROSS"


def test_margin_is_what_both_legs_take_with_four_fees_and_the_buffer() -> None:
    """2.5 % of each leg and 0.035 % four times; 20 % on top. More than either leg alone: there is no
    netting.
    """
    needs = margin_needed(PAIR, RULES, Settings())
    by_hand = Quote(int(GROSS * Rate.of("0.0257") // ONE * 12 // 10))
    assert abs(needs - by_hand) < 10
    assert FEES == 4
    assert code_of(rich(initial_health=needs), Settings()) == ""
    assert code_of(rich(initial_health=Quote(needs - 1)), Settings()) == "MARGIN"


def test_a_denial_for_margin_names_what_is_missing_and_both_cures() -> None:
    denial = plan_denial(PAIR, rich(initial_health=Quote.of("40")), RULES, Settings())
    assert denial is not None
    assert "needs 60.7" in denial.detail
    assert "has 40.00: deposit 21 or use --target '65" in denial.detail


def test_the_distance_to_liquidation_is_that_of_the_nearer_leg() -> None:
    """By hand: health left after maintenance of both legs, over the larger weighted leg."""
    health = Quote.of("400")
    eth, sol = notional(PAIR.eth.limit, PAIR.eth.amount), notional(PAIR.sol.limit, PAIR.sol.amount)
    left = health - (eth + sol) * Rate.of("0.01285") // ONE
    by_hand = left * ONE // max(eth * Rate.of("0.9875") // ONE, sol * Rate.of("1.0125") // ONE)
    move = liquidation_move(PAIR, rich(maintenance_health=health), RULES)
    assert abs(move - by_hand) < 10**9
    assert code_of(rich(maintenance_health=health), with_limits(min_liquidation_move=move)) == ""
    assert (
        code_of(rich(maintenance_health=health), with_limits(min_liquidation_move=Rate(move + 1)))
        == "LIQUIDATION_NEAR"
    )


def test_an_account_without_health_is_at_its_liquidation() -> None:
    assert liquidation_move(PAIR, rich(maintenance_health=Quote(0)), RULES) == 0


def judged_limits(settings: Settings | None = None, **record: object) -> str:
    denial = run_over(held(record=msgspec.structs.replace(Record(), **record)), settings or Settings())
    return denial.code if denial else ""


@pytest.mark.parametrize(
    ("passes", "fails", "code"),
    [
        ({"drawdown": Quote(100 * ONE)}, {"drawdown": Quote(100 * ONE + 1)}, "MAX_DRAWDOWN"),
        ({"failed_in_row": 2}, {"failed_in_row": 3}, "FAILED_CYCLES"),
        (
            {"cycles": 10, "fill_rate": Rate.of("0.9")},
            {"cycles": 10, "fill_rate": Rate(Rate.of("0.9") - 1)},
            "FILL_RATE",
        ),
        (
            {"cycles": 10, "success": Rate.of("0.9")},
            {"cycles": 10, "success": Rate(Rate.of("0.9") - 1)},
            "CYCLE_SUCCESS",
        ),
    ],
)
def test_a_run_is_over_beyond_its_limit_and_not_at_it(
    passes: dict[str, object], fails: dict[str, object], code: str
) -> None:
    assert judged_limits(**passes) == ""
    assert judged_limits(**fails) == code


def test_a_rate_is_not_judged_before_the_tenth_cycle() -> None:
    assert judged_limits(cycles=9, fill_rate=Rate(0), success=Rate(0)) == ""


def test_a_pair_is_left_when_it_has_drifted_or_been_held_too_long() -> None:
    open_pair = held(phase="open", eth=Base.of("0.042"), sol=Base.of("-1"), entered_ms=START_MS)
    drift = marked(open_pair, quote())

    def ended(settings: Settings, now_ms: int = START_MS) -> str:
        denial = pair_over(open_pair, quote(), settings, now_ms)
        return denial.code if denial else ""

    assert ended(with_limits(max_marked_imbalance=drift)) == ""
    assert ended(with_limits(max_marked_imbalance=type(drift)(drift - 1))) == "MARKED_IMBALANCE"
    assert ended(with_limits(max_hold=Ms(1_000)), START_MS + 999) == ""
    assert ended(with_limits(max_hold=Ms(1_000)), START_MS + 1_000) == "MAX_HOLD"


def test_a_pair_is_left_when_the_account_has_less_than_initial_margin() -> None:
    """Found by the drill margin-call: the pair was held on, until the venue would have taken one leg over
    and left the other alone.
    """
    settings = Settings()
    pair = held(
        phase="open",
        eth=Base.of("0.042"),
        sol=Base.of("-1"),
        entered_ms=Ms(START_MS),
        initial_health=Quote(0),
    )
    assert pair_over(pair, quote(), settings, START_MS) is None
    called = pair_over(
        msgspec.structs.replace(pair, initial_health=Quote.of("-0.5")), quote(), settings, START_MS
    )
    assert called is not None
    assert (called.code, called.detail) == (
        "MARGIN_CALL",
        "the account has 0.50 USDT0 less than initial margin: exiting before the exchange liquidates one leg",
    )


def at(minute: float) -> int:
    return START_MS + int(minute * 60_000)


def test_a_gate_that_denies_everything_is_an_alarm_after_its_time_and_again_after_as_long() -> None:
    watch = DenialAlarm(600_000)
    assert watch.denied("SPREAD_WIDE", "wide", at(0))
    assert not watch.denied("SPREAD_WIDE", "wider", at(5))
    assert watch.due(at(9.99)) is None
    alarm = watch.due(at(10))
    assert alarm is not None
    assert (alarm.code, alarm.since_ms) == ("SPREAD_WIDE", START_MS)
    assert "10 min: wider" in alarm.detail
    assert watch.due(at(19.9)) is None
    assert watch.due(at(20)) is not None


def test_another_reason_does_not_begin_the_wait_again_but_an_entry_does() -> None:
    watch = DenialAlarm(600_000)
    watch.denied("SPREAD_WIDE", "", at(0))
    assert watch.denied("QUOTE_STALE", "", at(9))
    assert watch.due(at(10)) is not None
    watch.entered()
    assert watch.due(at(60)) is None


@pytest.mark.parametrize("before", [lambda watch: None, lambda watch: watch.denied("SPREAD_WIDE", "", at(0))])
def test_a_maintenance_window_is_no_alarm(before: Callable[[DenialAlarm], object]) -> None:
    watch = DenialAlarm(600_000)
    before(watch)
    watch.denied("NO_ENTRY_WINDOW", "", at(1))
    assert watch.due(at(100)) is None
