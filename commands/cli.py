"""The command line: what was typed becomes one command with decided options, or one sentence that says what
to type instead.

    python supervisor.py                 the demo = run --market synthetic --faults demo
    python supervisor.py run ...         commands/run/command.py
    python supervisor.py simulate ...    commands/simulate.py
    python supervisor.py record ...      commands/record/command.py
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
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from commands.config import effective as config
from commands.config.options import (
    SEED,
    RunOptions,
    faults_of,
    loss_of,
    market_of,
    not_staged,
    pair_of,
    seed_of,
    url_of,
    usd_of,
)
from commands.open_state import verdict
from commands.output.run_json import failure_json, json_line
from commands.output.words import COMMAND, DONE, ConfigError, Problem, did_you_mean, nearest, say
from commands.signals import SO_FAR
from commands.stopping import Stopped
from messages.amounts import per_leg
from messages.settings import Settings

WIDTH = 80
COMMANDS = {
    "run": "trade pairs until done, then flat",
    "simulate": "serve a simulated Nado on loopback",
    "status": "what is open, who runs it, is it halted",
    "flatten": "close both legs, verify, report",
    "halt": "stop entering, flatten, stay halted",
    "clear-halt": "allow trading again",
    "record": "save a venue's market, to replay it with --market",
    "doctor": "is everything ready for real money",
    "drill": "run your configuration through named failures",
    "guard": "close what a run leaves open when it stops responding",
    "link-signer": "let another key act for this subaccount",
}
ACCOUNT = ("status", "flatten", "halt", "clear-halt", "link-signer")
"""Commands that act on an account, not on a market (`commands/account/command_lines.py`)."""
LEADS_TO = {
    "stop": "flatten",
    "close": "flatten",
    "exit": "flatten",
    "start": "run",
    "trade": "run",
    "check": "doctor",
    "resume": "clear-halt",
    "pause": "halt",
}
"""Words that people try, and the command that does what they mean."""
SWITCHES = (
    ("--no-guard", "guard.enabled", "false", "start no guard beside this run"),
    ("--count-skips", "count_skips", "true", "let a skipped attempt use up one of --cycles"),
)
"""Flags of `run` without a value: the key, what it becomes, and help."""
DEMO_DEFAULTS = {"max_wait": "20 s"}
"""What the demo does otherwise than a run, where nobody has written it: whoever watches it does not wait
for ten minutes.
"""
CONSENT = frozenset(
    {"--accept-loss", "--adopt", "--everything", "--no-guard", "--replace", "--revoke", "--yes"}
)
"""Flags by which a person takes a risk: never proposed for a mistyped one."""
SHORTHANDS = {
    "--cycles": ("cycles", "N|forever", "how many pairs, or until stopped"),
    "--target": ("target", "'N USD'", ""),
    "--max-wait": ("max_wait", "'N min'", "end, flat, when nothing could be entered for this long"),
    "--hold": ("hold", "'N s'", "how long a pair is held; also ms, min, h"),
    "--direction": ("direction", "WAY", "alternate, long-eth or long-sol"),
    "--when-unbalanced": ("when_unbalanced", "WHAT", "skip, 'accept 0.5 %%' or 'raise 1.2x'"),
    "--venue": ("venue.name", "NAME", "simulated, testnet or mainnet"),
    "--logs": ("files.logs", "DIR", "ledger, CSV files and evenkeel.log"),
}
"""Flag -> configuration key, what to type, and help. `--set` reaches every other key."""
DEAD_MAN = ("--dead-man", "guard.dead_man")
FLAG_KEYS = dict([*((flag, key) for flag, (key, _, _) in SHORTHANDS.items()), DEAD_MAN])
"""Every flag that takes the value of a key."""


def main(argv: Sequence[str]) -> int:
    """Run one command line; returns the exit code, whatever happens: nothing passes through.

    A `Problem` from anywhere below becomes its sentence on standard error, its exit code, and with --json its
    object. Any other exception is a defect: its traceback is shown. Both look at what is open before they say
    which code it is (`verdict.py`): it is known before a word is said.
    """
    verdict.MEANT.forget()
    try:
        return _dispatch(list(argv))
    except Problem as known:
        problem = known
    # while a person was asked something; else signals are heard by who can act on them (`stopping.py`)
    except KeyboardInterrupt:
        problem = Stopped(SO_FAR.first)
    except BaseException as error:  # noqa: BLE001 - a library's SystemExit, too, must not decide the exit code of a process with a pair open
        problem = _defect(error)
    return _failed(problem, argv)


def _defect(error: BaseException) -> Problem:
    """What is our fault, or a package's."""
    say(sys.stderr, "".join(traceback.format_exception(error)).rstrip())
    message = f"Evenkeel failed, the lines above say where ({type(error).__name__})"
    return Problem(
        "INTERNAL",
        None,
        message,
        "please report it with them",
        "no Evenkeel positions are open according to the files on this machine",
    )


