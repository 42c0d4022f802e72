"""Every command and its options, as one tree of parsers; what several commands take is declared once.

The whole tree is built for every command line, so nothing heavy is imported here: a help page, a mistyped
option and a completion script need no venue, no screen and no web server.
"""

import argparse
from collections.abc import Mapping, Sequence
from shlex import quote
from typing import Any, NamedTuple, NoReturn

from commands.config.effective import FILE_NAME
from commands.config.keys import DECLARED, KEYS
from commands.config.options import DEPOSIT, SEED, pair_of
from commands.config.units_text import BadText
from commands.output.words import COMMAND, ConfigError, nearest
from messages.amounts import per_leg
from messages.settings import Settings

WIDTH = 80
TARGET = per_leg(Settings().target, Settings().hedge_ratio)
SHORTHANDS = {
    "--cycles": ("cycles", "N|forever"),
    "--target": ("target", "'N USD'"),
    "--max-wait": ("max_wait", "'N min'"),
    "--hold": ("hold", "'N s'"),
    "--direction": ("direction", "WAY"),
    "--when-unbalanced": ("when_unbalanced", "WHAT"),
    "--venue": ("venue.name", "NAME"),
    "--logs": ("files.logs", "DIR"),
    "--dead-man": ("guard.dead_man", "'5 s'"),
    "--page": ("page", "HOST:PORT"),
}
"""Flag -> configuration key, and what to type. `--set` reaches every other key."""
CONSENT = frozenset(
    {"--accept-loss", "--adopt", "--everything", "--no-guard", "--replace", "--revoke", "--yes"}
)
"""Flags by which a person takes a risk: never proposed for a mistyped one."""


