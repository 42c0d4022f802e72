"""The files for people: their columns, their rows, and that nothing in them is invented."""

import csv
from pathlib import Path

import pytest

from actors.ledger.csvs import (
    POSITIONS_HEADER,
    TRADES_HEADER,
    CsvBooks,
    ForeignFile,
    Line,
    closed_lines,
    closing_pnl,
    skipped_line,
    utc_text,
)
from messages.units import Base, Bps, Ms, Quote
from tests.actors.fakes import START_MS
from tests.actors.ledger.story import Story
from tests.actors.ledger.test_working_orders import started
from tests.shared_data import shared


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def lines(story: Story) -> list[Line]:
    """The lines of the plan that closed last."""
    assert story.fold.last_flight is not None
    return closed_lines(story.fold.last_flight.orders, story.fold.cycle)


def trades(story: Story) -> list[dict[str, str]]:
    return [cells for file, cells in lines(story) if file == "trades"]


def positions(story: Story) -> list[dict[str, str]]:
    return [cells for file, cells in lines(story) if file == "positions"]


@pytest.mark.parametrize(("name", "header"), [("trades", TRADES_HEADER), ("positions", POSITIONS_HEADER)])
def test_the_columns_are_the_ones_that_people_have_scripts_on(name: str, header: str) -> None:
    assert header == shared(f"recorded-facts/header_{name}.csv").read_text().strip()


def test_a_cell_goes_only_under_a_column_that_exists() -> None:
    story = Story()
    story.enter()
    story.leave()
    for name, header in (("trades", TRADES_HEADER), ("positions", POSITIONS_HEADER)):
        known = set(header.split(","))
        assert all(
            set(cells) <= known for file, cells in [*lines(story), skipped_line(0, 1, "x")] if file == name
        )


def test_an_entry_is_one_row_per_leg_eth_first_with_vwap_and_filled_quantity() -> None:
    """Whichever leg filled first."""
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.fill("sol", price="115.8")
    story.fill("eth", "0.02", "2756", remaining="0.022")
    story.fill("eth", "0.022", "2758", remaining="0")
    eth, sol = trades(story)
    assert (eth["side"], eth["quantity"], eth["price"]) == ("ETH-BUY", "0.042", "2757.047619047619047619")
    assert (sol["side"], sol["quantity"], sol["price"]) == ("SOL-SELL", "1", "115.8")
    assert (eth["order_type"], eth["mode"], eth["fee_usd"], eth["cycle_id"], eth["cycle_skipped"]) == (
        "fok",
        "enter",
        "0.08",
        "1",
        "False",
    )


def test_the_mirrored_exit_says_buy_and_sell_by_the_fill() -> None:
    story = Story()
    story.enter(eth="-0.042", sol="1")
    story.leave()
    assert [(row["side"], row["order_type"], row["mode"]) for row in trades(story)] == [
        ("ETH-BUY", "ioc", "exit"),
        ("SOL-SELL", "ioc", "exit"),
    ]


def test_what_an_entry_cannot_know_is_empty_and_never_zero() -> None:
    story = Story()
    story.enter()
    for row in trades(story):
        unknown = (
            "pnl_no_fee",
            "pnl_with_fee",
            "exit_timestamp",
            "spread_bps_exit",
            "exit_price_eth",
            "eth_momentum_state",
        )
        assert {row.get(name, "") for name in unknown} == {""}
        assert row["entry_price_eth"] == "2756.9"


@pytest.mark.parametrize(("eth", "sol", "signs"), [("0.042", "-1", (1, -1)), ("-0.042", "1", (-1, 1))])
def test_pnl_of_a_leg_has_the_sign_of_the_side_that_was_open(
    eth: str, sol: str, signs: tuple[int, int]
) -> None:
    """S7."""
    story = Story()
    story.enter(eth=eth, sol=sol)
    story.leave(eth_price="2766.9", sol_price="118.80")
    first, second = trades(story)
    assert Quote.of(first["pnl_no_fee"]) == signs[0] * Quote.of("0.42")
    assert Quote.of(second["pnl_no_fee"]) == signs[1] * Quote.of("2.94")
    assert Quote.of(first["pnl_with_fee"]) == signs[0] * Quote.of("0.42") - Quote.of("0.08")
    assert Quote.of(first["pnl_no_fee"]) + Quote.of(second["pnl_no_fee"]) == story.fold.tally.cash


