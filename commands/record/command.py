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
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import trio

from commands.access.signing_key import ask_passphrase
from commands.access.venue import Access, access
from commands.config.options import typed_value, url_of
from commands.config.units_text import Duration
from commands.output.run_json import json_line
from commands.output.words import COMMAND, DONE, ConfigError, Refusal, say, span, stopped_code
from commands.record.files import HEADERS, PRIVATE_HEADERS, RecordingFiles, Tape
from commands.record.recording import Opened, Recording, follow, record_market
from commands.setup.connecting import connected
from commands.stopping import Stopped, Stops
from messages.settings import Settings
from messages.units import Ms
from runtime.clock import WallClock, stopwatch_ns
from venue.nado.http import HttpReads
from venue.nado.networks import NETWORKS
from venue.nado.queries import ETH, SOL
from venue.nado.signing import subaccount_hex
from venue.nado.socket import TcpDialer, background
from venue.protocol import Reads, VenueError

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
    cure = "type --out DIR/NAME, for example --out recordings/monday"
    if not typed.out:
        raise ConfigError("MISSING", "--out", "--out: where to?", cure, NOTHING)
    out = Path(typed.out)
    if typed.out.endswith(("/", os.sep)) or out.is_dir():
        message = f"--out: {typed.out} is a folder, and a recording needs a name"
        raise ConfigError("BAD_VALUE", "--out", message, cure, NOTHING)
    cure = f"--for takes {Duration.form()}"
    if typed.length is None:
        raise ConfigError("MISSING", "--for", "--for: how long?", cure, NOTHING)
    length: Ms = typed_value("--for", typed.length, Duration, Ms(3_600_000), NOTHING)
    if length <= 0:
        message = f'--for: "{typed.length}" is no time at all'
        raise ConfigError("OUT_OF_RANGE", "--for", message, cure, NOTHING)
    return RecordOptions(settings, out, length, url, typed.private, typed.json)


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
        # a signal before the first file was there
        raise Stopped(stops.first, meaning=NOTHING)
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
        kinds = ("quotes", "l2_20", "trades", *(PRIVATE_HEADERS if options.private else ()))
        facts = {
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
        say(sys.stdout, json_line(facts))
    return code


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
                    async with background() as nursery:
                        if source.private is not None:
                            rng = random.Random(1)  # noqa: S311 - jitter
                            nursery.start_soon(follow, recording, source.private, rng, None)
                        nursery.start_soon(_every, FLUSH_S, recording.files.flush)
                        nursery.start_soon(_every, TELL_S, lambda: tell(recording.line()))
                        await record_market(source.gateway, recording, source.reads, TcpDialer())
            finally:
                recording.files.close()
    return recording


@dataclass(frozen=True)
class Source:
    """A venue that has answered, with what is recorded there; `private` None: public streams only."""

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


async def _every(seconds: float, work: Callable[[], object]) -> None:
    while True:
        await trio.sleep(seconds)
        work()