def _command(argv: Sequence[str]) -> str:
    """Whose JSON object it is: the demo's is that of `run`."""
    return argv[0] if argv and argv[0] in COMMANDS else "run"


def _as_typed(problem: Problem, argv: Sequence[str]) -> Problem:
    """A value that was typed at a flag is corrected there, and any value where there is no file: nobody can
    type a line of a file.
    """
    if not isinstance(problem, config.WrongValue):
        return problem
    words = [word.partition("=")[0] for word in argv]
    by = next((word for word in words if FLAG_KEYS.get(word) == problem.key), None)
    at_set = any(word.removeprefix("--set=").startswith(f"{problem.key}=") for word in argv)
    return problem.at_flag(by) if by or at_set or "--config" not in words else problem


def _failed(problem: Problem, argv: Sequence[str]) -> int:
    """Say it. What is open is known before, and what cannot be said changes nothing."""
    command, problem = _command(argv), _as_typed(problem, argv)
    problem, found = verdict.of(problem, argv, command)
    say(sys.stderr, problem.sentence)
    if "--json" in argv:
        told = failure_json(problem, command)
        if found is not None and "open_eth" in told:
            told |= {"open_eth": found.eth, "open_sol": found.sol}
        say(sys.stdout, json_line(told))
    return problem.exit_code


def _dispatch(argv: list[str]) -> int:
    if argv and not argv[0].startswith("-"):
        name, *rest = argv
        if name == "help":
            return _dispatch([*rest, "--help"])
        if name == "demo":
            return _dispatch(rest)
        if name not in COMMANDS:
            raise ConfigError("UNKNOWN_COMMAND", None, f"{name}: unknown command", _command_meant(name))
        return _COMMANDS[name](rest)
    if "--version" in argv:
        return _told([f"evenkeel {_version()}"], argv)
    if "--help" in argv or "-h" in argv:
        return _told(help_text().splitlines(), argv)
    return _run(argv, demo=True)


def _command_meant(name: str) -> str:
    """Where a word leads that is no command. What trades or closes is only named: nobody means it by a
    slip.
    """
    meant = LEADS_TO.get(name.lower())
    if meant:
        return f"{COMMAND} {meant}: {COMMANDS[meant]}"
    return did_you_mean(name, list(COMMANDS), f"{COMMAND} --help lists the commands")


def _told(lines: Sequence[str], argv: Sequence[str]) -> int:
    """Answer a question about the program itself."""
    as_json = "--json" in argv
    say(sys.stderr if as_json else sys.stdout, lines)
    if as_json:
        say(sys.stdout, json_line(failure_json(None, _command(argv))))
    return DONE


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("evenkeel")
    except PackageNotFoundError:
        return "unknown (not installed: pip install -c constraints.txt -e .)"


# -- run -----------------------------------------------------------------------------------------------------


def _run(argv: list[str], *, demo: bool) -> int:
    parser = run_parser()
    if "--help" in argv or "-h" in argv:
        return _told(parser.format_help().splitlines(), argv)
    if "--version" in argv:
        return _told([f"evenkeel {_version()}"], argv)
    typed = parser.parse_args(argv)
    loaded = loaded_by(typed, DEMO_DEFAULTS if demo else {})
    options = RunOptions(
        loaded.settings,
        loaded.origins,
        seed_of(typed.seed),
        market_of(typed.market),
        faults_of(typed.faults or ("demo" if demo else "none")),
        url_of(typed.url),
        typed.json,
        typed.quiet,
        demo,
        loss_of(typed.accept_loss),
        typed.adopt,
    )
    if shown := _config_shown(typed, loaded):
        return _told(shown, argv)
    not_staged(options.settings.venue.name, options.faults, demo=demo)
    if options.settings.venue.name != "simulated":
        config.must_be_written(
            loaded, config.LIVE_RUN, f"{options.settings.venue.name} requires explicit settings"
        )
    from commands.run.command import main as run

    return run(options)


