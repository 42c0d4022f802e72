"""Which of a run's events are alerts, and what they say. Pure but for what it remembers of the run.

ended        always: how, and what is open
halted, taken over, a supervisor that gave up, unhedged exposure that lasts, an order sent twice: critical
an alarm, a failed cycle, an actor that died, a lost account stream, an error in the log: warning
silent       the run says nothing for `SILENT_S`; gone: its process ended without saying how
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from commands.alerts.alert import Alert, Level
from commands.output.events import (
    AccountStreamEvent,
    ActorEndedEvent,
    AlarmEvent,
    BeginEvent,
    CycleEvent,
    EndedEvent,
    GaugesEvent,
    GivingUpEvent,
    HaltedEvent,
    LostEvent,
    NoteEvent,
    RunEvent,
    StandingEvent,
    StoppingEvent,
)
from commands.output.words import COMMAND, DONE, HALTED, INTERNAL, OPEN, REFUSED
from commands.watched.told import WatcherBrief

SILENT_S = 10.0
"""A run that says nothing for this long is stopped, wedged or gone: its gauges come every two seconds."""
UNHEDGED_S = 10.0
"""Exposure that nothing hedges, or that nobody knows, for longer than any repair is an alert of its own."""
ACCOUNT_S = 15.0
"""An account stream that is back sooner is none."""
FRESH_S = 60.0
"""What happened longer ago was told already: a watcher that replaces another is told it again."""


class AlertRules:
    """One run's. `logs`: its folder, as a person types it."""

    def __init__(self, brief: WatcherBrief, logs: str) -> None:
        self._guarded, self._number, self._logs = brief.guarded, brief.number, logs
        self._silent = False
        self._standing: StandingEvent | None = None
        self._exposed_since_s: float | None = None
        self._account_since_s: float | None = None
        self._account = ""
        self._twice = 0
        self._unexplained = False

    def of_event(self, event: RunEvent, now_s: float, utc_s: float) -> Iterator[Alert]:
        """What this event tells, at `now_s` by a steady clock and `utc_s` since 1970."""
        if self._silent:
            self._silent = False
            yield Alert("info", "SPEAKS_AGAIN", "the run speaks again")
        if utc_s - datetime.fromisoformat(event.at).timestamp() > FRESH_S:
            return
        tells = _TELLS.get(type(event))
        alert = tells(event) if tells is not None else None
        if alert is not None and (alert.code != "STARTED" or self._number == 1):
            yield alert
        yield from self._remembered(event, now_s)

    def _remembered(self, event: RunEvent, now_s: float) -> Iterator[Alert]:
        """What lasts: told by `of_time`, or when it changes."""
        match event:
            case AccountStreamEvent():
                self._account_since_s = None if event.live else now_s
                self._account = event.detail
            case StandingEvent():
                self._standing = event
                if event.stands not in {"open", "unknown"}:
                    self._exposed_since_s = None
                elif self._exposed_since_s is None:
                    self._exposed_since_s = now_s
                unexplained = event.money.startswith("unexplained")
                if unexplained and not self._unexplained:
                    yield Alert("warning", "UNEXPLAINED", f"money {event.money}")
                self._unexplained = unexplained
            case GaugesEvent() if event.orders_twice > self._twice:
                self._twice = event.orders_twice
                yield Alert("critical", "SENT_TWICE", f"{self._twice} orders left more than once")

    def of_time(self, now_s: float, silent_s: float) -> Iterator[Alert]:
        """What time alone tells: nothing has come for `silent_s` seconds, or something lasts."""
        if silent_s >= SILENT_S and not self._silent:
            self._silent = True
            yield Alert("critical", "SILENT", f"the run has said nothing for {silent_s:.0f} s; {self._then}")
        since_s, standing = self._exposed_since_s, self._standing
        if since_s is not None and standing is not None and now_s - since_s >= UNHEDGED_S:
            yield Alert(
                "critical", "UNHEDGED", f"for {now_s - since_s:.0f} s: {standing.words} {standing.doing}"
            )
        if self._account_since_s is not None and now_s - self._account_since_s >= ACCOUNT_S:
            away_s, self._account_since_s = now_s - self._account_since_s, None
            yield Alert(
                "warning",
                "ACCOUNT_GONE",
                f"the account's stream has been gone for {away_s:.0f} s, nothing is entered: {self._account}",
            )

    def gone(self) -> Alert:
        """The run's process is gone, and has not said how it ended."""
        return Alert("critical", "GONE", f"the run's process is gone without its report; {self._then}")

    @property
    def _then(self) -> str:
        held = self._standing
        known = "what it held is not known" if held is None else f"it said last: {held.words}"
        guard = "its guard closes what is open and tells of it" if self._guarded else "no guard watches it"
        return f"{known} {guard} · {COMMAND} status --logs {self._logs}"


_LEVELS: dict[int, Level] = {
    DONE: "info",
    INTERNAL: "warning",
    REFUSED: "warning",
    OPEN: "critical",
    HALTED: "critical",
}


def ended(event: EndedEvent) -> Alert:
    """How a run ended: critical when something is open or unknown, or it has halted."""
    level = _LEVELS.get(event.exit_code, "info")
    return Alert(level, "ENDED", f"ended with exit code {event.exit_code}: {event.text}")


_TELLS: Mapping[type[RunEvent], Callable[[Any], Alert | None]] = {
    BeginEvent: lambda e: Alert("info", "STARTED", f"started, {e.money}, {e.target_usd} USD per leg"),
    HaltedEvent: lambda e: Alert("critical", e.code, f"HALTED {e.code}: {e.detail}", "halt"),
    GivingUpEvent: lambda e: Alert("critical", "GAVE_UP", f"{e.supervisor} gives up: {e.why}", e.supervisor),
    AlarmEvent: lambda e: Alert("warning", e.code, f"ALARM {e.code}: {e.detail}", "alarm"),
    CycleEvent: lambda e: (
        Alert("warning", "CYCLE_FAILED", f"cycle {e.cycle} failed: {e.detail}")
        if e.ending == "failed"
        else None
    ),
    ActorEndedEvent: lambda e: (
        Alert("warning", "ACTOR_DIED", f"{e.actor} died: {e.why}", e.actor) if e.why is not None else None
    ),
    NoteEvent: lambda e: (
        Alert("warning", "ERROR", f"{e.source}: {e.text}", e.source) if e.level == "error" else None
    ),
    StoppingEvent: lambda e: Alert("info", "STOPPING", f"stopping ({e.reason}): closing both legs"),
    LostEvent: lambda e: Alert("info", "EVENTS_LOST", f"{e.count} events were dropped before they were read"),
    EndedEvent: ended,
}
"""What an event of each kind tells, by itself."""
