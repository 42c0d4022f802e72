"""Replaying what was recorded: a small recording made by the test, and the real one where it is."""

import csv
import gzip
import tracemalloc
from pathlib import Path

import pytest

from messages.units import Base, Price
from tests.shared_data import shared
from tests.venue.simulated.markets.measure import measure
from venue.simulated.markets import BookChange, market_named
from venue.simulated.markets.recording import UnreadableRecording, scaled

HEADERS = {
    "quotes": ["ts_ns", "recv_ns", "symbol", "bid_px", "bid_sz", "ask_px", "ask_sz"],
    "l2_20": [
        "ts_ns",
        "recv_ns",
        "symbol",
        *(f"{name}_{i}" for i in range(20) for name in ("bid_px", "bid_sz", "ask_px", "ask_sz")),
    ],
    "trades": ["ts_ns", "recv_ns", "symbol", "px", "sz", "aggressor", "trade_id"],
}


def book(at: int, symbol: str, *levels: str) -> list[str]:
    cells = [cell for level in levels for cell in level.split()]
    return [str(at), str(at), symbol, *cells, *[""] * (80 - len(cells))]


def recorded(folder: Path, **rows: list[list[str]]) -> str:
    for kind, header in HEADERS.items():
        with gzip.open(folder / f"small_{kind}.csv.gz", "wt", newline="") as file:
            csv.writer(file).writerows([header, *rows.get(kind, [])])
    return str(folder / "small")


def replay(folder: Path, **rows: list[list[str]]) -> list[BookChange]:
    return list(market_named(recorded(folder, **rows), 0).moves())


ETH_BOOK = book(1_000, "ETH-PERP", "100.0 1.0009 100.1 2", "99.9 5 100.2 6")
SOL_BOOK = book(2_000, "SOL-PERP", "20.00 1.19 20.01 2")


def test_it_starts_when_both_books_are_known_and_floors_sizes_to_the_step(tmp_path: Path) -> None:
    eth, sol = replay(tmp_path, l2_20=[ETH_BOOK, SOL_BOOK])
    assert (eth.at_ns, eth.product, sol.at_ns, sol.product) == (0, "eth", 0, "sol")
    assert (eth.bids[0].price, eth.bids[0].amount) == (Price.of(100), Base.of(1))
    assert sol.bids[0].amount == Base.of("1.1")


def test_between_books_the_touch_follows_the_quotes(tmp_path: Path) -> None:
    up = ["3000", "3000", "ETH-PERP", "100.1", "3", "100.2", "4"]
    down = ["4000", "4000", "ETH-PERP", "99.8", "7", "99.9", "8"]
    *_, higher, lower = replay(tmp_path, l2_20=[ETH_BOOK, SOL_BOOK], quotes=[up, down])
    assert [level.price for level in higher.bids] == [Price.of("100.1"), Price.of(100), Price.of("99.9")]
    assert [level.price for level in higher.asks] == [Price.of("100.2")]
    assert (higher.at_ns, lower.at_ns) == (1_000, 2_000)
    assert [level.price for level in lower.bids] == [Price.of("99.8")]
    assert [level.price for level in lower.asks] == [Price.of("99.9"), Price.of("100.2")]


def test_prices_off_the_tick_move_away_from_the_other_side(tmp_path: Path) -> None:
    eth, _ = replay(tmp_path, l2_20=[book(1_000, "ETH-PERP", "100.05 1 100.11 2"), SOL_BOOK])
    assert (eth.bids[0].price, eth.asks[0].price) == (Price.of(100), Price.of("100.2"))


def test_what_would_cross_is_left_out(tmp_path: Path) -> None:
    crossed = ["3000", "3000", "ETH-PERP", "100.3", "3", "100.2", "4"]
    assert len(replay(tmp_path, l2_20=[ETH_BOOK, SOL_BOOK], quotes=[crossed])) == 2


def test_trades_come_with_the_next_move(tmp_path: Path) -> None:
    trade = ["2500", "2500", "ETH-PERP", "100.1", "0.5", "buy", "1"]
    dust = ["2600", "2600", "ETH-PERP", "100.1", "0.0005", "buy", "2"]
    quote = ["3000", "3000", "ETH-PERP", "100.0", "3", "100.1", "1.5"]
    *_, move = replay(tmp_path, l2_20=[ETH_BOOK, SOL_BOOK], trades=[trade, dust], quotes=[quote])
    assert [(traded.amount, traded.taker_buys) for traded in move.trades] == [(Base.of("0.5"), True)]


