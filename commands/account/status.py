"""`status`: what is open, who runs it, is it halted. It only looks: no key, no lock, nothing is sent.

Exit code 4: something is open or unknown and no run manages it; 3: nothing is, but a row of the ledger is not
the row that was written.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import trio

from actors.instance.state import state_directory
from actors.ledger import Verified
from actors.risk.funding import FundedLeg, pair_funding
from commands.account.open_now import known_now, open_facts
from commands.account.outcome import CommandOutcome, show
from commands.account.target_account import TargetAccount
from commands.control import ControlReply, ControlRequest, ask, events_of
from commands.open_state.decision import OpenAnswer, decide, third_party_words
from commands.open_state.evidence import Evidence, VenueEvidence, gathered
from commands.open_state.verdict import breathes
from commands.output.doing import without_run
from commands.output.funding_words import UNKNOWN, FundingFigures, funding_figures
from commands.output.words import DONE, OPEN, Problem, Refusal, clock_time, say
from commands.screen.attached import attached, has_screen
from commands.screen.terminal import InPlace, Size, fits_a_screen, size_of
from venue.nado.socket import background

ASK_S = 5.0
"""How long a live run is asked."""
VENUE_S = 15.0
"""How long the venue is asked; two readings that say flat against our own fills take ten seconds of it."""
WATCH_S = 2.0
"""Between two looks with --watch."""


async def main(target: TargetAccount, *, json: bool, watch: bool, full: bool = False) -> int:
    """Look once, or until interrupted; the exit code of the last look. With `watch` a terminal shows the
    screen of a run that is alive, as long as it is; with `json` its events are told between two looks.
    """
    size = partial(size_of, sys.stdout)
    async with background() as nursery:
        if watch and not json and fits_a_screen(sys.stdout, os.environ, size()):
            await _on_screen(target, size, full=full)
        while True:
            code = show(await looked(target, full=full), target, json=json)
            if not watch:
                return code
            if json and not nursery.child_tasks:
                nursery.start_soon(events_of, target.state_name, partial(say, sys.stdout))
            await trio.sleep(WATCH_S)


async def _on_screen(target: TargetAccount, size: Callable[[], Size], *, full: bool) -> None:
    """On a terminal, until interrupted: the screen of a run as long as one answers, else what `looked` says,
    in one place.
    """
    colour = "NO_COLOR" not in os.environ
    while True:
        await attached(target.state_name, sys.stdout, size, colour=colour)
        with InPlace(sys.stdout, colour=colour) as place:
            while not await has_screen(target.state_name):
                outcome = await looked(target, full=full)
                show(outcome, target, json=False, write=lambda lines: place.show(lines[: size()[1] - 1]))
                await trio.sleep(WATCH_S)


async def looked(target: TargetAccount, *, full: bool = False) -> CommandOutcome:
    """One look. `full`: every row of the ledger is verified."""
    # First: it may be known under another name from then on.
    known = (
        gathered(target.access, target.logs, state_directory())
        if target.child
        else await known_now(target, VENUE_S, rates=True)
    )
    if full:
        known = msgspec.structs.replace(
            gathered(target.access, target.logs, state_directory(), full=True), venue=known.venue
        )
    runner = target.runner()
    answer = await ask(target.state_name, ControlRequest("status"), ASK_S) if runner else None
    found = decide(known)
    line = _doing(known, found, answer, runner.pid if runner else None)
    checked_ms = found.checked_ms
    funding = answer.funding if answer and answer.funding else funding_now(known.venue, found)
    at = f", checked {clock_time(checked_ms)}Z (cross, isolated, open orders)" if checked_ms else ""
    lines = [
        ("now", line),
        ("run", f"{_run_words(answer)}, pid {runner.pid}, logs {runner.logs}" if runner else "none"),
        ("halted", ": ".join(known.halted) if known.halted else "no"),
        ("open", found.words or f"no Evenkeel positions{at}"),
        ("funding", funding.words if funding else UNKNOWN),
        ("ledger", ledger_evidences(known)),
    ]
    lines += [("page", answer.page)] if answer and answer.page else []
    third = third_party_words(known, found)
    lines += [("not ours", f"{third}: not touched")] if third else []
    lines += [("odd", remark) for remark in found.remarks]
    code, detail = known.halted or (None, None)
    facts: dict[str, Any] = {
        "epoch": known.epoch,
        "halted": code is not None,
        "halt_code": code,
        "halt_detail": detail,
    }
    if checked := known.ledger.verified:
        facts |= {"verified_through": checked.through, "bad_row": checked.bad}
    facts |= open_facts(found) | {"not_ours": third or None, "doing": line}
    facts |= {"progress": answer.progress if answer else None}
    facts |= {"funding": msgspec.to_builtins(funding) if funding else None}
    facts |= {"run_pid": runner.pid, "run_logs": runner.logs} if runner else {}
    if found.flat or (runner and breathes(runner.pid)):
        broken = broken_ledger(known)
        return CommandOutcome(
            "status",
            broken.exit_code if broken else DONE,
            lines,
            "refused" if broken else "done",
            broken,
            facts,
        )
    meaning = (
        "exposure is open now and no run manages it"
        if found.kind == "open"
        else "exposure may be open now and no run manages it"
    )
    problem = Problem("NOT_FLAT", None, f"NOT FLAT: {found.words}", found.cure, meaning)
    return CommandOutcome("status", OPEN, lines, "error", problem, facts)


def funding_now(venue: VenueEvidence, found: OpenAnswer) -> FundingFigures | None:
    """By the exchange's rates of now; None where it was not asked, or has not answered."""
    snapshot, rules, rates = venue.snapshot, venue.rules, venue.rates
    if snapshot is None or rules is None or not rates:
        return None
    eth, sol = (
        FundedLeg(
            amount or 0,
            snapshot.position(product.product_id).oracle or 0,
            next((rate for rate in rates if rate.product_id == product.product_id), None),
        )
        for product, amount in ((rules.eth, found.eth), (rules.sol, found.sol))
    )
    return funding_figures(pair_funding(eth, sol, snapshot.at_ms))


