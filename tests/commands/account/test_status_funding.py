"""`status` says both funding rates and what the pair comes to by them: by the run's own word, else by the
exchange's of now; what nobody says is unknown.
"""

from pathlib import Path

import pytest

from commands.account.status import funding_now
from commands.open_state.decision import OpenAnswer
from commands.open_state.evidence import VenueEvidence
from messages.execution import AccountSnapshot, Position
from messages.market import FundingRate
from messages.units import Base, Ms, Price, Quote, Rate
from tests.actors.fakes import RULES, START_MS
from tests.commands.plan.test_plan import quote_rates
from tests.live.served import served
from tests.live.typed import typed, written


def priced_position(product_id: int, oracle: str | None) -> Position:
    price = None if oracle is None else Price.of(oracle)
    return Position(product_id, Base(0), Base(0), Quote(0), price)


def looked_at(*rates: FundingRate, sol_oracle: str | None = "115.86") -> VenueEvidence:
    snapshot = AccountSnapshot(
        at_ms=Ms(START_MS),
        exists=True,
        usdt0=Quote(0),
        initial_health=Quote(0),
        maintenance_health=Quote(0),
        value=Quote(0),
        positions=(priced_position(4, "2756.9"), priced_position(8, sol_oracle)),
        open_orders=(),
    )
    return VenueEvidence(snapshot, RULES, rates=rates)


def told(venue: VenueEvidence, eth: str | None, sol: str | None) -> tuple[str, str | None] | None:
    """Words, and what the pair receives at the next funding time."""
    amounts = (None if amount is None else Base.of(amount) for amount in (eth, sol))
    found = funding_now(venue, OpenAnswer("open", "", "", *amounts))
    return found and (found.words, found.per_hour_usd)


def test_without_a_run_the_pair_is_valued_by_the_exchanges_rates_and_prices() -> None:
    now_ms = Ms(START_MS)
    eth, sol = FundingRate(4, Rate.of("0.0024"), now_ms), FundingRate(8, Rate.of("-0.0024"), now_ms)
    # 0.363 x 2756.9 and 8.6 x 115.86 USD, of each a 10,000th an hour
    words = "ETH +24.00 SOL -24.00 bps/day, pair earns 0.20 USD/h, next 15:00Z"
    assert told(looked_at(eth, sol), "-0.363", "-8.6") == (words.replace("0.20", "0.00"), "0.00043587")
    assert told(looked_at(eth, sol), "-0.363", "8.6") == (words, "0.19971507")
    old = FundingRate(4, Rate.of("0.0024"), Ms(START_MS - 3_600_001))
    for venue in (looked_at(eth), looked_at(old, sol), looked_at(eth, sol, sol_oracle=None)):
        known = told(venue, "-0.363", "8.6")
        assert known is not None
        assert known[1] is None
    assert told(looked_at(eth, sol), None, None) == ("ETH +24.00 SOL -24.00 bps/day", None)
    assert told(looked_at(), "-0.363", "8.6") is None
    assert told(VenueEvidence(trouble="away"), "-0.363", "8.6") is None


def test_the_command_says_it_in_words_and_figures_and_nothing_where_nobody_says_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with served() as exchange:
        logs = str(tmp_path / "logs")
        words = ("status", "--venue", "testnet", "--url", exchange.url, "--logs", logs, *written())
        exchange.do(lambda venue: quote_rates(venue, "0.0024", "-0.0024"))
        ended = typed(capsys, *words)
        funding = ended.told["funding"]
        assert (funding["eth_rate"], funding["sol_rate"]) == ("0.0024", "-0.0024")
        assert (funding["per_hour_usd"], funding["words"]) == (None, "ETH +24.00 SOL -24.00 bps/day")
        assert 0 <= funding["eth_age_ms"] < 60_000
        assert " funding   ETH +24.00 SOL -24.00 bps/day" in ended.errors
        exchange.do(lambda venue: venue.incidents.rates_omitted.extend((4, 8)))
        ended = typed(capsys, *words)
        assert ended.told["funding"] is None
        assert " funding   unknown" in ended.errors
