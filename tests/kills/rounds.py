"""One round: start a run, strike it, start it again until its cycles are done; then ask the venue whether all
is well.

Three ways to strike:
- `kill`: SIGKILL, as often as the round says, each time with a start on the same --logs after it.
- `signal`: SIGINT, SIGTERM or SIGHUP once; the run must end flat with its own code, or with code 4 and a last
  line that says what is open.
- `guard`: SIGKILL or SIGSTOP, and then nothing: the guard must close what is open, in its time; a run that is
  continued in the middle of that stands down, one that is started again within a second takes over, and
  either way nothing is closed twice.
- `stop`: SIGSTOP for longer than recv_time, then SIGCONT; the venue may accept nothing that was sealed
  before, and the run must still end by itself.
"""

import json
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from messages.execution_settings import Policy
from messages.sizing import REST_MAX_MS
from tests.kills.audit import ending_faults, sealed_before
from tests.kills.venue import truth_of
from tests.kills.watch import (
    RESTING_ROWS,
    ROWS,
    Moment,
    phase_of,
    random_moment,
    row_moment,
    rows_in,
    waited_for,
)
from tests.patience import slack
from tests.processes.test_processes import started

How = Literal["kill", "signal", "stop", "guard"]
HOWS = get_args(How)
RECV_TIME_MS = 1_500
CYCLES = 2
ENDS_WITHIN_S = 60.0
DEAD_MAN_S = RECV_TIME_MS / 1000 + 2
HASTY = (
    "hold=300 ms",
    "pause=50 ms",
    f"recv_time={RECV_TIME_MS} ms",
    f"guard.dead_man={DEAD_MAN_S * 1000:.0f} ms",
)
PATIENT = (
    "limits.max_daily_loss=10000 USD",
    "limits.max_failed_cycles=1000",
    "limits.min_fill_rate=0 %",
    "limits.min_cycle_success=0 %",
    "legging_known=600 s",
    "legging_unknown=600 s",
)
"""A hostile venue and a kill every few seconds are what these limits halt a run for; here it has to go on."""
RESTING = (
    "execution.quote_when=always",
    "execution.give_up=5 s",
    "execution.after_give_up=take",
    "execution.exit_take=5 s",
    "execution.lean_wait=2 s",
    "legging_known=500 s",
    "legging_quote=600 s",
)
"""Orders rest whenever they may, and no round waits long for a market that does not trade with them."""
STOPPED_S = RECV_TIME_MS / 1000 + 0.7
CLOSED_WITHIN_S = DEAD_MAN_S + RECV_TIME_MS / 1000 + 8
"""From a strike to flat at the venue: the guard's patience, an order that may still arrive, and the time
in which it connects and closes.
"""
STANDS_DOWN = 70
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 143}
TRIES = 20
"""A moment can come too late (the run was done): as often as this another one is chosen."""


class Struck(msgspec.Struct, frozen=True):
    """One strike and what was going on when it came."""

    signal: str
    moment: str
    phase: str


class Round(msgspec.Struct, frozen=True):
    """What one round came to."""

    number: int
    strikes: tuple[Struck, ...]
    faults: tuple[str, ...]


class KillBed:
    """Where rounds happen: one venue, one --logs."""

    def __init__(self, folder: Path, url: str, cycles: int = CYCLES, policy: Policy = "taker-taker") -> None:
        self.folder = folder
        self.rests = policy != "taker-taker"
        self.rows = RESTING_ROWS if self.rests else ROWS
        """Of which kinds are the rows that are struck after?"""
        policies = (f"execution.entry={policy}", f"execution.exit={policy}")
        self.keys = (*HASTY, *PATIENT, *((*policies, *RESTING) if self.rests else ()))
        self.url = url
        self.cycles = cycles
        self.logs = folder / "logs"
        self.ledger = self.logs / "ledger.sqlite"
        self.log = self.logs / "evenkeel.log"
        self.lasts_s = 4.0
        """How long a run that nobody strikes takes here; learnt as rounds go."""

    def begin(self, target: str) -> "KilledRun":
        """Start a run."""
        return KilledRun(self, target)


