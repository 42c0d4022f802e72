"""Sentences with numbers in them."""

import msgspec
import pytest

from commands.output.sentences import (
    acceptable,
    advice,
    expected_cost,
    expected_dust,
    skip_sentence,
    spread_bps,
)
from messages.settings import Settings
from messages.sizing import Skipped, Verdict
from messages.units import ONE, Base, Bps, Quote, Rate
from tests.actors.fakes import RULES, quote
from tests.commands.scenes import SKIPPED, VERDICT

HUNDRED = msgspec.structs.replace(Settings(), target=Quote(100 * ONE))


def test_the_first_line_of_a_run_says_what_it_will_cost() -> None:
    """1,000 USD x 3.5 bp x 4 = 1.40; spreads of 0.36 and 0.86 bps once each = 0.12."""
    assert (
        expected_cost(Settings(), RULES, quote())
        == "expected cost 1.52 USD a cycle (fees 1.40 + spread 0.12), 5 cycles ≈ 7.60 USD"
    )


def test_the_cost_counts_one_cycle_and_endless_ones_in_words() -> None:
    one, forever = (msgspec.structs.replace(Settings(), cycles=cycles) for cycles in (1, None))
    assert expected_cost(one, RULES, quote()).endswith(", 1 cycle ≈ 1.52 USD")
    assert expected_cost(forever, RULES, quote()).endswith("a cycle (fees 1.40 + spread 0.12), until stopped")


def test_what_may_be_left_below_the_minimum_is_said_with_what_is_done_about_it() -> None:
    """O13: decided before entering. (105 + 105 + 100) USD x 3.5 bp."""
    assert expected_dust(RULES) == (
        "a remainder under 100 USD of a leg is closed reduce-only; "
        "if the venue refuses that (2094), topped up by 105 USD and closed, fees at most 0.11 USD"
    )


def test_the_spread_is_in_basis_points_of_the_mid() -> None:
    assert spread_bps(quote().eth).text().startswith("0.3627")


def test_a_skip_says_why_with_numbers_and_what_to_type() -> None:
    assert skip_sentence(HUNDRED, SKIPPED) == (
        "100 USD per leg cannot be balanced to 0.1 % here: best 1.31 % (0.024 ETH / 0.5 SOL). "
        "Smallest that can: 117.25 USD; from 812.4 USD on always. "
        "Try --target '813 USD' or --when-unbalanced 'accept 1.5 %'."
    )


def test_without_a_sure_target_the_smallest_one_is_advised() -> None:
    assert advice(HUNDRED, msgspec.structs.replace(VERDICT, always_from=None)).startswith(
        "Try --target '117.25 USD' or"
    )


def test_a_target_is_advised_as_far_as_both_legs_of_it_are_within_the_limits() -> None:
    """1,250 USD per leg allow a target of 1,250, and with 1.5 times as much of SOL one of 833."""
    verdict = msgspec.structs.replace(VERDICT, smallest_target=Quote.of(900), always_from=None)
    ratio = msgspec.structs.replace(HUNDRED, hedge_ratio=Rate.of("1.5"))
    assert "--target '900 USD'" in advice(HUNDRED, verdict)
    assert "--target" not in advice(ratio, verdict)
    gross = msgspec.structs.replace(
        ratio, limits=msgspec.structs.replace(ratio.limits, max_leg_notional=Quote.of(1500))
    )
    assert "--target '900 USD'" in advice(gross, verdict)


def test_what_cannot_be_advised_is_not_advised() -> None:
    nothing = Verdict(
        "impossible", False, Base(0), Base(0), Quote(0), Quote(0), Bps(0), "the book is empty.", None, None
    )
    assert (
        skip_sentence(HUNDRED, Skipped(1, "UNBALANCED", "", nothing))
        == "100 USD per leg cannot be traded here: the book is empty."
    )


def test_a_skip_by_a_gate_has_its_code() -> None:
    assert (
        skip_sentence(HUNDRED, Skipped(1, "QUOTE_STALE", "ETH 1.4 s old", None))
        == "QUOTE_STALE: ETH 1.4 s old"
    )


@pytest.mark.parametrize(
    ("found", "wanted"),
    [("10.1", "20"), ("20", "20"), ("50", "50"), ("50.1", "100"), ("130.6", "150"), ("150", "150")],
)
def test_the_share_to_accept_is_round_and_never_below_what_was_found(found: str, wanted: str) -> None:
    assert acceptable(Bps.of(found)) == Bps.of(wanted)


def test_the_advice_can_be_typed() -> None:
    from commands.config.effective import load

    load(None, {}, {"target": "813 USD", "when_unbalanced": "accept 1.5 %"})
