"""What must be true before the first order of a live run may leave. The same in a rehearsal at a simulated
venue.

The checks are `doctor`'s own. The first that fails refuses the run (exit 3), and nothing has been signed for
money by then.
"""

from collections.abc import Awaitable, Callable

from commands.checks import account, venue
from commands.checks.answered_venue import AnsweredVenue
from commands.checks.finding import Finding
from commands.setup.worst_case import must_be_accepted, stated
from messages.lifecycle import Note
from messages.units import Quote
from runtime.observe import Observe

GATES: tuple[Callable[[AnsweredVenue], Awaitable[Finding]], ...] = (
    venue.contracts,
    venue.status,
    account.key,
    account.subaccount,
    account.sdk,
    venue.clock,
)
"""The chain before the key, the key before the SDK; the clock last, because the SDK's imports disturb it."""


async def preflight(known: AnsweredVenue, accepted: Quote | None, observe: Observe) -> None:
    """Raises `ConfigError` for a worst case that nobody accepted (mainnet), `Refusal` for a check that
    fails, `VenueError` for no answer.
    """
    # something is open then, or nobody would have come so far: it must be closed all the same
    if problem := known.rules.incomplete():
        _say(known, observe, f"nothing can be entered, only closed: {problem}", warning=True)
    else:
        worst = stated(known.settings, known.rules.terms(), known.clock.now_ms())
        if known.access.name == "mainnet":
            must_be_accepted(worst, accepted)
        _say(known, observe, worst.text())
    for gate in GATES:
        found = await gate(known)
        if found.state == "fail":
            raise found.refusal()
        _say(known, observe, f"{found.check}: {found.found}", warning=found.state == "warn")


def _say(known: AnsweredVenue, observe: Observe, text: str, *, warning: bool = False) -> None:
    observe(Note(known.clock.utc_ns(), "warning" if warning else "info", "ready", text))
