"""`python supervisor.py run`, and the demo: trade pairs until done, then flat, and say exactly how it
ended.
"""

import os
import shutil
import sqlite3
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
import trio

from actors.ledger import Fold, LedgerError, folded
from actors.run_ending import RECORDING_ENDED, STOP_PATIENCE_S, Ending, Leave
from actors.tree import World
from commands.access.signing_key import ask_passphrase
from commands.access.venue import Access, access, place
from commands.config.options import RunOptions
from commands.control import RunControl, controlled
from commands.open_state.evidence import VenueWord
from commands.open_state.last_reading import at_the_end, evidence_at_the_end
from commands.open_state.readings import venue_said
from commands.open_state.verdict import MEANT, asked
from commands.output.ending import Report, closing_line, code_of
from commands.output.run_json import failure_json, json_line, run_json
from commands.output.sentences import expected_cost, expected_dust
from commands.output.summary import text
from commands.output.words import COMMAND, Problem, fitted_to, say
from commands.run.adopting import adopt
from commands.run.crashes import Crashes
from commands.run.guard_keeper import Guarded, guarded
from commands.run.last_resort import LastResort
from commands.run.logfile import log_observer
from commands.run.recorder import Recorder
from commands.run.staging import Staging
from commands.screen.terminal import fits_a_screen, run_screen
from commands.screen.view import RunView
from commands.setup import refusals
from commands.setup.escaping import close_ours, write_down_halt
from commands.setup.world import Wanted, world
from commands.stopping import StoppedAtStart, Stops
from messages.amounts import grouped
from messages.lifecycle import TAKEN_OVER, Halted, Held, Note
from messages.market import PairQuote
from runtime.clock import WallClock, stopwatch_ns
from runtime.mailbox import Latest
from runtime.specs import told
from supervisor import Machine
from venue.protocol import VenueError

WATCH_S = 0.1
COUNT_EVERY_S = 3.0
"""How often a stop says how long it may still take."""
FLAT_CHECK_S = 5.0
"""How long the last question to the venue may take."""
IMPATIENT_S = 1.0
"""The same after a second Ctrl-C."""
GUARD_ASK_S = 1.0
"""Between two questions to the venue while a guard closes: it asks on the same machine, and what the venue
lets it ask is shared.
"""
WAY_OUT_S = 90.0
"""From a halt to the end of the process, beside `venue_patience` and what the legs may wait for their
answers: stopping six actors, each with its time twice, the last question, the summary.
"""
LEAVE_S = 10.0
"""From there to the end of the process, once all is said and done: a task that ignores its cancellation is
not waited for any longer.
"""


def main(options: RunOptions) -> int:
    """Run, print the summary and, with --json, the one object; returns the exit code, which is known before
    anything is printed.

    Raises `Problem` for what kept it from running or failed on the way; what is open then decides the code
    (`verdict.py`).
    """
    settings = options.settings
    MEANT.learn(place(settings, options.url), settings)
    here = access(settings, options.url, os.environ, ask_passphrase)
    recorder = Recorder()
    with Stops() as stops, LastResort(json=options.json) as last:
        try:
            report = trio.run(_run, options, here, recorder, last, stops)
        except (Exception, BaseExceptionGroup) as error:
            if not refusals.known(error):
                raise
            raise _failure(error, here, options, recorder) from error
        code = code_of(report)
        _tell(report, options, code)
        return code


def _failure(error: BaseException, here: Access, options: RunOptions, recorder: Recorder) -> Problem:
    """A refusal to start; once there was a machine an error is none."""
    if recorder.trading:
        cure = f"read {options.settings.files.logs}/evenkeel.log"
        return Problem(
            "INTERNAL", None, told(error), cure, "no Evenkeel positions are open according to the ledger"
        )
    return refusals.refusal(error, here)


def _tell(report: Report, options: RunOptions, code: int) -> None:
    """The summary, and the object. Whatever fails here, `code` stands, and both of them say it."""
    output = sys.stderr if options.json else sys.stdout
    try:
        say(output, fitted_to(output, text(report), shutil.get_terminal_size().columns, indent=11))
        told_json = run_json(report)
    except Exception as error:  # noqa: BLE001 - a summary that cannot be made is no reason for another exit code
        open_now = f"NOT FLAT: {report.open_legs}" if report.open_legs else "no Evenkeel positions are open"
        problem = Problem(
            "INTERNAL",
            None,
            f"the summary failed: {told(error)}",
            f"read {options.settings.files.logs}/evenkeel.log",
            open_now,
        )
        problem.exit_code = code
        say(sys.stderr, problem.sentence)
        told_json = failure_json(problem)
    if options.json:
        say(sys.stdout, json_line(told_json))


