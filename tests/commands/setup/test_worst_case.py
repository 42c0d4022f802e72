"""The worst case that somebody has to accept, by the formula in the module's docstring."""

import msgspec
import pytest

from commands.output.words import ConfigError
from commands.setup.worst_case import left_by_a_kill, must_be_accepted, worst_case
from messages.execution_settings import Execution
from messages.settings import Settings, WhenUnbalanced
from messages.units import ONE, Ms, Quote, Rate
from tests.actors.fakes import RULES


def test_the_default_configuration_loses_at_worst_what_the_example_accepts() -> None:
    """A leg of 1,200: 1.68 fees, 1.20 spread, 4.80 slippage, five times; and 1,200 at 300 bps."""
    worst = worst_case(Settings(), RULES)
    assert (worst.leg, worst.cycle, worst.lost_leg, worst.total) == (
        Quote(1200 * ONE),
        Quote.of("7.68"),
        Quote(36 * ONE),
        Quote.of("74.4"),
    )
    said = worst.text()
    assert said.startswith(
        "worst case 74.40 USD = 5 x 7.68 USD a cycle (fees 1.68 + spread 1.20 + slippage 4.80) + one lost leg"
        " 36.00 (not in it: "
    )
    assert "ended at 60.00" in said
    must_be_accepted(worst, Quote(75 * ONE))


def test_without_an_end_it_is_of_a_day_and_counts_the_daily_loss_and_the_cycle_that_passes_it() -> None:
    worst = worst_case(msgspec.structs.replace(Settings(), cycles=None), RULES)
    assert worst.total == Quote.of("93.68")
    assert worst.text().startswith(
        "worst case of a UTC day 93.68 USD = max_daily_loss 50.00 + 7.68 USD a cycle"
    )


def test_a_raised_target_counts_up_to_the_largest_leg_that_is_allowed() -> None:
    raised = msgspec.structs.replace(
        Settings(), when_unbalanced=WhenUnbalanced("raise", raise_by=Rate.of("1.02"))
    )
    assert worst_case(raised, RULES).leg == Quote(1224 * ONE)
    assert worst_case(
        msgspec.structs.replace(raised, when_unbalanced=WhenUnbalanced("raise", raise_by=Rate.of("2"))), RULES
    ).leg == Quote(1250 * ONE)


@pytest.mark.parametrize("accepted", [None, Quote(0), Quote.of("74.399999999999999999")])
def test_less_than_the_worst_case_is_refused_with_what_to_type(accepted: Quote | None) -> None:
    with pytest.raises(ConfigError) as error:
        must_be_accepted(worst_case(Settings(), RULES), accepted)
    assert (
        error.value.cure
        == "--accept-loss takes what you accept to lose at worst, at least that amount in USD"
    )
    assert "worst case 74.40 USD" in error.value.message


def test_cents_are_rounded_up() -> None:
    larger = msgspec.structs.replace(Settings(), target=Quote.of("1000.01"))
    assert "worst case 74.41 USD" in worst_case(larger, RULES).text()


@pytest.mark.parametrize("execution", [Execution(entry="maker-taker"), Execution(exit="lean")], ids=str)
def test_what_a_kill_may_leave_is_told_where_orders_rest(execution: Execution) -> None:
    settings = Settings(execution=execution, recv_time=Ms(3_000))
    said = left_by_a_kill(settings, worst_case(settings, RULES))
    assert "one leg of at most 1200.00 USD" in said
    assert "for 18 s after the kill" in said


def test_where_nothing_rests_nothing_is_told_of_it() -> None:
    assert left_by_a_kill(Settings(), worst_case(Settings(), RULES)) == ""
