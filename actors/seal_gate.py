"""Before a plan is sealed: the supervisor's stage of `risk/may_enter.py`, with what it is asked about, what
its denials mean for the run, and why nothing is sent, as it is reported.

The barrier (`barrier.py`) knows nothing of this: what is proposed to it may be sealed.
"""

import random
from collections.abc import Callable

import trio

from actors.barrier import Phase
from actors.clock_recovery import ClockRecovery
from actors.leg_connections import LegConnections
from actors.risk.aborts import Aborts
from actors.risk.denial_alarm import DenialAlarm
from actors.risk.entry_wait import EntryWait
from actors.risk.may_enter import FOLLOWS, NOT_SEALED, SEAL, Proposal, may_enter
from actors.run_ending import Ending, RunEnding
from actors.sizing.sizer import Sizer
from actors.tree import Channels, Tree, World
from messages.lifecycle import PAUSED, Denial, Denied, Waiting
from messages.sizing import Abort, Place, Sealed, SizingPlan, Skipped
from messages.units import Ms
from runtime.observe import Notes

GUARD_WAIT_S = 180.0
"""After this long without a guard the run ends, flat: it could not be closed by anybody else if this
process died.
"""
HEDGES = 4
"""For so many more orders the rate limits must have room beside one that rests: its fills come in pieces."""
OBSTRUCTED_S = 1.0
"""How long a proposal that was not sealed counts as what is waited for: it comes again four times a
second.
"""


