"""`record`: write a venue's market to disk, so that it can be replayed with `--market`; with a key also what
the subaccount does.

Nothing is traded. Public streams need no key and none is read for them. A lost connection is made again for
as long as the recording lasts; then both books start over from snapshots, and the gap is counted. The files
can be read at any moment, also after a kill -9 (`commands/record/files.py`).
"""

import argparse
import os
import random
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import trio

from commands.access.signing_key import ask_passphrase
from commands.access.venue import Access, access
from commands.config.options import typed_instead, url_of
from commands.config.units_text import BadText, Duration
from commands.output.words import COMMAND, DONE, ConfigError, Problem, Refusal, say, span, stopped_code
from commands.record.files import HEADERS, PRIVATE_HEADERS, RecordingFiles, Tape
from commands.setup.connecting import connected
from commands.stopping import Stops
from messages.settings import Settings
from messages.units import Ms
from runtime.backoff import RECONNECT, Streak
from runtime.clock import Clock, WallClock, stopwatch_ns
from venue.nado.counts import TroubleTally
from venue.nado.http import HttpReads
from venue.nado.networks import NETWORKS
from venue.nado.public_stream import public_stream
from venue.nado.queries import ETH, SOL
from venue.nado.signing import subaccount_hex
from venue.nado.socket import Dialer, TcpDialer, background
from venue.protocol import EventStream, Reads, VenueError

SCHEMA = "evenkeel.record/1"
FLUSH_S = 10.0
"""Rows wait no longer than this for their chunk."""
TELL_S = 60.0
"""How often the recording says how far it is."""
NOBODY = subaccount_hex("0x" + "00" * 20, "default")
"""Questions about the market are asked in nobody's name."""
NOTHING = "no order was sent, nothing was recorded"


class RecordOptions(msgspec.Struct, frozen=True):
    """What to record, from where, for how long, to where."""

    settings: Settings
    out: Path
    length: Ms
    url: str | None
    private: bool
    json: bool


def options_of(typed: argparse.Namespace, settings: Settings) -> RecordOptions:
    """What was typed, decided. Raises `ConfigError` naming what is missing or wrong."""
    url = url_of(typed.url)
    if url is None and settings.venue.name == "simulated":
        cure = "type --venue mainnet, --venue testnet, or --url http://127.0.0.1:PORT as simulate prints it"
        raise ConfigError(
            "WHICH_VENUE", "--venue", "which venue? a simulated one is recorded where it runs", cure, NOTHING
        )
    return RecordOptions(settings, _out(typed.out), _length(typed.length), url, typed.private, typed.json)


def _length(text: str | None) -> Ms:
    if text is None:
        raise ConfigError("MISSING", "--for", "--for: how long?", f"--for takes {Duration.form()}", NOTHING)
    cure = typed_instead("--for", text, Duration, Ms(3_600_000))
    try:
        length: Ms = Duration.read(text)
    except BadText as bad:
        raise ConfigError(bad.code, "--for", f"--for: {bad}", cure, NOTHING) from None
    if length <= 0:
        raise ConfigError(
            "OUT_OF_RANGE",
            "--for",
            f'--for: "{text}" is no time at all',
            f"--for takes {Duration.form()}",
            NOTHING,
        )
    return length


def _out(text: str | None) -> Path:
    cure = "type --out DIR/NAME, for example --out recordings/monday"
    if not text:
        raise ConfigError("MISSING", "--out", "--out: where to?", cure, NOTHING)
    out = Path(text)
    if text.endswith(("/", os.sep)) or out.is_dir():
        raise ConfigError(
            "BAD_VALUE", "--out", f"--out: {text} is a folder, and a recording needs a name", cure, NOTHING
        )
    return out