def configured(name: str, description: str) -> argparse.ArgumentParser:
    """A parser with the options of every command that is configured as a run is."""
    parser = _Parser(prog=f"{COMMAND} {name}", description=description)
    for flag, (key, metavar, text) in SHORTHANDS.items():
        shown = text or f"default {per_leg(Settings().target)}"
        parser.add_argument(flag, dest="overrides", action=_Override, key=key, metavar=metavar, help=shown)
    parser.add_argument(
        "--set", dest="overrides", action=_Override, metavar="KEY=VALUE", help="any key of the configuration"
    )
    parser.add_argument("--config", metavar="FILE", help="a TOML file; flags and EVENKEEL_KEY come first")
    parser.add_argument(
        "--url", metavar="URL", help="a running simulate, instead of an own one or of the exchange"
    )
    parser.add_argument("--json", action="store_true", help="the last line of stdout is one JSON object")
    parser.add_argument("--print-config", action="store_true", help="show every value and where it came from")
    file = f"write a file with every key, {config.FILE_NAME}"
    parser.add_argument("--init-config", nargs="?", const=config.FILE_NAME, metavar="FILE", help=file)
    _common(parser)
    return parser


def loaded_by(typed: argparse.Namespace, defaults: Mapping[str, str] = MappingProxyType({})) -> config.Loaded:
    """The effective configuration of a command line that `configured` parsed. Raises `ConfigError`.

    `defaults` are the command's own: they come after everything that was written, and before the release's.
    """
    return config.load(
        Path(typed.config) if typed.config is not None else None, os.environ, typed.overrides, defaults
    )


def _config_shown(typed: argparse.Namespace, loaded: config.Loaded) -> list[str]:
    """What `--print-config` and `--init-config` answer, the file being written by then; empty when neither
    was typed. Raises `ConfigError`.
    """
    if typed.init_config is not None:
        config.write_file(loaded, Path(typed.init_config))
        return [
            f"{typed.init_config} written: every key with its default as a comment, what was given as a value"
        ]
    return config.printed(loaded) if typed.print_config else []


def run_parser() -> argparse.ArgumentParser:
    """The options of `run` and of the demo."""
    parser = configured(
        "run", f"Trade ETH/SOL pairs until done, then flat.\nTarget by default: {per_leg(Settings().target)}."
    )
    parser.add_argument(
        "--market",
        default="synthetic",
        metavar="WHICH",
        help="synthetic, flat:2756.9/115.86 or a recording's prefix",
    )
    parser.add_argument(
        "--seed", default=str(SEED), metavar="N", help=f"seed of the simulated market, {SEED}"
    )
    parser.add_argument(
        "--faults",
        metavar="WHICH",
        help="none, demo (two staged faults), crashes (every\nactor dies once) or a file",
    )
    parser.add_argument(
        "--adopt", action="store_true", help="book the exchange's other positions as Evenkeel's"
    )
    parser.add_argument(
        "--accept-loss", metavar="'N USD'", help="mainnet: at least the worst case that is printed"
    )
    for flag, key, value, says in SWITCHES:
        parser.add_argument(
            flag, dest="overrides", action=_Switched, key=key, value=value, nargs=0, help=says
        )
    parser.add_argument("--quiet", action="store_true", help="no screen, only the summary")
    return parser


class _Override(argparse.Action):
    """Collects configuration keys in the order typed: the last one wins, whichever flag it came by."""

    def __init__(self, *, key: str | None = None, **known: Any) -> None:
        super().__init__(default={}, **known)
        self.key = key

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        key, value = (self.key, values) if self.key else pair_of(values)
        namespace.overrides = namespace.overrides | {key: value}


class _Switched(_Override):
    """A flag without a value that turns a key on or off."""

    def __init__(self, *, value: str, **known: Any) -> None:
        super().__init__(**known)
        self.value = value

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        super().__call__(parser, namespace, self.value, option_string)


# -- guard ---------------------------------------------------------------------------------------------------


