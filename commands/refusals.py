"""What keeps a command from starting, in a person's words: every error below the commands has one sentence here."""

from actors.ledger import OtherIdentity
from actors.runtime.specs import told
from actors.runtime.state import AlreadyRunning
from commands.access import Access
from commands.child import ChildFailed
from commands.words import COMMAND, Problem, Refusal
from commands.world import SlowDisk
from venue.protocol import VenueError

KNOWN = (AlreadyRunning, OtherIdentity, ChildFailed, SlowDisk, VenueError, Problem)
"""Everything that `refusal` has words for."""


def refusal(group: BaseException, here: Access) -> Problem:
    """The first error in `group`, which may be one itself."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, Problem):
        return error
    if isinstance(error, AlreadyRunning):
        return Refusal("ALREADY_RUNNING", None, str(error), f"{COMMAND} run --logs DIR with another directory, or stop that one", "it was left alone")
    if isinstance(error, OtherIdentity):
        return Refusal("OTHER_LEDGER", "files.logs", str(error), "use another --logs DIR for this venue", "nothing was started")
    if isinstance(error, ChildFailed):
        return Refusal("VENUE_NOT_STARTED", None, f"the simulated venue did not start: {error}", "read logs/venue.log", "nothing was started")
    if isinstance(error, SlowDisk):
        return Refusal("SLOW_DISK", "ready_deadline", str(error), "use a quicker disk for --logs, or raise ready_deadline", "nothing was started")
    return Refusal("VENUE_UNREACHABLE", None, told(error), _unreachable(here), "nothing was started")


def _unreachable(here: Access) -> str:
    if here.network:
        return f"check this machine's network: {COMMAND} doctor --venue {here.name}"
    return "check --url, or leave it out to start an own venue"
