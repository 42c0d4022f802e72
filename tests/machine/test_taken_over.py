"""A run whose guard has taken over: it waits for the end, and leaves what the exchange lets this machine
ask to the guard.
"""

from pathlib import Path

import trio
from trio.testing import MockClock

from actors.instance.state import closing_alone
from commands.run.shutdown import GUARD_ASK_S, while_guard_closes
from commands.stopping import Stops
from tests.machine.bench import Bench, bench
from tests.machine.test_escape_and_recovery import HOURS, killed


def asked_exchange(ready: Bench) -> int:
    """HTTP requests so far."""
    return int(dict(ready.world.venue.seen())["http"].split(" ")[0])


async def test_it_asks_nothing_while_its_guard_closes_and_little_until_all_is_closed(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """It asked ten times a second, until the exchange refused its questions and its guard's, and its own
    last one: exit code 4 over nothing.
    """
    async with bench(tmp_path, HOURS) as ready:
        await killed(ready)
        before = asked_exchange(ready)
        with closing_alone(ready.world.state.beside(".json")) as alone, trio.move_on_after(10):
            assert alone
            await while_guard_closes(ready.world, Stops())
        assert asked_exchange(ready) == before
        with trio.move_on_after(10):
            await while_guard_closes(ready.world, Stops())
        assert 0 < asked_exchange(ready) - before <= 4 * (10 / GUARD_ASK_S + 1)