@dataclass
class Recording:
    """One recording under way."""

    files: RecordingFiles
    tape: Tape
    clock: Clock
    symbols: dict[int, str]
    gaps: int = 0

    def take(self, event: object) -> None:
        """One event of a stream. Raises `OSError` when the disk refuses."""
        self.files.add(self.tape.take(event, self.clock.utc_ns()))

    async def read_books(self, reads: Reads) -> None:
        """A snapshot of every book that has to start over. Raises `VenueError`."""
        for product_id in sorted(self.tape.wanted):
            snapshot = await reads.book(product_id)
            self.files.add(self.tape.snapshot(snapshot, self.clock.utc_ns()))

    def line(self) -> str:
        """How much there is."""
        parts = [
            f"{self.files.rows(kind):,} {word}"
            for kind, word in (("quotes", "quotes"), ("l2_20", "books"), ("trades", "trades"))
        ]
        return ", ".join([*parts, f"{self.gaps} {'gap' if self.gaps == 1 else 'gaps'}"])


Opened = Callable[[], AbstractAsyncContextManager[EventStream[object]]]


async def follow(recording: Recording, opened: Opened, rng: random.Random, reads: Reads | None) -> None:
    """Write down what a stream brings and open it again when it is lost, until cancelled. With `reads` the
    books start over each time.

    Raises `VenueError` when it cannot be opened the first time: what never began is no gap.
    """
    streak, began = Streak(RECONNECT, rng), False
    while True:
        try:
            async with opened() as events:
                streak.up(trio.current_time())
                if reads is not None:
                    await recording.read_books(reads)
                began = True
                async for event in events:
                    recording.take(event)
                    if reads is not None and recording.tape.wanted:
                        await recording.read_books(reads)
        except VenueError:
            if not began:
                raise
        recording.gaps += 1
        if reads is not None:
            recording.tape.lost()
        await trio.sleep(streak.pause_s(trio.current_time()))


async def record_market(
    gateway: str, recording: Recording, reads: Reads, dialer: Dialer, seed: int = 0
) -> None:
    """Record both products' public streams until cancelled. Raises `VenueError` when the venue cannot be
    reached at the beginning, `OSError`.
    """
    tally = TroubleTally("tape")
    await follow(
        recording,
        lambda: public_stream(gateway, dialer, sorted(recording.symbols), tally),
        random.Random(seed),  # noqa: S311 - jitter
        reads,
    )