def test_a_leg_closed_in_three_steps_explains_its_result_to_the_last_digit() -> None:
    """S7: shares of an entry cost that does not divide by three add up to all of it."""
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.fill("eth", "0.021", "2756.9", remaining="0.021")
    story.fill("eth", "0.021", "2756.8", remaining="0")
    story.fill("sol")
    parts = []
    for amount in ("-0.01", "-0.013", "-0.019"):
        story.placed("flatten", amount, "1" if amount == "-0.019" else "0")
        story.fill("eth", price="2750.3")
        if amount == "-0.019":
            story.fill("sol")
        assert story.fold.last_flight is not None
        parts.append(closing_pnl(story.fold.last_flight.orders[0], story.fold.cycle))
    cycle = story.fold.cycle
    assert sum(Quote.of(part[0]) for part in parts) == cycle.closed("eth").quote - cycle.opened("eth").quote
    assert (
        sum(Quote.of(part[1]) for part in parts)
        == sum(Quote.of(part[0]) for part in parts) - cycle.closed("eth").fee - cycle.opened("eth").fee
    )


def test_spread_is_against_the_mid_and_slippage_against_the_plan_and_positive_is_paid() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.fill("eth", price="2757.17569")
    story.fill("sol", price="115.86")
    eth, sol = trades(story)
    assert (eth["spread_bps_entry"], eth["slippage_bps_entry"]) == ("1", "1")
    assert (sol["spread_bps_entry"], sol["slippage_bps_entry"]) == ("0", "0")


def test_a_leg_that_did_not_trade_has_no_row() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1")
    story.fill("eth")
    story.outcome("sol", "refused", 2031)
    assert [row["side"] for row in trades(story)] == ["ETH-BUY"]


def test_positions_say_from_where_to_where_and_by_whose_word() -> None:
    story = Story()
    story.enter()
    story.placed("exit", "-0.042", "1")
    story.fill("eth")
    story.resolved("sol", "1")
    eth, sol = positions(story)
    told = [
        [row[name] for name in ("ticker", "old_position", "new_position", "position_change", "source")]
        for row in (eth, sol)
    ]
    assert told == [["ETH", "0.042", "0", "-0.042", "fills"], ["SOL", "-1", "0", "1", "archive"]]


def test_an_order_that_rests_has_its_lines_at_its_ending_and_not_before() -> None:
    """A quote that trades before anybody answered for it closes its plan by that: what a line said then would
    be wrong a moment later.
    """
    story = started()
    story.quote("0.042", "-1")
    story.fill("eth", "0.02", remaining="0.022")
    rest = story.a_fill("eth", "0.022", remaining="0")
    assert story.held.working[0].filled == story.closed.eth.filled == Base.of("0.02")
    assert lines(story) == []
    story.hedge("sol", "-0.5")
    story.fill("sol")
    assert [row["side"] for row in trades(story)] == ["SOL-SELL"]
    ending = story.clerk.step((rest,), (story.now_ms + 1) * 1_000_000)
    written = [(file, cells) for some, _trouble in ending.lines for file, cells in some]
    assert [file for file, _ in written] == ["trades", "positions"]
    assert (written[0][1]["side"], written[0][1]["quantity"]) == ("ETH-BUY", "0.042")


def test_times_are_utc_with_microseconds() -> None:
    assert utc_text(START_MS * 1_000_000 + 123_456_789) == "2026-09-21T14:13:20.123456Z"
    assert utc_text(1_790_000_000_000_000_000) == "2026-09-21T14:13:20.000000Z"


def test_a_skipped_cycle_is_a_row_with_its_reason_and_nothing_else(tmp_path: Path) -> None:
    books = CsvBooks(tmp_path, "Nado")
    books.append([skipped_line(START_MS * 1_000_000, 3, 'UNBALANCED: best 1.31 %, "ask more"')])
    (row,) = csv_rows(books.path("trades"))
    said = {name: cell for name, cell in row.items() if cell}
    assert said == {
        "exchange": "Nado",
        "timestamp": "2026-09-21T14:13:20.000000Z",
        "cycle_id": "3",
        "cycle_skipped": "True",
        "skip_reason": 'UNBALANCED: best 1.31 %, "ask more"',
    }


