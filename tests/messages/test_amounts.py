"""How amounts are written: rounding goes the way that hides nothing, and -0 is 0."""

import pytest

from messages.amounts import (
    fixed,
    grouped,
    per_leg,
    percent,
    percent_above,
    rate_bps,
    rate_percent,
    round_usd,
    short_percent,
    signed,
    size,
    to_cents,
    usd,
    usd_up,
)
from messages.units import ONE, Bps, Quote, Rate


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (usd(Quote.of("1.005")), "1.00"),
        (usd(Quote.of("-0.001")), "0.00"),
        (usd_up(Quote.of("1.001")), "1.01"),
        (usd_up(Quote.of("1.01")), "1.01"),
        (signed(Quote.of("1.2")), "+1.20"),
        (signed(Quote.of("0.001")), "0.00"),
        (signed(Quote.of("-0.3")), "-0.30"),
        (round_usd(Quote.of("1000")), "1000"),
        (round_usd(Quote.of("1000.256")), "1000.26"),
        (grouped(Quote.of("1234.50")), "1,234.5"),
        (per_leg(Quote.of("1000"), ONE), "1,000 USD per leg (2,000 gross)"),
        (size(-Quote.of("0.357")), "0.357"),
        (fixed(Quote.of("12.5"), 0), "12"),
        (percent(Bps.of("9.99901")), "0.100 %"),
        (short_percent(Bps.of("10")), "0.1 %"),
        (short_percent(Bps.of("100")), "1 %"),
        (percent_above(Bps.of("10.0001"), Bps.of("10")), "0.100001 %"),
        (percent_above(Bps.of("131"), Bps.of("10")), "1.31 %"),
        (rate_percent(Rate.of("0.12345")), "12.34"),
        (rate_bps(Rate.of("0.00035")), "3.5"),
    ],
)
def test_an_amount_is_written_so_that_it_hides_nothing(written: str, expected: str) -> None:
    assert written == expected


def test_parts_rounded_to_the_cent_add_up_to_the_sum_beside_them() -> None:
    parts = [to_cents(Quote.of("0.335")), to_cents(Quote.of("1.377"))]
    assert [usd(part) for part in parts] == ["0.34", "1.38"]
    assert usd(Quote(sum(parts))) == "1.72"
