"""A run's start: a venue that answers, the world, the log, what a person adopts, the guard; then the machine.
All of it is torn down in reverse order.
"""

from pathlib import Path

import msgspec

from commands.output.ending import Report, closing_line
from commands.run.adopting import adopt
from commands.run.guard_keeper import guarded
from commands.run.logfile import log_observer
from commands.run.session import Session
from commands.run.trading import traded
from commands.setup.world import world
from messages.lifecycle import Halted

WAY_OUT_S = 90.0
"""From a halt to the end of the process, beside `venue_patience` and what the legs may wait for their
answers: stopping six actors, each with its time twice, the last question, the summary.
"""


async def started(session: Session) -> Report:
    """The report of a run that got as far as having a machine. Raises what `world` does, and `Refusal` for
    what cannot be adopted.
    """
    options, settings, here, recorder = session.options, session.settings, session.access, session.recorder

    def arm(message: msgspec.Struct) -> None:
        # From the moment trading halts, the process has a time by which it is gone.
        if isinstance(message, Halted):
            within_s = (settings.venue_patience + 4 * settings.recv_time) / 1000 + WAY_OUT_S
            cause = f"HALTED {message.code}: {message.detail}"
            session.last_resort.arm(cause, closing_line(settings, options.url), within_s)

    recorder.watchers.append(arm)
    if here.paper is not None:
        session.notes("info", f"{here.money}, no key, no account at the exchange")
    elif here.signer is None or not here.live:
        session.notes("info", f"{here.money}, no key, no network · seed {options.seed}")
    else:
        account = (
            f'owner {here.owner} · subaccount "{settings.venue.subaccount}" · signer {here.signer.address}'
        )
        session.notes("info", f"{here.money} · {account}")
    async with world(options, here, recorder.observe, session.replayed) as known:
        files = settings.files
        log = log_observer(
            Path(files.logs) / "evenkeel.log",
            recorder.clock,
            log_size=files.log_size,
            log_keep=files.log_keep,
        )
        with recorder.logging_to(log):
            if options.adopt:
                await adopt(known)
            async with guarded(known, options) as guard:
                session.view.guard = lambda: guard.words
                report = await traded(session, known, guard)
                guard.needless = guard.needless or not report.open_legs
                return report
