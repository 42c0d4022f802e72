"""Which runs there are."""

import random
import signal
from collections.abc import Iterator
from itertools import count

from tests.sweep.one import WHERE, Blow, Result, one_run

SEVERAL_EVERY = 10
"""After so many runs with one blow come two with several."""
SAMPLED = 10
"""Seeds of which a sample comes first, so that a short sweep has been in every phase too."""
STUCK_S = 120
"""A run takes a fraction of a second; one that takes this long turns round in circles while its virtual
clock stands still.
"""

Run = tuple[int, tuple[Blow, ...]]


def runs(first_seed: int, *, resting: bool = False) -> Iterator[Run]:
    """A sample of the first seeds; then every kind of blow at every point of seed after seed, and every
    now and then several in one run.
    """
    for seed in range(first_seed, first_seed + SAMPLED):
        yield from sample_of(seed, resting=resting)
    for seed in count(first_seed):
        yield from runs_of(seed, resting=resting)


def runs_of(seed: int, *, resting: bool = False) -> Iterator[Run]:
    """All runs of one seed, in an order in which every beginning is a fair sample."""
    yield seed, ()
    chance = random.Random(f"blows {seed}")
    blows = [blow for blow, _ in one_run(seed, (), resting=resting).points]
    chance.shuffle(blows)
    for number, blow in enumerate(blows, 1):
        yield seed, (blow,)
        if number % SEVERAL_EVERY == 0:
            yield seed, tuple(chance.sample(blows, chance.randint(2, 4)))
            yield from in_recovery(seed, chance.choice(blows), chance, resting=resting)


def in_recovery(seed: int, first: Blow, chance: random.Random, *, resting: bool = False) -> Iterator[Run]:
    """A second blow while the first is being recovered from."""
    then = [blow for blow, phase in one_run(seed, (first,), resting=resting).points if phase == "recover"]
    if then:
        yield seed, (first, chance.choice(then))


def sample_of(seed: int, *, resting: bool = False) -> Iterator[Run]:
    """A few runs of a seed: one with a blow in each phase that it has, and one with a second blow during
    recovery.
    """
    yield seed, ()
    chance = random.Random(f"sample {seed}")
    by_phase: dict[str, list[Blow]] = {}
    for blow, phase in one_run(seed, (), resting=resting).points:
        by_phase.setdefault(phase, []).append(blow)
    for blows in by_phase.values():
        yield seed, (chance.choice(blows),)
    legs = [
        blow
        for blow in by_phase.get("quote" if resting else "send to ack", [])
        if blow.where in {"eth_leg", "sol_leg", "ledger"}
    ]
    # A ledger that dies is longest recovered from; a leg whose order is heard of in time may be back before
    # anything can strike.
    longest = [blow for blow in legs if blow.where == "ledger"] or legs
    yield from in_recovery(seed, chance.choice(longest), chance, resting=resting) if longest else ()


def command(run: Run, *, resting: bool = False) -> str:
    """The line that repeats a run."""
    seed, blows = run
    return f"python -m tests.sweep{' --resting' if resting else ''} --seed {seed}" + "".join(
        f" --blow {blow.where}:{blow.point}" for blow in blows
    )


def blow_of(text: str) -> Blow:
    """`where:point`. Raises `ValueError` naming what is wrong."""
    where, _, point = text.partition(":")
    if where not in WHERE or not point.isdecimal():
        raise ValueError(f"{text} is not one of {', '.join(WHERE)}, a colon and a number from 1")
    return Blow(where, int(point))


def attempt(run: Run, *, resting: bool = False) -> tuple[Run, Result | str]:
    """Run it, in a process of the sweep; an exception is a finding, not an end of the sweep."""
    signal.signal(signal.SIGALRM, _stuck)
    signal.alarm(STUCK_S)
    try:
        return run, one_run(*run, resting=resting)
    except BaseException as error:  # noqa: BLE001 - whatever it was, the command that repeats it must be printed
        return run, f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)


def _stuck(*_signal: object) -> None:
    raise TimeoutError(f"stuck: no end in {STUCK_S} s of real time")