async def _run(
    options: RunOptions, here: Access, recorder: Recorder, last: LastResort, stops: Stops
) -> Report:
    began_ns = stopwatch_ns()
    settings = options.settings
    clock = WallClock()
    view = RunView(
        settings, options.seed, lambda: clock.utc_ns() // 1_000_000, whose=here.money, demo=options.demo
    )
    recorder.watchers.append(view.observe)
    report = None
    async with trio.open_nursery() as nursery:
        stops.hear(partial(_stop_starting, nursery.cancel_scope))
        if not options.quiet:
            nursery.start_soon(recorder.show, "the screen", _shown, options, view)
        report = await _in_world(options, here, recorder, view, last, stops, began_ns)
        nursery.cancel_scope.cancel()
    if report is None:
        raise StoppedAtStart(stops.first)
    last.hurry(LEAVE_S)
    return report


def _stop_starting(scope: trio.CancelScope, _number: int, count: int) -> None:
    """Before there is a machine: the first signal ends a start that has nothing to close, at once; else the
    start goes on, to close it. The second one ends it in any case.
    """
    if count > 1 or not asked().counts:
        scope.cancel()


async def _shown(options: RunOptions, view: RunView) -> None:
    """The screen, on standard error with --json: standard output then belongs to the one object."""
    stream = sys.stderr if options.json else sys.stdout
    live = fits_a_screen(stream, os.environ, shutil.get_terminal_size())
    now_ms, colour = (lambda: WallClock().utc_ns() // 1_000_000), "NO_COLOR" not in os.environ
    await run_screen(view, stream, now_ms, live=live, colour=colour, size=shutil.get_terminal_size)


async def _in_world(
    options: RunOptions,
    here: Access,
    recorder: Recorder,
    view: RunView,
    last: LastResort,
    stops: Stops,
    began_ns: int,
) -> Report:
    settings = options.settings
    recorder.watchers.append(partial(_arm, last, options))
    over = trio.Event()
    wanted = Wanted(
        here, options.seed, options.market, options.faults, options.accept_loss, options.adopt, over
    )
    recorder.observe(Note(WallClock().utc_ns(), "info", "run", _whose_money(options, here)))
    async with world(settings, wanted, recorder.observe) as known:
        log = Path(settings.files.logs) / "evenkeel.log"
        written = log_observer(
            log, known.clock, log_size=settings.files.log_size, log_keep=settings.files.log_keep
        )
        with recorder.logging_to(written):
            if options.adopt:
                await adopt(known)
            async with guarded(known, options) as guard:
                view.guard = lambda: guard.words
                report = await _by_machine(options, known, recorder, view, last, stops, guard, over, began_ns)
                guard.needless = guard.needless or not report.open_legs
                return report


async def _by_machine(
    options: RunOptions,
    known: World,
    recorder: Recorder,
    view: RunView,
    last: LastResort,
    stops: Stops,
    guard: Guarded,
    over: trio.Event,
    began_ns: int,
) -> Report:
    machine = Machine(known)
    recorder.trading = True
    machine.beat = guard.beat
    machine.missing_guard = guard.missing
    if options.faults == "demo":
        recorder.watchers.append(
            Staging(machine.tree.supervisor.kill, known.clock.now_ms, recorder.observe).watch
        )
    elif options.faults == "crashes":
        recorder.watchers.append(Crashes(machine.tree.supervisor.kill, recorder.observe).watch)
    control = RunControl(
        *(machine.channels.inbox.post, lambda: machine.channels.held.value, known.settings),
        lambda: view.doing(known.clock.utc_ns() // 1_000_000),
    )
    async with controlled(
        control,
        known.state.name,
        lambda text: recorder.observe(Note(known.clock.utc_ns(), "info", "run", text)),
    ):
        ending = await _traded(machine, recorder, view, stops, over)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(guard.beat_for_ever)
            report = await _ended(options, known, machine, ending, recorder, view, last, stops, began_ns)
            nursery.cancel_scope.cancel()
        control.finished(report.open_legs)
    return report


async def _ended(
    options: RunOptions,
    known: World,
    machine: Machine,
    ending: Ending,
    recorder: Recorder,
    view: RunView,
    last: LastResort,
    stops: Stops,
    began_ns: int,
) -> Report:
    """After the machine: when trading is dead and something is open, close it without it; then the last
    reading of the account.
    """
    if ending.by == "halt":
        patience_s = known.settings.venue_patience / 1000 + FLAT_CHECK_S
        await last.attempt("ESCAPE", patience_s, partial(_after_halt, machine, ending, stops))
    if machine.channels.held.value is not None:
        view.observe(machine.channels.held.value)
    fold = _fold(known, machine.channels.held.value)
    held = fold.held(known.state.epoch) if fold else machine.channels.held.value
    report = _report(
        options, known, ending, recorder, view, fold, held, await _last_word(known, held, stops), began_ns
    )
    for name, line in known.venue.seen():
        recorder.observe(Note(known.clock.utc_ns(), "debug", name, line))
    last.open_legs = report.open_legs
    return report


def _whose_money(options: RunOptions, here: Access) -> str:
    """The first line: play money or real money, and whose."""
    if here.signer is None or not here.live:
        return f"{here.money}, no key, no network · seed {options.seed}"
    return (
        f'{here.money} · owner {here.owner} · subaccount "{options.settings.venue.subaccount}" · signer'
        f" {here.signer.address}"
    )


def _arm(last: LastResort, options: RunOptions, message: msgspec.Struct) -> None:
    """From the moment trading halts, the process has a time by which it is gone."""
    if isinstance(message, Halted):
        cause = f"HALTED {message.code}: {message.detail}"
        settings = options.settings
        last.arm(
            cause,
            closing_line(settings, options.url),
            (settings.venue_patience + 4 * settings.recv_time) / 1000 + WAY_OUT_S,
        )


async def _traded(
    machine: Machine, recorder: Recorder, view: RunView, stops: Stops, over: trio.Event
) -> Ending:
    """Run the machine and let it hear of signals."""
    stops.hear(lambda number, _count: machine.stop(number.name, number))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.show, "the holdings on screen", _watch, machine.channels.held, view)
        nursery.start_soon(recorder.show, "the books on screen", _watch, machine.channels.quotes, view)
        nursery.start_soon(recorder.show, "the cost expected", _announce, machine)
        nursery.start_soon(recorder.show, "the countdown", _counted_down, view)
        nursery.start_soon(_until_over, over, machine)
        ending = await machine.run()
        nursery.cancel_scope.cancel()
    stops.hear(None)
    return ending


async def _until_over(over: trio.Event, machine: Machine) -> None:
    """Prices that stand still for ever are no market: the pair is closed at the last ones, and the run is
    done.
    """
    await over.wait()
    machine.channels.inbox.post(
        Leave(RECORDING_ENDED, "the recording has been replayed to its end", latch=False)
    )


async def _counted_down(view: RunView) -> None:
    """How long a stop may still take, for who has no screen to see it on."""
    while True:
        await trio.sleep(COUNT_EVERY_S)
        left_s = view.stopping_s(WallClock().utc_ns() // 1_000_000)
        if left_s is not None:
            view.say(f"closing both legs, {left_s} s left; a second Ctrl-C stops waiting")


async def _watch(slot: Latest[Held] | Latest[PairQuote], view: RunView) -> None:
    """Keep the view current, a few times a second: what a person can see."""
    seen = 0
    while True:
        value = await slot.newer_than(seen)
        seen = slot.version
        view.observe(value)
        await trio.sleep(WATCH_S)


async def _announce(machine: Machine) -> None:
    """What a cycle will cost, as soon as there are prices: before anything is traded."""
    known = machine.world
    quote = await machine.channels.quotes.newer_than(0)
    held = await _reconciled(machine.channels.held)
    if held.value is not None:
        known.observe(Note(known.clock.utc_ns(), "info", "run", f"account {grouped(held.value)} USDT0"))
    rules = machine.channels.rules.value or known.rules
    if problem := rules.incomplete():
        known.observe(
            Note(known.clock.utc_ns(), "warning", "run", f"nothing can be entered, only closed: {problem}")
        )
        return
    known.observe(
        Note(known.clock.utc_ns(), "info", "run", expected_cost(known.settings, rules.terms(), quote))
    )
    known.observe(Note(known.clock.utc_ns(), "info", "run", expected_dust(rules.terms())))


async def _reconciled(slot: Latest[Held]) -> Held:
    """The first word of the ledger after it was compared with the venue's."""
    seen = 0
    while True:
        held = await slot.newer_than(seen)
        if held.account_ok:
            return held
        seen = slot.version


async def _after_halt(machine: Machine, ending: Ending, stops: Stops) -> None:
    """The tree is gone, and both legs with it: write the halt down, and close what is open.

    A signal gives ESCAPE as long as any stop has, a second one ends it: what is open is then told.
    """
    if ending.code == TAKEN_OVER:
        await _while_guard_closes(machine.world, stops)
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


async def _while_guard_closes(known: World, stops: Stops) -> None:
    """Another process closes what is open: say how that ends, and touch nothing."""
    with trio.move_on_after(STOP_PATIENCE_S) as scope:
        stops.hear(lambda _number, count: scope.cancel() if count > 1 else None)
        while known.state.guard_closes:  # noqa: ASYNC110 - another process holds that lock
            await trio.sleep(WATCH_S)
        while True:
            with suppress(VenueError):
                snapshot = await known.venue.reads.account()
                if not any(
                    snapshot.position(product.product_id).total
                    for product in (known.rules.eth, known.rules.sol)
                ):
                    break
            await trio.sleep(GUARD_ASK_S)
    stops.hear(None)


def _ends_by(scope: trio.CancelScope, at_s: float) -> None:
    scope.deadline = min(scope.deadline, at_s)


def _report(
    options: RunOptions,
    known: World,
    ending: Ending,
    recorder: Recorder,
    view: RunView,
    fold: Fold | None,
    held: Held | None,
    said: VenueWord,
    began_ns: int,
) -> Report:
    answer, snapshot = at_the_end(known, held, said), said.snapshot
    logs = Path(options.settings.files.logs)
    files = ("ledger.sqlite", "DN_pair_eth_sol_nado_trades.csv")
    return Report(
        settings=options.settings,
        seed=options.seed,
        ended_by=ending.by,
        elapsed_ms=(stopwatch_ns() - began_ns) // 1_000_000,
        totals=fold.totals() if fold else None,
        held=held,
        open_legs=answer.words,
        checked_ms=snapshot.at_ms if snapshot else None,
        code=ending.code,
        detail=ending.detail,
        signal=ending.signal,
        venue=options.settings.venue.name,
        url=options.url,
        ledger=str(known.ledger),
        files=tuple(str(logs / name) for name in files if (logs / name).exists()),
        staged=tuple(recorder.staged),
        skips=tuple(recorder.skips),
        orders_twice=view.orders_twice,
        next=f'{COMMAND} run --target "100 USD"   # why 100 is hard' if options.demo else "",
    )


async def _last_word(known: World, held: Held | None, stops: Stops) -> VenueWord:
    """What the venue says is open, asked once more at the very end. Who has stopped waiting waits for it only
    a second.

    Where our own fills do not say flat, two readings must: the stored escape and the guard are given up by
    this word.
    """
    said = VenueWord(rules=known.rules, trouble="the venue did not answer")
    with trio.move_on_after(FLAT_CHECK_S + 1) as scope:
        stops.hear(
            lambda _number, count: _ends_by(scope, trio.current_time() + IMPATIENT_S) if count > 1 else None
        )
        said = await venue_said(
            known.venue.reads.account,
            known.rules,
            trio.current_time() + FLAT_CHECK_S,
            evidence_at_the_end(known, held, VenueWord()),
        )
    stops.hear(None)
    return said


def _fold(known: World, held: Held | None) -> Fold | None:
    """The ledger, folded once more from what is on disk; None when that cannot be read, or is not the one
    that this run has written.
    """
    try:
        fold = folded(known.ledger)
    except (sqlite3.Error, LedgerError):
        return None
    return fold if held is None or fold.rows >= held.rows else None
