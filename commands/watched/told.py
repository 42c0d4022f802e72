"""What a run and its watcher say to each other, one JSON object a line.

run -> watcher    its standard input: `WatcherBrief` first, then the events of `run --events`, of which
                  `gauges` comes every two seconds whatever happens; it closes when the run has ended
watcher -> run    its standard output: `WatcherSays`, at least every `BEAT_S`
"""

from typing import Literal

import msgspec

from messages.settings import AlertSettings, Settings

BEAT_S = 1.0
"""How often the watcher says that it lives, at least."""
SAYS_MAX = 4_096
"""Characters of one line that a run reads from its watcher."""


class WatcherBrief(msgspec.Struct, frozen=True):
    """run -> watcher, first: what it could not know from the configuration."""

    run: str
    """The name of the run's control socket."""
    pid: int
    token: str
    """Who acts through the page shows it. Made by the run, the same for every watcher of it."""
    guarded: bool
    """Does a guard watch this run?"""
    any_port: bool = False
    """Is another port as good where the one of the page is taken?"""
    number: int = 1
    """Which watcher of the run this is: more than 1 replaces another."""


class WatcherSays(msgspec.Struct, frozen=True, omit_defaults=True):
    """watcher -> run: it lives; and what a person should read, if anything."""

    url: str = ""
    """Where the page and the metrics are served, once they are."""
    text: str = ""
    level: Literal["info", "warning", "error"] = "info"


def wants_watcher(settings: Settings) -> bool:
    """Is there anything for a watcher to do?"""
    return settings.page != "off" or alerting(settings.alerts)


def alerting(alerts: AlertSettings) -> bool:
    """Is anybody to be told anything?"""
    channels = (alerts.telegram_token, alerts.webhook, alerts.alert_command, alerts.heartbeat_url)
    return any(channel != "off" for channel in channels)
