"""One cell: start a venue, a run and its guard; spoil what the cell says when it says; make it good again; ask the venue how it ended."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import msgspec

from messages.wire import decode
from tests.hostile.cells import WIRE, Cell
from tests.hostile.judge import OPEN, TRACEBACK, Claim, disagreements, false_claims, held_at, uneven_s, unlawful, words_of
from tests.hostile.middleman import Middleman
from tests.hostile.mode import Mode
from tests.kills.rounds import PATIENT
from tests.kills.venue import simulated, truth_of
from tests.test_processes import environment
from venue.simulated.order_log import LoggedOrder

MARKET = "flat:2756.9/115.86"
RECV_TIME_S = 1.5
DEAD_MAN_S = 4.0
PATIENCE_S = 15.0
KEYS = (
    *("pause=50 ms", f"recv_time={RECV_TIME_S * 1000:.0f} ms", f"guard.dead_man={DEAD_MAN_S * 1000:.0f} ms"),
    *(f"venue_patience={PATIENCE_S:.0f} s", *PATIENT),
)
HOLD_S = 2.0
BEGINS_WITHIN_S = 30.0
"""From the start of a run to the state that the cell is about."""
CLOSED_WITHIN_S = DEAD_MAN_S + RECV_TIME_S + 12.0
"""From a good wire (or the end of a run) to flat: the guard's silence, an order that may still arrive, connecting, closing, a busy machine."""
ENDS_WITHIN_S = 35.0
"""From a good wire to the end of the run."""
LEAVES_WITHIN_S = 6.0
"""From flat to the guard's end."""
POLL_S = 0.1


class Result(msgspec.Struct, frozen=True):
    """What came of a cell; nothing in `faults` = as it should. `said`: what happened, for whoever looks into it."""

    cell: Cell
    faults: tuple[str, ...]
    said: tuple[str, ...]
    seconds: float
    folder: Path
    unplayed: bool = False
    """It never came to the state that it is about."""


