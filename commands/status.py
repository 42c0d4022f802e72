"""`status`: what is open, who runs it, is it halted. It only looks: no key, no lock, nothing is sent.

Exit code 4: something is open or unknown and no run manages it.
"""

import os
from typing import Any

import msgspec
import trio

from actors.endings import open_legs
from actors.runtime.state import Saved
from commands.control import Answer, Ask, ask
from commands.flatten import last_word, observe, open_facts
from commands.outcome import Outcome, show
from commands.whats_open import open_words, strangers_words
from commands.whose import Whose, fold_of
from commands.words import COMMAND, DONE, OPEN, Problem, clock_time
from commands.world import connected
from messages.lifecycle import Held
from venue.nado.socket import TcpDialer
from venue.protocol import VenueError

ASK_S = 5.0
"""How long the venue is asked."""
WATCH_S = 2.0
"""Between two looks with --watch."""


class Seen(msgspec.Struct, frozen=True):
    """What the venue and the ledger say. `open` in words."""

    open: str
    strangers: str
    facts: dict[str, Any]
    at_ms: int | None = None


async def main(who: Whose, *, json: bool, watch: bool) -> int:
    """Look once, or until interrupted; the exit code of the last look."""
    while True:
        code = show(await looked(who), who, json=json)
        if not watch:
            return code
        await trio.sleep(WATCH_S)


async def looked(who: Whose) -> Outcome:
    """One look."""
    runner, saved = who.runner(), who.saved()
    answer = await ask(who.state_name, Ask("status"), ASK_S) if runner else None
    fold = fold_of(who.ledger)
    held = fold.held(saved.epoch) if fold else None
    seen = _of_its_own_venue(held, runs=runner is not None) if who.child else await _at_venue(who, held)
    lines = [
        ("run", f"{_run_words(answer)}, pid {runner.pid}, logs {runner.logs}" if runner else "none"),
        ("halted", f"{saved.halt_code}: {saved.halt_detail}" if saved.halt_code else "no"),
        ("open", seen.open or _nothing(seen)),
        ("ledger", f"{who.ledger}, {fold.rows} rows, epoch {saved.epoch}" if fold else f"{who.ledger} cannot be read"),
    ]
    lines += [("not ours", f"{seen.strangers}: left alone")] if seen.strangers else []
    facts = _facts(saved) | seen.facts | {"open": seen.open, "not_ours": seen.strangers or None}
    facts |= {"run_pid": runner.pid, "run_logs": runner.logs} if runner else {}
    if not seen.open or runner:
        return Outcome("status", DONE, lines, facts=facts)
    cure = f"{COMMAND} flatten --logs {who.logs}"
    problem = Problem("NOT_FLAT", None, f"NOT FLAT: {seen.open}", cure, "exposure is open now and no run manages it")
    return Outcome("status", OPEN, lines, "error", problem, facts)


def _run_words(answer: Answer | None) -> str:
    return f"alive, {answer.phase.replace('_', ' ')}, cycle {answer.cycle}" if answer else "it does not answer"


def _nothing(seen: Seen) -> str:
    return "nothing of ours" + (f", checked {clock_time(seen.at_ms)}Z (cross, isolated, open orders)" if seen.at_ms else "")


def _facts(saved: Saved) -> dict[str, Any]:
    return {
        "epoch": saved.epoch,
        "halted": saved.halt_code != "",
        "halt_code": saved.halt_code or None,
        "halt_detail": saved.halt_detail or None,
    }


def _of_its_own_venue(held: Held | None, *, runs: bool) -> Seen:
    """A simulated venue that is a run's child can be asked by that run alone, and is gone with it."""
    if not runs:
        return Seen("", "", {"open_eth": "0", "open_sol": "0"})
    return Seen(open_legs(held), "", {"open_eth": held.eth.text(), "open_sol": held.sol.text()} if held else {})


async def _at_venue(who: Whose, held: Held | None) -> Seen:
    trouble = "the venue did not answer"
    with trio.move_on_after(ASK_S):
        try:
            async with connected(who.settings, who.access, os.getpid(), observe, TcpDialer()) as there:
                snapshot = await last_word(there, trio.current_time() + ASK_S)
                if snapshot is not None:
                    what, strangers = open_words(there.rules, snapshot, held), strangers_words(there.rules, snapshot, held)
                    return Seen(what, strangers, open_facts(there, snapshot, held), snapshot.at_ms)
        except VenueError as error:
            trouble = str(error)
    return Seen(f"unknown: {trouble}; by the ledger: {open_legs(held) or 'nothing'}", "", {})
