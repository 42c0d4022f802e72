"""A simulated venue, a run that was killed with a pair open, and copies of what it left: every case begins
from the same files.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.leftovers import end, left

ROOT = Path(__file__).resolve().parents[2]
MARKET = "flat:2756.9/115.86"
ETH, SOL = "0.357", "-8.5"
"""What the founding prices give for 1,000 USD per leg."""
CASE_S = 90.0


class RefusalBed:
    """`folder/work` has the logs and the state of a run that was killed while it held its first pair."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.work, self.kept = folder, folder / "work", folder / "kept"
        self.work.mkdir(parents=True)
        self.venue = self.start("simulate", "--market", MARKET, stdout=subprocess.PIPE)
        assert self.venue.stdout is not None
        self.url = self.venue.stdout.readline().decode().strip()

    @property
    def logs(self) -> str:
        """Where the ledger is."""
        return str(self.work / "logs")

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Of every process: a state directory of its own."""
        known = {name: value for name, value in os.environ.items() if not name.startswith("EVENKEEL_")}
        return (
            known
            | {"XDG_STATE_HOME": str(self.work / "state"), "NO_COLOR": "1", "TERM": "xterm"}
            | dict(more or {})
        )

    def start(self, *arguments: str, **known: object) -> "subprocess.Popen[bytes]":
        """One process."""
        given = {
            "stdin": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
            "cwd": ROOT,
            "env": self.environment(),
        } | known
        return subprocess.Popen([sys.executable, "supervisor.py", *arguments], **given)  # type: ignore[call-overload, no-any-return]

    def holding(self, *more: str, **known: object) -> "subprocess.Popen[bytes]":
        """A run that holds a pair for an hour."""
        line = (
            "run",
            "--url",
            self.url,
            "--logs",
            self.logs,
            "--hold",
            "1 h",
            "--cycles",
            "forever",
            "--no-guard",
            *more,
        )
        return self.start(*line, **({"stdout": subprocess.DEVNULL} | known))

    def leave_open(self) -> None:
        """Kill a run while it holds its pair, and keep its files."""
        process = self.holding()
        self.wait_until_held()
        process.kill()
        process.wait()
        shutil.copytree(self.work, self.kept)

    def wait_until_held(self, within_s: float = 60.0) -> None:
        """Until the ledger says that the entry is closed; it is there whatever becomes of the log and the
        screen.
        """
        import sqlite3

        until = time.monotonic() + within_s
        while time.monotonic() < until:
            try:
                with sqlite3.connect(f"file:{self.logs}/ledger.sqlite?mode=ro", uri=True) as ledger:
                    if ledger.execute(
                        "SELECT count(*) FROM events WHERE CAST(kind AS TEXT) LIKE '%PlanClosed'"
                    ).fetchone()[0]:
                        return
            except sqlite3.Error:
                pass
            time.sleep(0.1)
        raise AssertionError("no pair was entered")

    def again(self) -> None:
        """The files as they were kept; none where no run was killed."""
        shutil.rmtree(self.work)
        if self.kept.exists():
            shutil.copytree(self.kept, self.work)
        else:
            self.work.mkdir()

    def close(self) -> None:
        """End the venue, and whatever a case has left."""
        self.venue.send_signal(signal.SIGCONT)
        self.venue.kill()
        self.venue.wait()
        end(left(str(self.folder)))

    def run(
        self, line: str, more: Mapping[str, str] | None = None, python: Sequence[str] = (sys.executable,)
    ) -> tuple[int, str, str]:
        """One command line, given to a shell, so that its redirections are those of a person. Exit code,
        stdout, stderr.
        """
        command = " ".join(
            [*python, "supervisor.py", line.format(logs=self.logs, url=self.url, work=self.work)]
        )
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            env=self.environment(more),
            capture_output=True,
            timeout=CASE_S,
            check=False,
        )
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
