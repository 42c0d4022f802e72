"""The command line: what was typed becomes one command with decided options, or one sentence that says what
to type instead.

    python supervisor.py                 the demo = run --market synthetic --faults demo
    python supervisor.py run ...         commands/run/command.py
    python supervisor.py simulate ...    commands/simulate.py
    python supervisor.py replay ...      commands/replay/command.py
    python supervisor.py record ...      commands/record/command.py
    python supervisor.py plan ...        commands/plan/command.py
    python supervisor.py doctor ...      commands/doctor/command.py
    python supervisor.py drill ...       commands/drills/command.py

With --json the last line of standard output is one JSON object on every exit code, and everything else goes
to standard error. Commands are imported when they are typed: `--help` and a mistyped option need no venue, no
screen and no web server.
"""

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from commands.config import effective as config
from commands.config.keys import DEMO_DEFAULTS, PAPER_DEFAULTS
from commands.config.options import (
    RunOptions,
    faults_of,
    market_of,
    not_past,
    not_staged,
    on_paper,
    seed_of,
    url_of,
    usd_of,
)
from commands.open_state import verdict
from commands.output.run_json import failure_json, json_line
from commands.output.words import COMMAND, DONE, INSTALL, ConfigError, Problem, did_you_mean, say
from commands.parser import COMMANDS, SHORTHANDS, parser_tree
from commands.signals import SO_FAR
from commands.stopping import Stopped
from runtime.clock import WallClock

LEADS_TO = {
    "stop": "flatten",
    "close": "flatten",
    "exit": "flatten",
    "start": "run",
    "trade": "run",
    "check": "doctor",
    "cost": "plan",
    "resume": "clear-halt",
    "pause": "halt",
}
"""Words that people try, and the command that does what they mean."""
JSON_FLAGS = frozenset({"--json", "--events"})
"""Flags after which the last line of standard output is the one object, on every exit code."""


def main(argv: Sequence[str]) -> int:
    """Run one command line; returns the exit code, whatever happens: nothing passes through.

    A `Problem` from anywhere below becomes its sentence on standard error, its exit code, and with --json its
    object. Any other exception is a defect: its traceback is shown. Both look at what is open before they say
    which code it is (`verdict.py`): it is known before a word is said.
    """
    verdict.MEANT.forget()
    command = argv[0] if argv and argv[0] in COMMANDS else "run"
    try:
        return _dispatch(list(argv), command)
    except Problem as known:
        problem = known
    # while a person was asked something; else signals are heard by who can act on them (`stopping.py`)
    except KeyboardInterrupt:
        problem = Stopped(SO_FAR.first)
    except BaseException as error:  # noqa: BLE001 - a library's SystemExit, too, must not decide the exit code of a process with a pair open
        say(sys.stderr, "".join(traceback.format_exception(error)).rstrip())
        problem = Problem(
            "INTERNAL",
            None,
            f"Evenkeel failed, the lines above say where ({type(error).__name__})",
            "please report it with them",
            "no Evenkeel positions are open according to the files on this machine",
        )
    # What is open is known before a word is said, and what cannot be said changes nothing.
    problem, found = verdict.of(_as_typed(problem, argv), argv, command)
    say(sys.stderr, problem.sentence)
    if not JSON_FLAGS.isdisjoint(argv):
        facts = failure_json(problem, command)
        if found is not None and "open_eth" in facts:
            facts |= {"open_eth": found.eth, "open_sol": found.sol}
        say(sys.stdout, json_line(facts))
    return problem.exit_code


def _as_typed(problem: Problem, argv: Sequence[str]) -> Problem:
    """A value that was typed at a flag is corrected there, and any value where there is no file: nobody can
    type a line of a file.
    """
    if not isinstance(problem, config.WrongValue):
        return problem
    words = [word.partition("=")[0] for word in argv]
    by = next((word for word in words if word in SHORTHANDS and SHORTHANDS[word][0] == problem.key), None)
    at_set = any(word.removeprefix("--set=").startswith(f"{problem.key}=") for word in argv)
    return problem.at_flag(by) if by or at_set or "--config" not in words else problem


def _dispatch(argv: list[str], command: str) -> int:
    """Understand one command line and do what it says. Raises `Problem`."""
    name, rest = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else ("", argv)
    if name in {"help", "demo"}:  # `help run` is `run --help`; `demo` only says what typing nothing does
        return main([*rest, "--help"] if name == "help" else rest)
    parsers = parser_tree()
    if name and name not in parsers.commands:
        meant = LEADS_TO.get(name.lower())
        # what trades or closes is only described: nobody means it by a slip
        cure = f"{COMMAND} {meant}: {COMMANDS[meant].summary}" if meant else ""
        raise ConfigError(
            "UNKNOWN_COMMAND",
            None,
            f"{name}: unknown command",
            cure or did_you_mean(name, list(COMMANDS), f"{COMMAND} --help lists the commands"),
        )
    parser = parsers.commands.get(name, parsers)
    # before anything is parsed: whoever asks for help may have typed the rest wrong
    if "--help" in rest or "-h" in rest:
        return _answered(parser.format_help().splitlines(), command, as_json=not JSON_FLAGS.isdisjoint(rest))
    if "--version" in rest and name in {"", "run"}:
        return _answered([f"evenkeel {_version()}"], command, as_json=not JSON_FLAGS.isdisjoint(rest))
    typed = parsers.commands[command].parse_args(rest)
    typed.demo = not name
    return _carried_out(typed)


