"""What one run keeps from its command line to its report."""

import os
from typing import Any

import msgspec
import trio

from commands.access.venue import Access
from commands.config.options import RunOptions
from commands.output.event_feed import EventFeed
from commands.output.events import BeginEvent
from commands.output.standing import standing_facts
from commands.output.words import iso_micros
from commands.run.last_resort import LastResort
from commands.run.recorder import Recorder
from commands.screen.view import RunView
from commands.stopping import Stops
from commands.watched.told import wants_watcher
from messages.settings import Settings
from messages.units import Ns
from runtime.clock import WallClock, stopwatch_ns
from runtime.observe import Notes


class Session(msgspec.Struct, frozen=True):
    """One run: what was asked for, who hears what happens, and how it is stopped.

    Made before the exchange is asked anything and gone with the report. What comes into being later and ends
    earlier (the world, the guard, the machine) is no part of it, and is passed beside it.
    """

    options: RunOptions
    access: Access
    recorder: Recorder
    view: RunView
    stops: Stops
    last_resort: LastResort
    replayed: trio.Event
    """Set when the recording that a venue of our own replays has ended."""
    began_ns: int
    """By the stopwatch."""
    events: EventFeed
    """Hears all that the recorder's people hear."""

    @classmethod
    def begun(
        cls,
        options: RunOptions,
        access: Access,
        stops: Stops,
        last_resort: LastResort,
        *,
        watched: bool = True,
    ) -> "Session":
        """From now on. Its view sees all that the recorder hears; of a run that nobody can watch only what
        the report wants, for making sentences costs more than most of what they are about.
        """
        recorder = Recorder()
        view = RunView(options.settings, options.seed, recorder.clock.utc_ms, whose=access.money)
        settings = options.settings

        def begin(seq: int, at_ns: Ns) -> BeginEvent:
            return BeginEvent(
                seq=seq,
                at=iso_micros(at_ns),
                pid=os.getpid(),
                money=access.money,
                venue=settings.venue.name,
                subaccount=settings.venue.subaccount,
                target_usd=settings.target.text(),
                hedge_ratio=settings.hedge_ratio.text(),
                seed=options.seed,
                cycles=settings.cycles,
                max_imbalance_bps=settings.max_imbalance.text(),
                max_quote_age_ms=settings.max_quote_age,
                logs=settings.files.logs,
            )

        def standing() -> dict[str, Any]:
            now_ms = recorder.clock.utc_ms()
            return standing_facts(view.shown(now_ms), now_ms)

        events = EventFeed(begin, recorder.clock.utc_ns, standing, remembers=wants_watcher(settings))
        view.heard = events
        recorder.people += [view.observe, events] if watched else [view.count]
        return cls(options, access, recorder, view, stops, last_resort, trio.Event(), stopwatch_ns(), events)

    @property
    def settings(self) -> Settings:
        """The effective configuration, as its options have it."""
        return self.options.settings

    @property
    def elapsed_ms(self) -> int:
        """How long it has been going on, by the stopwatch: no clock change shows in it."""
        return (stopwatch_ns() - self.began_ns) // 1_000_000

    @property
    def notes(self) -> Notes:
        """What the run itself has to say, dated by this machine's clock."""
        return Notes(self.recorder.observe, WallClock(), "run")


def utc_ms() -> int:
    """The time of this machine's clock, by which the screen is drawn and its lines are dated."""
    return WallClock().utc_ns() // 1_000_000
