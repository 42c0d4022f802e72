"""One cell: the whole machine on virtual time up to the plan under test, what happens to it, and what came
of it.
"""

import tempfile
from pathlib import Path
from typing import get_args

import msgspec
import trio
import trio.testing

from messages.execution import AccountSnapshot
from messages.execution_settings import Execution
from messages.settings import Settings
from messages.sizing import Sealed
from messages.units import ONE, Ms
from supervisor import Ending
from tests.determinism import seed_trio
from tests.endings.cells import QUOTE, Cell
from tests.endings.judge import Kind, Stood, allowed, stood, unhedged
from tests.endings.outcomes import LATE_MS
from tests.endings.staging import UNEVEN, Accident, prepared
from tests.machine.audit import Heard, Written, judged
from tests.machine.bench import Bench, bench

ENDS_WITHIN_S = 120
LONE_S = 30.0
"""A part of a leg may be uneven for longer than in the sweep, where whole legs are: its USD x seconds are
judged here.
"""
SLACK = 50
"""A fill that only RESOLVE knows of is dated by its answer: USD x seconds may differ by so many parts in a
thousand of the budget.
"""
RESTING_SLACK = 500
"""The same of an order that rests: it may have traded long before that answer, for as long as the venue and
the account's stream are away (`LATE_MS`, twice).
"""
KINDS = get_args(Kind)
RESTING = Execution(entry="maker-taker", quote_when="always", give_up=Ms(2_000), after_give_up="take")


class CellResult(msgspec.Struct, frozen=True):
    """What came of a cell: its ending, what is wrong (empty = nothing), the worst USD unhedged and the USD
    x seconds, both x18, by the engine.
    """

    kind: Kind
    wrong: tuple[str, ...]
    worst: int
    usd_s: int
    budget: int
    said: tuple[str, ...] = ()


def one_cell(cell: Cell, *, told: bool = False) -> CellResult:
    """Run it. Deterministic: the same cell gives the same result. `told`: with everything that was said."""
    seed_trio(cell.seed)
    with tempfile.TemporaryDirectory() as folder:
        return trio.run(_run, Path(folder), cell, told, clock=trio.testing.MockClock(autojump_threshold=0))


class Watch:
    """What the engine had when the phase under test was over."""

    def __init__(self, cell: Cell, ready: Bench) -> None:
        rules = ready.world.rules
        self._products = rules.eth.product_id, rules.sol.product_id
        self._entering = cell.phase in {"enter", "repair", QUOTE}
        self._ready = ready
        self.over: Stood | None = None
        ready.watchers.append(self._hear)

    def _hear(self, said: msgspec.Struct) -> None:
        if self._entering and self.over is None and isinstance(said, Sealed) and said.plan.purpose == "exit":
            self.over = self.now()

    def now(self) -> Stood:
        """By the engine's log."""
        return stood(list(self._ready.venue.exchange.order_log), self._products)


async def _run(folder: Path, cell: Cell, told: bool) -> CellResult:
    direction = list(UNEVEN)[cell.seed // 4 % 2]
    settings = Settings(cycles=1, hold=Ms(500), direction=direction)  # type: ignore[arg-type]
    if cell.phase == QUOTE:
        settings = msgspec.structs.replace(settings, execution=RESTING)
    async with (
        bench(folder, settings, faults=prepared(cell, direction), seed=cell.seed) as ready,
        trio.open_nursery() as nursery,
    ):
        heard, watch, accident = Heard(), Watch(cell, ready), Accident(cell, ready, nursery)
        ready.watchers.append(lambda said: heard.take(said, ready.venue.now_ns()))
        ending = None
        with trio.move_on_after(ENDS_WITHIN_S):
            ending = await ready.machine.run()
        snapshot = await ready.account()
        nursery.cancel_scope.cancel()
        written = Written.read(ready.world.ledger)
        log = list(ready.venue.exchange.order_log)
        wrong = judged(log, heard, written, ready.world.venue.order_builder, late_ms=LATE_MS, lone_s=LONE_S)
        wrong += _not_as_meant(cell, accident) + _left(snapshot)
        result = _result(ending, watch.over or watch.now(), written, log, settings, wrong)
        return msgspec.structs.replace(result, said=tuple(map(str, ready.said))) if told else result


def _not_as_meant(cell: Cell, accident: Accident) -> list[str]:
    """A cell that tests nothing is wrong."""
    if accident.plan is None:
        return [f"there never was a plan of the phase {cell.phase}"]
    if not (accident.plan.eth.amount and (accident.plan.sol.amount or cell.phase == QUOTE)):
        return [f"the {cell.phase} had no order on one of the legs"]
    return []


def _left(snapshot: AccountSnapshot) -> list[str]:
    left = [
        f"the venue holds {position.total.text()} of {position.product_id}"
        for position in snapshot.positions
        if position.total
    ]
    return left + [f"order {resting} rests" for resting in snapshot.open_orders]


def _result(
    ending: Ending | None, over: Stood, written: Written, log: list, settings: Settings, wrong: list[str]
) -> CellResult:  # type: ignore[type-arg]
    cycle = written.fold.cycle
    worst, usd_s, *_ = unhedged(log, written.fold.products["eth"], cycle.agreed)
    budget = allowed(written.fold, settings)
    halted = ending is not None and ending.code == "LEGGING_BUDGET"
    if ending is None:
        wrong.append(f"no end within {ENDS_WITHIN_S} s")
    elif ending.by != "done" and not halted:
        wrong.append(f"ended by {ending.by} {ending.code} {ending.detail}")
    slack = budget * (RESTING_SLACK if settings.execution.rests else SLACK) // 1000
    if usd_s > budget + slack and not halted:
        wrong.append(f"{usd_s // ONE} USD s unhedged, {budget // ONE} allowed, and no halt")
    if halted and usd_s < budget - slack:
        wrong.append(f"halted for its budget although {usd_s // ONE} USD s of {budget // ONE} were used")
    return CellResult(_kind(ending, over, halted, settings, wrong), tuple(wrong), worst, usd_s, budget)


def _kind(ending: Ending | None, over: Stood, halted: bool, settings: Settings, wrong: list[str]) -> Kind:
    if ending is None or ending.open_legs:
        return "open"
    if halted or over.flat:
        return "halted" if halted else "flat"
    if not over.pair:
        wrong.append(f"left as a pair while {over.eth / ONE} ETH and {over.sol / ONE} SOL were held")
    elif over.imbalance > settings.max_imbalance:
        wrong.append(f"left as a pair with {over.imbalance.text()} bps of imbalance")
    return "hedged"
