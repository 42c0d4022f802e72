"""Orders that rested, once more in the queue model: on recordings that can be worked out, and what the
simulated venue really filled.
"""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from commands.report.adverse_moves import adverse_moves
from commands.report.cycle_execution import BesideFold, RestedOrder, cycle_execution
from commands.report.policy_figures import MarketFacts, policy_figures
from commands.report.shadow import ShadowOrder, shadows
from messages.units import ONE, Base, Price
from tests.actors.fakes import START_MS
from tests.commands.report.executions import quote_terms, rested_cycle, rested_order, rested_plan
from tests.commands.report.ledgers import ledger_traded, report_told
from tests.commands.report.test_policy_figures import RESTED, executed_rows
from tests.shared_data import shared
from tests.venue.simulated.markets.test_recording import book, recorded
from venue.simulated.markets.recording import RecordingMarket

S = 1_000_000_000


def recorded_trades(folder: Path, *trades: tuple[float, str, str], last_s: int = 60) -> RecordingMarket:
    """2 ETH are bid for at 2000.0, from 1 s on; trades are sales, and each is followed by a book."""
    standing = "2000.0 2 2000.1 9"
    rows = [
        book(1 * S, "SOL-PERP", "100.00 90 100.01 90"),
        book(1 * S, "ETH-PERP", standing, "1999.9 5 2000.2 5"),
    ]
    sold = []
    for number, (at_s, price, amount) in enumerate(trades):
        at_ns = int(at_s * S)
        sold.append([str(at_ns), str(at_ns), "ETH-PERP", price, amount, "sell", str(number)])
        # a move carries what has traded since the one before it
        rows.append(book(at_ns, "SOL-PERP", "100.00 90 100.01 90"))
        rows.append(book(at_ns + 1, "ETH-PERP", "2000.0 2 2000.1 9", f"1999.9 {6 + number} 2000.2 5"))
    rows.append(book(last_s * S, "SOL-PERP", "100.00 80 100.01 90"))
    return RecordingMarket(recorded(folder, l2_20=rows, trades=sold))


def followed(
    digest: str = "0xa", *, from_s: float = 2, until_s: float = 20, **changes: object
) -> RestedOrder:
    facts: dict[str, object] = {
        "digest": digest,
        "leg": "eth",
        "amount": int(Base.of("1")),
        "price": int(Price.of("2000")),
        "mid": int(Price.of("2000.05")),
        "filled": int(Base.of("0.5")),
        "from_ns": int(from_s * S),
        "until_ns": int(until_s * S),
    }
    return RestedOrder(**(facts | changes))  # type: ignore[arg-type]


def modelled(market: RecordingMarket, *orders: RestedOrder) -> dict[str, ShadowOrder]:
    return dict(shadows(market, market.began_ns, orders))


def test_it_waits_behind_what_stood_there_and_is_filled_by_what_trades_after(tmp_path: Path) -> None:
    """Two stand ahead: of 1.5 and 0.9 that trade 0.4 are for it."""
    market = recorded_trades(tmp_path, (5, "2000.0", "1.5"), (6, "2000.0", "0.9"))
    (found,) = modelled(market, followed()).values()
    assert (found.filled, found.refused) == (Base.of("0.4"), False)
    (fill,) = found.fills
    assert (fill.at_ns, fill.amount, fill.traded) == (6 * S + 1, Base.of("0.4"), 800 * ONE)


def test_trades_before_it_came_and_after_its_end_are_not_for_it(tmp_path: Path) -> None:
    market = recorded_trades(tmp_path, (5, "2000.0", "9"), (30, "2000.0", "9"))
    found = modelled(market, followed("early", from_s=1.5, until_s=4), followed("late", from_s=6, until_s=29))
    assert {digest: each.filled for digest, each in found.items()} == {"early": 0, "late": 0}


def test_an_order_that_ended_does_not_stand_ahead_of_the_next_one(tmp_path: Path) -> None:
    market = recorded_trades(tmp_path, (10, "2000.0", "3"))
    found = modelled(market, followed("first", until_s=5), followed("next", from_s=5.5))
    assert found["next"].filled == Base.of("1")