def _answered(lines: Sequence[str], command: str, *, as_json: bool) -> int:
    """What the program says about itself; with --json that is for a person, on standard error."""
    say(sys.stderr if as_json else sys.stdout, lines)
    if as_json:
        say(sys.stdout, json_line(failure_json(None, command)))
    return DONE


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("evenkeel")
    except PackageNotFoundError:
        return f"unknown (not installed: {INSTALL})"


def _carried_out(typed: argparse.Namespace) -> int:
    """Import what carries this command out, and let it; the exit code. Raises `Problem`."""
    if typed.command == "record":
        from commands.record import command as record

        return record.main(record.options_of(typed, loaded_by(typed).settings))
    if typed.command == "replay":
        return _replay(typed)
    if typed.command == "drill":
        return _drill(typed)
    if typed.command in {"run", "plan", "doctor", "guard"}:
        own = DEMO_DEFAULTS if typed.demo else PAPER_DEFAULTS if getattr(typed, "paper", False) else {}
        return _configured(typed, loaded_by(typed, own))
    settings = (loaded_by(typed).settings,) if typed.command in {"alert", "watcher"} else ()
    code: int = import_module(COMMANDS[typed.command].module).main(typed, *settings)
    return code


def loaded_by(typed: argparse.Namespace, defaults: Mapping[str, str] = MappingProxyType({})) -> config.Loaded:
    """The effective configuration of a command line. Raises `ConfigError`.

    `defaults` are the command's own: they come after everything that was written, and before the release's.
    """
    return config.load(
        Path(typed.config) if typed.config is not None else None, os.environ, typed.overrides, defaults
    )


def _config_shown(typed: argparse.Namespace, loaded: config.Loaded) -> bool:
    """Answer `--print-config` and `--init-config`; False when neither was typed. Raises `ConfigError`."""
    if typed.init_config is not None:
        config.write_file(loaded, Path(typed.init_config))
        how = "every key with its default as a comment, what was given as a value"
        lines = [f"{typed.init_config} written: {how}"]
    elif typed.print_config:
        lines = config.printed(loaded)
    else:
        return False
    _answered(lines, typed.command, as_json=typed.json)
    return True


def _configured(typed: argparse.Namespace, loaded: config.Loaded) -> int:
    """`run`, `plan`, `doctor` or `guard`, which all act by this configuration; the exit code."""
    if typed.command == "run":
        return _run(typed, loaded)
    if _config_shown(typed, loaded):
        return DONE
    if typed.command == "plan":
        from commands.plan.command import main as plan

        return plan(typed, loaded)
    where = url_of(typed.url)
    if typed.command == "doctor":
        from commands.doctor.command import main as doctor

        file = Path(typed.config) if typed.config is not None else None
        return doctor(loaded, where, file, as_json=typed.json)
    if where is None and loaded.settings.venue.name == "simulated":
        message = "which venue? a guard watches runs at one that outlives them, and none is configured"
        raise ConfigError(
            "WHICH_VENUE",
            "venue.name",
            message,
            "add --venue or --url, or set venue.name in the --config FILE",
        )
    from commands.guard.command import GuardOptions
    from commands.guard.command import main as guard

    if SO_FAR.first != signal.SIGTERM:
        # who ends a guard means it, and it has nothing to say then
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return guard(GuardOptions(loaded.settings, where, typed.run))


def _run(typed: argparse.Namespace, loaded: config.Loaded) -> int:
    typed.json = typed.json or typed.events
    options = RunOptions(
        loaded.settings,
        loaded.origins,
        seed_of(typed.seed),
        market_of(typed.market),
        faults_of(typed.faults or ("demo" if typed.demo else "none")),
        url_of(typed.url),
        typed.json,
        typed.quiet,
        typed.demo,
        usd_of("--accept-loss", typed.accept_loss) if typed.accept_loss is not None else None,
        typed.adopt,
        events=typed.events,
    )
    if _config_shown(typed, loaded):
        return DONE
    if typed.paper:
        options = on_paper(options, typed.deposit)
    elif typed.deposit is not None:
        raise ConfigError(
            "BAD_OPTION",
            "--deposit",
            "--deposit: only a paper account is given one",
            "add --paper, or leave it out",
        )
    venue = options.settings.venue.name
    not_staged(venue, options.faults, demo=typed.demo)
    if venue != "simulated":
        config.must_be_written(loaded, config.LIVE_RUN, f"{venue} requires explicit settings")
    not_past(options.settings, WallClock().utc_ns() // 1_000_000)
    from commands.run.command import main as run

    return run(options)


def _replay(typed: argparse.Namespace) -> int:
    from commands.replay.options import defaults_of, options_of

    if typed.sweep is not None or typed.compare is not None:
        from commands.sweep.command import main as sweep

        return sweep(typed)
    loaded = loaded_by(typed, defaults_of(typed))
    if _config_shown(typed, loaded):
        return DONE
    options = options_of(typed, loaded)
    from commands.replay.command import main as replay

    return replay(options)


def _drill(typed: argparse.Namespace) -> int:
    from commands.drills import command as drill

    if typed.list:
        return _answered(drill.listed(), typed.command, as_json=typed.json)
    drills = drill.chosen(typed.names, everything=typed.all)
    if typed.url is not None:
        message = "--url: a drill breaks its own simulated venue and no other"
        raise ConfigError("BAD_OPTION", "--url", message, "leave --url out")
    loaded = loaded_by(typed)
    if _config_shown(typed, loaded):
        return DONE
    deposit = usd_of("--deposit", typed.deposit)
    return drill.main(
        drill.DrillOptions(loaded, drills, seed_of(typed.seed), deposit, typed.json, typed.keep)
    )
