"""Evenkeel: the supervisor that drives the barrier, and main. The tree of actors below it and their channels are in `actors/tree.py`.

    Nado /subscribe -> market_data -PairQuote-> sizing -SizingPlan-> supervisor: the barrier
                                                  ^                   | one frozen object, one slice
                                                  |             +-----+------+
                                                  |          eth_leg ledger sol_leg     SEAL -> READY x3
                                                  |             |      ^      |         -> PLACE -> OUTCOME
    Nado /ws (a connection per leg) <---- signed order ---------+------+------+
    Nado /subscribe -> account -- fill, order_update, position_change -+ (ledger tells sizing what is held)

The supervisor owns both ends of every channel for the life of the process and hands readers to incarnations. It is the only one that seals plans.
Its own loop does no I/O: what has to be asked of the venue (reconciling, RESOLVE) runs beside it (`actors/inquiry.py`) and comes back as messages
to the ledger.
"""

import sys
from collections.abc import Callable
from typing import Literal

import msgspec
import trio

from actors.denials import Denials
from actors.gates import closed_window, daily_loss
from actors.inquiry import Inquiry
from actors.ledger import Unwritable
from actors.legging import budget, over_budget
from actors.limits import plan_denial, run_over
from actors.runtime import barrier
from actors.runtime.barrier import Barrier, ClockJumped, EpochBumped, FillsDue, Recovered, VotesDue
from actors.runtime.clock import ClockWatch, Shift
from actors.runtime.specs import first_cause_first, told
from actors.tree import Channels, Tree, World
from actors.waking import Waking
from actors.way_out import WayOut
from messages.execution import Outcome, PlanClosed
from messages.lifecycle import TAKEN_OVER, AccountStream, Denied, Directive, Halted, Held, Hop, Note, Started, Stopping
from messages.settings import Settings
from messages.sizing import Abort, Declined, Ready, Sealed, SizingPlan, Skipped
from messages.units import Ms

TICK_S = 0.05
"""How often the supervisor looks at its deadlines when nothing happens."""
FILLS_DUE_MS = 500
"""After Place, how long fills may take before RESOLVE starts asking."""
CLOSES_TRIED = 2
"""How often closing through the barrier is tried when somebody else trades here too."""
STOP_PATIENCE_S = 15.0
"""How long a stop may take to close both legs before it says what is open instead."""


class Stop(msgspec.Struct, frozen=True):
    """A signal, or somebody's wish: enter no more, close both legs, end."""

    reason: str
    signal: int = 0


class Leave(msgspec.Struct, frozen=True):
    """Somebody's wish through the control socket: enter no more, close both legs, end. `latch`: and stay halted."""

    code: str
    detail: str
    latch: bool


