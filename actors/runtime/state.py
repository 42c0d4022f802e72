"""Epoch and halt: one small file per (venue, subaccount), written whole, under a lock that lives as long as the process.

The lock is what keeps a second bot off the same subaccount, whatever its `--logs`: it stands in the user's state directory and not beside the
ledger. The operating system drops it with the process, so a `kill -9` leaves nothing to clean up.

A file that cannot be read is no reason to leave a pair open: it is set aside and counts as a halt, which forbids entering and nothing else, and the
epoch goes on from the one in the ledger (`at_least`).
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import IO

import msgspec
import trio

from actors.runtime.specs import Fatal


class AlreadyRunning(Exception):
    """Another process trades this subaccount. It is left alone; this one must not start."""

    def __init__(self, pid: int | None, logs: str) -> None:
        super().__init__(f"another Evenkeel (pid {pid}, logs {logs}) trades this subaccount")
        self.pid = pid
        self.logs = logs


class Beaten(Fatal):
    """Somebody started a newer epoch: the guard, because this run's heartbeat had stopped. This run stands down and sends nothing more."""


class NoState(Exception):
    """The state directory cannot be used: without it two bots could trade one subaccount, so nothing may start."""


BEAT = ".beat"
GUARD_LOCK = ".guarding"
FOLDERS = 4
"""How many folders of earlier holders a lock file remembers."""
GUARD_GONE_S = 5.0
"""How long a start waits for an older guard to stand down: it looks ten times a second."""
UNREADABLE = "STATE_UNREADABLE"
"""Halt code of a state file that is not what was written."""


class Holder(msgspec.Struct, frozen=True):
    """What the lock file says of whoever holds the lock."""

    pid: int | None = None
    logs: str = "unknown"
    earlier: tuple[str, ...] = ()
    """Folders that holders before it named, newest first: a command typed with another `--logs` must not make the last run's forgotten."""

    @property
    def folders(self) -> tuple[str, ...]:
        """Every folder that is known, newest first."""
        return tuple(dict.fromkeys(each for each in (self.logs, *self.earlier) if each != "unknown"))


class Anchor(msgspec.Struct, frozen=True):
    """What this subaccount's ledger was when it was last written about here: a ledger without that row is another one, or an older one."""

    logs: str
    """Its folder, resolved."""
    last_hash: str
    """Its last row then, as `Store.last_hash` names it."""
    may_be_open: bool
    """True from before the vote on an order that can increase a position until the venue has said that nothing is open."""
    at_ms: int = 0
    """Venue time of this word."""
    until_ms: int = 0
    """Venue time after which no order that was intended by then can arrive any more."""


class Saved(msgspec.Struct, frozen=True):
    """What the file holds."""

    epoch: int = 0
    venue: str = ""
    halt_code: str = ""
    halt_detail: str = ""
    anchor: Anchor | None = None
    """None: written by a version that did not know of it, or before the first ledger."""

    @property
    def unreadable(self) -> bool:
        """Is it what stands for a file that cannot be read?"""
        return self.halt_code == UNREADABLE


def state_directory() -> Path:
    """`$XDG_STATE_HOME/evenkeel`, by default under `~/.local/state`."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(base) / "evenkeel"


class RunState:
    """The epoch of this run and its halt, on disk. Open it once per process and keep it."""

    def __init__(self, directory: Path, identity: str, logs: str) -> None:
        """Take the lock for `identity` (venue URL and subaccount). Raises `AlreadyRunning`, or `NoState` when the directory cannot be used."""
        self._path = state_file(directory, identity)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self._path.with_suffix(".lock"), logs)
        except OSError as error:
            raise NoState(f"{directory}: {error.strerror or error}") from error
        self._begun = False
        self._saved = read_state(self._path)
        if self._saved == _unreadable(self._saved.halt_detail):
            self._set_aside()

    @property
    def name(self) -> str:
        """What this subaccount's state, lock and control socket are called."""
        return self._path.stem

    @property
    def epoch(self) -> int:
        """The epoch in force."""
        return self._saved.epoch

    @property
    def halted(self) -> tuple[str, str] | None:
        """Code and detail of a latched halt."""
        return (self._saved.halt_code, self._saved.halt_detail) if self._saved.halt_code else None

    def belongs_to(self, venue: str) -> None:
        """Tie a halt to one instance of the venue: a simulated venue that is new starts without the halt of the one before."""
        known = self._saved
        if known.venue != venue:
            self._write(Saved(known.epoch, venue) if known.venue else msgspec.structs.replace(known, venue=venue))

    def at_least(self, epoch: int) -> None:
        """The ledger has seen `epoch`: never fall behind it, whatever became of the file."""
        if self._saved.epoch < epoch:
            self._write(msgspec.structs.replace(self._saved, epoch=epoch))

    @property
    def beaten(self) -> bool:
        """Has somebody else started a newer epoch since this process began its first? Read from disk, now."""
        return self._begun and read_state(self._path).epoch > self._saved.epoch

    async def begin(self) -> None:
        """Start the first epoch of this process, above whatever is on disk. A guard that closes for a run before it stands down: wait for that."""
        with _alone(self._path):
            self.beside(BEAT).unlink(missing_ok=True)
            self._saved = read_state(self._path)
            self._replace(msgspec.structs.replace(self._saved, epoch=self._saved.epoch + 1))
        self._begun = True
        with trio.move_on_after(GUARD_GONE_S):
            while self.guard_closes:  # noqa: ASYNC110 - another process holds it
                await trio.sleep(0.05)

    @property
    def guard_closes(self) -> bool:
        """Is a guard closing this subaccount's pair, or writing down what it did?"""
        return not _free(self._path.with_suffix(GUARD_LOCK))

    def bump(self) -> int:
        """Start a new epoch: on disk before anybody acts in it. Raises `Beaten`."""
        with _alone(self._path):
            if self.beaten:
                raise Beaten(f"epoch {self._saved.epoch} is over: a guard has started a newer one")
            self._replace(msgspec.structs.replace(self._saved, epoch=self._saved.epoch + 1))
        return self._saved.epoch

    def beside(self, suffix: str) -> Path:
        """A file of this subaccount's, beside the state file."""
        return self._path.with_suffix(suffix)

    def halt(self, code: str, detail: str) -> None:
        """Latch entering off. The first cause stays."""
        if not self._saved.halt_code:
            self._write(msgspec.structs.replace(self._saved, halt_code=code, halt_detail=detail))

    def clear_halt(self) -> None:
        """A person allows trading again."""
        self._write(msgspec.structs.replace(self._saved, halt_code="", halt_detail=""))

    def close(self) -> None:
        """Give the lock back."""
        self._lock.close()

    def _set_aside(self) -> None:
        with suppress(OSError):  # it is only kept for whoever wants to know what happened to it
            self._path.replace(self._path.with_suffix(".bad"))
        self._write(self._saved)

    def _write(self, saved: Saved) -> None:
        """Anything but the epoch, which a guard may have raised meanwhile."""
        with _alone(self._path):
            self._replace(saved)

    def _replace(self, saved: Saved) -> None:
        _replaced(self._path, msgspec.structs.replace(saved, epoch=max(saved.epoch, read_state(self._path).epoch)))
        self._saved = saved


