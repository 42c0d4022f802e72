"""How a run ends, and who says so: everything but the barrier that the supervisor's loop has to decide.

    done       a goal is reached: `cycles`, `until_volume`, `until_cost`, `until_utc` (`actors/risk/goals.py`)
    signal     somebody stopped it; both legs are closed first, for at most `STOP_PATIENCE_S`
    refused    nothing more may be entered, and that is no fault: margin, a third party's position, a request
               through the control socket
    halt       latched until a person clears it: a limit was passed, a third party traded, the venue does not
               let us close, the tree gave up

An ending is decided when the run is flat and the barrier is idle, but for those that cannot wait for it: a
stop whose time is over, a close that is overdue, a key that the venue refuses, a guard that took over, the
tree's give-up.
"""

from typing import Literal

import msgspec
import trio

from actors.risk.gates import daily_loss
from actors.risk.goals import Goal, closes_now, goals_set, reached
from actors.risk.legging import budget, over_budget
from actors.risk.limits import run_over
from actors.risk.signer_status import SignerStatus
from actors.tree import Channels, World
from messages.amounts import fixed
from messages.lifecycle import (
    LEDGER_GONE,
    PAUSED,
    SIGNER_REPLACED,
    TAKEN_OVER,
    VERIFYING,
    Directive,
    Halted,
    Held,
    Stopping,
)
from messages.units import Ms
from runtime.observe import Notes
from venue.closing import on_the_steps

CLOSES_TRIED = 2
"""How often closing through the barrier is tried when somebody else trades here too."""
REMAINDER_S = 6.0
"""How long what is smaller than the venue's size step is kept, should the step come back: one more reading
of the rules.
"""
STOP_PATIENCE_S = 15.0
"""How long a stop may take to close both legs before it says what is open instead."""


class Stop(msgspec.Struct, frozen=True):
    """A signal, or a request: no new entries, close both legs, end."""

    reason: str
    signal: int = 0


RECORDING_ENDED = "RECORDING_ENDED"
"""Code of a `Leave` after which there is nothing more to trade on: all is done."""


class Leave(msgspec.Struct, frozen=True):
    """A request, through the control socket or by the run itself: no new entries, close both legs, end.
    `latch`: and stay halted.
    """

    code: str
    detail: str
    latch: bool


class Pause(msgspec.Struct, frozen=True):
    """A request through the control socket: enter nothing until another one, with `on` False, lets it go on.
    What is open is held and exits as planned. It does not outlive the process.
    """

    on: bool
    reason: str


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


