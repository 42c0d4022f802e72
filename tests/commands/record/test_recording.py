"""From events to rows, and from rows to files that can be read at any moment."""

import csv
import gzip
from pathlib import Path
from typing import Any

import pytest

from commands.record.files import CHUNK_ROWS, HEADERS, PRIVATE_HEADERS, Chunked, RecordingFiles, Tape
from messages.execution import Fill, OrderUpdate, PositionChange
from messages.market import Level, PublicTrade, Touch
from messages.units import Base, Ns, Price, Quote
from tests.actors.fakes import START_MS, book_snapshot, delta

SYMBOLS = {4: "ETH-PERP", 8: "SOL-PERP"}
BOOK = book_snapshot(4, START_MS, [("2756.8", "3"), ("2756.7", "5")], [("2756.9", "2")])
NOW = START_MS * 1_000_000 + 7


def level(price: str, amount: str) -> Level:
    return Level(Price.of(price), Base.of(amount))


def rows_of(path: Path) -> list[list[str]]:
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.reader(file))


def started() -> Tape:
    tape = Tape(SYMBOLS)
    tape.snapshot(BOOK, NOW)
    return tape


def test_a_snapshot_is_a_whole_book_with_empty_cells_where_there_are_no_levels() -> None:
    ((kind, cells),) = Tape(SYMBOLS).snapshot(BOOK, NOW)
    assert kind == "l2_20"
    assert len(cells) == len(HEADERS["l2_20"]) == 83
    assert list(cells[:11]) == [
        START_MS * 1_000_000,
        NOW,
        "ETH-PERP",
        "2756.8",
        "3",
        "2756.9",
        "2",
        "2756.7",
        "5",
        "",
        "",
    ]


def test_a_batch_is_a_book_only_when_its_best_levels_changed() -> None:
    tape = started()
    assert tape.take(delta(4, START_MS + 50, START_MS, [("2756.8", "3")]), NOW) == []
    ((_, cells),) = tape.take(delta(4, START_MS + 90, START_MS + 50, [("2756.8", "0")]), NOW)
    assert (cells[0], cells[3]) == ((START_MS + 90) * 1_000_000, "2756.7")


def test_a_crossed_book_and_a_one_sided_touch_are_no_market() -> None:
    tape = started()
    assert tape.take(delta(4, START_MS + 50, START_MS, [("2757.5", "3")]), NOW) == []
    assert tape.take(Touch(4, Ns(NOW), level("2756.8", "3"), None), NOW) == []


def test_a_gap_wants_a_snapshot_and_so_does_a_lost_stream() -> None:
    tape = started()
    assert tape.wanted == {8}
    tape.take(delta(4, START_MS + 50, START_MS), NOW)
    tape.take(delta(4, START_MS + 150, START_MS + 100, [("2756.8", "1")]), NOW)
    assert tape.wanted == {4, 8}
    tape.snapshot(BOOK, NOW)
    tape.lost()
    assert tape.wanted == {4, 8}


def test_touches_and_trades_are_exact_decimals_and_trades_are_numbered() -> None:
    tape = started()
    ((_, touch),) = tape.take(Touch(4, Ns(5), level("2756.8", "0.001"), level("2756.9", "12.5")), NOW)
    assert list(touch) == [5, NOW, "ETH-PERP", "2756.8", "0.001", "2756.9", "12.5"]
    trades = [
        tape.take(PublicTrade(8, Ns(6), Price.of("115.86"), Base.of("0.1"), taker_buys), NOW)[0][1]
        for taker_buys in (True, False)
    ]
    assert [list(cells) for cells in trades] == [
        [6, NOW, "SOL-PERP", "115.86", "0.1", "buy", 1],
        [6, NOW, "SOL-PERP", "115.86", "0.1", "sell", 2],
    ]


@pytest.mark.parametrize(
    "event",
    [
        delta(2, START_MS, 0),
        Touch(2, Ns(1), level("1", "1"), level("2", "1")),
        PublicTrade(2, Ns(1), Price(1), Base(1), True),
    ],
)
def test_a_product_that_is_not_recorded_leaves_no_row(event: Any) -> None:
    assert started().take(event, NOW) == []


def test_what_the_subaccount_did_has_files_of_its_own() -> None:
    tape = started()
    fill = Fill(
        "0xaa",
        8,
        Base.of("-8.5"),
        Price.of("115.86"),
        Quote.of("0.34"),
        Base(0),
        Base.of("8.5"),
        True,
        7,
        Ns(5),
    )
    events = (
        fill,
        OrderUpdate("0xaa", 8, Base(0), "filled", Ns(5)),
        PositionChange(2, False, Base.of(1), Quote(0), "match_orders", Ns(5)),
    )
    rows = {kind: list(cells) for event in events for kind, cells in tape.take(event, NOW)}
    assert rows["fills"] == [5, NOW, "SOL-PERP", "0xaa", "115.86", "8.5", "sell", "0.34", "0", "8.5", 1, 7]
    assert rows["orders"] == [5, NOW, "SOL-PERP", "0xaa", "0", "filled"]
    assert rows["positions"] == [5, NOW, "product-2", 0, "1", "0", "match_orders"]
    assert all(len(cells) == len(PRIVATE_HEADERS[kind]) for kind, cells in rows.items())


def test_a_file_is_whole_after_every_chunk_without_being_closed(tmp_path: Path) -> None:
    """A killed recorder loses what has not been a chunk yet, and nothing else."""
    path = tmp_path / "x.csv.gz"
    file = Chunked(path, ("number",))
    assert rows_of(path) == [["number"]]
    for number in range(CHUNK_ROWS + 10):
        file.add((number,))
    assert len(rows_of(path)) == 1 + CHUNK_ROWS
    file.flush()
    file.flush()
    assert [row[0] for row in rows_of(path)] == [
        "number",
        *(str(number) for number in range(CHUNK_ROWS + 10)),
    ]
    file.close()


def test_nothing_is_overwritten_and_then_nothing_is_created(tmp_path: Path) -> None:
    (tmp_path / "a_trades.csv.gz").write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        RecordingFiles(tmp_path / "a", HEADERS)
    assert [path.name for path in tmp_path.iterdir()] == ["a_trades.csv.gz"]
    assert (tmp_path / "a_trades.csv.gz").read_bytes() == b"precious"


def test_all_files_are_closed_even_when_the_disk_takes_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = RecordingFiles(tmp_path / "a", HEADERS)

    def full(_file: Chunked) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Chunked, "flush", full)
    with pytest.raises(OSError, match="No space"):
        files.close()
    assert all(file._file.closed for file in files._files.values())
