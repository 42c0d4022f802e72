"""`watcher`: started by a run, beside it. It reads the run's events and states from its standard input,
serves the page and the metrics, sends alerts, and says on its standard output that it lives.

It has a process group of its own and ignores SIGINT and SIGHUP, because the Ctrl-C that ends the run must
not end who tells of it; it works while nobody who trades wants the processor (`priority.py`). When its
standard input closes the run is over, however it ended, and so is the watcher.
"""

import argparse
import os
import signal
import sys
from functools import partial

import msgspec
import trio

from commands.alerts.alerting import alerted
from commands.output.streams import finish
from commands.output.words import COMMAND, DONE, ConfigError, say
from commands.watched.priority import stand_back
from commands.watched.told import BEAT_S, WatcherBrief, WatcherSays, alerting
from commands.watched.watched import PIECE, Watched
from commands.watcher.server import bound, serve, url_of_socket
from messages.settings import Settings

BRIEF_S = 10.0
"""How long the run may take to say whose watcher this is."""


def main(_typed: argparse.Namespace, settings: Settings) -> int:
    """Watch until the run is gone; the exit code. Raises `ConfigError` where no run says anything."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return trio.run(partial(watch, settings))


async def watch(settings: Settings) -> int:
    """Follow a run from its first line to its end, and tell, serve and count meanwhile. The exit code."""
    stream = trio.lowlevel.FdStream(os.dup(sys.stdin.fileno()))
    brief, rest = await _briefed(stream)
    watched = Watched(brief)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_beat_for_ever)
        nursery.start_soon(watched.read, stream, rest)
        async with trio.open_nursery() as working:
            if settings.page != "off":
                working.start_soon(_served, settings, watched)
            else:
                stand_back(alerting=alerting(settings.alerts))
            if alerting(settings.alerts):
                working.start_soon(_alerted, settings, watched)
        await watched.gone.wait()
        nursery.cancel_scope.cancel()
    finish()
    return DONE


async def _alerted(settings: Settings, watched: Watched) -> None:
    """The alerts, until what follows of the run's end is sent. A secret that is gone since the run began is
    said.
    """
    try:
        await alerted(settings, watched, lambda text: tell(WatcherSays(text=text, level="warning")))
    except ConfigError as error:
        tell(WatcherSays(text=f"no alerts: {error.sentence}", level="error"))


async def _served(settings: Settings, watched: Watched) -> None:
    """The page and the metrics, until the run is gone. A port that cannot be had is said, and ends nothing
    else; where any port will do another one is taken.
    """
    try:
        try:
            listening = bound(settings.page)
        except OSError:
            if not watched.brief.any_port:
                raise
            listening = bound(f"{settings.page.rpartition(':')[0]}:0")
    except OSError as error:
        why = os.strerror(error.errno or 0)
        tell(WatcherSays(text=f"no page: {settings.page} cannot be used: {why}", level="warning"))
        return
    url = f"https://{settings.page_name}" if settings.page_name else url_of_socket(listening)
    stop = trio.Event()
    from commands.metrics.route import metrics_route
    from commands.watcher.serving import followed, page_of

    more = [metrics_route(settings, watched)]
    app, hub = page_of(settings, watched, listening.getsockname()[:2], more)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve, app, listening, stop, settings.page_certificate)
        # not before: what it takes to serve is a second of imports, for which an idle process may wait long
        stand_back(alerting=alerting(settings.alerts))
        tell(WatcherSays(url=url))
        await followed(hub, watched)
        stop.set()


async def _briefed(stream: trio.abc.ReceiveStream) -> tuple[WatcherBrief, bytes]:
    """The first line, and what came with it. Raises `ConfigError`: somebody typed the command."""
    text = b""
    with trio.move_on_after(BRIEF_S):
        while b"\n" not in text and (piece := await stream.receive_some(PIECE)):
            text += piece
    first, _, rest = text.partition(b"\n")
    try:
        return msgspec.json.decode(first, type=WatcherBrief), rest
    except msgspec.DecodeError:
        message = "watcher: no run has said on standard input which run is to be watched"
        cure = f'a run starts its own: {COMMAND} run --set page="127.0.0.1:8080"'
        raise ConfigError("NO_RUN", None, message, cure) from None


def tell(said: WatcherSays) -> None:
    """Say something to the run, at once; it may be gone."""
    say(sys.stdout, msgspec.json.encode(said).decode())


async def _beat_for_ever() -> None:
    while True:
        tell(WatcherSays())
        await trio.sleep(BEAT_S)
