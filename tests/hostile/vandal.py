"""What may happen to the files and processes of a run beside the wire: deleted, emptied, replaced, moved,
locked, stopped.

A deed is done when its cell's state has come, and may be undone some seconds later. Afterwards the guard,
`status`, the next start and `flatten` are asked; none may claim flat while something stands. `closes`: enough
is left to know what is ours, so that the guard (or the run) must close it without help.
"""

import fcntl
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from tests.hostile.mode import SECONDS

LEDGER = "ledger.sqlite"
PARTS = ("", "-wal", "-shm")
STOPPED_S = 16.0
"""Longer than a guard needs to take over and close."""
HOLDER = (
    "import fcntl,sys,time; f=open(sys.argv[1],'a'); fcntl.flock(f,fcntl.LOCK_EX); print('held',flush=True);"
    " time.sleep(120)"
)


class VandalScene:
    """Where a deed is done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.state = folder / "state" / "evenkeel"
        self.ledger = self.logs / LEDGER
        self.older = folder / "older"
        self.run = 0
        self.guards: list[int] = []
        self._holders: list[subprocess.Popen[str]] = []

    def keep_an_older_copy(self) -> None:
        """Of the ledger as it is before anything is traded."""
        if not self.older.exists() and self.ledger.exists():
            self.older.mkdir()
            for part in PARTS:
                with suppress(OSError):
                    shutil.copy(f"{self.ledger}{part}", self.older)

    def states(self, suffix: str) -> list[Path]:
        """This subaccount's files of one kind in the state directory."""
        return sorted(self.state.glob(f"*{suffix}"))

    def take_lock(self, path: Path) -> None:
        """By another process, until `release`."""
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
        )
        self._holders.append(holder)
        if not _free(path):
            # the run itself holds it: the other process waits for it, and has it as soon as the run is gone
            return
        assert holder.stdout is not None
        holder.stdout.readline()

    def release(self) -> None:
        """Every lock that was taken here."""
        for holder in self._holders:
            holder.kill()
            holder.wait()
            if holder.stdout is not None:
                holder.stdout.close()
        self._holders.clear()


def _free(path: Path) -> bool:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


class Deed(msgspec.Struct, frozen=True):
    """One thing that is done."""

    do: Callable[[VandalScene], object]
    undo: Callable[[VandalScene], object] | None = None
    closes: bool = True
    bars_entry: bool = False
    """The ledger's file is not the one that was opened: nothing may be entered after it."""
    seconds: float = SECONDS


def remove(*parts: str) -> Callable[[VandalScene], None]:
    """Parts of the ledger."""

    def do(scene: VandalScene) -> None:
        for part in parts:
            Path(f"{scene.ledger}{part}").unlink(missing_ok=True)

    return do


def cut_file(part: str, keep: float) -> Callable[[VandalScene], None]:
    """Keep so much of a file."""

    def do(scene: VandalScene) -> None:
        path = Path(f"{scene.ledger}{part}")
        if path.exists():
            os.truncate(path, int(path.stat().st_size * keep))

    return do


def _replaced(content: bytes) -> Callable[[VandalScene], None]:
    def do(scene: VandalScene) -> None:
        remove(*PARTS)(scene)
        scene.ledger.write_bytes(content)

    return do


def _older(scene: VandalScene) -> None:
    remove(*PARTS)(scene)
    for path in scene.older.iterdir():
        shutil.copy(path, scene.logs)


def _empty_database(scene: VandalScene) -> None:
    remove(*PARTS)(scene)
    with closing(sqlite3.connect(scene.ledger)) as database:
        database.execute("CREATE TABLE unrelated (a)")


def _sql(statement: str) -> Callable[[VandalScene], None]:
    def do(scene: VandalScene) -> None:
        with closing(sqlite3.connect(scene.ledger, isolation_level=None, timeout=5)) as database:
            for trigger in database.execute("SELECT name FROM sqlite_master WHERE type='trigger'").fetchall():
                database.execute(f"DROP TRIGGER {trigger[0]}")
            database.execute(statement)

    return do


