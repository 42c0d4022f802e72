"""Which runs there are."""

import random
from collections.abc import Iterator

from tests.sweep.one import WHERE, Blow, Result, one

SEVERAL_EVERY = 10
"""After so many runs with one blow comes one with several."""

Run = tuple[int, tuple[Blow, ...]]


def runs(first_seed: int) -> Iterator[Run]:
    """Every kind of blow at every point of seed after seed, with a random 2- to 4-blow run after every tenth."""
    seed = first_seed
    while True:
        yield seed, ()
        yield from runs_of(seed)
        seed += 1


def runs_of(seed: int) -> Iterator[Run]:
    """All runs of one seed, in an order in which every beginning is a fair sample."""
    points = one(seed, ()).points
    chance = random.Random(f"blows {seed}")
    blows = [Blow(where, point) for where in WHERE for point in range(1, points[where] + 1)]
    chance.shuffle(blows)
    for number, blow in enumerate(blows, 1):
        yield seed, (blow,)
        if number % SEVERAL_EVERY == 0:
            yield seed, tuple(chance.sample(blows, chance.randint(2, 4)))


def command(run: Run) -> str:
    """The line that repeats a run."""
    seed, blows = run
    return f"python -m tests.sweep --seed {seed}" + "".join(f" --blow {blow.where}:{blow.point}" for blow in blows)


def blow_of(text: str) -> Blow:
    """`where:point`. Raises `ValueError` naming what is wrong."""
    where, _, point = text.partition(":")
    if where not in WHERE or not point.isdecimal():
        raise ValueError(f"{text} is not one of {', '.join(WHERE)}, a colon and a number from 1")
    return Blow(where, int(point))


def attempt(run: Run) -> tuple[Run, Result | str]:
    """Run it, in a process of the sweep; an exception is a finding, not an end of the sweep."""
    try:
        return run, one(*run)
    except BaseException as error:  # noqa: BLE001 - whatever it was, the command that repeats it must be printed
        return run, f"{type(error).__name__}: {error}"
