"""One run of the sweep: a whole cycle with blows at given points, judged by the simulated engine's own
order log.
"""

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import trio
import trio.testing

from actors.ledger import Store
from messages.execution_settings import Execution, Policy
from messages.settings import Settings
from messages.sizing import Leg, Sealed
from messages.units import ONE, Base, Ms, Quote
from messages.wire import digest
from tests.determinism import seed_trio
from tests.machine.audit import Heard, Written, judged
from tests.machine.bench import ACTORS, Bench, bench
from tests.sweep.phases import PhaseWatch
from tests.sweep.weather import resting_weather, weather
from venue.simulated.faults.order_faults import NO_FAULTS, Faults

HUNDRED = Settings(target=Quote(100 * ONE), cycles=1, hold=Ms(500))
LENIENT = msgspec.structs.replace(HUNDRED, legging_known=Ms(60_000), legging_unknown=Ms(120_000))
RESTING = msgspec.structs.replace(
    LENIENT,
    legging_quote=Ms(120_000),
    execution=Execution(
        quote_when="always",
        give_up=Ms(2_000),
        after_give_up="take",
        exit_take=Ms(2_000),
        lean_wait=Ms(1_500),
    ),
)
"""Where orders rest: nobody waits long for other traders."""
TARGETS = (Quote(1_000 * ONE), Quote(300 * ONE), Quote(120 * ONE))
"""With the least of them no part of a leg can be hedged alone."""
STRICT_EVERY = 5
"""Every so many seeds a cycle may not stand on one leg for longer than a trader would have it, and the run
may end in that halt.
"""
WHERE = (*ACTORS, "before_commit", "after_commit", "tampered_eth", "tampered_sol")
"""An actor, at its n-th schedule point; the ledger, at its n-th transaction, before it or after it and before
a word of it is said; the n-th sealed plan on its way to one leg, whose order is doubled.
"""
ENDS_WITHIN_S = 60
RESTS: tuple[Policy, ...] = ("maker-taker", "lean")


class Blow(msgspec.Struct, frozen=True):
    """What strikes, and when: `point` counts from 1, over all incarnations."""

    where: str
    point: int


class Result(msgspec.Struct, frozen=True):
    """What came of a run: what is wrong (empty = nothing), the phase of each blow that struck, and every
    point where one could have.
    """

    wrong: tuple[str, ...]
    phases: tuple[str, ...]
    points: tuple[tuple[Blow, str], ...]


