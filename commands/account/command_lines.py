"""The command lines of `flatten`, `status`, `halt`, `clear-halt` and `link-signer`: options in, one
outcome out, shown in words or as one object.
"""

import argparse
from functools import partial

import trio

from commands.account.outcome import show
from commands.account.target_account import target_account
from commands.config.options import typed_value
from commands.config.units_text import Duration
from commands.open_state.verdict import MEANT
from commands.output.words import ConfigError
from commands.stopping import Stops, until_stopped
from messages.units import Ms


def main(typed: argparse.Namespace) -> int:
    """Run one of them; returns the exit code. Raises `Problem` for what kept it from acting."""
    from commands.account.link_signer import link_request_of, linked

    command = typed.command
    reason = _reason(typed) if command in {"halt", "clear-halt"} else ""
    link = link_request_of(typed) if command == "link-signer" else None
    closes = command in {"flatten", "halt"}
    # only what signs reads the key: looking must be possible on a machine that has none
    signs = closes or (link is not None and link.changes)
    target = target_account(typed.config, typed.url, typed.overrides, signs=signs)
    MEANT.learn(target.access, target.settings)
    if closes:
        from commands.account.closing import FlattenRequest
        from commands.account.flatten import confirm, flattened_or_stopped

        timeout_ms: Ms = typed_value("--timeout", typed.timeout, Duration, Ms(1000))
        everything = command == "flatten" and typed.everything
        if everything:
            confirm(target, yes=typed.yes)
        request = FlattenRequest(command, timeout_ms / 1000, everything, reason)
        # ESCAPE outlives every exception, a KeyboardInterrupt too, so that Ctrl-C must not be one
        with Stops() as stops:
            return show(trio.run(flattened_or_stopped, target, request, stops), target, json=typed.json)
    if command == "status":
        from commands.account.status import main as look

        return until_stopped(partial(look, target, json=typed.json, watch=typed.watch, full=typed.full))
    if link is not None:
        return show(until_stopped(partial(linked, target, link)), target, json=typed.json)
    from commands.account.clear_halt import cleared

    return show(until_stopped(partial(cleared, target, reason)), target, json=typed.json)


def _reason(typed: argparse.Namespace) -> str:
    if not typed.reason or not typed.reason.strip():
        raise ConfigError(
            "NO_REASON",
            "--reason",
            "--reason: is needed, it is written into the ledger",
            'add --reason "..."',
        )
    return str(typed.reason.strip())
