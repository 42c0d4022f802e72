"""`guard`: a process of its own that closes what a run left open when the run's heartbeat stops: killed, frozen or wedged, whatever the reason.

It runs in a session of its own and ignores SIGINT and SIGHUP, because the Ctrl-C or the lost terminal that ends the run must not end its guard first.

    watch      read the heartbeat; a run that ended on purpose, or was followed by another, needs no guard any more
    take over  after `dead_man` of silence: epoch + 1 on disk, unless somebody has started one meanwhile. A run that wakes up reads it before it
               seals anything, and stands down
    close      ESCAPE: only what the ledger's intents explain, reduce-only, after the last order that could still arrive; with the orders that were
               signed in advance, else with the key. It stands down itself as soon as a newer epoch than its own is on disk
"""

import os
import signal
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import msgspec
import trio

from actors.ledger import Journal
from actors.runtime.clock import WallClock
from actors.runtime.heartbeat import Beat, Pulse
from actors.runtime.state import BEAT, closing_alone, read_state, state_directory, state_file, take_over
from commands.access import Access, access, place
from commands.checks.known import Known
from commands.disk import sync_of
from commands.words import COMMAND, DONE, OPEN, Problem, say
from commands.world import SCHEMA, connected
from messages.lifecycle import GuardActed, Note, Opened
from messages.settings import Settings
from messages.units import Ms
from venue.escape import Escaped, escape
from venue.nado.socket import TcpDialer
from venue.ours import Task
from venue.protocol import VenueError
from venue.stored_escape import EscapeFile

LOOK_S = 0.1
AGAIN_S = 0.5
"""Pause before a venue that did not answer is asked again."""


class GuardOptions(msgspec.Struct, frozen=True):
    """One guard: the settings of the run it watches, where the venue is, and which run; "" = whichever trades this subaccount."""

    settings: Settings
    url: str | None
    run: str


def main(options: GuardOptions) -> int:
    """Watch until the run ends or dies; the exit code: 0 nothing (more) of ours is open, 4 something is."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        here, signs = access(options.settings, options.url, os.environ, _nobody_here), True
    except Problem as problem:
        here, signs = place(options.settings, options.url), False
        _told(f"no key of its own ({problem.message}): only what was signed in advance can close")
    return trio.run(_watch, options, here, signs)


def _nobody_here(path: str) -> str:
    raise Problem("NO_PASSPHRASE", "venue.key", f"{path} asks for a passphrase, and a guard has nobody to ask", "")


def _told(text: str) -> None:
    say(sys.stderr, f"{WallClock().utc_ns() // 1_000_000_000} guard: {text}")


async def _watch(options: GuardOptions, here: Access, signs: bool) -> int:
    state = state_file(state_directory(), here.identity(Path(options.settings.files.logs)))
    pulse = Pulse(state.with_suffix(BEAT), trio.current_time())
    _told(f"watching {options.run or 'any run'} of {here.sender} at {here.gateway}, dead after {options.settings.guard.dead_man} ms of silence")
    while True:
        beat = pulse.look(trio.current_time())
        if _needless(beat, options.run):
            _told("the run has ended, or another has followed it")
            return DONE
        dead = partial(_dead, pulse, beat, options.settings.guard.dead_man)
        if beat is not None and dead():
            silent_ms = int(pulse.silent_s(trio.current_time()) * 1000)
            with closing_alone(state):
                epoch = take_over(state, dead)
                if epoch is not None:
                    return await _close(options, here, signs, state, GuardActed(epoch, beat.run, Ms(silent_ms)))
        await trio.sleep(LOOK_S)


def _needless(beat: Beat | None, run: str) -> bool:
    """Has this guard's run ended on purpose, or another one begun? (Then it took the heartbeat away.)"""
    return bool(run) and (beat is None or beat.ended or beat.run != run)


def _dead(pulse: Pulse, beat: Beat | None, dead_man_ms: int) -> bool:
    """Is it still this heartbeat, and silent for too long?"""
    now_s = trio.current_time()
    return pulse.look(now_s) == beat and beat is not None and not beat.ended and pulse.silent_s(now_s) * 1000 >= dead_man_ms


async def _close(options: GuardOptions, here: Access, signs: bool, state: Path, acted: GuardActed) -> int:
    """Everything up to the exit code; a newer epoch on disk ends it at once."""
    _told(f"no heartbeat of {acted.run} for {acted.silent_ms} ms: epoch {acted.epoch}, closing what it left open")
    code = OPEN
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_stand_down, nursery.cancel_scope, state, acted.epoch)
        code = _ended(await _closed(options, here, signs, state, acted))
        nursery.cancel_scope.cancel()
    return code


async def _stand_down(scope: trio.CancelScope, state: Path, epoch: int) -> None:
    while read_state(state).epoch == epoch:  # noqa: ASYNC110 - another process changes it
        await trio.sleep(LOOK_S)
    _told("somebody has started a newer epoch: standing down")
    scope.cancel()


async def _closed(options: GuardOptions, here: Access, signs: bool, state: Path, acted: GuardActed) -> Escaped | None:
    with trio.move_on_after(options.settings.venue_patience / 1000):
        while True:
            try:
                async with connected(options.settings, here, 0, _observed, TcpDialer()) as known:
                    return await _escaped(options.settings, known, signs, state, acted)
            except* VenueError as group:
                _told(f"the venue did not answer: {group.exceptions[0]}")
            await trio.sleep(AGAIN_S)
    return None


async def _escaped(settings: Settings, known: Known, signs: bool, state: Path, acted: GuardActed) -> Escaped:
    opened = Opened(SCHEMA, known.rules.venue, known.rules.chain_id, known.access.sender)
    ledger = Path(settings.files.logs) / "ledger.sqlite"
    with closing(Journal(ledger, opened, sync_of(settings), known.venue.forge, known.clock, _observed, acted.epoch)) as journal:
        task = Task.of(journal.fold.held(acted.epoch))
        journal.write(acted)
        stored = EscapeFile(state.with_suffix(".escape"), durable=False).read()
        return await escape(
            known.venue, known.rules, known.clock, settings, task, journal.write, _observed, epoch=acted.epoch, stored=stored, signs=signs
        )


def _observed(message: msgspec.Struct) -> None:
    if isinstance(message, Note) and message.level != "debug":
        _told(f"{message.source}: {message.text}")


def _ended(escaped: Escaped | None) -> int:
    if escaped is not None and escaped.flat:
        _told(f"FLAT: nothing of ours is open, after {escaped.rounds} rounds")
        return DONE
    left = "unknown" if escaped is None or escaped.eth is None or escaped.sol is None else f"ETH {escaped.eth.text()}, SOL {escaped.sol.text()}"
    _told(f"NOT FLAT: {left} · exposure is open now · {COMMAND} flatten")
    return OPEN
