"""Evenkeel: the tree, the wiring, the barrier's driver, and main.

    Nado /subscribe -> market_data -PairQuote-> sizing -SizingPlan-> supervisor: the barrier
                                                  ^                   | one frozen object, one slice
                                                  |             +-----+------+
                                                  |          eth_leg ledger sol_leg     SEAL -> READY x3
                                                  |             |      ^      |         -> PLACE -> OUTCOME
    Nado /ws (a connection per leg) <---- signed order ---------+------+------+
    Nado /subscribe -> account -- fill, order_update, position_change -+ (ledger tells sizing what is held)

The supervisor owns both ends of every channel for the life of the process and hands readers to incarnations. It is the only one that seals plans.
Its own loop does no I/O: what has to be asked of the venue (reconciling, RESOLVE) runs beside it and comes back as messages to the ledger.

    supervisor               one_for_one, 3 in 60 s
    |-- feeds                one_for_one, 10 in 300 s, backoff 0.25 -> 30 s: market_data, account
    `-- trading              rest_for_one, 5 in 60 s
        |-- ledger           first up, last down: never trade unrecorded
        |-- legs             one_for_all: eth_leg, sol_leg
        `-- sizing           first to stop: no new decisions
"""

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import trio

from actors import account, leg, market_data, sizing
from actors.ledger import CsvBooks, LedgerMessage, ledger_actor
from actors.runtime import barrier
from actors.runtime.barrier import Barrier, EpochBumped, FillsDue, Recovered, VotesDue
from actors.runtime.clock import VenueClock
from actors.runtime.mailbox import Latest, Mailbox
from actors.runtime.observe import Observe
from actors.runtime.state import RunState
from actors.runtime.supervision import Backoff, ChildSpec, GaveUp, Supervisor, SupervisorSpec
from messages.execution import Doubt, Outcome, PlanClosed, Resolved
from messages.lifecycle import AccountStream, CycleEnded, Directive, Halted, Held, Hop, Note, Opened, Restarted
from messages.market import PairQuote
from messages.settings import Settings
from messages.sizing import Declined, Leg, Ready, Sealed, SizingPlan, Skipped
from messages.units import ONE, Ms, notional
from venue.nado.weights import WeightBudget, unwind_weight
from venue.protocol import Venue, VenueError, VenueRules
from venue.resolve import resolve

TICK_S = 0.05
"""How often the supervisor looks at its deadlines when nothing happens."""
FILLS_DUE_MS = 500
"""After Place, how long fills may take before RESOLVE starts asking."""
STOP_PATIENCE_S = 15.0
"""How long a stop may take to close both legs before it says what is open instead."""
RECONCILE_S = (0.2, 5.0)
"""Pause between two readings of the account: while something awaits proof, and otherwise."""
MAILBOX_LEG = 16
MAILBOX_LEDGER = 4_096
MAILBOX_SUPERVISOR = 1_024
"""Bounds: a leg sees three messages a plan; a ledger that falls 4,096 events behind is stuck."""


class Stop(msgspec.Struct, frozen=True):
    """A signal, or somebody's wish: enter no more, close both legs, end."""

    reason: str
    signal: int = 0


class TreeGone(msgspec.Struct, frozen=True):
    """The supervision tree gave up."""

    detail: str


@dataclass(frozen=True)
class World:
    """What a machine is given: everything outside of it."""

    settings: Settings
    venue: Venue
    rules: VenueRules
    clock: VenueClock
    ledger: Path
    opened: Opened
    state: RunState
    observe: Observe
    seed: int
    csvs: Callable[[], CsvBooks] | None = None
    sync: Literal["full", "normal"] = "normal"


class Ending(msgspec.Struct, frozen=True):
    """How a run ended: `open_legs` is "" when flat."""

    by: Literal["done", "signal", "halt", "refused"]
    code: str = ""
    detail: str = ""
    signal: int = 0
    open_legs: str = ""


