"""`clear-halt`: a person has looked and allows entering again.

Refused while a run is alive, while something of ours is open, and while nobody knows whether it is.
"""

import os
from contextlib import closing

import trio

from actors.runtime.state import AlreadyRunning, NoState, RunState, opened_state, state_directory
from actors.tree import World
from commands.escaping import journal_of
from commands.flatten import last_word, observe
from commands.outcome import Outcome, checked_at
from commands.refusals import refusal
from commands.whats_open import open_words
from commands.whose import Whose, fold_of
from commands.words import COMMAND, DONE, Problem, Refusal, clock_time
from commands.world import SCHEMA, connected
from messages.lifecycle import HaltCleared, Opened
from venue.nado.socket import TcpDialer
from venue.protocol import VenueError

ASK_S = 10.0
"""How long the venue is asked whether it is flat."""
STAYS = "the halt stays"


async def cleared(who: Whose, reason: str) -> Outcome:
    """Clear the halt, or say why not. Raises `Refusal`."""
    try:
        state = opened_state(state_directory(), who.access.identities(who.logs), who.logs)
    except (AlreadyRunning, NoState) as error:
        raise refusal(error, who.access) from error
    with closing(state):
        halt = state.halted
        if halt is None:
            return Outcome("clear-halt", DONE, [("halted", "no: there is nothing to clear")], facts={"halted": False})
        flat_ms = None if who.child else await _flat(who, state, HaltCleared(*halt, reason))
        state.clear_halt()
    at = f"flat at the venue, checked {clock_time(flat_ms)}Z" if flat_ms else "its simulated venue is gone with its run"
    lines = [("cleared", f"{halt[0]}: {halt[1]}"), ("reason", reason), ("open", f"nothing of ours: {at}"), ("next", who.run_line)]
    return Outcome("clear-halt", DONE, lines, facts={"halted": False, "open": "", "checked_at": checked_at(flat_ms)})


async def _flat(who: Whose, state: RunState, cleared_by: HaltCleared) -> int:
    """Venue time at which nothing of ours was open; then the person's word is in the ledger. Raises `Refusal`."""
    with trio.move_on_after(ASK_S):
        try:
            async with connected(who.settings, who.access, os.getpid(), observe, TcpDialer()) as there:
                snapshot = await last_word(there, trio.current_time())
                opened = Opened(SCHEMA, there.rules.venue, there.rules.chain_id, who.access.sender)
                known = World(who.settings, there.venue, there.rules, there.clock, who.ledger, opened, state, observe, 0)
                fold = fold_of(who.ledger)
                what = open_words(there.rules, snapshot, fold.held(state.epoch) if fold else None)
                if what or snapshot is None:
                    raise _stays(f"not flat: {what}", f"{COMMAND} flatten --logs {who.logs}")
                with closing(journal_of(known)) as journal:
                    journal.write(cleared_by)
                return snapshot.at_ms
        except VenueError as error:
            raise _stays(f"the venue does not say whether it is flat: {error}", "try again when it answers") from error
    raise _stays("the venue does not say whether it is flat", "try again when it answers")


def _stays(why: str, cure: str) -> Problem:
    return Refusal("NOT_FLAT", None, why, cure, STAYS)
