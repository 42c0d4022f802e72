"""`replay`: the machine over a recorded market, as fast as this computer can; what it comes to is the run's
own summary.

Standard output has nothing in it that a second replay of the same would not print byte for byte; how long it
took goes to standard error.
"""

import shutil
import sys

from commands.access.staged import unreadable
from commands.output.ending import code_of
from commands.output.json_keys import schema_of
from commands.output.run_json import json_line, run_json
from commands.output.summary import text
from commands.output.words import fitted_to, iso_micros, say, span
from commands.replay.options import ReplayOptions, bad_replayed
from commands.replay.progress import ReplayProgress, rate, shown_on
from commands.replay.replaying import Replayed, replay
from venue.simulated.markets.recording import UnreadableRecording


def main(options: ReplayOptions) -> int:
    """Replay, print the summary and, with --json, the one object; the exit code is the run's. Raises
    `ConfigError` for a recording that cannot be read.
    """
    progress = ReplayProgress(options.market, shown_on(quiet=options.run.quiet))
    try:
        replayed = replay(options, progress)
    except (UnreadableRecording, BaseExceptionGroup) as error:
        if (found := unreadable(error)) is None:
            raise
        raise bad_replayed(options.market, found) from error
    finally:
        progress.clear()
    _print(options, replayed, progress)
    return code_of(replayed.report)


def _print(options: ReplayOptions, replayed: Replayed, progress: ReplayProgress) -> None:
    report, elapsed_ns = replayed.report, progress.elapsed_ns
    output = sys.stderr if options.run.json else sys.stdout
    say(output, fitted_to(output, text(report), shutil.get_terminal_size().columns, indent=11))
    speed = f"{rate(progress.ticks, elapsed_ns)} ticks/s"
    say(
        sys.stderr,
        f" {'replayed':<9} {progress.ticks:,} ticks of {span(progress.replayed_ns // 10**6)} in"
        f" {span(elapsed_ns // 10**6)} ({speed})",
    )
    if options.run.json:
        facts = run_json(report) | {
            "schema": schema_of("replay"),
            "market": options.run.market,
            "began_at": iso_micros(replayed.began_ns),
            "ticks": progress.ticks,
            "last_row": replayed.last_row,
            "sweep": None,
        }
        say(sys.stdout, json_line(facts))
