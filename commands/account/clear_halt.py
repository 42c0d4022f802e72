"""`clear-halt`: a person has looked and allows entering again.

Refused while a run is alive, while something of ours is open, and while nobody knows whether it is.
"""

import os
from contextlib import closing

import msgspec
import trio

from actors.instance.state import AlreadyRunning, NoState, RunState, opened_state, state_directory
from actors.ledger import SCHEMA
from actors.tree import World
from commands.account.open_now import observe, said
from commands.account.outcome import CommandOutcome, checked_at
from commands.account.target_account import TargetAccount
from commands.open_state.decision import RefusedWhileOpen, decide
from commands.open_state.evidence import gathered
from commands.open_state.last_reading import settle
from commands.output.words import DONE, Problem, Refusal, clock_time
from commands.setup.connecting import connected
from commands.setup.escaping import journal_of
from commands.setup.refusals import refusal
from messages.lifecycle import HaltCleared, Opened
from venue.nado.socket import TcpDialer
from venue.protocol import VenueError

ASK_S = 10.0
"""How long the venue is asked whether it is flat."""
STAYS = "the halt stays"


async def cleared(target: TargetAccount, reason: str) -> CommandOutcome:
    """Clear the halt, or say why not. Raises `Refusal`."""
    try:
        state = opened_state(state_directory(), target.access.identities(target.logs), target.logs)
    except (AlreadyRunning, NoState) as error:
        raise refusal(error, target.access) from error
    with closing(state):
        known = gathered(target.access, target.logs, state_directory())
        halt = state.halted or known.halted
        if halt is None:
            return CommandOutcome(
                "clear-halt", DONE, [("halted", "no: there is nothing to clear")], facts={"halted": False}
            )
        try:
            flat_ms = None if target.child else await _flat(target, state, HaltCleared(*halt, reason))
        except (AlreadyRunning, NoState) as error:  # at the venue's own name: it was reached by another URL
            raise refusal(error, target.access) from error
        state.clear_halt()
    at = (
        f"flat at the venue, checked {clock_time(flat_ms)}Z"
        if flat_ms
        else "its simulated venue is gone with its run"
    )
    lines = [
        ("cleared", f"{halt[0]}: {halt[1]}"),
        ("reason", reason),
        ("open", f"no Evenkeel positions: {at}"),
        ("next", target.run_line),
    ]
    return CommandOutcome(
        "clear-halt", DONE, lines, facts={"halted": False, "open": "", "checked_at": checked_at(flat_ms)}
    )


async def _flat(target: TargetAccount, state: RunState, cleared_by: HaltCleared) -> int:
    """Venue time at which no Evenkeel position was open; then the person's reason is in the ledger. Raises
    `Refusal`, `RefusedWhileOpen`.
    """
    with trio.move_on_after(ASK_S):
        try:
            async with connected(target.settings, target.access, os.getpid(), observe, TcpDialer()) as there:
                await state.move_to(
                    target.access.identity_at(there.rules, state.directory), there.rules.venue
                )
                files = gathered(target.access, target.logs, state.directory)
                word = await said(files, there, trio.current_time())
                snapshot = word.snapshot
                known = msgspec.structs.replace(files, venue=word, runner=None)
                answer = decide(known)
                if snapshot is None:
                    raise _stays(f"not flat: {answer.words}", answer.cure)
                if not answer.flat:
                    raise RefusedWhileOpen(answer, f"{STAYS}: ")
                opened = Opened(SCHEMA, there.rules.venue, there.rules.chain_id, target.access.sender)
                at_venue = World(
                    target.settings,
                    there.venue,
                    there.rules,
                    there.clock,
                    target.ledger,
                    opened,
                    state,
                    observe,
                    0,
                )
                if known.ledger.state != "other":
                    with closing(journal_of(at_venue)) as journal:
                        journal.write(cleared_by)
                    settle(state, target.ledger, int(snapshot.at_ms))
                return int(snapshot.at_ms)
        except VenueError as error:
            raise _stays(
                f"the exchange does not report whether the account is flat: {error}",
                "try again when it answers",
            ) from error
    raise _stays("the exchange does not report whether the account is flat", "try again when it answers")


def _stays(why: str, cure: str) -> Problem:
    return Refusal("NOT_FLAT", None, why, cure, STAYS)
