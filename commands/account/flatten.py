"""`flatten`: close both legs, verify, report; also what `halt` does beside latching.

    a live run    is asked through its control socket: it makes no new entries, closes both legs through its
                  barrier and ends
    then, always  take the lock, start a new epoch, ESCAPE what the ledger explains, ask the venue (cross,
                  isolated, open orders), say what is left

A run that does not answer within 5 s is waited for by its lock. Entering stays paused until `run` is started
again, because no run is left.
"""

import os
import sys
from contextlib import closing, suppress

import msgspec
import trio

from actors.instance.state import AlreadyRunning, NoState, RunState, opened_state, state_directory
from actors.ledger import SCHEMA, Journal
from actors.tree import World
from commands.account.outcome import CommandOutcome, checked_at
from commands.account.target_account import TargetAccount
from commands.checks.answered_venue import AnsweredVenue
from commands.control import ControlReply, ControlRequest, ask
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
from commands.open_state.readings import settled, venue_said
from commands.output.run_report import rounds_words
from commands.output.words import COMMAND, DONE, OPEN, ConfigError, Problem, clock_time, exposure, say
from commands.setup.connecting import connected
from commands.setup.escaping import escape_with, journal_of, task_of
from commands.signals import SO_FAR
from commands.stopping import Stops
from messages.execution import AccountSnapshot
from messages.lifecycle import Adopted, Halted, Note, Opened
from messages.units import Base, Ms
from venue.nado.socket import TcpDialer
from venue.own_position import WHOLE_POSITION, ClosingTask, OwnPosition
from venue.protocol import ProductRules, VenueError, VenueRules

LOST = "lost"
"""In place of a row's hash: no ledger has it."""
PROGRESS_S = 3.0
"""How often it is said what is waited for, and for how long at most."""
LOCK_S = 0.2
"""How often the lock is tried."""
WORD_S = 5.0
"""How long the venue may take at least to say what is open."""
AGAIN_S = 1.0
"""How often a venue that does not answer is tried."""


class FlattenRequest(msgspec.Struct, frozen=True):
    """What was asked for. `halt`: the reason to latch, or ""; `everything`: also what is not ours."""

    command: str
    timeout_s: float
    everything: bool = False
    halt: str = ""


def confirm(target: TargetAccount, *, yes: bool) -> None:
    """Closing what is not ours needs the subaccount's name, typed, or --yes. Raises `ConfigError`."""
    name = target.settings.venue.subaccount
    if yes:
        return
    if not (sys.stdin and sys.stdin.isatty()):
        message = "--everything also closes what Evenkeel did not open"
        raise ConfigError(
            "NOT_CONFIRMED",
            "--everything",
            message,
            "add --yes, or type it at a terminal",
            "nothing was sent",
        )
    what = (
        "This closes every ETH-PERP and SOL-PERP position and order there, including those that Evenkeel did"
        " not open."
    )
    say(sys.stderr, [target.line, f"{what} Type {name} to continue:"])
    with SO_FAR:
        typed = sys.stdin.readline().strip()
    if typed != name:
        raise ConfigError(
            "NOT_CONFIRMED",
            "--everything",
            f"that is not {name}",
            "nothing to type: nothing was done",
            "nothing was sent",
        )


async def flattened_or_stopped(
    target: TargetAccount, request: FlattenRequest, stops: Stops
) -> CommandOutcome:
    """The same until the first signal: then nothing is waited for any more, and what is open is unknown."""
    outcome = None
    with trio.CancelScope() as scope:
        stops.hear(lambda _number, _count: scope.cancel())
        outcome = await flattened(target, request)
    why = f"unknown: stopped by {stops.first.name if stops.first else 'a signal'} before closing was over"
    return outcome or _not_flat(request, why, f"{COMMAND} {request.command} again")


