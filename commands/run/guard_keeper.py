"""A run's side of its guard: start it, watch it, replace it, and let it go when nothing is open any more.

Run and guard watch each other. The guard has a heartbeat file of its own, because a process that exists may
be stopped or wedged: one that gives no heartbeat for `SILENT_S` is killed and replaced. While a guard is
wanted and none is alive nothing is entered; closing always goes on.
"""

import os
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Protocol

import trio

from actors.instance.state import BEAT, GUARD_BEAT, RunState
from actors.tree import World
from commands.access.simulated import SUPERVISOR
from commands.config.effective import effective_file
from commands.config.options import RunOptions
from commands.output.words import DONE
from runtime.clock import WallClock
from runtime.files import private
from runtime.heartbeat import APART, BEAT_S, Heartbeat, HeartbeatMonitor
from runtime.observe import Notes
from runtime.outlive import outlive, outlive_call
from runtime.ticks import next_tick_s

LIVES, LIVES_S = 3, 60.0
"""A guard is started at most so many times in so many seconds, for as long as the run lives."""
AGAIN_S = 1.0
LOOK_S = 0.25
SILENT_S = 3.0
"""A guard whose heartbeat has stopped for this long is replaced."""
START_S = 15.0
"""How long a guard may take to its first heartbeat."""
BEATS_S = 1.0
"""How long a run that ends with something open waits for a heartbeat of the guard that it leaves running."""
GONE_S = 2.0
"""How long a guard may take to notice that it is not needed any more."""


class Guarded:
    """What a run knows of its guard. `words` is for the screen."""

    def __init__(self, heartbeat: Heartbeat | None = None) -> None:
        self.heartbeat = heartbeat
        self.words = "guard off"
        self.needless = heartbeat is None
        """Nothing is open: the guard may go with the run."""
        self._since_s: float | None = trio.current_time() if heartbeat else None
        """Since when a guard is wanted and none is alive."""
        self._why = "it is starting"

    def beat(self, now_s: float) -> None:
        """The supervisor's loop is alive at `now_s`, of Trio's clock: tell the guard. Raises `OSError`."""
        if self.heartbeat is not None:
            self.heartbeat.beat(now_s)

    async def beat_for_ever(self) -> None:
        """During the emergency close, which has bounds of its own."""
        while True:
            self.beat(trio.current_time())
            await trio.sleep(BEAT_S)

    def alive(self, pid: int) -> None:
        """Its process `pid` has sent a heartbeat: entering is allowed, as far as the guard goes."""
        self.words, self._since_s = f"guard {pid}", None

    def down(self, why: str) -> None:
        """It is not alive, `why` says what happened: nothing is entered until one is."""
        self.words, self._why = "guard DOWN", why
        if self._since_s is None:
            self._since_s = trio.current_time()

    @property
    def is_alive(self) -> bool:
        """Is a guard at work, by its last heartbeat?"""
        return self.heartbeat is not None and self._since_s is None

    def missing(self) -> tuple[str, float]:
        """Why a guard that is wanted is not there, and for how many seconds; "" when it is, or none is
        wanted.
        """
        return (
            ("", 0.0)
            if self._since_s is None
            else (f"the guard is not alive: {self._why}", trio.current_time() - self._since_s)
        )


@asynccontextmanager
async def guarded(known: World, options: RunOptions) -> AsyncIterator[Guarded]:
    """Run under a guard, if one is wanted and could do something: a venue of our own dies with us.

    Left with something open, the guard is left behind: it acts when the heartbeat has been silent for
    `dead_man`.
    """
    if not (known.url and known.settings.guard.enabled):
        yield Guarded()
        return
    heartbeat = Heartbeat(known.state.beside(BEAT), f"{os.getpid()}-{WallClock().utc_ns()}")
    heartbeat.begin()
    starts, note = Starter(known, options, heartbeat.run), Notes(known.observe, known.clock, "guard")

    def say(text: str) -> None:
        outlive_call(lambda: note("error", text))

    guard = Guarded(heartbeat)
    keeper = Keeper(known.state, guard, heartbeat.run, starts, lambda text: say(f"{text}; read {starts.log}"))
    apart = known.settings.guard.apart
    keep = partial(kept_apart, known.state, guard, say) if apart else partial(Keeper.keep, keeper)
    guard.words = "guard starting"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep)
        try:
            yield guard
        finally:
            if guard.needless:
                heartbeat.end()
            nursery.cancel_scope.cancel()


async def kept_apart(state: RunState, guard: Guarded, say: Callable[[str], None]) -> None:
    """A guard that something else keeps alive (a systemd unit): look for its heartbeat until cancelled;
    nothing is started and nothing killed. `say(text)` tells a person, and raises nothing.
    """
    began_s = trio.current_time()
    pulse = HeartbeatMonitor(state.beside(GUARD_BEAT), began_s)
    while True:
        now_s = trio.current_time()
        beat, silent_s = pulse.look(now_s), pulse.silent_s(now_s)
        # A file that nobody touches may be left of one that was killed: it counts from its first touch on.
        if beat is not None and beat.run == APART and silent_s < min(SILENT_S, now_s - began_s):
            guard.alive(beat.pid)
        elif guard.is_alive:
            guard.down(
                f"guard {beat.pid} has had no heartbeat for {silent_s:.0f} s" if beat else "its file is gone"
            )
            say(f"GUARD_DOWN: {guard.missing()[0]}: nothing is entered until it is; start its unit")
        await trio.sleep_until(next_tick_s(LOOK_S))