def test_rows_that_a_crash_kept_from_being_written_are_written_at_the_next_start(tmp_path: Path) -> None:
    """Every row follows from the ledger, so those that are in the file already are not written again, and
    a torn one is.
    """
    story = Story()
    story.enter()
    entry = lines(story)
    story.leave()
    leaving = lines(story)
    books = CsvBooks(tmp_path, "Nado-simulated")
    books.append([*entry, *leaving])
    whole = {file: books.path(file).read_bytes() for file in ("trades", "positions")}
    books.path("trades").write_bytes(whole["trades"][:-20])
    books.path("positions").unlink()
    again = CsvBooks(tmp_path, "Nado-simulated")
    again.resume()
    again.again(entry)
    again.again(leaving)
    assert {file: again.path(file).read_bytes() for file in ("trades", "positions")} == whole


def test_a_file_with_other_columns_is_somebody_elses_and_stays_as_it_is(tmp_path: Path) -> None:
    books = CsvBooks(tmp_path, "Nado")
    books.path("trades").write_text("a,b\n1,2\n")
    with pytest.raises(ForeignFile):
        books.resume()
    assert books.path("trades").read_text() == "a,b\n1,2\n"


def test_quantities_are_exact_text(tmp_path: Path) -> None:
    story = Story()
    story.enter()
    books = CsvBooks(tmp_path, "Nado-simulated")
    books.append(lines(story))
    written = csv_rows(books.path("trades"))
    assert [Base.of(row["quantity"]) for row in written] == [Base.of("0.042"), Base.of("1")]
    assert {row["exchange"] for row in written} == {"Nado-simulated"}


MANUAL = Path(__file__).resolve().parents[3] / "docs" / "csv.md"


@pytest.mark.parametrize("column", sorted({*TRADES_HEADER.split(","), *POSITIONS_HEADER.split(",")}))
def test_every_column_is_in_the_manual(column: str) -> None:
    rows = [line for line in MANUAL.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert any(f"`{column}`" in row.split(" | ")[0] for row in rows)


def test_the_books_behind_a_decision_are_in_its_row() -> None:
    """9 of 32 columns used to be empty in every row."""
    books = {
        "eth_spread": Bps.of("0.36"),
        "sol_spread": Bps.of("5.2"),
        "eth_depth": Quote.of(9000),
        "sol_depth": Quote.of("1.5"),
    }
    story = Story()
    story.placed("enter", "0.042", "-1", max_spread=Bps.of(5), **books)
    story.fill("eth")
    story.fill("sol")
    eth, sol = trades(story)
    assert (eth["spread_state_entry"], sol["spread_state_entry"], eth["entry_threshold_bps"]) == (
        "NARROW",
        "WIDE",
        "5",
    )
    assert (eth["websocket_available"], sol["websocket_available"]) == ("True", "True")
    assert "exit_liquidity_usd" not in eth
    story.placed("exit", "-0.042", "1", **books)
    story.fill("eth")
    story.fill("sol")
    eth, sol = trades(story)
    assert (eth["exit_liquidity_usd"], eth["exit_liquidity_available"]) == ("9000", "True")
    assert (sol["exit_liquidity_usd"], sol["exit_liquidity_available"]) == ("1.5", "False")
    assert (eth["spread_state_exit"], sol["spread_state_exit"]) == ("NARROW", "WIDE")


def test_without_a_book_the_row_says_so_and_invents_nothing() -> None:
    story = Story()
    story.placed("enter", "0.042", "-1", max_spread=Bps.of(5))
    story.fill("eth")
    story.fill("sol")
    story.placed("exit", "-0.042", "1", eth_age_ms=Ms(START_MS * 2), sol_age_ms=Ms(START_MS * 2))
    story.fill("eth")
    story.fill("sol")
    for row in trades(story):
        assert (row["spread_state_exit"], row["exit_liquidity_usd"], row["exit_liquidity_available"]) == (
            "",
            "",
            "",
        )
        assert row["websocket_available"] == "False"
