"""The barrier: how both legs get the identical sizing message, as a pure table. No I/O, no clock: events in,
a new state and orders to act out.

Theory of operation. A plan is proposed by sizing and *sealed*: it gets (epoch, seq) and a digest, and the
same object goes to both legs and the ledger. Each of the three takes the digest again from the object it
holds, builds what it needs (a leg: its signed order; the ledger: both order digests, and a committed intent)
and votes `Ready`. Only three equal votes in time make a `Place`. Everything else makes an `Abort`, and then
nothing was sent. After `Place` the plan ends when the ledger says that both orders have endings
(`PlanClosed`).

    phase        event           -> phase        what the supervisor does
    ----------   -------------   -- ----------   ------------------------------------------------------------
    recovering   Outcome            recovering   Tell the ledger; unknown: Resolve
    recovering   PlanClosed         recovering   Settle
    recovering   Recovered          idle         nothing: every doubt has an ending
    idle         SizingPlan         voting       Tell three: Sealed
    voting       Ready (1st, 2nd)   voting       -
    voting       Ready (3rd)        placed       Tell three: Place        (all equal, in time, quotes fresh,
                 window open)
                                    idle         Tell three: Abort        (anything else)
    voting       Declined           idle         Tell three: Abort
    voting       VotesDue           idle         Tell three: Abort
    voting       LegDown            idle         Tell three: Abort
    placed       Outcome            placed       Tell the ledger; unknown: Resolve
    placed       FillsDue           placed       Resolve
    placed       PlanClosed         idle         Settle
    voting       ClockJumped        idle         Tell three: Abort
    placed       ClockJumped        placed       Resolve
    any          EpochBumped        recovering   voting: Abort to the ledger; placed: Resolve

Two rules hold in every row: a message of another (epoch, seq) than the plan in flight changes nothing, and
(epoch, seq) only ever rises.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

from messages.execution import Outcome, PlanClosed
from messages.lifecycle import Denial
from messages.sizing import Abort, Declined, Place, Ready, Sealed, SizingPlan
from messages.units import Ms
from messages.wire import digest

WINDOW_LEFT_MS = 1_000
"""Of the receive window, this much must be left when the orders are placed (design: the barrier)."""
VOTERS = frozenset({"eth", "sol", "ledger"})


class VotesDue(msgspec.Struct, frozen=True):
    """The deadline for the votes of a plan has passed."""

    epoch: int
    seq: int


class FillsDue(msgspec.Struct, frozen=True):
    """A placed plan should have been closed by its fills by now."""

    epoch: int
    seq: int


class LegDown(msgspec.Struct, frozen=True):
    """At the third vote a leg is no longer alive: it voted and died, so it could not place its order."""

    epoch: int
    seq: int


class ClockJumped(msgspec.Struct, frozen=True):
    """The machine slept, or its clock was set: what this plan was decided on is no longer so."""

    epoch: int
    seq: int
    how: str


class EpochBumped(msgspec.Struct, frozen=True):
    """Legs or ledger are about to be started again; both old legs are proven gone and the new epoch is on
    disk.
    """

    epoch: int
    why: str


class Recovered(msgspec.Struct, frozen=True):
    """The ledger has no order without an ending."""


Event = (
    SizingPlan
    | Ready
    | Declined
    | VotesDue
    | LegDown
    | FillsDue
    | ClockJumped
    | Outcome
    | PlanClosed
    | EpochBumped
    | Recovered
)


class Tell(msgspec.Struct, frozen=True):
    """Post the same object to eth_leg, sol_leg and ledger, in one scheduler slice."""

    message: Sealed | Place | Abort


class TellLedger(msgspec.Struct, frozen=True):
    """Post to the ledger alone: an outcome, or the abort of a plan that the legs have forgotten."""

    message: Outcome | Abort


class Resolve(msgspec.Struct, frozen=True):
    """Start RESOLVE for every order in doubt, unless it is being resolved already."""


class Settle(msgspec.Struct, frozen=True):
    """The plan is over; ask the venue whether it agrees."""

    closed: PlanClosed


Action = Tell | TellLedger | Resolve | Settle
Phase = Literal["recovering", "idle", "voting", "placed"]


class Barrier(msgspec.Struct, frozen=True):
    """The state. `sealed` is the plan in flight (voting, placed, or in doubt while recovering)."""

    epoch: int
    seq: int
    phase: Phase = "recovering"
    sealed: Sealed | None = None
    ready: tuple[Ready, ...] = ()
    votes_due_ms: Ms = Ms(0)

    def concerns(self, epoch: int, seq: int) -> bool:
        """Is (epoch, seq) the plan in flight? A message of any other changes nothing."""
        return self.sealed is not None and (self.sealed.plan.epoch, self.sealed.plan.seq) == (epoch, seq)


Step = tuple[Barrier, tuple[Action, ...]]


def seal(plan: SizingPlan, epoch: int, seq: int, recv_time_ms: int) -> Sealed:
    """The plan with its place in the order of things, and the digest over all of it."""
    placed = msgspec.structs.replace(plan, epoch=epoch, seq=seq, recv_time_ms=Ms(recv_time_ms))
    return Sealed(placed, digest(placed))


def step(barrier: Barrier, event: Event, now_ms: int, *, recv_time_ms: int, ready_deadline_ms: int) -> Step:
    """One row of the table. `now_ms` is venue time; the two settings are durations in milliseconds."""
    if isinstance(event, SizingPlan):
        return _proposed(barrier, event, now_ms, recv_time_ms, ready_deadline_ms)
    if isinstance(event, EpochBumped):
        return _bumped(barrier, event)
    if isinstance(event, Recovered):
        return (_without_plan(barrier, "idle") if barrier.phase == "recovering" else barrier), ()
    if not barrier.concerns(event.epoch, event.seq):
        return barrier, ()
    handler = _ROWS.get((barrier.phase, type(event)))
    return handler(barrier, event, now_ms) if handler else (barrier, ())


def _without_plan(barrier: Barrier, phase: Phase) -> Barrier:
    return msgspec.structs.replace(barrier, phase=phase, sealed=None, ready=())


def _proposed(
    barrier: Barrier, plan: SizingPlan, now_ms: int, recv_time_ms: int, ready_deadline_ms: int
) -> Step:
    if barrier.phase != "idle":
        return barrier, ()
    sealed = seal(plan, barrier.epoch, barrier.seq + 1, now_ms + recv_time_ms)
    voting = Barrier(barrier.epoch, barrier.seq + 1, "voting", sealed, (), Ms(now_ms + ready_deadline_ms))
    return voting, (Tell(sealed),)


def _bumped(barrier: Barrier, event: EpochBumped) -> Step:
    if event.epoch <= barrier.epoch:
        return barrier, ()
    recovering = msgspec.structs.replace(barrier, epoch=event.epoch, phase="recovering", ready=())
    if barrier.phase == "voting" and barrier.sealed:
        plan = barrier.sealed.plan
        return recovering, (TellLedger(Abort(plan.epoch, plan.seq, "RECOVER", event.why)),)
    return recovering, (Resolve(),)


def _ready(barrier: Barrier, vote: Ready, now_ms: int) -> Step:
    if any(vote.who == other.who for other in barrier.ready):
        return _abort(barrier, "VOTED_TWICE", f"{vote.who} voted twice")
    barrier = msgspec.structs.replace(barrier, ready=(*barrier.ready, vote))
    if len(barrier.ready) < len(VOTERS):
        return barrier, ()
    sealed = barrier.sealed
    assert sealed is not None  # noqa: S101 - the phase says so
    denial = disagreement(sealed, barrier.ready) or _too_late(barrier, sealed.plan, now_ms)
    if denial:
        return _abort(barrier, denial.code, denial.detail)
    ledger = next(vote for vote in barrier.ready if vote.who == "ledger")
    place = Place(
        sealed.plan.epoch, sealed.plan.seq, sealed.digest, ledger.eth_order or "", ledger.sol_order or ""
    )
    return msgspec.structs.replace(barrier, phase="placed"), (Tell(place),)


def disagreement(sealed: Sealed, votes: tuple[Ready, ...]) -> Denial | None:
    """Why three votes do not make a Place: someone holds another plan, or built another order than the
    ledger derived. None = all equal.
    """
    by_voter = {vote.who: vote for vote in votes}
    if set(by_voter) != VOTERS:
        return Denial("VOTE_MISSING", f"only {sorted(by_voter)} voted")
    if any(vote.plan_digest != sealed.digest for vote in votes):
        return Denial("PLAN_DIFFERS", "a voter holds another plan than the one that was sealed")
    ledger = by_voter["ledger"]
    if by_voter["eth"].eth_order != ledger.eth_order or ledger.eth_order is None:
        return Denial("ORDER_DIFFERS", "eth_leg built another order than the plan says")
    if by_voter["sol"].sol_order != ledger.sol_order or ledger.sol_order is None:
        return Denial("ORDER_DIFFERS", "sol_leg built another order than the plan says")
    return None


def _too_late(barrier: Barrier, plan: SizingPlan, now_ms: int) -> Denial | None:
    # The votes first: late votes make everything else late as well, and they are the cause.
    if now_ms > barrier.votes_due_ms:
        late_ms = now_ms - barrier.votes_due_ms
        return Denial("VOTES_LATE", f"the third vote came {late_ms} ms after the deadline")
    if plan.quote_deadline_ms and now_ms > plan.quote_deadline_ms:
        stale_ms = now_ms - plan.quote_deadline_ms
        return Denial("QUOTE_STALE", f"the quotes went stale {stale_ms} ms before the orders could be placed")
    if plan.recv_time_ms - now_ms < WINDOW_LEFT_MS:
        return Denial("WINDOW_SHORT", f"only {plan.recv_time_ms - now_ms} ms of the receive window are left")
    return None


def _abort(barrier: Barrier, code: str, detail: str) -> Step:
    assert barrier.sealed is not None  # noqa: S101 - the phase says so
    plan = barrier.sealed.plan
    return _without_plan(barrier, "idle"), (Tell(Abort(plan.epoch, plan.seq, code, detail)),)


def _outcome(barrier: Barrier, outcome: Outcome, _now_ms: int) -> Step:
    actions: tuple[Action, ...] = (TellLedger(outcome),)
    return barrier, (*actions, Resolve()) if outcome.kind == "unknown" else actions


_ROWS: dict[tuple[Phase, type], Callable[..., Step]] = {
    ("voting", Ready): _ready,
    ("voting", Declined): lambda barrier, vote, _: _abort(barrier, vote.code, f"{vote.who}: {vote.detail}"),
    ("voting", VotesDue): lambda barrier, *_: _abort(
        barrier,
        "VOTES_LATE",
        f"no vote in time from {', '.join(sorted(VOTERS - {vote.who for vote in barrier.ready}))}",
    ),
    ("voting", LegDown): lambda barrier, *_: _abort(barrier, "LEG_DOWN", "a leg died after the votes began"),
    ("voting", ClockJumped): lambda barrier, event, _: _abort(barrier, "CLOCK_JUMPED", event.how),
    ("placed", Outcome): _outcome,
    ("placed", FillsDue): lambda barrier, *_: (barrier, (Resolve(),)),
    ("placed", ClockJumped): lambda barrier, *_: (barrier, (Resolve(),)),
    ("placed", PlanClosed): lambda barrier, closed, _: (_without_plan(barrier, "idle"), (Settle(closed),)),
    ("recovering", Outcome): _outcome,
    # What is in doubt may be more than this plan: only `Recovered` ends the recovery.
    ("recovering", PlanClosed): lambda barrier, closed, _: (
        _without_plan(barrier, "recovering"),
        (Settle(closed),),
    ),
}
