"""Progress: how a stuck actor is noticed without being asked.

A crash shows itself; an actor that waits for something that never comes does not. So each says by when its
next step must be over (`expect`) and when it is (`done`): a timer, a round of questions to the venue, a send,
each with the bound that it has anyway. Mail needs no word of its own: that messages wait in its box is seen
from outside. The supervisor looks at every tick. What has been owed for `STALL_S`, the same all along, is a
stall.

Time counts only while somebody looks. A process that was stopped for a minute finds every timer overdue, and
no actor is to blame: a gap between two looks counts as `GAP_S` at most.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import trio

from runtime.ticks import next_tick_s

STALL_S = 2.0
"""How long a step may be overdue (design: supervision)."""
LOOK_S = 0.25
"""How often somebody looks for an actor that makes no progress."""
GAP_S = 0.25
"""The most that counts of the time between two looks."""
MAIL = "its mail"

Owed = tuple[str, float]
"""What, and since when (Trio's clock, seconds)."""


class Inbox(Protocol):
    """Where messages wait: a `Mailbox`, or a venue's stream of events."""

    @property
    def backlog(self) -> int:
        """How many messages wait there and were not taken yet."""
        ...


class Pulse:
    """One incarnation's word on its own progress. `inbox`: where it gets its messages from just now, if
    from anywhere.
    """

    def __init__(self, inbox: Inbox | None = None) -> None:
        self.inbox = inbox
        self._due_s: dict[str, float] = {}

    def expect(self, what: str = MAIL, within_s: float = 0.0) -> None:
        """`done(what)`, or the next `expect(what)`, comes within this time, or something is wrong."""
        self._due_s[what] = trio.current_time() + within_s

    def done(self, what: str = MAIL) -> None:
        """A step is finished; nothing of this kind is owed."""
        self._due_s.pop(what, None)

    def owed(self, now_s: float) -> Owed | None:
        """What is overdue longest. Mail that nobody has begun to read is owed from the look that finds it."""
        if self.inbox is not None and self.inbox.backlog and MAIL not in self._due_s:
            self._due_s[MAIL] = now_s
        what, due_s = min(self._due_s.items(), key=lambda item: item[1], default=("", now_s + 1))
        return (what, due_s) if due_s <= now_s else None


class Watch:
    """The pulses of all actors, and how long each has owed the same."""

    def __init__(self) -> None:
        self._pulses: dict[str, Pulse] = {}
        self._owing: dict[str, tuple[Owed | None, float]] = {}
        self._looked_s = 0.0

    def fresh(self, name: str, inbox: Inbox | None = None) -> Pulse:
        """The pulse of a new incarnation; that of the one before is forgotten."""
        self._pulses[name] = Pulse(inbox)
        self._owing.pop(name, None)
        return self._pulses[name]

    async def watch_for_ever(
        self, running: Callable[[str], bool], stall: Callable[[str, str], object]
    ) -> None:
        """Look every `LOOK_S`, and call `stall` with the name of an actor that is stuck and what it owes."""
        while True:
            await trio.sleep_until(next_tick_s(LOOK_S))
            for name, why in self.stalled(trio.current_time(), running):
                stall(name, why)

    def stalled(self, now_s: float, running: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
        """Look: the actors that run and have owed the same thing for `STALL_S`, each with what it owes."""
        gap_s, self._looked_s = min(now_s - self._looked_s, GAP_S), now_s
        for name, pulse in self._pulses.items():
            owed = pulse.owed(now_s) if running(name) else None
            before, owing_s = self._owing.get(name, (None, 0.0))
            owing_s = owing_s + gap_s if owed is not None and owed == before else 0.0
            self._owing[name] = (owed, owing_s)
            if owed is not None and owing_s >= STALL_S:
                yield name, f"{owed[0]} has been overdue for {owing_s:.1f} s"
