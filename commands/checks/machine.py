"""Checks of this machine: nothing here asks the venue. Each takes what was measured, so that a test can
measure something else.
"""

import os
import stat
from contextlib import closing
from pathlib import Path
from statistics import median

from actors.ledger import BrokenChain, LedgerError, Store
from commands.checks.finding import Finding, fail, ok, warn
from messages.lifecycle import Opened
from messages.settings import Settings
from runtime.clock import stopwatch_ns
from venue.nado.secp256k1 import BINDING
from venue.nado.signing import Signer
from venue.throwaway import THROWAWAY_KEY

SIGNING_US_MAX = 1_000
"""libsecp256k1 takes 40 µs on an idle machine, pure Python 4,000 and more."""
SIGNATURES = 25


def signing_us() -> int:
    """How long a signature takes on this machine, in microseconds: the median of some."""
    signer = Signer(THROWAWAY_KEY)
    taken_us = []
    for number in range(1, SIGNATURES):
        began_ns = stopwatch_ns()
        signer.sign(bytes([number]) * 32)
        taken_us.append((stopwatch_ns() - began_ns) // 1_000)
    return int(median(taken_us))


def libsecp256k1(taken_us: int) -> Finding:
    """Is the C library signing? An order is signed within `ready_deadline`, and while it is signed nothing
    else runs.
    """
    if taken_us <= SIGNING_US_MAX:
        return ok("libsecp256k1", f"in use through {BINDING}: {taken_us} µs a signature")
    cure = f"pip install --force-reinstall -c constraints.txt {BINDING}, or a machine that is less busy"
    return fail(
        "libsecp256k1", f"a signature takes {taken_us} µs, more than {SIGNING_US_MAX}", cure, "SLOW_SIGNING"
    )


def disk(settings: Settings, free_bytes: int, commit_ms: float) -> Finding:
    """Room for the ledger, and commits that fit into `ready_deadline`."""
    room = f"{free_bytes // 10**6:,} MB free, a commit takes {commit_ms:.1f} ms"
    if free_bytes < settings.files.min_free_disk:
        cure = f"free some space on the disk of {settings.files.logs}, or use another --logs"
        return fail(
            "disk",
            f"{room}; files.min_free_disk is {settings.files.min_free_disk // 10**6:,} MB",
            cure,
            "DISK_FULL",
        )
    if commit_ms > settings.ready_deadline / 2:
        cure = "use a quicker disk for --logs, or raise ready_deadline"
        return fail(
            "disk",
            f"{room}, more than half of ready_deadline = {settings.ready_deadline} ms",
            cure,
            "SLOW_DISK",
        )
    return ok("disk", room)


def permissions(settings: Settings, config: Path | None) -> Finding:
    """Files that others could read or change, and must not."""
    logs = Path(settings.files.logs)
    modes = [
        (path, stat.S_IMODE(path.stat().st_mode))
        for path in (logs, logs / "ledger.sqlite", *([config] if config else []))
        if path.exists()
    ]
    # What everybody may write comes first: it is an error, what the group may write is a warning.
    loose = sorted((each for each in modes if each[1] & 0o022), key=lambda found: not found[1] & 0o002)
    if loose:
        path, mode = loose[0]
        more = f", and {len(loose) - 1} more" if len(loose) > 1 else ""
        found, cure = (
            f"{path} has mode {mode:04o}{more}: other users could change what is traded",
            f"chmod go-w {path}",
        )
        say = fail if mode & 0o002 else warn  # many systems give every user a group of their own
        return say("permissions", found, cure, "LOOSE_FILES")
    return ok("permissions", "no other user can change configuration, ledger or logs")


def key_file(place: str) -> Finding:
    """May only its owner read the file that the key is in?"""
    kind, _, where = place.partition(":")
    if kind == "env":
        return warn(
            "key_file",
            f"the key is in the environment variable {where}, which every program started from here inherits",
            'a file is safer: write venue.key = "file:PATH", mode 0600',
            "KEY_IN_ENVIRONMENT",
        )
    path = Path(where).expanduser()
    if not path.exists():
        return fail("key_file", f"{path} does not exist", "check venue.key", "KEY_UNREADABLE")
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077 or status.st_uid != os.geteuid():
        return fail(
            "key_file",
            f"{path} has mode {mode:04o}: other users can read it",
            f"chmod 600 {path}",
            "KEY_UNREADABLE",
        )
    return ok("key_file", f"{path}, mode {mode:04o}")


def ledger(path: Path, wanted: Opened) -> Finding:
    """Is every row of the ledger as it was written, and is it this subaccount's at this venue?"""
    if not path.exists():
        return ok("ledger", f"{path} does not exist yet: the first run creates it")
    try:
        with closing(Store.reading(path)) as store:
            rows = store.verify()
            _, _, opened = next(store.events())
    except BrokenChain as error:
        cure = f"close what is open, then move {path} away: nothing is entered on a ledger that was changed"
        return fail("ledger", f"{path}: {error}", cure, "BROKEN_CHAIN", "entering is blocked")
    except LedgerError as error:
        return fail(
            "ledger",
            f"{path}: {error}",
            "use the version that wrote it, or another --logs",
            "OTHER_LEDGER",
            "entering is blocked",
        )
    if isinstance(opened, Opened) and (opened.chain_id, opened.subaccount) != (
        wanted.chain_id,
        wanted.subaccount,
    ):
        found = f"{path} belongs to {opened.venue}, subaccount {opened.subaccount}"
        return fail("ledger", found, "use another --logs", "OTHER_LEDGER", "nothing was started")
    return ok("ledger", f"{path}: {rows:,} rows, hash chain intact")


def awake(slept_s: int, battery: bool) -> Finding:
    """Does this machine sleep? Nothing can close a pair meanwhile."""
    if slept_s > 0:
        return fail(
            "awake",
            f"this machine has slept for {slept_s:,} s since it booted",
            "run it on a machine that does not sleep",
            "SLEEPS",
        )
    if battery:
        return warn(
            "awake",
            "this machine has a battery: a laptop sleeps",
            "run it on a machine that does not sleep",
            "SLEEPS",
        )
    return ok("awake", "it has not slept since it booted, and has no battery")


def has_battery(supplies: Path = Path("/sys/class/power_supply")) -> bool:
    """Does the operating system know of a battery of this machine?"""
    return any(
        _reads(supply / "type") == "Battery" and _reads(supply / "scope") != "Device"
        for supply in supplies.glob("*")
    )


def _reads(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