def broken_ledger(known: Evidence) -> Refusal | None:
    """A row of the ledger is not the row that was written: nothing is open by it, and nothing can be
    entered with it.
    """
    if known.ledger.state != "broken":
        return None
    cure = f"keep a copy of {known.ledger.path}, move it away, start again"
    return Refusal(
        "BROKEN_LEDGER", None, known.ledger.why, cure, "nothing is entered with a ledger that was changed"
    )


def _doing(known: Evidence, found: OpenAnswer, answer: ControlReply | None, pid: int | None) -> str:
    """What the run is doing by its own word; where none answers, how things stand."""
    if answer is not None and answer.doing:
        return answer.doing
    return without_run(
        known.halted, found.words, unknown=found.kind == "unknown", silent_pid=pid if answer is None else None
    )


def _run_words(answer: ControlReply | None) -> str:
    return (
        f"alive, {answer.phase.replace('_', ' ')}, {answer.progress or f'cycle {answer.cycle}'}"
        if answer
        else "it does not answer"
    )


def ledger_evidences(known: Evidence) -> str:
    """Where the ledger is, how long, and through which row its chain was verified."""
    ledger = known.ledger
    if ledger.held is None:
        return ledger.why
    checked = ledger.verified or Verified(ledger.held.rows, 0, -1, 0)
    if checked.through < checked.since:
        verified = "no row verified"
    else:
        since = (
            f"rows {checked.since} to {checked.through} verified"
            if checked.since
            else f"verified through row {checked.through}"
        )
        verified = f"{since} at {clock_time(checked.at_ns // 1_000_000)}Z"
    parts = [f"{ledger.path}, {checked.rows} rows, epoch {known.epoch}", verified, ledger.why]
    return " · ".join(part for part in parts if part)
