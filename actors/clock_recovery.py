"""After the clocks have jumped, ours or the venue's: what must be learnt anew before the next plan is sealed.

A machine that has slept knows nothing: its sockets may be dead without a sign, its books are from before, an
order may have been filled, and the wall clock may be anywhere. So every quote is dropped, every connection
closed, and until the venue's clock has been measured, the account read and both books read from a snapshot,
nothing is sealed. Closing waits for it as well, but only a venue that does not answer can make it long, and
then nothing could be closed.

The venue's clock may jump without ours. An order that it refuses for its receive time is the proof: then its
time alone is asked for, at once.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import trio

from actors.tree import Channels, World
from messages.execution import Outcome
from messages.units import Ms
from runtime.clock import ClockShift
from runtime.observe import Notes
from runtime.retry import retried
from venue.protocol import VenueError
from venue.venue_time import MISTIMED, measure_clock

Answer = TypeVar("Answer")
AGAIN_S = 0.2
"""Pause before the venue is asked once more."""


class ClockRecovery:
    """Runs beside the supervisor's loop; the loop looks at `known_ms` before a plan is sealed."""

    def __init__(self, world: World, channels: Channels) -> None:
        self._world = world
        self._note = Notes(world.observe, world.clock, "clock")
        self._channels = channels
        self._jumped_ns = 0
        self.known_ms: Ms | None = Ms(0)
        """Venue time since which everything is known again; None while it is not. Nothing is sealed that was
        decided before it (`actors/risk/may_enter.py`).
        """
        self._measures = False

    def shifted(self, shift: ClockShift, nursery: trio.Nursery) -> None:
        """The clocks did something else than run. Returns at once; what has to be asked is asked in
        `nursery`.
        """
        if not shift.jumped:
            self._note("info", f"{shift.text()}: the venue's time is measured again")
            nursery.start_soon(self._measure)
            return
        self._note(
            "warning",
            f"{shift.text()}: quotes dropped, connections closed, everything is read again before the next"
            " order",
        )
        self._jumped_ns, self.known_ms = self._world.clock.steady_ns(), None
        self._channels.quotes.clear()
        nursery.start_soon(self._learn, self._jumped_ns)

    def answered(self, outcome: Outcome, nursery: trio.Nursery) -> None:
        """What the venue said to an order. Refused for its receive time: its clock is not where we
        thought.
        """
        if outcome.code in MISTIMED and not self._measures:
            self._measures = True
            self._note(
                "warning",
                f"the {outcome.leg} order was refused with {outcome.code}: the venue's time is measured"
                " again",
            )
            nursery.start_soon(self._measure)

    async def _measure(self) -> None:
        venue, clock = self._world.venue, self._world.clock
        try:
            await self._answered(partial(measure_clock, venue, clock))
        finally:
            self._measures = False

    async def _learn(self, since_ns: int) -> None:
        """All that is to be known again after the jump at steady time `since_ns`, one after the other."""
        await self._world.venue.disconnect()
        await self._measure()
        self._channels.to_ledger.post(await self._answered(self._world.venue.reads.account))
        seen = 0
        while (await self._channels.quotes.newer_than(seen)).read_ns <= since_ns:
            seen = self._channels.quotes.version
        # After another jump meanwhile, what was learnt is from before it: that one's own task says so.
        if since_ns == self._jumped_ns:
            self.known_ms = self._world.clock.now_ms()
            self._note("info", "the venue's time, the account and both books have been read again")

    async def _answered(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """The venue's answer, asked for until it comes."""
        return await retried(
            ask,
            VenueError,
            AGAIN_S,
            lambda error: self._note("warning", f"after a clock jumped: {error}"),
        )
