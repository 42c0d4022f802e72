"""`flatten` at an exchange that answers: close Evenkeel's positions, ask what is left, say it.

The caller holds the subaccount's lock, and no run is left. By default only what the ledger, or the escape
that was signed in advance, says is Evenkeel's; with `everything` the whole of both positions.
"""

from contextlib import closing, suppress

import msgspec
import trio

from actors.instance.state import RunState
from actors.ledger import SCHEMA, Journal
from actors.tree import World
from commands.account.open_now import at_least, observe, open_facts, said
from commands.account.outcome import CommandOutcome
from commands.account.target_account import TargetAccount
from commands.checks.answered_venue import AnsweredVenue
from commands.open_state.decision import (
    OpenAnswer,
    amount_words,
    decide,
    pair_words,
    signs_of,
    third_party_words,
    trusted,
)
from commands.open_state.evidence import Evidence, VenueEvidence, gathered
from commands.open_state.last_reading import settle
from commands.open_state.readings import settled
from commands.output.run_report import rounds_words
from commands.output.words import COMMAND, DONE, OPEN, Problem, clock_time, exposure
from commands.setup.escaping import escape_with, journal_of, task_of
from messages.execution import AccountSnapshot
from messages.lifecycle import Adopted, Halted, Note, Opened
from messages.units import Base, Ms
from venue.own_position import WHOLE_POSITION, ClosingTask, OwnPosition
from venue.protocol import ProductRules, VenueRules

LOST = "lost"
"""In place of a row's hash: no ledger has it."""


class FlattenRequest(msgspec.Struct, frozen=True):
    """What was asked for. `halt`: the reason to latch, or ""; `everything`: also what is not ours."""

    command: str
    timeout_s: float
    everything: bool = False
    halt: str = ""


async def closed(
    target: TargetAccount, request: FlattenRequest, state: RunState, there: AnsweredVenue, until: float
) -> CommandOutcome:
    """What was closed and what is left, by the exchange's own reading. `until`: a time of Trio's, at which it
    is not asked any more. A halt that was asked for is in the ledger before anything is sent.

    Raises what `RunState.move_to` raises, before anything is sent.
    """
    await state.move_to(target.access.identity_at(there.rules, state.directory), there.rules.venue)
    state.belongs_to(there.rules.venue)
    before = gathered(target.access, target.logs, state.directory)
    holding = trusted(before)
    elsewhere = holding is not None and holding is not before.ledger and not decide(before).flat
    # Another ledger knows what is open, or this one is another account's: what would be done would be written
    # into the wrong one.
    if not request.everything and (elsewhere or before.ledger.state == "other"):
        return _outcome(request, target, there, state, await said(before, there, until), 0)
    if signs_of(before) and before.anchor is None:
        with suppress(OSError):  # a ledger is begun below: what its loss says must not be lost with it
            state.remember(LOST, True, int(there.clock.now_ms()))
    patience = msgspec.structs.replace(
        target.settings, venue_patience=Ms(max(1000, int((until - trio.current_time()) * 1000)))
    )
    opened = Opened(SCHEMA, there.rules.venue, there.rules.chain_id, target.access.sender)
    known = World(patience, there.venue, there.rules, there.clock, target.ledger, opened, state, observe, 0)
    with closing(journal_of(known)) as journal:
        state.at_least(max(journal.last_epoch, before.epoch))
        journal.clerk.epoch = state.bump()
        if request.halt:
            journal.write(Halted("HALTED_BY_HAND", request.halt))
        left = await escape_with(known, journal, await _task(request, known, there, journal, before, until))
        word = await said(
            gathered(target.access, target.logs, state.directory), there, until, expected_flat=left.flat
        )
    return _outcome(request, target, there, state, word, left.rounds)