class KilledRun:
    """One process under fire."""

    def __init__(self, bed: KillBed, target: str) -> None:
        self.bed = bed
        self.rows_before = rows_in(bed.ledger)
        self._logged = _size(bed.log)
        self.began = time.monotonic()
        keys = [part for value in bed.keys for part in ("--set", value)]
        what = ["--url", bed.url, "--logs", str(bed.logs), "--cycles", str(bed.cycles), "--target", target]
        self.process = started(bed.folder, "run", "--json", *what, *keys)

    def begun(self) -> bool:
        """Has it written anything at all?"""
        return rows_in(self.bed.ledger) > self.rows_before or _size(self.bed.log) > self._logged

    def reached(self, moment: Moment) -> bool:
        """Wait for the moment; False when the run ended before."""
        return waited_for(moment, self.bed.ledger, self.rows_before, lambda: self.process.poll() is None)

    def strike(self, number: signal.Signals, moment: Moment) -> Struck:
        """Send the signal."""
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()
        return Struck(number.name, moment.text(), phase_of(self.bed.ledger, self.rows_before))

    def end(self) -> tuple[int, dict[str, Any], str]:
        """Exit code, the JSON object, and standard error. One that does not end is killed and has code -9."""
        try:
            output, errors = self.process.communicate(timeout=ENDS_WITHIN_S * slack())
        except subprocess.TimeoutExpired:
            self.process.kill()
            output, errors = self.process.communicate()
        lines = output.splitlines()
        return self.process.returncode, json.loads(lines[-1]) if lines else {}, errors


def play_round(bed: KillBed, number: int, seed: int, how: How, target: str) -> Round:
    """Round `number` of `seed`. The same number chooses the same signals and moments; what they meet is up
    to the machine.
    """
    rng = random.Random(f"{seed} {how} {number}")
    strikes: list[Struck] = []
    faults = WAYS[how](bed, rng, number, target, strikes)
    faults += _finished(bed, target)
    return Round(number, tuple(strikes), tuple(faults))


def _moments(bed: KillBed, rng: random.Random, number: int) -> Callable[[int], Moment]:
    """Every other moment is a random one, every other one follows a row of the ledger."""
    return lambda strike: (
        random_moment(rng, bed.lasts_s) if (number + strike) % 2 else row_moment(rng, bed.rows)
    )


def _struck(
    bed: KillBed, moment: Callable[[], Moment], number: signal.Signals, target: str
) -> tuple[KilledRun, Struck] | None:
    """Start runs until one is struck in time."""
    for _ in range(TRIES):
        run, chosen = bed.begin(target), moment()
        if run.reached(chosen):
            return run, run.strike(number, chosen)
        run.end()
    return None


def _killed(bed: KillBed, rng: random.Random, number: int, target: str, strikes: list[Struck]) -> list[str]:
    moment = _moments(bed, rng, number)
    for strike in range(rng.choice((1, 1, 2))):
        met = _struck(bed, lambda strike=strike: moment(strike), signal.SIGKILL, target)  # type: ignore[misc]
        if met is None:
            return [f"no run could be struck in {TRIES} attempts"]
        met[0].end()
        strikes.append(met[1])
    return []


def _signalled(
    bed: KillBed, rng: random.Random, number: int, target: str, strikes: list[Struck]
) -> list[str]:
    chosen = rng.choice(list(CODES))
    met = _struck(bed, lambda: _moments(bed, rng, number)(0), chosen, target)
    if met is None:
        return [f"no run could be struck in {TRIES} attempts"]
    strikes.append(met[1])
    code, told, errors = met[0].end()
    if code == 4:
        return (
            []
            if "NOT FLAT" in errors.splitlines()[-1]
            else [f"exit code 4, but the last line is {errors.splitlines()[-1:]}"]
        )
    if not told and not met[0].begun():
        return []  # Python was still importing us: there was no run that could have heard it
    if code not in {CODES[chosen], 0}:
        return [f"{chosen.name}: exit code {code}: {_words(told, errors)}"]
    open_now = [position for position in truth_of(bed.url).account.positions if position.total]
    return [f"{chosen.name}: exit code {code}, and the venue holds {open_now}"] if open_now else []


