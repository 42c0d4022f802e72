"""`python -m tests.lost`: real runs lose their files while a pair is held, and no command may say "flat"
before the venue has.

Each scene serves a venue of its own, lets a run enter and hold, does something to its files, and judges every
command by its exit code. About 20 s a scene; `--only NAME` runs one.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.patience import slack

ROOT = Path(__file__).resolve().parent.parent.parent
MARKET = ("--market", "flat:2756.9/115.86")
HELD_S = 30.0
ASKED_TIMES = 4


class LostScene:
    """One venue, one state directory, one folder of logs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.logs = folder, folder / "logs"
        (folder / "runtime").mkdir(mode=0o700)
        self.failures: list[str] = []
        self.venue = self._start("simulate", "--port", "0", *MARKET)
        assert self.venue.stdout is not None
        self.url = self.venue.stdout.readline().strip()

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        own = {"XDG_STATE_HOME": str(self.folder / "state"), "XDG_RUNTIME_DIR": str(self.folder / "runtime")}
        command = [sys.executable, "supervisor.py", *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | own,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
        )

    def holds(self, hold: str = "1 h", *more: str) -> subprocess.Popen[str]:
        """A run that has entered, and whose stored escape is written."""
        typed = (
            "--url",
            self.url,
            "--hold",
            hold,
            "--cycles",
            "4",
            "--set",
            "pause=100 ms",
            "--logs",
            str(self.logs),
            "--json",
            *more,
        )
        run = self._start("run", *MARKET, *typed)
        until = time.monotonic() + HELD_S * slack()
        while not any(path.stat().st_size for path in (self.folder / "state").glob("*/*.escape")):
            if time.monotonic() > until:
                self.failures.append("UNPLAYED: no pair was entered")
                break
            time.sleep(0.05)
        return run

    def told(
        self, wanted: int | set[int], *arguments: str, logs: Path | None = None, url: str | None = None
    ) -> dict[str, Any]:
        """Type a command with --json; anything but the exit code that is `wanted` is a failure.

        A venue that has not answered in time, on a machine that has too much to do, is asked again: what is
        unknown then is no failure.
        """
        for _ in range(ASKED_TIMES):
            process = self._start(
                *arguments, "--url", url or self.url, "--logs", str(logs or self.logs), "--json"
            )
            output, errors = process.communicate(timeout=90 * slack())
            if not any(words in output for words in ("no answer in", "did not answer")):
                break
        if process.returncode not in (wanted if isinstance(wanted, set) else {wanted}):
            self.failures.append(
                f"{' '.join(arguments)}: exit {process.returncode}, wanted {wanted}:"
                f" {(output or errors)[-400:]}"
            )
        return dict(json.loads(output.splitlines()[-1])) if output else {}

    def close(self) -> None:
        """End the venue."""
        self.venue.send_signal(signal.SIGTERM)
        self.venue.communicate(timeout=30)


def killed_process(run: subprocess.Popen[str]) -> None:
    run.kill()
    run.communicate()


def without_ledger(scene: LostScene) -> None:
    for path in scene.logs.glob("ledger.sqlite*"):
        path.unlink()


def without_wal(scene: LostScene) -> None:
    (scene.logs / "ledger.sqlite-wal").unlink()


def unmounted(scene: LostScene) -> None:
    shutil.rmtree(scene.logs)


def emptied(scene: LostScene) -> None:
    without_ledger(scene)
    (scene.logs / "ledger.sqlite").write_bytes(b"")


def garbled(scene: LostScene) -> None:
    without_ledger(scene)
    (scene.logs / "ledger.sqlite").write_bytes(b"no ledger at all, " * 500)


def zeroed_state(scene: LostScene) -> None:
    for path in (scene.folder / "state").glob("*/*.json"):
        path.write_bytes(bytes(path.stat().st_size))


def lose(vandal: Callable[[LostScene], None]) -> Callable[[LostScene], None]:
    """Killed, then the files: all say 4 until `flatten` has closed what the stored escape signs; then
    `status` and the next start say flat.
    """

    def play(scene: LostScene) -> None:
        killed_process(scene.holds("1 h", "--no-guard"))
        vandal(scene)
        scene.told(4, "status")
        scene.told(4, "run", "--cycles", "1", "--hold", "300 ms")
        scene.told(0, "flatten")
        after = scene.told(0, "status")
        if (after.get("open_eth"), after.get("open_sol")) != ("0", "0"):
            scene.failures.append(f"not flat after flatten: {after.get('open')}")
        # The next start says the same: it trades where a ledger can be begun, and is refused where a spoilt
        # file is in the way.
        scene.told({0, 3}, "run", "--cycles", "1", "--hold", "300 ms")
        scene.told(0, "status")

    return play


