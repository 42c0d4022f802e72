"""`guard`: a process of its own that closes what a run left open when the run's heartbeat stops: killed,
frozen or wedged, whatever the reason.

It runs in a session of its own and ignores SIGINT and SIGHUP, because the Ctrl-C or the lost terminal that
ends the run must not end its guard first.

    watch      read the heartbeat; a run that ended on purpose, or was followed by another, needs no guard any
               more
    take over  after `dead_man` of silence: epoch + 1 on disk, unless somebody has started one meanwhile. A
               run that wakes up reads it before it seals anything, and stops trading. No lock is waited for
               longer than `LOCK_S`: a stopped run keeps its locks
    close      `closing.py`: only Evenkeel's positions, reduce-only, for as long as anything may be
               open. It stops itself as soon as a newer epoch than its own is on disk

It has a heartbeat of its own, which its run watches. Nothing that it calls can end it (`outlive.py`).
"""

import os
import signal
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import msgspec
import trio

from actors.instance.state import (
    BEAT,
    GUARD_BEAT,
    LockHeld,
    closing_alone,
    read_state,
    reassert,
    state_directory,
    state_file,
    take_over,
)
from commands.access.venue import Access, access, place
from commands.alerts.alert import Alert
from commands.guard.alerts import AGAIN_S, GuardAlerts
from commands.guard.closing import GuardClosing
from commands.guard.log_lines import GuardWords
from commands.guard.reach import Reach
from commands.output.run_report import rounds_words
from commands.output.words import COMMAND, DONE, OPEN, Problem
from messages.lifecycle import TAKEN_OVER, GuardActed
from messages.settings import Settings
from messages.units import Ms
from runtime.heartbeat import APART, BEAT_S, Beat, Heartbeat, HeartbeatMonitor
from runtime.outlive import one_line, outlive, outlive_call
from venue.stored_escape import EscapeFile

LOOK_S = 0.1
LOCK_S = 1.0
"""How long a lock is waited for before the guard goes on without it."""
RESTART_S = 1.0


class GuardOptions(msgspec.Struct, frozen=True):
    """One guard: the settings of the run it watches, where the venue is, and which run; "" = whichever
    trades this subaccount.
    """

    settings: Settings
    url: str | None
    run: str