def take_over(path: Path, still_silent: Callable[[], bool]) -> int | None:
    """A guard's step: start a new epoch, on disk before it acts. None when its run is not silent after all.

    `still_silent` is asked while nobody else can start an epoch: a run that starts takes the heartbeat of the one before away before it does.
    """
    with _alone(path):
        if not still_silent():
            return None
        saved = read_state(path)
        _replaced(path, msgspec.structs.replace(saved, epoch=saved.epoch + 1))
    return saved.epoch + 1


@contextmanager
def closing_alone(path: Path) -> Iterator[None]:
    """Held by a guard while it closes: a run that starts waits for it, because both write the ledger."""
    with path.with_suffix(GUARD_LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _free(path: Path) -> bool:
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else changes the file meanwhile. Held for one small write, by a run or a guard."""
    with path.with_suffix(".writing").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _replaced(path: Path, saved: Saved) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(msgspec.json.encode(saved))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync_directory(path.parent)


def state_file(directory: Path, identity: str) -> Path:
    """Where the state of `identity` is kept. A hash: a URL is no file name."""
    return directory / f"{blake2b(identity.encode(), digest_size=12).hexdigest()}.json"


def read_state(path: Path) -> Saved:
    """What the file holds: nothing yet when there is none, a halt when it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Saved)
    except FileNotFoundError:
        return Saved()
    except (OSError, msgspec.DecodeError, UnicodeError) as error:
        return _unreadable(f"{path} cannot be read ({error}): a halt in it would be lost, so nothing is entered")


def _unreadable(why: str) -> Saved:
    return Saved(halt_code=UNREADABLE, halt_detail=why)


def holder_of(directory: Path, identity: str) -> AlreadyRunning | None:
    """Who holds the lock of `identity` right now; None when nobody does. Takes nothing, waits for nothing."""
    return holder_of_file(state_file(directory, identity))


def holder_of_file(path: Path) -> AlreadyRunning | None:
    """The same for the state file at `path`. One that may not be opened says nothing."""
    try:
        with path.with_suffix(".lock").open("r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        known = last_holder(path)
        return AlreadyRunning(known.pid, known.logs)
    except OSError:
        return None
    return None


def last_holder(path: Path) -> Holder:
    """Whoever held, or holds, the lock of the state file at `path`. Never raises."""
    with suppress(OSError, msgspec.DecodeError, ValueError):
        return msgspec.json.decode(path.with_suffix(".lock").read_bytes(), type=Holder)
    return Holder()


def _locked(path: Path, logs: str) -> IO[str]:
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        pid, other = _holder(file.read())
        file.close()
        raise AlreadyRunning(pid, other) from None
    earlier = tuple(each for each in last_holder(path).folders if each != logs)[:FOLDERS]
    file.truncate(0)
    file.write(msgspec.json.encode(Holder(os.getpid(), logs, earlier)).decode())
    file.flush()
    return file


def _holder(text: str) -> tuple[int | None, str]:
    try:
        known = msgspec.json.decode(text, type=Holder)
    except (msgspec.DecodeError, ValueError):
        return None, "unknown"
    return known.pid, known.logs


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
