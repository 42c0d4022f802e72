"""One cell: start a venue, a run and its guard; spoil what the cell says when it says; then ask everybody
how it ended, the venue last.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec

from commands.guard.closing import SLOW_S
from tests.hostile.bed import CLOSED_WITHIN_S, DEAD_MAN_S, ENDS_WITHIN_S, HOLD_S, MARKET, POLL_S, Bed, tail
from tests.hostile.cells import WIRE, HostileCell
from tests.hostile.judge import (
    OPEN,
    TRACEBACK,
    disagreements,
    entered_after,
    false_claims,
    held_at,
    uneven_s,
    unlawful,
    words_of,
)
from tests.hostile.middleman import Middleman
from tests.hostile.mode import Mode
from tests.hostile.terminal import UNGUARDED, fill_terminal, opened_run
from tests.hostile.vandal import DEEDS, Deed, VandalScene
from tests.kills.venue import simulated, truth_of
from tests.patience import slack
from tests.processes.test_processes import environment
from venue.stored_escape import WINDOW_MS

CALM = Mode("calm", seconds=0.0)
LONG_S = 3600.0
STOPS_WITHIN_S = 20.0
ARRIVES_WITHIN_S = WINDOW_MS / 1000 + SLOW_S
"""An exit signed in advance may arrive until its window ends; a guard then looks every `SLOW_S`."""
"""From SIGTERM to the end of a run whose terminal is gone."""


class HostileResult(msgspec.Struct, frozen=True):
    """What came of a cell; nothing in `faults` = as it should. `said`: what happened, for whoever looks
    into it.
    """

    cell: HostileCell
    faults: tuple[str, ...]
    said: tuple[str, ...]
    seconds: float
    folder: Path
    unplayed: bool = False
    """It never came to the state that it is about."""


def play(cell: HostileCell, project: Path, folder: Path) -> HostileResult:
    """Play it."""
    began = time.monotonic()
    moment = cell.state if cell.state in {"entering", "leaving"} else ""
    with (
        simulated(folder, MARKET, 7) as venue,
        Middleman(venue, WIRE.get(cell.mode, CALM), moment, cell.seed) as between,
    ):
        bed = Bed(project, folder, venue, between.url)
        with _cleaned(bed):
            if cell.mode in WIRE:
                faults = _wire(bed, cell, WIRE[cell.mode], between)
            elif cell.mode in DEEDS:
                faults = _deed(bed, cell, DEEDS[cell.mode], between)
            else:
                faults = _terminal(bed, cell, between)
        if between.troubles:
            faults = [*(faults or []), f"the middleman itself failed: {between.troubles[:3]}"]
    return HostileResult(
        cell,
        tuple(dict.fromkeys(faults or ())),
        tuple(bed.said),
        time.monotonic() - began,
        folder,
        faults is None,
    )


@contextmanager
def _cleaned(bed: Bed) -> Iterator[None]:
    try:
        yield
    finally:
        bed.clean()


def _begun(
    bed: Bed,
    cell: HostileCell,
    between: Middleman,
    run: subprocess.Popen[bytes],
    scene: VandalScene | None = None,
) -> bool:
    """Wait for the cell's state, in which the middleman's mode begins."""

    def has_begun() -> bool:
        if scene is not None and not between.entered:
            scene.keep_an_older_copy()
        return between.began_s is not None

    if not bed.begun(cell.state in {"held", "killed"}, has_begun, between.begin, run):
        bed.ended("run", run, 0.1)
        return False
    bed.say(f"{cell.mode} begins: {cell.state}")
    return True


def _killed(bed: Bed, run: subprocess.Popen[bytes]) -> None:
    run.kill()
    run.wait()
    bed.say("the run is killed")
    time.sleep(0.5)
    bed.asked("status")


# -- the wire ------------------------------------------------------------------------------------------------


def _wire(bed: Bed, cell: HostileCell, mode: Mode, between: Middleman) -> list[str] | None:
    """The faults; None when the cell's state never came."""
    run = bed.run(LONG_S if cell.state == "killed" else HOLD_S)
    if not _begun(bed, cell, between, run):
        return None
    if cell.state == "killed":
        time.sleep(0.3)
        _killed(bed, run)
    began = between.began_s or time.monotonic()
    # A guard must meet it: it acts after so much silence and no sooner.
    lasts_s = mode.seconds + (DEAD_MAN_S if cell.state == "killed" else 0)
    over = _Over(
        bed,
        run,
        cell.state == "killed",
        began if mode.closable else began + lasts_s,
        mode.drops_orders,
    )
    while not over.done():
        if time.monotonic() >= began + lasts_s and between.ended_s is None:
            between.end()
            bed.say("the wire is good again")
        time.sleep(POLL_S)
    between.end()
    bed.say(f"the guard: {tail(bed.guard_words())}")
    return over.faults + _status_is_true(bed) + _flattened(bed) + _judged(bed) + _by_the_ledger(bed)


