"""The figures of docs/funding.md, from rates that two other exchanges charged: what following the sign of
funding is worth, and what turning a pair round for it costs. Skipped where the recordings are not beside the
project.
"""

import csv
import gzip
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from tests.shared_data import shared

ROUND_TRIP = Decimal("15.2")
"""Basis points of one leg: about 380 USD per 1,000,000 USD, of which a pair trades four times a leg."""
HOURLY = "market-data/dev/hyperliquid_funding_1h_20240101_20250603.csv.gz"
EIGHT_HOURLY = "market-data/dev/binance_um_funding_8h_20250306_20250603.csv.gz"
PAGE = Path(__file__).resolve().parents[3] / "docs" / "funding.md"


def payments(name: str) -> list[Decimal]:
    """What long ETH / short SOL received at each funding time of both, in basis points of a leg."""
    rates: dict[int, dict[str, Decimal]] = defaultdict(dict)
    with gzip.open(shared(name), "rt", encoding="ascii") as file:
        for row in csv.DictReader(file):
            hour = round(int(row["ts_ns"]) / 3_600_000_000_000)
            rates[hour][row["symbol"][:3]] = Decimal(row["rate"])
    both = [said for _, said in sorted(rates.items()) if len(said) == 2]
    return [(said["SOL"] - said["ETH"]) * 10_000 for said in both]


def followed(received: list[Decimal], step: int = 1) -> tuple[Decimal, int, int]:
    """Always on the side that received at the last funding time, looked at every `step` of them: what it
    received, how often the side changed (the first time counts), and how many pairs that were.
    """
    side, total, turns, pairs = 0, Decimal(0), 0, 0
    for at in range(1, len(received) - step + 1, step):
        wanted = 1 if received[at - 1] > 0 else -1
        turns += wanted != side
        side, pairs = wanted, pairs + 1
        total += side * sum(received[at : at + step])
    return total, turns, pairs


def per_million(received: list[Decimal], step: int = 1) -> Decimal:
    """USD per 1,000,000 USD traded, where each pair is entered, held for `step` funding times and exited."""
    total, _, pairs = followed(received, step)
    return total / pairs * 100 / 4


@pytest.mark.parametrize(
    ("name", "last", "step", "usd", "hours"),
    [
        (HOURLY, 90 * 24, 1, "2.3", 1),
        (HOURLY, 0, 1, "3.9", 1),
        (EIGHT_HOURLY, 0, 1, "9.4", 8),
        (HOURLY, 90 * 24, 8, "13.5", 8),
        (HOURLY, 0, 8, "20.8", 8),
    ],
)
def test_following_the_sign_is_worth_a_few_dollars_in_a_million(
    name: str, last: int, step: int, usd: str, hours: int
) -> None:
    """2 to 4 at holds of an hour, 4 to 22 at eight; a round trip costs 380."""
    worth = per_million(payments(name)[-last:], step)
    assert round(worth, 1) == Decimal(usd)
    low, high = {1: (2, 4), 8: (4, 22)}[hours]
    assert low <= worth <= high
    assert usd in PAGE.read_text(encoding="utf-8")


def test_a_side_that_is_kept_makes_a_little_and_one_that_follows_every_sign_loses_much() -> None:
    """88 days, in basis points of both legs: half of those of one."""
    received = payments(EIGHT_HOURLY)
    kept = (abs(sum(received)) - ROUND_TRIP) / 2
    total, turns, _ = followed(received)
    turned = (total - turns * ROUND_TRIP) / 2
    assert (round(kept), turns, round(turned)) == (46, 91, -642)
    assert "made 46 bps of both legs" in PAGE.read_text(encoding="utf-8")


def test_every_hour_of_520_days_earned_less_than_a_minute_risks() -> None:
    """So that by these numbers no pair would have been kept for its funding there, on either side."""
    assert max(map(abs, payments(HOURLY))) < 9
