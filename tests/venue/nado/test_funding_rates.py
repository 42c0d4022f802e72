"""Funding rates as the archive says them: what is missing, old or impossible is no rate, and never 0."""

import json
from typing import Any

import pytest

from messages.market import FundingRate
from messages.units import Ms, Rate
from tests.shared_data import shared
from venue.nado.codec import read
from venue.nado.funding_rates import FundingRates, funding_rates_of

DOCUMENTED = "nado-messages/19_indexer_requests.json"


def entry(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "product_id": 4,
        "funding_rate_x18": "120000000000000",
        "update_time": "1786360000",
    }
    return fields | changes


def rates_in(answer: dict[str, Any]) -> tuple[FundingRate, ...]:
    return funding_rates_of(read(json.dumps(answer), FundingRates), (4, 8))


def test_the_documented_entry_is_a_rate_for_24_hours_and_a_time_in_seconds() -> None:
    cases = json.loads(shared(DOCUMENTED).read_text())["cases"]
    said = next(case["response"] for case in cases if "funding_rate" in case["request"])
    assert rates_in({"4": said}) == (FundingRate(4, Rate.of("0.00012"), Ms(1_786_360_000_000)),)


def test_both_are_in_the_order_of_the_pair_and_signed() -> None:
    sol = entry(product_id=8, funding_rate_x18=-5, update_time=1_786_360_001)
    assert [(each.product_id, int(each.rate)) for each in rates_in({"8": sol, "4": entry()})] == [
        (4, 120_000_000_000_000),
        (8, -5),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {},
        "0",
        entry(funding_rate_x18=None),
        entry(funding_rate_x18="0.00012"),
        entry(funding_rate_x18="20000000000000001"),
        entry(update_time=None),
        entry(update_time="0"),
        entry(update_time="1786360000123456789"),
        entry(product_id=8),
        entry(product_id="4x"),
    ],
    ids=str,
)
def test_what_cannot_be_read_or_cannot_be_is_no_rate_and_takes_nothing_from_the_other(wrong: Any) -> None:
    sol = entry(product_id=8)
    (left,) = rates_in({"4": wrong, "8": sol})
    assert left.product_id == 8
    assert [each.product_id for each in rates_in({"8": sol})] == [8]


def test_a_rate_at_the_cap_is_one() -> None:
    (found,) = rates_in({"4": entry(funding_rate_x18="-20000000000000000")})
    assert found.rate == Rate.of("-0.02")
