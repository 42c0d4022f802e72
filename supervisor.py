"""Evenkeel: the supervisor that drives the barrier, and main. The tree of actors below it and their channels
are in `actors/tree.py`.

    Nado /subscribe -> market_data -PairQuote-> sizing -SizingPlan-> supervisor: the barrier
                                                  ^                   | one frozen object, one slice
                                                  |             +-----+------+
                                                  |          eth_leg ledger sol_leg     SEAL -> READY x3
                                                  |             |      ^      |         -> PLACE -> OUTCOME
    Nado /ws (a connection per leg) <---- signed order ---------+------+------+
    Nado /subscribe -> account -- fill, order_update, position_change -+ (ledger tells sizing what is held)

The supervisor owns both ends of every channel for the life of the process and hands readers to incarnations.
It is the only one that seals plans. Its own loop does no I/O: what has to be asked of the venue (reconciling,
RESOLVE) runs beside it (`actors/reconciliation.py`) and comes back as messages to the ledger.
"""
# Parses on Python 3.6 (no `:=` in this file): a wrong interpreter is told so by `commands/begin.py`, not by a
# SyntaxError.

import sys

# before anything else is imported: a signal, a wrong interpreter and a closed standard output come that early
if __name__ == "__main__":
    import signal

    # until `begin` counts signals, Ctrl-C ends the process without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from commands.begin import main as begin

    begin(sys.argv[1:])

from collections.abc import Callable
from typing import Any

from runtime.observe import Notes
import msgspec
import trio

from actors.run_ending import Ending, RunEnding, Leave, Pause, Stop, TreeGone
from actors.reconciliation import Reconciliation
from actors.ledger import Unwritable
from actors.risk.may_enter import NOT_SEALED
from actors.seal_gate import SealGate
from actors.barrier import (
    Action,
    Barrier,
    ClockJumped,
    EpochBumped,
    Event,
    FillsDue,
    LegDown,
    Recovered,
    Resolve,
    Tell,
    TellLedger,
    VotesDue,
    step,
)
from runtime.clock import ClockWatch, ClockShift
from runtime.specs import first_cause_first, told
from runtime.ticks import next_tick_s
from actors.tree import Channels, Tree, World
from actors.clock_recovery import ClockRecovery
from actors.presigned_exit import PresignedExit
from actors.working_orders import WorkingOrders
from messages.execution import CancelAsked, Outcome, PlanClosed
from messages.lifecycle import AccountStream, Denial, Denied, Held, Hop, Started
from messages.sizing import Abort, Declined, PairSettled, Place, Ready, Sealed, SizingPlan, Skipped
from venue.closing import REREAD_AFTER, hedged, liquidation_near, on_the_steps
from venue.protocol import Tradable, rules_read

TICK_S = 0.05
"""How often the supervisor looks at its deadlines while a plan is under way or in doubt."""
IDLE_S = 0.125
"""The same while there is none: a heartbeat is due every 0.25 s."""
FILLS_DUE_MS = 500
"""After Place, how long fills may take before RESOLVE starts asking."""
KEPT_MS = 1_000
"""How long a pair is kept before the venue is asked again whether both legs can be traded."""


