"""A run's trading: the machine, with those who watch it, from its first message to its ending."""

from functools import partial

import trio

from actors.run_ending import RECORDING_ENDED, Ending, Leave
from actors.tree import World
from commands.control import RunControl, controlled
from commands.output.ending import Report
from commands.output.funding_words import FundingFigures, funding_figures
from commands.run.crashes import Crashes
from commands.run.guard_keeper import Guarded
from commands.run.reporting import report_books, report_countdown, report_expected_cost, report_holdings
from commands.run.session import Session, utc_ms
from commands.run.shutdown import reported
from commands.run.staging import Staging
from commands.run.watcher_keeper import monitored
from commands.screen.drawing import draw
from commands.screen.view import RunView
from runtime import garbage
from supervisor import Machine


async def traded(session: Session, known: World, guard: Guarded) -> Report:
    """Trade until the machine ends, close what it leaves open, and report. Commands of this machine reach the
    run while it trades, and hear how it has ended.
    """
    machine = Machine(known)
    machine.beat, machine.missing_guard = guard.beat, guard.missing
    session.recorder.trading = True
    watch_faults(session, machine)
    control = RunControl(
        machine.channels.inbox.post,
        lambda: machine.channels.held.value,
        known.settings,
        lambda: session.view.doing(known.clock.utc_ns() // 1_000_000),
        session.events,
        lambda: session.view.page,
    )
    control.funding = lambda: _funding(session.view, known.clock.now_ms())
    control.screen = lambda columns, rows: draw(session.view, utc_ms(), columns, rows, attached=True)
    async with (
        controlled(control, known.state.name, partial(session.notes, "info")),
        monitored(session, machine, guarded=guard.heartbeat is not None),
    ):
        ending = await _until_ended(session, machine)
        async with trio.open_nursery() as nursery:
            # The emergency close has bounds of its own: the guard must not take over meanwhile.
            nursery.start_soon(guard.beat_for_ever)
            report = await reported(session, machine, ending)
            nursery.cancel_scope.cancel()
        session.recorder.observe(report)
        control.finished(report.open_legs, unknown=report.unknown)
    return report


def _funding(view: RunView, now_ms: int) -> FundingFigures | None:
    known = view.funding(now_ms)
    return funding_figures(known) if known else None


async def _until_ended(session: Session, machine: Machine) -> Ending:
    """Run the machine and let it hear of signals."""
    show, view = session.recorder.show, session.view
    session.stops.hear(lambda number, _count: machine.stop(number.name, number))
    idle = lambda: machine.barrier.phase == "idle"  # noqa: E731
    with garbage.set_aside():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(garbage.collect_between, machine.channels.held, idle)
            nursery.start_soon(session.recorder.report_later)
            nursery.start_soon(
                show, "the holdings on screen", report_holdings, machine.channels.held, session
            )
            nursery.start_soon(show, "the books on screen", report_books, machine.channels.quotes, session)
            nursery.start_soon(show, "the cost expected", report_expected_cost, machine, session.notes)
            nursery.start_soon(show, "the countdown", report_countdown, view)
            nursery.start_soon(leave_once_replayed, session.replayed, machine)
            ending = await machine.run()
            nursery.cancel_scope.cancel()
    session.stops.hear(None)
    return ending


def watch_faults(session: Session, machine: Machine) -> None:
    """What `--faults demo` and `--faults crashes` do to the machine itself, and tell of it."""
    recorder, kill = session.recorder, machine.tree.supervisor.kill
    if session.options.faults == "demo":
        staging = Staging(kill, machine.world.clock.now_ms, recorder.observe)
        recorder.watchers.append(staging.watch)
    elif session.options.faults == "crashes":
        recorder.watchers.append(Crashes(kill, recorder.observe).watch)


async def leave_once_replayed(replayed: trio.Event, machine: Machine) -> None:
    """Prices that stand still for ever are no market: the pair is closed at the last ones, and the run is
    done.
    """
    await replayed.wait()
    machine.channels.inbox.post(
        Leave(RECORDING_ENDED, "the recording has been replayed to its end", latch=False)
    )
