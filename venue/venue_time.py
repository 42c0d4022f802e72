"""What time it is at the venue. Every order has a deadline by the venue's clock: who is wrong about it
cannot trade, and cannot close.
"""

from typing import Protocol

from runtime.clock import ROUND_TRIP_MAX_MS, VenueClock
from venue.protocol import Reads, Unreachable

MEASUREMENTS = 3
"""How often the clock is asked for at most."""
QUICK_NS = 100_000_000
"""A round trip that needs no second one: half of it is well within `max_clock_skew`."""
MISTIMED = (2011, 2012)
"""Refused because of the order's receive time: late, or more than 100 s ahead. Then what we know of the
venue's time is wrong.
"""


class Answers(Protocol):
    """Whoever answers questions: a venue, or its public half alone."""

    @property
    def reads(self) -> Reads:
        """What it can be asked; `time_ms` is all that is asked here."""
        ...


async def measure_clock(venue: Answers, clock: VenueClock) -> None:
    """Ask the venue for its time, up to three times until an answer is quick, and take the quickest: it is
    wrong by half its round trip at most.

    The very first answer is never the only one: its round trip includes making the connection, all of it on
    the way there.

    Raises `VenueError`, also when even the quickest was too slow to mean anything.
    """
    answers: list[tuple[int, int, int]] = []
    cold = int(clock.round_trip_ms is None)
    while len(answers) < MEASUREMENTS and not any(
        answered - asked <= QUICK_NS for asked, _, answered in answers[cold:]
    ):
        asked_ns = clock.steady_ns()
        venue_ms = await venue.reads.time_ms()
        answers.append((asked_ns, venue_ms, clock.steady_ns()))
    if not clock.measured(*min(answers, key=lambda answer: answer[2] - answer[0])):
        raise Unreachable(
            f"the venue's clock: {MEASUREMENTS} answers in a row took longer than {ROUND_TRIP_MAX_MS} ms"
        )
