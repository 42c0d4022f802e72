"""Each actor killed once in each phase: flat at the end, nothing sent twice, by the engine's own order
log.
"""

from collections.abc import Callable, Container
from itertools import product
from pathlib import Path

import msgspec
import pytest
import trio

from messages.execution import Outcome, PlanClosed
from messages.lifecycle import LEG_ANSWERED, LEG_SENDS, AccountStream, Hop, HopWord
from messages.settings import Settings
from messages.sizing import Place, Ready
from messages.units import ONE, Base, Ms, Quote
from runtime.specs import Exited
from tests.determinism import seed_trio
from tests.machine.audit import faults
from tests.machine.bench import ACTORS, Bench, bench
from tests.thinned import thinned

HUNDRED = Settings(target=Quote(100 * ONE), cycles=1, hold=Ms(500))
PAIR = {4: int(Base.of("0.042")), 8: int(Base.of("1"))}


def hop_named(words: Container[HopWord], purpose_seq: int = 1) -> Callable[[msgspec.Struct], bool]:
    return lambda said: isinstance(said, Hop) and said.hop in words and said.seq == purpose_seq


PHASES: dict[str, tuple[Callable[[msgspec.Struct], bool], float]] = {
    "idle": (hop_named(["sizing proposes"], 0), 0.0),
    "seal to ready": (hop_named(["supervisor seals"]), 0.0),
    "ready to place": (lambda said: isinstance(said, Ready), 0.0),
    "between the sends": (hop_named(LEG_SENDS.values()), 0.0),
    "sent to ack": (hop_named(LEG_SENDS.values()), 0.015),
    "ack to fill": (hop_named(LEG_ANSWERED.values()), 0.0),
    "outcome to close": (lambda said: isinstance(said, Outcome), 0.0),
    "hold": (lambda said: isinstance(said, PlanClosed), 0.2),
    "exit sealed": (hop_named(["supervisor seals"], 2), 0.0),
    "exit sent": (hop_named(LEG_SENDS.values(), 2), 0.015),
    "exit answered": (hop_named(LEG_ANSWERED.values(), 2), 0.0),
}
"""Phase -> what marks it, and how many seconds later the crash comes."""


def strike_in(ready: Bench, nursery: trio.Nursery, phase: str, strike: Callable[[], None]) -> None:
    """Arrange for `strike` in `phase`, the first time it comes."""
    marks, after_s = PHASES[phase]
    struck: list[bool] = []

    async def later() -> None:
        await trio.sleep(after_s)
        strike()

    def watch(said: msgspec.Struct) -> None:
        if marks(said) and not struck:
            struck.append(True)
            if after_s:
                nursery.start_soon(later)
            else:
                strike()

    ready.watchers.append(watch)


@pytest.mark.parametrize(("actor", "phase"), thinned(product(ACTORS, PHASES), 4))
async def test_killed(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, nursery: trio.Nursery, actor: str, phase: str
) -> None:
    """R4, R14, L2: whoever dies, whenever: the pair ends flat, no order is sent twice, and the death is
    counted.
    """
    seed_trio(11)
    async with bench(tmp_path, HUNDRED) as ready:
        strike_in(ready, nursery, phase, ready.machine.tree.targets[actor].crash)
        ending = await ready.run(within_s=120)
        totals = ready.totals()
        log = ready.venue.exchange.order_log
        assert faults(log, largest=PAIR) == []
        assert ready.machine.tree.targets[actor].crashes == 1, "the crash never struck"
        assert ending.by == "done", ending
        assert totals.completed + totals.failed + totals.skipped == 1
        snapshot = await ready.account()
        assert [position.total for position in snapshot.positions if position.total] == []
        assert snapshot.open_orders == ()


async def test_nothing_is_entered_while_the_account_has_died_and_not_come_back(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """R7: its stream died with it, and a dead actor says nothing."""
    settings = msgspec.structs.replace(HUNDRED, cycles=2, hold=Ms(100), pause=Ms(100))
    async with bench(tmp_path, settings) as ready:
        heard: list[str] = []

        def watch(said: msgspec.Struct) -> None:
            if isinstance(said, Exited) and said.child == "account":
                heard.append("gone")
            elif isinstance(said, AccountStream) and said.live:
                heard.append("back")
            elif isinstance(said, Place):
                heard.append("placed")
            elif isinstance(said, PlanClosed) and said.seq == 2:
                ready.machine.tree.targets["account"].crash()

        ready.watchers.append(watch)
        ending = await ready.run(within_s=60)
        assert ending.by == "done"
        between = heard[heard.index("gone") : len(heard) - heard[::-1].index("back")]
        assert between[0] == "gone"
        assert set(between[1:]) == {"back"}, heard
