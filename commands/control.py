"""The control socket: how `flatten`, `halt` and `status`, the page and a chat reach a run that is alive.

A Unix socket in the user's runtime directory, 0600, named like the run's lock; one JSON line asks, one
answers, and for a run that was told to leave one more says how that ended. It only asks the supervisor, by a
message like any other: nothing is decided here.

A path of a Unix socket has at most 107 bytes. Where even the fallback is longer there is no socket, and
commands wait for the lock instead.
"""

import os
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import trio

from actors.run_ending import Leave, Pause, open_legs
from commands.output.event_feed import EventFeed
from commands.output.funding_words import FundingFigures
from commands.output.run_report import RunReport
from messages.lifecycle import Held
from messages.settings import Settings
from runtime.clock import WallClock
from runtime.retry import until

PATH_MAX = 107
LINE_MAX = 65_536
SCREEN_MAX = (400, 100)
"""Columns and rows of a screen that is answered with: with every character it fits into `LINE_MAX`."""
ANSWER_S = 5.0
"""How long a run may take to answer before it counts as one that does not."""
LEAVE = frozenset({"flatten", "halt"})
"""What is answered twice: at once, and when the run has ended."""
PAUSE = frozenset({"pause", "resume"})
FAREWELL_S = 1.0
"""How long a run that ends waits for its last answer to be read."""


class ControlRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a command asks of a run; `reason` is written into the ledger. What is not said is not sent: a run
    that is older than a field refuses it.
    """

    do: Literal["status", "screen", "pause", "resume", "flatten", "halt", "events"]
    reason: str = ""
    columns: int = 0
    rows: int = 0
    """Of the terminal that a `screen` is for."""


class ControlReply(msgspec.Struct, frozen=True):
    """run -> command. `ended`: this is the last answer of a run that has ended; `open_legs` is then from
    the exchange, else from the ledger.
    """

    pid: int
    ended: bool
    phase: str
    cycle: int
    open_legs: str
    doing: str = ""
    """What the run is doing, in one line; "" from a run that is older than this field."""
    progress: str = ""
    """`cycle 2 of 5` and how far each goal is, as its screen says."""
    unknown: bool = False
    """Can nobody say what is open?"""
    page: str = ""
    """Its page's address with the token; "" where there is none."""
    funding: FundingFigures | None = None
    """Both rates and what the pair comes to by them; None: not known, or the run is older than this field."""
    screen: tuple[str, ...] = ()
    """What its own terminal shows, line by line; () where nobody asked for it."""


def socket_path(name: str) -> Path | None:
    """Where the socket of the run `name` is, in a directory that only we may enter; None when no such
    place has a path short enough.
    """
    own = os.environ.get("XDG_RUNTIME_DIR")
    for base in ([Path(own) / "evenkeel"] if own else []) + [
        Path(tempfile.gettempdir()) / f"evenkeel-{os.getuid()}"
    ]:
        path = base / f"{name}.sock"
        if len(os.fsencode(path)) <= PATH_MAX and _ours(base):
            return path
    return None


def _ours(base: Path) -> bool:
    with suppress(OSError):
        base.mkdir(mode=0o700, exist_ok=True)
        known = base.lstat()
        return stat.S_ISDIR(known.st_mode) and known.st_uid == os.getuid() and not known.st_mode & 0o077
    return False


# -- the run's end -------------------------------------------------------------------------------------------