def _guard(argv: list[str]) -> int:
    parser = configured(
        "guard",
        "Watch a run, and close what it leaves open when it is killed, frozen or\nwedged. A run starts its"
        " own guard.",
    )
    silence = "silence after which a run counts as dead"
    flag, key = DEAD_MAN
    parser.add_argument(flag, dest="overrides", action=_Override, key=key, metavar="'5 s'", help=silence)
    parser.add_argument("--run", default="", metavar="ID", help="watch this run alone; else any")
    if "--help" in argv or "-h" in argv:
        return _told(parser.format_help().splitlines(), argv)
    typed = parser.parse_args(argv)
    loaded = loaded_by(typed)
    if shown := _config_shown(typed, loaded):
        return _told(shown, argv)
    where = url_of(typed.url)
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


# -- simulate ------------------------------------------------------------------------------------------------


def _simulate(argv: list[str]) -> int:
    from commands import simulate

    parser = _Parser(
        prog=f"{COMMAND} simulate",
        description="Serve a simulated Nado on loopback; prints its base URL first.",
    )
    simulate.add_arguments(parser)
    _common(parser)
    if "--help" in argv or "-h" in argv:
        return _told(parser.format_help().splitlines(), argv)
    return simulate.main(parser.parse_args(argv))


# -- record --------------------------------------------------------------------------------------------------


def _record(argv: list[str]) -> int:
    from commands.record import command as record

    parser = _Parser(
        prog=f"{COMMAND} record",
        description="Save a venue's public streams, to replay them with --market. Nothing is traded.",
    )
    record.add_arguments(parser)
    parser.add_argument(
        "--venue",
        dest="overrides",
        action=_Override,
        key="venue.name",
        metavar="NAME",
        help="testnet or mainnet",
    )
    parser.add_argument(
        "--set", dest="overrides", action=_Override, metavar="KEY=VALUE", help="any key of the configuration"
    )
    parser.add_argument("--config", metavar="FILE", help="a TOML file; flags and EVENKEEL_KEY come first")
    _common(parser)
    if "--help" in argv or "-h" in argv:
        return _told(parser.format_help().splitlines(), argv)
    typed = parser.parse_args(argv)
    loaded = loaded_by(typed)
    return record.main(record.options_of(typed, loaded.settings))


# -- flatten, status, halt, clear-halt -----------------------------------------------------------------------


def _account(name: str, argv: list[str]) -> int:
    from commands.account import command_lines as account_commands

    parser = _Parser(prog=f"{COMMAND} {name}", description=account_commands.HELP[name])
    for flag in ("--venue", "--logs"):
        key, metavar, text = SHORTHANDS[flag]
        parser.add_argument(flag, dest="overrides", action=_Override, key=key, metavar=metavar, help=text)
    parser.add_argument(
        "--set", dest="overrides", action=_Override, metavar="KEY=VALUE", help="any key of the configuration"
    )
    parser.add_argument("--config", metavar="FILE", help="a TOML file; flags and EVENKEEL_KEY come first")
    account_commands.add_arguments(parser, name)
    _common(parser)
    if "--help" in argv or "-h" in argv:
        return _told(parser.format_help().splitlines(), argv)
    typed = parser.parse_args(argv)
    return account_commands.main(name, typed, typed.overrides)


# -- doctor --------------------------------------------------------------------------------------------------


def _doctor(argv: list[str]) -> int:
    parser = configured(
        "doctor", "Check everything that real money needs: this machine, the venue, the key, the account."
    )
    if "--help" in argv or "-h" in argv:
        return _told(parser.format_help().splitlines(), argv)
    typed = parser.parse_args(argv)
    loaded = loaded_by(typed)
    if shown := _config_shown(typed, loaded):
        return _told(shown, argv)
    from commands.doctor.command import main as doctor

    return doctor(
        loaded,
        url_of(typed.url),
        Path(typed.config) if typed.config is not None else None,
        as_json=typed.json,
    )


# -- drill ---------------------------------------------------------------------------------------------------


