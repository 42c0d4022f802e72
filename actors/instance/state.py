"""Epoch and halt of one subaccount at one venue, under a lock that lives as long as the process.

The lock keeps a second bot off the same subaccount, whatever its `--logs`: it stands in the user's state
directory and not beside the ledger.

A file that cannot be read is no reason to leave a pair open: it is set aside and counts as a halt, which
forbids entering and nothing else, and the epoch goes on from the one in the ledger. Epoch and halt stand in
the ledger, too, and the stricter of the two wins (`recover`).

A guard is stopped by no lock: it starts its epoch in a file of its own (`take_over`). Where run and guard
name the same epoch, it is the guard's.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import msgspec
import trio

from runtime.files import private_folder
from runtime.locks import (
    AlreadyRunning,
    Holder,
    LockHeld,
    free,
    holder_of_file,
    holding,
    last_holder,
    lifelong,
    writing,
)
from runtime.retry import until
from runtime.specs import Fatal
from runtime.state_file import (
    ANCHOR,
    UNREADABLE,
    Anchor,
    Saved,
    file_epoch,
    read_anchor,
    read_state,
    state_directory,
    state_file,
    taken_epoch,
    write_anchor,
    write_saved,
    write_taken,
)

__all__ = [
    "BEAT",
    "ESCAPE",
    "GUARD_BEAT",
    "GUARD_GONE_S",
    "UNREADABLE",
    "AlreadyRunning",
    "Anchor",
    "Holder",
    "LockHeld",
    "NoState",
    "RunState",
    "Saved",
    "StateLocked",
    "Superseded",
    "closing_alone",
    "holder_of_file",
    "last_holder",
    "opened_state",
    "read_state",
    "reassert",
    "state_directory",
    "state_file",
    "stricter",
    "take_over",
]

BEAT = ".beat"
GUARD_BEAT = ".guard-beat"
"""The heartbeat of the guard that a run started."""
ESCAPE = ".escape"
GUARD_LOCK = ".guarding"
GUARD_GONE_S = 5.0
"""How long a start waits for an older guard to stop: it looks ten times a second."""
LOCK_S = 1.0
"""How long a start waits for somebody who writes the state file."""
MOVED = ".moved"


class Superseded(Fatal):
    """Somebody started a newer epoch: the guard, because this run's heartbeat had stopped. This run stops
    trading and sends nothing more.
    """


class NoState(Exception):
    """The state directory cannot be used: without it two bots could trade one subaccount, so nothing may
    start.
    """


class StateLocked(NoState):
    """Another process holds the state file and does not let go: it is named."""


class RunState:
    """The epoch of this run and its halt, on disk. Open it once per process and keep it."""

    def __init__(self, directory: Path, identity: str, logs: str, legacy: Sequence[str] = ()) -> None:
        """Take the lock for `identity`, and for every name that the same subaccount's state was kept under
        before (`legacy`), and move it.

        Raises `AlreadyRunning`, or `NoState` when the directory cannot be used.
        """
        self.directory = directory
        self._logs = logs
        self._path = state_file(directory, identity)
        self._paths = [self._path]
        self._locks = []
        self._begun = False
        try:
            private_folder(directory)
            self._locks.append(lifelong(self._path, logs))
            self._saved = read_state(self._path)
            if self._saved.unreadable:
                self._set_aside()
            for path in (state_file(directory, name) for name in legacy if name != identity):
                if path.exists() or path.with_suffix(".lock").exists():
                    self._take_in(path)
        except OSError as error:
            self.close()
            raise NoState(f"{directory}: {error.strerror or error}") from error
        except AlreadyRunning:
            self.close()
            raise

    # -- what it says ----------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What this subaccount's state, lock and control socket are called."""
        return self._path.stem

    @property
    def epoch(self) -> int:
        """The epoch of this run, as last written by it; a guard may have started a newer one (`beaten`)."""
        return self._saved.epoch

    @property
    def halted(self) -> tuple[str, str] | None:
        """Code and detail of the halt that keeps this subaccount from entering; None without one."""
        return (self._saved.halt_code, self._saved.halt_detail) if self._saved.halt_code else None

    @property
    def anchor(self) -> Anchor | None:
        """What the state file last recorded about the ledger."""
        return read_anchor(self._path)

    def beside(self, suffix: str) -> Path:
        """A file of this subaccount's, beside the state file."""
        return self._path.with_suffix(suffix)

    # -- whose it is -----------------------------------------------------------------------------------------

    def belongs_to(self, venue: str) -> None:
        """Tie it to one instance of the venue: a simulated venue that is new starts without the halt, and
        without the pair, of the one before.
        """
        known = self._saved
        if known.venue and known.venue != venue:
            for suffix in (ANCHOR, ESCAPE):
                self.beside(suffix).unlink(missing_ok=True)
            self._write(Saved(known.epoch, venue))
        elif known.venue != venue:
            self._write(msgspec.structs.replace(known, venue=venue))

    async def move_to(self, identity: str, venue: str) -> None:
        """The venue has said which one it is: keep this state under its name, whatever URL it was reached by.
        Both locks are kept.

        Raises `AlreadyRunning` when another process trades there under another URL, `NoState`, `StateLocked`.
        """
        path, before = state_file(self.directory, identity), self._path
        if path == before:
            return
        try:
            self._locks.append(lifelong(path, self._logs))
            there, here = read_state(path), self._saved
            self._paths.insert(0, path)
            self._path = path
            if there.unreadable:
                self._set_aside()
            self._saved = msgspec.structs.replace(there, epoch=max(there.epoch, here.epoch))
            if here.venue in {"", venue}:
                self._saved = stricter(self._saved, here)
                _move_files(before, path)
            self._replace(self._saved)
            _leave_behind(before)
        except OSError as error:
            raise NoState(f"{self.directory}: {error.strerror or error}") from error
        if self._begun:
            self._begun = False
            await self.begin()

    def _take_in(self, old: Path) -> None:
        """A state file under an earlier name of the same subaccount."""
        self._locks.append(lifelong(old, self._logs))
        self._paths.append(old)
        if old.exists():
            self._saved = stricter(self._saved, read_state(old))
            _move_files(old, self._path)
            self._replace(self._saved)
            _leave_behind(old)

    # -- epochs ----------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Start the first epoch of this process, above whatever is on disk. A guard that closes for a run
        before it stops: wait for that.

        Raises `StateLocked` when somebody else writes the state file and does not let go within `LOCK_S`.
        """
        by_s = trio.current_time() + LOCK_S
        while True:
            try:
                with writing(self._path):
                    self._begin()
                break
            except LockHeld as error:
                if trio.current_time() > by_s:
                    raise StateLocked(f"{error}, and does not release it: stop that process") from error
            await trio.sleep(0.05)
        with trio.move_on_after(GUARD_GONE_S):
            await until(lambda: not self.guard_closes, 0.05)

    def _begin(self) -> None:
        for path in self._paths:
            path.with_suffix(BEAT).unlink(missing_ok=True)
        known = read_state(self._path)
        self._saved = msgspec.structs.replace(self._saved, epoch=max(self._saved.epoch, known.epoch))
        self._replace(msgspec.structs.replace(self._saved, epoch=self._saved.epoch + 1))
        self._begun = True

    def bump(self) -> int:
        """Start a new epoch: on disk before anybody acts in it. Raises `Superseded`."""
        if self.beaten:
            raise Superseded(f"epoch {self._saved.epoch} is over: a guard has started a newer one")
        self._replace(msgspec.structs.replace(self._saved, epoch=self._saved.epoch + 1))
        return self._saved.epoch

    @property
    def beaten(self) -> bool:
        """Has somebody else started an epoch since this process began its first? Read from disk, now. Of
        two with one number the guard's counts.
        """
        if not self._begun:
            return False
        return taken_epoch(self._path) >= self._saved.epoch or file_epoch(self._path) > self._saved.epoch

    @property
    def guard_closes(self) -> bool:
        """Is a guard closing this subaccount's pair, or writing down what it did?"""
        return not all(free(path.with_suffix(GUARD_LOCK)) for path in self._paths)

    def recover(self, epoch: int, halted: tuple[str, str] | None) -> None:
        """What the ledger knows of both: never fall behind its epoch, and never forget its halt, whatever
        became of the file.
        """
        self.at_least(epoch)
        if halted is not None:
            self.halt(*halted)

    def at_least(self, epoch: int) -> None:
        """The ledger has seen `epoch`: never fall behind it."""
        if self._saved.epoch < epoch:
            self._write(msgspec.structs.replace(self._saved, epoch=epoch))

    # -- halt and ledger -------------------------------------------------------------------------------------

    def halt(self, code: str, detail: str) -> None:
        """Latch entering off, on disk before this returns; the first cause stays. Raises `OSError`."""
        if not self._saved.halt_code:
            self._write(msgspec.structs.replace(self._saved, halt_code=code, halt_detail=detail))

    def clear_halt(self) -> None:
        """A person has looked and allows entering again (`clear-halt`). Raises `OSError`."""
        self._write(msgspec.structs.replace(self._saved, halt_code="", halt_detail=""))

    def remember(self, last_hash: str, may_be_open: bool, at_ms: int, until_ms: int = 0) -> None:
        """Which row the ledger has come to, and whether a pair may be open: before a vote that can open
        one is spoken. Raises `OSError`.
        """
        write_anchor(self._path, Anchor(self._logs, last_hash, may_be_open, at_ms, until_ms))

    def close(self) -> None:
        """Give the locks back; another process may trade this subaccount then."""
        for lock in self._locks:
            lock.close()

    def _set_aside(self) -> None:
        with suppress(OSError):  # it is only kept for whoever wants to know what happened to it
            self._path.replace(self._path.with_suffix(".bad"))
        self._write(self._saved)

    def _write(self, saved: Saved) -> None:
        """Anything but the epoch, which a guard may have raised meanwhile."""
        self._replace(saved)

    def _replace(self, saved: Saved) -> None:
        write_saved(
            self._path, msgspec.structs.replace(saved, epoch=max(saved.epoch, file_epoch(self._path)))
        )
        self._saved = saved