def _flipped(part: str) -> Callable[[VandalScene], None]:
    """One bit in the middle of the newest quarter."""

    def do(scene: VandalScene) -> None:
        path = Path(f"{scene.ledger}{part}")
        if not path.exists() or not path.stat().st_size:
            return
        with path.open("r+b") as file:
            place = path.stat().st_size * 7 // 8
            file.seek(place)
            (old,) = file.read(1)
            file.seek(place)
            file.write(bytes([old ^ 4]))

    return do


def _away(scene: VandalScene) -> None:
    scene.logs.rename(scene.folder / "logs-away")


def _back(scene: VandalScene) -> None:
    shutil.rmtree(scene.logs, ignore_errors=True)
    with suppress(OSError):
        (scene.folder / "logs-away").rename(scene.logs)


def _away_and_empty(scene: VandalScene) -> None:
    _away(scene)
    scene.logs.mkdir()


def _away_and_a_file(scene: VandalScene) -> None:
    _away(scene)
    scene.logs.write_text("no folder")


def _lost(scene: VandalScene) -> None:
    shutil.rmtree(scene.state, ignore_errors=True)


def states(suffix: str, content: bytes | None) -> Callable[[VandalScene], None]:
    """Files of the state directory: deleted (None), or with another content."""

    def do(scene: VandalScene) -> None:
        for path in scene.states(suffix):
            path.unlink() if content is None else path.write_bytes(content)

    return do


def lock(suffix: str) -> Callable[[VandalScene], None]:
    """Taken by another process, the file made if there is none yet."""

    def do(scene: VandalScene) -> None:
        for state in scene.states(".json"):
            scene.take_lock(state.with_suffix(suffix))

    return do


def _ledger_locks(scene: VandalScene) -> None:
    for path in scene.logs.glob("*lock*"):
        scene.take_lock(path)