def test_a_row_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"100\.x"):
        replay(tmp_path, l2_20=[book(1_000, "ETH-PERP", "100.x 1 100.1 2"), SOL_BOOK])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    prefix = recorded(tmp_path)
    Path(f"{prefix}_trades.csv.gz").unlink()
    with pytest.raises(ValueError, match=r"small_trades\.csv\.gz"):
        market_named(prefix, 0)


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"garbage",
        gzip.compress(b"a,b,c\n", mtime=0),
        gzip.compress(b"a,b,c\nd,e,f\n", mtime=0),
        gzip.compress(bytes(range(256)), mtime=0),
        gzip.compress(b"a" * 9999, mtime=0)[:30],
        gzip.compress(b"ts_ns,recv_ns,symbol\n1,1,ETH-PERP\n", mtime=0),
    ],
)
def test_a_file_that_is_no_recording_is_named_whatever_is_in_it(garbage: bytes, tmp_path: Path) -> None:
    prefix = recorded(tmp_path)
    Path(f"{prefix}_l2_20.csv.gz").write_bytes(garbage)
    with pytest.raises(
        UnreadableRecording, match=r"small_l2_20\.csv\.gz|a row of the recording cannot be read: 1,1,ETH-PERP"
    ):
        list(market_named(prefix, 0).moves())


@pytest.mark.parametrize("text", ["-1", "1e5", "", "nan", "1.0000000000000000001"])
def test_only_plain_decimals_are_numbers(text: str) -> None:
    with pytest.raises(ValueError, match="plain decimal"):
        scaled(text)


def test_the_real_recording_replays_as_its_table_says() -> None:
    shared("market-data/dev/hyperliquid_perp_20250904a_quotes.csv.gz")
    prefix = str(shared("market-data/dev/hyperliquid_perp_20250904a"))
    measured = measure(market_named(prefix, 0).moves(), 1_380)
    assert measured.spread == pytest.approx({"eth": 0.287, "sol": 0.559}, rel=0.10)
    assert measured.returns[1] == pytest.approx((0.90, 1.05, 0.46), rel=0.10)
    assert measured.returns[10] == pytest.approx((3.7, 4.4, 0.72), rel=0.15)


def evening(folder: Path, seconds: int) -> str:
    """A recording of so many seconds: both books every second, and a quote of each in between."""
    folder.mkdir()
    books, quotes = [], []
    for second in range(seconds):
        at, tick = 1_000_000_000 * (second + 1), second % 7
        books.append(book(at, "ETH-PERP", f"{4300 + tick / 10:.1f} 9 {4300.1 + tick / 10:.1f} 9"))
        books.append(book(at + 1, "SOL-PERP", f"{200 + tick / 100:.2f} 90 {200.01 + tick / 100:.2f} 90"))
        quotes.append([str(at + 5), str(at + 5), "ETH-PERP", "4299.0", "8", "4301.0", f"{1 + second}"])
    return recorded(folder, l2_20=books, quotes=quotes)


def test_memory_does_not_grow_with_the_length_of_a_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows were read and sorted before the first move: four times the rows were four times the memory."""
    monkeypatch.setattr("venue.simulated.markets.recording.TEXTS_KEPT", 256)  # full in both
    peaks = []
    for seconds in (1_500, 6_000):
        market = market_named(evening(tmp_path / str(seconds), seconds), 0)
        tracemalloc.start()
        moves = sum(1 for _ in market.moves())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert moves > 2 * seconds
    # Kept, 4,500 seconds more are 4.5 MB; what the collector has not looked at yet is up to 0.4.
    assert peaks[1] - peaks[0] < 1_500_000


def test_rows_out_of_order_by_some_seconds_are_replayed_in_order(tmp_path: Path) -> None:
    """A recorder writes what arrives; an exchange's own times need not rise."""
    rows = [
        book(1_000_000_000, "ETH-PERP", "4300.0 1 4300.1 1"),
        book(9_000_000_000, "SOL-PERP", "200.00 1 200.01 1"),
        book(2_000_000_000, "SOL-PERP", "199.00 1 199.01 1"),
        book(8_000_000_000, "ETH-PERP", "4301.0 1 4301.1 1"),
    ]
    moves = replay(tmp_path, l2_20=rows)
    assert [(move.at_ns, move.product) for move in moves] == [
        (0, "eth"),
        (0, "sol"),
        (6_000_000_000, "eth"),
        (7_000_000_000, "sol"),
    ]


def test_a_row_that_comes_far_too_late_counts_as_of_the_moment_reached(tmp_path: Path) -> None:
    rows = [
        book(1_000_000_000, "ETH-PERP", "4300.0 1 4300.1 1"),
        book(2_000_000_000, "SOL-PERP", "200.00 1 200.01 1"),
        book(60_000_000_000, "ETH-PERP", "4301.0 1 4301.1 1"),
        book(90_000_000_000, "ETH-PERP", "4302.0 1 4302.1 1"),
        book(3_000_000_000, "SOL-PERP", "201.00 1 201.01 1"),
    ]
    moves = replay(tmp_path, l2_20=rows)
    assert [move.at_ns for move in moves] == sorted(move.at_ns for move in moves)
    assert {move.bids[0].price for move in moves if move.product == "sol"} == {
        Price.of("200"),
        Price.of("201"),
    }
