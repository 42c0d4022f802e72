"""The alerts of a watched run, in its watcher: events in, alerts out; a chat's commands; the heartbeat."""

import os
import secrets
from collections.abc import Callable
from functools import partial

import trio

from commands.alerts.alert import Alert
from commands.alerts.heartbeat import beat_outside
from commands.alerts.outgoing import Outgoing, addressed, outgoing
from commands.alerts.post import new_client
from commands.alerts.rules import SILENT_S, AlertRules
from commands.alerts.telegram import Conversation, Do, TelegramCommands
from commands.control import ControlReply, ControlRequest, ask
from commands.output.events import RunEvent
from commands.watched.watched import Watched
from messages.settings import Settings
from runtime.clock import WallClock

LOOK_S = 1.0
FAREWELL_S = 20.0
"""How long what waits may still be sent once the run is gone."""
CLOSES_S = 120.0
"""How long a chat's `flatten` or `halt` is followed before its last answer stands."""


async def alerted(settings: Settings, watched: Watched, say: Callable[[str], object]) -> None:
    """Tell of the run until it is gone, and that it is; returns once that is sent, or cannot be. Raises
    `ConfigError`.
    """
    told = addressed(settings.alerts, os.environ)
    rules = AlertRules(watched.brief, settings.files.logs)
    async with outgoing(settings, told, say) as out, new_client() as client, trio.open_nursery() as nursery:
        put = out.outbox.put

        def hear(event: RunEvent) -> None:
            for alert in rules.of_event(event, trio.current_time(), WallClock().utc_ns() / 1e9):
                put(alert)

        for event in (*watched.events,):  # what came before us
            hear(event)
        watched.hearers.append(hear)
        nursery.start_soon(out.outbox.run)
        nursery.start_soon(_look, rules, watched, put)
        if out.telegram is not None:
            nursery.start_soon(_obey, settings, watched, out, say)
        if told.heartbeat:
            every_s = settings.alerts.heartbeat_every / 1000

            def alive() -> bool:
                return watched.silent_s < SILENT_S and watched.ended is None

            def failed(why: str) -> None:
                put(Alert("warning", "HEARTBEAT_FAILED", f"the heartbeat was not taken: {why}"))

            nursery.start_soon(beat_outside, client, told.heartbeat, every_s, alive, failed)
        await watched.gone.wait()
        if watched.ended is None:
            put(rules.gone())
        await out.outbox.drained(FAREWELL_S)
        nursery.cancel_scope.cancel()


async def _look(rules: AlertRules, watched: Watched, put: Callable[[Alert], None]) -> None:
    while not watched.gone.is_set():
        for alert in rules.of_time(trio.current_time(), watched.silent_s):
            put(alert)
        await trio.sleep(LOOK_S)


async def _obey(settings: Settings, watched: Watched, out: Outgoing, say: Callable[[str], object]) -> None:
    """Commands from the chat, as long as there is a run to command."""
    if out.telegram is None:
        return
    talk = Conversation(settings.alerts.telegram_chat, lambda: f"{secrets.randbelow(9_000) + 1_000}")
    act = partial(asked_of_run, watched.brief.run)
    await TelegramCommands(out.telegram, talk, act, lambda: WallClock().utc_ns() / 1e9, say).run()


async def asked_of_run(run: str, do: Do, reason: str) -> str:
    """What the run answers to this, in a sentence; one that says nothing within `CLOSES_S` hangs."""
    answer = await ask(run, ControlRequest(do, reason), CLOSES_S)
    if answer is None:
        return "the run does not answer: it has ended, or hangs"
    return reply_words(do, answer)


def reply_words(do: str, answer: ControlReply) -> str:
    """One answer of a run, for a small screen."""
    open_now = f"open: {answer.open_legs}" if answer.open_legs else "nothing is open"
    if answer.ended:
        sure = "unknown" if answer.unknown else open_now
        return f"/{do}: the run has ended; {sure}"
    lines = [answer.doing, answer.progress, open_now]
    head = "" if do == "status" else f"/{do}: asked\n"
    return head + "\n".join(line for line in lines if line)
