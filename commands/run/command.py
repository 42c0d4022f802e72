"""`python supervisor.py run`, and the demo: trade pairs until done, then flat, and say exactly how it
ended.

    command    begin the session, show it, print the report; the exit code
    starting   the venue, the world, the log, the guard
    trading    the machine, until it ends
    shutdown   what is open after it: closed, read once more, reported
"""

import os
import shutil
import sys
from functools import partial

import trio

from commands.access.signing_key import ask_passphrase
from commands.access.venue import access, on_paper, place
from commands.alerts.outgoing import addressed
from commands.alerts.secrets import secret_of
from commands.config.options import RunOptions
from commands.open_state.verdict import MEANT, asked
from commands.output.ending import Report, code_of
from commands.output.run_json import failure_json, json_line, run_json
from commands.output.streams import FINISH_S
from commands.output.summary import text
from commands.output.words import Problem, fitted_to, say
from commands.run.last_resort import LastResort
from commands.run.session import Session, utc_ms
from commands.run.starting import started
from commands.screen.terminal import fits_a_screen, run_screen
from commands.setup import refusals
from commands.stopping import StoppedAtStart, Stops
from runtime.specs import told

LEAVE_S = 10.0
"""From the report to the end of the process: a task that ignores its cancellation is not waited for any
longer.
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
    here = on_paper(here, options.paper) if options.paper is not None else here
    secret_of("metrics_token", settings.metrics_token, os.environ)
    addressed(settings.alerts, os.environ)  # refused now, and not by a watcher that nobody hears
    with Stops() as stops, LastResort(json=options.json) as last:
        session = Session.begun(options, here, stops, last)
        reader = session.events.attach(sys.stdout.fileno()) if options.events else None
        try:
            report = trio.run(_run, session)
        except (Exception, BaseExceptionGroup) as error:
            if not refusals.known(error):
                raise
            if not session.recorder.trading:
                raise refusals.refusal(error, here) from error
            # Once there was a machine an error is no refusal to start.
            flat = "no Evenkeel positions are open according to the ledger"
            raise Problem("INTERNAL", None, told(error), _read_log(options), flat) from error
        finally:
            # the one object comes after all of them, where anybody reads
            if reader is not None:
                reader.finish(FINISH_S)
        code = code_of(report)
        _print(report, options, code)
        return code


def _read_log(options: RunOptions) -> str:
    return f"read {options.settings.files.logs}/evenkeel.log"


def _print(report: Report, options: RunOptions, code: int) -> None:
    """The summary, and the object. Whatever fails here, `code` stands, and both of them say it."""
    output = sys.stderr if options.json else sys.stdout
    try:
        say(output, fitted_to(output, text(report), shutil.get_terminal_size().columns, indent=11))
        facts = run_json(report)
    except Exception as error:  # noqa: BLE001 - a summary that cannot be made is no reason for another exit code
        open_now = f"NOT FLAT: {report.open_legs}" if report.open_legs else "no Evenkeel positions are open"
        failed = f"the summary failed: {told(error)}"
        problem = Problem("INTERNAL", None, failed, _read_log(options), open_now)
        problem.exit_code = code
        say(sys.stderr, problem.sentence)
        facts = failure_json(problem)
    if options.json:
        say(sys.stdout, json_line(facts))


async def _run(session: Session) -> Report:
    report = None
    async with trio.open_nursery() as nursery:

        def stop_starting(_number: int, count: int) -> None:
            # The first signal ends a start that has nothing to close, at once; else the start goes on, to
            # close it. The second one ends it in any case.
            if count > 1 or not asked().counts:
                nursery.cancel_scope.cancel()

        session.stops.hear(stop_starting)
        if not session.options.quiet:
            nursery.start_soon(session.recorder.show, "the screen", _shown, session)
        report = await started(session)
        nursery.cancel_scope.cancel()
    if report is None:
        raise StoppedAtStart(session.stops.first)
    session.last_resort.hurry(LEAVE_S)
    return report


async def _shown(session: Session) -> None:
    """The screen, on standard error with --json: standard output then belongs to the one object."""
    stream = sys.stderr if session.options.json else sys.stdout
    size = partial(shutil.get_terminal_size)
    live = fits_a_screen(stream, os.environ, size())
    await run_screen(session.view, stream, utc_ms, live=live, size=size)
