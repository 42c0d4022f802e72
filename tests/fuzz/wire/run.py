"""One input after the other through the real client on virtual time, under four limits: errors, virtual
time, the processor, memory.
"""

import gc
import os
import random
import resource
import signal
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

import trio
import trio.testing

from tests.determinism import seed_trio
from tests.fuzz.run import Found
from tests.fuzz.wire.targets import WireTarget, shares
from tests.fuzz.wire.transcripts import recorded_transcripts

NEVER_S = 600.0
"""Virtual. A silent peer is given up after 60 s, and nothing else may take that long."""
BUSY_S = 20.0
"""Of the processor, for one input."""
MEMORY_MAX = 128 * 2**20
"""What one input may add to what the process has ever held. A valid message may be 4 MiB, four times that as
Python's text, and is copied twice on its way; twice as many characters may wait to be read.
"""


class Busy(BaseException):
    """One input kept the processor for `BUSY_S`."""


@dataclass
class Finds:
    """What went wrong, by kind: the first of each, and how many."""

    first: dict[str, Found] = field(default_factory=dict)
    count: Counter[str] = field(default_factory=Counter)


def wire_against(
    inputs: int, seed: int, *, only: str | None = None, first: int = 0, keep_going: bool = False
) -> Finds:
    """Run them. Raises `Found` at the first that breaks a limit; with `keep_going`, collects them by kind
    instead.
    """
    recorded_transcripts()
    finds = Finds()
    with _bounded_processor():
        trio.run(
            _all,
            inputs,
            seed,
            only,
            first,
            keep_going,
            finds,
            clock=trio.testing.MockClock(autojump_threshold=0),
        )
    return finds


async def _all(inputs: int, seed: int, only: str | None, first: int, keep_going: bool, finds: Finds) -> None:
    gauge = Gauge()
    plan = [(target, count) for target, count in shares(inputs) if only in {None, target.name}]
    if only is not None:
        plan = [(target, inputs) for target, _ in plan]
    for target, count in plan:
        for number in range(first, first + count):
            try:
                await one_wire_input(target, seed, number, gauge)
            except Found as find:
                if not keep_going:
                    raise
                kind = str(find).splitlines()[1]
                finds.first.setdefault(f"{target.name}: {kind}", find)
                finds.count[f"{target.name}: {kind}"] += 1


class Gauge:
    """The most memory that this process has ever held."""

    def __init__(self) -> None:
        self.mark = self._peak()

    def grown(self) -> int:
        """Bytes since the last time it was asked."""
        before, self.mark = self.mark, self._peak()
        return self.mark - before

    def _peak(self) -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def one_wire_input(target: WireTarget, seed: int, number: int, gauge: Gauge) -> None:
    """Input `number` of a target: the same for the same seed, whatever came before it."""
    rng = random.Random(f"{seed} {target.name} {number}")
    said = target.make(rng)
    gauge.grown()  # what making it took is not the reader's
    seed_trio(number)
    target.reached.inputs += 1
    signal.setitimer(signal.ITIMER_VIRTUAL, BUSY_S)
    try:
        with trio.move_on_after(NEVER_S) as time:
            await target.read(said, target.reached)
    except (Exception, BaseExceptionGroup, Busy) as error:
        raise _found(target, seed, number, _kind(error), error) from error
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    if time.cancelled_caught:
        raise _found(target, seed, number, f"no end in {NEVER_S:g} s of virtual time")
    grown = gauge.grown()
    if grown > MEMORY_MAX:
        raise _found(target, seed, number, f"{grown // 2**20} MB of memory")
    if number % 2_000 == 0:
        gc.collect()


def _found(
    target: WireTarget, seed: int, number: int, what: str, error: BaseException | None = None
) -> Found:
    again = f"python -m tests.fuzz --wire --seed {seed} --only '{target.name}' --from {number} --inputs 1"
    trace = "".join(traceback.format_exception(error)) if error else ""
    return Found(f"{target.name}, input {number}:\n{what}\n{trace}{again}")


def _kind(error: BaseException) -> str:
    """The first error that is no group, and where it was raised, without what differs from input to input."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {os.path.basename(where.filename)}:{where.name}"


@contextmanager
def _bounded_processor() -> Iterator[None]:
    def over(_number: int, _frame: FrameType | None) -> NoReturn:
        raise Busy(f"more than {BUSY_S:g} s of the processor")

    before = signal.signal(signal.SIGVTALRM, over)
    try:
        yield
    finally:
        signal.signal(signal.SIGVTALRM, before)
