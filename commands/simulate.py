"""`simulate`: serve a Nado on loopback, HTTP and WebSocket on one port, until told to stop.

The first line of standard output is the base URL, when it can be used; where a recording is replayed, another
one says when it has ended and its last prices stand still. Everything else goes to standard error. The venue
keeps its state while clients come and go, and its account is the published throw-away key's. It never listens
anywhere but on 127.0.0.1: what it gives away is only play money, but a signature made for it should not
travel.
"""

import argparse
import os
import socket
import sys
import threading
from functools import partial
from pathlib import Path

import trio

from commands.access.staged import bad_market, named_market, staged_faults, told_without_number, unreadable
from commands.config.options import seed_of, usd_of
from commands.output.words import DONE, RECORDING_OVER, ConfigError, Refusal, say
from commands.stopping import Stops
from runtime.clock import WallClock
from venue.nado.signing import subaccount_hex
from venue.simulated.engine.exchange import Exchange
from venue.simulated.gateway.server import LOOPBACK, listen, serve
from venue.simulated.markets.recording import RecordingMarket
from venue.simulated.persistence import keep, load, restore, save, state_of
from venue.simulated.venue import SimulatedVenue
from venue.throwaway import THROWAWAY_SENDER

GRACE_S = 0.2
"""How long open connections may finish when the venue stops."""
PATIENCE_S = 2.0
"""After this the process ends even if a client that stopped reading holds a send."""


def main(arguments: argparse.Namespace) -> int:
    """Serve until a signal comes or standard input closes; the exit code. Raises `ConfigError` and
    `Refusal` before anything is served.
    """
    seed, funded, deposit = (
        seed_of(arguments.seed),
        _funded(arguments.fund),
        usd_of("--deposit", arguments.deposit),
    )
    clock, faults = WallClock(), staged_faults(arguments.faults)
    instance = f"simulated-{seed}-{clock.utc_ns()}"
    market = named_market(arguments.market, seed)
    venue = SimulatedVenue(Exchange(options=faults.venue), market, clock, faults, instance=instance)
    kept = Path(arguments.keep_state) if arguments.keep_state else None
    if not (kept and _restored(venue, kept)):
        for sender in funded:
            venue.fund(sender, deposit)
    listening = _listening(arguments.port)
    with Stops() as stops:
        recorded = isinstance(market, RecordingMarket)
        try:
            trio.run(
                partial(
                    _serve,
                    listening,
                    venue,
                    kept,
                    stops,
                    until_stdin_closes=arguments.until_stdin_closes,
                    recorded=recorded,
                )
            )
        except BaseExceptionGroup as group:
            if (found := unreadable(group)) is None:
                raise
            raise bad_market(found) from group
    return DONE


def _funded(text: str | None) -> list[str]:
    """Subaccounts with money in them: the published key's, and the one that `--fund` names."""
    if text is None:
        return [THROWAWAY_SENDER]
    owner, slash, name = text.partition("/")
    try:
        return [THROWAWAY_SENDER, subaccount_hex(owner.lower(), name if slash else "default")]
    except ValueError as error:
        raise ConfigError(
            "BAD_VALUE", "--fund", f"--fund: {error}", "type --fund 0xOWNER/SUBACCOUNT"
        ) from None


def _restored(venue: SimulatedVenue, path: Path) -> bool:
    """Put the venue into the state that was kept; False when none was."""
    try:
        kept = load(path)
        if kept is not None:
            restore(venue, kept)
        save(path, state_of(venue))
    except (ValueError, OSError) as error:
        cure = "name a file that an earlier simulate has written, or one that does not exist yet"
        raise ConfigError(
            "BAD_VALUE", "--keep-state", f"--keep-state {path}: {told_without_number(error)}", cure
        ) from error
    return kept is not None


def _listening(text: str) -> socket.socket:
    """A bound socket on loopback, at the port that was typed. Raises `ConfigError` where that is none,
    `Refusal` when it is taken.
    """
    if not (text.isascii() and text.isdigit() and int(text) < 2**16):
        message = f"--port: {text!r} is not a port"
        raise ConfigError("BAD_VALUE", "--port", message, "type --port 0 for a free one")
    try:
        return listen(int(text))
    except OSError as error:
        message = f"port {int(text)} on {LOOPBACK} cannot be used: {os.strerror(error.errno or 0)}"
        raise Refusal("PORT_IN_USE", "--port", message, "type --port 0 for a free one") from error


async def _serve(
    listening: socket.socket,
    venue: SimulatedVenue,
    kept: Path | None,
    stops: Stops,
    *,
    until_stdin_closes: bool,
    recorded: bool,
) -> None:
    url, stop = f"http://{LOOPBACK}:{listening.getsockname()[1]}", trio.Event()

    async def tell_end() -> None:
        await venue.market_over.wait()
        say(sys.stdout, RECORDING_OVER)

    async def stop_on_eof() -> None:
        # in a thread: standard input may be a pipe, a file or nothing, and a blocking read serves them all
        read = partial(os.read, sys.stdin.fileno(), 4096)
        while await trio.to_thread.run_sync(read, abandon_on_cancel=True):
            pass
        stop.set()

    async with trio.open_nursery() as nursery:
        stops.hear(lambda _number, _count: stop.set())
        if until_stdin_closes:
            nursery.start_soon(stop_on_eof)
        await nursery.start(venue.run)
        if kept is not None:
            nursery.start_soon(keep, venue, kept)
        await nursery.start(serve, venue, listening, stop)
        say(sys.stdout, url)
        if recorded:
            nursery.start_soon(tell_end)
        await stop.wait()
        # the web server shields its sends: a client that stopped reading could keep us here for ever
        last_resort = threading.Timer(PATIENCE_S, os._exit, (DONE,))
        last_resort.daemon = True
        last_resort.start()
        await trio.sleep(GRACE_S)
        nursery.cancel_scope.cancel()