class _Over:
    """Waits for a flat venue and no process left; `faults` is what did not come in time, from `good_s` on."""

    def __init__(
        self, bed: Bed, run: subprocess.Popen[bytes], ended: bool, good_s: float, swallowed: bool = False
    ) -> None:
        self.faults: list[str] = []
        self._bed = bed
        self._run = run
        self._ended = ended
        self._run_until = good_s + ENDS_WITHIN_S * slack()
        self._flat_until = good_s + CLOSED_WITHIN_S * slack()
        self._swallowed = swallowed
        """Were orders swallowed? They may still arrive."""

    def done(self) -> bool:
        """Is there nothing left to wait for?"""
        now = time.monotonic()
        if not self._ended and (self._run.poll() is not None or now > self._run_until):
            self._ended, late = True, self._run.poll() is None
            self._bed.ended("run", self._run, 0.1)
            self._flat_until = max(self._flat_until, now + CLOSED_WITHIN_S * slack())
            if late:
                self.faults.append(f"the run had not ended {ENDS_WITHIN_S:.0f} s after it could")
        return self._ended and self._flat_or_too_late(now)

    def _flat_or_too_late(self, now: float) -> bool:
        held, guards = self._bed.held(), self._bed.guards()
        # An order that nobody could account for may still arrive: no guard may call that flat.
        arrives = not held and (self._swallowed or " unknown" in tail(self._bed.guard_words()))
        if now > self._flat_until + (ARRIVES_WITHIN_S if arrives else 0.0) and (held or guards):
            alive = "a guard lives" if guards else "no guard lives"
            late = (
                f"the venue holds {words_of(held)}, {CLOSED_WITHIN_S:.0f} s after it could be closed"
                f" ({alive})"
            )
            self.faults.append(late if held else "flat, and a guard is left behind")
            if held and not guards and " FLAT: " in tail(self._bed.guard_words()).replace("NOT FLAT", ""):
                self.faults.append("and the guard had said FLAT")
            return True
        return not held and not guards


def _status_is_true(bed: Bed) -> list[str]:
    """With a good wire it must say how it is."""
    stands = bed.held()
    status = bed.asked("status")
    # An order of ours that may still arrive is no lie: nobody can know yet that it will not.
    if (status.code == 0) == (not stands) or (
        status.code == OPEN and not stands and "unknown" in status.words
    ):
        return []
    return [f"status ends with {status.code} while the venue holds {words_of(stands)}: {status.words[-300:]}"]


def _flattened(bed: Bed) -> list[str]:
    """Flatten must close what is left."""
    if not bed.held():
        return []
    bed.asked("flatten", "--timeout", "15 s", within_s=60)
    return (
        [f"the venue holds {words_of(held)} after flatten with a good wire"] if (held := bed.held()) else []
    )


def _judged(bed: Bed) -> list[str]:
    """Everything that was claimed, and what the venue's log says by itself."""
    log, words = bed.log(), bed.guard_words()
    faults = [*false_claims(bed.claims, log), *unlawful(log)]
    if TRACEBACK in words:
        faults.append(f"the guard ended in a traceback: {tail(words)}")
    bed.say(f"one leg stood alone for {uneven_s(log, time.time_ns()):.1f} s at most")
    return faults


