"""One seed for Trio's scheduler, so that a run on virtual time repeats itself byte for byte."""

import random

import trio


def seed_trio(seed: int) -> None:
    """Make Trio's choice among runnable tasks a function of `seed`. Raises `AttributeError` when Trio
    renames what this needs.
    """
    core = trio._core._run
    core._ALLOW_DETERMINISTIC_SCHEDULING  # noqa: B018 - must exist
    core._ALLOW_DETERMINISTIC_SCHEDULING = True
    if not isinstance(core._r, random.Random):
        raise AttributeError("trio._core._run._r is no longer a random.Random")
    core._r.seed(seed)