class SealGate:
    """One run's. Decides nothing about a plan that is sealed."""

    def __init__(
        self,
        world: World,
        channels: Channels,
        tree: Tree,
        endings: RunEnding,
        clock_recovery: ClockRecovery,
        missing_guard: Callable[[], tuple[str, float]],
    ) -> None:
        """`missing_guard`: why a guard that is wanted is not alive, and for how many seconds."""
        self._world, self._channels, self._tree = world, channels, tree
        self._endings, self._clock_recovery = endings, clock_recovery
        self._missing_guard = missing_guard
        self._note = Notes(world.observe, world.clock, "supervisor")
        self._noted: tuple[str, Denial | None] = ("", None)
        """The purpose and the denial that were noted last: a proposal comes again four times a second."""
        self._denials = DenialAlarm(world.settings.limits.alarm_after_denying)
        self._entry_wait = EntryWait(world.settings.max_wait / 1000)
        self._obstructed = (0.0, Waiting())
        """When a proposal was last not sealed, and why."""
        self._waiting = Waiting()
        """What was reported last of why nothing is sent."""
        self._aborts = Aborts(random.Random(f"aborts {world.seed}"))  # noqa: S311 - jitter
        self._connections = LegConnections(world)

    def denial(self, plan: SizingPlan, phase: Phase) -> Denial | None:
        """Why this plan may not be sealed now, with the barrier in `phase`. What the denial means for the run
        is done here.
        """
        proposal = self._proposal(plan, phase)
        if proposal is None:
            return Denial(NOT_SEALED, f"the barrier is {phase}")
        denial = may_enter(SEAL, proposal, plan.judged_as)
        follows = "waits" if denial is None else FOLLOWS.get(denial.code, "waits")
        if denial is None or follows == "waits":
            return denial
        if denial.code in {"NOT_CONNECTED", "ABORTED"}:
            # Also of plans that close: a fault of ours or of the way to the venue, and no patience.
            self._denied(Denied(denial.code, f"{plan.purpose}: {denial.detail}"))
            self._endings.closing_refused |= plan.purpose in {"exit", "flatten"}
            return denial
        self._denied(Denied(denial.code, denial.detail))
        away_s = proposal.guard_missing[1]
        if denial.code == "GUARD_DOWN" and away_s > GUARD_WAIT_S:
            self._endings.refused = Ending("refused", denial.code, f"{denial.detail}, for {away_s:.0f} s")
        elif follows == "ends":
            self._endings.refused = Ending("refused", denial.code, denial.detail)
        return denial

    def _proposal(self, plan: SizingPlan, phase: Phase) -> Proposal | None:
        """All that speaks for or against sealing it; None before the ledger has said what is held."""
        held, settings = self._channels.held.value, self._world.settings
        if held is None:
            return None
        # A repair orders one leg, so one order may come to be in doubt; unhedged exposure must not wait for
        # room that a pair would need.
        legs = (plan.eth.amount != 0) + (plan.sol.amount != 0)
        quotes = plan.purpose == "quote"
        legs_ready = self._channels.legs_idle and self._tree.legs_up()
        free = phase == "idle" and legs_ready
        return Proposal(
            settings=settings,
            rules=self._channels.rules.value or self._world.rules,
            held=held,
            directive=self._channels.directive.value,
            now_ms=self._world.clock.now_ms(),
            doubted_ms=self._channels.doubted.value or Ms(0),
            plan=plan,
            barrier=phase,
            legs_ready=legs_ready,
            # It reads the disk, and ends the run: asked only where its answer decides.
            superseded=free and self._endings.look_at_epoch(),
            unsigned=self._endings.unsigned,
            known_ms=self._clock_recovery.known_ms,
            unconnected=self._connections.missing(),
            aborts=self._aborts,
            now_s=trio.current_time(),
            rate_limited=self._world.venue.rate_obstacle(
                1 + HEDGES if quotes else 2, len(settings.flatten_steps), legs, rests=int(quotes)
            )
            if plan.increases
            else "",
            guard_missing=self._missing_guard(),
        )

    def not_entered(self, why: Skipped | Denied) -> None:
        """Sizing's word: a cycle skipped is written down each time. A target that cannot be entered at any
        price near these ends the run.
        """
        if isinstance(why, Skipped):
            self._entry_wait.skipped(why.code, why.detail)
            quote, rules = self._channels.quotes.value, self._channels.rules.value or self._world.rules
            if (
                why.verdict is not None
                and quote is not None
                and not Sizer(self._world.settings, rules).possible(quote, why.cycle)
            ):
                self._endings.given_up = Ending(
                    "refused", why.code, f"not at any price within 1 % of this one: {why.detail}"
                )
        if self._denials.denied(why.code, why.detail, self._world.clock.now_ms()) or isinstance(why, Skipped):
            self._channels.to_ledger.post(why)

    def _denied(self, denied: Denied) -> None:
        """Our own denial; written down when its reason is a new one."""
        if self._denials.denied(denied.code, denied.detail, self._world.clock.now_ms()):
            self._world.observe(denied)
            self._channels.to_ledger.post(denied)

    def not_sealed(self, plan: SizingPlan, denial: Denial) -> None:
        """A proposal was denied, by this gate or by the exchange: said once, and what is waited for."""
        self._obstructed = trio.current_time(), Waiting(plan.purpose, denial.code, denial.detail)
        if (plan.purpose, denial) != self._noted:
            self._noted = plan.purpose, denial
            why = denial.detail if denial.code == NOT_SEALED else denial.text
            self._note("info", f"{plan.purpose} not sealed: {why}")

    def decided(self, message: Sealed | Place | Abort) -> None:
        """A plan was sealed, placed or aborted: reasons that have passed count no longer."""
        if isinstance(message, Abort):
            self._aborts.aborted(message, trio.current_time())
        elif isinstance(message, Sealed):
            self._aborts.sealed(message.plan.judged_as)
        else:
            self._aborts.placed()
            self._denials.entered()

    def unconnected_overdue(self) -> str:
        """Why an uneven pair may not wait any longer for a leg's connection; "" while it may. Asked in every
        turn of the supervisor's loop.
        """
        return self._connections.overdue(self._channels.held.value, trio.current_time())

    def look(self, now_ms: int) -> None:
        """Raise an alarm when entering has been denied for long (`now_ms`: venue time), and look at the
        wait.
        """
        alarm = self._denials.due(now_ms)
        if alarm:
            self._world.observe(alarm)
            self._channels.to_ledger.post(alarm)
        self._look_at_wait()

    def _look_at_wait(self) -> None:
        """Report why nothing is sent, when that has changed; and give up once nothing could be entered for
        `max_wait`.
        """
        held, settings, now_s = self._channels.held.value, self._world.settings, trio.current_time()
        at_s, obstructed = self._obstructed
        fresh = obstructed.code and now_s < at_s + OBSTRUCTED_S
        waiting = obstructed if fresh else self._channels.waiting.value or Waiting()
        if self._endings.paused and (waiting.purpose == "enter" or not waiting.code):
            waiting = Waiting("enter", PAUSED, self._endings.paused)
        if waiting != self._waiting:
            self._waiting = waiting
            self._world.observe(waiting)
        resting = held is not None and self._world.clock.now_ms() < held.last_change_ms + settings.pause
        self._entry_wait.look(now_s, held, waiting, resting=resting)
        if self._entry_wait.over and self._endings.given_up is None:
            reason = self._entry_wait.commonest.last
            nothing = f"nothing could be entered for {settings.max_wait / 1000:g} s (max_wait)"
            self._endings.given_up = Ending(
                "refused", reason.code, f"{nothing}, mostly {reason.code}: {reason.detail}"
            )