def _drill(argv: list[str]) -> int:
    parser = configured(
        "drill",
        "Run your configuration through named failures at a simulated venue of its own.\nExit code 3 when a"
        " limit was exceeded.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which drills; --list lists them")
    parser.add_argument("--all", action="store_true", help="every drill")
    parser.add_argument("--list", action="store_true", help="name every drill and what goes wrong in it")
    parser.add_argument(
        "--seed", default=str(SEED), metavar="N", help=f"seed of the simulated market, {SEED}"
    )
    parser.add_argument("--keep", action="store_true", help="keep the logs of passed drills too")
    parser.add_argument(
        "--deposit",
        default="10000 USD",
        metavar="'N USD'",
        help="balance of the simulated account, 10000 USD",
    )
    if "--help" in argv or "-h" in argv:
        return _told(parser.format_help().splitlines(), argv)
    typed = parser.parse_args(argv)
    from commands.drills import command as drill

    if typed.list:
        return _told(drill.listed(), argv)
    drills = drill.chosen(typed.names, everything=typed.all)
    if typed.url is not None:
        raise ConfigError(
            "BAD_OPTION",
            "--url",
            "--url: a drill breaks its own simulated venue and no other",
            "leave --url out",
        )
    loaded = loaded_by(typed)
    if shown := _config_shown(typed, loaded):
        return _told(shown, argv)
    deposit = usd_of("--deposit", typed.deposit)
    return drill.main(
        drill.DrillOptions(loaded, drills, seed_of(typed.seed), deposit, typed.json, typed.keep)
    )


_COMMANDS: Mapping[str, Callable[[list[str]], int]] = {
    "run": partial(_run, demo=False),
    "simulate": _simulate,
    "record": _record,
    "doctor": _doctor,
    "drill": _drill,
    "guard": _guard,
    **{each: partial(_account, each) for each in ACCOUNT},
}


# -- words ---------------------------------------------------------------------------------------------------


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-h", "--help", action="store_true", help="this page")


class _Parser(argparse.ArgumentParser):
    """argparse with our words: 80 columns, no abbreviations (a later option must not change what an old
    line means), errors as `ConfigError`.
    """

    def __init__(self, **known: Any) -> None:
        super().__init__(
            **known,
            add_help=False,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
                prog, max_help_position=30, width=WIDTH - 1
            ),
        )

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse all of `args`. Raises `ConfigError` for anything unknown, naming the nearest option there
        is.
        """
        known, unknown = self.parse_known_args(args, namespace)
        if unknown:
            wrong = next((word for word in unknown if word.startswith("-")), unknown[0]).partition("=")[0]
            cure = self._option_meant(wrong)
            what = (
                "unknown option" if wrong.startswith("-") else "unexpected argument; quote values with spaces"
            )
            raise ConfigError(
                "UNKNOWN_OPTION", wrong if wrong.startswith("-") else None, f"{wrong}: {what}", cure
            )
        return known

    def _option_meant(self, wrong: str) -> str:
        """By the word alone: two hyphens would make any two short options alike."""
        flags = [flag.removeprefix("--") for flag in self._flags() if flag not in CONSENT]
        near = nearest(wrong.lstrip("-"), flags)
        return f"did you mean --{near}?" if near else f"{self.prog} --help lists the options"

    def _flags(self) -> list[str]:
        return [flag for flag in self._option_string_actions if flag.startswith("--")]

    def error(self, message: str) -> NoReturn:
        """What argparse says about one option, e.g. `argument --seed: expected one argument`. Raises
        `ConfigError`.
        """
        key, _, saying = message.removeprefix("argument ").partition(": ")
        flag = key.split("/")[-1] if key.startswith("-") else None
        raise ConfigError(
            "BAD_OPTION", flag, f"{key}: {saying}" if saying else message, f"{self.prog} --help shows how"
        )


def help_text() -> str:
    """The page of `--help`: at most 80 columns."""
    commands = "\n".join(f"  {name:<11} {text}" for name, text in COMMANDS.items())
    return f"""\
Evenkeel holds a delta-neutral ETH/SOL perpetual pair on Nado: long one, short
the other, the same dollars on both sides, entered and exited together.

  {COMMAND}              the demo: simulated, 5 cycles, two staged
                                    faults; no key, no network
  {COMMAND} COMMAND ...  one of:

{commands}

  {COMMAND} run --cycles 20 --target '1000 USD' --seed 7
  {COMMAND} run --help

The target is {per_leg(Settings().target)} unless you say otherwise.

Exit codes: 0 done and flat, 1 internal error, 2 usage or configuration,
3 refused or nothing traded, 4 something is open or unknown, 70 halted,
130 and 143 stopped by a signal, flat.

  --version, --help                 about the program
  --json                            one JSON object as the last line of stdout
"""