class Machine:
    """Five actors, their channels, the tree above them, and the barrier between them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.inbox: Mailbox[msgspec.Struct] = Mailbox("supervisor", MAILBOX_SUPERVISOR)
        self.to_leg: dict[Leg, Mailbox[leg.LegMessage]] = {"eth": Mailbox("eth_leg", MAILBOX_LEG), "sol": Mailbox("sol_leg", MAILBOX_LEG)}
        self.to_ledger: Mailbox[LedgerMessage] = Mailbox("ledger", MAILBOX_LEDGER)
        self.quotes: Latest[PairQuote] = Latest()
        self.held: Latest[Held] = Latest()
        self.directive = Latest(Directive(enter=world.state.halted is None, leave_now=False, reason=""))
        self.barrier = Barrier(world.state.bump(), 0)
        self.budget = WeightBudget()
        self.tree = Supervisor(self._tree(), rng=random.Random(world.seed))  # noqa: S311 - jitter, not secrets
        self.watchers: list[Callable[[msgspec.Struct], None]] = []
        self._resolving: set[str] = set()
        self._reconcile = trio.Event()
        self._fills_due_ms = 0
        self._stop: Stop | None = None
        self._stop_by = 0.0

    # -- the tree ----------------------------------------------------------------------------------------------------------------------------

    def _tree(self) -> SupervisorSpec:
        feeds = (ChildSpec("market_data", self._market_data), ChildSpec("account", self._account))
        legs = (ChildSpec("eth_leg", partial(self._leg, "eth")), ChildSpec("sol_leg", partial(self._leg, "sol")))
        under_legs = self._group("legs", "one_for_all", (5, 60), legs, bumps=True)
        trading = (ChildSpec("ledger", self._ledger), _nested(under_legs), ChildSpec("sizing", self._sizing))
        under_feeds = self._group("feeds", "one_for_one", (10, 300), feeds, backoff=Backoff(0.25, 2, 30, 0.2, 60))
        under_trading = self._group("trading", "rest_for_one", (5, 60), trading, bumps=True)
        return self._group("supervisor", "one_for_one", (3, 60), (_nested(under_feeds), _nested(under_trading)))

    def _group(
        self,
        name: str,
        strategy: Literal["one_for_one", "one_for_all", "rest_for_one"],
        limits: tuple[int, float],
        children: tuple[ChildSpec, ...],
        *,
        backoff: Backoff | None = None,
        bumps: bool = False,
    ) -> SupervisorSpec:
        return SupervisorSpec(
            name=name,
            strategy=strategy,
            intensity=limits[0],
            period_s=limits[1],
            children=children,
            backoff=backoff,
            on_restart=self._bump if bumps else None,
            on_event=self.world.observe,
        )

    def _bump(self, names: tuple[str, ...]) -> None:
        """Called with both legs proven gone, before anything starts again: the new epoch is on disk first."""
        if names == ("sizing",):
            return
        epoch = self.world.state.bump()
        self.inbox.post(EpochBumped(epoch, ", ".join(names)))

    async def _market_data(self, *, task_status: trio.TaskStatus[None]) -> None:
        w = self.world
        await market_data.run(w.venue, w.rules, self.quotes, w.clock, w.settings, w.observe, task_status=task_status)

    async def _account(self, *, task_status: trio.TaskStatus[None]) -> None:
        await account.run(self.world.venue, self.to_ledger.post, self.inbox.post, task_status=task_status)

    async def _ledger(self, *, task_status: trio.TaskStatus[None]) -> None:
        w = self.world
        await ledger_actor(
            w.ledger,
            w.opened,
            w.sync,
            self.to_ledger.reader(),
            self.inbox.post,
            self.held,
            w.venue.forge,
            w.clock,
            w.state.epoch,
            w.observe,
            w.csvs() if w.csvs else None,
            task_status=task_status,
        )

    async def _leg(self, name: Leg, *, task_status: trio.TaskStatus[None]) -> None:
        w = self.world
        tools = leg.Tools(self.inbox.post, w.venue.forge, w.clock, w.settings, w.observe)
        wire = partial(w.venue.order_wire, f"{name}_leg")
        await leg.run(name, w.state.epoch, self.to_leg[name].reader(), wire, tools, task_status=task_status)

    async def _sizing(self, *, task_status: trio.TaskStatus[None]) -> None:
        w = self.world
        sizer = sizing.Sizer(w.settings, w.rules)
        await sizing.run(self.quotes, self.held, self.directive, self.inbox.post, sizer, w.clock, w.observe, task_status=task_status)

    # -- the run ------------------------------------------------------------------------------------------------------------------------------

    async def run(self) -> Ending:
        """Trade until the configured cycles are done, a stop arrives, or trading must halt."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._run_tree)
            nursery.start_soon(self._reconcile_for_ever)
            ending = await self._conduct()
            nursery.cancel_scope.cancel()
        return ending

    async def _run_tree(self) -> None:
        try:
            await self.tree.run()
        except GaveUp as error:
            self.inbox.post(TreeGone(str(error)))

    def stop(self, reason: str, signal: int = 0) -> None:
        """Ask for the end: enter no more, close both legs."""
        self.inbox.post(Stop(reason, signal))

    async def _conduct(self) -> Ending:
        with self.inbox.reader() as inbox:
            while True:
                with trio.move_on_after(TICK_S):
                    ending = self._take(await inbox.receive())
                    if ending:
                        return ending
                self._look_at_deadlines()
                ending = self._ended()
                if ending:
                    return ending

    def _take(self, message: msgspec.Struct) -> Ending | None:
        self.world.observe(message)
        for watch in self.watchers:
            watch(message)
        if isinstance(message, TreeGone):
            return self._halt("GAVE_UP", message.detail)
        if isinstance(message, Stop):
            return self._stopping(message)
        if isinstance(message, AccountStream | CycleEnded):
            self._reconcile.set()
        elif isinstance(message, Skipped):
            self.to_ledger.post(message)
        elif isinstance(message, EpochBumped):
            self.to_ledger.post(Restarted(message.why, "restarted", Ms(0), message.epoch))
            self._step(message)
        elif isinstance(message, SizingPlan):
            self._propose(message)
        elif isinstance(message, Ready) and len(self.barrier.ready) == 2 and not self._legs_up():
            self._step(Declined(message.who, message.epoch, message.seq, "LEG_DOWN", "a leg died after the votes began"))
        elif isinstance(message, Ready | Declined | Outcome | PlanClosed):
            self._step(message)
        return None

    def _legs_up(self) -> bool:
        return self.tree.running("eth_leg") and self.tree.running("sol_leg")

    def _propose(self, plan: SizingPlan) -> None:
        obstacle = self._obstacle(plan)
        if obstacle:
            self._note("info", f"{plan.purpose} not sealed: {obstacle}")
        else:
            self._step(plan)

    def _obstacle(self, plan: SizingPlan) -> str:
        """Why this plan may not be sealed now; "" when it may."""
        held = self.held.value
        if self.barrier.phase != "idle" or held is None:
            return f"the barrier is {self.barrier.phase}"
        if any(box.backlog for box in self.to_leg.values()) or not self._legs_up():
            return "a leg is not ready for it"
        now_ms = self.world.clock.now_ms()
        if plan.increases and not self.budget.affords(2 + unwind_weight(), now_ms):
            return "the rate limit leaves no weight for this plan and a full unwind"
        if plan.purpose == "enter":
            return self._entry_obstacle(plan, held)
        return ""

    def _entry_obstacle(self, plan: SizingPlan, held: Held) -> str:
        directive = self.directive.value
        if directive is None or not directive.enter or directive.leave_now:
            return "entering is not allowed"
        needs = self.margin_needed(plan)
        if held.initial_health < needs:
            return f"needs {needs // 10**16 / 100:.2f} USDT0 of initial margin, has {held.initial_health // 10**16 / 100:.2f}"
        return ""

    def margin_needed(self, plan: SizingPlan) -> int:
        """USDT0 (x18) of initial health that both legs take at their limits, with four taker fees and `margin_buffer`. ETH and SOL do not net."""
        total = 0
        for name in ("eth", "sol"):
            order, product = plan.leg(name), self.world.rules.product(name)
            weight = ONE - product.long_weight_initial if order.amount > 0 else product.short_weight_initial - ONE
            size = notional(order.limit, order.amount)
            total += size * (weight + 2 * product.taker_fee) // ONE
        return total * (ONE + self.world.settings.limits.margin_buffer) // ONE

    def _step(self, event: barrier.Event) -> None:
        settings = self.world.settings
        before = self.barrier
        self.barrier, actions = barrier.step(
            before, event, self.world.clock.now_ms(), recv_time_ms=settings.recv_time, ready_deadline_ms=settings.ready_deadline
        )
        for action in actions:
            self._act(action)

    def _act(self, action: barrier.Action) -> None:
        if isinstance(action, barrier.Tell):
            self._tell(action)
        elif isinstance(action, barrier.TellLedger):
            self.to_ledger.post(action.message)
        elif isinstance(action, barrier.Resolve):
            self._resolve_doubts()
        else:
            self._fills_due_ms = 0
            self._reconcile.set()

    def _tell(self, action: barrier.Tell) -> None:
        """The same object into three mailboxes in one scheduler slice: nothing can run in between."""
        message = action.message
        self.to_leg["eth"].post(message)
        self.to_leg["sol"].post(message)
        self.to_ledger.post(message)
        self.world.observe(message)
        if isinstance(message, Sealed):
            plan = message.plan
            self.world.observe(
                Hop(self.world.clock.utc_ns(), "supervisor seals", plan.epoch, plan.seq, message.digest, plan.eth.amount, plan.sol.amount, plan.purpose)
            )
        elif self.barrier.phase == "placed":
            now_ms = self.world.clock.now_ms()
            self.budget.spend(2, now_ms)
            self._fills_due_ms = now_ms + FILLS_DUE_MS

    # -- deadlines ------------------------------------------------------------------------------------------------------------------------------

    def _look_at_deadlines(self) -> None:
        state, now_ms = self.barrier, self.world.clock.now_ms()
        if state.phase == "voting" and state.sealed and now_ms > state.votes_due_ms:
            self._step(VotesDue(state.sealed.plan.epoch, state.sealed.plan.seq))
        elif state.phase == "placed" and state.sealed and self._fills_due_ms and now_ms > self._fills_due_ms:
            self._fills_due_ms = now_ms + FILLS_DUE_MS
            self._step(FillsDue(state.sealed.plan.epoch, state.sealed.plan.seq))
        elif state.phase == "recovering":
            self._recover()

    def _recover(self) -> None:
        held = self.held.value
        if held is None or held.epoch != self.barrier.epoch:
            return
        if held.doubts:
            self._resolve_doubts()
        elif held.phase != "in_flight" and self._legs_up():
            self.barrier = msgspec.structs.replace(self.barrier, seq=max(self.barrier.seq, held.seq))
            self._step(Recovered())
            self._reconcile.set()

    def _ended(self) -> Ending | None:
        held = self.held.value
        if self._stop and trio.current_time() > self._stop_by:
            return self._stopped(held)
        if held is None or held.phase != "flat" or held.awaiting_proof or self.barrier.phase != "idle":
            return None
        attempted = held.completed + held.skipped + held.failed
        if self._stop:
            return self._stopped(held)
        if self.world.state.halted:
            return Ending("halt", *self.world.state.halted)
        if self.world.settings.cycles is not None and attempted >= self.world.settings.cycles:
            return Ending("done")
        return None

    def _stopped(self, held: Held | None) -> Ending:
        stop = self._stop or Stop("")
        return Ending("signal" if stop.signal else "refused", stop.reason, "", stop.signal, open_legs(held))

    def _stopping(self, stop: Stop) -> Ending | None:
        if self._stop is not None:
            return self._stopped(self.held.value)
        self._stop = stop
        self._stop_by = trio.current_time() + STOP_PATIENCE_S
        self.directive.put(Directive(enter=False, leave_now=True, reason=stop.reason))
        self._note("info", f"stopping ({stop.reason}): entering no more, closing both legs")
        return None

    def _halt(self, code: str, detail: str) -> Ending:
        self.world.state.halt(code, detail)
        self.world.observe(Halted(code, detail))
        return Ending("halt", code, detail, 0, open_legs(self.held.value))

    # -- beside the loop: asking the venue --------------------------------------------------------------------------------------------------------

    def _resolve_doubts(self) -> None:
        held = self.held.value
        for doubt in held.doubts if held else ():
            if doubt.order_digest not in self._resolving:
                self._resolving.add(doubt.order_digest)
                self._nursery.start_soon(self._resolve, doubt)

    async def _resolve(self, doubt: Doubt) -> None:
        self._note("warning", f"{doubt.leg.upper()} order {doubt.order_digest[:10]} unknown: asking the venue until it is certain")
        try:
            await resolve(doubt, self.world.venue.reads, self._resolved)
        finally:
            self._resolving.discard(doubt.order_digest)

    def _resolved(self, answer: Resolved) -> None:
        self.world.observe(answer)
        self.to_ledger.post(answer)

    async def _reconcile_for_ever(self) -> None:
        """Read the account after every plan, and now and then; the ledger compares it with its own word."""
        while True:
            held = self.held.value
            pending = held is None or held.awaiting_proof or not held.account_ok
            with trio.move_on_after(RECONCILE_S[0] if pending else RECONCILE_S[1]):
                await self._reconcile.wait()
            self._reconcile = trio.Event()
            try:
                snapshot = await self.world.venue.reads.account()
            except VenueError as error:
                self._note("warning", f"the account could not be read: {error}")
                await trio.sleep(RECONCILE_S[0])
                continue
            self.to_ledger.post(snapshot)

    def _note(self, level: Literal["debug", "info", "warning", "error"], text: str) -> None:
        self.world.observe(Note(self.world.clock.utc_ns(), level, "supervisor", text))


def _nested(spec: SupervisorSpec) -> ChildSpec:
    raise NotImplementedError


def open_legs(held: Held | None) -> str:
    """What is open, in words; "" when nothing is, "unknown" when nobody knows."""
    if held is None:
        return "unknown"
    parts = [f"{name} {amount.text()}" for name, amount in (("ETH-PERP", held.eth), ("SOL-PERP", held.sol)) if amount]
    return ", ".join(parts + [f"{doubt.leg} order {doubt.order_digest[:10]} unknown" for doubt in held.doubts])


def main() -> int:
    """Hand the command line to `commands/cli.py`."""
    from commands.cli import main as command_line

    return command_line(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
