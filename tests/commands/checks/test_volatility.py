"""Whether both legs move alike, by the last day's candlesticks: figures, the limit, and what is not known."""

import math
from decimal import Decimal

import pytest

from commands.checks.volatility import (
    AN_HOUR_S,
    APART_MOST,
    DAY_S,
    LEAST_SPANS,
    SPAN_S,
    DayMoves,
    judged,
    moved,
)
from messages.settings import Settings
from messages.units import Price, Rate

NOW_S = 1_790_000_000 // SPAN_S * SPAN_S


def zigzag(share: str, spans: int = 289, *, until_s: int = NOW_S, every: int = 1) -> dict[int, Price]:
    """A price that is `share` higher in every other span."""
    low, high = Price.of("100"), Price.of(str(100 * (1 + Decimal(share))))
    return {
        until_s - number * every * SPAN_S: high if number % 2 else low for number in reversed(range(spans))
    }


def test_a_days_movement_is_the_root_of_the_sum_of_its_squared_returns() -> None:
    """288 returns of ln 1.001 each way."""
    found = moved(zigzag("0.001"), NOW_S)
    assert found is not None
    assert abs(float(found) - math.log(1.001) * math.sqrt(288)) < 1e-12


def test_what_is_older_than_a_day_does_not_count() -> None:
    calm, wild = zigzag("0.001"), zigzag("0.05", 200, until_s=NOW_S - DAY_S - SPAN_S)
    assert moved(wild | calm, NOW_S) == moved(calm, NOW_S)


def test_a_span_without_a_trade_changes_nothing_of_the_price() -> None:
    """Every other span has traded: 144 returns instead of 288."""
    found = moved(zigzag("0.001", 145, every=2), NOW_S)
    assert found is not None
    assert abs(float(found) - math.log(1.001) * math.sqrt(144)) < 1e-12


@pytest.mark.parametrize(
    "closes",
    [
        {},
        zigzag("0.001", LEAST_SPANS - 1, every=2),
        zigzag("0.001", 270),
        zigzag("0.001", 289, until_s=NOW_S - AN_HOUR_S - SPAN_S),
    ],
    ids=["none", "too few", "not since yesterday", "not of late"],
)
def test_what_does_not_cover_the_day_is_not_known(closes: dict[int, Price]) -> None:
    assert moved(closes, NOW_S) is None


def moves(eth: str, sol: str) -> DayMoves:
    return DayMoves(Decimal(eth), Decimal(sol))


def test_legs_that_move_alike_are_well_and_what_holding_costs_in_risk_stands_beside() -> None:
    finding = judged(moves("0.03", "0.04"), Settings())
    assert (finding.state, finding.cure) == ("ok", "")
    assert finding.found.startswith(
        "over the last day ETH moved 3.00 % and SOL 4.00 %: with hedge_ratio = 1 the SOL leg moves 1.33 times"
        " as much as the ETH leg; a held pair's standard deviation is 7 to 9 bps of a leg in a minute, "
    )


@pytest.mark.parametrize(
    ("eth", "sol", "ratio", "state"),
    [
        ("0.02", "0.03", "1", "ok"),
        ("0.02", "0.030001", "1", "warn"),
        ("0.030001", "0.02", "1", "warn"),
        ("0.03", "0.02", "1", "ok"),
        ("0.02", "0.036", "0.8", "ok"),
        ("0.02", "0.02", "1.6", "warn"),
        ("0.02", "0.02", "0.6", "warn"),
    ],
)
def test_more_than_one_and_a_half_times_is_warned_of_by_the_dollars_of_both_legs(
    eth: str, sol: str, ratio: str, state: str
) -> None:
    """Exactly 1.5 times is not more."""
    assert Decimal("1.5") == APART_MOST
    finding = judged(moves(eth, sol), Settings(hedge_ratio=Rate.of(ratio)))
    assert finding.state == state
    assert finding.code == ("LEGS_UNLIKE" if state == "warn" else "")


def test_the_ratio_that_is_named_lets_both_legs_move_alike_and_can_be_written() -> None:
    finding = judged(moves("0.02", "0.04"), Settings())
    assert finding.cure == 'hedge_ratio = "0.5" would let both legs move alike'
    again = judged(moves("0.02", "0.04"), Settings(hedge_ratio=Rate.of("0.5")))
    assert again.state == "ok"
    assert "no hedge_ratio that there is" in judged(moves("0.01", "0.09"), Settings()).cure


@pytest.mark.parametrize("unknown", [None, moves("0", "0.02"), moves("0.02", "0")])
def test_what_is_not_known_is_said_and_is_no_number(unknown: DayMoves | None) -> None:
    finding = judged(unknown, Settings(), "no answer in 10 s" if unknown is None else "")
    assert (finding.state, finding.code) == ("warn", "UNKNOWN")
    assert finding.found.startswith("not known how much ETH and SOL moved over the last day: ")
    assert "times" not in finding.found
