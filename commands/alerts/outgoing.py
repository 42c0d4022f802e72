"""Delivery from one process, as the configuration has it: channels, pacing, dead letters."""

import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from commands.alerts.channels import Channel, CommandHook, Telegram, Webhook, words_of
from commands.alerts.dead_letters import DeadLetters
from commands.alerts.outbox import Outbox
from commands.alerts.post import new_client
from commands.alerts.secrets import address_of, checked_address, secret_of
from commands.alerts.sending import Pacing
from commands.output.words import ConfigError
from messages.settings import AlertSettings, Settings
from runtime.clock import WallClock


class Addressed(NamedTuple):
    """Every secret of the alerts, read once. Never printed."""

    telegram: str
    webhook: str
    heartbeat: str

    def __repr__(self) -> str:
        return "Addressed(...)"


def addressed(alerts: AlertSettings, environment: Mapping[str, str]) -> Addressed:
    """What the configuration says where to find. Raises `ConfigError` for the first that cannot be had, and
    for what cannot work together.
    """
    told = Addressed(
        secret_of("alerts.telegram_token", alerts.telegram_token, environment),
        address_of("alerts.webhook", alerts.webhook, environment),
        address_of("alerts.heartbeat_url", alerts.heartbeat_url, environment),
    )
    checked_address("alerts.telegram_api", alerts.telegram_api)
    if bool(told.telegram) != (alerts.telegram_chat != "off"):
        missing = "alerts.telegram_chat" if told.telegram else "alerts.telegram_token"
        cure = "docs/alerts.md says how both are found"
        raise ConfigError("NOT_WRITTEN", missing, f"{missing}: not set, and Telegram needs both", cure)
    if alerts.alert_command != "off":
        words_of(alerts.alert_command)
    return told


def key_free(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without the signing key: for what needs none."""
    kind, _, name = settings.venue.key.partition(":")
    return {each: value for each, value in environment.items() if kind != "env" or each != name}


def whose(settings: Settings) -> str:
    """What stands before every alert: `mainnet/default at HOST`."""
    return f"{settings.venue.name}/{settings.venue.subaccount} at {socket.gethostname()}"


class Outgoing(NamedTuple):
    """The outbox, and what else is asked over the same client."""

    outbox: Outbox
    channels: tuple[Channel, ...]
    telegram: Telegram | None
    letters: DeadLetters


@asynccontextmanager
async def outgoing(
    settings: Settings, told: Addressed, say: Callable[[str], object]
) -> AsyncIterator[Outgoing]:
    """The outbox while the context is open. Who uses it runs `outbox.run`."""
    alerts = settings.alerts
    async with new_client() as client:
        telegram = (
            Telegram(client, alerts.telegram_api, told.telegram, alerts.telegram_chat)
            if told.telegram
            else None
        )
        found: list[Channel] = [telegram] if telegram is not None else []
        found += [Webhook(client, told.webhook)] if told.webhook else []
        if alerts.alert_command != "off":
            found.append(CommandHook(alerts.alert_command, key_free(settings, os.environ)))
        pacing = Pacing(alerts.level, alerts.repeat_after / 1000, alerts.per_minute)
        letters = DeadLetters(Path(settings.files.logs))
        outbox = Outbox(found, pacing, letters, whose(settings), WallClock().utc_ns, say)
        yield Outgoing(outbox, tuple(found), telegram, letters)
