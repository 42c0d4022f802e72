"""What keeps a command from starting, in a person's words: every error below the commands has one sentence
here.
"""

from typing import NamedTuple

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
    """Does `refusal` have words for the first error of `error`, which may be a group?"""
    return isinstance(first_error(error), KNOWN)


def already_running(error: AlreadyRunning) -> Refusal:
    """The refusal of a command that another process keeps from the subaccount: it names the pid."""
    return Refusal(
        "ALREADY_RUNNING",
        None,
        str(error),
        f"{COMMAND} status --logs {error.logs}",
        "the running instance was not affected",
    )


class Sentence(NamedTuple):
    """What is said of one kind of error: `before` stands before the error's own text."""

    kind: type[Exception]
    code: str
    cure: str
    key: str | None = "files.logs"
    before: str = ""
    meaning: str = NOTHING


UNTOUCHED = "open positions at the exchange were not touched"
OTHER_LOGS = "use another --logs DIR"
ADOPT = f"move it away, then {COMMAND} run --adopt books what is open"
SENTENCES = (
    Sentence(OtherIdentity, "OTHER_LEDGER", f"{OTHER_LOGS} for this venue"),
    Sentence(NewerSchema, "NEWER_LEDGER", "use the version that wrote it, or another --logs DIR"),
    Sentence(UnreadableLedger, "UNREADABLE_LEDGER", ADOPT, meaning=UNTOUCHED),
    Sentence(UnwritableLedger, "UNWRITABLE_LEDGER", "free some space, or make it writable, then start again"),
    Sentence(LedgerError, "LEDGER", f"{COMMAND} status shows what is open"),
    Sentence(
        NoState,
        "NO_STATE",
        "make it writable, or point XDG_STATE_HOME to a directory of yours",
        None,
        "the state directory cannot be used: ",
    ),
    Sentence(
        SlowDisk,
        "SLOW_DISK",
        "use a quicker disk for --logs, or raise ready_deadline",
        "ready_deadline",
    ),
)
"""The first that fits counts, so that the kinds of `LedgerError` stand before it."""


def refusal(group: BaseException, here: Access) -> Problem:
    """The first error in `group`, which may be one itself. (No `except*`: what is raised inside one
    becomes a group again on Python 3.11.2.)
    """
    error = first_error(group)
    if isinstance(error, Problem):
        return error
    if isinstance(error, AlreadyRunning):
        return already_running(error)
    for kind, code, cure, key, before, meaning in SENTENCES:
        if isinstance(error, kind):
            return Refusal(code, key, f"{before}{error}", cure, meaning)
    if isinstance(error, ChildFailed):
        what = f"the simulated venue did not start: {error.what}"
        return Refusal("VENUE_NOT_STARTED", None, what, error.cure, NOTHING)
    if isinstance(error, OSError):
        if isinstance(error, FileExistsError | NotADirectoryError) and error.filename:
            what, cure = f"{error.filename} is not a folder", OTHER_LOGS
        else:
            cure, why = f"make it writable, or {OTHER_LOGS}", error.strerror
            what = (
                f"{error.filename} cannot be used: {why.lower()}" if error.filename and why else told(error)
            )
        return Refusal("UNWRITABLE", "files.logs", what, cure, NOTHING)
    silent = isinstance(error, Unreachable)
    what = "the exchange does not answer" if silent else "the exchange's answer is not usable"
    cure = "check --url, or leave it out to use a simulated one"
    if here.network:
        cure = f"check this machine's network: {COMMAND} doctor --venue {here.name}"
    return Refusal("VENUE_UNREACHABLE", None, f"{what}: {error}", cure, NOTHING)