def main(options: GuardOptions) -> int:
    """Watch until the run ends or dies; the exit code: 0 nothing (more) of ours is open, 4 something may
    be.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    words = GuardWords()
    if not options.run:  # typed by a person, who will press Ctrl-C
        words.say(f"Ctrl-C and a closed terminal do not end a guard: kill {os.getpid()} does")
    here, signs = _access(options, words)

    async def guarding() -> int:
        state = state_file(state_directory(), here.identity(Path(options.settings.files.logs)))
        return await GuardRun(options, state, words, Reach(here, words), signs=signs).run()

    while True:
        code = outlive_call(
            lambda: trio.run(guarding),
            lambda why: words.say(f"starting again after {why}", "error"),
        )
        if code is not None:
            return code
        trio.run(trio.sleep, RESTART_S)


def _access(options: GuardOptions, words: GuardWords) -> tuple[Access, bool]:
    """Who we are at the venue, and whether we can sign: a key that cannot be had, for whatever reason,
    leaves what was signed in advance.
    """

    def nobody_here(path: str) -> str:
        why = f"{path} needs a passphrase, which a guard cannot ask for"
        raise Problem("NO_PASSPHRASE", "venue.key", why, "")

    try:
        return access(options.settings, options.url, os.environ, nobody_here), True
    except Exception as error:  # noqa: BLE001 - a keystore or a file can fail in any way, and the pair may be open
        why = error.message if isinstance(error, Problem) else one_line(error)
        words.say(f"no key of its own ({why}): only what was signed in advance can close", "warning")
        return place(options.settings, options.url), False


class GuardRun:
    """One guard of one run, whose state file is `state`."""

    def __init__(
        self, options: GuardOptions, state: Path, words: GuardWords, reach: Reach, *, signs: bool
    ) -> None:
        self._settings, self._run = options.settings, options.run
        self._words, self._reach, self._signs = words, reach, signs
        self._watch_at(state)
        self._epoch = 0
        """The newest epoch on disk while the run's heartbeat was there."""
        self._met = False
        """Has its run's heartbeat been seen?"""
        self._pid = 0
        """The run's process."""

    def _watch_at(self, state: Path) -> None:
        """The run's heartbeat is beside `state`, and this guard's own from now on, too."""
        self._state = state
        self._pulse = HeartbeatMonitor(state.with_suffix(BEAT), trio.current_time())
        own = self._run or (APART if self._settings.guard.apart else "")
        self._heart = Heartbeat(state.with_suffix(GUARD_BEAT), own) if own else None
        if self._heart is not None:
            outlive_call(
                self._heart.begin, lambda why: self._words.say(f"no heartbeat of its own: {why}", "error")
            )

    async def run(self) -> int:
        """Watch, and close if it has to; the exit code."""
        which, dead_man = self._run or "any run", self._settings.guard.dead_man
        self._words.say(
            f"watching {which} of {self._reach.here.sender} at {self._reach.here.gateway}, dead after"
            f" {dead_man} ms of silence"
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._beat_for_ever)
            code = await self._watch()
            nursery.cancel_scope.cancel()
        await self._reach.aclose()
        return code

    async def _beat_for_ever(self) -> None:
        while True:
            outlive_call(self._beat)
            await trio.sleep(BEAT_S)

    def _beat(self) -> None:
        if self._heart is not None:
            self._heart.beat(trio.current_time())

    async def _watch(self) -> int:
        while True:
            code = await outlive(
                self._look, lambda why: self._words.say(f"watching: {why}", "error", once=True)
            )
            if code is not None:
                return code
            await trio.sleep(LOOK_S)

    async def _look(self) -> int | None:
        """One look at the heartbeat; the exit code when this guard's work is done."""
        if not (self._run or self._met):
            # It was there before any run: what the venue calls itself, and so what this subaccount's files
            # are called, is found out by the first one that asks.
            here = self._reach.here.identity(Path(self._settings.files.logs))
            if (state := state_file(self._state.parent, here)) != self._state:
                self._watch_at(state)
        beat = self._pulse.look(trio.current_time())
        if not self._run:
            needless = False
        elif beat is not None:
            needless = beat.ended or beat.run != self._run
        else:
            # Another run takes the heartbeat away first and then starts an epoch. One that is gone and
            # followed by nothing is silence: somebody removed the file, or its folder.
            needless = not self._met or read_state(self._state).epoch > self._epoch
        if needless:
            self._words.say("the run has ended, or a newer one has started")
            return DONE
        if self._heart is not None and self._heart.replaced():
            self._words.say("a newer guard watches this run")
            return DONE
        if beat is not None:
            self._met, self._pid = True, beat.pid
            self._epoch = max(self._epoch, read_state(self._state).epoch)
        if self._dead(beat):
            return await self._take_over(beat)
        return None

    def _dead(self, beat: Beat | None) -> bool:
        """Is it still this heartbeat, and silent for too long?"""
        now_s = trio.current_time()
        silent = (
            self._pulse.look(now_s) == beat
            and self._pulse.silent_s(now_s) * 1000 >= self._settings.guard.dead_man
        )
        return silent and (self._met if beat is None else not beat.ended)

    async def _take_over(self, beat: Beat | None) -> int | None:
        silent_ms = int(self._pulse.silent_s(trio.current_time()) * 1000)
        with ExitStack() as stack:
            await self._closing_alone(stack)
            epoch = await self._new_epoch(partial(self._dead, beat))
            if epoch is None:
                return None
            return await self._close(GuardActed(epoch, beat.run if beat else self._run, Ms(silent_ms)))

    async def _closing_alone(self, stack: ExitStack) -> None:
        """Hold off starts while we close; but an older guard that was stopped with this lock does not stop
        us.
        """
        with trio.move_on_after(LOCK_S):
            while True:
                with ExitStack() as attempt, suppress(OSError):
                    if attempt.enter_context(closing_alone(self._state)):
                        stack.push(attempt.pop_all())
                        return
                await trio.sleep(LOOK_S)

    async def _new_epoch(self, dead: partial[bool]) -> int | None:
        """Epoch + 1 on disk; None when the run is not silent after all. Where nothing can be written, the
        number all the same.
        """
        with trio.move_on_after(LOCK_S):
            while True:
                try:
                    return take_over(self._state, dead, seen=self._epoch)
                except (LockHeld, OSError):
                    await trio.sleep(LOOK_S)
        try:
            return take_over(self._state, dead, seen=self._epoch, lockless=True)
        except OSError as error:
            self._words.say(
                f"the new epoch cannot be written, closing all the same: {one_line(error)}", "error"
            )
            return self._epoch + 1

    async def _close(self, acted: GuardActed) -> int:
        """Everything up to the exit code; a newer epoch on disk ends it at once."""
        self._words.say(
            f"no heartbeat of {acted.run} for {acted.silent_ms} ms: epoch {acted.epoch}, closing what it left"
            " open",
            "warning",
        )
        closing = GuardClosing(
            self._settings, self._reach, self._state, acted, signs=self._signs, run_pid=self._pid
        )
        code, alerts = OPEN, GuardAlerts(self._settings, self._words)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._stand_down, nursery.cancel_scope, acted.epoch)
            nursery.start_soon(self._tell_while_open, alerts, closing)
            await closing.until_flat()
            code = DONE
            nursery.cancel_scope.cancel()
        if code == DONE:
            outlive_call(EscapeFile(self._state.with_suffix(".escape"), durable=False).clear)
            flat = f"FLAT: no Evenkeel positions are open · {rounds_words(closing.rounds)}"
            self._words.say(flat)
            took_over = f"the guard took over after {acted.silent_ms} ms without a heartbeat"
            await alerts.tell(Alert("critical", TAKEN_OVER, f"{took_over}. {flat}"))
        else:
            self._words.say(
                f"NOT known to be flat: {closing.left} · whoever started the newer epoch closes it, else"
                f" {COMMAND} flatten",
                "warning",
            )
        return code

    async def _tell_while_open(self, alerts: GuardAlerts, closing: GuardClosing) -> None:
        """Closing has been tried for `venue_patience`: a person should know, and again every hour."""
        await trio.sleep(self._settings.venue_patience / 1000)
        while True:
            text = f"the guard took over and cannot close: {closing.left}; it goes on trying"
            await alerts.tell(Alert("critical", "NOT_FLAT", f"{text} · {COMMAND} flatten"))
            await trio.sleep(AGAIN_S)

    async def _stand_down(self, scope: trio.CancelScope, epoch: int) -> None:
        """Until a newer epoch is on disk. An older one is a stopped run's last write, or a file that was
        lost: ours is put back.
        """
        while True:
            on_disk = outlive_call(lambda: reassert(self._state, epoch))
            if on_disk is not None and on_disk > epoch:
                break
            await trio.sleep(LOOK_S)
        self._words.say("a newer epoch was started: this guard stops")
        scope.cancel()