class Machine:
    """Five actors, their channels, the tree above them, and the barrier between them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._note = Notes(world.observe, world.clock, "supervisor")
        start = msgspec.structs.replace(
            world.rules,
            version=max(1, world.rules.version),
            read_ms=world.rules.read_ms or world.clock.now_ms(),
        )
        world.venue.order_builder.use(start)
        self.channels = Channels(halted=world.state.halted is not None, rules=start)
        self.barrier = Barrier(world.state.bump(), 0)
        self.tree = self.build_tree()
        self._reconciliation = Reconciliation(world, self.channels)
        self._clock_recovery = ClockRecovery(world, self.channels)
        self._presigned_exit = PresignedExit(world, self.channels)
        self._endings = RunEnding(world, self.channels)
        self.beat: Callable[[float], None] = lambda _now_s: None
        """Called with Trio's time in every turn of the loop: the heartbeat, where somebody listens for
        one.
        """
        self.missing_guard: Callable[[], tuple[str, float]] = lambda: ("", 0.0)
        """Why a guard that is wanted is not alive, and for how many seconds; "" when it is."""
        self._fills_due_ms = 0
        self._told = 0
        """How many plans were sealed, placed or aborted."""
        self._leaving: SizingPlan | None = None
        """The exit that waits for the venue to say whether both legs can be traded."""
        self._kept_until_ms = 0
        """Venue time until which a pair is kept because the venue said that a leg cannot be traded."""
        self._stream: AccountStream | None = None
        away = lambda: self.missing_guard()  # noqa: E731, PLW0108 - whoever has a guard puts another in place
        self._gate = SealGate(world, self.channels, self.tree, self._endings, self._clock_recovery, away)
        self._working = WorkingOrders(world, self.channels, self.tree, self._clock_recovery, away)
        self._gone: TreeGone | None = None

    def build_tree(self) -> Tree:
        """The supervision tree under this machine; tests put one in its place that can be made to crash."""
        return Tree(self.world, self.channels)

    # -- the run ---------------------------------------------------------------------------------------------

    async def run(self) -> Ending:
        """Trade until the configured cycles are done, a stop arrives, or trading must halt. A defect in
        here is a halt, too.
        """
        try:
            ending = await self._run()
        except Exception as error:  # noqa: BLE001 - above this there is nobody who would close what is open
            return self._endings.halt("INTERNAL", told(error))
        if self._gone is None or ending.by == "halt":
            return ending
        return self._endings.halt(self._gone.code, self._gone.detail)

    async def _run(self) -> Ending:
        world, ending = self.world, None
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            subaccount = world.settings.venue.subaccount
            started = Started(world.seed, world.clock.utc_ns(), world.url, world.signer, subaccount)
            self.channels.to_ledger.post(started)
            self.channels.to_ledger.post(rules_read(self.channels.rules.value or world.rules))
            nursery.start_soon(self._run_tree)
            nursery.start_soon(self._reconciliation.reconcile_for_ever)
            nursery.start_soon(self._reconciliation.follow_money)
            self._clocks = ClockWatch(world.clock)
            if not world.virtual:
                nursery.start_soon(self.tree.watch_for_ever)
                nursery.start_soon(self._presigned_exit.keep)
                nursery.start_soon(self._clocks.look_for_ever, self.channels.inbox.post)
            with self.channels.inbox.reader() as inbox:
                while ending is None:
                    # One scope while messages come, and not one for each turn: a scope costs as much.
                    with trio.CancelScope() as waits:
                        while ending is None:
                            # A plan under way, or an order that rests, has deadlines of milliseconds.
                            idle = self.barrier.phase == "idle" and not self._working.any
                            waits.deadline = (
                                next_tick_s(IDLE_S * world.slack) if idle else trio.current_time() + TICK_S
                            )
                            ending = self._turn([await inbox.receive()])
                    ending = ending or self._turn([])
            nursery.cancel_scope.cancel()
        return ending

    def _turn(self, taken: list[msgspec.Struct]) -> Ending | None:
        """One turn of the loop, with what has come: nothing, where the time to look around came first."""
        told, ending = self._told, None
        # All that waits in one turn: three votes are one, and no task switch lies between them.
        for message in [*taken, *self.channels.inbox.drain()]:
            ending = ending or self._take(message)
        # The turn that has sealed or placed a plan ends here: whoever was told runs first.
        if ending is None and self._told == told:
            ending = self._look_around()
        return ending

    def _look_around(self) -> Ending | None:
        """What time alone may have changed: deadlines, connections, and whether an ending is due."""
        self._look_at_deadlines()
        live = self._stream is not None and self._stream.live
        self._working.look(self._nursery, self.barrier.epoch, stream_live=live)
        self._endings.unreachable = self._gate.unconnected_overdue()
        settled, idle = self._reconciliation.settled, self.barrier.phase == "idle"
        return self._endings.now(settled=settled, idle=idle)

    async def _run_tree(self) -> None:
        """However the tree ends, what is open must still be closed: nothing is raised, `_gone` says what
        it was.
        """
        gone = TreeGone("it ended")
        try:
            await self.tree.supervisor.run()
        except trio.Cancelled:
            raise
        except BaseException as error:  # noqa: BLE001 - a library's SystemExit must not leave a leg open either
            code = "LEDGER_UNWRITABLE" if isinstance(error, Unwritable) else "GAVE_UP"
            gone = TreeGone(first_cause_first(error), code)
        self._gone = gone
        self.channels.inbox.post(self._gone)

    def stop(self, reason: str, signal: int = 0) -> None:
        """Ask for the end: no new entries, close both legs."""
        self.channels.inbox.post(Stop(reason, signal))

    def _take(self, message: msgspec.Struct) -> Ending | None:
        self.world.observe(message)
        self._endings.hear(message)
        if isinstance(message, AccountStream):
            self._stream = message
        handle = TAKEN.get(type(message))
        return handle(self, message) if handle else None

    def _voted(self, vote: Ready) -> None:
        """The third vote places both orders, so both legs must still be there to carry it out."""
        third = len(self.barrier.ready) == 2
        self._step(LegDown(vote.epoch, vote.seq) if third and not self.tree.legs_up() else vote)

    def _answered(self, outcome: Outcome) -> None:
        """An order's answer says something of our time and of the venue's rules as well."""
        self._clock_recovery.answered(outcome, self._nursery)
        if outcome.code in REREAD_AFTER:
            self.channels.doubted.put(self.world.clock.now_ms())
        self._step(outcome)

    def _shifted(self, shift: ClockShift) -> None:
        self._endings.look_at_epoch()
        self._clock_recovery.shifted(shift, self._nursery)
        if shift.jumped and self.barrier.sealed:
            plan = self.barrier.sealed.plan
            self._step(ClockJumped(plan.epoch, plan.seq, shift.text()))

    def _bumped(self, message: EpochBumped) -> None:
        """A ledger that crashed while it processed the account's last event has lost it; only this
        supervisor can repeat it.
        """
        self._step(message)
        if self._stream is not None:
            self.channels.to_ledger.post(self._stream)

    def _propose(self, plan: SizingPlan) -> None:
        shift = self._clocks.look()
        if shift:
            self.world.observe(shift)
            self._shifted(shift)
        denial = self._gate.denial(plan, self.barrier.phase)
        if denial:
            return self._gate.not_sealed(plan, denial)
        if not leaves_a_pair(plan, self.channels.held.value):
            return self._seal(plan)
        if self.world.clock.now_ms() >= self._kept_until_ms:
            self._leaving = plan
            self._reconciliation.ask_tradable(self._nursery)
        return None

    def _seal(self, plan: SizingPlan) -> None:
        """The order_builder changes over to the newest rules here and nowhere between a vote and its
        orders: both legs must find the same one.
        """
        rules, held = self.channels.rules.value, self.channels.held.value
        closes = plan.purpose in {"exit", "flatten"}
        if rules:
            self.world.venue.order_builder.use(rules)
        if rules and held and closes:
            rest = on_the_steps(held.eth.amount, held.sol.amount, rules).kept
            if rest:
                self._note("warning", f"{plan.purpose}: {rest}")
        if closes:
            self._presigned_exit.drop()
        self._step(plan)

    def _may_leave(self, answer: Tradable) -> None:
        """The exchange's answer, or none, on the exit that waits. Only an explicit answer keeps both legs;
        unhedged exposure never waits here.
        """
        plan, self._leaving = self._leaving, None
        if plan is None:
            return None
        denial = self._gate.denial(plan, self.barrier.phase)
        held, rules = self.channels.held.value, self.channels.rules.value
        limit = self.world.settings.limits.min_liquidation_move
        near = (
            held is not None
            and rules is not None
            and liquidation_near(held.eth.amount, held.sol.amount, held.maintenance_health, rules, limit)
        )
        # Near liquidation one leg closed alone is the smaller risk.
        if not denial and answer.obstacle and not near:
            self._kept_until_ms = self.world.clock.now_ms() + KEPT_MS
            self.channels.doubted.put(self.world.clock.now_ms())
            denial = Denial(NOT_SEALED, f"hedged, and kept: {answer.obstacle}")
        return self._gate.not_sealed(plan, denial) if denial else self._seal(plan)

    def _step(self, event: Event) -> None:
        settings = self.world.settings
        before = self.barrier
        self.barrier, actions = step(
            before,
            event,
            self.world.clock.now_ms(),
            recv_time_ms=settings.recv_time,
            ready_deadline_ms=settings.ready_deadline,
        )
        for action in actions:
            self._act(action)

    def _act(self, action: Action) -> None:
        if isinstance(action, Tell):
            self._tell(action)
        elif isinstance(action, TellLedger):
            self.channels.to_ledger.post(action.message)
            if isinstance(action.message, Abort):
                self.world.observe(action.message)
        elif isinstance(action, Resolve):
            self._reconciliation.resolve_doubts(self._nursery)
        else:
            self._fills_due_ms = 0
            self._reconciliation.reconcile_soon()

    def _tell(self, action: Tell) -> None:
        message, sealed = action.message, self.barrier.sealed
        self._told += 1
        if isinstance(message, Place) and sealed is not None and not self.world.virtual:
            self._presigned_exit.before_quote(sealed.plan, message)
        self.channels.tell_three(message)
        self.world.observe(message)
        self._gate.decided(message)
        if isinstance(message, Sealed):
            plan = message.plan
            at_ns, eth, sol = self.world.clock.utc_ns(), plan.eth.amount, plan.sol.amount
            self.world.observe(
                Hop(at_ns, "supervisor seals", plan.epoch, plan.seq, message.digest, eth, sol, plan.purpose)
            )
        elif self.barrier.phase == "placed":
            self._endings.placed = True
            self._fills_due_ms = self.world.clock.now_ms() + FILLS_DUE_MS

    # -- deadlines -------------------------------------------------------------------------------------------

    def _look_at_deadlines(self) -> None:
        state, held, now_ms = self.barrier, self.channels.held.value, self.world.clock.now_ms()
        self.beat(trio.current_time())
        self._reconciliation.price_again(self._nursery)
        self._reconciliation.resolve_working(self._nursery)
        self._gate.look(now_ms)
        if state.phase == "voting" and state.sealed and now_ms > state.votes_due_ms:
            self._step(VotesDue(state.sealed.plan.epoch, state.sealed.plan.seq))
        elif state.phase == "placed" and state.sealed and self._fills_due_ms and now_ms > self._fills_due_ms:
            self._fills_due_ms = now_ms + FILLS_DUE_MS
            self._step(FillsDue(state.sealed.plan.epoch, state.sealed.plan.seq))
        elif state.phase == "recovering" and held is not None and held.epoch == state.epoch:
            if held.doubts:
                self._reconciliation.resolve_doubts(self._nursery)
            elif held.phase != "in_flight" and self.tree.legs_up():
                self.barrier = msgspec.structs.replace(state, seq=max(state.seq, held.seq))
                self._step(Recovered())
                self._reconciliation.reconcile_soon()


def leaves_a_pair(plan: SizingPlan, held: Held | None) -> bool:
    """Does it close while two legs hedge each other, at once or by an order that rests? Then both can leave,
    or neither should.
    """
    rests = plan.quote is not None and not (plan.quote.opens or plan.quote.hedges)
    closes = plan.purpose in {"exit", "flatten"} or rests
    return closes and held is not None and hedged(held.eth.amount, held.sol.amount)


TAKEN: dict[type, Callable[[Machine, Any], Ending | None]] = {
    TreeGone: lambda machine, gone: machine._endings.halt(gone.code, gone.detail),
    Stop: lambda machine, stop: machine._endings.stop(stop),
    Leave: lambda machine, wish: machine._endings.leave(wish),
    Pause: lambda machine, wish: machine._endings.pause(wish),
    Tradable: lambda machine, answer: machine._may_leave(answer),
    AccountStream: lambda machine, _: machine._reconciliation.reconcile_soon(),
    ClockShift: lambda machine, shift: machine._shifted(shift),
    Skipped: lambda machine, why: machine._gate.not_entered(why),
    Denied: lambda machine, why: machine._gate.not_entered(why),
    EpochBumped: lambda machine, bump: machine._bumped(bump),
    PairSettled: lambda machine, pair: machine.channels.to_ledger.post(pair),
    CancelAsked: lambda machine, wish: machine._working.wish(wish),
    SizingPlan: lambda machine, plan: machine._propose(plan),
    Ready: lambda machine, vote: machine._voted(vote),
    Declined: lambda machine, vote: machine._step(vote),
    Outcome: lambda machine, outcome: machine._answered(outcome),
    PlanClosed: lambda machine, closed: machine._step(closed),
}
"""What the supervisor does with each message; anything else is only observed."""
