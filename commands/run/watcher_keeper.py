"""The monitor: a run's side of its watcher, the process that serves the page and the metrics and sends
alerts.

It starts the watcher, writes the run's events into the watcher's standard input, and starts another one when
it ends or says nothing for `SILENT_S`. Nothing that trades waits for it: lines go through a bounded queue
with a thread behind it (`event_feed.py`), which drops the oldest, counts them and says so; and whatever fails
in here ends nothing but the watching.
"""

import fcntl
import os
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from secrets import token_urlsafe
from typing import IO, Protocol

import msgspec
import trio

from actors.tree import World
from commands.access.simulated import SUPERVISOR
from commands.alerts.outgoing import key_free
from commands.config.effective import ENVIRONMENT_PREFIX, effective_file
from commands.output.event_feed import EventFeed, EventReader
from commands.output.gauges import GAUGES_S
from commands.run.gauges import gauges_of
from commands.run.guard_keeper import AGAIN_S, LIVES, LIVES_S, LOOK_S, opened_log
from commands.run.session import Session
from commands.watched.priority import let_start_behind
from commands.watched.told import SAYS_MAX, WatcherBrief, WatcherSays, wants_watcher
from messages.settings import Settings
from runtime.observe import Notes
from runtime.outlive import outlive
from supervisor import Machine

SILENT_S = 15.0
"""A watcher that has said nothing for this long is replaced."""
START_S = 30.0
"""How long it may take to its first word."""
PIPE_BYTES = 2**20
"""What the pipe to the watcher holds, where the system allows it: a run that ends sooner than its watcher has
begun to read leaves there how it ended.
"""
FINISH_S = 2.0
"""How long a run that ends waits for its last lines to be in the pipe."""
LEAVE_S = 1.0
"""How long it waits for its watcher to end; one that still has to send something is left to it."""
TURN_S_MAX = 1.0
"""More than this between two looks is a run that was stopped, or a machine that slept."""
READ_EVERY_S = 0.05
"""Between two reads of what the watcher says: one that floods its run costs it no more than this."""
TEXTS_MAX, TEXTS_S = 20, 60.0
"""So many of its lines are told to a person in so many seconds."""


