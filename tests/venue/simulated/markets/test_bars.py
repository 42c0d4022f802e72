"""Bars as a market: through open, high, low and close of every minute, seeded, and never beyond them."""

import gzip
import random
from pathlib import Path

import pytest

from messages.units import Price
from venue.simulated.markets.bars import MINUTE_NS, STEP_NS, STEPS, BarsMarket, path_of
from venue.simulated.markets.move import BookChange
from venue.simulated.markets.recording import UnreadableRecording

HEADER = "ts_ns,symbol,open,high,low,close,volume"
BEGAN_NS = 1_746_372_780_000_000_000
ETH_TICK = Price.of("0.1")


def bars(folder: Path, *rows: str, header: str = HEADER, packed: bool = True) -> str:
    """A file of bars; each row is minute, symbol, and four prices."""
    lines = [header]
    for row in rows:
        minute, *rest = row.split()
        lines.append(",".join([str(BEGAN_NS + int(minute) * MINUTE_NS), *rest, "1"]))
    text = "\n".join(lines) + "\n"
    path = folder / "bars.csv"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    return str(path)


def two_minutes(folder: Path, **more: bool) -> str:
    return bars(
        folder,
        "0 ETH-PERP 1800.0 1810.0 1795.0 1805.0",
        "0 SOL-PERP 146.50 146.90 146.10 146.20",
        "1 ETH-PERP 1805.0 1805.0 1790.0 1791.0",
        "1 SOL-PERP 146.20 146.80 146.20 146.70",
        **more,
    )


def of(moves: list[BookChange], product: str, minute: int) -> list[int]:
    """The best bids of one product within one minute."""
    since = minute * MINUTE_NS
    return [
        int(move.bids[0].price)
        for move in moves
        if move.product == product and since <= move.at_ns < since + MINUTE_NS
    ]


@pytest.mark.parametrize("packed", [True, False])
def test_every_bar_is_opened_reached_and_closed(tmp_path: Path, packed: bool) -> None:
    market = BarsMarket(two_minutes(tmp_path, packed=packed), 7)
    moves = list(market.moves())
    first, second = of(moves, "eth", 0), of(moves, "eth", 1)
    assert (first[0], max(first), min(first), first[-1]) == tuple(
        Price.of(text) for text in ("1800", "1810", "1795", "1805")
    )
    assert (second[0], max(second), min(second), second[-1]) == tuple(
        Price.of(text) for text in ("1805", "1805", "1790", "1791")
    )
    assert (market.began_ns, market.ticks) == (BEGAN_NS, 0) or market.began_ns == BEGAN_NS


def test_both_books_move_together_every_five_seconds(tmp_path: Path) -> None:
    moves = list(BarsMarket(two_minutes(tmp_path), 7).moves())
    eth, sol = ([move.at_ns for move in moves if move.product == name] for name in ("eth", "sol"))
    assert eth == sol == [step * STEP_NS for step in range(2 * STEPS)]


def test_books_are_one_tick_wide_and_on_the_tick(tmp_path: Path) -> None:
    for move in BarsMarket(two_minutes(tmp_path), 7).moves():
        bid, ask = move.bids[0].price, move.asks[0].price
        tick = ETH_TICK if move.product == "eth" else Price.of("0.01")
        assert (ask - bid, bid % tick) == (tick, 0)
        assert all(level.amount > 0 for level in (*move.bids, *move.asks))


def test_a_rising_minute_falls_first_and_a_falling_one_rises_first() -> None:
    chance = random.Random(1)
    rising, falling = path_of((100, 120, 80, 110), chance), path_of((110, 120, 80, 100), chance)
    assert rising.index(80) < rising.index(120)
    assert falling.index(120) < falling.index(80)


@pytest.mark.parametrize("seed", range(20))
def test_no_path_leaves_its_bar(seed: int) -> None:
    """Again: pytest -n 0 tests/venue/simulated/markets/test_bars.py -k "leaves and SEED" """
    chance = random.Random(seed)
    for _ in range(200):
        low, high = sorted(chance.sample(range(1, 10**6), 2))
        opened, closed = chance.randint(low, high), chance.randint(low, high)
        path = path_of((opened, high, low, closed), chance)
        assert (len(path), path[0], path[-1], min(path), max(path)) == (STEPS, opened, closed, low, high)


def test_the_seed_decides_what_lies_between(tmp_path: Path) -> None:
    file = two_minutes(tmp_path)
    assert list(BarsMarket(file, 7).moves()) == list(BarsMarket(file, 7).moves())
    assert list(BarsMarket(file, 7).moves()) != list(BarsMarket(file, 8).moves())


def test_a_minute_that_is_missing_lets_the_books_stand_still(tmp_path: Path) -> None:
    file = bars(
        tmp_path,
        "0 ETH-PERP 1800.0 1800.0 1800.0 1800.0",
        "0 SOL-PERP 146.0 146.0 146.0 146.0",
        "3 ETH-PERP 1801.0 1801.0 1801.0 1801.0",
    )
    moves = list(BarsMarket(file, 7).moves())
    assert (of(moves, "eth", 1), of(moves, "eth", 2), len(of(moves, "eth", 3))) == ([], [], STEPS)
    assert of(moves, "sol", 3) == []


@pytest.mark.parametrize(
    ("rows", "header", "named"),
    [
        (("0 ETH-PERP 1800.0 1700.0 1795.0 1805.0",), HEADER, "contradicts itself"),
        (("0 ETH-PERP 1800.0 1810.0 x 1805.0",), HEADER, "is not a plain decimal number"),
        (("0 ETH-PERP 1800.0 1810.0 1795.0 1805.0",), HEADER, "no minute of both ETH and SOL"),
        ((), "time,price", "has no columns ts_ns"),
        (
            (
                "1 ETH-PERP 1800.0 1810.0 1795.0 1805.0",
                "0 SOL-PERP 146.50 146.90 146.10 146.20",
            ),
            HEADER,
            "comes after",
        ),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, rows: tuple[str, ...], header: str, named: str) -> None:
    with pytest.raises(UnreadableRecording, match=named):
        list(BarsMarket(bars(tmp_path, *rows, header=header), 7).moves())
