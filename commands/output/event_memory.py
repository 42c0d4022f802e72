"""What a reader of a run's events has to be told that comes late, or again: the lines by which it knows how
things stand, with the numbers that they had.

Bounded by kind. Of what replaces itself (how the run stands, the books, why it waits) only the newest line is
kept; of what adds up (cycles, hops, words) the newest ones.
"""

from collections.abc import Iterator

from commands.output.events import (
    ActorEndedEvent,
    ActorStartedEvent,
    AnswerEvent,
    BooksEvent,
    ClosedEvent,
    CycleEvent,
    FillEvent,
    HopEvent,
    PlacedEvent,
    QuoteEndedEvent,
    RunEvent,
    SaidEvent,
    SealedEvent,
    StagedEvent,
    StandingEvent,
    VoteEvent,
)

CYCLES_KEPT = 1_000
LINES_KEPT = 500
KEPT: dict[type[RunEvent], int] = {
    StandingEvent: CYCLES_KEPT,
    CycleEvent: CYCLES_KEPT,
    SaidEvent: LINES_KEPT,
    HopEvent: 2_000,
    ActorStartedEvent: 64,
    ActorEndedEvent: 64,
    SealedEvent: 4,
    VoteEvent: 12,
    PlacedEvent: 4,
    AnswerEvent: 8,
    FillEvent: 64,
    ClosedEvent: 4,
    QuoteEndedEvent: 4,
    StagedEvent: 16,
}
"""How many lines of a kind are kept; of any other one."""


class EventMemory:
    """The lines, by kind and by what each replaces."""

    def __init__(self) -> None:
        self._kept: dict[type[RunEvent], dict[object, tuple[int, str]]] = {}

    def keep(self, event: RunEvent, line: str) -> None:
        """Remember the line of `event`; an older one of its kind is forgotten where there are too many."""
        kind = type(event)
        lines, key = self._kept.setdefault(kind, {}), _key(event)
        lines.pop(key, None)
        lines[key] = event.seq, line
        if len(lines) > KEPT.get(kind, 1):
            del lines[next(iter(lines))]

    def lines(self) -> Iterator[str]:
        """All that is kept, oldest first."""
        every = sorted(each for lines in self._kept.values() for each in lines.values())
        return (line for _, line in every)


def _key(event: RunEvent) -> object:
    """Two lines of a kind with the same key say the same of different moments. Of how the run stood the
    newest line of each cycle is kept: what it came to, and what the run had cost by then.
    """
    if isinstance(event, BooksEvent):
        return None
    if isinstance(event, StandingEvent):
        return event.completed + event.failed
    if isinstance(event, ActorStartedEvent | ActorEndedEvent):
        return event.actor
    return event.seq
