"""`flatten`: close our legs, verify, report; also what `halt` does beside latching.

    a live run    is asked through its control socket: it enters no more, closes both legs through its barrier and ends
    then, always  take the lock, start a new epoch, ESCAPE what the ledger explains, ask the venue (cross, isolated, open orders), say what is left

A run that does not answer within 5 s is waited for by its lock. Entering stays paused until `run` is started again, because no run is left.
"""

import os
import sys
from contextlib import closing
from functools import partial

import msgspec
import trio

from actors.runtime.state import AlreadyRunning, NoState, RunState, opened_state, state_directory
from actors.tree import World
from commands.begin import SO_FAR
from commands.checks.known import Known
from commands.control import Answer, Ask, ask
from commands.escaping import escape_with, journal_of, task_of
from commands.outcome import Outcome, checked_at
from commands.stopping import Stops
from commands.whats_open import legs_open, open_words, strangers_words
from commands.whose import Whose
from commands.words import COMMAND, DONE, OPEN, ConfigError, Problem, clock_time, say
from commands.world import SCHEMA, connected
from messages.execution import AccountSnapshot
from messages.lifecycle import Halted, Held, Note, Opened
from messages.units import Ms
from venue.nado.socket import TcpDialer
from venue.ours import EVERYTHING, Task
from venue.protocol import VenueError

LOCK_S = 0.2
"""How often the lock is tried."""
AGAIN_S = 1.0
"""How often a venue that does not answer is tried."""


class Order(msgspec.Struct, frozen=True):
    """What was asked for. `halt`: the reason to latch, or ""; `everything`: also what is not ours."""

    command: str
    timeout_s: float
    everything: bool = False
    halt: str = ""


def confirm(who: Whose, *, yes: bool) -> None:
    """Closing what is not ours needs the subaccount's name, typed, or --yes. Raises `ConfigError`."""
    name = who.settings.venue.subaccount
    if yes:
        return
    if not (sys.stdin and sys.stdin.isatty()):
        message = "--everything also closes what Evenkeel did not open"
        raise ConfigError("NOT_CONFIRMED", "--everything", message, "add --yes, or type it at a terminal", "nothing was sent")
    say(sys.stderr, [who.line, f"This closes every ETH-PERP and SOL-PERP position and order there, whosever it is. Type {name} to go on:"])
    with SO_FAR:
        typed = sys.stdin.readline().strip()
    if typed != name:
        raise ConfigError("NOT_CONFIRMED", "--everything", f"that is not {name}", "nothing to type: nothing was done", "nothing was sent")


async def flattened_or_stopped(who: Whose, order: Order, stops: Stops) -> Outcome:
    """The same until the first signal: then nothing is waited for any more, and what is open is unknown."""
    outcome = None
    with trio.CancelScope() as scope:
        stops.hear(lambda _number, _count: scope.cancel())
        outcome = await flattened(who, order)
    why = f"unknown: stopped by {stops.first.name if stops.first else 'a signal'} before closing was over"
    return outcome or _not_flat(order, why, f"{COMMAND} {order.command} again")


async def flattened(who: Whose, order: Order) -> Outcome:
    """Carry it out. Raises nothing that means an open position: that is exit code 4 with what is known."""
    until = trio.current_time() + order.timeout_s
    last = await _leave_run(who, order, until)
    if who.child:
        return _with_its_venue(who, order, last)
    try:
        state = await _locked(who, until)
    except (AlreadyRunning, NoState) as error:
        return _not_flat(order, f"unknown: {error}, and it did not end", f"kill {getattr(error, 'pid', '') or 'it'}, then {COMMAND} flatten again")
    try:
        return await _alone(who, order, state, until)
    finally:
        state.close()


async def _leave_run(who: Whose, order: Order, until: float) -> Answer | None:
    """Ask a live run to close both legs and end; its last word."""
    if who.runner() is None:
        return None
    wish = Ask("halt" if order.halt else "flatten", order.halt or f"asked by {order.command}")
    heard = partial(_heard, who)
    return await ask(who.state_name, wish, max(0.0, until - trio.current_time()), heard)


def _heard(who: Whose, answer: Answer) -> None:
    if not answer.ended:
        say(sys.stderr, f"the run (pid {answer.pid}) closes: {answer.open_legs or 'nothing is open'}")


def _with_its_venue(who: Whose, order: Order, last: Answer | None) -> Outcome:
    """A simulated venue of a run's own is gone with it, and every position with the venue."""
    if last is not None and last.ended and last.open_legs:
        return _not_flat(order, last.open_legs, "its simulated venue ended with the run: no real money was in it")
    if who.runner() is not None:
        return _not_flat(order, "unknown: the run did not answer", f"stop it: kill {who.runner().pid}")  # type: ignore[union-attr]
    if order.halt:
        state = opened_state(state_directory(), who.access.identities(who.logs), who.logs)
        with closing(state):
            state.halt("HALTED_BY_HAND", order.halt)
    return Outcome(order.command, DONE, [("open", "nothing: its simulated venue ended with its run")], facts=_nothing())


