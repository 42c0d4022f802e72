"""When Python looks for reference cycles: between plans and not on their way.

A collection stops everything. What a program has made by its start (modules, classes, settings) stays for its
life, and is looked through in every full collection for nothing; so it is set aside, once. What a plan makes
is mostly freed without the collector, so it is asked to look when nothing is under way, and by itself only
after many more objects than Python's own default: a run that never comes to rest does not grow.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import trio

from runtime.mailbox import Latest

THRESHOLDS = (10_000, 10, 10)
"""New objects that are not freed yet before the collector looks by itself; then of how many looks one goes
through older ones. Looking through 10,000 takes half a millisecond.
"""
QUIET_S = 0.1
"""How long after the last change it is asked to look: it is reported by then."""


@contextmanager
def set_aside() -> Iterator[None]:
    """In here everything that exists at the beginning is not looked through any more."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def collect_between(changes: Latest[Any], quiet: Callable[[], bool]) -> None:
    """Look through everything a moment after each change in `changes`, unless `quiet` says no then. Until
    cancelled.
    """
    seen = changes.version
    while True:
        await changes.newer_than(seen)
        await trio.sleep(QUIET_S)
        seen = changes.version
        if quiet():
            gc.collect()