class RunEnding:
    """Every reason to end a run, as it stands. The supervisor asks for `now` in every turn of its loop."""

    def __init__(self, world: World, channels: Channels) -> None:
        self._world = world
        self._note = Notes(world.observe, world.clock, "supervisor")
        self._channels = channels
        self.placed = False
        """Has this process sent anything?"""
        self.refused: Ending | None = None
        """Why no plan to enter can be sealed; the run ends with it once flat."""
        self.given_up: Ending | None = None
        """Why nothing more is waited for: nothing could be entered for `max_wait`, or the target never can
        be.
        """
        self.unreachable = ""
        """Why a leg's missing connection may not be waited for any longer."""
        self.paused = ""
        """Why a person lets nothing be entered; "" while entering is not paused."""
        self.closing_refused = False
        """Was closing a pair proposed, and not even sealed?"""
        self._signing = SignerStatus()
        self._superseded = False
        self._lost = ""
        """Why the ledger's file is not the one that was opened any more."""
        self._stop: Stop | None = None
        self._stop_by = 0.0
        self._closing_since: float | None = None
        self._remaining_since: float | None = None
        self._left: Leave | None = None
        self._time_came: Goal | None = None
        """`until_utc`, once it has come."""
        self._foreign: Literal["", "refused", "halt"] = ""
        """How a run ends that has met something which is not Evenkeel's: refused where it was there from the
        beginning, a halt where it came while this run was trading.
        """

    def look_at_epoch(self) -> bool:
        """Has a guard started a newer epoch? Then this run is over."""
        self._superseded = self._superseded or self._world.state.beaten
        return self._superseded

    def now(self, *, settled: bool, idle: bool) -> Ending | None:
        """The ending that is due now. `settled`: nothing is being asked of the venue; `idle`: the barrier
        has no plan.
        """
        held = self._channels.held.value
        # First what cannot wait for anything: a guard that closes for us, and a stop whose time is over.
        if self._superseded:
            return self.halt(TAKEN_OVER, "")
        if self._stop and trio.current_time() > self._stop_by:
            return self._stopped(held)
        if held is None:
            return None
        if held.foreign and not self._foreign:
            # Nothing of it is touched; Evenkeel's positions are closed and the run ends.
            self._foreign = "halt" if self.placed else "refused"
            self._channels.directive.put(Directive(enter=False, leave_now=True, reason="FOREIGN"))
        if self._time_came is None and not (self._stop or self._left):
            self._time_came = closes_now(self._world.settings, self._world.clock.now_ms())
            if self._time_came is not None:
                self._enter_no_more(*self._time_came.said)
        if held.no_entry and held.no_entry.code == LEDGER_GONE and not self._lost:
            # What is held is closed by what this process knows; a person has to look before the next entry.
            self._lost = held.no_entry.detail
            self._enter_no_more(LEDGER_GONE, self._lost)
        ending = self._never_flat(held, idle=idle)
        waiting = (held.awaiting_proof and not held.foreign) or not settled or bool(held.working)
        if ending or waiting or held.phase != "flat" or not idle:
            return ending
        return self._needs_a_person(held) or self._no_more(held)

    def _never_flat(self, held: Held, *, idle: bool) -> Ending | None:
        """What keeps this run from ever being flat: it halts, and ESCAPE closes what it can."""
        if held.foreign and held.phase in {"open", "uneven"} and held.flattens >= CLOSES_TRIED:
            # Somebody has closed a leg of ours, so our fills will never say flat; ESCAPE goes by what the
            # exchange reports.
            return self.halt("FOREIGN_FILL", held.foreign)
        if self.unreachable:
            return self.halt("LEG_UNREACHABLE", self.unreachable)
        if idle and self._signing.over(held):
            return self.halt(SIGNER_REPLACED, self._signing.lost)
        if idle and (rest := self._remainder(held)):
            return self.halt("REMAINDER", rest)
        if self._close_overdue(held):
            patience_s = self._world.settings.venue_patience // 1000
            return self.halt("CLOSE_OVERDUE", f"the exchange has refused to close for {patience_s} s")
        return None

    def _remainder(self, held: Held) -> str:
        """Is all that is left after closing smaller than the venue's size steps, by rules read since, and
        for `REMAINDER_S`? In words; else "".
        """
        rules = self._channels.rules.value
        closing = held.phase in {"open", "uneven"} and held.flattens > 0
        fits = (
            on_the_steps(held.eth.amount, held.sol.amount, rules)
            if rules is not None and closing and rules.read_ms > held.last_change_ms
            else None
        )
        if fits is None or fits.eth or fits.sol:
            self._remaining_since = None
            return ""
        now_s = trio.current_time()
        self._remaining_since = now_s if self._remaining_since is None else self._remaining_since
        return fits.kept if now_s >= self._remaining_since + REMAINDER_S else ""

    def _close_overdue(self, held: Held) -> bool:
        """Has closing, repairing, or finding out what an order did been tried for longer than
        `venue_patience`?
        """
        self.closing_refused = self.closing_refused and held.phase != "flat"
        hedged = held.phase == "open" and not held.flattens and not self.closing_refused
        # An order of a plan in flight may still arrive until its window has passed, and one that rests may
        # trade until it expires; after that it is in doubt only because the venue does not answer.
        sent = (*held.doubts, *(order.doubt for order in held.working))
        last_ms = max((doubt.last_trade_ms for doubt in sent), default=None)
        under_way = held.phase in {"in_flight", "working"} and (
            last_ms is None or self._world.clock.now_ms() <= last_ms
        )
        now_s = trio.current_time()
        if held.phase == "flat" or hedged:
            self._closing_since = None
        elif self._closing_since is None and not under_way:
            self._closing_since = now_s
        patience_s = self._world.settings.venue_patience / 1000
        return self._closing_since is not None and now_s > self._closing_since + patience_s

    def _needs_a_person(self, held: Held) -> Ending | None:
        """Flat and idle: must a person look before the next entry, or has one stopped the run? Asked before
        what is merely done, so that it hides neither.
        """
        settings, legging = self._world.settings, held.legging
        if over_budget(held, settings, legging.since_ms):
            kind = "legging_unknown" if legging.doubted else "legging_known"
            used, allowed = fixed(legging.usd_s, 0), fixed(budget(legging, settings), 0)
            words = f"cycle {held.cycle} was unhedged for {used} USD·s, {kind} allows {allowed}"
            return self.halt("LEGGING_BUDGET", words)
        if self._lost or self._stop:
            return self.halt(LEDGER_GONE, self._lost) if self._lost else self._stopped(held)
        if self._world.state.halted:
            return Ending("halt", *self._world.state.halted)
        if held.foreign:
            refused = Ending("refused", "FOREIGN_POSITION", held.foreign)
            return refused if self._foreign == "refused" else self.halt("FOREIGN_FILL", held.foreign)
        denial = daily_loss(held, settings) or run_over(held, settings)
        return self.halt(denial.code, denial.detail) if denial else None

    def _no_more(self, held: Held) -> Ending | None:
        """Is all done, or may nothing more be entered?"""
        settings, left, no_entry = self._world.settings, self._left, held.no_entry
        if left:
            return Ending("done" if left.code == RECORDING_ENDED else "refused", left.code, left.detail)
        # The time that has closed the pair is what ended the run, although that pair was the last one.
        goal = self._time_came or reached(settings, held, self._world.clock.now_ms())
        if goal is not None:
            return Ending("done") if goals_set(settings) == ("cycles",) else Ending("done", *goal.said)
        if no_entry:
            verifying = no_entry.code == VERIFYING  # that passes by itself
            return None if verifying else Ending("refused", no_entry.code, no_entry.detail)
        return Ending("refused", "MISFIT", held.unfit) if held.unfit else self.refused or self.given_up

    def leave(self, wish: Leave) -> None:
        """Make no new entries and close, because it was requested."""
        self._left = wish
        if wish.latch:
            self._latch(wish.code, wish.detail)
        self._enter_no_more(wish.code, wish.detail)

    def pause(self, wish: Pause) -> None:
        """Let nothing be entered, or go on; a run that is about to end does neither."""
        now = self._channels.directive.value
        if now is not None and now.leave_now:
            return
        self.paused = wish.reason if wish.on else ""
        self._channels.directive.put(
            Directive(enter=not wish.on, leave_now=False, reason=PAUSED if wish.on else "")
        )
        self._note("info", f"{PAUSED if wish.on else 'RESUMED'}: {wish.reason}")

    def hear(self, message: msgspec.Struct) -> None:
        """Take notice of a venue that refuses our signature: what can still be closed is closed now."""
        if self._signing.hear(message):
            self._enter_no_more(SIGNER_REPLACED, self._signing.lost)

    @property
    def unsigned(self) -> str:
        """Why no order of ours would be taken any more; "" while they are."""
        return self._signing.obstacle

    def _enter_no_more(self, code: str, detail: str) -> None:
        self._channels.directive.put(Directive(enter=False, leave_now=True, reason=code))
        self._note("info", f"{code}: {detail}: no new entries, closing both legs")

    def _stopped(self, held: Held | None) -> Ending:
        stop = self._stop or Stop("")
        return Ending("signal" if stop.signal else "refused", stop.reason, "", stop.signal, open_legs(held))

    def stop(self, stop: Stop) -> Ending | None:
        """The first asks for the end, the second is one."""
        if self._stop is not None:
            return self._stopped(self._channels.held.value)
        self._stop = stop
        self._stop_by = trio.current_time() + STOP_PATIENCE_S
        self._channels.directive.put(Directive(enter=False, leave_now=True, reason=stop.reason))
        self._world.observe(Stopping(stop.reason, Ms(int(STOP_PATIENCE_S * 1000))))
        how = (
            f"no new entries, closing both legs, at most {STOP_PATIENCE_S:g} s; a second signal stops waiting"
        )
        self._note("info", f"stopping ({stop.reason}): {how}")
        return None

    def halt(self, code: str, detail: str) -> Ending:
        """Latch it and end. After a guard has taken over nothing is latched: the state and the subaccount are
        another process's then, and this run only stops trading.
        """
        superseded = self.look_at_epoch()
        if superseded:
            gone = "this run's heartbeat had stopped, so its guard closes what is open"
            code, detail = TAKEN_OVER, f"{gone}; the run stops trading"
        self._world.observe(Halted(code, detail))
        if not superseded:
            self._latch(code, detail)
        return Ending("halt", code, detail, 0, open_legs(self._channels.held.value))

    def _latch(self, code: str, detail: str) -> None:
        try:
            self._world.state.halt(code, detail)
        except OSError as error:
            self._note(
                "error", f"the halt could not be recorded, so the next start will not know of it: {error}"
            )


def open_legs(held: Held | None) -> str:
    """What is open, orders that rest included, in words; "" when nothing is, "unknown" when nobody knows."""
    if held is None:
        return "unknown"
    rest = [f"{order.doubt.leg} order {order.doubt.order_digest[:10]} rests" for order in held.working]
    unknown = [f"{doubt.leg} order {doubt.order_digest[:10]} unknown" for doubt in held.doubts]
    return ", ".join([*positions(held), *rest, *unknown])


def positions(held: Held) -> tuple[str, ...]:
    """What is held by our fills, in words, leg by leg; () when nothing is."""
    amounts = (("ETH-PERP", held.eth.amount), ("SOL-PERP", held.sol.amount))
    return tuple(f"{name} {amount.text()}" for name, amount in amounts if amount)