class Override(argparse.Action):
    """Collects configuration keys in the order typed: the last one wins, whichever flag it came by.
    Without a `key` KEY=VALUE is typed; with a `value` the flag is typed alone.
    """

    def __init__(self, *, key: str | None = None, value: str | None = None, **known: Any) -> None:
        super().__init__(**known | {"dest": "overrides", "default": {}, "nargs": 0 if value else None})
        self.key, self.value = key, value

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Argparse has met the flag. Raises `ConfigError` for what is no KEY=VALUE."""
        key, value = (self.key, self.value or values) if self.key else pair_of(values)
        namespace.overrides = namespace.overrides | {key: value}


class Option(NamedTuple):
    """One call of `add_argument`: the flag, or the name of a positional, and the rest."""

    flag: str
    known: dict[str, Any]


def _option(flag: str, text: str, **known: Any) -> Option:
    return Option(flag, known | {"help": text})


def _switch(flag: str, text: str) -> Option:
    return _option(flag, text, action="store_true")


def _shorthand(flag: str) -> Option:
    key, metavar = SHORTHANDS[flag]
    return _option(flag, DECLARED[key].sentence.replace("%", "%%"), action=Override, key=key, metavar=metavar)


SHARED: Mapping[str, tuple[Option, ...]] = {
    "strategy": (
        *map(
            _shorthand,
            ("--cycles", "--target", "--max-wait", "--hold", "--direction", "--when-unbalanced"),
        ),
        _switch("--print-config", "show every value and where it came from"),
        _option(
            "--init-config",
            f"write a file with every key, {FILE_NAME}",
            nargs="?",
            const=FILE_NAME,
            metavar="FILE",
        ),
    ),
    "venue": (
        _shorthand("--venue"),
        _option("--set", "any key of the configuration", action=Override, metavar="KEY=VALUE"),
        _option("--config", "a TOML file; flags and EVENKEEL_KEY come first", metavar="FILE"),
        _option("--url", "a running simulate on this machine, instead of --venue", metavar="URL"),
        _switch("--json", "the last line of stdout is one JSON object"),
    ),
    "logs": (_shorthand("--logs"),),
    "seed": (_option("--seed", f"seed of the simulated market, {SEED}", default=str(SEED), metavar="N"),),
    "market": (
        _option(
            "--market",
            "synthetic, flat:2756.9/115.86 or a recording's prefix",
            default="synthetic",
            metavar="WHICH",
        ),
    ),
    "deposit": (
        _option(
            "--deposit", f"balance of a simulated account, {DEPOSIT}", default=DEPOSIT, metavar="'N USD'"
        ),
    ),
    "timeout": (_option("--timeout", "how long closing is tried, 2 min", default="2 min", metavar="'N s'"),),
    "reason": (_option("--reason", "why; it is written into the ledger", metavar="WORDS"),),
}
"""Groups of options that several commands take: each becomes a parent of their parsers."""
CONFIGURED = ("strategy", "venue", "logs")
"""What every command takes that is configured as a run is."""


class Command(NamedTuple):
    """A row of the table below: its line in the list of commands, the head of its own help page, the
    options that it shares with others, and its own.
    """

    summary: str
    description: str
    shared: tuple[str, ...] = ()
    own: tuple[Option, ...] = ()
    module: str = ""
    """Whose `main(typed)` does it and returns the exit code; imported when the command is typed. "": it needs
    its configuration first, and `commands/cli.py` sees to that.
    """


COMMANDS: Mapping[str, Command] = {
    "run": Command(
        "trade pairs until done, then flat",
        f"Trade ETH/SOL pairs until done, then flat.\nTarget by default: {TARGET}.",
        (*CONFIGURED, "seed", "market"),
        (
            _option(
                "--faults",
                "none, demo (two staged faults), crashes (every\nactor dies once) or a file",
                metavar="WHICH",
            ),
            _switch(
                "--paper",
                "the market of --venue or --url, a paper account in\nthis process: no key, no money",
            ),
            _option(
                "--deposit",
                f"with --paper: what the account begins with,\n{DEPOSIT}",
                metavar="'N USD'",
            ),
            _switch("--adopt", "book the exchange's other positions as Evenkeel's"),
            _option("--accept-loss", "mainnet: at least the worst case that is printed", metavar="'N USD'"),
            _option(
                "--no-guard",
                "start no guard beside this run",
                action=Override,
                key="guard.enabled",
                value="false",
            ),
            _shorthand("--page"),
            _option("--no-page", "serve no page", action=Override, key="page", value="off"),
            _option(
                "--count-skips",
                "let a skipped attempt use up one of --cycles",
                action=Override,
                key="count_skips",
                value="true",
            ),
            _switch("--quiet", "no screen, only the summary"),
            _switch("--events", "every event as a line of JSON on stdout, then the\nobject of --json"),
        ),
    ),
    "plan": Command(
        "can this target be balanced, and what does it cost",
        "Can this target be balanced, what would a cycle cost, what does it need?\n"
        "Nothing is traded, no key is read. Exit code 3 when a run would not enter now.",
        (*CONFIGURED, "seed"),
        (
            _option("--eth-price", "plan at this price of ETH; no exchange is asked", metavar="PRICE"),
            _option("--sol-price", "and at this one of SOL", metavar="PRICE"),
            _option("--market", "plan at the first books of this market, as run has it", metavar="WHICH"),
            _option(
                "--deposit",
                f"what the account has; by default as the\nexchange says, {DEPOSIT} where none is asked",
                metavar="'N USD'",
            ),
            _option(
                "--sweep",
                "which targets can be balanced at which share of\nthe prices up to 10 %% away, or so many",
                nargs="?",
                const="10 %",
                metavar="'N %'",
            ),
        ),
    ),
    "simulate": Command(
        "serve a simulated Nado on loopback",
        "Serve a simulated Nado on loopback; prints its base URL first.",
        ("seed", "market", "deposit"),
        (
            _option(
                "--port", "TCP port on 127.0.0.1; 0 (the default) takes a free one", default="0", metavar="N"
            ),
            _option(
                "--faults",
                "staged faults: none, demo, or a TOML or JSON file",
                default="none",
                metavar="WHICH",
            ),
            _option(
                "--fund",
                "fund this subaccount too, to rehearse live trading with your own key",
                metavar="OWNER/NAME",
            ),
            _option(
                "--keep-state",
                "accounts, orders and archive survive a restart in FILE, made when it is not there",
                metavar="FILE",
            ),
            _switch("--until-stdin-closes", "end when standard input closes, as a child process should"),
        ),
        module="commands.simulate",
    ),
    "replay": Command(
        "trade a recorded market in virtual time, as fast as this machine can",
        "Trade a recorded market with the whole machine, in virtual time and in one process.\n"
        "It ends with the recording; the same seed gives the same bytes.",
        (*CONFIGURED, "seed", "market", "deposit"),
        (
            _option("--bars", "1-minute bars instead of --market, for weeks", metavar="FILE"),
            _option("--faults", "none, demo, crashes or a file, as of run", metavar="WHICH"),
            _option(
                "--latency",
                "one way to the exchange and back, for orders, answers and events; 1 ms",
                default="1 ms",
                metavar="'N ms'",
            ),
            _switch("--quiet", "no progress, only the summary"),
            _option("--sweep", "replay every point of a grid, and rank its policies", metavar="GRID.toml"),
            _option(
                "--compare",
                "policies of execution side by side, at several\nsizes and under several rules of filling",
                nargs="?",
                const="",
                metavar="POLICIES.toml",
            ),
            _option("--out", "with these two: the points as Parquet, a new file", metavar="FILE"),
            _option("--jobs", "with these two: processes; as many as cores", metavar="N"),
            _option("--dask", "with these two: a Dask scheduler, tcp://HOST:PORT", metavar="URL"),
        ),
    ),
    "status": Command(
        "what is open, who runs it, is it halted",
        "What is open, who runs it, is it halted.\nExit code 4 when something is open and no run manages it.",
        ("venue", "logs"),
        (
            _switch(
                "--watch",
                "show the screen of a run that is alive; where none\n"
                "is, look again every 2 s; with --json tell a\nrun's events",
            ),
            _switch("--full", "verify every row of the ledger, not only those since its newest snapshot"),
        ),
        module="commands.account.command_lines",
    ),
    "report": Command(
        "what the cycles were and what they cost, as a page or as data",
        "What the cycles in one or several ledgers were and what they cost, as one page.\n"
        "It only looks: a run that is alive is not disturbed, and no exchange is asked.",
        (),
        (
            _option(
                "--logs",
                "the folders of the ledgers, one column each; logs",
                dest="folders",
                nargs="+",
                action="extend",
                metavar="DIR",
            ),
            _option("--since", "cycles that began then or later: 2026-11-29, '24 h'", metavar="WHEN"),
            _option(
                "--out",
                "the page, report.html; the other files are named\nafter it",
                metavar="FILE",
            ),
            _option(
                "--market",
                "a recording of the same time: how far prices\nwent against fills",
                metavar="PREFIX",
            ),
            _switch("--csv", "a row per cycle for spreadsheets, report.csv"),
            _switch("--parquet", "the same for programs, report.parquet"),
            _switch("--json", "everything as one JSON object, the last line of\nstdout"),
            _option("--config", "a TOML file: max_imbalance and files.logs of it", metavar="FILE"),
        ),
        module="commands.report.command",
    ),
    "flatten": Command(
        "close both legs, verify, report",
        "Close our legs reduce-only, verify at the venue, report.\n"
        "Exit code 4 while something is open or unknown.",
        ("venue", "logs", "timeout"),
        (
            _switch("--everything", "also what is not ours in ETH-PERP and SOL-PERP"),
            _switch("--yes", "do not ask for the subaccount's name"),
        ),
        module="commands.account.command_lines",
    ),
    "halt": Command(
        "stop entering, flatten, stay halted",
        "Stop entering, close both legs, and stay halted until clear-halt.",
        ("venue", "logs", "timeout", "reason"),
        module="commands.account.command_lines",
    ),
    "clear-halt": Command(
        "allow trading again",
        "Allow trading again; refused while something of ours is open.",
        ("venue", "logs", "reason"),
        module="commands.account.command_lines",
    ),
    "record": Command(
        "save a venue's market, to replay it with --market",
        "Save a venue's public streams, to replay them with --market. Nothing is traded.",
        ("venue",),
        (
            _option("--out", "what the files' names begin with; nothing is overwritten", metavar="DIR/NAME"),
            _option("--for", "how long; also s and h", dest="length", metavar="'N min'"),
            _switch("--private", "the subaccount's fills, orders and positions too (needs the key)"),
        ),
    ),
    "doctor": Command(
        "is everything ready for real money",
        "Check everything that real money needs: this machine, the venue, the key, the account.",
        CONFIGURED,
    ),
    "drill": Command(
        "run your configuration through named failures",
        "Run your configuration through named failures at a simulated venue of its own.\n"
        "Exit code 3 when a limit was exceeded.",
        (*CONFIGURED, "seed", "deposit"),
        (
            _option("names", "which drills; --list lists them", nargs="*", metavar="NAME"),
            _switch("--all", "every drill"),
            _switch("--list", "name every drill and what goes wrong in it"),
            _switch("--keep", "keep the logs of passed drills too"),
        ),
    ),
    "guard": Command(
        "close what a run leaves open when it stops responding",
        "Watch a run, and close what it leaves open when it is killed, frozen or\nwedged."
        " A run starts its own guard.",
        CONFIGURED,
        (
            _shorthand("--dead-man"),
            _option("--run", "watch this run alone; else any", default="", metavar="ID"),
        ),
    ),
    "alert": Command(
        "send a test alert over every configured channel",
        "Send a test alert over every configured channel, and say which took it.\n"
        "Exit code 3 when one did not. No exchange is asked and nothing is traded.",
        ("venue", "logs"),
        (_switch("--test", "send it now"),),
        module="commands.alerts.command",
    ),
    "watcher": Command(
        "serve a run's page and metrics, send its alerts (started by run)",
        "Serve the page and the metrics of a run and send its alerts, told by the run on\n"
        "standard input. A run starts its own.",
        ("venue", "logs"),
        module="commands.watcher.command",
    ),
    "link-signer": Command(
        "let another key act for this subaccount",
        "Let another key act for this subaccount. It can trade, move funds between\n"
        "the owner's subaccounts and withdraw to the owner. One per subaccount.",
        ("venue", "logs"),
        (
            _switch("--show", "who may sign now; needs no key"),
            _option("--new", "make a key, write it to FILE and link it", metavar="FILE"),
            _switch("--replace", "with --new: instead of the one that is linked"),
            _switch("--revoke", "nobody but the owner may sign"),
        ),
        module="commands.account.command_lines",
    ),
    "verify": Command(
        "recompute all that a ledger says, name what does not hold",
        "Recompute plans, orders, positions, certificates and CSV lines from the rows of a\n"
        "ledger, by code that shares nothing with what wrote them. Exit code 3 when\n"
        "something does not hold; the first thing is named.",
        (),
        (
            _option(
                "path",
                "a folder of logs, a ledger's file or one certificate;\nlogs",
                nargs="?",
                default="logs",
                metavar="PATH",
            ),
            _switch("--rebuild", "make missing certificates again from the ledger first"),
            _switch("--json", "the last line of stdout is one JSON object"),
        ),
        module="commands.verify.command",
    ),
    "backup": Command(
        "copy the ledger, also of a run that is alive",
        "Copy the ledger into a folder, as it is between two plans, and verify every row of\n"
        "the copy. A run that is alive does not notice.",
        ("logs",),
        (
            _option("folder", "where copies are kept; on another disk", metavar="DIR"),
            _option("--keep", "how many copies stay, 30", default="30", metavar="N"),
            _option("--config", "a TOML file: files.logs of it", metavar="FILE"),
            _switch("--json", "the last line of stdout is one JSON object"),
        ),
        module="commands.backup.command",
    ),
    "restore": Command(
        "make a copy the ledger again, and ask what is open",
        "Make a copy the ledger again, and ask the exchange what is open. Refused while a run\n"
        "is alive, and where the ledger here knows more. Exit code 4 while something is open\n"
        "or unknown; run --adopt closes it.",
        ("venue", "logs"),
        (_option("copy", "a copy that backup made, or its folder: the newest", metavar="FILE"),),
        module="commands.backup.command",
    ),
    "completion": Command(
        "print what completes all of this in bash, zsh or fish",
        f"Print a script by which a shell completes the commands and options of\n{COMMAND}.",
        (),
        (_option("shell", "bash, zsh or fish", choices=("bash", "zsh", "fish"), metavar="SHELL"),),
        module="commands.completion",
    ),
}


class Parser(argparse.ArgumentParser):
    """argparse with our words: 80 columns, no abbreviations (a later option must not change what an old
    line means), errors as `ConfigError`.
    """

    commands: Mapping[str, "Parser"] = {}
    """The parser of each command; only the program's own parser has any."""

    def __init__(self, **known: Any) -> None:
        super().__init__(
            **known,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
                prog, max_help_position=30, width=WIDTH - 1
            ),
        )

    def takes(self, options: tuple[Option, ...]) -> "Parser":
        """Itself, once these options are added to it."""
        for option in options:
            self.add_argument(option.flag, **option.known)
        return self

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse all of `args`. Raises `ConfigError` for anything unknown, naming the nearest option there
        is.
        """
        known, unknown = self.parse_known_args(args, namespace)
        if not unknown:
            return known
        wrong = next((word for word in unknown if word.startswith("-")), unknown[0]).partition("=")[0]
        flag = wrong if wrong.startswith("-") else None
        # By the word alone: two hyphens would make any two short options alike.
        words = [each[2:] for each in self._option_string_actions if each[:2] == "--" and each not in CONSENT]
        near = nearest(wrong.lstrip("-"), words)
        cure = f"did you mean --{near}?" if near else f"{self.prog} --help lists the options"
        cure = _with_quotes(args, wrong) or self._as_key(args, unknown) or cure
        what = "unknown option" if flag else "unexpected argument; quote values with spaces"
        raise ConfigError("UNKNOWN_OPTION", flag, f"{wrong}: {what}", cure)

    def _as_key(self, args: Sequence[str], unknown: Sequence[str]) -> str:
        """What `--stop-loss 30bps` was to be: a key that only `--set` reaches, with the value if it can be
        read; "" where it is no key, or this command takes none.
        """
        flag, _, value = next((word for word in unknown if word.startswith("-")), "").partition("=")
        name = flag.lstrip("-").replace("-", "_")
        key = next(
            (key for key in KEYS if name in {key, key.replace(".", "_"), key.rpartition(".")[2]}), None
        )
        if key is None or "--set" not in self._option_string_actions:
            return ""
        if not value and flag in args[:-1]:
            value = args[args.index(flag) + 1]
        try:
            KEYS[key].read(value)
        except BadText:
            value = "VALUE"
        return f"{key} is a key: --set {key}={quote(value)} sets it"

    def error(self, message: str) -> NoReturn:
        """What argparse says about one option, e.g. `argument --seed: expected one argument`. Raises
        `ConfigError`.
        """
        key, _, saying = message.removeprefix("argument ").partition(": ")
        flag = key.split("/")[-1] if key.startswith("-") else None
        raise ConfigError(
            "BAD_OPTION", flag, f"{key}: {saying}" if saying else message, f"{self.prog} --help shows how"
        )


def _with_quotes(args: Sequence[str], wrong: str) -> str:
    """What `--target 500 USD` was to be: the value and its unit as one word; "" where that makes no value."""
    at = args.index(wrong) if wrong in args else 0
    flag = args[at - 2] if at >= 2 else ""
    if flag not in SHORTHANDS:
        return ""
    text = f"{args[at - 1]} {wrong}"
    try:
        KEYS[SHORTHANDS[flag][0]].read(text)
    except BadText:
        return ""
    return f"type {flag} '{text}'"


def parser_tree() -> Parser:
    """The parser of the program itself, with one below it for each command."""
    root = Parser(
        prog=COMMAND,
        usage=f"{COMMAND} [COMMAND] [OPTION ...]",
        description=f"""\
Evenkeel holds a delta-neutral ETH/SOL perpetual pair on Nado: long one, short
the other, the same dollars on both sides, entered and exited together.
The target is {TARGET} unless you say otherwise.

Without a command it is the demo: simulated, 5 cycles, two staged faults; no
key, no network. Options without a command are those of run.""",
        epilog=f"""\
  {COMMAND} run --cycles 20 --target '1000 USD' --seed 7
  {COMMAND} run --help

Exit codes: 0 done and flat, 1 internal error, 2 usage or configuration,
3 refused or nothing traded, 4 something is open or unknown, 70 halted,
130 and 143 stopped by a signal, flat.""",
    ).takes(
        (
            _switch("--version", "which release this is"),
            _switch("--json", "one JSON object as the last line of stdout"),
        )
    )
    below = root.add_subparsers(title="commands", metavar="COMMAND [OPTION ...]", prog=COMMAND)
    parents = {name: Parser(add_help=False).takes(options) for name, options in SHARED.items()}
    for name, row in COMMANDS.items():
        added: Parser = below.add_parser(
            name,
            parents=[parents[group] for group in row.shared],
            help=row.summary,
            description=row.description,
        )
        added.takes(row.own).set_defaults(command=name)
    root.commands = below.choices
    return root
