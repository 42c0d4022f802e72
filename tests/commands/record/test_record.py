"""Recording a simulated venue over in-memory sockets on virtual time, and the recording replayed; then the
command as a process.
"""

import json
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from commands.record.command import NOBODY
from commands.record.files import HEADERS, LEVELS, RecordingFiles, Tape
from commands.record.recording import Recording, follow, record_market
from messages.market import Level
from runtime.clock import RunClock
from tests.commands.record.test_recording import SYMBOLS, rows_of
from venue.nado.http import HttpReads
from venue.protocol import Unreachable
from venue.simulated.engine.exchange import Exchange
from venue.simulated.gateway.asgi import application
from venue.simulated.gateway.memory import MemoryDialer
from venue.simulated.markets import market_named
from venue.simulated.venue import SimulatedVenue

START_NS = 1_790_000_000_000_000_000
URL = "http://127.0.0.1:1"
ROOT = Path(__file__).resolve().parents[3]
Books = dict[str, list[tuple[int, list[Level], list[Level]]]]
"""By product name: time, bids, asks, best first."""


class RecorderBench:
    """A venue on `market`, its recorder, and every book that the venue has had."""

    def __init__(
        self, venue: SimulatedVenue, recording: Recording, dialer: MemoryDialer, reads: HttpReads
    ) -> None:
        self.venue = venue
        self.recording = recording
        self.dialer = dialer
        self.reads = reads
        self.books: Books = {"ETH-PERP": [], "SOL-PERP": []}
        publish = venue.publish

        def watched() -> None:
            for market in venue.exchange.markets.values():
                if market.product.symbol in self.books:
                    bids, asks = (list(market.book.levels(is_bid, LEVELS)) for is_bid in (True, False))
                    self.books[market.product.symbol].append((venue.now_ns(), bids, asks))
            publish()

        venue.publish = watched  # type: ignore[method-assign]

    def at(self, symbol: str, at_ns: int) -> tuple[list[Level], list[Level]]:
        """The venue's book at a moment."""
        _, bids, asks = next(book for book in reversed(self.books[symbol]) if book[0] <= at_ns)
        return bids, asks


def files_in(folder: Path) -> RecordingFiles:
    folder.mkdir()
    return RecordingFiles(folder / "market", HEADERS)


@asynccontextmanager
async def recorder_bench(folder: Path, market: str, seed: int) -> AsyncIterator[RecorderBench]:
    clock = RunClock(START_NS)
    venue = SimulatedVenue(Exchange(), market_named(market, seed), clock)
    files = files_in(folder)
    async with trio.open_nursery() as nursery:
        transport = httpx.ASGITransport(app=application(venue))
        async with HttpReads(URL, NOBODY, name="test", transport=transport) as reads:
            ready = RecorderBench(
                venue, Recording(files, Tape(SYMBOLS), clock, SYMBOLS), MemoryDialer(venue, nursery), reads
            )
            await nursery.start(venue.run)
            yield ready
            files.close()
        nursery.cancel_scope.cancel()