def _writing(scene: VandalScene) -> None:
    """A reader of the ledger that never ends its transaction, in another process."""
    code = (
        "import sqlite3,sys,time; d=sqlite3.connect(sys.argv[1]); d.execute('BEGIN IMMEDIATE');"
        " print(1,flush=True); time.sleep(120)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(scene.ledger)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    scene._holders.append(holder)
    assert holder.stdout is not None
    holder.stdout.readline()


def both(*deeds: Callable[[VandalScene], object]) -> Callable[[VandalScene], None]:
    """One after the other."""

    def do(scene: VandalScene) -> None:
        for deed in deeds:
            deed(scene)

    return do


def signalled(
    number: signal.Signals, *, run: bool = False, guard: bool = False
) -> Callable[[VandalScene], None]:
    """To the run, to its guard, or both."""

    def do(scene: VandalScene) -> None:
        for pid in ([scene.run] if run and scene.run else []) + (scene.guards if guard else []):
            with suppress(OSError):
                os.kill(pid, number)

    return do


STOP, CONT, KILL, TERM = signal.SIGSTOP, signal.SIGCONT, signal.SIGKILL, signal.SIGTERM
ALL = remove(*PARTS)

DEEDS: dict[str, Deed] = {
    "ledger deleted": Deed(ALL, bars_entry=True),
    "ledger's main file deleted": Deed(remove(""), bars_entry=True),
    "ledger's WAL deleted": Deed(remove("-wal")),
    "ledger's shared memory deleted": Deed(remove("-shm")),
    "ledger's WAL emptied": Deed(cut_file("-wal", 0.0)),
    "ledger's WAL cut in half": Deed(cut_file("-wal", 0.5)),
    "ledger emptied": Deed(both(remove("-wal", "-shm"), cut_file("", 0.0))),
    "ledger cut in half": Deed(both(remove("-wal", "-shm"), cut_file("", 0.5))),
    "ledger of garbage": Deed(_replaced(b"not a database\n" * 1000), bars_entry=True),
    "ledger of nothing": Deed(_replaced(b""), bars_entry=True),
    "ledger of another database": Deed(_empty_database, bars_entry=True),
    "ledger of before the pair": Deed(_older, bars_entry=True),
    "ledger's newest rows deleted": Deed(_sql("DELETE FROM events WHERE seq > (SELECT MAX(seq) - 6 FROM events)")),  # noqa: E501
    "ledger's rows all deleted": Deed(_sql("DELETE FROM events")),
    "ledger's first row deleted": Deed(_sql("DELETE FROM events WHERE seq = (SELECT MIN(seq) FROM events)")),
    "ledger's row changed": Deed(_sql("UPDATE events SET body = replace(CAST(body AS TEXT), '0', '1') WHERE kind = 'Sealed'")),  # noqa: E501
    "ledger's table dropped": Deed(_sql("DROP TABLE events")),
    "a bit flipped in the ledger": Deed(_flipped("")),
    "a bit flipped in the WAL": Deed(_flipped("-wal")),
    "ledger locked by another process": Deed(_writing, VandalScene.release),
    "ledger's lock taken": Deed(_ledger_locks, VandalScene.release),
    "logs away": Deed(_away, bars_entry=True),
    "logs away, an empty folder there": Deed(_away_and_empty, bars_entry=True),
    "logs away, a file there": Deed(_away_and_a_file, bars_entry=True),
    "logs away for 3 s": Deed(_away, _back, seconds=3.0),
    "state lost": Deed(_lost, closes=False),
    "state and ledger lost": Deed(both(_lost, ALL), closes=False, bars_entry=True),
    "state file deleted": Deed(states(".json", None)),
    "state file zeroed": Deed(states(".json", b"")),
    "state file of NULs": Deed(states(".json", b"\0" * 200)),
    "state file of garbage": Deed(states(".json", b'{"epoch": "many"}')),
    "state file of another epoch": Deed(states(".json", b'{"epoch": 0, "venue": ""}')),
    "stored escape deleted": Deed(states(".escape", None)),
    "stored escape of garbage": Deed(states(".escape", b"\xff\xfe{")),
    "stored escape deleted, and the ledger": Deed(both(states(".escape", None), ALL), closes=False, bars_entry=True),  # noqa: E501
    "state zeroed, and the ledger emptied": Deed(both(states(".json", b""), remove("-wal", "-shm"), cut_file("", 0.0))),  # noqa: E501
    "heartbeat deleted": Deed(states(".beat", None), closes=False),
    "heartbeat of garbage": Deed(states(".beat", b"beat")),
    "lock files deleted": Deed(states(".lock", None)),
    "writing lock taken": Deed(lock(".writing"), VandalScene.release),
    "writing lock taken for good": Deed(lock(".writing")),
    "guarding lock taken": Deed(lock(".guarding"), VandalScene.release),
    "guarding lock taken for good": Deed(lock(".guarding")),
    "every lock taken": Deed(both(lock(".writing"), lock(".guarding"), lock(".lock"), _ledger_locks), VandalScene.release),  # noqa: E501
    "run stopped": Deed(signalled(STOP, run=True), signalled(CONT, run=True), seconds=STOPPED_S),
    "run stopped for 2 s": Deed(signalled(STOP, run=True), signalled(CONT, run=True), seconds=2.0),
    "guard stopped": Deed(signalled(STOP, guard=True), signalled(CONT, guard=True)),
    "guard killed": Deed(signalled(KILL, guard=True), closes=False),
    "guard asked to end": Deed(signalled(TERM, guard=True), closes=False),
    "guard stopped, run asked to end": Deed(
        both(signalled(STOP, guard=True), signalled(TERM, run=True)), signalled(CONT, guard=True)
    ),
}  # fmt: skip
"""By name. `closes` speaks of the state `killed`, in which nobody but the guard is left."""
