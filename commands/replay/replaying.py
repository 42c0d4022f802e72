"""One replay: an exchange, its client and the machine in one Trio run on virtual time; then the run's own
ending and report.

What is a run's stays a run's: the machine, what a halt closes, the last question to the exchange, the report.
What only real time needs is left out: the guard, the control socket, the lock of the user's own subaccount,
the screen.
"""

import gc
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack, closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import trio

from actors.ledger import Store
from actors.tree import World
from commands.access.venue import access
from commands.output.ending import Report
from commands.replay.options import START_NS, ReplayOptions
from commands.replay.progress import ReplayProgress
from commands.replay.world import replay_world
from commands.run.last_resort import LastResort
from commands.run.session import Session
from commands.run.shutdown import reported
from commands.run.trading import leave_once_replayed, watch_faults
from commands.stopping import Stops
from runtime.clock import RunClock
from runtime.files import private_folder
from runtime.timetable import Timetable
from runtime.virtual_clock import VirtualClock, ordered
from supervisor import Machine
from venue.simulated.engine.exchange import Exchange
from venue.simulated.venue import SimulatedVenue

REMEMBERED_S = 3_600.0
"""How long the exchange remembers orders that have ended: what is in doubt is asked about within minutes."""
ALONE = threading.Lock()
"""One replay at a time in a process: the order of Trio's tasks is the process's."""
GARBAGE = 20_000, 20, 20
"""How rarely Python looks for garbage in circles (else 700, 10, 10): a replay makes many short-lived
objects, few of them in circles, and nobody waits for its single steps.
"""


class Replayed(msgspec.Struct, frozen=True):
    """What came of a replay. `report` is the run's; times are the replayed market's."""

    report: Report
    began_ns: int
    last_row: str
    """Number and hash of the ledger's last row, which name every byte before."""


def replay(
    options: ReplayOptions, progress: ReplayProgress, look: Callable[[Path], None] = lambda _ledger: None
) -> Replayed:
    """Replay to the end. `look` is called with the ledger's path once it is over, while the file is there.
    Raises `UnreadableRecording`, alone or in a group.
    """
    with ALONE, ExitStack() as stack:
        passing = Path(stack.enter_context(TemporaryDirectory(prefix="evenkeel-replay-")))
        if options.logs is not None:
            private_folder(options.logs)
        stack.callback(gc.set_threshold, *gc.get_threshold())
        gc.set_threshold(*GARBAGE)
        timetable = Timetable()
        stack.enter_context(ordered(options.run.seed))
        stops = stack.enter_context(Stops())
        last = stack.enter_context(LastResort(json=options.run.json))
        return trio.run(
            partial(_replay, options, progress, passing, stops, last, timetable, look),
            clock=VirtualClock(timetable),
        )


async def _replay(
    options: ReplayOptions,
    progress: ReplayProgress,
    passing: Path,
    stops: Stops,
    last: LastResort,
    timetable: Timetable,
    look: Callable[[Path], None],
) -> Replayed:
    """`passing`: a folder that is gone afterwards, for what nobody looks at."""
    settings, seed = options.run.settings, options.run.seed
    files = msgspec.structs.replace(settings.files, logs=str(options.logs or passing))
    settings = msgspec.structs.replace(settings, files=files)
    run = msgspec.structs.replace(options.run, settings=settings)
    here = access(settings, None, {}, lambda _prompt: "")
    session = Session.begun(run, here, stops, last, watched=False)
    began_ns: int = getattr(options.market, "began_ns", START_NS)
    local = RunClock(began_ns)
    venue = SimulatedVenue(
        Exchange(options=options.faults.venue),
        progress,
        local,
        options.faults,
        instance=f"replay-{seed}",
        timetable=timetable,
    )
    venue.fund(here.sender, options.deposit)
    async with AsyncExitStack() as stack:
        outside = await stack.enter_async_context(trio.open_nursery())
        stack.callback(outside.cancel_scope.cancel)
        await outside.start(venue.run)
        timetable.every(REMEMBERED_S, partial(venue.forget, REMEMBERED_S))
        known = await replay_world(stack, session, venue, options, passing, local)
        report = await _traded(session, known, venue.market_over if options.ends else trio.Event())
        with closing(Store.reading(known.ledger)) as store:
            last_row = store.last_hash
        look(known.ledger)
        report = msgspec.structs.replace(report, elapsed_ms=round(trio.current_time() * 1000))
        if options.logs is None:  # nothing stays that could be looked at
            report = msgspec.structs.replace(report, ledger=None, files=())
        return Replayed(report, began_ns, last_row)
    raise AssertionError("the nursery was cancelled from outside")


async def _traded(session: Session, known: World, market_over: trio.Event) -> Report:
    """The machine until it ends, and the run's own ending."""
    machine = Machine(known)
    session.recorder.trading = True
    watch_faults(session, machine)
    session.stops.hear(lambda number, _count: machine.stop(number.name, number))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(leave_once_replayed, market_over, machine)
        ending = await machine.run()
        nursery.cancel_scope.cancel()
    session.stops.hear(None)
    return await reported(session, machine, ending)
