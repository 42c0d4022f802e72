"""A stuck actor is noticed, ended, restarted as `Stalled` and counted, and the pair still ends flat; a
quiet machine is left alone.
"""

import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from messages.lifecycle import AccountStream, Hop
from messages.settings import Settings
from messages.units import ONE, Base, Ms, Quote
from runtime.pulse import STALL_S
from runtime.specs import Exited
from tests.determinism import seed_trio
from tests.machine.audit import faults
from tests.machine.bench import Bench, bench

HUNDRED = Settings(target=Quote(100 * ONE), cycles=1, hold=Ms(10_000))
PAIR = {4: int(Base.of("0.042")), 8: int(Base.of("1"))}


class Wedge:
    """One actor that can be wedged, once: it is not resumed any more, whatever comes, until it is
    cancelled.
    """

    def __init__(self) -> None:
        self.wanted = False
        self.wedged_at: float | None = None
        self._here = trio.CancelScope()

    def wedge(self) -> None:
        self.wanted = self.wedged_at is None

    def _struck(self) -> bool:
        struck, self.wanted = self.wanted, False
        if struck:
            self.wedged_at = trio.current_time()
        return struck

    async def run(self, start: Callable[..., Awaitable[None]], task_status: trio.TaskStatus[None]) -> None:
        await self._driven(start(task_status=task_status))  # type: ignore[arg-type]

    @types.coroutine
    def _driven(self, actor: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
        value, error = None, None
        while True:
            try:
                waits_for = actor.throw(error) if error else actor.send(value)
            except StopIteration:
                return
            value = error = None
            try:
                value = yield waits_for
                if self._struck():
                    yield from trio.sleep_forever().__await__()  # noqa: ASYNC105 - this is how a generator awaits
            except BaseException as thrown:  # noqa: BLE001 - passed on to the actor
                error = thrown


class Hollow(Wedge):
    """The same for actors that live in nurseries, whose tasks cannot be held one by one: all of it is
    gone, and something sleeps in its place.
    """

    def wedge(self) -> None:
        super().wedge()
        if self._struck():
            self._here.cancel()

    async def run(self, start: Callable[..., Awaitable[None]], task_status: trio.TaskStatus[None]) -> None:
        with trio.CancelScope() as self._here:
            await start(task_status=task_status)
        await trio.sleep_forever()


def seals(said: msgspec.Struct) -> bool:
    return isinstance(said, Hop) and said.hop == "supervisor seals"


KINDS: dict[str, type[Wedge]] = {
    "ledger": Wedge,
    "eth_leg": Wedge,
    "sol_leg": Wedge,
    "account": Wedge,
    "sizing": Hollow,
    "market_data": Hollow,
}


def wedge(ready: Bench, actor: str) -> Wedge:
    """Wedge `actor` when the first plan is sealed."""
    held = KINDS[actor]()
    ready.machine.tree.targets[actor].run = held.run  # type: ignore[method-assign]
    ready.watchers.append(lambda said: held.wedge() if seals(said) else None)
    return held


def stalls(ready: Bench) -> list[Exited]:
    return [said for said in ready.said if isinstance(said, Exited) and said.why.startswith("Stalled")]


@pytest.mark.parametrize("actor", KINDS)
async def test_a_wedged_actor_is_noticed_and_restarted_and_the_pair_ends_flat(
    autojump_clock: MockClock, tmp_path: Path, actor: str
) -> None:
    seed_trio(11)
    async with bench(tmp_path, HUNDRED) as ready:
        held = wedge(ready, actor)
        noticed: list[float] = []
        ready.watchers.append(
            lambda said: (
                noticed.append(trio.current_time())
                if isinstance(said, Exited) and "Stalled" in said.why
                else None
            )
        )
        ending = await ready.run(within_s=120)
        totals = ready.totals()
        assert held.wedged_at is not None, "it was never wedged"
        assert [said.child for said in stalls(ready)] == [actor]
        assert noticed[0] - held.wedged_at <= STALL_S + 1
        assert (ending.by, totals.restarts >= 1) == ("done", True)
        assert faults(ready.venue.exchange.order_log, largest=PAIR) == []
        assert [position.total for position in (await ready.account()).positions if position.total] == []


async def test_a_quiet_machine_is_left_alone(autojump_clock: MockClock, tmp_path: Path) -> None:
    """A minute between two motionless books, with a pair held; and looked at in the midst of whatever
    happens, with mail in the box.
    """
    settings = msgspec.structs.replace(HUNDRED, hold=Ms(60_000))
    async with bench(tmp_path, settings) as ready:
        tree, to_ledger = ready.machine.tree, ready.machine.channels.to_ledger
        waiting: list[int] = []

        def look(said: msgspec.Struct) -> None:
            if seals(said):
                # the first goes straight to the waiting ledger, the second is left in the box
                for _ in range(2):
                    to_ledger.post(AccountStream(live=True, detail=""))
                waiting.append(to_ledger.backlog)
            assert list(tree._watch.stalled(trio.current_time(), tree.supervisor.running)) == []

        ready.watchers.append(look)
        ending = await ready.run(within_s=180)
        assert ending.by == "done"
        assert stalls(ready) == []
        assert min(waiting) > 0
        assert ready.totals().restarts == 0