def _nothing() -> dict[str, object]:
    return {"open": "", "open_eth": "0", "open_sol": "0"}


async def _locked(who: Whose, until: float) -> RunState:
    """The subaccount's lock, waited for. Raises `AlreadyRunning` when it is not given back in time."""
    while True:
        try:
            return opened_state(state_directory(), who.access.identities(who.logs), who.logs)
        except AlreadyRunning:
            if trio.current_time() > until:
                raise
        await trio.sleep(LOCK_S)


async def _alone(who: Whose, order: Order, state: RunState, until: float) -> Outcome:
    """Nobody else trades here: close what is ours."""
    who.logs.mkdir(parents=True, exist_ok=True)
    if order.halt:
        state.halt("HALTED_BY_HAND", order.halt)
    trouble = "no answer"
    while True:
        try:
            async with connected(who.settings, who.access, os.getpid(), observe, TcpDialer()) as there:
                return await _closed(who, order, state, there, until)
        except VenueError as error:
            trouble = str(error)
        if trio.current_time() > until:
            return _not_flat(order, f"unknown: {trouble}", f"{COMMAND} {order.command} again when the venue answers")
        await trio.sleep(AGAIN_S)


async def _closed(who: Whose, order: Order, state: RunState, there: Known, until: float) -> Outcome:
    patience = msgspec.structs.replace(who.settings, venue_patience=Ms(max(1000, int((until - trio.current_time()) * 1000))))
    opened = Opened(SCHEMA, there.rules.venue, there.rules.chain_id, who.access.sender)
    state.belongs_to(there.rules.venue)
    known = World(patience, there.venue, there.rules, there.clock, who.ledger, opened, state, observe, 0)
    with closing(journal_of(known)) as journal:
        state.at_least(journal.last_epoch)
        journal.clerk.epoch = state.bump()
        if order.halt:
            journal.write(Halted("HALTED_BY_HAND", order.halt))
        task = Task(EVERYTHING, EVERYTHING, everything=True) if order.everything else task_of(known, journal, None)
        left = await escape_with(known, journal, task)
        held = None if order.everything else journal.fold.held(state.epoch)
        snapshot = await last_word(there, until)
    return _told(order, there, snapshot, held, left.rounds)


async def last_word(there: Known, until: float) -> AccountSnapshot | None:
    """What the venue says is open; None when it does not say in time, a few seconds at least."""
    with trio.move_on_at(max(until, trio.current_time() + 5.0)):
        while True:
            try:
                snapshot: AccountSnapshot = await there.venue.reads.account()
            except VenueError:
                await trio.sleep(LOCK_S)
            else:
                return snapshot
    return None


def _told(order: Order, there: Known, snapshot: AccountSnapshot | None, held: Held | None, rounds: int) -> Outcome:
    what = open_words(there.rules, snapshot, held)
    strangers = strangers_words(there.rules, snapshot, held) if snapshot else ""
    facts = open_facts(there, snapshot, held) | {"open": what, "not_ours": strangers or None, "rounds": rounds}
    if what:
        return _not_flat(order, what, f"{COMMAND} {order.command} again", facts)
    at = f", checked {clock_time(snapshot.at_ms)}Z" if snapshot else ""
    lines = [("open", f"nothing of ours: flat at the venue{at} (cross, isolated, open orders)"), ("sent", f"{rounds} rounds of reduce-only orders")]
    lines += [("not ours", f"{strangers}: left alone; {COMMAND} flatten --everything closes it too")] if strangers else []
    return Outcome(order.command, DONE, lines, facts=facts)


def open_facts(there: Known, snapshot: AccountSnapshot | None, held: Held | None) -> dict[str, object]:
    """The figures of the object."""
    if snapshot is None:
        return {}
    (_, eth), (_, sol) = legs_open(there.rules, snapshot, held)
    return {"open_eth": eth.text(), "open_sol": sol.text(), "checked_at": checked_at(snapshot.at_ms)}


def _not_flat(order: Order, what: str, cure: str, facts: dict[str, object] | None = None) -> Outcome:
    problem = Problem("NOT_FLAT", None, f"NOT FLAT: {what}", cure, "exposure is open now")
    return Outcome(order.command, OPEN, [("open", what)], "error", problem, facts or {"open": what})


def observe(message: msgspec.Struct) -> None:
    """What is said on the way goes to standard error."""
    if isinstance(message, Note) and message.level in {"warning", "error"}:
        say(sys.stderr, f" {message.source}: {message.text}")