class WatcherProcess(Protocol):
    """A watcher's process, as its keeper sees it (`trio.Process`)."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    @property
    def stdout(self) -> trio.abc.ReceiveStream | None:
        """What it says, a JSON object a line; None where it has no pipe."""
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


@asynccontextmanager
async def monitored(session: Session, machine: Machine, *, guarded: bool) -> AsyncIterator[None]:
    """Read the run's gauges while the context is open, and have the run watched, where its settings ask for
    that.
    """
    known, show = machine.world, session.recorder.show
    brief = WatcherBrief(
        known.state.name, os.getpid(), token_urlsafe(24), guarded, any_port=session.options.demo
    )

    def served(url: str) -> None:
        # with the token, for who sits at the terminal: it is in no log
        session.view.page = f"{url}/#token={brief.token}"
        session.view.say(f"page: {session.view.page}")

    monitor = Monitor(partial(started_watcher, known, brief), session.events, session.notes, served)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(show, "the gauges", _gauged, session, machine)
        if wants_watcher(known.settings):
            nursery.start_soon(show, "the watcher", monitor.keep)
        try:
            yield
        finally:
            nursery.cancel_scope.cancel()


async def _gauged(session: Session, machine: Machine) -> None:
    """Nothing is read while nobody follows the run."""
    while True:
        if session.events.heard:
            session.recorder.observe(gauges_of(session.view, machine))
        await trio.sleep(GAUGES_S)


class Monitor:
    """The monitor of one run: has one watcher alive, and feeds it."""

    def __init__(
        self,
        start: Callable[[int], Awaitable[tuple[WatcherProcess, int]]],
        feed: EventFeed,
        say: Notes,
        served: Callable[[str], None] = lambda _url: None,
    ) -> None:
        """`start(number)` starts a watcher and gives the descriptor of its standard input; `say(level, text)`
        tells a person; `served(url)` hears where the page is.
        """
        self._start, self._feed, self._say, self._served = start, feed, say, served
        self._told: deque[float] = deque(maxlen=TEXTS_MAX)
        self.starts = 0
        """How many watchers there were."""

    async def keep(self) -> None:
        """Start it, feed it and start it again, until cancelled."""
        began_s: deque[float] = deque(maxlen=LIVES)
        while True:
            began_s.append(trio.current_time())
            failed: list[str] = []
            why = await outlive(self._one, failed.append) or failed[-1]
            pause_s = AGAIN_S
            if len(began_s) == LIVES:
                pause_s = max(AGAIN_S, began_s[0] + LIVES_S - trio.current_time())
            self._say(
                "warning",
                f"WATCHER_DOWN: {why}: it is started again in {pause_s:.0f} s; trading is not affected",
            )
            await trio.sleep(pause_s)

    async def _one(self) -> str:
        """One watcher from its start to its end, in words why it is over. Raises `OSError`."""
        self.starts += 1
        process, descriptor = await self._start(self.starts)
        reader = self._feed.attach(descriptor, remembered=True)
        if reader is None:
            os.close(descriptor)
            await self._end(process)
            return "too many readers follow this run's events"
        try:
            why = await self._fed(process, reader)
            await self._end(process)
            return why
        finally:
            await self._leave(process, reader)

    async def _fed(self, process: WatcherProcess, reader: EventReader) -> str:
        heard = _Heard()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, process, heard)
            looked_s = trio.current_time()
            while process.returncode is None and not reader.gone:
                now_s = trio.current_time()
                # a run that was stopped itself, or slept, has not waited for its watcher
                heard.silent_s, looked_s = heard.silent_s + min(now_s - looked_s, TURN_S_MAX), now_s
                if heard.silent_s > (SILENT_S if heard.spoke else START_S):
                    why = f"the watcher, pid {process.pid}, has said nothing for {heard.silent_s:.0f} s"
                    break
                await trio.sleep(LOOK_S)
            else:
                why = f"the watcher, pid {process.pid}, is gone"
            nursery.cancel_scope.cancel()
        return why

    async def _leave(self, process: WatcherProcess, reader: EventReader) -> None:
        """The run ends, or its watcher has: what was said last is read first."""
        with trio.CancelScope(shield=True):
            if process.returncode is None and not reader.gone:
                await trio.to_thread.run_sync(reader.finish, FINISH_S)
            reader.close()
            with trio.move_on_after(LEAVE_S):
                await process.wait()

    async def _end(self, process: WatcherProcess) -> None:
        """Killed, because a stopped process (SIGSTOP) ends by nothing else."""
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        with trio.move_on_after(LEAVE_S):
            await process.wait()

    async def _listen(self, process: WatcherProcess, heard: "_Heard") -> None:
        """What the watcher says, as slowly as is good for the run."""
        if process.stdout is None:
            return
        rest = b""
        while piece := await process.stdout.receive_some(SAYS_MAX):
            heard.silent_s, heard.spoke = 0.0, True
            *lines, rest = (rest + piece).split(b"\n")
            rest = rest[-SAYS_MAX:]
            for line in lines:
                with suppress(msgspec.DecodeError, UnicodeDecodeError):
                    self._hear(msgspec.json.decode(line, type=WatcherSays))
            await trio.sleep(READ_EVERY_S)

    def _hear(self, said: WatcherSays) -> None:
        now_s = trio.current_time()
        if said.url:
            self._served(said.url)
        text = f"page and metrics: {said.url}" if said.url else said.text
        full = len(self._told) == TEXTS_MAX and now_s - self._told[0] < TEXTS_S
        if text and not full:
            self._told.append(now_s)
            self._say(said.level, text)


class _Heard(msgspec.Struct):
    """For how long the watcher has not been heard while the run was awake; `spoke`: has it ever been?"""

    silent_s: float = 0.0
    spoke: bool = False


async def started_watcher(known: World, brief: WatcherBrief, number: int) -> tuple[trio.Process, int]:
    """A watcher in a process group of its own, and the descriptor of its standard input, which has its brief
    already. It gets no signing key. Raises `OSError`.
    """
    settings = known.settings
    file = known.state.beside(".watcher.toml")
    effective_file(file, settings)
    command = [sys.executable, str(SUPERVISOR), "watcher", "--config", str(file)]
    log = Path(settings.files.logs) / "watcher.log"
    far, near = os.pipe()
    with suppress(OSError, AttributeError):
        fcntl.fcntl(near, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    try:
        os.write(near, msgspec.json.encode(msgspec.structs.replace(brief, number=number)) + b"\n")
        with _words_to(log, settings.files.log_size) as words:
            process = await trio.lowlevel.open_process(
                [*command, "--logs", str(log.parent.resolve())],
                stdin=far,
                stdout=subprocess.PIPE,
                stderr=words,
                process_group=0,  # and no session: `priority.py` says why
                env=environment_of(settings, os.environ),
            )
        let_start_behind(process.pid)
    except BaseException:
        os.close(near)
        raise
    finally:
        os.close(far)
    return process, near


@contextmanager
def _words_to(log: Path, size_max: int) -> Iterator[IO[bytes] | int]:
    try:
        file = opened_log(log, size_max)
    except OSError:  # a full disk is no reason to watch nothing
        yield subprocess.DEVNULL
        return
    with file:
        yield file


def environment_of(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """A watcher's environment: without the signing key, and without configuration, which its file has as the
    run decided it.
    """
    left = key_free(settings, environment)
    return {each: value for each, value in left.items() if not each.startswith(ENVIRONMENT_PREFIX)}