class Bed:
    """Where one cell is played: a venue, a --logs, a state directory."""

    def __init__(self, project: Path, folder: Path, venue: str, url: str) -> None:
        self.project = project
        self.folder = folder
        self.venue = venue
        self.url = url
        """What the run and its guard are given."""
        self.logs = folder / "logs"
        self.claims: list[Claim] = []
        self.said: list[str] = []
        self.began_s = time.monotonic()
        self._venue = httpx.Client(base_url=venue, trust_env=False, timeout=10)

    def say(self, text: str) -> None:
        """For the record of this cell."""
        self.said.append(f"{time.monotonic() - self.began_s:6.2f} {text}")

    def log(self) -> list[LoggedOrder]:
        """The venue's own, asked past the middleman."""
        answer = self._venue.get("/simulated/order_log")
        return decode(answer.raise_for_status().content, list[LoggedOrder])

    def held(self) -> dict[int, int]:
        """What the venue holds now."""
        return held_at(self.log(), time.time_ns())

    def started(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command of the project under attack; its output in files."""
        what = arguments[0]
        with (self.folder / f"{what}.out").open("ab") as out, (self.folder / f"{what}.err").open("ab") as err:
            return subprocess.Popen(
                [sys.executable, "supervisor.py", *arguments],
                cwd=self.project,
                env=environment(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def run(self, hold_s: float, *more: str) -> subprocess.Popen[bytes]:
        """A run of one cycle."""
        keys = [part for value in KEYS for part in ("--set", value)]
        where = ["--url", self.url, "--logs", str(self.logs)]
        return self.started("run", "--json", *where, "--cycles", "1", "--hold", f"{hold_s * 1000:.0f} ms", *keys, *more)

    def asked(self, command: str, *more: str, within_s: float = 40.0) -> Claim:
        """Type a command, and keep what it claimed."""
        process = self.started(command, "--json", "--url", self.url, "--logs", str(self.logs), *more)
        return self.ended(command, process, within_s)

    def next_start(self) -> Claim:
        """A run on the same --logs that holds a pair briefly, if it may enter one at all."""
        for name in ("run.out", "run.err"):
            with suppress(OSError):
                (self.folder / name).replace(self.folder / f"first-{name}")
        return self.ended("run", self.run(0.3), ENDS_WITHIN_S)

    def ended(self, who: str, process: subprocess.Popen[bytes], within_s: float) -> Claim:
        """Wait for its end; one that does not end is killed, and its code is -9."""
        try:
            process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.say(f"{who} did not end within {within_s:.0f} s")
            process.kill()
            process.wait()
        at_ns = time.time_ns()
        told = self._told(who)
        words = f"{(told.get('error') or {}) if told else ''}\n{_text(self.folder / f'{who}.err')}"
        claim = Claim(who, process.returncode, at_ns, words, told)
        self.claims.append(claim)
        self.say(f"{who} ended with {claim.code}; the venue holds {words_of(held_at(self.log(), at_ns))}; {_short(told, words)}")
        return claim

    def _told(self, who: str) -> dict[str, object]:
        lines = _text(self.folder / f"{who}.out").splitlines()
        with suppress(ValueError, IndexError):
            told = json.loads(lines[-1])
            return told if isinstance(told, dict) else {}
        return {}

    def guards(self) -> list[int]:
        """The pids of the guards of this cell."""
        return [pid for pid, line in _processes() if "\0guard\0" in line and str(self.folder) in line]

    def guard_words(self) -> str:
        """All that guards have said."""
        return _text(self.logs / "guard.log") + _text(self.folder / "logs-away" / "guard.log")

    def clean(self) -> None:
        """End what this cell has started, and nothing else."""
        for pid, line in _processes():
            if str(self.folder) in line and pid != os.getpid() and "supervisor.py" in line:
                with suppress(OSError):
                    os.kill(pid, signal.SIGCONT)
                    os.kill(pid, signal.SIGKILL)


def _processes() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                yield int(entry.name), (entry / "cmdline").read_text(errors="replace")


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(errors="replace")
    return ""


def _short(told: dict[str, object], words: str) -> str:
    error = told.get("error")
    return str(error.get("message"))[:200] if isinstance(error, dict) else " | ".join(words.strip().splitlines()[-1:])[:200]


def play(cell: Cell, project: Path, folder: Path) -> Result:
    """Play it. Never raises: what goes wrong with the tool itself is told as this cell's fault."""
    began = time.monotonic()
    mode = WIRE[cell.mode]
    moment = cell.state if cell.state in {"entering", "leaving"} else ""
    with simulated(folder, MARKET, 7) as venue, Middleman(venue, mode, moment, cell.seed) as between:
        bed = Bed(project, folder, venue, between.url)
        with _cleaned(bed):
            faults = _played(bed, cell, mode, between)
        if between.troubles:
            faults = [*(faults or []), f"the middleman itself failed: {between.troubles[:3]}"]
        unplayed = faults is None
    return Result(cell, tuple(faults or ()), tuple(bed.said), time.monotonic() - began, folder, unplayed)


@contextmanager
def _cleaned(bed: Bed) -> Iterator[None]:
    try:
        yield
    finally:
        bed.clean()


def _played(bed: Bed, cell: Cell, mode: Mode, between: Middleman) -> list[str] | None:
    """The faults; None when the cell's state never came."""
    run = bed.run(3600 if cell.state == "killed" else HOLD_S)
    if not _begun(bed, cell, between, run):
        bed.ended("run", run, 0.1)
        return None
    if cell.state == "killed":
        time.sleep(0.3)
        run.kill()
        run.wait()
        bed.say("the run is killed")
        time.sleep(0.5)
        bed.asked("status")
    faults = _until_over(bed, cell, mode, between, run)
    bed.say(f"the guard: {_tail(bed.guard_words())}")
    faults += _afterwards(bed)
    return faults


def _begun(bed: Bed, cell: Cell, between: Middleman, run: subprocess.Popen[bytes]) -> bool:
    """Wait for the state, and let the mode begin."""
    until = time.monotonic() + BEGINS_WITHIN_S
    while time.monotonic() < until and run.poll() is None:
        if between.began_s is not None:
            bed.say(f"{cell.mode} begins as it is {cell.state}")
            return True
        if cell.state in {"held", "killed"} and len(bed.held()) == 2:
            time.sleep(0.4)
            between.begin()
        time.sleep(POLL_S)
    return False


def _until_over(bed: Bed, cell: Cell, mode: Mode, between: Middleman, run: subprocess.Popen[bytes]) -> list[str]:
    """From a bad wire to a flat venue and no process left: what did not come in time."""
    began = between.began_s or time.monotonic()
    good_at = began if mode.closable else began + mode.seconds
    run_until, killed = good_at + ENDS_WITHIN_S, cell.state == "killed"
    flat_until = good_at + CLOSED_WITHIN_S
    ended = killed
    while True:
        now = time.monotonic()
        if now >= began + mode.seconds and between.ended_s is None:
            between.end()
            bed.say("the wire is good again")
        if not ended and (run.poll() is not None or now > run_until):
            ended, late = True, run.poll() is None
            bed.ended("run", run, 0.1)
            flat_until = max(flat_until, now + CLOSED_WITHIN_S)
            if late:
                return [f"the run had not ended {ENDS_WITHIN_S:.0f} s after the wire was good again"]
        if ended:
            held = bed.held()
            if not held and not bed.guards():
                between.end()
                return []
            if now > flat_until:
                between.end()
                alive = "a guard lives" if bed.guards() else "no guard lives"
                if held:
                    return [f"the venue holds {words_of(held)}, {CLOSED_WITHIN_S:.0f} s after it could be closed ({alive})"]
                return ["flat, and a guard is left behind"]
        time.sleep(POLL_S)


def _afterwards(bed: Bed) -> list[str]:
    """With a good wire: status must say how it is, flatten must close what is left; then everything that was claimed is judged."""
    faults = []
    stands = bed.held()
    status = bed.asked("status")
    # An order of ours that may still arrive is no lie: nobody can know yet that it will not.
    cautious = status.code == OPEN and not stands and "unknown" in status.words
    if (status.code == 0) != (not stands) and not cautious:
        faults.append(f"status ends with {status.code} while the venue holds {words_of(stands)}: {status.words[-300:]}")
    if stands:
        bed.asked("flatten", "--timeout", "15 s")
    log = bed.log()
    faults += false_claims(bed.claims, log)
    faults += unlawful(log)
    words = bed.guard_words()
    if TRACEBACK in words:
        faults.append(f"the guard ended in a traceback: {_tail(words)}")
    if not held_at(log, time.time_ns()):
        faults += _by_the_ledger(bed)
    naked_s = uneven_s(log, time.time_ns())
    bed.say(f"one leg stood alone for {naked_s:.1f} s at most")
    return list(dict.fromkeys(faults))


def _by_the_ledger(bed: Bed) -> list[str]:
    """What the ledger says otherwise than the venue. What was in doubt when nobody was left to ask, the next start may ask and write down."""
    ledger = bed.logs / "ledger.sqlite"
    if not disagreements(truth_of(bed.venue), ledger):
        return []
    bed.next_start()
    return [*false_claims(bed.claims[-1:], bed.log()), *disagreements(truth_of(bed.venue), ledger)]


def _tail(words: str) -> str:
    return " | ".join(words.strip().splitlines()[-3:])[-500:]
