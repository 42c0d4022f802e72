"""What keeps a command from starting, in a person's words: every error below the commands has one sentence
here.
"""

import trio

from actors.instance.state import AlreadyRunning, NoState
from actors.ledger import LedgerError, NewerSchema, OtherIdentity
from commands.access.simulated import ChildFailed
from commands.access.venue import Access
from commands.output.words import COMMAND, Problem, Refusal
from commands.setup.run_ledger import SlowDisk, UnreadableLedger, UnwritableLedger
from runtime.specs import told
from venue.protocol import Unreachable, VenueError

KNOWN = (
    AlreadyRunning,
    NoState,
    LedgerError,
    UnreadableLedger,
    UnwritableLedger,
    ChildFailed,
    SlowDisk,
    VenueError,
    Problem,
    OSError,
)
"""Everything that `refusal` has words for."""

NOTHING = "nothing was started"


def first_error(error: BaseException) -> BaseException:
    """The first error in a group, which may be one itself: the one that ended all others. What was
    cancelled for it is none.
    """
    while isinstance(error, BaseExceptionGroup):
        error = next(
            (each for each in error.exceptions if not isinstance(each, trio.Cancelled)), error.exceptions[0]
        )
    return error


def known(error: BaseException) -> bool:
    """Does `refusal` have words for it?"""
    return isinstance(first_error(error), KNOWN)


def refusal(group: BaseException, here: Access) -> Problem:
    """The first error in `group`, which may be one itself. (No `except*`: what is raised inside one
    becomes a group again on Python 3.11.2.)
    """
    error = first_error(group)
    return error if isinstance(error, Problem) else _about_ledger(error) or _about_place(error, here)


def already_running(error: AlreadyRunning) -> Refusal:
    """Another process holds the subaccount."""
    return Refusal(
        "ALREADY_RUNNING",
        None,
        str(error),
        f"{COMMAND} status --logs {error.logs}",
        "the running instance was not affected",
    )


def _about_ledger(error: BaseException) -> Refusal | None:
    if isinstance(error, OtherIdentity):
        return Refusal(
            "OTHER_LEDGER", "files.logs", str(error), "use another --logs DIR for this venue", NOTHING
        )
    if isinstance(error, NewerSchema):
        return Refusal(
            "NEWER_LEDGER",
            "files.logs",
            str(error),
            "use the version that wrote it, or another --logs DIR",
            NOTHING,
        )
    if isinstance(error, UnreadableLedger):
        cure = f"move it away, then {COMMAND} run --adopt books what is open"
        return Refusal(
            "UNREADABLE_LEDGER",
            "files.logs",
            str(error),
            cure,
            "open positions at the exchange were not touched",
        )
    if isinstance(error, UnwritableLedger):
        return Refusal(
            "UNWRITABLE_LEDGER",
            "files.logs",
            str(error),
            "free some space, or make it writable, then start again",
            NOTHING,
        )
    return (
        Refusal("LEDGER", "files.logs", str(error), f"{COMMAND} status shows what is open", NOTHING)
        if isinstance(error, LedgerError)
        else None
    )


def _about_place(error: BaseException, here: Access) -> Refusal:
    if isinstance(error, AlreadyRunning):
        return already_running(error)
    if isinstance(error, NoState):
        cure = "make it writable, or point XDG_STATE_HOME to a directory of yours"
        return Refusal("NO_STATE", None, f"the state directory cannot be used: {error}", cure, NOTHING)
    if isinstance(error, ChildFailed):
        return Refusal(
            "VENUE_NOT_STARTED", None, f"the simulated venue did not start: {error.what}", error.cure, NOTHING
        )
    if isinstance(error, SlowDisk):
        return Refusal(
            "SLOW_DISK",
            "ready_deadline",
            str(error),
            "use a quicker disk for --logs, or raise ready_deadline",
            NOTHING,
        )
    if isinstance(error, OSError):
        return _about_file(error)
    what = (
        "the exchange does not answer"
        if isinstance(error, Unreachable)
        else "the exchange's answer is not usable"
    )
    return Refusal("VENUE_UNREACHABLE", None, f"{what}: {error}", _unreachable(here), NOTHING)


def _about_file(error: OSError) -> Refusal:
    if isinstance(error, FileExistsError | NotADirectoryError) and error.filename:
        return Refusal(
            "UNWRITABLE", "files.logs", f"{error.filename} is not a folder", "use another --logs DIR", NOTHING
        )
    where = (
        f"{error.filename} cannot be used: {error.strerror.lower()}"
        if error.filename and error.strerror
        else told(error)
    )
    return Refusal("UNWRITABLE", "files.logs", where, "make it writable, or use another --logs DIR", NOTHING)


def _unreachable(here: Access) -> str:
    if here.network:
        return f"check this machine's network: {COMMAND} doctor --venue {here.name}"
    return "check --url, or leave it out to use a simulated one"