async def recorded(ready: RecorderBench, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await record_market(URL, ready.recording, ready.reads, ready.dialer)


async def test_a_recording_of_the_simulator_replays_the_same_books(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Whole books at every batch, and the best bid and ask at every move between them. Another seed is
    another market: 9.
    """
    async with recorder_bench(tmp_path / "first", "synthetic", seed=9) as first:
        await recorded(first, 20)
    rows = {kind: rows_of(tmp_path / "first" / f"market_{kind}.csv.gz")[1:] for kind in HEADERS}
    assert min(len(rows["quotes"]), len(rows["l2_20"])) > 100
    batches = {(row[2], int(row[0])) for row in rows["l2_20"]}
    began_ns = max(
        min(int(row[0]) for row in rows["l2_20"] if row[2] == symbol) for symbol in SYMBOLS.values()
    )
    compared = 0
    for move in market_named(str(tmp_path / "first" / "market"), 0).moves():
        symbol, at_ns = f"{move.product.upper()}-PERP", began_ns + move.at_ns
        bids, asks = first.at(symbol, at_ns)
        assert (move.bids[0], move.asks[0]) == (bids[0], asks[0]), f"{symbol} at {at_ns}"
        if (symbol, at_ns) in batches:
            assert (list(move.bids), list(move.asks)) == (bids, asks), f"{symbol} at {at_ns}"
            compared += 1
    assert compared > 100
    traded = sum(len(move.trades) for move in market_named(str(tmp_path / "first" / "market"), 0).moves())
    assert 0 < traded <= len(rows["trades"])


async def test_a_venue_that_replays_a_recording_has_the_books_of_the_one_that_was_recorded(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """At the moment of every batch, level by level."""
    async with recorder_bench(tmp_path / "first", "synthetic", seed=9) as first:
        await recorded(first, 10)
    rows = rows_of(tmp_path / "first" / "market_l2_20.csv.gz")[1:]
    began_ns = max(min(int(row[0]) for row in rows if row[2] == symbol) for symbol in SYMBOLS.values())
    offset_ns = START_NS + round(trio.current_time() * 1e9) - began_ns
    async with recorder_bench(tmp_path / "again", str(tmp_path / "first" / "market"), seed=0) as again:
        await trio.sleep(11)
    later = [(row[2], int(row[0])) for row in rows if int(row[0]) > began_ns]
    assert len(later) > 100
    for symbol, at_ns in later:
        assert again.at(symbol, at_ns + offset_ns + 1_000) == first.at(symbol, at_ns), f"{symbol} at {at_ns}"


async def test_a_lost_connection_is_a_gap_and_both_books_start_over(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with recorder_bench(tmp_path / "first", "synthetic", seed=9) as first:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(recorded, first, 20)
            await trio.sleep(5)
            before = first.recording.files.rows("l2_20")
            first.dialer.refusing = True
            await cut(first)
            await trio.sleep(5)
            assert first.recording.files.rows("l2_20") == before
            first.dialer.refusing = False
        assert first.recording.gaps >= 2
        assert first.recording.files.rows("l2_20") > before + 20
    rows = rows_of(tmp_path / "first" / "market_l2_20.csv.gz")[1:]
    for row in rows:
        bids, asks = first.at(row[2], int(row[0]))
        assert (row[3], row[5]) == (bids[0].price.text(), asks[0].price.text())


async def cut(ready: RecorderBench) -> None:
    """Every subscriber of the venue is cut off."""
    for listeners in list(ready.venue.subscribers._topics.values()):
        for listener in list(listeners):
            listener.scope.cancel()
    await trio.sleep(0.01)


async def test_a_venue_that_cannot_be_reached_at_the_beginning_is_an_error_and_no_gap(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    @asynccontextmanager
    async def refused() -> AsyncIterator[Any]:
        raise Unreachable("refused")
        yield

    recording = Recording(RecordingFiles(tmp_path / "a", HEADERS), Tape(SYMBOLS), RunClock(START_NS), SYMBOLS)
    with pytest.raises(Unreachable):
        await follow(recording, refused, random.Random(1), None)
    assert recording.gaps == 0
    recording.files.close()


# -- the command ---------------------------------------------------------------------------------------------


def typed(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "supervisor.py", "record", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "code", "saying"),
    [
        (("--for", "1 h", "--out", "a"), 2, "which venue?"),
        (("--url", "http://127.0.0.1:1", "--out", "{tmp}/a"), 2, "--for: how long?"),
        (("--url", "http://127.0.0.1:1", "--for", "1 h"), 2, "--out: where to?"),
        (("--url", "http://127.0.0.1:1", "--for", "60", "--out", "{tmp}/a"), 2, '"60" has no unit'),
        (("--url", "http://127.0.0.1:1", "--for", "0 s", "--out", "{tmp}/a"), 2, "no time at all"),
        (("--url", "http://127.0.0.1:1", "--for", "1 s", "--out", "{tmp}"), 2, "is a folder"),
        (("--url", "http://127.0.0.1:1", "--for", "1 s", "--out", "{tmp}/a"), 3, "the venue does not answer"),
    ],
)
def test_what_is_missing_or_wrong_is_named_with_its_cure(
    tmp_path: Path, words: tuple[str, ...], code: int, saying: str
) -> None:
    from commands.cli import main

    said = call(main, ["record", *(word.format(tmp=tmp_path) for word in words)])
    assert (said[0], saying in said[1], said[1].count(" · ")) == (code, True, 2), said
    assert list(tmp_path.iterdir()) == []


def test_a_refused_recording_has_an_object_of_its_own_kind(capsys: pytest.CaptureFixture[str]) -> None:
    from commands.cli import main

    assert main(["record", "--json", "--out", "a", "--for", "1 h"]) == 2
    ended = json.loads(capsys.readouterr().out)
    assert (ended["schema"], ended["ok"], ended["exit_code"], ended["error"]["code"]) == (
        "evenkeel.record/1",
        False,
        2,
        "WHICH_VENUE",
    )


def call(main: Callable[[list[str]], int], words: list[str]) -> tuple[int, str]:
    import contextlib
    import io

    with contextlib.redirect_stderr(io.StringIO()) as said:
        return main(words), said.getvalue()


@pytest.fixture(scope="module")
def simulate() -> Any:
    process = subprocess.Popen(
        [sys.executable, "supervisor.py", "simulate"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.terminate()
    process.wait(10)
    process.stdout.close()


def test_a_disk_that_takes_no_more_ends_the_recording_with_what_is_written(
    tmp_path: Path, simulate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from commands.cli import main
    from commands.record import command as record
    from commands.record import files as recording

    flush, calls = recording.Chunked.flush, list[int]()

    def full(file: recording.Chunked) -> None:
        calls.append(1)
        if len(calls) > 2 * len(HEADERS):
            raise OSError(28, "No space left on device")
        flush(file)

    monkeypatch.setattr(recording.Chunked, "flush", full)
    monkeypatch.setattr(record, "FLUSH_S", 0.2)
    code, said = call(main, ["record", "--url", simulate, "--out", str(tmp_path / "a"), "--for", "1 h"])
    assert (code, said.splitlines()[-1]) == (
        3,
        (
            "the disk refused: No space left on device · the files hold what was written before · make room"
            " and record again under another name"
        ),
    )
    assert all(rows_of(tmp_path / f"a_{kind}.csv.gz") for kind in HEADERS)


@pytest.mark.process
def test_a_signal_ends_a_recording_whose_files_are_whole_and_the_last_word_replays_it(
    tmp_path: Path, simulate: str
) -> None:
    prefix = tmp_path / "new folder" / "monday"
    words = ["record", "--url", simulate, "--out", str(prefix), "--for", "1 h", "--private", "--json"]
    process = subprocess.Popen(
        [sys.executable, "supervisor.py", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "recording ETH-PERP and SOL-PERP" in process.stderr.readline()
    trio.run(trio.sleep, 1.5)
    process.send_signal(signal.SIGTERM)
    output, said = process.communicate(timeout=30)
    ended = json.loads(output)
    assert (process.returncode, ended["exit_code"], ended["ended_by"], ended["gaps"]) == (
        143,
        143,
        "signal",
        0,
    )
    assert said.splitlines()[-1] == f"replay it: python supervisor.py run --market '{prefix}'"
    assert all(
        len(rows_of(Path(f"{prefix}_{kind}.csv.gz"))) == 1 + count for kind, count in ended["rows"].items()
    )
    assert ended["rows"]["l2_20"] > 2
    assert len(list(market_named(ended["market"], 0).moves())) > 2
    again = typed(*words[1:])
    assert (again.returncode, "exists already" in again.stderr) == (2, True)