def _stopped(bed: KillBed, rng: random.Random, number: int, target: str, strikes: list[Struck]) -> list[str]:
    met = _struck(bed, lambda: _moments(bed, rng, number)(0), signal.SIGSTOP, target)
    if met is None:
        return [f"no run could be struck in {TRIES} attempts"]
    strikes.append(met[1])
    stopped_ms = time.time_ns() // 1_000_000
    time.sleep(STOPPED_S)
    continued_ms = time.time_ns() // 1_000_000
    met[0].process.send_signal(signal.SIGCONT)
    code, told, errors = met[0].end()
    found = (
        [] if code == 0 else [f"continued after {STOPPED_S:g} s it ended with {code}: {_words(told, errors)}"]
    )
    return found + sealed_before(truth_of(bed.url), stopped_ms, continued_ms, RECV_TIME_MS)


def _guarded(bed: KillBed, rng: random.Random, number: int, target: str, strikes: list[Struck]) -> list[str]:
    then = rng.choice(("killed", "stopped", "continued", "restarted"))
    how = signal.SIGSTOP if then in {"stopped", "continued"} else signal.SIGKILL
    met = _struck(bed, lambda: _moments(bed, rng, number)(0), how, target)
    if met is None:
        return [f"no run could be struck in {TRIES} attempts"]
    run, struck = met
    strikes.append(msgspec.structs.replace(struck, moment=f"{struck.moment}, {then}"))
    if then == "restarted":
        time.sleep(rng.uniform(0, 1))
        run.end()
        return []  # the run that follows must find everything as it should be
    if then == "continued":
        time.sleep(DEAD_MAN_S + rng.uniform(-0.3, 0.7))
        run.process.send_signal(signal.SIGCONT)
        return _continued(bed, run)
    flat = _flat_within(bed)
    run.process.kill()
    run.end()
    return [] if flat else [f"{struck.signal}: not flat {CLOSED_WITHIN_S:g} s later"]


def _continued(bed: KillBed, run: "KilledRun") -> list[str]:
    """It woke up about when the guard took over: it goes on to its end, or stands down; either way flat."""
    code, told, errors = run.end()
    found = [] if code in {0, STANDS_DOWN} else [f"continued, it ended with {code}: {_words(told, errors)}"]
    return found if _flat_within(bed) else [*found, "continued, it is not flat"]


def _flat_within(bed: KillBed) -> bool:
    """Does nothing stand and nothing rest in time? An order that rests may trade until it has expired."""
    rest_s = REST_MAX_MS / 1000 if bed.rests else 0
    until = time.monotonic() + (CLOSED_WITHIN_S + rest_s) * slack()
    while time.monotonic() < until:
        account = truth_of(bed.url).account
        if not (account.open_orders or any(position.total for position in account.positions)):
            return True
        time.sleep(1)
    return False


def _finished(bed: KillBed, target: str) -> list[str]:
    """The start that nobody strikes: it must end by itself, flat; then the venue is asked."""
    run = bed.begin(target)
    code, told, errors = run.end()
    bed.lasts_s = time.monotonic() - run.began
    found = [] if code == 0 else [f"the run after it ended with {code}: {_words(told, errors)}"]
    return found + ending_faults(truth_of(bed.url), bed.ledger)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _words(told: dict[str, Any], errors: str) -> str:
    """What a run said about its end: its object's error, and the last of standard error."""
    return f"{told.get('error')}\n{errors[-1500:]}"


WAYS: dict[How, Callable[[KillBed, random.Random, int, str, list[Struck]], list[str]]] = {
    "kill": _killed,
    "signal": _signalled,
    "stop": _stopped,
    "guard": _guarded,
}