def main(options: RecordOptions) -> int:
    """Record until the time is over or a signal comes; the exit code. Raises `Problem`."""
    began_ns = stopwatch_ns()
    tell = partial(say, sys.stderr if options.json else sys.stdout)
    here = access(options.settings, options.url, os.environ, ask_passphrase) if options.private else None
    with Stops() as stops:
        try:
            recording = trio.run(_recorded, options, here, stops, tell)
        except VenueError as error:
            cure = "check the address, and that this machine reaches it"
            raise Refusal(
                "UNREACHABLE",
                "--url" if options.url else "--venue",
                f"the venue does not answer: {error}",
                cure,
                NOTHING,
            ) from None
        except OSError as error:
            message = f"the disk refused: {error.strerror or error}"
            raise Refusal(
                "DISK",
                "--out",
                message,
                "make room and record again under another name",
                "the files hold what was written before",
            ) from None
        return _ended(options, recording, stops, tell, (stopwatch_ns() - began_ns) // 1_000_000)


def _ended(
    options: RecordOptions,
    recording: Recording | None,
    stops: Stops,
    tell: Callable[[str], object],
    elapsed_ms: int,
) -> int:
    if recording is None:
        raise _Stopped(stops)
    if not recording.files.rows("l2_20"):
        raise Refusal(
            "NOTHING_RECORDED",
            None,
            "the venue showed no book with two sides",
            "try again when it trades",
            "the files hold no market",
        )
    code = DONE if stops.first is None else stopped_code(stops.first)
    tell(f"recorded {span(elapsed_ms)}: {recording.line()}")
    tell(f"replay it: {COMMAND} run --market {shlex.quote(str(options.out))}")
    if options.json:
        say(sys.stdout, msgspec.json.encode(_as_json(options, recording, stops, code, elapsed_ms)).decode())
    return code


class _Stopped(Problem):
    """A signal before the first file was there."""

    ended_by = "signal"

    def __init__(self, stops: Stops) -> None:
        super().__init__("STOPPED", None, "stopped", "", NOTHING)
        self.exit_code = stopped_code(stops.first or signal.SIGINT)


def _as_json(
    options: RecordOptions, recording: Recording, stops: Stops, code: int, elapsed_ms: int
) -> dict[str, Any]:
    kinds = ("quotes", "l2_20", "trades", *(PRIVATE_HEADERS if options.private else ()))
    return {
        "schema": SCHEMA,
        "ok": code == DONE,
        "exit_code": code,
        "ended_by": "done" if stops.first is None else "signal",
        "error": None,
        "venue": options.settings.venue.name,
        "url": options.url,
        "market": str(options.out),
        "elapsed_ms": elapsed_ms,
        "gaps": recording.gaps,
        "rows": {kind: recording.files.rows(kind) for kind in kinds},
    }


async def _recorded(
    options: RecordOptions, here: Access | None, stops: Stops, tell: Callable[[str], object]
) -> Recording | None:
    """The finished recording; None when a signal came before it began. Raises `VenueError`, `ConfigError`,
    `OSError`.
    """
    recording = None
    with trio.CancelScope() as scope:
        stops.hear(lambda _number, _count: scope.cancel())
        async with _source(options, here) as source:
            recording = Recording(_created(options), Tape(source.symbols), WallClock(), source.symbols)
            try:
                names = " and ".join(source.symbols.values())
                tell(
                    f"recording {names} of {source.gateway} to {options.out} for"
                    f" {Duration.write(options.length)}; Ctrl-C ends it early"
                )
                with trio.move_on_after(options.length / 1000):
                    await _all_of_it(recording, source, tell)
            finally:
                recording.files.close()
    return recording


@dataclass(frozen=True)
class Source:
    """A venue that has answered."""

    gateway: str
    reads: Reads
    symbols: dict[int, str]
    private: Opened | None


@asynccontextmanager
async def _source(options: RecordOptions, here: Access | None) -> AsyncIterator[Source]:
    if here is not None:
        async with connected(options.settings, here, 0, lambda _message: None, TcpDialer()) as known:
            symbols = {rules.product_id: rules.symbol for rules in (known.rules.eth, known.rules.sol)}
            yield Source(here.gateway, known.reads, symbols, known.venue.account_events)
        return
    gateway = options.url or NETWORKS[options.settings.venue.name].gateway
    async with HttpReads(gateway, NOBODY, name=options.settings.venue.name) as reads:
        eth, sol = await reads.pair()
        yield Source(gateway, reads, {eth: ETH, sol: SOL}, None)


def _created(options: RecordOptions) -> RecordingFiles:
    try:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        return RecordingFiles(options.out, HEADERS | (PRIVATE_HEADERS if options.private else {}))
    except FileExistsError as exists:
        message = f"--out: {exists.filename or exists} exists already"
        raise ConfigError(
            "FILE_EXISTS", "--out", message, "type another name", "nothing was recorded or overwritten"
        ) from None
    except OSError as error:
        message = f"--out: {options.out} cannot be written: {(error.strerror or str(error)).lower()}"
        raise ConfigError(
            "FILE_UNWRITABLE", "--out", message, "type a place that you may write to", NOTHING
        ) from None


async def _all_of_it(recording: Recording, source: Source, tell: Callable[[str], object]) -> None:
    async with background() as nursery:
        if source.private is not None:
            nursery.start_soon(follow, recording, source.private, random.Random(1), None)  # noqa: S311 - jitter
        nursery.start_soon(_every, FLUSH_S, recording.files.flush)
        nursery.start_soon(_every, TELL_S, lambda: tell(recording.line()))
        await record_market(source.gateway, recording, source.reads, TcpDialer())


async def _every(seconds: float, work: Callable[[], object]) -> None:
    while True:
        await trio.sleep(seconds)
        work()