class Striker:
    """Deals the blows of a run and counts the points where one could be dealt."""

    def __init__(self, ready: Bench, blows: Sequence[Blow]) -> None:
        self._watch = PhaseWatch(ready.machine)
        self._targets = ready.machine.tree.targets
        self._blows = frozenset(blows)
        self._channels = ready.machine.channels
        self._counts = dict.fromkeys(WHERE, 0)
        self.phases: list[str] = []
        self.points: list[tuple[Blow, str]] = []
        ready.watchers.append(self._watch)
        for name, target in self._targets.items():
            target.due = {blow.point for blow in blows if blow.where == name}
            target.struck = self._note
            target.passed = partial(self._due, name)

    def _note(self) -> None:
        self.phases.append(self._watch.now())

    def _due(self, where: str) -> bool:
        """Count a point; is a blow due here?"""
        self._counts[where] += 1
        blow = Blow(where, self._counts[where])
        self.points.append((blow, self._watch.now()))
        return blow in self._blows

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Commits and sealed plans are under fire in here."""
        append_all, ledger = Store.append_all, self._targets["ledger"]

        def struck(store: Store, messages: Sequence[Any]) -> None:
            if self._due("before_commit"):
                raise ledger.made()
            append_all(store, messages)
            if self._due("after_commit"):
                raise ledger.made()

        with patch.object(Store, "append_all", struck), self._tampering("eth"), self._tampering("sol"):
            yield

    def _tampering(self, leg: Leg) -> Any:
        box = self._channels.to_leg[leg]
        post: Callable[[Any], None] = box.post

        def tampered(message: Any) -> None:
            post(
                _doubled(message, leg)
                if isinstance(message, Sealed) and self._due(f"tampered_{leg}")
                else message
            )

        return patch.object(box, "post", tampered)


class FlatWatch:
    """An observer of what must never be: flat is said while an order rests at the engine, and no plan is
    under way or being recovered from, whose ledger may be dead.
    """

    def __init__(self, ready: Bench) -> None:
        self._machine, self._exchange = ready.machine, ready.venue.exchange
        self.wrong: list[str] = []

    def __call__(self, _said: msgspec.Struct) -> None:
        held, idle = self._machine.channels.held.value, self._machine.barrier.phase == "idle"
        resting = [digest for market in self._exchange.markets.values() for digest in market.open_orders]
        if resting and idle and held is not None and held.phase == "flat" and not self.wrong:
            self.wrong.append(f"flat was said while order {resting[0][:10]} rests")


def _doubled(sealed: Sealed, leg: Leg) -> Sealed:
    order = sealed.plan.leg(leg)
    plan = msgspec.structs.replace(
        sealed.plan, **{leg: msgspec.structs.replace(order, amount=Base(2 * order.amount))}
    )
    return Sealed(plan, digest(plan))


def one_run(
    seed: int, blows: Sequence[Blow], faults: Faults | None = None, *, resting: bool = False
) -> Result:
    """Run it, in the seed's weather unless told otherwise, with orders that rest or without. Deterministic:
    the same arguments give the same result.
    """
    settings = resting_settings(seed) if resting else settings_of(seed)
    beside = resting_weather if resting else weather
    seed_trio(seed)
    with tempfile.TemporaryDirectory() as folder:
        return trio.run(
            _run,
            Path(folder),
            seed,
            blows,
            faults or beside(seed),
            settings,
            clock=trio.testing.MockClock(autojump_threshold=0),
        )


def settings_of(seed: int) -> Settings:
    """A hundred dollars a leg, in either direction."""
    settings = HUNDRED if seed % STRICT_EVERY == 0 else LENIENT
    return msgspec.structs.replace(settings, direction="long-sol" if seed // 4 % 2 else "long-eth")


def resting_settings(seed: int) -> Settings:
    """Policies, target, direction and the leg that rests, as the seed draws them."""
    chance = random.Random(f"resting {seed}")
    entry, leave = chance.choice(RESTS), chance.choice((*RESTS, "taker-taker"))
    quote_leg = chance.choice(("eth", "eth", "sol"))
    execution = msgspec.structs.replace(RESTING.execution, entry=entry, exit=leave, quote_leg=quote_leg)
    direction = chance.choice(("long-eth", "long-sol"))
    return msgspec.structs.replace(
        RESTING, target=chance.choice(TARGETS), direction=direction, execution=execution
    )


async def _run(folder: Path, seed: int, blows: Sequence[Blow], faults: Faults, settings: Settings) -> Result:
    async with bench(folder, settings, faults=faults, seed=seed) as ready:
        heard = Heard()
        ready.watchers.append(lambda said: heard.take(said, ready.venue.now_ns()))
        flat = FlatWatch(ready)
        ready.watchers.append(flat)
        striker = Striker(ready, blows)
        with striker.at_work():
            wrong = await _judged(ready, heard) + flat.wrong
        if "boot" in striker.phases and not ready.venue.exchange.order_log:
            # who dies before everybody is up ends the start: nothing was traded, and that is all there is to
            # judge
            wrong = []
        return Result(tuple(wrong), tuple(striker.phases), tuple(striker.points))


async def _judged(ready: Bench, heard: Heard) -> list[str]:
    ending = None
    with trio.move_on_after(ENDS_WITHIN_S):
        ending = await ready.machine.run()
    late, ready.venue.faults = ready.venue.faults.late, NO_FAULTS
    if not ready.world.ledger.exists():
        return ["there is no ledger"]
    log, written = list(ready.venue.exchange.order_log), Written.read(ready.world.ledger)
    wrong = judged(
        log,
        heard,
        written,
        ready.world.venue.order_builder,
        late_ms=max((fault.delay_ms for fault in late), default=0),
    )
    if ending is None:
        return [*wrong, f"the run did not end within {ENDS_WITHIN_S} s"]
    if ending.by != "done" and ending.code not in _allowed(ready.world.settings):
        wrong.append(f"ended by {ending.by} {ending.code} {ending.detail}")
    snapshot = await ready.account()
    wrong += [
        f"the venue holds {position.total.text()} of {position.product_id}"
        for position in snapshot.positions
        if position.total
    ]
    wrong += [f"order {resting} rests" for resting in snapshot.open_orders]
    return wrong + _uncounted(ready)


def _allowed(settings: Settings) -> tuple[str, ...]:
    """Halts that a run may end in."""
    return () if settings.legging_known == LENIENT.legging_known else ("LEGGING_BUDGET",)


def _uncounted(ready: Bench) -> list[str]:
    totals = ready.totals()
    wrong = []
    # prices that run may leave no pair to enter for a while, and skipped attempts do not count
    skipped = 0 if ready.world.settings.execution.rests else totals.skipped
    if totals.completed + totals.failed + skipped != 1:
        wrong.append(
            f"cycles: {totals.completed} completed, {totals.failed} failed, {totals.skipped} skipped"
        )
    if totals.money is not None and totals.money.residual:
        wrong.append(f"{totals.money.residual.text()} USD are explained by nothing: {totals.money.words}")
    return wrong