class GuardProcess(Protocol):
    """A guard's process, as its keeper sees it (`trio.Process`)."""

    @property
    def pid(self) -> int:
        """Its process id, which its heartbeat names too."""
        ...

    @property
    def returncode(self) -> int | None:
        """None while the process exists, stopped or not; else its exit code."""
        ...

    def kill(self) -> None:
        """End it by SIGKILL, stopped or not. Raises `ProcessLookupError` when it is gone."""
        ...

    async def wait(self) -> object:
        """Wait until it has ended; the caller limits how long."""
        ...


class Keeper:
    """Has a guard of `run` alive, and never two: one that sends no heartbeat is killed before the next is
    started.
    """

    def __init__(
        self,
        state: RunState,
        guard: Guarded,
        run: str,
        start: Callable[[], Awaitable[GuardProcess]],
        say: Callable[[str], None],
    ) -> None:
        """`start()` starts a guard's process; `say(text)` tells a person, and raises nothing."""
        self._state, self.guard, self._run, self._start, self._say = state, guard, run, start, say
        self._process: GuardProcess | None = None

    async def keep(self) -> None:
        """Start it, watch it and start it again, until cancelled. Then: no guard where nothing is open,
        and one where something is.
        """
        began_s: deque[float] = deque(maxlen=LIVES)
        try:
            while True:
                began_s.append(trio.current_time())
                failed: list[str] = []
                why = await outlive(self._one, failed.append) or failed[-1]
                self.guard.down(why)
                pause_s = AGAIN_S
                if len(began_s) == LIVES:
                    pause_s = max(AGAIN_S, began_s[0] + LIVES_S - trio.current_time())
                await outlive(self._end, lambda _why: None)
                self._say(
                    f"GUARD_DOWN: {why}: it is started again in {pause_s:.0f} s, nothing is entered until"
                    " then"
                )
                await trio.sleep(pause_s)
        finally:
            with trio.CancelScope(shield=True):
                await outlive(self._leave, lambda why: self._say(f"leaving the guard: {why}"))

    async def _one(self) -> str:
        """One guard from its start to its end, in words why it is over. Raises `OSError`."""
        began_s = trio.current_time()
        pulse = HeartbeatMonitor(self._state.beside(GUARD_BEAT), began_s)
        self._process = process = await self._start()
        while process.returncode is None:
            now_s = trio.current_time()
            beat = pulse.look(now_s)
            lives = beat is not None and (beat.run, beat.pid) == (self._run, process.pid)
            silent_s, may_s = (pulse.silent_s(now_s), SILENT_S) if lives else (now_s - began_s, START_S)
            if silent_s < may_s:
                if lives:
                    self.guard.alive(process.pid)
            elif not self._state.beaten:  # else it closes for us, and reading a long ledger takes its time
                return f"guard {process.pid} has had no heartbeat for {silent_s:.0f} s"
            await trio.sleep_until(next_tick_s(LOOK_S))
        why = f"guard {process.pid} ended with code {process.returncode}"
        # it has closed for us, and this run only stands down
        if process.returncode == DONE and self._state.beaten:
            self.guard.down(why)
            await trio.sleep_forever()
        return why

    async def _end(self) -> None:
        """Kill what does not live: a stopped process ends by nothing else, and would act on old news when
        it goes on.
        """
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            with trio.move_on_after(GONE_S):
                await process.wait()

    async def _leave(self) -> None:
        if not self.guard.needless:
            if not await self._beats():
                await self._end()
                await self._start()
            return
        if self._process is not None:
            with trio.move_on_after(GONE_S):
                await self._process.wait()
        # else it closes for us, and ends when it has seen for itself that nothing is open
        if not self._state.beaten:
            await self._end()

    async def _beats(self) -> bool:
        """Does the guard send a heartbeat now, or close already? One that was stopped a moment ago counts
        as alive and would close nothing.
        """
        began_s = now_s = trio.current_time()
        pulse = HeartbeatMonitor(self._state.beside(GUARD_BEAT), began_s)
        pulse.look(began_s)
        while self.guard.is_alive and now_s < began_s + BEATS_S:
            await trio.sleep(BEAT_S / 2)
            now_s = trio.current_time()
            pulse.look(now_s)
            if self._state.beaten or pulse.silent_s(now_s) < now_s - began_s:
                return True
        return False


class Starter:
    """Starts guards of one run. What they say goes to `log`."""

    def __init__(self, known: World, options: RunOptions, run: str) -> None:
        self._known, self._options, self._run = known, options, run
        self.log = Path(known.settings.files.logs) / "guard.log"

    async def __call__(self) -> trio.Process:
        """One more guard, in a session of its own. Raises `OSError` when it cannot be started."""
        command = self._command()
        with ExitStack() as stack:
            words: IO[bytes] | int | None = outlive_call(
                lambda: stack.enter_context(opened_log(self.log, self._known.settings.files.log_size))
            )
            # a full disk is no reason to have no guard
            words = subprocess.DEVNULL if words is None else words
            return await trio.lowlevel.open_process(
                command, stdin=subprocess.DEVNULL, stdout=words, stderr=words, start_new_session=True
            )

    def _command(self) -> list[str]:
        """The guard's command line. Its configuration is this run's effective one, in a file of its own;
        no key is in it.
        """
        options, file = self._options, self._known.state.beside(".guard.toml")
        effective_file(file, options.settings)
        where = ["--url", options.url] if options.url else []
        logs = ["--logs", str(self.log.parent.resolve())]
        begin = [sys.executable, str(SUPERVISOR), "guard", "--config", str(file)]
        return [*begin, *logs, *where, "--run", self._run]


def opened_log(log: Path, size_max: int) -> IO[bytes]:
    """What a child of the run says, begun anew when it has become too long. Raises `OSError`."""
    if log.exists() and log.stat().st_size > size_max:
        log.replace(log.with_name(f"{log.name}.1"))
    return open(log, "ab", opener=private)