async def _task(
    request: FlattenRequest,
    known: World,
    there: AnsweredVenue,
    journal: Journal,
    before: Evidence,
    until: float,
) -> ClosingTask:
    """Evenkeel's positions to close: by the ledger; where it does not know of the pair that the stored
    escape closes, that pair, booked first.
    """
    if request.everything:
        ours = task_of(known, journal, None).doubts if before.ledger.state != "other" else ()
        return ClosingTask(WHOLE_POSITION, WHOLE_POSITION, ours, everything=True)
    escape, rules = before.escape, there.rules
    if escape is None or not signs_of(before) or journal.fold.busy:
        return task_of(known, journal, None)
    snapshot = await settled(there.venue.reads.account, rules, at_least(until))
    if snapshot is None:
        return task_of(known, journal, None)
    eth, sol = (
        _part(escape_amount, snapshot, product)
        for escape_amount, product in ((escape.eth, rules.eth), (escape.sol, rules.sol))
    )
    position = journal.fold.position
    booked = Adopted(
        rules.eth.product_id,
        rules.sol.product_id,
        Base(eth - position["eth"]),
        Base(sol - position["sol"]),
        snapshot.at_ms,
    )
    if booked.eth or booked.sol:
        journal.write(booked)
        told = f"the ledger does not know of {pair_words(escape)}, which the stored escape closes: closed now"
        observe(Note(known.clock.utc_ns(), "warning", request.command, told))
    return ClosingTask.of(journal.fold.held(known.state.epoch))


def _part(amount: Base, snapshot: AccountSnapshot, product: ProductRules) -> Base:
    """How much of the position is at most ours, where `amount` (signed) was held when the stored escape
    was signed.
    """
    return OwnPosition(min(amount, 0), max(amount, 0)).part_of(snapshot.position(product.product_id).cross)


def _outcome(
    request: FlattenRequest,
    target: TargetAccount,
    there: AnsweredVenue,
    state: RunState,
    word: VenueEvidence,
    rounds: int,
) -> CommandOutcome:
    """By the exchange's reading, compared with every other record; an earlier sign stays valid after it
    was acted on.
    """
    known = msgspec.structs.replace(
        gathered(target.access, target.logs, state.directory), venue=word, runner=None
    )
    answer = decide(known)
    if request.everything:
        answer = _whatever_is_left(
            there.rules, word.snapshot, answer, f"{COMMAND} flatten --everything --logs {target.logs}"
        )
    facts = open_facts(answer) | {"not_ours": third_party_words(known, answer) or None, "rounds": rounds}
    if request.halt:
        facts |= {"halted": True, "halt_code": "HALTED_BY_HAND", "halt_detail": request.halt}
    if not answer.flat:
        unknown = answer.kind == "unknown"
        return not_flat(request, answer.words, answer.cure, facts, unknown=unknown)
    if known.ledger.state != "other":
        settle(state, target.ledger, int(answer.checked_ms or 0))
    third = third_party_words(known, answer)
    at = f", checked {clock_time(answer.checked_ms)}Z" if answer.checked_ms else ""
    lines = [("open", f"no Evenkeel positions: flat at the venue{at} (cross, isolated, open orders)")]
    lines += [("sent", rounds_words(rounds))]
    if request.halt:
        cleared = f'{COMMAND} clear-halt --reason "..." --logs {target.logs}'
        lines.append(("halted", f"{request.halt}: nothing is entered until {cleared}"))
    lines += (
        [("not ours", f"{third}: not touched; {COMMAND} flatten --everything closes it too")] if third else []
    )
    return CommandOutcome(request.command, DONE, lines, facts=facts)


def _whatever_is_left(
    rules: VenueRules, snapshot: AccountSnapshot | None, answer: OpenAnswer, cure: str
) -> OpenAnswer:
    """After `--everything`: whatever stands on the two products is what was to be closed, isolated amounts
    too.
    """
    if snapshot is None:
        return answer
    amounts = [snapshot.position(product.product_id).total for product in (rules.eth, rules.sol)]
    parts = [
        amount_words(product, amount)
        for product, amount in zip((rules.eth, rules.sol), amounts, strict=True)
        if amount
    ]
    if not parts:
        return answer
    return OpenAnswer("open", ", ".join(parts), cure, amounts[0], amounts[1], int(snapshot.at_ms))


def not_flat(
    request: FlattenRequest,
    what: str,
    cure: str,
    facts: dict[str, object] | None = None,
    *,
    unknown: bool = True,
) -> CommandOutcome:
    """Exit code 4: `what` is open, or nobody can say so (`unknown`)."""
    problem = Problem("NOT_FLAT", None, f"NOT FLAT: {what}", cure, exposure(unknown=unknown))
    return CommandOutcome(request.command, OPEN, [("open", what)], "error", problem, facts or {"open": what})
