"""The command lines of `flatten`, `status`, `halt`, `clear-halt` and `link-signer`: options in, one
outcome out, shown in words or as one object.
"""

import argparse
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import trio

from commands.account.outcome import CommandOutcome, show
from commands.account.target_account import Whose, whose
from commands.config.options import typed_instead
from commands.config.units_text import BadText, Duration
from commands.open_state.verdict import MEANT
from commands.output.words import ConfigError
from commands.stopping import until_stopped
from messages.units import Ms

if TYPE_CHECKING:
    from commands.account.flatten import FlattenRequest

TIMEOUT = "2 min"
HELP = {
    "flatten": (
        "Close our legs reduce-only, verify at the venue, report.\nExit code 4 while something is open or"
        " unknown."
    ),
    "status": (
        "What is open, who runs it, is it halted.\nExit code 4 when something is open and no run manages it."
    ),
    "halt": "Stop entering, close both legs, and stay halted until clear-halt.",
    "clear-halt": "Allow trading again; refused while something of ours is open.",
    "link-signer": (
        "Let another key act for this subaccount. It can trade, move funds between\n"
        "the owner's subaccounts and withdraw to the owner. One per subaccount."
    ),
}


def add_arguments(parser: argparse.ArgumentParser, command: str) -> None:
    """The options of one of them, beside --venue, --logs, --set and --config."""
    parser.add_argument("--url", metavar="URL", help="a running simulate on this machine")
    parser.add_argument("--json", action="store_true", help="the last line of stdout is one JSON object")
    if command in {"flatten", "halt"}:
        parser.add_argument(
            "--timeout", default=TIMEOUT, metavar="'N s'", help=f"how long closing is tried, {TIMEOUT}"
        )
    if command in {"halt", "clear-halt"}:
        parser.add_argument("--reason", metavar="WORDS", help="why; it is written into the ledger")
    if command == "flatten":
        parser.add_argument(
            "--everything", action="store_true", help="also what is not ours in ETH-PERP and SOL-PERP"
        )
        parser.add_argument("--yes", action="store_true", help="do not ask for the subaccount's name")
    if command == "link-signer":
        parser.add_argument("--show", action="store_true", help="who may sign now; needs no key")
        parser.add_argument("--new", metavar="FILE", help="make a key, write it to FILE and link it")
        parser.add_argument(
            "--replace", action="store_true", help="with --new: instead of the one that is linked"
        )
        parser.add_argument("--revoke", action="store_true", help="nobody but the owner may sign")
    if command == "status":
        parser.add_argument("--watch", action="store_true", help="look again every 2 s until Ctrl-C")
        parser.add_argument(
            "--full",
            action="store_true",
            help="verify every row of the ledger, not only those since its newest snapshot",
        )


def main(command: str, typed: argparse.Namespace, overrides: Mapping[str, str]) -> int:
    """Run one of them; returns the exit code. Raises `Problem` for what kept it from acting."""
    return _COMMANDS[command](typed, overrides)


def _flatten(typed: argparse.Namespace, overrides: Mapping[str, str]) -> int:
    from commands.account.flatten import FlattenRequest, confirm

    who = _who(typed, overrides, signs=True)
    if typed.everything:
        confirm(who, yes=typed.yes)
    return _closed(who, FlattenRequest("flatten", _seconds(typed.timeout), typed.everything), typed)


def _halt(typed: argparse.Namespace, overrides: Mapping[str, str]) -> int:
    from commands.account.flatten import FlattenRequest

    reason = _reason(typed)
    who = _who(typed, overrides, signs=True)
    return _closed(who, FlattenRequest("halt", _seconds(typed.timeout), halt=reason), typed)


def _closed(who: Whose, order: "FlattenRequest", typed: argparse.Namespace) -> int:
    """Close, and hear signals while at it: ESCAPE outlives every exception, a KeyboardInterrupt too, so
    Ctrl-C must not be one.
    """
    from commands.account.flatten import flattened_or_stopped
    from commands.stopping import Stops

    with Stops() as stops:
        return show(trio.run(flattened_or_stopped, who, order, stops), who, json=typed.json)


def _clear_halt(typed: argparse.Namespace, overrides: Mapping[str, str]) -> int:
    from commands.account.clear_halt import cleared

    reason = _reason(typed)
    who = _who(typed, overrides, signs=False)
    return _shown(partial(cleared, who, reason), who, typed)


def _status(typed: argparse.Namespace, overrides: Mapping[str, str]) -> int:
    from commands.account.status import main as look

    return until_stopped(
        partial(
            look, _who(typed, overrides, signs=False), json=typed.json, watch=typed.watch, full=typed.full
        )
    )


def _link_signer(typed: argparse.Namespace, overrides: Mapping[str, str]) -> int:
    from commands.account.link_signer import link_request_of, linked

    wish = link_request_of(typed)
    who = _who(typed, overrides, signs=wish.changes)
    return _shown(partial(linked, who, wish), who, typed)


_COMMANDS = {
    "flatten": _flatten,
    "halt": _halt,
    "clear-halt": _clear_halt,
    "status": _status,
    "link-signer": _link_signer,
}


def _shown(act: Callable[[], Awaitable[CommandOutcome]], who: Whose, typed: argparse.Namespace) -> int:
    return show(until_stopped(act), who, json=typed.json)


def _who(typed: argparse.Namespace, overrides: Mapping[str, str], *, signs: bool) -> Whose:
    who = whose(typed.config, typed.url, overrides, signs=signs)
    MEANT.learn(who.access, who.settings)
    return who


def _reason(typed: argparse.Namespace) -> str:
    if not typed.reason or not typed.reason.strip():
        raise ConfigError(
            "NO_REASON",
            "--reason",
            "--reason: is needed, it is written into the ledger",
            'add --reason "..."',
        )
    return str(typed.reason.strip())


def _seconds(text: str) -> float:
    try:
        return int(Duration.read(text)) / 1000
    except BadText as error:
        raise ConfigError(
            error.code,
            "--timeout",
            f"--timeout: {error.saying}",
            typed_instead("--timeout", text, Duration, Ms(1000)),
        ) from None
