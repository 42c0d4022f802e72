"""A recording under way: what the streams bring is written down, and a lost one is opened again."""

import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import trio

from commands.record.files import RecordingFiles, Tape
from runtime.backoff import RECONNECT, Streak
from runtime.clock import Clock
from venue.nado.counts import TroubleTally
from venue.nado.public_stream import public_stream
from venue.nado.socket import Dialer
from venue.protocol import EventStream, Reads, VenueError


@dataclass
class Recording:
    """One recording under way: its files, the books that they come from, and the gaps so far."""

    files: RecordingFiles
    tape: Tape
    clock: Clock
    symbols: dict[int, str]
    gaps: int = 0

    def take(self, event: object) -> None:
        """One event of a stream. Raises `OSError` when the disk refuses."""
        self.files.add(self.tape.take(event, self.clock.utc_ns()))

    async def read_books(self, reads: Reads) -> None:
        """A snapshot of every book that has to start over. Raises `VenueError`."""
        for product_id in sorted(self.tape.wanted):
            snapshot = await reads.book(product_id)
            self.files.add(self.tape.snapshot(snapshot, self.clock.utc_ns()))

    def line(self) -> str:
        """How much there is, for a person: rows of each kind and gaps."""
        parts = [
            f"{self.files.rows(kind):,} {word}"
            for kind, word in (("quotes", "quotes"), ("l2_20", "books"), ("trades", "trades"))
        ]
        return ", ".join([*parts, f"{self.gaps} {'gap' if self.gaps == 1 else 'gaps'}"])


Opened = Callable[[], AbstractAsyncContextManager[EventStream[object]]]


async def follow(recording: Recording, opened: Opened, rng: random.Random, reads: Reads | None) -> None:
    """Write down what a stream brings and open it again when it is lost, until cancelled. With `reads` the
    books start over each time.

    Raises `VenueError` when it cannot be opened the first time: what never began is no gap.
    """
    streak, began = Streak(RECONNECT, rng), False
    while True:
        try:
            async with opened() as events:
                streak.up(trio.current_time())
                if reads is not None:
                    await recording.read_books(reads)
                began = True
                async for event in events:
                    recording.take(event)
                    if reads is not None and recording.tape.wanted:
                        await recording.read_books(reads)
        except VenueError:
            if not began:
                raise
        recording.gaps += 1
        if reads is not None:
            recording.tape.lost()
        await trio.sleep(streak.pause_s(trio.current_time()))


async def record_market(
    gateway: str, recording: Recording, reads: Reads, dialer: Dialer, seed: int = 0
) -> None:
    """Record both products' public streams until cancelled. Raises `VenueError` when the venue cannot be
    reached at the beginning, `OSError`.
    """
    tally = TroubleTally("tape")
    await follow(
        recording,
        lambda: public_stream(gateway, dialer, sorted(recording.symbols), tally),
        random.Random(seed),  # noqa: S311 - jitter
        reads,
    )
