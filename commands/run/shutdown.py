"""A run's end, once its machine is gone: close what is open, ask the exchange once more, and report.

Nothing that trades runs any more, so nothing here is waited for without a limit: `LastResort` ends the
process if it does not.
"""

import sqlite3
from contextlib import suppress
from functools import partial
from pathlib import Path

import trio

from actors.ledger import Fold, LedgerError, folded
from actors.run_ending import STOP_PATIENCE_S, Ending
from actors.tree import World
from commands.open_state.evidence import VenueEvidence
from commands.open_state.last_reading import at_the_end, evidence_at_the_end
from commands.open_state.readings import venue_said
from commands.output.ending import Report
from commands.output.words import COMMAND
from commands.run.session import Session
from commands.setup.escaping import close_ours, write_down_halt
from commands.stopping import Stops
from messages.lifecycle import TAKEN_OVER, Halted, Held
from runtime.observe import Notes
from runtime.retry import until
from supervisor import Machine
from venue.order_consistency import APART_MS
from venue.protocol import VenueError

FLAT_CHECK_S = 5.0
"""How long the last question to the venue may take."""
IMPATIENT_S = APART_MS / 1000 + 1
"""The same after a second Ctrl-C: as long as two readings take, for without them what has just been closed
would be reported as unknown.
"""
LOOK_S = 0.1
"""Between two looks at the lock that a closing guard holds."""
GUARD_ASK_S = 1.0
"""Between two questions to the venue while a guard closes: it asks on the same machine, and what the venue
lets it ask is shared.
"""


async def reported(session: Session, machine: Machine, ending: Ending) -> Report:
    """When trading is dead and something is open, close it without the machine; then the last reading of the
    account, and the report.
    """
    known, last = machine.world, session.last_resort
    if ending.by == "halt":
        patience_s = known.settings.venue_patience / 1000 + FLAT_CHECK_S
        await last.attempt("ESCAPE", patience_s, partial(after_halt, machine, ending, session.stops))
    heard = machine.channels.held.value
    if heard is not None:
        session.view.observe(heard)
    fold = None
    with suppress(sqlite3.Error, LedgerError):
        again = folded(known.ledger)
        # fewer rows than this run has written: it is another ledger
        fold = again if heard is None or again.rows >= heard.rows else None
    held = fold.held(known.state.epoch) if fold else heard
    said = await _asked_once_more(known, held, session.stops)
    report = _report(session, known, ending, held, fold, said)
    for name, line in known.venue.seen():
        Notes(known.observe, known.clock, name)("debug", line)
    last.open_legs = report.open_legs
    return report


async def after_halt(machine: Machine, ending: Ending, stops: Stops) -> None:
    """The tree is gone, and both legs with it: write the halt down, and close what is open.

    A signal gives ESCAPE as long as any stop has, a second one ends it: what is open is then reported.
    """
    if ending.code == TAKEN_OVER:
        await while_guard_closes(machine.world, stops)
        return
    halted = Halted(ending.code, ending.detail)
    if not ending.open_legs:
        write_down_halt(machine.world, halted)
        return
    with trio.CancelScope() as scope:
        stops.hear(
            lambda _number, count: (
                scope.cancel() if count > 1 else _ends_by(scope, trio.current_time() + STOP_PATIENCE_S)
            )
        )
        await close_ours(machine.world, machine.channels.held.value, halted)
    stops.hear(None)


async def while_guard_closes(known: World, stops: Stops) -> None:
    """Another process closes what is open: wait until it has, and touch nothing."""
    with trio.move_on_after(STOP_PATIENCE_S) as scope:
        stops.hear(lambda _number, count: scope.cancel() if count > 1 else None)
        await until(lambda: not known.state.guard_closes, LOOK_S)
        while True:
            with suppress(VenueError):
                snapshot = await known.venue.reads.account()
                if not any(
                    snapshot.position(each.product_id).total for each in (known.rules.eth, known.rules.sol)
                ):
                    break
            await trio.sleep(GUARD_ASK_S)
    stops.hear(None)


def _ends_by(scope: trio.CancelScope, at_s: float) -> None:
    scope.deadline = min(scope.deadline, at_s)


async def _asked_once_more(known: World, held: Held | None, stops: Stops) -> VenueEvidence:
    """What the venue says is open, asked at the very end; of who has stopped waiting for `IMPATIENT_S`.

    Where our own fills do not say flat, two readings must: the stored escape and the guard are given up by
    this reading.
    """
    waits = trio.CancelScope()
    stops.hear(
        lambda _number, count: _ends_by(waits, trio.current_time() + IMPATIENT_S) if count > 1 else None
    )
    said = await venue_said(
        known.venue.reads.account,
        known.rules,
        trio.current_time() + FLAT_CHECK_S,
        evidence_at_the_end(known, held, VenueEvidence()),
        apart_ms=APART_MS,
        waits=waits,
    )
    stops.hear(None)
    return said


def _report(
    session: Session, known: World, ending: Ending, held: Held | None, fold: Fold | None, said: VenueEvidence
) -> Report:
    options, recorder, answer = session.options, session.recorder, at_the_end(known, held, said)
    logs = Path(options.settings.files.logs)
    files = ("ledger.sqlite", "DN_pair_eth_sol_nado_trades.csv")
    return Report(
        settings=options.settings,
        seed=options.seed,
        ended_by=ending.by,
        elapsed_ms=session.elapsed_ms,
        totals=fold.totals() if fold else None,
        held=held,
        open_legs=answer.words,
        unknown=answer.kind == "unknown",
        open_eth=answer.eth,
        open_sol=answer.sol,
        checked_ms=said.snapshot.at_ms if said.snapshot else None,
        code=ending.code,
        detail=ending.detail,
        signal=ending.signal,
        venue=f"PAPER-{options.paper.name}" if options.paper else options.settings.venue.name,
        url=options.url,
        ledger=str(known.ledger),
        files=tuple(str(logs / name) for name in files if (logs / name).exists()),
        staged=tuple(recorder.staged),
        skips=tuple(recorder.skips),
        orders_twice=session.view.orders_twice,
        next=f'{COMMAND} run --target "100 USD"   # why 100 is hard' if options.demo else "",
    )
