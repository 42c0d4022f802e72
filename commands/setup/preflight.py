"""What must be true before a run may trade: that it knows what is open, and before the first order of a live
run all that `preflight` checks. The same in a rehearsal at a simulated venue.

The checks are `doctor`'s own. The first that fails refuses the run (exit 3), and nothing has been signed for
money by then.
"""

from collections.abc import Awaitable, Callable

import msgspec
import trio

from actors.instance.state import RunState
from commands.checks import account, venue
from commands.checks.answered_venue import AnsweredVenue
from commands.checks.finding import Finding
from commands.checks.volatility import UNLIKE, volatility
from commands.open_state.decision import RefusedWhileOpen, decide, starts_by_itself, trusted
from commands.open_state.evidence import Evidence, gathered
from commands.open_state.readings import venue_said
from commands.setup.worst_case import left_by_a_kill, must_be_accepted, stated
from messages.units import Quote
from runtime.observe import Notes, Observe

GATES: tuple[Callable[[AnsweredVenue], Awaitable[Finding]], ...] = (
    venue.contracts,
    venue.status,
    account.key,
    account.subaccount,
    account.sdk,
    venue.clock,
)
"""The chain before the key, the key before the SDK; the clock last, because the SDK's imports disturb it."""
ASK_S = 15.0
"""How long the venue is asked at a start what is open."""


async def must_know_what_is_open(
    known: AnsweredVenue, found: Evidence, state: RunState, *, adopt: bool
) -> None:
    """A start closes what its own ledger says is open. Where that cannot say it, the venue must say that
    nothing is, or a person (`adopt`) that it is ours.

    Raises `RefusedWhileOpen` with the cure typed out. A start that is refused here has written nothing that
    could be taken for a sign of a pair: a state file that belongs to nobody yet is tied to this venue later,
    when the ledger is begun.
    """
    if found.saved.venue not in {"", known.rules.venue}:
        # Another instance of a simulated venue: what was known of the one before is gone with it.
        state.belongs_to(known.rules.venue)
        found = gathered(known.access, known.logs, state.directory)
    if starts_by_itself(found):
        return
    found_there = await venue_said(known.reads.account, known.rules, trio.current_time() + ASK_S, found)
    answer = decide(msgspec.structs.replace(found, venue=found_there, runner=None))
    if answer.flat or (adopt and trusted(found) in {None, found.ledger}):
        return
    raise RefusedWhileOpen(answer)


async def preflight(known: AnsweredVenue, accepted: Quote | None, observe: Observe) -> None:
    """Raises `ConfigError` for a worst case that nobody accepted (mainnet), `Refusal` for a check that
    fails, `VenueError` for no answer.
    """
    # something is open then, or nobody would have come so far: it must be closed all the same
    note = Notes(observe, known.clock, "ready")
    if problem := known.rules.incomplete():
        note("warning", f"nothing can be entered, only closed: {problem}")
    else:
        worst = stated(known.settings, known.rules.terms(), known.clock.now_ms())
        if known.access.name == "mainnet":
            must_be_accepted(worst, accepted)
        note("info", worst.text())
        if left := left_by_a_kill(known.settings, worst):
            note("info" if known.settings.guard.enabled else "warning", left)
    for gate in GATES:
        found = await gate(known)
        if found.state == "fail":
            raise found.refusal()
        note("warning" if found.state == "warn" else "info", f"{found.check}: {found.found}")
    await legs_alike(known, observe)


async def legs_alike(known: AnsweredVenue, observe: Observe) -> None:
    """Say how much both legs have moved over the last day, with a warning where they are no hedge of each
    other.
    """
    found = await volatility(known)
    words = f"{found.check}: {found.found}" + (f"; {found.cure}" if found.code == UNLIKE else "")
    Notes(observe, known.clock, "ready")("warning" if found.code == UNLIKE else "info", words)