class Progress:
    """What is waited for, told to a person on standard error from time to time. `until`: Trio's time at
    which the waiting ends.
    """

    def __init__(self, until: float) -> None:
        self._until, self._last_s = until, trio.current_time()

    def waits(self, what: str) -> None:
        """It is still waiting for `what`; at most every `PROGRESS_S` that is said."""
        now_s = trio.current_time()
        if now_s >= self._last_s + PROGRESS_S:
            self._last_s = now_s
            say(sys.stderr, f"waiting for {what}, at most {max(0.0, self._until - now_s):.0f} s more")

    async def waits_for_ever(self, what: str) -> None:
        """The same until cancelled, where somebody else does the waiting."""
        while True:
            self.waits(what)
            await trio.sleep(LOCK_S)


async def flattened(target: TargetAccount, request: FlattenRequest) -> CommandOutcome:
    """Carry it out. Raises nothing that means an open position: that is exit code 4 with what is known."""
    until = trio.current_time() + request.timeout_s
    last = await _leave_run(target, request, until) if target.runner() is not None else None
    if target.child:
        return await ended_with_its_venue(target, request, last, until)
    try:
        with closing(await _locked(target, until)) as state:
            target.logs.mkdir(parents=True, exist_ok=True)
            if request.halt:
                # first of all: whatever becomes of closing, nothing may be entered any more
                state.halt("HALTED_BY_HAND", request.halt)
            trouble, progress = "no answer", Progress(until)
            while True:
                try:
                    async with connected(
                        target.settings, target.access, os.getpid(), observe, TcpDialer()
                    ) as there:
                        return await _closed(target, request, state, there, until)
                except VenueError as error:
                    trouble = str(error)
                progress.waits(f"the exchange to answer ({trouble})")
                if trio.current_time() > until:
                    return _not_flat(
                        request,
                        f"unknown: {trouble}",
                        f"{COMMAND} {request.command} again when the venue answers",
                    )
                await trio.sleep(AGAIN_S)
    except (AlreadyRunning, NoState) as error:
        return _not_flat(
            request,
            f"unknown: {error}, and it did not end",
            f"kill {getattr(error, 'pid', '') or 'it'}, then {COMMAND} flatten again",
        )


async def _leave_run(target: TargetAccount, request: FlattenRequest, until: float) -> ControlReply | None:
    """Ask a live run to close both legs and end; its last answer. Whose exchange ends with it is not asked
    to latch a halt: nothing would obey it.
    """
    reason = f"asked by {request.command}"
    reason += f": {request.halt}" if request.halt and target.child else ""
    latches = request.halt and not target.child
    asked = ControlRequest("halt", request.halt) if latches else ControlRequest("flatten", reason)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Progress(until).waits_for_ever, "the run to close both legs and end")
        patience_s = max(0.0, until - trio.current_time())
        answer = await ask(target.state_name, asked, patience_s, _show_closing)
        nursery.cancel_scope.cancel()
    return answer


def _show_closing(answer: ControlReply) -> None:
    if not answer.ended:
        say(sys.stderr, f"the run (pid {answer.pid}) closes: {answer.open_legs or 'nothing is open'}")


async def ended_with_its_venue(
    target: TargetAccount, request: FlattenRequest, last: ControlReply | None, until: float
) -> CommandOutcome:
    """A simulated venue of a run's own is gone with it, and every position with the venue.

    The run's process lives on for a moment after its last answer: it is waited for, until `until` of Trio's
    time.
    """
    if last is not None and last.ended and last.open_legs:
        cure = "its simulated venue ended with the run: no real money was in it"
        return _not_flat(request, last.open_legs, cure, unknown=last.unknown)
    progress = Progress(until)
    while (runner := target.runner()) is not None and trio.current_time() < until:
        progress.waits(f"pid {runner.pid} to end")
        await trio.sleep(LOCK_S)
    if runner is not None and not (last is not None and last.ended):
        return _not_flat(
            request, f"unknown: the run did not {'end' if last else 'answer'}", f"stop it: kill {runner.pid}"
        )
    lines = [("open", "nothing: its simulated venue ended with its run")]
    if request.halt:  # whatever was latched would be gone with the next run: its exchange is a new one
        lines.append(
            ("halted", "not kept: the next run starts a simulated exchange of its own, which has no halt")
        )
    return CommandOutcome(
        request.command, DONE, lines, facts=_nothing() | {"halted": False if request.halt else None}
    )


def _nothing() -> dict[str, object]:
    return {"open": "", "open_eth": "0", "open_sol": "0"}


