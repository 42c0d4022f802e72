"""Frames that nobody can read, between those that count, on both streams of a run: counted, told, and
without any other effect.
"""

import random
from pathlib import Path

import msgspec
import trio
from trio.testing import MockClock

from messages.lifecycle import Note
from messages.units import Ms
from tests.fuzz.run import one_input
from tests.fuzz.targets import targets
from tests.machine.audit import faults
from tests.machine.bench import Bench, bench
from tests.machine.test_killed import HUNDRED, PAIR
from venue.nado import events
from venue.nado.counts import TroubleTally
from venue.throwaway import THROWAWAY_SENDER

SEED = 4
FRAMES = 3_000


def unreadable() -> list[str]:
    """Mutated frames that are no event, no answer to a control frame, and not merely of a type that nobody
    asked for.
    """
    stream = next(target for target in targets(SEED) if target.name == "stream")
    texts = [one_input(stream, SEED, number).decode("utf-8", "replace") for number in range(FRAMES)]
    return [text for text in texts if _troubles(text)]


def _troubles(text: str) -> bool:
    tally = TroubleTally()
    return (
        events.decode(text, events.DECODERS, THROWAWAY_SENDER, tally) is None and tally.counts.troubles == 1
    )


async def inject(ready: Bench, texts: list[str]) -> None:
    """One frame every few milliseconds to whoever listens to a book or to fills."""
    chance = random.Random(SEED)
    for text in texts:
        await trio.sleep(chance.uniform(0, 0.004))
        topics = [name for name in ready.venue.subscribers._topics if name[0] in {"book_depth", "fill"}]
        if topics:
            ready.venue.subscribers.publish([chance.choice(topics)], lambda text=text: text)  # type: ignore[misc]


async def test_frames_that_cannot_be_read_change_nothing_and_are_counted(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    texts = unreadable()
    assert len(texts) > FRAMES // 3
    async with bench(tmp_path, msgspec.structs.replace(HUNDRED, cycles=2, hold=Ms(1_000))) as ready:
        nursery.start_soon(inject, ready, texts)
        ending = await ready.run(within_s=60)
        nursery.cancel_scope.cancel()
        assert (
            ending.by,
            ready.totals().completed,
            faults(ready.venue.exchange.order_log, largest=PAIR),
        ) == ("done", 2, [])
        counts = {count.name: count for count in ready.world.venue.counts}  # type: ignore[attr-defined]
        assert min(counts[name].troubles for name in ("market stream", "account stream")) > 100
        assert all(count.connections == 1 for name, count in counts.items() if name != "http")
        told = [said.text for said in ready.said if isinstance(said, Note) and said.source in counts]
        assert 1 < len(told) < 12, told
