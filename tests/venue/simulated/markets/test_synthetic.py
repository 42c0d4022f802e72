"""The seeded market: repeatable, on the lattice, and as lively as the recordings."""

from itertools import islice

import pytest

from tests.thinned import thinned
from tests.venue.simulated.markets.measure import measure
from venue.simulated.markets import NADO_STEPS, market_named

RECORDED_SPREAD = {"eth": 0.287, "sol": 0.559}
RECORDED_RETURNS = {1: (0.90, 1.05, 0.46), 10: (3.7, 4.4, 0.72)}
"""../shared/market-data/README.md, the table of what was measured: bps, and correlation."""


@pytest.mark.parametrize("seed", thinned((7, 8, 9), 3))
def test_an_hour_looks_like_the_recordings(seed: int) -> None:
    measured = measure(market_named("synthetic", seed).moves(), 3600)
    for leg, recorded in RECORDED_SPREAD.items():
        assert measured.spread[leg] == pytest.approx(recorded, rel=0.25), leg
    for horizon_s, (eth, sol, correlation) in RECORDED_RETURNS.items():
        assert measured.returns[horizon_s][:2] == pytest.approx((eth, sol), rel=0.25), horizon_s
        assert measured.returns[horizon_s][2] == pytest.approx(correlation, abs=0.15), horizon_s


def test_a_seed_is_a_market_and_another_seed_another() -> None:
    first, again, other = (list(islice(market_named("synthetic", seed).moves(), 500)) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_every_book_is_sorted_uncrossed_and_on_tick_and_step() -> None:
    last_ns = 0
    for move in islice(market_named("synthetic", 7).moves(), 5_000):
        lattice = NADO_STEPS.of(move.product)
        assert move.at_ns >= last_ns
        last_ns = move.at_ns
        assert move.bids[0].price < move.asks[0].price
        assert [level.price for level in move.bids] == sorted(
            {level.price for level in move.bids}, reverse=True
        )
        assert [level.price for level in move.asks] == sorted({level.price for level in move.asks})
        for level in move.bids + move.asks:
            assert level.price % lattice.tick == 0
            assert level.amount % lattice.step == 0
            assert level.amount > 0


def test_both_products_have_a_book_at_the_start() -> None:
    assert [(move.at_ns, move.product) for move in islice(market_named("synthetic", 1).moves(), 2)] == [
        (0, "eth"),
        (0, "sol"),
    ]


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ("synthetik", r"^synthetik_l2_20\.csv\.gz is missing$"),
        ("flat:1", "price"),
        ("flat:x/y", "price"),
        ("nowhere/recording", r"^nowhere/recording_l2_20\.csv\.gz is missing$"),
    ],
)
def test_an_unknown_market_is_refused_naming_it(spec: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        market_named(spec, 1)