async def _locked(target: TargetAccount, until: float) -> RunState:
    """The subaccount's lock, waited for. Raises `AlreadyRunning` when it is not given back in time."""
    progress = Progress(until)
    while True:
        try:
            return opened_state(state_directory(), target.access.identities(target.logs), target.logs)
        except AlreadyRunning as error:
            if trio.current_time() > until:
                raise
            progress.waits(f"pid {error.pid}, which still trades this subaccount")
        await trio.sleep(LOCK_S)


async def _closed(
    target: TargetAccount, request: FlattenRequest, state: RunState, there: AnsweredVenue, until: float
) -> CommandOutcome:
    await state.move_to(target.access.identity_at(there.rules, state.directory), there.rules.venue)
    state.belongs_to(there.rules.venue)
    before = gathered(target.access, target.logs, state.directory)
    holding = trusted(before)
    elsewhere = holding is not None and holding is not before.ledger and not decide(before).flat
    # Another ledger knows what is open, or this one is another account's: what would be done would be written
    # into the wrong one.
    if not request.everything and (elsewhere or before.ledger.state == "other"):
        return _told(request, target, there, state, await said(before, there, until), 0)
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
    return _told(request, target, there, state, word, left.rounds)


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
        return ClosingTask(WHOLE_POSITION, WHOLE_POSITION, everything=True)
    escape, rules = before.escape, there.rules
    if escape is None or not signs_of(before) or journal.fold.busy:
        return task_of(known, journal, None)
    snapshot = await settled(there.venue.reads.account, rules, _by(until))
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


def _told(
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
        return _not_flat(request, answer.words, answer.cure, facts, unknown=unknown)
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


async def known_now(target: TargetAccount, patience_s: float) -> Evidence:
    """What the files and the venue say now, and which venue it is: that is remembered. Asked twice. Never
    raises `VenueError`.
    """
    trouble = "the venue did not answer"
    with trio.move_on_after(patience_s):
        for _ in range(2):
            try:
                async with connected(
                    target.settings, target.access, os.getpid(), observe, TcpDialer()
                ) as there:
                    with suppress(OSError):
                        target.access.identity_at(there.rules, state_directory())
                    files = gathered(target.access, target.logs, state_directory())
                    word = await said(files, there, trio.current_time() + patience_s)
                    if word.snapshot is not None:
                        return msgspec.structs.replace(files, venue=word)
                    trouble = word.trouble
            except VenueError as error:
                trouble = str(error)
            await trio.sleep(LOCK_S)
    return msgspec.structs.replace(
        gathered(target.access, target.logs, state_directory()), venue=VenueEvidence(trouble=trouble)
    )


async def said(
    files: Evidence, there: AnsweredVenue, until: float, *, expected_flat: bool = False
) -> VenueEvidence:
    """What the venue says of what is open, asked for a few seconds at least. `expected_flat`: two readings
    have said so already.
    """
    return await venue_said(
        there.venue.reads.account, there.rules, _by(until), files, expected_flat=expected_flat
    )


def _by(until: float) -> float:
    return max(until, trio.current_time() + WORD_S)


def open_facts(answer: OpenAnswer) -> dict[str, object]:
    """What is open as the object of `--json` has it: amounts as exact decimals, None for unknown."""
    eth, sol = (None if amount is None else amount.text() for amount in (answer.eth, answer.sol))
    return {
        "open": answer.words,
        "open_eth": eth,
        "open_sol": sol,
        "checked_at": checked_at(answer.checked_ms),
    }


def _not_flat(
    request: FlattenRequest,
    what: str,
    cure: str,
    facts: dict[str, object] | None = None,
    *,
    unknown: bool = True,
) -> CommandOutcome:
    problem = Problem("NOT_FLAT", None, f"NOT FLAT: {what}", cure, exposure(unknown=unknown))
    return CommandOutcome(request.command, OPEN, [("open", what)], "error", problem, facts or {"open": what})


def observe(message: msgspec.Struct) -> None:
    """What is said on the way goes to standard error."""
    if isinstance(message, Note) and message.level in {"warning", "error"}:
        say(sys.stderr, f" {message.source}: {message.text}")