def test_one_whose_whole_time_was_not_recorded_is_left_out(tmp_path: Path) -> None:
    market = recorded_trades(tmp_path, (10, "2000.0", "3"), last_s=30)
    found = modelled(market, followed("before", from_s=0.5), followed("open", until_s=31), followed("whole"))
    assert set(found) == {"whole"}


def test_one_that_the_recorded_book_would_have_met_is_refused(tmp_path: Path) -> None:
    market = recorded_trades(tmp_path, (10, "2000.0", "3"))
    (found,) = modelled(market, followed(price=int(Price.of("2000.1")))).values()
    assert (found.refused, found.filled) == (True, 0)


def test_a_policy_is_told_how_far_the_model_is_from_what_happened(tmp_path: Path) -> None:
    """Half was filled, by the model 0.4; and the mid had not moved since the decision."""
    market = recorded_trades(tmp_path, (5, "2000.0", "1.5"), (6, "2000.0", "0.9"))
    orders = (followed(), followed("unknown", from_s=100))
    rows = executed_rows(tmp_path, [(1, msgspec.structs.replace(RESTED, rested=orders))])
    (found,) = policy_figures(
        rows, MarketFacts({("eth", 6 * S + 1): int(Price.of("2000.05"))}, modelled(market, *orders))
    )
    shadow = found.shadow
    assert (shadow.orders, shadow.refused) == (1, 0)
    assert (shadow.fill_rate, shadow.modelled) == (ONE // 2, 4 * ONE // 10)
    assert (shadow.adverse.known[0], shadow.adverse.per_million[0].value) == (1, 0)


def test_without_a_recording_nothing_is_followed(tmp_path: Path) -> None:
    rows = executed_rows(tmp_path, [(1, msgspec.structs.replace(RESTED, rested=(followed(),)))])
    (found,) = policy_figures(rows, MarketFacts())
    shadow = found.shadow
    assert (shadow.orders, shadow.fill_rate, shadow.modelled) == (0, None, None)
    assert shadow.adverse == adverse_moves([], {})


def test_when_an_order_rested_is_what_the_exchange_said() -> None:
    quote = rested_plan(1, "quote", eth="1", mids="2000 100", quote=quote_terms())
    orders = [rested_order("eth", quote, (0, "0.4", "2000"))]
    digest = orders[0].digest
    (cancelled,) = cycle_execution(
        rested_cycle(orders), BesideFold(placed_ns={digest: 7}, cancelled_ns={digest: 9})
    ).rested
    assert (cancelled.from_ns, cancelled.until_ns, cancelled.filled) == (7, 9, Base.of("0.4"))
    (expired,) = cycle_execution(rested_cycle(orders), BesideFold(placed_ns={digest: 7})).rested
    # its receive window, 2 s, and the 15 s that it may rest
    assert expired.until_ns == (START_MS + 17_000) * 1_000_000
    assert cycle_execution(rested_cycle(orders), BesideFold()).rested == ()


@pytest.mark.parametrize(("one_trade_in", "exact"), [(1, True), (10, False)])
def test_on_the_replayed_recording_the_model_fills_what_the_simulated_venue_filled(
    one_trade_in: int, exact: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where only a tenth of the trades happened, a model that knows all of them fills more."""
    shared("market-data/dev/hyperliquid_perp_20250904a_quotes.csv.gz")
    market = str(shared("market-data/dev/hyperliquid_perp_20250904a"))
    faults, logs = tmp_path / "venue.toml", tmp_path / "logs"
    rules = 'maker_fills = ["queue", "print_through"]'
    faults.write_text(f"[venue]\none_trade_in = {one_trade_in}\n" + rules * (not exact))
    words = ("--target", "5000 USD", "--cycles", "4", "--set", "execution.entry=maker-taker")
    words += ("--deposit", "100000 USD", "--max-wait", "10 min")
    ledger_traded(logs, capsys, "--market", market, "--faults", str(faults), *words)
    _, told = report_told(capsys, "--logs", str(logs), "--market", market)
    shadow = told["accounts"][0]["policies"][0]["shadow"]
    assert shadow["orders"] > 0
    real, modelled = Decimal(shadow["fill_rate"]), Decimal(shadow["modelled_fill_rate"])
    assert (real == modelled > 0) if exact else (real < modelled)
