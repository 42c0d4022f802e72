"""Inputs against targets: the same input for the same seed and number, whatever came before it."""

import random

from tests.fuzz.mutate import mutated
from tests.fuzz.targets import Target


class Found(AssertionError):
    """An input that broke a reader, with the command that repeats it."""


def against(target: Target, seed: int, numbers: range) -> int:
    """How many of these inputs were accepted. Raises `Found` at the first that broke the reader."""
    accepted = 0
    for number in numbers:
        data = one_input(target, seed, number)
        try:
            accepted += target.run(data)
        except Exception as error:
            again = f"python -m tests.fuzz --seed {seed} --only '{target.name}' --from {number} --inputs 1"
            raise Found(
                f"{target.name}, input {number}: {data!r}\n{type(error).__name__}: {error}\n{again}"
            ) from error
    return accepted


def one_input(target: Target, seed: int, number: int) -> bytes:
    """Input `number` of a target."""
    rng = random.Random(f"{seed} {target.name} {number}")
    return mutated(rng.choice(target.seeds), target.seeds, rng)


def share(inputs: int, parts: int, index: int) -> int:
    """What part `index` gets of so many inputs."""
    return inputs // parts + (index < inputs % parts)
