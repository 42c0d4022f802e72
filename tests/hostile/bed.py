"""Where one cell is played: its venue, its run, its guard, what was typed and claimed. Ends what it has
started, and nothing else.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx

from messages.wire import decode
from tests.hostile.judge import Claim, held_at, words_of
from tests.kills.rounds import PATIENT
from tests.patience import slack
from tests.processes.test_processes import environment
from venue.simulated.engine.order_log import LoggedOrder

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
"""From a good wire (or the end of a run) to flat: the guard's silence, an order that may still arrive,
connecting, closing, a busy machine.
"""
ENDS_WITHIN_S = 35.0
"""From a good wire to the end of the run."""
POLL_S = 0.1
ASKED_TIMES = 5


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
        """The venue's own, asked past the middleman; a connection that was idle for too long is made anew."""
        for last in range(ASKED_TIMES):
            try:
                answer = self._venue.get("/simulated/order_log")
            except httpx.TransportError:
                if last == ASKED_TIMES - 1:
                    raise
                time.sleep(0.2)
            else:
                return decode(answer.raise_for_status().content, list[LoggedOrder])
        raise AssertionError("unreachable")

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

    def run_words(self, hold_s: float, cycles: int = 1) -> list[str]:
        """What is typed for a run."""
        keys = [part for value in KEYS for part in ("--set", value)]
        where = ["--url", self.url, "--logs", str(self.logs)]
        return ["run", *where, "--cycles", str(cycles), "--hold", f"{hold_s * 1000:.0f} ms", *keys]

    def run(self, hold_s: float, cycles: int = 1) -> subprocess.Popen[bytes]:
        """A run that is not stopped by what is only a nuisance here."""
        return self.started(*self.run_words(hold_s, cycles), "--json")

    def begun(
        self,
        is_held: bool,
        has_begun: Callable[[], bool],
        begin: Callable[[], object],
        run: subprocess.Popen[bytes],
    ) -> bool:
        """Wait for the cell's state. `is_held`: a pair that is open, at which `begin` is called; else
        `has_begun` says when. False: it never came.
        """
        until = time.monotonic() + BEGINS_WITHIN_S * slack()
        while time.monotonic() < until and run.poll() is None:
            if has_begun():
                return True
            if is_held and len(self.held()) == 2:
                time.sleep(0.4)
                begin()
            time.sleep(POLL_S if is_held else POLL_S / 5)
        return False

    def asked(self, command: str, *more: str, within_s: float = 40.0) -> Claim:
        """Type a command, and keep what it claimed."""
        process = self.started(command, "--json", "--url", self.url, "--logs", str(self.logs), *more)
        return self.ended(command, process, within_s)

    def next_start(self) -> Claim:
        """A run on the same --logs that holds a pair briefly, if it may enter one at all."""
        for name in ("run.out", "run.err"):
            with suppress(OSError):
                (self.folder / name).replace(self.folder / f"first-{name}")
        return self.ended("run", self.run(0.3), ENDS_WITHIN_S * slack())

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
        self.say(
            f"{who} ended with {claim.code}; the venue holds {words_of(held_at(self.log(), at_ns))};"
            f" {_short(told, words)}"
        )
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
        self._venue.close()


def _processes() -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                yield int(entry.name), (entry / "cmdline").read_text(errors="replace")


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(errors="replace")
    return ""


def tail(words: str) -> str:
    """The last lines."""
    return " | ".join(words.strip().splitlines()[-3:])[-500:]


def _short(told: dict[str, object], words: str) -> str:
    error = told.get("error")
    return (
        str(error.get("message"))[:200]
        if isinstance(error, dict)
        else " | ".join(words.strip().splitlines()[-1:])[:200]
    )