class TreeGone(msgspec.Struct, frozen=True):
    """The supervision tree gave up; `code` is the halt's."""

    detail: str
    code: str = "GAVE_UP"


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
        self.channels = Channels(halted=world.state.halted is not None)
        self.barrier = Barrier(world.state.bump(), 0)
        self.tree = self.planted()
        self._inquiry = Inquiry(world, self.channels)
        self._waking = Waking(world, self.channels)
        self._way_out = WayOut(world, self.channels)
        self._beaten = False
        self.beat: Callable[[float], None] = lambda _now_s: None
        """Called with Trio's time in every turn of the loop: the heartbeat, where somebody listens for one."""
        self._fills_due_ms = 0
        self._stream: AccountStream | None = None
        self._stop: Stop | None = None
        self._stop_by = 0.0
        self._refused: Ending | None = None
        self._denials = Denials(world.settings.limits.alarm_after_denying)
        self._closing_since: float | None = None
        self._gone: TreeGone | None = None
        self._left: Leave | None = None
        self._placed = False
        """Has this process sent anything?"""
        self._strange: Literal["", "refused", "halt"] = ""
        """How a run ends that has met something which is not ours: there from the beginning, or while it was running."""

    def planted(self) -> Tree:
        """The tree this machine runs."""
        return Tree(self.world, self.channels)

    # -- the run ------------------------------------------------------------------------------------------------------------------------------

    async def run(self) -> Ending:
        """Trade until the configured cycles are done, a stop arrives, or trading must halt. A defect in here is a halt, too."""
        try:
            ending = await self._run()
        except Exception as error:  # noqa: BLE001 - above this there is nobody who would close what is open
            return self._halt("INTERNAL", told(error))
        return ending if self._gone is None or ending.by == "halt" else self._halt(self._gone.code, self._gone.detail)

    async def _run(self) -> Ending:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self.channels.to_ledger.post(self._started())
            nursery.start_soon(self._run_tree)
            nursery.start_soon(self.tree.watch_for_ever)
            nursery.start_soon(self._inquiry.reconcile_for_ever)
            nursery.start_soon(self._way_out.keep)
            self._clocks = ClockWatch(self.world.clock)
            nursery.start_soon(self._clocks.look_for_ever, self.channels.inbox.post)
            ending = await self._conduct()
            nursery.cancel_scope.cancel()
        return ending

    def _started(self) -> Started:
        world = self.world
        return Started(world.seed, world.clock.utc_ns(), world.url, world.signer, world.settings.venue.subaccount)

    async def _run_tree(self) -> None:
        """However the tree ends, what is open must still be closed: nothing is raised, `_gone` says what it was."""
        gone = TreeGone("it came to its end")
        try:
            await self.tree.supervisor.run()
        except trio.Cancelled:
            raise
        except BaseException as error:  # noqa: BLE001 - a library's SystemExit must not leave a leg open either
            gone = TreeGone(first_cause_first(error), "LEDGER_UNWRITABLE" if isinstance(error, Unwritable) else "GAVE_UP")
        self._gone = gone
        self.channels.inbox.post(self._gone)

    def stop(self, reason: str, signal: int = 0) -> None:
        """Ask for the end: enter no more, close both legs."""
        self.channels.inbox.post(Stop(reason, signal))

    async def _conduct(self) -> Ending:
        with self.channels.inbox.reader() as inbox:
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
        if isinstance(message, TreeGone):
            return self._halt(message.code, message.detail)
        if isinstance(message, Stop):
            return self._stopping(message)
        self._hear(message)
        return None

    def _hear(self, message: msgspec.Struct) -> None:
        """What moves the barrier, the ledger or the way a run ends."""
        if isinstance(message, Leave):
            self._leaving(message)
        elif isinstance(message, AccountStream):
            self._stream = message
            self._inquiry.reconcile_soon()
        elif isinstance(message, Shift):
            self._shifted(message)
        elif isinstance(message, Skipped | Denied):
            self._not_entered(message)
        elif isinstance(message, EpochBumped):
            self._bumped(message)
        elif isinstance(message, SizingPlan):
            self._propose(message)
        elif isinstance(message, Ready) and len(self.barrier.ready) == 2 and not self.tree.legs_up():
            self._step(Declined(message.who, message.epoch, message.seq, "LEG_DOWN", "a leg died after the votes began"))
        elif isinstance(message, Ready | Declined | Outcome | PlanClosed):
            self._step(message)

    def _shifted(self, shift: Shift) -> None:
        self._beaten = self._beaten or self.world.state.beaten
        self._waking.shifted(shift, self._nursery)
        if shift.jumped and self.barrier.sealed:
            plan = self.barrier.sealed.plan
            self._step(ClockJumped(plan.epoch, plan.seq, shift.text()))

    def _bumped(self, message: EpochBumped) -> None:
        """A ledger that died with the account's last word in its hand has lost it, and nobody says it twice but us."""
        self._step(message)
        if self._stream is not None:
            self.channels.to_ledger.post(self._stream)

    def _propose(self, plan: SizingPlan) -> None:
        shift = self._clocks.look()
        if shift:
            self.world.observe(shift)
            self._shifted(shift)
        obstacle = self._obstacle(plan)
        if obstacle:
            self._note("info", f"{plan.purpose} not sealed: {obstacle}")
            return
        if plan.purpose in {"exit", "flatten"}:
            self._way_out.drop()
        self._step(plan)

    def _obstacle(self, plan: SizingPlan) -> str:
        """Why this plan may not be sealed now; "" when it may."""
        held = self.channels.held.value
        if self.barrier.phase != "idle" or held is None:
            return f"the barrier is {self.barrier.phase}"
        if not self.channels.legs_idle or not self.tree.legs_up():
            return "a leg is not ready for it"
        self._beaten = self._beaten or self.world.state.beaten
        asleep = "a guard has taken over" if self._beaten else self._waking.obstacle(plan)
        if asleep:
            return asleep
        limited = plan.increases and self.world.venue.rate_obstacle(2, len(self.world.settings.flatten_steps))
        if limited:
            return limited
        if plan.purpose == "enter":
            return self._entry_obstacle(plan, held)
        return ""

    def _entry_obstacle(self, plan: SizingPlan, held: Held) -> str:
        directive = self.channels.directive.value
        if directive is None or not directive.enter or directive.leave_now:
            return "entering is not allowed"
        settings = self.world.settings
        barred = closed_window(self.world.clock.now_ms(), settings) or daily_loss(held, settings) or run_over(held, settings)
        denial = barred or plan_denial(plan, held, self.world.rules, settings)
        if denial is None:
            return ""
        self._denied(Denied(denial.code, denial.detail))
        if barred is None:
            self._refused = Ending("refused", denial.code, denial.detail)
        return f"{denial.code}: {denial.detail}"

    def _not_entered(self, why: Skipped | Denied) -> None:
        """Sizing's word: a cycle skipped is written down each time."""
        if self._denials.denied(why.code, why.detail, self.world.clock.now_ms()) or isinstance(why, Skipped):
            self.channels.to_ledger.post(why)

    def _denied(self, denied: Denied) -> None:
        """Our own denial; written down when its reason is a new one."""
        if self._denials.denied(denied.code, denied.detail, self.world.clock.now_ms()):
            self.world.observe(denied)
            self.channels.to_ledger.post(denied)

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
            self.channels.to_ledger.post(action.message)
            if isinstance(action.message, Abort):
                self.world.observe(action.message)
        elif isinstance(action, barrier.Resolve):
            self._inquiry.resolve_doubts(self._nursery)
        else:
            self._fills_due_ms = 0
            self._inquiry.reconcile_soon()

    def _tell(self, action: barrier.Tell) -> None:
        message = action.message
        self.channels.tell_three(message)
        self.world.observe(message)
        if isinstance(message, Sealed):
            plan = message.plan
            at_ns, eth, sol = self.world.clock.utc_ns(), plan.eth.amount, plan.sol.amount
            if plan.purpose == "enter":
                self._denials.entered()
            self.world.observe(Hop(at_ns, "supervisor seals", plan.epoch, plan.seq, message.digest, eth, sol, plan.purpose))
        elif self.barrier.phase == "placed":
            self._placed = True
            self._fills_due_ms = self.world.clock.now_ms() + FILLS_DUE_MS

    # -- deadlines ------------------------------------------------------------------------------------------------------------------------------

    def _look_at_deadlines(self) -> None:
        state, now_ms = self.barrier, self.world.clock.now_ms()
        self.beat(trio.current_time())
        if alarm := self._denials.due(now_ms):
            self.world.observe(alarm)
            self.channels.to_ledger.post(alarm)
        if state.phase == "voting" and state.sealed and now_ms > state.votes_due_ms:
            self._step(VotesDue(state.sealed.plan.epoch, state.sealed.plan.seq))
        elif state.phase == "placed" and state.sealed and self._fills_due_ms and now_ms > self._fills_due_ms:
            self._fills_due_ms = now_ms + FILLS_DUE_MS
            self._step(FillsDue(state.sealed.plan.epoch, state.sealed.plan.seq))
        elif state.phase == "recovering":
            self._recover()

    def _recover(self) -> None:
        held = self.channels.held.value
        if held is None or held.epoch != self.barrier.epoch:
            return
        if held.doubts:
            self._inquiry.resolve_doubts(self._nursery)
        elif held.phase != "in_flight" and self.tree.legs_up():
            self.barrier = msgspec.structs.replace(self.barrier, seq=max(self.barrier.seq, held.seq))
            self._step(Recovered())
            self._inquiry.reconcile_soon()

    def _ended(self) -> Ending | None:
        held = self.channels.held.value
        if self._beaten:
            return self._stands_down()
        if self._stop and trio.current_time() > self._stop_by:
            return self._stopped(held)
        if held is not None and held.foreign:
            self._meet_strangers()
            if self._taken_from_us(held):
                return self._halt("FOREIGN_FILL", held.foreign)
        if held is not None and self._close_overdue(held):
            return self._halt("CLOSE_OVERDUE", f"the venue has not let us close for {self.world.settings.venue_patience // 1000} s")
        waiting = held is None or (held.awaiting_proof and not held.foreign) or not self._inquiry.settled
        if held is None or waiting or held.phase != "flat" or self.barrier.phase != "idle":
            return None
        return self._flat_ending(held)

    def _close_overdue(self, held: Held) -> bool:
        """Has closing or repairing been tried for longer than `venue_patience`?"""
        settled = held.phase == "flat" or (held.phase == "open" and not held.flattens)
        if settled:
            self._closing_since = None
        elif self._closing_since is None and held.phase != "in_flight":
            self._closing_since = trio.current_time()
        return self._closing_since is not None and trio.current_time() > self._closing_since + self.world.settings.venue_patience / 1000

    def _flat_ending(self, held: Held) -> Ending | None:
        """Flat and idle: is there a reason not to go on?"""
        if over_budget(held, self.world.settings, held.legging.since_ms):
            return self._halt("LEGGING_BUDGET", _stood_alone(held, self.world.settings))
        if self._stop:
            return self._stopped(held)
        if self.world.state.halted:
            return Ending("halt", *self.world.state.halted)
        if held.foreign:
            refused = Ending("refused", "FOREIGN_POSITION", held.foreign)
            return refused if self._strange == "refused" else self._halt("FOREIGN_FILL", held.foreign)
        if denial := daily_loss(held, self.world.settings) or run_over(held, self.world.settings):
            return self._halt(denial.code, denial.detail)
        return self._no_more(held)

    def _no_more(self, held: Held) -> Ending | None:
        """Is all done, or may nothing more be entered?"""
        if self._left:
            return Ending("refused", self._left.code, self._left.detail)
        cycles, attempted = self.world.settings.cycles, held.completed + held.skipped + held.failed
        if cycles is not None and attempted >= cycles:
            return Ending("done")
        if held.no_entry:
            code, _, why = held.no_entry.partition(": ")
            return Ending("refused", code, why)
        return self._refused

    def _meet_strangers(self) -> None:
        """Something at the venue is not explained by our intents. Nothing of it is touched; what is ours is closed and the run ends."""
        if not self._strange:
            self._strange = "halt" if self._placed else "refused"
            self.channels.directive.put(Directive(enter=False, leave_now=True, reason="FOREIGN"))

    def _taken_from_us(self, held: Held) -> bool:
        """Has somebody closed a leg of ours? Then our fills will never say flat: ESCAPE closes what is left of the other, by the venue's word."""
        return held.phase in {"open", "uneven"} and held.flattens >= CLOSES_TRIED

    def _leaving(self, wish: Leave) -> None:
        self._left = wish
        if wish.latch:
            self._latch(wish.code, wish.detail)
        self.channels.directive.put(Directive(enter=False, leave_now=True, reason=wish.code))
        self._note("info", f"{wish.code}: {wish.detail}: entering no more, closing both legs")

    def _stopped(self, held: Held | None) -> Ending:
        stop = self._stop or Stop("")
        return Ending("signal" if stop.signal else "refused", stop.reason, "", stop.signal, open_legs(held))

    def _stopping(self, stop: Stop) -> Ending | None:
        if self._stop is not None:
            return self._stopped(self.channels.held.value)
        self._stop = stop
        self._stop_by = trio.current_time() + STOP_PATIENCE_S
        self.channels.directive.put(Directive(enter=False, leave_now=True, reason=stop.reason))
        self.world.observe(Stopping(stop.reason, Ms(int(STOP_PATIENCE_S * 1000))))
        how = f"entering no more, closing both legs, at most {STOP_PATIENCE_S:g} s; a second one stops waiting"
        self._note("info", f"stopping ({stop.reason}): {how}")
        return None

    def _stands_down(self) -> Ending:
        """Nothing is latched and nothing sent: the state and the subaccount are another process's now."""
        detail = "this run's heartbeat had stopped, so a guard closes what it left open; the run stands down"
        self.world.observe(Halted(TAKEN_OVER, detail))
        return Ending("halt", TAKEN_OVER, detail, 0, open_legs(self.channels.held.value))

    def _halt(self, code: str, detail: str) -> Ending:
        if self._beaten or self.world.state.beaten:
            return self._stands_down()
        self.world.observe(Halted(code, detail))
        self._latch(code, detail)
        return Ending("halt", code, detail, 0, open_legs(self.channels.held.value))

    def _latch(self, code: str, detail: str) -> None:
        try:
            self.world.state.halt(code, detail)
        except OSError as error:
            self._note("error", f"the halt could not be written down, so the next start will not know of it: {error}")

    def _note(self, level: Literal["debug", "info", "warning", "error"], text: str) -> None:
        self.world.observe(Note(self.world.clock.utc_ns(), level, "supervisor", text))


def _stood_alone(held: Held, settings: Settings) -> str:
    kind = "legging_unknown" if held.legging.doubted else "legging_known"
    used, allowed = (amount.decimal() for amount in (held.legging.usd_s, budget(held, settings)))
    return f"cycle {held.cycle} stood on one leg for {used:.0f} USD s, {kind} allows {allowed:.0f}"


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
