"""`python -m tests.terminal`: a run holds a pair without a guard, nobody reads what it says, and SIGTERM must
still close both legs.

Terminals that nobody reads (stopped by nobody, like a link that was dropped), pipes that nobody reads, a
reader that is stopped (SIGSTOP), a log on a disk that hangs (a named pipe). Judged by the exit code, by the
time it takes, and by the venue, which must be flat. Exit code 1 when one failed.
"""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.refusals.bed import RefusalBed

Holding = tuple["subprocess.Popen[bytes]", Callable[[], None]]
END_S = 30.0
"""From SIGTERM to the end: both legs (15 s at most), the log and the last words (a few seconds), and a
busy machine.
"""
DEAF_S = 4.0
"""How long it says things to nobody before it is stopped."""


def filled(descriptor: int) -> None:
    """Write until nothing more goes in."""
    os.set_blocking(descriptor, False)
    try:
        while os.write(descriptor, b"." * 512):
            pass
    except BlockingIOError:
        pass
    os.set_blocking(descriptor, True)


def in_terminal(bed: RefusalBed, *more: str) -> Holding:
    """Both streams on a terminal of 100 x 40 that nobody reads, and that is full already."""
    far, near = pty.openpty()
    fcntl.ioctl(near, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    filled(near)
    process = bed.holding(*more, stdout=near, stderr=near, start_new_session=True)
    os.close(near)
    return process, lambda: os.close(far)


def in_pipe(bed: RefusalBed, *more: str, full: bool = True) -> Holding:
    """Both streams in a pipe that nobody reads."""
    far, near = os.pipe()
    if full:
        filled(near)
    process = bed.holding(*more, stdout=near, stderr=near)
    os.close(near)
    return process, lambda: os.close(far)


def with_reader_stopped(bed: RefusalBed, *more: str) -> Holding:
    """Into `less`, as it were: a reader that has taken a little and is stopped."""
    reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert reader.stdin is not None
    process = bed.holding(*more, stdout=reader.stdin, stderr=reader.stdin)
    reader.send_signal(signal.SIGSTOP)
    filled(reader.stdin.fileno())
    reader.stdin.close()

    def freed() -> None:
        reader.kill()
        reader.wait()

    return process, freed


def with_hanging_log(bed: RefusalBed, *more: str) -> Holding:
    """evenkeel.log is a pipe that nobody opens: the disk that hangs."""
    Path(bed.logs).mkdir()
    os.mkfifo(Path(bed.logs) / "evenkeel.log")
    return bed.holding(*more), lambda: None


CASES: dict[str, Callable[[RefusalBed], Holding]] = {
    "a terminal that nobody reads, the live screen": in_terminal,
    "a terminal that nobody reads, --quiet": lambda bed: in_terminal(bed, "--quiet"),
    "a terminal that nobody reads, --json": lambda bed: in_terminal(bed, "--json"),
    "a full pipe": in_pipe,
    "a full pipe, --json": lambda bed: in_pipe(bed, "--json"),
    "a pipe that fills": lambda bed: in_pipe(bed, full=False),
    "a reader that is stopped": with_reader_stopped,
    "a log that hangs": with_hanging_log,
}


def judged_terminal(bed: RefusalBed, begin: Callable[[RefusalBed], Holding]) -> Iterator[str]:
    """What is wrong with one case."""
    process, free = begin(bed)
    try:
        bed.wait_until_held()
        time.sleep(DEAF_S)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        code = process.wait(timeout=END_S)
        if code != 143:
            yield f"exit code {code}, not 143"
        if bed.run("status --url {url} --logs {logs}")[0]:
            yield "the venue is not flat"
        print(f"        ended {time.monotonic() - began:.1f} s after SIGTERM", flush=True)
    except subprocess.TimeoutExpired:
        yield f"deaf to SIGTERM for {END_S:.0f} s"
    except AssertionError as error:
        yield str(error)
    finally:
        process.kill()
        free()
        process.wait()


def main() -> int:
    """All cases, one after the other."""
    failed, began = 0, time.monotonic()
    for name, begin in CASES.items():
        with tempfile.TemporaryDirectory(prefix="terminal-") as folder:
            bed = RefusalBed(Path(folder))
            try:
                wrong = list(judged_terminal(bed, begin))
            finally:
                bed.close()
        failed += bool(wrong)
        print(
            f"{'FAILED ' if wrong else 'ok     '} {name}{': ' if wrong else ''}{'; '.join(wrong)}", flush=True
        )
    print(
        f"{len(CASES)} cases, {failed} failed, {time.monotonic() - began:.0f} s on Python"
        f" {sys.version.split()[0]}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
