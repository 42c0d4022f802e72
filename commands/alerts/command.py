"""`alert --test`: one test alert over every configured channel, now, and what became of each."""

import argparse
import os
import sys

import trio

from commands.alerts.alert import Alert
from commands.alerts.channels import Channel
from commands.alerts.outgoing import Addressed, addressed, outgoing, whose
from commands.alerts.post import NotSent, judged, new_client, request
from commands.output.json_keys import keys_of, schema_of
from commands.output.run_json import json_line
from commands.output.words import DONE, REFUSED, ConfigError, Refusal, say
from commands.stopping import until_stopped
from commands.watched.told import alerting
from messages.settings import Settings

TEST = Alert("info", "TEST", "a test of this channel, typed by a person; nothing has happened")


def main(typed: argparse.Namespace, settings: Settings) -> int:
    """Send it; the exit code: 3 where a channel did not take it. Raises `ConfigError` and `Refusal`."""
    if not typed.test:
        message = "alert: alerts are sent by a run; only a test can be typed"
        raise ConfigError("BAD_OPTION", "--test", message, "type alert --test")
    told = addressed(settings.alerts, os.environ)
    if not alerting(settings.alerts):
        cure = "write alerts.telegram_token, alerts.webhook or alerts.alert_command (docs/alerts.md)"
        raise Refusal(
            "NO_CHANNEL", "alerts", "no channel is configured", cure, "nobody is alerted of anything"
        )
    found = until_stopped(lambda: tested(settings, told))
    stream = sys.stderr if typed.json else sys.stdout
    say(stream, f"{whose(settings)}: {TEST.text}")
    say(stream, [f" {name:<10} {why or 'delivered'}" for name, why in found])
    code = REFUSED if any(why for _, why in found) else DONE
    if typed.json:
        say(sys.stdout, json_line(_facts(settings, found, code)))
    return code


def _facts(settings: Settings, found: list[tuple[str, str]], code: int) -> dict[str, object]:
    failed = ", ".join(f"{name}: {why}" for name, why in found if why)
    error = {"code": "NOT_DELIVERED", "key": "alerts", "message": failed, "cure": "docs/alerts.md"}
    return dict.fromkeys(keys_of("alert")) | {
        "schema": schema_of("alert"),
        "ok": code == DONE,
        "exit_code": code,
        "ended_by": "done" if code == DONE else "refused",
        "error": error if failed else None,
        "venue": settings.venue.name,
        "subaccount": settings.venue.subaccount,
        "channels": [{"channel": name, "delivered": not why, "why": why or None} for name, why in found],
    }


async def tested(settings: Settings, told: Addressed) -> list[tuple[str, str]]:
    """Every channel, all at once, and why it did not take the test; "" where it did."""
    results: dict[str, str] = {}

    async def one(channel: Channel) -> None:
        results[channel.name] = await _why(channel, TEST.words(whose(settings)))

    async def beat() -> None:
        async with new_client() as client:
            try:
                judged(await request(client, "GET", told.heartbeat))
                results["heartbeat"] = ""
            except NotSent as error:
                results["heartbeat"] = f"NOT delivered: {error}"

    async with outgoing(settings, told, lambda _text: None) as out, trio.open_nursery() as nursery:
        for channel in out.channels:
            results[channel.name] = ""
            nursery.start_soon(one, channel)
        if told.heartbeat:
            results["heartbeat"] = ""
            nursery.start_soon(beat)
    return list(results.items())


async def _why(channel: Channel, words: str) -> str:
    try:
        await channel.send(TEST, words)
    except NotSent as error:
        return f"NOT delivered: {error}"
    return ""