def stricter(one: Saved, other: Saved) -> Saved:
    """Two words on the same subaccount as one: the higher epoch, any halt, any venue, the ledger's word
    that says more may be open.
    """
    halted = one if one.halt_code else other
    anchors = [each.anchor for each in (one, other) if each.anchor is not None]
    anchor = max(anchors, key=lambda each: (each.may_be_open, each.at_ms), default=None)
    return Saved(
        max(one.epoch, other.epoch), one.venue or other.venue, halted.halt_code, halted.halt_detail, anchor
    )


def _move_files(old: Path, new: Path) -> None:
    """The stored escape and the word on the ledger go along with the state; what is there already is
    newer.
    """
    for suffix in (ESCAPE, ANCHOR):
        there = old.with_suffix(suffix)
        if there.exists() and not new.with_suffix(suffix).exists():
            there.replace(new.with_suffix(suffix))


def _leave_behind(old: Path) -> None:
    """A state file that was moved is not read again: a halt that a person clears must not come back from
    it.
    """
    with suppress(FileNotFoundError):
        old.replace(old.with_suffix(MOVED))


def take_over(
    path: Path, still_silent: Callable[[], bool], *, seen: int = 0, lockless: bool = False
) -> int | None:
    """A guard's step: start a new epoch, on disk before it acts. None when its run is not silent after all.

    It is newer than what is on disk and than `seen`, the run's when it was last heard of: the file may have
    been lost since. `still_silent` is asked while nobody else can start an epoch: a run that starts takes the
    heartbeat of the one before away before it does. Raises `LockHeld` at once while somebody else starts one;
    `lockless` does not ask for the lock, because its holder may be the run that was stopped. Raises
    `OSError`.
    """
    with nullcontext() if lockless else writing(path):
        if not still_silent():
            return None
        epoch = max(read_state(path).epoch, seen) + 1
        private_folder(path.parent)
        write_taken(path, epoch)
    return epoch


def reassert(path: Path, epoch: int) -> int:
    """A guard's, while it closes: whatever became of the files, they say at least `epoch`. What they say
    now. Raises `OSError`.
    """
    known = read_state(path).epoch
    if known < epoch:
        private_folder(path.parent)
        write_taken(path, epoch)
    return max(known, epoch)


@contextmanager
def closing_alone(path: Path) -> Iterator[bool]:
    """Held by a guard while it closes: a run that starts waits for it, because both write the ledger.
    False: another guard holds it already.
    """
    with holding(path.with_suffix(GUARD_LOCK)) as alone:
        yield alone


def opened_state(directory: Path, identities: Sequence[str], logs: Path) -> RunState:
    """The state of a subaccount, today's name first; `logs`: the folder of whoever opens it. Raises as
    `RunState` does.
    """
    return RunState(directory, identities[0], str(logs.resolve()), identities[1:])