def _by_the_ledger(bed: Bed) -> list[str]:
    """What the ledger says otherwise than the venue. What was in doubt when nobody was left to ask, the
    next start may ask and write down.
    """
    ledger = bed.logs / "ledger.sqlite"
    if bed.held() or not disagreements(truth_of(bed.venue), ledger):
        return []
    bed.next_start()
    return [*false_claims(bed.claims[-1:], bed.log()), *disagreements(truth_of(bed.venue), ledger)]


# -- files and processes -------------------------------------------------------------------------------------


def _deed(bed: Bed, cell: HostileCell, deed: Deed, between: Middleman) -> list[str] | None:
    scene = VandalScene(bed.folder)
    with ExitStack() as stack:
        stack.callback(scene.release)
        run = bed.run(LONG_S if cell.state == "killed" else HOLD_S, cycles=3)
        if not _begun(bed, cell, between, run, scene):
            return None
        scene.run, scene.guards = run.pid, bed.guards()
        deed.do(scene)
        done_s, done_ns = time.monotonic(), time.time_ns()
        if cell.state == "killed":
            time.sleep(0.2)
            _killed(bed, run)
        over = _Over(bed, run, cell.state == "killed", done_s + (deed.seconds if deed.undo else 0))
        undo = deed.undo
        while not over.done():
            if undo is not None and time.monotonic() >= done_s + deed.seconds:
                bed.say("undone")
                undo(scene)
                undo = None
            time.sleep(POLL_S)
        if undo is not None:
            undo(scene)
        bed.say(f"the guard: {tail(bed.guard_words())}")
        late = over.faults if deed.closes else []
        entered = entered_after(bed.log(), done_ns) if deed.bars_entry else []
        return late + entered + _asked_all(bed) + _judged(bed)


def _asked_all(bed: Bed) -> list[str]:
    """Status, the next start, flatten; at last everything is closed by hand, which must succeed."""
    bed.asked("status")
    for pid in bed.guards():
        bed.say(f"guard {pid} is still there")
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    if not bed.logs.is_dir():
        bed.logs.unlink(missing_ok=True)
    bed.next_start()
    if bed.held():
        bed.asked("flatten", "--timeout", "10 s", within_s=60)
    if bed.held():
        bed.asked("flatten", "--everything", "--yes", "--timeout", "15 s", within_s=60)
    return [f"the venue holds {words_of(held)} after flatten --everything"] if (held := bed.held()) else []


# -- the terminal --------------------------------------------------------------------------------------------


def _terminal(bed: Bed, cell: HostileCell, between: Middleman) -> list[str] | None:
    command = [
        sys.executable,
        "supervisor.py",
        *bed.run_words(LONG_S if cell.state in {"held", "killed"} else HOLD_S),
    ]
    run, kept, fills = opened_run(command, cell.mode, bed.folder, bed.project, environment(bed.folder))
    with ExitStack() as stack:
        for end in (*kept, *fills):
            stack.callback(os.close, end)
        if not _begun(bed, cell, between, run):
            return None
        fill_terminal(fills)
        time.sleep(1.0)
        if cell.state == "killed":
            _killed(bed, run)
            faults = []
        else:
            run.send_signal(signal.SIGTERM)
            faults = _stopped(bed, run)
        over = _Over(bed, run, True, time.monotonic())
        while not over.done():
            time.sleep(POLL_S)
        late = [] if cell.mode.endswith(UNGUARDED) and faults else over.faults
        return faults + late + _status_is_true(bed) + _flattened(bed) + _judged(bed) + _by_the_ledger(bed)


def _stopped(bed: Bed, run: subprocess.Popen[bytes]) -> list[str]:
    """It must end by itself, with the code that says so: whether anybody reads what it says changes
    neither.
    """
    with suppress(subprocess.TimeoutExpired):
        run.wait(STOPS_WITHIN_S * slack())
    late = run.poll() is None
    claim = bed.ended("run", run, 0.1)
    if late:
        return [f"the run had not ended {STOPS_WITHIN_S:.0f} s after SIGTERM"]
    flat = not held_at(bed.log(), claim.at_ns)
    if flat and claim.code not in {143, 0}:
        return [f"the run ended with {claim.code} and not 143, flat: {tail(claim.words)}"]
    return []