class RunControl:
    """Answers for one run. `post` reaches its supervisor, `held` what its ledger says."""

    def __init__(
        self,
        post: Callable[[msgspec.Struct], None],
        held: Callable[[], Held | None],
        settings: Settings,
        doing: Callable[[], str] = lambda: "",
        events: EventFeed | None = None,
        page: Callable[[], str] = lambda: "",
    ) -> None:
        """`doing`: the line that says what the run is doing now; `page`: where its page is."""
        self._page = page
        self.funding: Callable[[], FundingFigures | None] = lambda: None
        """Of now; whoever knows the rates puts another one in place."""
        self._post, self._held, self._settings, self._doing = post, held, settings, doing
        self._events = events
        self.screen: Callable[[int, int], Sequence[str]] = lambda _columns, _rows: ()
        """Its screen on a terminal of so many columns and rows, for whoever looks on (`status --watch`)."""
        self._over = trio.Event()
        self._open, self._unknown = "unknown", True
        self._talking = 0

    def finished(self, open_legs_now: str, *, unknown: bool = False) -> None:
        """The run has ended, with this open by the exchange, or unknown: whoever waits is answered."""
        self._open, self._unknown = open_legs_now, unknown
        self._over.set()

    def answer(self) -> ControlReply:
        """How things stand: by the ledger while the run lives, else by the exchange."""
        held = self._held()
        over = self._over.is_set()
        phase, cycle = (held.phase, held.cycle) if held else ("unknown", 0)
        progress = RunReport.of(self._settings, held).progress_words(WallClock().utc_ns() // 1_000_000)
        open_now, unknown = (self._open, self._unknown) if over else (open_legs(held), held is None)
        return ControlReply(
            os.getpid(),
            over,
            phase,
            cycle,
            open_now,
            self._doing(),
            progress,
            unknown,
            self._page(),
            self.funding(),
        )

    def _screen(self, ask: ControlRequest) -> tuple[str, ...]:
        columns, rows = min(ask.columns, SCREEN_MAX[0]), min(ask.rows, SCREEN_MAX[1])
        return tuple(self.screen(columns, rows)) if columns > 0 and rows > 0 else ()

    async def talk(self, stream: trio.SocketStream) -> None:
        """One connection. Whatever is wrong with it ends it, and nothing else."""
        self._talking += 1
        try:
            with suppress(trio.BrokenResourceError, msgspec.DecodeError):
                with trio.fail_after(ANSWER_S):
                    ask = msgspec.json.decode(await _line(stream), type=ControlRequest)
                if ask.do == "events":
                    await self._tell_events(stream)
                    return
                leaves = ask.do in LEAVE
                if leaves:
                    code = "HALTED_BY_HAND" if ask.do == "halt" else "FLATTENED"
                    self._post(Leave(code, ask.reason or "asked to flatten", latch=ask.do == "halt"))
                elif ask.do in PAUSE:
                    self._post(Pause(ask.do == "pause", ask.reason or f"asked to {ask.do}"))
                shown = self._screen(ask) if ask.do == "screen" else ()
                answer = msgspec.structs.replace(self.answer(), screen=shown)
                await stream.send_all(msgspec.json.encode(answer) + b"\n")
                if leaves:
                    await self._over.wait()
                    await stream.send_all(msgspec.json.encode(self.answer()) + b"\n")
        except trio.TooSlowError:
            pass
        finally:
            self._talking -= 1
            await trio.aclose_forcefully(stream)

    async def _tell_events(self, stream: trio.SocketStream) -> None:
        """Every event from here on, until the reader goes or the run has ended. A thread of its own writes
        them: a reader that does not read holds nobody.
        """
        descriptor = os.dup(stream.socket.fileno())
        reader = self._events.attach(descriptor) if self._events else None
        if reader is None or self._events is None:
            os.close(descriptor)
            return
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_until_closed, stream, nursery.cancel_scope)
                await self._over.wait()
                nursery.cancel_scope.cancel()
            await trio.to_thread.run_sync(reader.finish, FAREWELL_S / 2)
        finally:
            with suppress(OSError):  # or a thread that is held by the reader would never end
                stream.socket.shutdown(socket.SHUT_RDWR)
            reader.close()

    async def farewell(self) -> None:
        """Let whoever waits hear how it ended, for `FAREWELL_S` at most."""
        with trio.move_on_after(FAREWELL_S):
            await until(lambda: not self._talking, 0.01)


async def _until_closed(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    """Cancel once the other side has closed the connection; it has nothing more to say."""
    with suppress(trio.BrokenResourceError):
        while await stream.receive_some(LINE_MAX):
            pass
    scope.cancel()


@asynccontextmanager
async def controlled(control: RunControl, name: str, note: Callable[[str], None]) -> AsyncIterator[None]:
    """Serve `control` while the context is open. Without a place for the socket the run goes on without."""
    path = socket_path(name)
    listener = _listening(path) if path else None
    if listener is None or path is None:
        note("no control socket: flatten, halt and status will wait for this run to end")
        yield
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(trio.serve_listeners, control.talk, [listener], handler_nursery=nursery))
        try:
            yield
            await control.farewell()
        finally:
            nursery.cancel_scope.cancel()
            with suppress(OSError):
                path.unlink()


def _listening(path: Path) -> trio.SocketListener | None:
    """We hold the lock, so that a socket which is there already is a dead run's."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        made.bind(str(path))
        made.listen(8)
    except OSError:
        made.close()
        return None
    finally:
        os.umask(before)
    return trio.SocketListener(trio.socket.from_stdlib_socket(made))


# -- the command's end ---------------------------------------------------------------------------------------


async def ask(
    name: str,
    request: ControlRequest,
    patience_s: float,
    heard: Callable[[ControlReply], None] = lambda _answer: None,
) -> ControlReply | None:
    """Ask the run `name`; None when nobody answers. A run that was told to leave is waited for, up to
    `patience_s`: then its first answer stands.

    `heard` is told each answer as it comes.
    """
    path = socket_path(name)
    if path is None or not path.exists():
        return None
    answer: ControlReply | None = None
    with suppress(OSError, trio.BrokenResourceError, msgspec.DecodeError):
        async with await trio.open_unix_socket(path) as stream:
            await stream.send_all(msgspec.json.encode(request) + b"\n")
            for waits_s in (ANSWER_S, patience_s) if request.do in LEAVE else (ANSWER_S,):
                with trio.move_on_after(waits_s):
                    answer = msgspec.json.decode(await _line(stream), type=ControlReply)
                    heard(answer)
                if answer is None:
                    return None
    return answer


async def events_of(name: str, heard: Callable[[str], object]) -> None:
    """Tell each line of the run `name` as it comes, until the run closes the connection; at once where nobody
    answers. A run that is older than events closes it without one.
    """
    path = socket_path(name)
    if path is None or not path.exists():
        return
    with suppress(OSError, trio.BrokenResourceError):
        async with await trio.open_unix_socket(path) as stream:
            await stream.send_all(msgspec.json.encode(ControlRequest("events")) + b"\n")
            rest = b""
            while piece := await stream.receive_some(LINE_MAX):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    heard(line.decode())


async def _line(stream: trio.SocketStream) -> bytes:
    text = b""
    while not text.endswith(b"\n"):
        piece = await stream.receive_some(LINE_MAX)
        text += piece
        if not piece or len(text) > LINE_MAX:
            raise msgspec.DecodeError("the other side closed the connection")
    return text