def alive(scene: LostScene) -> None:
    """The ledger is deleted under a run: it closes and halts, and trades no other pair."""
    run = scene.holds("2 s")
    without_ledger(scene)
    output, errors = run.communicate(timeout=60)
    told = json.loads(output.splitlines()[-1]) if output else {}
    if run.returncode != 70 or told.get("error", {}).get("code") != "LEDGER_GONE":
        scene.failures.append(f"run: exit {run.returncode}: {told.get('error') or errors[-400:]}")
    after = scene.told(0, "status")
    if after.get("halt_code") != "LEDGER_GONE":
        scene.failures.append(f"not latched: {after}")


def wrong_place(scene: LostScene) -> None:
    """Another folder, another spelling of the URL, another name: none of them is flat, and the right one
    closes.
    """
    killed_process(scene.holds("1 h", "--no-guard"))
    elsewhere = scene.folder / "elsewhere"
    if str(scene.logs) not in str(scene.told(4, "flatten", logs=elsewhere).get("error")):
        scene.failures.append("the right folder is not named")
    scene.told(4, "run", "--cycles", "1", logs=elsewhere)
    scene.told(4, "flatten", "--set", "venue.subaccount=defualt")
    other = scene.url.replace("127.0.0.1", "LOCALHOST") + "/"
    scene.told(4, "status", url=other)
    scene.told(0, "flatten", url=other)
    scene.told(0, "status")


def zeroed(scene: LostScene) -> None:
    """A state file of zeros: the pair is closed, the epoch goes on above the ledger's, and a halt that may
    have been in it stays.
    """
    killed_process(scene.holds("1 h", "--no-guard"))
    epoch = scene.told(4, "status").get("epoch") or 0
    zeroed_state(scene)
    scene.told(4, "status")
    scene.told(70, "run", "--cycles", "1", "--hold", "300 ms")
    after = scene.told(0, "status")
    if after.get("halt_code") != "STATE_UNREADABLE" or (after.get("epoch") or 0) <= epoch:
        scene.failures.append(f"epoch {epoch} before, and then {after}")


def lost_state(scene: LostScene) -> None:
    """A container without a kept HOME: a latched halt comes back from the ledger, and so does the epoch."""
    killed_process(scene.holds("1 h", "--no-guard"))
    epoch = scene.told(4, "status").get("epoch") or 0
    scene.told(0, "halt", "--reason", "going away")
    shutil.rmtree(scene.folder / "state")
    after = scene.told(0, "status")
    if after.get("halt_code") != "HALTED_BY_HAND" or (after.get("epoch") or 0) < epoch:
        scene.failures.append(f"forgotten: {after}")
    scene.told(70, "run", "--cycles", "1", "--hold", "300 ms")
    scene.told(0, "clear-halt", "--reason", "looked")
    scene.told(0, "run", "--cycles", "1", "--hold", "300 ms")


SCENES: dict[str, Callable[[LostScene], None]] = {
    "deleted": lose(without_ledger),
    "wal": lose(without_wal),
    "unmounted": lose(unmounted),
    "emptied": lose(emptied),
    "garbled": lose(garbled),
    "zeroed-state": zeroed,
    "alive": alive,
    "wrong-place": wrong_place,
    "lost-state": lost_state,
}


def main() -> int:
    """Play the scenes; 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.lost")
    parser.add_argument("--only", choices=SCENES, action="append")
    failed = 0
    for name in parser.parse_args().only or SCENES:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="lost-") as folder:
            scene = LostScene(Path(folder))
            try:
                SCENES[name](scene)
            finally:
                scene.close()
        failed += bool(scene.failures)
        print(
            f"{name:<13} {'FAILED' if scene.failures else 'ok':<7} {time.monotonic() - began:5.1f} s",
            *scene.failures,
            sep="\n    " if scene.failures else " ",
        )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
