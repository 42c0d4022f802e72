"""Processes that a test has left behind: found by a variable that all of a test run inherit, or by the
test's folder on the command line.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

MARK = "PAIR_TEST_RUN"


def marked() -> str:
    """What stands in the environment of everything that this test run starts. Its workers have their first
    process's.
    """
    return f"{MARK}={os.environ.get(MARK, '')}"


def mark() -> None:
    """A test run begins, in its first process: one that a test starts is another."""
    os.environ[MARK] = str(os.getpid())


def left(sign: str, of: str = "supervisor.py") -> dict[int, str]:
    """Command lines of the processes with `sign` in their environment or command line, and `of` in the
    latter.
    """
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile, or is somebody else's
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if of not in command or int(folder.name) == os.getpid():
                continue
            environment = b""
            with suppress(OSError):
                environment = (folder / "environ").read_bytes()
            if sign in command or sign.encode() in environment.split(b"\0"):
                found[int(folder.name)] = command
    return found


def end(processes: dict[int, str]) -> None:
    """By force, also one that is stopped."""
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
